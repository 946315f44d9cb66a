"""The type filter: DTC-P2-027; several types at once: DTC-P2-043."""

import pytest

from dtc_cli.harness.suite import NotApplicable, Twin, expect, verifies
from suites.phase2.support.dataset import Sample
from suites.phase2.support.filters import of_property, of_type
from suites.phase2.support.lists import items_of, page, walk
from suites.phase2.support.queries import Filter, judge_filter
from suites.phase2.support.replies import ANY_REFUSAL, admitted

TYPES = ("Building", "Road", "Bridge", "Park", "Utility", "Landmark", "TransportHub", "WaterBody")
SIMILAR = {
    "lower-case": "building",
    "upper-case": "BUILDING",
    "shorter": "Build",
    "longer": "Buildings",
    "joker": "Build*",
    "percent": "B%",
    "unknown": "Volcano",
}


@verifies("DTC-P2-027", hazard="write")
@pytest.mark.parametrize("kind", TYPES)
def test_all_of_a_type(twin: Twin, sample: Sample, kind: str) -> None:
    judge_filter(twin, sample, by_type(kind))


@verifies("DTC-P2-027", hazard="write")
@pytest.mark.parametrize("kind", ["WaterBody", "Park"])
def test_all_of_a_type_in_small_pages(twin: Twin, sample: Sample, kind: str) -> None:
    """The filter comes before the paging: pages are cut from what matches."""
    judge_filter(twin, sample, by_type(kind), limit=2)


@verifies("DTC-P2-027", hazard="write", negative=True)
@pytest.mark.parametrize("name", SIMILAR)
def test_similar_type_does_not_match(twin: Twin, sample: Sample, name: str) -> None:
    """Returned objects have the type letter by letter; an unknown type may also be refused."""
    del sample
    kind = SIMILAR[name]
    answer = page(twin, {"type": kind, "limit": 100})
    admitted(answer)
    if answer.status in ANY_REFUSAL:
        return
    expect.status(answer, {200}, clause="P2 4.3")
    others = [item.get("type") for item in items_of(answer) or () if item.get("type") != kind]
    expect.that(
        not others,
        f"?type={kind} returns objects of another type",
        expected=f"only objects of type {kind}, or none",
        actual=others[:5],
        clause="P2 4.3",
    )


@verifies("DTC-P2-043", hazard="write")
@pytest.mark.parametrize("form", ["comma", "repeated"])
def test_several_types(twin: Twin, sample: Sample, form: str) -> None:
    wanted = {"Park", "Bridge"}
    query = [("type", "Park,Bridge")] if form == "comma" else [("type", "Park"), ("type", "Bridge")]
    answer = twin.rest.get("/cities/{city}/objects", params=[*query, ("limit", "1000")])
    items = (items_of(answer) if answer.ok else None) or ()
    found = {str(item.get("type")) for item in items}
    if not wanted <= found:
        raise NotApplicable(f"several types in one request are not offered (status {answer.status})")
    expect.equal(sorted(found), sorted(wanted), "the list holds other types than asked for", clause="C-43")
    missing = [
        name for name, body in sample.bodies.items() if body["type"] in wanted and name not in ids(items)
    ]
    if len(items) < 100:
        expect.that(not missing, "objects of the types are missing", actual=missing[:5], clause="C-43")


@verifies("DTC-P2-043", hazard="write")
@pytest.mark.parametrize(
    ("operator", "value", "least"), [("gte", "20", 20), ("gt", "20", 21)], ids=["gte", "gt"]
)
def test_comparison(twin: Twin, sample: Sample, operator: str, value: str, least: int) -> None:
    params = {f"properties.floors.above[{operator}]": value, **sample.narrow}
    answer = page(twin, {**params, "limit": 1000})
    items = items_of(answer) if answer.ok else None
    if not items:
        raise NotApplicable(f"the operator {operator} is not offered (status {answer.status})")
    floors = of_property("floors.above", value)
    small = [item.get("id") for item in items if not floors(item) and above(item) < least]
    expect.that(not small, f"[{operator}]={value} returns smaller values", actual=small[:5], clause="C-43")


@verifies("DTC-P2-043", hazard="write", negative=True)
def test_unknown_operator_is_not_ignored(twin: Twin, sample: Sample) -> None:
    del sample
    plain = walk(twin, pages=1, limit=100)
    answer = page(twin, {"properties.floors.above[dtcop]": "20", "limit": 100})
    admitted(answer)
    if answer.status in ANY_REFUSAL:
        return
    items = items_of(answer) or ()
    expect.that(
        len(items) < len(plain.pages[0]),
        "an unknown operator is silently ignored",
        expected="status 400, or no objects",
        actual=f"{len(items)} objects",
        clause="C-43",
    )


def by_type(kind: str) -> Filter:
    """The filter for a type."""
    return Filter({"type": kind}, of_type(kind), "DTC-P2-027")


def ids(items: tuple[dict[str, object], ...]) -> set[str]:
    """The ids of listed objects."""
    return {str(item.get("id")) for item in items}


def above(item: dict[str, object]) -> float:
    """The number of floors of a listed object; none counts as less than any."""
    properties = item.get("properties")
    floors = properties.get("floors") if isinstance(properties, dict) else None
    count = floors.get("above") if isinstance(floors, dict) else None
    return float(count) if isinstance(count, int | float) else float("-inf")
