"""Places inside a city, and things that a run creates and takes back."""

import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import Point as ShapelyPoint
from shapely.geometry import Polygon as ShapelyPolygon

from dtc_cli.core.target import parse as parse_target
from dtc_cli.harness.city import City, parse
from dtc_cli.harness.journal import Journal, open_items
from dtc_cli.harness.outcomes import Blocked
from dtc_cli.harness.twin import Twin
from tests.support.spoilt import CITY, answer, serving

SQUARE = ((129.0, 35.0), (129.4, 35.0), (129.4, 35.4), (129.0, 35.4), (129.0, 35.0))
HOLE = ((129.1, 35.1), (129.1, 35.3), (129.3, 35.3), (129.3, 35.1), (129.1, 35.1))
L_SHAPE = ((0.0, 0.0), (1.0, 0.0), (1.0, 0.1), (0.1, 0.1), (0.1, 1.0), (0.0, 1.0), (0.0, 0.0))


@pytest.mark.parametrize("rings", [(SQUARE,), (SQUARE, HOLE), (L_SHAPE,)])
@given(seed=st.integers())
def test_a_test_object_fits_into_the_bounds(
    rings: tuple[tuple[tuple[float, float], ...], ...], seed: int
) -> None:
    city = City(rings, "WGS84")
    x, y = city.place(Random(seed))
    bounds = ShapelyPolygon(rings[0], rings[1:])
    for corner in ((x, y), (x + city.side, y), (x + city.side, y + city.side), (x, y + city.side)):
        assert bounds.contains(ShapelyPoint(corner))


@given(st.floats(-179, 178), st.floats(-89, 88), st.floats(0.01, 1))
def test_outside_is_outside_and_legal(x: float, y: float, size: float) -> None:
    ring = ((x, y), (x + size, y), (x + size, y + size), (x, y + size), (x, y))
    lon, lat = City((ring,), "WGS84").outside()
    assert -180 <= lon <= 180
    assert -90 <= lat <= 90
    assert not ShapelyPolygon(ring).intersects(ShapelyPoint(lon, lat))


@given(st.floats(129.0, 129.4), st.floats(35.0, 35.4))
def test_holds_agrees_with_shapely(x: float, y: float) -> None:
    bounds, point = ShapelyPolygon(SQUARE, [HOLE]), ShapelyPoint(x, y)
    if bounds.boundary.distance(point) > 1e-9:
        assert City((SQUARE, HOLE), "WGS84").holds((x, y)) == bounds.contains(point)


def test_a_projected_city_is_measured_in_metres() -> None:
    body = {
        "bounds": {
            "coordinates": [[[500000, 4000000], [510000, 4000000], [510000, 4010000], [500000, 4000000]]]
        },
        "coordinateSystem": {"type": "UTM"},
    }
    city = parse(body)
    assert city is not None
    assert city.side == 10.0
    assert city.outside()[0] > 510000


@pytest.mark.parametrize(
    "body", [{}, {"bounds": None}, {"bounds": {"coordinates": [[[1]]]}}, {"bounds": {"coordinates": []}}]
)
def test_a_city_without_usable_bounds(body: dict[str, object]) -> None:
    assert parse(body) is None


def test_a_city_without_room() -> None:
    line = ((0.0, 0.0), (1.0, 0.0), (0.5, 0.0), (0.0, 0.0))
    with pytest.raises(Blocked, match="no room"):
        City((line,), "WGS84").place(Random(1))


def test_the_journal_survives_a_kill(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.plan("object a", "DELETE", "/a")
    journal.plan("object b", "DELETE", "/b")
    journal.done("object a")
    # No close: this is what a killed run leaves, with half a line at its end.
    with (tmp_path / "journal.jsonl").open("ab") as file:
        file.write(b'{"op": "planned", "key": "obj')
    assert open_items(tmp_path) == [("object b", {"method": "DELETE", "path": "/b", "body": None})]
    journal.close()


def twin_at(origin: str, folder: Path) -> Twin:
    target = parse_target(
        "dtc: 1\ntarget: {name: a, vendor: b, version: c}\ncity: KR-BUSAN-2025\n"
        f"rest: {{base_url: '{origin}/v1'}}\nauth: {{api_keys: {{admin: admin-key-1}}}}\n",
        source="t",
        folder=folder,
    )
    run = {
        "runId": "r",
        "seed": 0,
        "nonce": "",
        "standard": {"catalogueDigest": ""},
        "profile": {"digest": ""},
        "clock": {},
    }
    return Twin(target, run, folder)


def test_a_simulation_that_has_ended_is_told_as_left_behind(tmp_path: Path) -> None:
    """Running ones are cancelled, removable ones removed; a record that stays is named (C-46)."""
    states = {"ended": "completed", "runs": "running", "stuck": "running", "goes": "completed"}

    def target(request: BaseHTTPRequestHandler) -> None:
        name = request.path.rpartition("/")[2]
        if name not in states:
            answer(request, 404, {})
        elif request.command == "GET":
            answer(request, 200, {"id": name, "status": states[name]})
        elif name == "goes":
            del states[name]
            answer(request, 200, {})
        elif name == "runs":
            states[name] = "cancelled"
            answer(request, 200, {"id": name, "status": "cancelled"})
        else:
            answer(request, 409, {"error": {"code": "SIMULATION_NOT_RUNNING"}})

    with serving(target) as origin:
        twin = twin_at(origin, tmp_path)
        for name in (*states, "gone"):
            twin.journal.plan(f"simulation {name}", "DELETE", f"/cities/{{city}}/simulations/{name}")
        assert set(twin.close()) == {"simulation ended", "simulation runs", "simulation stuck"}
        assert [key for key, _ in open_items(tmp_path)] == ["simulation stuck"]
        # A later sitting of the run, or `dtc clean`, has nothing to do for the others, and still names them.
        assert set(twin_at(origin, tmp_path).close()) == {
            "simulation ended",
            "simulation runs",
            "simulation stuck",
        }
    ops = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_bytes().splitlines()]
    assert {one["key"] for one in ops if one["op"] == "undone"} == {"simulation goes", "simulation gone"}


def test_an_undo_with_a_body_sends_it(tmp_path: Path) -> None:
    """City metadata is taken back by the PATCH that restores it (D-36)."""
    seen: list[tuple[str, bytes]] = []

    def watch(request: BaseHTTPRequestHandler) -> None:
        size = int(request.headers.get("Content-Length") or 0)
        seen.append((request.command, request.rfile.read(size)))
        del request.headers["Content-Length"]
        answer(request, 200, CITY)

    with serving(watch) as origin:
        twin = twin_at(origin, tmp_path)
        twin.journal.plan("city metadata", "PATCH", "/cities/{city}", {"metadata": {"description": "old"}})
        assert twin.scratch.clean() == []
        twin.close()
    assert seen == [("PATCH", b'{"metadata":{"description":"old"}}')]
    assert open_items(tmp_path) == []
