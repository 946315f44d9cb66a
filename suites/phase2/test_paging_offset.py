"""Offsets and what a list tells about itself: DTC-P2-037..-040."""

from collections import Counter

import pytest

from dtc_cli.harness.suite import (
    Blocked,
    NotTested,
    Twin,
    Violation,
    expect,
    verifies,
)
from suites.phase2.support.crowd import settled
from suites.phase2.support.dataset import Sample
from suites.phase2.support.lists import (
    PAGE_MAX,
    echo_of,
    items_of,
    need_items,
    page,
    total_of,
    walk,
)
from suites.phase2.support.replies import BAD_REQUEST, admitted, refused, served
from suites.phase2.support.searching import PAGES, search

CLAUSE = "P2 4.3"
NO_NUMBERS = {
    "text": "abc",
    "mixed": "1e9x",
    "trailing": "10abc",
    "fraction": "1.5",
    "negative": "-1",
    "very-negative": "-1000000",
}


@verifies("DTC-P2-037", hazard="write")
@pytest.mark.parametrize("parts", [3, 7])
def test_pages_visit_each_object_once(twin: Twin, sample: Sample, parts: int) -> None:
    params, base = settled(twin, sample)
    limit = max(1, -(-len(base) // parts))
    found = walk(twin, params, limit=limit, pages=3 * parts + 5)
    counts = Counter(found.ids)
    twice = sorted(name for name, count in counts.items() if count > 1)
    never = sorted(set(base) - set(counts))
    if (twice or never) and set(settled(twin, sample)[1]) != set(base):
        raise NotTested("others write in this city, its pages cannot be held against each other")
    for names, what in ((twice, "came on two pages"), (never, "came on no page")):
        expect.that(
            not names,
            f"walking in steps of {limit}, {len(names)} object(s) {what}",
            expected=f"each of {len(base)} objects once",
            actual=", ".join(names[:5]),
            clause=CLAUSE,
        )


@verifies("DTC-P2-037", hazard="write")
@pytest.mark.parametrize("limit", [4, 9])
def test_pages_hold_while_others_insert(twin: Twin, sample: Sample, limit: int) -> None:
    """Objects that do not match are created between the pages: the matches, and their order, stay."""
    whole = need_items(page(twin, {**sample.narrow, "limit": PAGE_MAX}), "DTC-P2-030")
    if {str(item.get("id")) for item in whole} != set(sample.bodies):
        raise Blocked("DTC-P2-030", "the objects of the run cannot be singled out")
    seen: list[str] = []
    while len(seen) < len(whole) + limit:
        items = need_items(page(twin, {**sample.narrow, "limit": limit, "offset": len(seen)}))
        if not items:
            break
        seen += [str(item.get("id")) for item in items]
        twin.scratch.object(twin.scratch.body(twin.random.choice(["Building", "Utility", "Road"])))
    counts = Counter(seen)
    twice = sorted(name for name, count in counts.items() if count > 1)
    never = sorted(set(sample.bodies) - set(counts))
    expect.equal(
        [twice[:5], never[:5]],
        [[], []],
        "while others insert what does not match, objects come twice or never",
        clause=CLAUSE,
    )


@verifies("DTC-P2-037", hazard="write")
@pytest.mark.parametrize("offset", [1, 3, 10])
def test_offset_counts_objects(twin: Twin, sample: Sample, offset: int) -> None:
    """An offset is a number of objects, also when it is no multiple of the limit."""
    params, base = settled(twin, sample)
    answer = page(twin, {**params, "limit": 4, "offset": offset})
    served(answer, {200}, clause=CLAUSE)
    # Whether no more than the limit came is DTC-P2-033's.
    ids = [str(item.get("id")) for item in need_items(answer)][:4]
    if ids != base[offset : offset + 4] and settled(twin, sample)[1] != base:
        if set(settled(twin, sample)[1]) != set(base):
            raise NotTested("others write in this city, its pages cannot be held against each other")
        raise Violation("the order of the list is not stable", expected=str(base[:4]), clause=CLAUSE)
    expect.equal(
        ids, base[offset : offset + 4], f"offset={offset} does not skip {offset} objects", clause=CLAUSE
    )


@verifies("DTC-P2-037", hazard="write")
def test_searched_page(twin: Twin, sample: Sample) -> None:
    """Any page is the same piece of the whole list."""
    params, base = settled(twin, sample)

    def judge(asked: tuple[int, int]) -> None:
        limit, offset = asked[0], asked[1] % len(base)
        answer = page(twin, {**params, "limit": limit, "offset": offset})
        served(answer, {200}, clause=CLAUSE)
        ids = [str(item.get("id")) for item in need_items(answer)][:limit]
        wanted = base[offset : offset + limit]
        if ids != wanted and set(settled(twin, sample)[1]) != set(base):
            raise NotTested("others write in this city, its pages cannot be held against each other")
        if ids and len(ids) < len(wanted) and ids == wanted[: len(ids)]:
            raise Blocked("DTC-P2-033", f"limit={limit} gives {len(ids)} objects")
        expect.equal(ids, wanted, f"limit={limit}, offset={offset} is no piece of the list", clause=CLAUSE)

    search(twin, PAGES, 8, judge)


@verifies("DTC-P2-037", hazard="write", negative=True)
def test_order_does_not_change(twin: Twin, sample: Sample) -> None:
    params, base = settled(twin, sample)
    for limit in (len(base), 5, 5):
        ids = [str(item.get("id")) for item in need_items(page(twin, {**params, "limit": max(1, limit)}))]
        if ids != base[: len(ids)] and set(settled(twin, sample)[1]) != set(base):
            raise NotTested("others write in this city, its order cannot be held against itself")
        expect.equal(ids, base[: len(ids)], "the same question gives another order", clause=CLAUSE)


@verifies("DTC-P2-038", hazard="write")
@pytest.mark.parametrize("offset", ["number-of-matches", "100000000", "with-filter"])
def test_offset_past_the_end(twin: Twin, sample: Sample, offset: str) -> None:
    params, base = settled(twin, sample) if offset != "100000000" else ({}, [])
    if offset == "with-filter":
        params = {**params, "type": "WaterBody"}
    past = str(len(base)) if base else offset
    answer = page(twin, {**params, "limit": 10, "offset": past})
    served(answer, {200}, clause=CLAUSE, message=f"offset={past} is not answered with an empty page")
    items = items_of(answer)
    if items is None:
        need_items(page(twin, {"limit": 10}))
    if items and base:
        offset_counts(twin, params, base)
    if items and base and set(settled(twin, sample)[1]) != set(base):
        raise NotTested("others write in this city, its end moves")
    expect.that(
        items is not None and len(items) == 0,
        "an offset at or past the end gives objects",
        expected="an empty list",
        actual=answer.excerpt(),
        clause=CLAUSE,
    )


@verifies("DTC-P2-038", negative=True)
def test_offset_beyond_all_numbers(twin: Twin) -> None:
    """More than fits into 64 bits: an empty page as for any other, or refused as no number (DTC-P2-039)."""
    answer = page(twin, {"limit": 10, "offset": 10**20})
    admitted(answer, BAD_REQUEST)
    if answer.status not in BAD_REQUEST:
        expect.status(answer, {200}, clause=CLAUSE)
        expect.equal(list(items_of(answer) or ()), [], "an offset past the end gives objects", clause=CLAUSE)


@verifies("DTC-P2-038", hazard="write", negative=True)
def test_last_object_is_before_the_end(twin: Twin, sample: Sample) -> None:
    """The end is not one too early: the last offset still gives an object."""
    params, base = settled(twin, sample)
    items = need_items(page(twin, {**params, "limit": 10, "offset": len(base) - 1}))
    if len(items) != 1:
        offset_counts(twin, params, base)
    if not items and set(settled(twin, sample)[1]) != set(base):
        raise NotTested("others write in this city, its end moves")
    expect.equal(len(items), 1, "the last offset does not give the last object", clause=CLAUSE)


@verifies("DTC-P2-039")
def test_least_offset_is_accepted(twin: Twin) -> None:
    answer = page(twin, {"offset": 0})
    admitted(answer)
    expect.that(
        answer.status not in BAD_REQUEST,
        "offset=0 is refused",
        expected="status 200",
        actual=f"status {answer.status}, body {answer.excerpt()}",
        clause=CLAUSE,
    )


@verifies("DTC-P2-039", negative=True)
@pytest.mark.parametrize("name", NO_NUMBERS)
def test_invalid_offset(twin: Twin, name: str) -> None:
    answer = page(twin, {"offset": NO_NUMBERS[name]})
    if answer.ok:
        offset_works(twin)
    refused(answer, BAD_REQUEST, clause="C-34")


@verifies("DTC-P2-040", hazard="write")
@pytest.mark.parametrize("query", ["all", "type", "property"])
def test_total_is_told(twin: Twin, sample: Sample, query: str) -> None:
    params = {"all": {}, "type": {"type": "WaterBody"}, "property": sample.narrow}[query]
    answer = page(twin, {**params, "limit": 2})
    items = need_items(answer)
    total = total_of(answer)
    expect.that(
        total is not None,
        "there is no way to learn the number of matches",
        expected="total in the body, or X-Total-Count",
        actual=answer.excerpt(),
        clause="C-37",
    )
    found = walk(twin, params)
    if not found.ended:
        expect.that((total or 0) >= len(items), "total is less than the page", actual=total, clause="C-37")
        return
    expect.equal(total, len(set(found.ids)), "total is not the number of matches", clause="C-37")


@verifies("DTC-P2-040", hazard="write", negative=True)
@pytest.mark.parametrize("name", ["limit", "offset"])
def test_echo_is_no_other_than_used(twin: Twin, sample: Sample, name: str) -> None:
    del sample
    answer = page(twin, {"limit": 7, "offset": 3})
    need_items(answer)
    wanted = {"limit": 7, "offset": 3}[name]
    expect.equal(echo_of(answer, name), wanted, f"the answer does not echo {name}", clause="C-37")


def offset_counts(twin: Twin, params: dict[str, str], base: list[str]) -> None:
    """Make sure that an offset within the list counts objects before its end is judged.

    Raises:
        Blocked: when it does not.
    """
    if "type" in params:
        return
    ids = [str(item.get("id")) for item in need_items(page(twin, {**params, "limit": 2, "offset": 3}))][:2]
    if ids != base[3:5]:
        raise Blocked("DTC-P2-037", "an offset within the list does not count objects either")


def offset_works(twin: Twin) -> None:
    """Make sure that a sound offset has an effect before a bad one is judged by having none.

    Raises:
        Blocked: when it has none.
    """
    first, second = (need_items(page(twin, {"limit": 1, "offset": offset})) for offset in (0, 1))
    if first and first == second:
        raise Blocked("DTC-P2-037", "offset=1 has no effect either")
