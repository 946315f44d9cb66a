"""Filters on properties: DTC-P2-030 (properties.*), -031 (bare names), -032 (several filters at once)."""

import pytest

from dtc_cli.harness.suite import Blocked, Twin, Violation, expect, quote, verifies
from suites.phase2.support.creating import read
from suites.phase2.support.dataset import Sample
from suites.phase2.support.filters import every, of_property, of_type
from suites.phase2.support.lists import OBJECTS, items_of, need_items, page
from suites.phase2.support.queries import Filter, judge_filter
from suites.phase2.support.replies import admitted
from suites.phase2.support.searching import QUESTIONS, search
from suites.phase2.support_live import eventually

EQUAL = {
    "text": ("buildingType", "commercial"),
    "plus-sign": ("energyClass", "A+"),
    "one-letter": ("energyClass", "A"),
    "nested": ("floors.above", "20"),
    "nested-zero": ("floors.above", "0"),
    "nested-twice": ("floors.plan.lifts", "1"),
    "whole-number": ("serial", "7"),
    "decimal": ("height", "10.75"),
    "negative": ("height", "-6.75"),
    "flag": ("heated", "true"),
    "flag-false": ("heated", "false"),
    "spaces": ("label", "Han River"),
    "comma": ("label", "Seocho, south"),
    "unicode": ("label", "한강"),
    "unicode-spaces": ("label", "한강 빌딩"),
    "reserved-signs": ("code", "A&B=C"),
    "percent": ("code", "50%"),
}
DIFFERENT = {
    "no-such-value": ("buildingType", "dtc-none"),
    "no-such-property": ("dtcNoSuchProperty", "x"),
    "no-such-nested": ("floors.dtcNone", "20"),
    "prefix": ("buildingType", "comm"),
    "suffix": ("buildingType", "mercial"),
    "longer": ("buildingType", "commercially"),
    "upper-case": ("buildingType", "COMMERCIAL"),
    "joker": ("buildingType", "comm*"),
    "percent-joker": ("buildingType", "comm%"),
    "underscore-joker": ("buildingType", "commercia_"),
    "leading-zeros": ("code", "00"),
    "other-number": ("floors.above", "2000"),
    "below-not-above": ("floors.below", "20"),
    "other-level": ("plan.lifts", "1"),
    "other-parent": ("dtcNone.above", "20"),
}
TOGETHER: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "type-and-text": ("Building", (("buildingType", "commercial"),)),
    "type-and-number": ("Building", (("floors.above", "20"),)),
    "type-and-plus": ("WaterBody", (("energyClass", "A+"),)),
    "two-properties": ("", (("buildingType", "commercial"), ("energyClass", "A+"))),
    "two-nested": ("", (("floors.above", "20"), ("floors.below", "0"))),
    "type-and-two": ("Building", (("buildingType", "commercial"), ("energyClass", "A+"))),
    "text-and-flag": ("", (("energyClass", "A+"), ("heated", "true"))),
    "nothing-in-common": ("Park", (("buildingType", "industrial"),)),
}


@verifies("DTC-P2-030", hazard="write")
@pytest.mark.parametrize("name", EQUAL)
def test_equal_value(twin: Twin, sample: Sample, name: str) -> None:
    judge_filter(twin, sample, by_property(*EQUAL[name]))


@verifies("DTC-P2-030", hazard="write")
@pytest.mark.parametrize("name", ["text", "plus-sign", "nested"])
def test_equal_value_in_small_pages(twin: Twin, sample: Sample, name: str) -> None:
    """The filter comes before the paging: pages are cut from what matches."""
    judge_filter(twin, sample, by_property(*EQUAL[name]), limit=2)


@verifies("DTC-P2-030", hazard="write", negative=True)
@pytest.mark.parametrize("name", DIFFERENT)
def test_unequal_value(twin: Twin, sample: Sample, name: str) -> None:
    judge_filter(twin, sample, by_property(*DIFFERENT[name]))


@verifies("DTC-P2-030", hazard="write")
@pytest.mark.parametrize("number", range(3))
def test_generated_value(twin: Twin, sample: Sample, number: int) -> None:
    """Any property of any object of the sample finds that object."""
    random = twin.random
    rows = random.sample(list(sample.bodies), k=3)  # as created: ids are the target's own
    body = sample.bodies[rows[number]]
    name = random.choice(["label", "height", "serial", "energyClass", "code"])
    value = body["properties"][name]
    judge_filter(twin, sample, by_property(name, value if isinstance(value, str) else f"{value:g}"))


@verifies("DTC-P2-030", hazard="write")
def test_searched_value(twin: Twin, sample: Sample) -> None:
    """Values of the sample, and what is almost one of them."""
    rows = list(sample.bodies.values())

    def judge(question: tuple[int, str, str, int]) -> None:
        row, name, how, limit = question
        value = rows[row % len(rows)]["properties"][name]
        text = value if isinstance(value, str) else f"{value + 0.125 * (how == 'other'):g}"
        text = {"upper": text.upper(), "longer": f"{text}x", "shorter": text[:-1]}.get(how, text)
        if text:
            judge_filter(twin, sample, by_property(name, text), limit=limit)

    search(twin, QUESTIONS, 10, judge)


@verifies("DTC-P2-030", hazard="write")
def test_patched_value_is_found(twin: Twin) -> None:
    """The filter looks at what the object is now."""
    mark = twin.scratch.new_id()
    created, _ = twin.scratch.object(twin.scratch.body(dtcMark=f"{mark}-old"))
    change = {"properties": {"dtcMark": f"{mark}-new"}}
    answer = twin.rest.patch(f"{OBJECTS}/{quote(created)}", json=change)
    kept = read(twin, created).get("properties")
    if not answer.ok or not isinstance(kept, dict) or kept.get("dtcMark") != f"{mark}-new":
        raise Blocked("DTC-P2-023", "the property cannot be patched")

    def look() -> dict[str, set[str]]:
        return {value: ids(twin, "properties.dtcMark", f"{mark}-{value}") for value in ("old", "new")}

    def followed() -> bool:
        lists = look()
        return created not in lists["old"] and created in lists["new"]

    eventually(twin, followed, within_s=2)
    found = look()
    expect.equal(
        [created in found["old"], created in found["new"]],
        [False, True],
        "the filter finds the object by an old value, or not by the new one",
        clause="P2 4.3",
    )


@verifies("DTC-P2-031", hazard="write")
@pytest.mark.parametrize("name", ["text", "plus-sign", "unicode"])
def test_bare_name(twin: Twin, sample: Sample, name: str) -> None:
    member, value = EQUAL[name]
    wanted = Filter({member: value}, of_property(member, value), "DTC-P2-031", "C-40")
    judge_filter(twin, sample, wanted)


@verifies("DTC-P2-031", hazard="write", negative=True)
def test_bare_name_is_not_ignored(twin: Twin, sample: Sample) -> None:
    """The printed example: ?type=Building&energyClass=A+&limit=10."""
    del sample
    answer = page(twin, {"type": "Building", "energyClass": "A+", "limit": 10})
    admitted(answer)
    expect.success(answer, clause="C-40")
    judge = of_property("energyClass", "A+")
    wrong = [item.get("id") for item in items_of(answer) or () if judge(item) is False]
    expect.that(
        not wrong, "the bare name is ignored: objects of another class came", actual=wrong[:3], clause="C-40"
    )


@verifies("DTC-P2-032", hazard="write")
@pytest.mark.parametrize("name", TOGETHER)
def test_all_filters_hold(twin: Twin, sample: Sample, name: str) -> None:
    kind, members = TOGETHER[name]
    judge_together(twin, sample, kind, members)


@verifies("DTC-P2-032", hazard="write", negative=True)
@pytest.mark.parametrize("order", ["type-first", "type-last"])
def test_no_filter_is_dropped(twin: Twin, sample: Sample, order: str) -> None:
    """Neither the first nor the last of several filters is forgotten, with a small page."""
    parts = {"type": "WaterBody", "properties.buildingType": "commercial"}
    names = list(parts) if order == "type-first" else list(reversed(parts))
    together = every(of_type("WaterBody"), of_property("buildingType", "commercial"))
    wanted = Filter({name: parts[name] for name in names}, together, "DTC-P2-032")
    excused(twin, sample, wanted, 3, [by_kind("WaterBody"), by_property("buildingType", "commercial")])


def judge_together(
    twin: Twin, sample: Sample, kind: str, members: tuple[tuple[str, str], ...], limit: int = 1000
) -> None:
    """The filters together find what each of them finds."""
    singles = [by_property(*member) for member in members] + ([by_kind(kind)] if kind else [])
    params: dict[str, str] = {}
    for single in singles:
        params.update(single.params)
    together = Filter(params, every(*(single.judge for single in singles)), "DTC-P2-032")
    excused(twin, sample, together, limit, singles)


def excused(twin: Twin, sample: Sample, together: Filter, limit: int, singles: list[Filter]) -> None:
    """Judge filters together; when that fails, look first whether each of them works alone.

    Raises:
        Blocked: when one of them does not.
    """
    try:
        judge_filter(twin, sample, together, limit=limit)
    except Violation:
        for single in singles:
            try:
                judge_filter(twin, sample, single)
            except Violation:
                raise Blocked(single.requirement, f"?{single.shown} does not work alone") from None
        raise


def by_property(name: str, value: str) -> Filter:
    """The filter for a property."""
    return Filter({f"properties.{name}": value}, of_property(name, value), "DTC-P2-030")


def by_kind(kind: str) -> Filter:
    """The filter for a type."""
    return Filter({"type": kind}, of_type(kind), "DTC-P2-027")


def ids(twin: Twin, name: str, value: str) -> set[str]:
    """The ids that a filter gives."""
    answer = page(twin, {name: value, "limit": 1000})
    admitted(answer)
    expect.status(answer, {200}, clause="P2 4.3")
    return {str(item.get("id")) for item in need_items(answer)}
