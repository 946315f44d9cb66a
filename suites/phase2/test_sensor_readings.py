"""Submitting readings: what is stored, whole and once: DTC-P2-055, -059, -060."""

from datetime import timedelta
from typing import Any

import pytest

from dtc_cli.harness.suite import Answer, Blocked, NotApplicable, NotTested, Twin, expect, verifies
from suites.phase2.support.replies import BAD_REQUEST, code_of, refused
from suites.phase2.support_live import answered, eventually, is_zoneless, judged, moment, once, written
from suites.phase2.support_live_sensors import (
    Sensor,
    at,
    matches,
    reading,
    reports_refusal,
    seen,
    sensor,
    slot,
    stored,
)

CLAUSE = "P2 4.4"
SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def one(twin: Twin) -> Sensor:
    """The sensor that takes the readings of this module."""
    return sensor(twin, "EnvironmentalSensor", name="readings")


def found(twin: Twin, one: Sensor, sent: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """For each reading sent: the measurements that are it, once all show or a few seconds have passed."""

    def look() -> list[list[dict[str, Any]]]:
        shown = seen(twin, one.id, sent)
        return [[entry for entry in shown if matches(entry, each)] for each in sent]

    eventually(twin, lambda: all(look()))
    return look()


@verifies("DTC-P2-055", hazard="write")
def test_a_reading_is_accepted_and_read_back(twin: Twin, one: Sensor) -> None:
    sent = [reading(slot(twin, 2), 21.5)]
    answered(twin, twin.scratch.post_readings(one.id, sent), clause="P2 4.4, C-39")
    expect.that(
        bool(found(twin, one, sent)[0]),
        "an accepted reading is not returned",
        expected=sent[0],
        actual=seen(twin, one.id, sent),
        clause=CLAUSE,
    )


@verifies("DTC-P2-055", hazard="write")
def test_a_parameter_outside_the_table_is_kept(twin: Twin, one: Sensor) -> None:
    """Such readings are valid (DTC-P1-069)."""
    sent = [reading(slot(twin, 2), 42.5, parameter="average_speed", unit="km/h")]
    answer = twin.scratch.post_readings(one.id, sent)
    if not answer.ok:
        stored(twin, one.id, [reading(slot(twin, 2), 21.5)])
    answered(twin, answer, clause="C-15")
    expect.that(
        bool(found(twin, one, sent)[0]),
        "a reading of a parameter outside the table is not returned",
        expected=sent[0],
        actual=seen(twin, one.id, sent),
        clause="C-15",
    )


@verifies("DTC-P2-055", hazard="write")
def test_a_batch_is_stored_whole_and_once(twin: Twin, one: Sensor) -> None:
    start = slot(twin, 3)
    sent = [reading(start + number * SECOND, 10.0 + number) for number in range(4)]
    sent.append(reading(start, 55.0, parameter="humidity", unit="percent"))
    answered(twin, twin.scratch.post_readings(one.id, sent), clause="P2 4.4, C-39")
    times = [len(entries) for entries in found(twin, one, sent)]
    expect.equal(times, [1] * len(sent), "readings of a batch are lost or doubled", clause=CLAUSE)


@verifies("DTC-P2-055", hazard="write")
def test_a_later_batch_keeps_the_earlier(twin: Twin, one: Sensor) -> None:
    first, second = ([reading(slot(twin, 4) + number * SECOND, 12.0 + number / 10)] for number in (0, 60))
    for sent in (second, first):  # the later instant first: the order of arrival must not matter
        answered(twin, twin.scratch.post_readings(one.id, sent), clause="P2 4.4, C-39")
    times = [len(entries) for entries in found(twin, one, first + second)]
    expect.equal(times, [1, 1], "a second submission loses readings of the first", clause=CLAUSE)


@verifies("DTC-P2-055", hazard="write")
@pytest.mark.parametrize("value", [21.12345, -12.75, 0], ids=["decimals", "negative", "zero"])
def test_a_value_is_kept(twin: Twin, one: Sensor, value: float) -> None:
    sent = [reading(slot(twin, 5) + timedelta(seconds=round(100 + value)), value)]
    answered(twin, twin.scratch.post_readings(one.id, sent), clause="P2 4.4, C-39")
    shown = [entry.get("value") for entry in found(twin, one, sent)[0]]
    if shown and None in shown:
        raise Blocked("DTC-P2-049", "the reading comes back without a value")
    expect.that(
        any(isinstance(kept, int | float) and abs(kept - value) <= 2e-6 * abs(value) for kept in shown),
        "the value that is returned is not the one that was sent",
        expected=value,
        actual=shown or "no such reading",
        clause=CLAUSE,
    )


@verifies("DTC-P2-055", hazard="write")
@pytest.mark.parametrize("member", ["parameter", "unit", "timestamp", "quality"])
def test_a_reading_keeps(twin: Twin, one: Sensor, member: str) -> None:
    sent = reading(slot(twin, 6), 61.5, parameter="humidity", unit="percent")
    judged("DTC-P2-055", lambda: once(twin, "kept reading", lambda: stored(twin, one.id, [sent])))
    entries = [entry for entry in seen(twin, one.id, [sent]) if entry.get("value") == sent["value"]]
    if not entries or entries[0].get(member) is None:
        raise Blocked("DTC-P2-049", f"the reading comes back without {member}")
    shown = entries[0][member]
    if member == "timestamp" and is_zoneless(shown):
        raise Blocked("DTC-P2-107", f"the timestamp {shown} has no zone")
    kept = shown == sent[member] or (member == "timestamp" and moment(shown) == moment(sent[member]))
    expect.that(
        kept, f"the {member} that is returned is not the one sent", expected=sent[member], actual=shown
    )


@verifies("DTC-P2-055", hazard="write")
@pytest.mark.parametrize("hours", [9, -5], ids=["east", "west"])
def test_a_zone_is_kept(twin: Twin, one: Sensor, hours: int) -> None:
    """An instant in another zone comes back as the same instant, in whatever zone."""
    taken = slot(twin, 18 if hours > 0 else 19)
    sent = [reading(taken, 13.5) | {"timestamp": written(taken, hours=hours)}]
    answered(twin, twin.scratch.post_readings(one.id, sent), clause="P2 4.4, C-39")
    expect.that(
        bool(found(twin, one, sent)[0]),
        "a reading does not come back at the instant at which it was taken",
        expected=sent[0]["timestamp"],
        actual=[entry.get("timestamp") for entry in seen(twin, one.id, sent)],
        clause=CLAUSE,
    )


@verifies("DTC-P2-055", negative=True, hazard="write")
@pytest.mark.parametrize("case", ["empty", "text", "object"])
def test_a_submission_without_measurements(twin: Twin, one: Sensor, case: str) -> None:
    wrong: dict[str, Any] = {"empty": {}, "text": {"measurements": "none"}, "object": {"measurements": {}}}
    once(twin, "plain reading", lambda: twin.scratch.readings(one.id, [reading(slot(twin, 2), 21.0)]))
    answer = twin.rest.post(at(one.id, "/data"), json=wrong[case])
    refused(answer, BAD_REQUEST, clause=CLAUSE, message="a body without measurements[] is not refused")


@verifies("DTC-P2-059", hazard="write")
def test_a_valid_batch_is_stored(twin: Twin, one: Sensor) -> None:
    sent = [reading(slot(twin, 7) + number * SECOND, 5.0 + number) for number in range(3)]
    stored(twin, one.id, sent)


@verifies("DTC-P2-059", negative=True, hazard="write")
@pytest.mark.parametrize("place", ["first", "last"])
def test_a_batch_with_one_bad_reading(twin: Twin, one: Sensor, place: str) -> None:
    start = slot(twin, 8 if place == "first" else 9)
    sent = [reading(start + number * SECOND, 30.0 + number) for number in range(3)]
    sent[0 if place == "first" else 2]["value"] = 999.0
    answer = twin.scratch.post_readings(one.id, sent)
    shown = seen(twin, one.id, sent)
    kept = [each["value"] for each in sent if any(matches(entry, each) for entry in shown)]
    if 999.0 in kept:
        raise Blocked("DTC-P2-056", "the bad reading was accepted")
    if answer.ok and reports_refusal(answer, 2):
        return
    expect.that(
        not answer.ok,
        "a batch with a bad reading is accepted, and the answer does not say what was refused",
        expected="a refusal, or a report of what was accepted and rejected",
        actual=f"status {answer.status}, body {answer.excerpt()}",
        clause="C-56",
    )
    expect.equal(kept, [], "readings of a refused batch are stored", clause="C-56")


@verifies("DTC-P2-060", hazard="write")
def test_quality_above_the_threshold(twin: Twin, one: Sensor) -> None:
    poor = enforced(twin, one)
    if poor.ok:
        raise NotTested("the declared quality threshold refuses nothing: see the negative vector")
    sent = reading(slot(twin, 10), 18.5, confidence=1.0)
    answer = twin.scratch.post_readings(one.id, [sent])
    if not answer.ok and code_of(answer) != "DATA_QUALITY_LOW":
        raise Blocked("DTC-P2-055", f"an excellent reading is refused (status {answer.status})")
    expect.success(answer, clause="P2 9.2")


@verifies("DTC-P2-060", negative=True, hazard="write")
def test_quality_below_the_threshold(twin: Twin, one: Sensor) -> None:
    refused(enforced(twin, one), {422, 400}, {"DATA_QUALITY_LOW"}, clause="P2 9.2, C-33")


def enforced(twin: Twin, one: Sensor) -> Answer:
    """The answer to a reading below the threshold.

    Raises:
        NotApplicable: when the target declares no threshold and takes such a reading.
        NotTested: when the declared threshold is 0, below which no quality lies.
        Blocked: when it refuses the same reading with the best quality, too.
    """
    declared = twin.target.declares.get("quality_threshold")
    if declared == 0:
        raise NotTested("the declared quality threshold is 0: nothing lies below it")
    low = {"quality": "poor", "confidence": round((declared or 0.6) / 2, 3)}
    answer = twin.scratch.post_readings(one.id, [reading(slot(twin, 11), 18.0, **low)])
    if answer.ok and declared is None:
        raise NotApplicable("the target declares no quality threshold and accepts a poor reading")
    best = twin.scratch.post_readings(one.id, [reading(slot(twin, 11) + SECOND, 18.0, confidence=1.0)])
    if not answer.ok and not best.ok and code_of(best) != "DATA_QUALITY_LOW":
        raise Blocked("DTC-P2-055", f"readings are refused whatever their quality (status {best.status})")
    return answer
