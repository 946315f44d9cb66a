"""The city at an instant: DTC-P2-084."""

from datetime import datetime
from typing import Any

import pytest

from dtc_cli.harness.suite import Answer, Tolerated, Twin, expect, quote, verifies
from suites.phase2.support.replies import refused
from suites.phase2.support.values import differences
from suites.phase2.support_live import answered, body, eventually, moment, once, written
from suites.phase2.support_live_past import MARK, Past, found, past

CLAUSE = "P2 4.8, C-51"
SNAPSHOTS = "/cities/{city}/snapshots"


@pytest.fixture(scope="module")
def made(twin: Twin) -> Past:
    """The city's past."""
    return past(twin)


def at(instant: datetime | str, *, hours: int = 0) -> str:
    """The path of the snapshot of an instant."""
    text = instant if isinstance(instant, str) else written(instant, hours=hours)
    return f"{SNAPSHOTS}/{quote(text)}"


def snapshot(twin: Twin, instant: datetime) -> Answer:
    """The snapshot of an instant, asked for once; a recent one may take a moment to show."""

    def ask() -> Answer:
        eventually(twin, lambda: twin.rest.get(at(instant)).ok, within_s=2)
        return twin.rest.get(at(instant))

    return once(twin, f"snapshot {written(instant)}", ask)


def objects(twin: Twin, instant: datetime) -> dict[str, Any]:
    """The snapshot as a JSON object."""
    answer = snapshot(twin, instant)
    answered(twin, answer, {200}, clause=CLAUSE)
    return expect.json_object(answer, clause=CLAUSE)


def shown(twin: Twin, instant: datetime, object_id: str) -> dict[str, Any] | None:
    """The city object of that id in a snapshot, wherever it stands; None when it is not there."""

    def is_it(value: dict[str, Any]) -> bool:
        return value.get("id") == object_id and ("geometry" in value or "properties" in value)

    return found(objects(twin, instant), is_it)


def version(twin: Twin, instant: datetime, object_id: str) -> Any:
    """The version that an object shows in a snapshot; None when it is not there."""
    properties = (shown(twin, instant, object_id) or {}).get("properties")
    return properties.get(MARK) if isinstance(properties, dict) else None


@verifies("DTC-P2-084", hazard="write")
@pytest.mark.parametrize("when", ["first", "second", "third"])
def test_a_snapshot_answers_200(twin: Twin, made: Past, when: str) -> None:
    objects(twin, getattr(made, when))


@verifies("DTC-P2-084", hazard="write")
@pytest.mark.parametrize(
    ("when", "number"), [("first", 1), ("second", 2), ("third", 3)], ids=["old", "middle", "new"]
)
def test_a_patched_object_shows_the_value_of_then(twin: Twin, made: Past, when: str, number: int) -> None:
    told = version(twin, getattr(made, when), made.patched)
    expect.that(
        told == number,
        "a snapshot does not show the value that the object had",
        expected=f"properties.{MARK} {number}",
        actual=told if told is not None else "no such object",
        clause=CLAUSE,
    )


@verifies("DTC-P2-084", hazard="write")
def test_a_moved_object_shows_the_place_of_then(twin: Twin, made: Past) -> None:
    there = shown(twin, made.second, made.patched) or {}
    told = there.get("geometry")
    expect.that(
        not any(differences(made.place, told)),
        "a snapshot does not show the geometry that the object had",
        expected=made.place,
        actual=told,
        clause=CLAUSE,
    )


@verifies("DTC-P2-084", hazard="write")
def test_an_object_deleted_later_is_there(twin: Twin, made: Past) -> None:
    for instant in (made.first, made.second):
        there = shown(twin, instant, made.deleted) is not None
        expect.that(there, "an object that was deleted later is missing in a snapshot", clause=CLAUSE)


@verifies("DTC-P2-084", hazard="write")
def test_an_object_created_before_is_there(twin: Twin, made: Past) -> None:
    there = shown(twin, made.third, made.later) is not None
    expect.that(there, "an object that existed is missing in a snapshot", clause=CLAUSE)


@verifies("DTC-P2-084", negative=True, hazard="write")
def test_no_object_created_later_is_there(twin: Twin, made: Past) -> None:
    for instant in (made.first, made.second):
        there = shown(twin, instant, made.later) is not None
        expect.that(not there, "an object that was created later is in a snapshot", clause=CLAUSE)


@verifies("DTC-P2-084", negative=True, hazard="write")
def test_no_object_deleted_before_is_there(twin: Twin, made: Past) -> None:
    there = shown(twin, made.third, made.deleted) is not None
    expect.that(not there, "an object that had been deleted is in a snapshot", clause=CLAUSE)


@verifies("DTC-P2-084", hazard="write")
def test_the_instant_may_be_in_any_zone(twin: Twin, made: Past) -> None:
    objects(twin, made.first)
    answer = twin.rest.get(at(made.first, hours=9))
    answered(twin, answer, {200}, clause=CLAUSE)

    def is_it(value: dict[str, Any]) -> bool:
        return value.get("id") == made.patched and isinstance(value.get("properties"), dict)

    hit = found(body(answer), is_it) or {}
    told = hit.get("properties", {}).get(MARK)
    expect.equal(told, 1, "the same instant in another zone shows another past", clause=CLAUSE)


@verifies("DTC-P2-084", hazard="write")
def test_a_record_is_dated_to_its_instant(twin: Twin, made: Past) -> None:
    told = objects(twin, made.first).get("timestamp")
    if told is not None and (dated := moment(told)) is not None and dated != made.first:
        raise Tolerated(
            "the timestamp of a snapshot is not the instant asked for",
            expected=written(made.first),
            actual=str(told),
            clause="C-51: recommended",
        )


@verifies("DTC-P2-084", negative=True, hazard="write")
@pytest.mark.parametrize(
    "text",
    ["not-a-time", "2025-02-30T00:00:00Z", "2025-13-01T00:00:00Z"],
    ids=["words", "no-day", "no-month"],
)
def test_a_snapshot_of_no_instant_is_refused(twin: Twin, made: Past, text: str) -> None:
    objects(twin, made.first)
    refused(twin.rest.get(at(text)), {400, 422}, clause=CLAUSE)


@verifies("DTC-P2-084", negative=True, hazard="write")
def test_a_snapshot_of_before_the_city(twin: Twin, made: Past) -> None:
    objects(twin, made.first)
    refused(twin.rest.get(at("1900-01-01T00:00:00Z")), {404}, clause=CLAUSE)
