"""Distances, boxes round a circle, intersection, windows of requests, instants, merge patch, tokens."""

import itertools
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_server import geometry, instants, jsonio, strictjson, tokens
from reference_server.limits import Window
from reference_server.services import places
from reference_server.services.patches import merge

LONGITUDE = st.floats(-180, 180)
LATITUDE = st.floats(-90, 90)


def test_distances_on_the_sphere() -> None:
    assert geometry.distance_m([0, 0], [1, 0]) == pytest.approx(111_195, rel=1e-4)
    assert geometry.distance_m([179.9, 0], [-179.9, 0]) == pytest.approx(22_239, rel=1e-3)
    assert geometry.distance_m([0, 90], [137, 90]) == pytest.approx(0, abs=1e-6)
    assert geometry.distance_m([0, 89.9], [180, 89.9]) == pytest.approx(22_239, rel=1e-3)


@given(x=LONGITUDE, y=LATITUDE, radius=st.floats(0, 2_000_000), px=LONGITUDE, py=LATITUDE)
def test_the_boxes_of_a_circle_hold_all_of_it(
    x: float, y: float, radius: float, px: float, py: float
) -> None:
    city: Any = SimpleNamespace(system="WGS84")
    if geometry.distance_m([x, y], [px, py]) <= radius:
        boxes = places.boxes(city, [x, y], radius)
        assert any(b[0] - 1e-9 <= px <= b[2] + 1e-9 and b[1] - 1e-9 <= py <= b[3] + 1e-9 for b in boxes)


def test_a_polygon_with_a_hole() -> None:
    outer = [[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]]
    hole = [[1, 1], [1, 3], [3, 3], [3, 1], [1, 1]]
    for p, inside in (((0.5, 0.5), True), ((0, 2), True), ((1, 2), True), ((2, 2), False), ((5, 2), False)):
        assert geometry.in_polygon(p, [outer, hole]) is inside
    shape = {"type": "Polygon", "coordinates": [outer, hole]}
    assert not geometry.meets_box(shape, (1.5, 1.5, 2.5, 2.5))
    assert geometry.meets_box(shape, (-1, -1, 5, 5))
    assert geometry.meets_box(shape, (1.5, 1.5, 3.5, 2.5))


@given(st.lists(st.floats(0, 30), max_size=120).map(sorted))
def test_a_window_never_allows_more_than_its_limit(times: list[float]) -> None:
    window = Window(5, 10.0)
    allowed = [now + 1000 for now in times if window.take(now + 1000).allowed]
    for first, last in itertools.pairwise([*allowed[::1]]):
        assert first <= last
    for i in range(len(allowed) - 5):
        assert allowed[i + 5] - allowed[i] >= 10.0


def test_a_window_opens_again() -> None:
    window = Window(2, 10.0)
    standings = [window.take(now) for now in (100.0, 101.0, 102.0)]
    assert [one.allowed for one in standings] == [True, True, False]
    assert standings[1].remaining == 0
    assert window.take(102.0 + standings[2].reset_s).allowed


@given(
    st.integers(instants.EARLIEST_US + 2 * 86_400 * 10**6, 253_402_300_799 * 10**6 - 2 * 86_400 * 10**6),
    st.integers(-1439, 1439),
)
def test_an_instant_reads_back(micros: int, zone: int) -> None:
    assert instants.parse_with_offset(instants.show(micros, zone)) == (micros, zone)


@pytest.mark.parametrize(
    "text",
    [
        "2025-01-15T10:30:00",
        "2025-01-15",
        "2025-02-30T00:00:00Z",
        "2025-01-15T24:00:00Z",
        "2025-01-15T10:30:00+24:00",
        "2025-01-15T10:30:00Z\n",
        "٢٠٢٥-01-15T10:30:00Z",
        "2025-01-15T10:30:60Z",
        1736904600,
        None,
    ],
)
def test_what_is_no_instant(text: object) -> None:
    assert instants.parse(text) is None


def test_merge_patch_as_in_rfc_7396() -> None:
    for target, patch, result in (
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        (["a"], {"b": None}, {}),
    ):
        assert merge(target, patch) == result


def test_tokens_expire_and_are_bound_to_their_server() -> None:
    mine, other = tokens.Tokens(), tokens.Tokens()
    token = mine.issue("a", "read", now=1000)
    assert mine.check(token, now=1001)["sub"] == "a"
    with pytest.raises(tokens.InvalidTokenError, match="expired"):
        mine.check(token, now=1000 + tokens.LIFETIME_S)
    with pytest.raises(tokens.InvalidTokenError, match="not signed"):
        other.check(token, now=1001)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_both_readers_of_json_agree(value: Any) -> None:
    import json

    try:
        raw = json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    assert jsonio.loads(raw) == strictjson.loads(raw)
