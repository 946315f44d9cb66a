"""The history of an object: DTC-P2-083."""

from datetime import datetime
from typing import Any

import pytest

from dtc_cli.harness.suite import Answer, Blocked, NotApplicable, Twin, expect, verifies
from suites.phase2.support.replies import BAD_REQUEST, refused
from suites.phase2.support_live import answered, eventually, is_zoneless, listed, moment, written
from suites.phase2.support_live_past import HOUR, MARK, Past, past, path_of

CLAUSE = "P2 4.8, C-51"
NAMES = ("history", "versions", "entries", "changes", "items")
INSTANTS = (
    "timestamp",
    "at",
    "time",
    "instant",
    "changedAt",
    "validFrom",
    "from",
    "date",
    "modified",
    "updated",
    "lastUpdated",
    "created",
)
"""Names under which an entry may tell its instant, likeliest first."""


@pytest.fixture(scope="module")
def made(twin: Twin) -> Past:
    """The object's past."""
    return past(twin)


def ask(twin: Twin, object_id: str, start: datetime, end: datetime) -> Answer:
    """The history of an object in a range."""
    query = {"start": written(start), "end": written(end)}
    return twin.rest.get(f"{path_of(object_id)}/history", params=query)


def entries(answer: Answer) -> list[dict[str, Any]]:
    """The versions or changes that an answer lists."""
    expect.status(answer, {200}, clause=CLAUSE)
    found = listed(answer, *NAMES)
    expect.that(
        found is not None,
        "the history is no list",
        expected=f"a list, bare or under {', '.join(NAMES)}",
        actual=answer.excerpt(),
        clause=CLAUSE,
    )
    return found or []


def instant(entry: dict[str, Any], *, inside: bool = True) -> datetime | None:
    """The instant of an entry: by a known name, in its metadata, or any instant that it holds.

    Args:
        entry: a version or a change.
        inside: also look into the objects inside it, whose instants need not be those of the entry.

    Raises:
        Blocked: by DTC-P2-107 when its instant has no zone.
    """
    metadata = entry.get("metadata")
    places = [entry.get(name) for name in INSTANTS]
    places += [metadata.get("lastUpdated")] if isinstance(metadata, dict) else []
    if inside:
        places += [value for part in entry.values() if isinstance(part, dict) for value in nested(part)]
    places += list(entry.values())
    for place in places:
        if (told := moment(place)) is not None:
            return told
    if any(is_zoneless(place) for place in places):
        raise Blocked("DTC-P2-107", "the instant of an entry has no zone")
    return None


def nested(part: dict[str, Any]) -> list[Any]:
    """Values of an object inside an entry; instants of its metadata first."""
    metadata = part.get("metadata")
    inner = [metadata.get("lastUpdated")] if isinstance(metadata, dict) else []
    return inner + [part.get(name) for name in INSTANTS] + list(part.values())


@verifies("DTC-P2-083", hazard="write")
def test_history_answers_200(twin: Twin, made: Past) -> None:
    answer = ask(twin, made.patched, made.before, made.third)
    answered(twin, answer, {200}, clause=CLAUSE)
    entries(answer)


@verifies("DTC-P2-083", hazard="write")
def test_each_change_is_there(twin: Twin, made: Past) -> None:
    def look() -> bool:
        return len(listed(ask(twin, made.patched, made.before, made.third), *NAMES) or []) >= 2

    eventually(twin, look)
    shown = entries(ask(twin, made.patched, made.before, made.third))
    expect.that(
        len(shown) >= 2,
        "an object that was created and patched twice has fewer than two entries",
        expected="at least 2 entries (the creation need not be one)",
        actual=shown,
        clause=CLAUSE,
    )


@verifies("DTC-P2-083", hazard="write")
def test_each_entry_has_an_instant(twin: Twin, made: Past) -> None:
    lacking = [
        entry
        for entry in entries(ask(twin, made.patched, made.before, made.third))
        if instant(entry, inside=False) is None
    ]
    expect.equal(lacking[:2], [], "an entry of the history has no instant", clause=CLAUSE)


@verifies("DTC-P2-083", hazard="write")
def test_changes_have_instants_of_their_own(twin: Twin, made: Past) -> None:
    """In one list of all changes, each patch has its own instant."""
    told = [instant(entry) for entry in entries(ask(twin, made.patched, made.before, made.third))]
    for name, start, end in (("first", made.first, made.second), ("second", made.second, made.third)):
        expect.that(
            any(one is not None and start <= one <= end for one in told),
            f"no entry of the whole history has the instant of the {name} patch",
            expected=f"an instant between {written(start)} and {written(end)}",
            actual=[one and written(one) for one in told],
            clause=CLAUSE,
        )


@verifies("DTC-P2-083", hazard="write")
@pytest.mark.parametrize("change", ["first-patch", "last-patch"])
def test_a_change_lies_in_its_range(twin: Twin, made: Past, change: str) -> None:
    start, end = (made.first, made.second) if change == "first-patch" else (made.second, made.third)
    shown = entries(ask(twin, made.patched, start, end))
    inside = [entry for entry in shown if (told := instant(entry)) and start <= told <= end]
    expect.that(
        bool(inside),
        f"the {change.replace('-', ' ')} is not in the history of its range",
        expected=f"an entry between {written(start)} and {written(end)}",
        actual=shown,
        clause=CLAUSE,
    )


@verifies("DTC-P2-083", negative=True, hazard="write")
@pytest.mark.parametrize("number", [1, 2, 3], ids=["creation", "first-patch", "last-patch"])
def test_a_version_is_that_of_then(twin: Twin, made: Past, number: int) -> None:
    """An entry that shows the object shows it as it was; entries that tell changes only are as right."""
    start, end = [
        (made.before, made.first), (made.first, made.second), (made.second, made.third)
    ][number - 1]  # fmt: skip
    inside = [
        entry
        for entry in entries(ask(twin, made.patched, start, end))
        if (told := instant(entry, inside=False)) and start < told <= end
    ]
    shown = [versions for entry in inside if (versions := marks(entry))]
    if not shown:
        raise NotApplicable("the entries of the history do not show the object")
    # An entry may show the object as the change found it.
    wrong = [versions for versions in shown if not {number - 1, number} & set(versions)]
    expect.equal(wrong[:2], [], f"a version of then does not show properties.{MARK} {number}", clause=CLAUSE)


def marks(value: Any, depth: int = 6) -> list[Any]:
    """All values of the run's own version number inside an entry."""
    if isinstance(value, dict):
        own = [value[MARK]] if MARK in value and not isinstance(value[MARK], dict | list) else []
        return own + [mark for inner in value.values() for mark in marks(inner, depth - 1) if depth]
    return (
        [mark for inner in value for mark in marks(inner, depth - 1) if depth]
        if isinstance(value, list)
        else []
    )


@verifies("DTC-P2-083", negative=True, hazard="write")
@pytest.mark.parametrize("side", ["before-the-start", "after-the-end", "all"])
def test_nothing_lies_outside_the_range(twin: Twin, made: Past, side: str) -> None:
    start, end = {
        "before-the-start": (made.second, made.third),
        "after-the-end": (made.before, made.first),
        "all": (made.before, made.before + HOUR / 2),
    }[side]
    told = [instant(entry) for entry in entries(ask(twin, made.patched, start, end))]
    early = [one for one in told if one is not None and one < start]
    late = [one for one in told if one is not None and one > end]
    # The version that was in force when the range began may stand in it.
    expect.that(
        not late and len(early) <= 1 and (side != "all" or not told),
        "entries outside the range are listed",
        expected=f"entries between {written(start)} and {written(end)}",
        actual=[written(one) for one in told if one is not None],
        clause=CLAUSE,
    )


@verifies("DTC-P2-083", negative=True, hazard="write")
def test_the_history_is_that_of_the_object(twin: Twin, made: Past) -> None:
    shown = entries(ask(twin, made.later, made.before, made.third))
    early = [one for entry in shown if (one := instant(entry)) and one < made.second]
    expect.equal(
        [written(one) for one in early], [], "the history holds changes of another object", clause=CLAUSE
    )


@verifies("DTC-P2-083", negative=True, hazard="write")
def test_the_history_of_an_unknown_object(twin: Twin, made: Past) -> None:
    if not ask(twin, made.patched, made.before, made.third).ok:
        answered(twin, ask(twin, made.patched, made.before, made.third), clause=CLAUSE)
    answer = ask(twin, twin.scratch.new_id(), made.before, made.third)
    refused(answer, {404}, {"OBJECT_NOT_FOUND"}, clause="P2 4.8, 9.2")


@verifies("DTC-P2-083", negative=True, hazard="write")
def test_a_reversed_range_is_refused(twin: Twin, made: Past) -> None:
    refused(ask(twin, made.patched, made.third, made.before), BAD_REQUEST, clause=CLAUSE)
