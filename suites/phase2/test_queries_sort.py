"""Sorting of lists: DTC-P2-041."""

from typing import Any

import pytest

from dtc_cli.harness.suite import Blocked, Twin, expect, verifies
from suites.phase2.support.dataset import Sample
from suites.phase2.support.lists import PAGE_MAX, items_of, page, walk
from suites.phase2.support.replies import BAD_REQUEST, admitted, refused
from suites.phase2.support.values import within

CLAUSE = "P2 5.2, C-43"


@verifies("DTC-P2-041", hazard="write")
@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("field", ["height", "serial", "label"])
def test_sorted_by_a_property(twin: Twin, sample: Sample, field: str, order: str) -> None:
    """Numbers sort as numbers: 9.5 comes before 10.75, and -9 before -6.75."""
    judge_order(twin, sample, field, order, limit=1000)


@verifies("DTC-P2-041", hazard="write")
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_sorted_across_pages(twin: Twin, sample: Sample, order: str) -> None:
    """The order is that of all matches, not of each page."""
    judge_order(twin, sample, "height", order, limit=6)


@verifies("DTC-P2-041", hazard="write")
def test_sorted_by_type(twin: Twin, sample: Sample) -> None:
    params = {**sample.narrow, "sortBy": "type", "sortOrder": "desc"}
    first = page(twin, {**params, "limit": PAGE_MAX})
    admitted(first)  # sorting is a SHOULD: refusing it is its own finding, no broken list
    expect.status(first, {200}, clause=CLAUSE)
    found = walk(twin, params, first=first)
    kinds = [sample.bodies[name]["type"] for name in found.ids if name in sample.bodies]
    expect.equal(kinds, sorted(kinds, reverse=True), "sortBy=type is not in order", clause=CLAUSE)


@verifies("DTC-P2-041", hazard="write", negative=True)
@pytest.mark.parametrize("order", ["sideways", "1"])
def test_unknown_order_is_refused(twin: Twin, order: str) -> None:
    answer = page(twin, {"sortBy": "properties.height", "sortOrder": order, "limit": 5})
    refused(answer, BAD_REQUEST, clause=CLAUSE)


def judge_order(twin: Twin, sample: Sample, field: str, order: str, *, limit: int) -> None:
    """The objects of the sample come in the order of that property, whatever else comes between them."""
    params = {**sample.narrow, "sortBy": f"properties.{field}", "sortOrder": order}
    first = page(twin, {**params, "limit": limit})
    admitted(first)
    expect.status(first, {200}, clause=CLAUSE)
    if items_of(first) is None:
        raise Blocked("DTC-P2-026", f"no list came back: {first.excerpt(120)}")
    found = walk(twin, params, limit=limit, pages=20, first=first)
    names = [name for name in dict.fromkeys(found.ids) if name in sample.bodies]
    if len(names) < len(sample.bodies):
        raise Blocked("DTC-P2-030", "the objects of the run cannot be singled out")
    values: list[Any] = [sample.bodies[name]["properties"][field] for name in names]
    if field == "label":
        # Any collation is legal; what is judged is that one direction is the reverse of the other.
        judge_text(twin, params, values)
        return
    expect.equal(
        values,
        sorted(values, reverse=order == "desc"),
        f"sortBy=properties.{field}&sortOrder={order} is not in order",
        clause=CLAUSE,
    )


def judge_text(twin: Twin, params: dict[str, str], values: list[Any]) -> None:
    """Equal labels stand together, and both directions begin with different ones."""
    runs = [value for value, before in zip(values, [None, *values], strict=False) if value != before]
    expect.equal(len(runs), len(set(values)), "equal values do not stand together", clause=CLAUSE)
    other = "asc" if params["sortOrder"] == "desc" else "desc"
    items = items_of(page(twin, {**params, "sortOrder": other, "limit": 1})) or ()
    label = within(items[0] if items else None, "properties", "label")
    expect.equal(label, values[-1], "the directions are not the reverse of each other", clause=CLAUSE)
