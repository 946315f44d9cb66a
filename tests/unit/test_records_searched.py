"""The spaces that phase 1 searches: what is drawn is what it is called, by two judges, whatever the seed."""

from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from dtc_cli.core.records import judge
from dtc_cli.harness.drawing import examples
from suites.phase1 import spaces
from suites.phase1.second_opinion import is_city_id, is_instant, is_sound
from suites.phase1.test_searched import objects, readings, record

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOWS = ("open", "moved", "lifted", "short")
FLAWS = ("month", "no-month", "day", "no-day", "hour", "minute", "zone", "zoneless", "date")
SLIPS = ("small", "longer-year", "shorter-year", "no-city", "one-letter", "underscore", "blank")


def broken_rules(**members: Any) -> set[str]:
    """The requirements that the smallest record breaks with these members."""
    content = {**record(**members), "timestamp": "2026-11-21T11:00:00Z"}
    return {found.requirement for found in judge(content, now=NOW).findings if found.severity == "error"}


def test_shapes_are_sound_and_broken_ones_are_not() -> None:
    drawn = examples(spaces.SHAPES, 80, Random(4))
    assert {shape["type"] for shape in drawn} >= {
        "Point",
        "MultiPoint",
        "LineString",
        "Polygon",
        "MultiPolygon",
    }
    assert all(map(is_sound, drawn))
    assert broken_rules(cityObjects=objects(drawn)) == set()
    for shape in examples(spaces.AREAS, 20, Random(5)):
        for how in HOWS:
            spoilt = spaces.broken(shape, how)
            assert not is_sound(spoilt)
            assert broken_rules(cityObjects=objects([spoilt])) == {"DTC-P1-037"}


def test_instants_are_real_and_flawed_ones_are_not() -> None:
    drawn = examples(spaces.INSTANTS, 120, Random(6))
    assert all(map(is_instant, drawn))
    assert broken_rules(sensorNetwork=readings(drawn)) == set()
    for instant in drawn[:20]:
        for flaw in FLAWS:
            spoilt = spaces.flawed(instant, flaw)
            assert not is_instant(spoilt)
            assert broken_rules(sensorNetwork=readings([spoilt])) == {"DTC-P1-011"}


def test_city_ids_follow_the_pattern_and_those_with_a_slip_do_not() -> None:
    for name in examples(spaces.CITY_IDS, 60, Random(7)):
        assert is_city_id(name)
        assert broken_rules(cityId=name) == set()
        for how in SLIPS:
            for which in (0, 1):
                spoilt = spaces.slipped(name, (how, which))
                assert not is_city_id(spoilt)
                assert broken_rules(cityId=spoilt) == {"DTC-P1-008"}


@pytest.mark.parametrize(
    "text",
    ["", "2024-02-29", "2024-02-29T12:00:00", "2024-02-29T12:00:00.Z", "2024-02-29 12:00:00Z",
     "2023-02-29T12:00:00Z", "2024-02-29T12:00:00+24:00", "2024-02-29T12:00:00+0900", "0000-01-01T00:00:00Z",
     "٢٠٢٤-02-29T12:00:00Z", "2024-02-29T12:00:00ZZ", "2024-02-29T12:00:00.5"],
)  # fmt: skip
def test_the_second_opinion_takes_no_other_instant(text: str) -> None:
    assert not is_instant(text)


def test_ids_are_texts_of_which_no_two_are_equal() -> None:
    for names in examples(spaces.IDS, 20, Random(8)):
        point = {"type": "Point", "coordinates": [-8.6, 41.2]}
        assert broken_rules(cityObjects=objects([point] * len(names), names)) == set()
        again = [*names[:7], names[1]]
        assert broken_rules(cityObjects=objects([point] * len(again), again)) == {"DTC-P1-081"}
