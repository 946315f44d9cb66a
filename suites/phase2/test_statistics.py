"""Statistics of a city: DTC-P2-009..012."""

from collections import Counter
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from dtc_cli.harness.suite import Blocked, NotTested, Twin, Violation, expect, quote, verifies
from suites.phase2.support.creating import gone
from suites.phase2.support.lists import OBJECTS, walk
from suites.phase2.support.replies import admitted, served, set_up
from suites.phase2.support.values import within

PATH = "/cities/{city}/statistics"
CLAUSE = "P2 4.2"
BLOCKS = {
    "cityObjects": ("total", "byType"),
    "sensors": ("total", "operational", "offline", "byType"),
    "dataQuality": (),
}
SCORES = ("overall", "geometryAccuracy", "sensorReliability")
CACHE_MAX_S = 300  # P2 4.2, C-89
LONGEST_PAUSE_S = 5.0


@verifies("DTC-P2-009")
@pytest.mark.parametrize("block", BLOCKS)
def test_block_of_statistics(twin: Twin, block: str) -> None:
    answer = twin.rest.get(PATH)
    served(answer, {200}, clause=CLAUSE)
    body = expect.json_object(answer, clause=CLAUSE)
    expect.members(body, (block,), what="statistics", clause=CLAUSE)
    expect.that(isinstance(body[block], dict), f"{block} is no object", actual=body[block], clause=CLAUSE)
    expect.members(body[block], BLOCKS[block], what=f"statistics.{block}", clause=CLAUSE)


@verifies("DTC-P2-009", negative=True)
@pytest.mark.parametrize("block", ["cityObjects", "sensors"])
def test_counts_have_no_other_form(twin: Twin, block: str) -> None:
    """Neither text nor numbers below zero: totals are counts, and byType holds counts by type."""
    found = block_of(twin, block)
    by_type = found.get("byType", {})
    expect.that(isinstance(by_type, dict), f"{block}.byType is no object", actual=by_type, clause=CLAUSE)
    single = {name: found[name] for name in ("total", "operational", "offline") if name in found}
    wrong = {name: value for name, value in {**single, **by_type}.items() if count(value) is None}
    expect.equal(wrong, {}, f"statistics.{block} holds values that are no counts", clause=CLAUSE)


@verifies("DTC-P2-010")
def test_sensors_add_up(twin: Twin) -> None:
    found = block_of(twin, "sensors")
    total, operational, offline = (number(found, name) for name in ("total", "operational", "offline"))
    expect.equal(
        operational + offline, total, "operational and offline do not make up the total", clause=CLAUSE
    )


@verifies("DTC-P2-010", negative=True)
@pytest.mark.parametrize("block", ["cityObjects", "sensors"])
def test_types_do_not_exceed_the_total(twin: Twin, block: str) -> None:
    found = block_of(twin, block)
    by_type = found.get("byType")
    values = [count(value) for value in by_type.values()] if isinstance(by_type, dict) else [None]
    if None in values:
        raise Blocked("DTC-P2-009", f"{block}.byType holds no counts")
    total = sum(value or 0 for value in values)
    expect.that(
        total <= number(found, "total"),
        f"the types of {block} sum to more than the total",
        expected=f"at most {found.get('total')}",
        actual=total,
        clause="C-44",
    )


@verifies("DTC-P2-011")
@pytest.mark.parametrize("name", SCORES)
def test_score(twin: Twin, name: str) -> None:
    found = block_of(twin, "dataQuality")
    expect.members(found, (name,), what="dataQuality", clause=CLAUSE)
    value = found[name]
    expect.that(
        isinstance(value, int | float) and not isinstance(value, bool),
        f"dataQuality.{name} is no number",
        expected="a number in 0..1",
        actual=value,
        clause=CLAUSE,
    )


@verifies("DTC-P2-011", negative=True)
@pytest.mark.parametrize("name", SCORES)
def test_score_is_no_percentage(twin: Twin, name: str) -> None:
    value = block_of(twin, "dataQuality").get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Violation(f"dataQuality.{name} is no number", actual=expect.show(value), clause=CLAUSE)
    expect.that(
        0 <= value <= 1, f"dataQuality.{name} is out of range", expected="0..1", actual=value, clause=CLAUSE
    )


class Change(NamedTuple):
    """Statistics before and after objects were created and deleted, and what the list held each time."""

    before: dict[str, Any]
    after: dict[str, Any]
    listed: tuple[Counter[str], Counter[str]] | None
    """Objects in the list by type, before and after; None when the list is too long to walk."""
    waited_s: float

    def reflects(self, kind: str, grown: int) -> bool:
        """Whether the count of a type (or of all, `total`) grew by so many, or is what the list holds."""
        old, new = counted(self.before, kind), counted(self.after, kind)
        if new is None:
            return False
        absolute = self.listed is not None and new == tally(self.listed[1], kind)
        return absolute or new == (old or 0) + grown


CREATED = {"WaterBody": 3, "Landmark": 2}
DELETED = {"WaterBody": 1}
GROWN = {"total": 4, "WaterBody": 2, "Landmark": 2, "Bridge": 0}


@pytest.fixture(scope="module")
def change(twin: Twin) -> Change:
    """Create some objects, delete one, and wait until the statistics show it or the cache time is over."""
    twin.need_hazard("write")
    listed = [inventory(twin)]
    before = statistics(twin)
    made = {
        kind: [twin.scratch.object(twin.scratch.body(kind))[0] for _ in range(n)]
        for kind, n in CREATED.items()
    }
    # Looked at in between: a cache that only a create empties is seen by what was deleted after it.
    statistics(twin)
    for kind, number_ in DELETED.items():
        for created in made[kind][:number_]:
            answer = twin.rest.delete(f"{OBJECTS}/{quote(created)}")
            set_up(answer, "DTC-P2-025", "the object cannot be deleted")
            twin.journal.done(f"object {created}")
            if not gone(twin, created):
                raise Blocked("DTC-P2-025", "the deleted object is still there")
    listed.append(inventory(twin))
    pair = (listed[0], listed[1]) if listed[0] is not None and listed[1] is not None else None
    started = twin.clock.now()
    patience = timedelta(seconds=float(twin.target.declares.get("cache_s", CACHE_MAX_S)) + 1)
    pause = 0.05
    while True:
        waited = twin.clock.now() - started
        found = Change(before, statistics(twin), pair, waited.total_seconds())
        if all(found.reflects(kind, grown) for kind, grown in GROWN.items()) or waited > patience:
            return found
        twin.clock.wait(pause)
        pause = min(LONGEST_PAUSE_S, 2 * pause)


@verifies("DTC-P2-012", hazard="write")
@pytest.mark.parametrize("kind", ["total", "WaterBody", "Landmark"])
def test_statistics_follow(change: Change, kind: str) -> None:
    judge_change(change, kind)


@verifies("DTC-P2-012", hazard="write", negative=True)
def test_other_types_do_not_move(change: Change) -> None:
    judge_change(change, "Bridge")


def judge_change(change: Change, kind: str) -> None:
    """The count moved by what the run did; a change that others may have made is no verdict (D-08)."""
    if change.reflects(kind, GROWN[kind]):
        return
    if counted(change.after, "total") is None:
        raise Blocked("DTC-P2-009", "statistics hold no cityObjects.total")
    if change.listed is None:
        old, new = counted(change.before, kind), counted(change.after, kind)
        if old != new or GROWN[kind] == 0:
            raise NotTested("the city is too large to tell the run's objects from those of others")
    elif tally(change.listed[1], kind) - tally(change.listed[0], kind) != GROWN[kind]:
        raise NotTested("others write in this city, or its list does not follow either")
    raise Violation(
        f"statistics do not follow the objects: {kind}",
        expected=f"{counted(change.before, kind) or 0} and {GROWN[kind]} more",
        actual=f"{counted(change.after, kind)} after {change.waited_s:.0f} s",
        clause="P2 4.2",
    )


def inventory(twin: Twin) -> Counter[str] | None:
    """The objects of the city by type, counted in the list; None when it is too long."""
    found = walk(twin)
    if not found.ended:
        return None
    once = {str(item.get("id")): str(item.get("type")) for item in found.items}
    return Counter(once.values())


def tally(listed: Counter[str], kind: str) -> int:
    """The number of listed objects of a type, or of all for `total`."""
    return sum(listed.values()) if kind == "total" else listed[kind]


def counted(found: dict[str, Any], kind: str) -> int | None:
    """The count of a type in statistics (0 when it is not listed), or of all for `total`."""
    if kind == "total":
        return count(within(found, "cityObjects", "total"))
    types = within(found, "cityObjects", "byType")
    return count(types.get(kind, 0)) if isinstance(types, dict) else None


def statistics(twin: Twin) -> dict[str, Any]:
    """The statistics resource.

    Raises:
        Blocked: by DTC-P2-009 when it cannot be read.
    """
    answer = twin.rest.get(PATH)
    admitted(answer)
    body = answer.json() if answer.ok and answer.is_json else None
    if not isinstance(body, dict):
        raise Blocked("DTC-P2-009", f"there are no statistics (status {answer.status})")
    return body


def block_of(twin: Twin, name: str) -> dict[str, Any]:
    """One block of the statistics."""
    block = statistics(twin).get(name)
    if not isinstance(block, dict):
        raise Blocked("DTC-P2-009", f"statistics have no block {name}")
    return block


def count(value: object) -> int | None:
    """A JSON value as a count, None when it is none; 5.0 is the integer 5."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or value != int(value):
        return None
    return int(value)


def number(block: dict[str, Any], name: str) -> int:
    """The count of that name.

    Raises:
        Blocked: by DTC-P2-009 when there is none.
    """
    found = count(block.get(name))
    if found is None:
        raise Blocked("DTC-P2-009", f"{name} is no count")
    return found
