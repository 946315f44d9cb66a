"""From bytes to a record: what is JSON, what is not, and that nothing makes the judge raise."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtc_cli.core.records import Severity, judge, judge_text, merge, parse
from dtc_cli.core.records.values import kind, show

NOW = datetime(2026, 7, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"a": 1,}', "not JSON"),
        (b"{} {}", "not JSON"),
        (b'{"a": NaN}', "NaN is no JSON number"),
        (b'{"a": -Infinity}', "-Infinity is no JSON number"),
        (b'{"a": "\xe9"}', "not UTF-8: byte 0xe9 at offset 7"),
        (b"[" * 100_000, "nested too deeply"),
        (b"\xff\xfe{\x00}\x00", "not UTF-8"),
    ],
)
def test_what_is_not_json_is_one_finding(text: bytes, words: str) -> None:
    parsed = parse(text)
    assert not parsed.readable
    assert [finding.requirement for finding in parsed.findings] == ["DTC-P1-001"]
    assert words in parsed.findings[0].message
    assert judge_text(text, now=NOW).errors == parsed.findings


@pytest.mark.parametrize("text", [b"[]", b'"x"', b"1", b"null", b"true", b"1e400"])
def test_another_value_than_an_object_is_one_finding(text: bytes) -> None:
    judgement = judge_text(text, now=NOW)
    assert [finding.requirement for finding in judgement.errors] == ["DTC-P1-001"]
    assert judge(json.loads(text), now=NOW).findings == judgement.findings


def test_what_rfc_8259_leaves_to_the_reader_is_a_warning() -> None:
    parsed = parse(b'\xef\xbb\xbf{"a": 1, "a": 2, "b": {"c": 0, "c": 0}}')
    assert parsed.record == {"a": 2, "b": {"c": 0}}
    assert [finding.severity for finding in parsed.findings] == [Severity.WARNING] * 3
    assert "byte order mark" in parsed.findings[0].message


def test_a_number_of_any_length_is_read() -> None:
    digits = "1" + "0" * 5000
    assert parse(f'{{"a": {digits}, "b": 1e400}}'.encode()).record == {"a": float("inf"), "b": float("inf")}
    assert parse(b'{"a": 123456789012345678901234567890}').record == {"a": 123456789012345678901234567890}


def test_the_clock_has_to_have_a_zone() -> None:
    with pytest.raises(ValueError, match="zone"):
        judge({}, now=datetime(2026, 7, 1))  # noqa: DTZ001 - the point of the test


def test_judgements_add_up() -> None:
    one = judge({"version": "1"}, now=NOW, fragment=True)
    both = merge([one, one])
    assert both.findings == one.findings * 2
    assert both.exercised["DTC-P1-007"] == 2
    assert not both.valid


MEMBERS = re.findall(
    r"\S+",
    """
    $schema version cityId timestamp bounds coordinateSystem cityObjects sensorNetwork simulations
    services metadata type id geometry geometries coordinates lod properties sensors nodes
    aggregations location attachedTo features measurements parameter value unit quality confidence
    specifications updateInterval maxValue status operational battery lastMaintenance parameters
    results recommendations timeRange start end created lastUpdated dataQuality epsg zone occupancy
    capacity current affectedRoads congestionLevel coverage
    """,
)
WORDS = (
    "Polygon",
    "Point",
    "WGS84",
    "UTM",
    "local",
    "GeometryCollection",
    "Feature",
    "humidity",
    "percent",
    "a",
    "",
)
ANY_JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.just(10**400),
        st.sampled_from(WORDS),
        st.text(st.characters(), max_size=5),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=6)
    ),
    max_leaves=40,
)


@settings(max_examples=300, deadline=None)
@given(record=ANY_JSON, fragment=st.booleans(), live=st.booleans())
def test_no_content_makes_the_judge_raise(record: Any, fragment: bool, live: bool) -> None:
    judgement = judge(record, now=NOW, fragment=fragment, live=live)
    for finding in judgement.findings:
        assert finding.pointer == "" or finding.pointer.startswith("/")
        (finding.pointer + finding.message).encode("utf-8")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_make_the_parser_raise(text: bytes) -> None:
    parsed = parse(text)
    assert parsed.readable or parsed.findings


def test_lone_surrogates_do_not_reach_the_findings() -> None:
    judgement = judge_text(
        b'{"simulations": [{"results": {"\\ud800": "3 km"}}], "cityId": "\\udfff"}', now=NOW
    )
    assert any("\ufffd" in finding.pointer for finding in judgement.findings)
    for finding in judgement.findings:
        (finding.pointer + finding.message).encode("utf-8")


@pytest.mark.parametrize(
    ("value", "shown", "named"),
    [
        (None, "null", "null"),
        (True, "true", "boolean"),
        ("x" * 100, '"' + "x" * 55 + '..."', "string"),
        ([1, 2], "an array of 2", "array"),
        ({}, "an object of 0 members", "object"),
        (10**80, "an integer of more than 60 digits", "number"),
        (1.5, "1.5", "number"),
        ({1, 2}, "set", "set"),
    ],
)
def test_values_are_shown_short(value: object, shown: str, named: str) -> None:
    assert show(value) == shown
    assert kind(value) == named
