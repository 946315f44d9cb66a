"""Lists and their pages: DTC-P2-026, -033..-040."""

import pytest

from dtc_cli.harness.suite import (
    Blocked,
    NotApplicable,
    Tolerated,
    Twin,
    expect,
    quote,
    verifies,
)
from suites.phase2.support.crowd import crowd
from suites.phase2.support.dataset import Sample
from suites.phase2.support.lists import (
    OBJECTS,
    PAGE_MAX,
    echo_of,
    items_of,
    need_items,
    page,
    walk,
)
from suites.phase2.support.replies import BAD_REQUEST, admitted, refused, served
from suites.phase2.support.shapes import Box
from suites.phase2.support_live import eventually

CLAUSE = "P2 4.3"
DEFAULT = 100  # P2 4.3
BY = {
    "offset": "DTC-P2-037",
    "type": "DTC-P2-027",
    "property": "DTC-P2-030",
    "box": "DTC-P2-028",
}
"""What judges a query on its own."""
NO_NUMBERS = {
    "text": "abc",
    "mixed": "1e9x",
    "trailing": "10abc",
    "fraction": "1.5",
    "negative": "-1",
    "very-negative": "-1000000",
}


@verifies("DTC-P2-026")
def test_list_of_objects(twin: Twin) -> None:
    answer = page(twin, {})
    served(answer, {200}, clause=CLAUSE)
    expect.json_value(answer, clause=CLAUSE)
    expect.that(
        items_of(answer) is not None,
        "the answer is no list of objects",
        expected="an array of objects, or an object with one array member",
        actual=answer.excerpt(),
        clause="C-37",
    )


@verifies("DTC-P2-026", hazard="write")
@pytest.mark.parametrize("when", ["at-once", "with-others"])
def test_created_object_is_listed(twin: Twin, sample: Sample, when: str) -> None:
    wanted = {twin.scratch.object()[0]} if when == "at-once" else set(sample.bodies)
    first = page(twin, {"limit": PAGE_MAX})
    if items_of(first) is None:
        raise Blocked("DTC-P2-033", f"the list with a limit does not work (status {first.status})")
    found = walk(twin, first=first)
    if not found.ended:
        found = walk(twin, {"properties.dtcRun": twin.run_id})
    if wanted - set(found.ids):
        params = {} if found.ended else {"properties.dtcRun": twin.run_id}
        eventually(twin, lambda: wanted <= set(walk(twin, params).ids))
        found = walk(twin, params)
    missing = wanted - set(found.ids)
    expect.that(
        not missing,
        "an object that was created is not in the list",
        expected=", ".join(sorted(missing)),
        actual=f"{len(found.items)} other objects",
        clause=CLAUSE,
    )


@verifies("DTC-P2-026", negative=True)
def test_items_are_objects_of_the_city(twin: Twin, sample: Sample) -> None:
    """No item without an id, and none that the city does not know under its id."""
    del sample
    items = need_items(page(twin, {"limit": 20}))
    expect.that(bool(items), "the list is empty although objects were created", clause=CLAUSE)
    for item in items:
        expect.that(
            isinstance(item.get("id"), str) and isinstance(item.get("type"), str),
            "an item of the list has no id or no type",
            expected="city objects",
            actual=item,
            clause="P1 5.1",
        )
    for item in twin.random.sample(items, k=min(3, len(items))):
        answer = twin.rest.get(f"{OBJECTS}/{quote(item['id'])}")
        expect.that(
            answer.status != 404,
            "the list holds an object that does not exist",
            expected=f"GET of {item['id']} answers 200",
            actual=f"status {answer.status}",
            clause=CLAUSE,
        )


@verifies("DTC-P2-026", negative=True, hazard="write")
def test_objects_of_another_city_are_not_listed(twin: Twin, sample: Sample) -> None:
    other = twin.target.other_city
    role = "other_city" if "other_city" in twin.credentials.roles else "admin"
    if other is None:
        raise NotApplicable("the target file names no second city (other_city)")
    answer = twin.rest.get(f"/cities/{quote(other)}/objects", params={"limit": PAGE_MAX}, as_=role)
    items = items_of(answer)
    if not answer.ok or items is None:
        raise NotApplicable(f"the second city cannot be listed (status {answer.status})")
    foreign = {str(item.get("id")) for item in items} & set(sample.bodies)
    expect.that(
        not foreign,
        "the list of another city holds objects of this one",
        expected="objects of the city in the path",
        actual=", ".join(sorted(foreign)[:5]),
        clause="C-29",
    )


@verifies("DTC-P2-033", hazard="write")
@pytest.mark.parametrize("limit", [1, 2, 10, 20])
def test_limit_is_honoured(twin: Twin, sample: Sample, limit: int) -> None:
    del sample
    answer = page(twin, {"limit": limit})
    served(answer, {200}, clause=CLAUSE)
    items = need_items(answer)
    expect.equal(len(items), limit, f"limit={limit} gives another number of objects", clause=CLAUSE)


@verifies("DTC-P2-033", hazard="write", negative=True)
@pytest.mark.parametrize("query", ["offset", "type", "property", "box"])
def test_no_more_than_the_limit(twin: Twin, sample: Sample, query: str) -> None:
    """The limit also holds beside an offset and for what a filter finds."""
    params = {
        "offset": {"offset": "3"},
        "type": {"type": "Building"},
        "property": sample.narrow,
        "box": {"bounds": Box(*twin.city.box).text},
    }[query]
    answer = page(twin, {**params, "limit": 3})
    admitted(answer)
    items = items_of(answer) if answer.ok else None
    if items is None:
        raise Blocked(BY[query], f"the list with {query} does not work (status {answer.status})")
    expect.that(
        len(items) <= 3,
        "more objects than the limit came back",
        expected="at most 3",
        actual=len(items),
        clause=CLAUSE,
    )


@verifies("DTC-P2-034", hazard="write")
def test_default_limit(twin: Twin, sample: Sample) -> None:
    del sample
    crowd(twin, DEFAULT + 5)
    answer = page(twin, {})
    served(answer, {200}, clause=CLAUSE)
    count = len(need_items(answer))
    expect.that(
        1 <= count <= DEFAULT,
        "the list without a limit has a wrong length",
        expected=f"at most {DEFAULT} objects",
        actual=count,
        clause=CLAUSE,
    )
    if count < DEFAULT:
        raise Tolerated(
            "the default limit is less than 100", expected="100 objects", actual=str(count), clause=CLAUSE
        )


@verifies("DTC-P2-034", hazard="write", negative=True)
@pytest.mark.parametrize("query", ["offset", "property", "type"])
def test_no_more_than_the_default(twin: Twin, sample: Sample, query: str) -> None:
    """Nor beside an offset, nor of what a filter finds."""
    del sample
    params = {
        "offset": {"offset": "2"},
        "property": {"properties.dtcRun": twin.run_id},
        "type": {"type": "Utility"},
    }[query]
    crowd(twin, DEFAULT + 5, {} if query == "offset" else params)
    answer = page(twin, params)
    admitted(answer)
    items = items_of(answer) if answer.ok else None
    if items is None:
        raise Blocked(BY[query], f"the list with {query} does not work (status {answer.status})")
    expect.that(
        len(items) <= DEFAULT,
        "the list without a limit is too long",
        expected=f"at most {DEFAULT} objects",
        actual=len(items),
        clause=CLAUSE,
    )


@verifies("DTC-P2-035")
def test_greatest_limit_is_accepted(twin: Twin) -> None:
    answer = page(twin, {"limit": PAGE_MAX})
    served(answer, {200}, clause=CLAUSE)
    if items_of(answer) is None:
        raise Blocked("DTC-P2-026", f"no list came back: {answer.excerpt(120)}")


@verifies("DTC-P2-035", hazard="write", negative=True)
@pytest.mark.parametrize("limit", [PAGE_MAX + 1, 5000, 1_000_000, 10**20])
def test_limit_is_capped(twin: Twin, limit: int) -> None:
    """Clamping and refusing are both right (C-42)."""
    answer = page(twin, {"limit": limit})
    if answer.status in BAD_REQUEST:
        return
    served(answer, {200}, clause="C-42")
    items = need_items(answer)
    told = echo_of(answer, "limit")
    if len(items) <= PAGE_MAX and (told is None or told > PAGE_MAX):
        crowd(twin, PAGE_MAX + 2)
        items = need_items(page(twin, {"limit": limit}))
    expect.that(
        len(items) <= PAGE_MAX,
        "more than 1000 objects came back",
        expected="at most 1000 objects, or status 400",
        actual=f"{len(items)} objects for limit={limit}",
        clause="C-42",
    )


@verifies("DTC-P2-036")
def test_least_limit_is_accepted(twin: Twin) -> None:
    answer = page(twin, {"limit": 1})
    admitted(answer)
    expect.that(
        answer.status not in BAD_REQUEST,
        "limit=1 is refused",
        expected="status 200",
        actual=f"status {answer.status}, body {answer.excerpt()}",
        clause=CLAUSE,
    )


@verifies("DTC-P2-036", negative=True)
@pytest.mark.parametrize("name", NO_NUMBERS)
def test_invalid_limit(twin: Twin, name: str) -> None:
    answer = page(twin, {"limit": NO_NUMBERS[name]})
    if answer.ok:
        limit_works(twin)
    refused(answer, BAD_REQUEST, clause="C-42")


@verifies("DTC-P2-036", negative=True)
def test_limit_zero(twin: Twin) -> None:
    """Refused, or an empty page (C-42)."""
    answer = page(twin, {"limit": 0})
    if answer.ok:
        items = items_of(answer)
        if items:
            limit_works(twin)
        expect.equal(list(items or ()), [], "limit=0 gives objects", clause="C-42")
        return
    refused(answer, BAD_REQUEST, clause="C-42")


def limit_works(twin: Twin) -> None:
    """Make sure that a sound limit has an effect before a bad one is judged by having none.

    Raises:
        Blocked: when it has none.
    """
    if len(need_items(page(twin, {"limit": 1}))) > 1:
        raise Blocked("DTC-P2-033", "limit=1 has no effect either")
