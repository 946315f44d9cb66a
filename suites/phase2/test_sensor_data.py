"""Sensor data as it is answered, with and without a range, and its count: DTC-P2-049, -051, -052."""

import pytest

from dtc_cli.harness.suite import Answer, Blocked, Twin, expect, verifies
from suites.phase2.support_live import answered, body, judged
from suites.phase2.support_live_sensors import at, data, matches, measurements, reading, sensor, slot, stored
from suites.phase2.support_live_series import MINUTE, Series, asked, series

CLAUSE = "P2 4.4"
MEMBERS = ("parameter", "value", "unit", "timestamp", "quality")


@pytest.fixture(scope="module")
def one(twin: Twin) -> Series:
    """The series of readings."""
    return series(twin)


@pytest.fixture(scope="module")
def own(twin: Twin) -> Series:
    """The series for the vectors of DTC-P2-049, which others are blocked by."""
    return judged("DTC-P2-049", lambda: series(twin))


@verifies("DTC-P2-049", hazard="write")
def test_data_answers_200(twin: Twin, own: Series) -> None:
    answer = data(twin, own.sensor, own.minute(-1), own.minute(5))
    answered(twin, answer, {200}, clause=CLAUSE)


@verifies("DTC-P2-049", hazard="write")
@pytest.mark.parametrize("member", ["sensorId", "timeRange", "measurements", "count"])
def test_data_has(twin: Twin, own: Series, member: str) -> None:
    answer = data(twin, own.sensor, own.minute(-1), own.minute(5))
    shown = expect.json_object(answer, clause=CLAUSE)
    expect.members(shown, [member], what="the data answer", clause=CLAUSE)
    if member == "sensorId":
        expect.equal(shown[member], own.sensor, "sensorId is not that of the path", clause=CLAUSE)
    if member == "timeRange":
        given = shown[member] if isinstance(shown[member], dict) else {}
        expect.members(given, ["start", "end"], what="timeRange", clause=CLAUSE)
    if member == "measurements":
        expect.that(
            isinstance(shown[member], list), "measurements is no array", actual=shown[member], clause=CLAUSE
        )


@verifies("DTC-P2-049", negative=True, hazard="write")
@pytest.mark.parametrize("member", MEMBERS)
def test_no_measurement_lacks(twin: Twin, own: Series, member: str) -> None:
    answer = data(twin, own.sensor, own.minute(-1), own.minute(5))
    found = body(answer).get("measurements")
    lacking = [
        entry
        for entry in (found if isinstance(found, list) else [])
        if not isinstance(entry, dict) or entry.get(member) is None
    ]
    expect.equal(lacking[:2], [], f"a measurement lacks {member}", clause="P2 4.4, P1 5.2")
    if not found:
        raise Blocked("DTC-P2-050", "the range gives no reading of the series")


@verifies("DTC-P2-049", negative=True, hazard="write")
def test_no_reading_of_another_sensor_is_returned(twin: Twin, own: Series) -> None:
    found = measurements(data(twin, own.sensor, own.minute(-1), own.minute(5)))
    strangers = [entry for entry in found if entry.get("value") == -30.0]
    expect.equal(strangers[:2], [], "readings of another sensor are returned", clause=CLAUSE)


@verifies("DTC-P2-049", negative=True, hazard="write")
def test_a_range_without_readings_is_answered(twin: Twin, own: Series) -> None:
    answer = data(twin, own.sensor, own.start - 400 * MINUTE, own.start - 390 * MINUTE)
    answered(twin, answer, {200}, clause=CLAUSE)
    shown = expect.json_object(answer, clause=CLAUSE)
    expect.members(
        shown, ["sensorId", "timeRange", "measurements", "count"], what="the answer", clause=CLAUSE
    )


@verifies("DTC-P2-051", hazard="write")
def test_data_without_a_range(twin: Twin) -> None:
    one, newest = sensor(twin), reading(slot(twin, 0) + MINUTE, 24.5)
    stored(twin, one.id, [newest])
    answer = twin.rest.get(at(one.id, "/data"))
    expect.status(answer, {200}, clause=CLAUSE)
    expect.members(expect.json_object(answer), ["timeRange"], what="the data answer", clause=CLAUSE)
    expect.that(
        any(matches(entry, newest) for entry in measurements(answer)),
        "without a range the newest reading is not returned",
        expected=newest,
        actual=answer.excerpt(),
        clause=CLAUSE,
    )


@verifies("DTC-P2-052", hazard="write")
@pytest.mark.parametrize("readings", [5, 3, 1])
def test_count_is_the_number_returned(twin: Twin, one: Series, readings: int) -> None:
    first, last = {5: (-1, 5), 3: (1, 3), 1: (2, 2)}[readings]
    counted(asked(twin, one, first, last))


@verifies("DTC-P2-052", negative=True, hazard="write")
def test_count_of_nothing_is_zero(twin: Twin, one: Series) -> None:
    counted(data(twin, one.sensor, one.start - 400 * MINUTE, one.start - 390 * MINUTE))


def counted(answer: Answer) -> None:
    """`count` is an integer equal to the length of measurements; a page of more is not judged."""
    found, shown = measurements(answer), body(answer)
    if "count" not in shown:
        raise Blocked("DTC-P2-049", "the answer has no count")
    count = shown["count"]
    paged = any(shown.get(name) not in (None, False) for name in ("next", "nextOffset", "hasMore"))
    expect.that(
        # 5.0 is the integer 5: JSON knows one kind of number.
        expect.same_json(count, len(found)) or (paged and isinstance(count, int)),
        "count is not the number of measurements returned",
        expected=len(found),
        actual=count,
        clause="P2 4.4, C-44",
    )
