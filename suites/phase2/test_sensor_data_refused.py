"""Readings that must be refused, and their nearest valid neighbours: DTC-P2-056, -057, -058."""

from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from dtc_cli.harness.suite import Answer, Blocked, Tolerated, Twin, Violation, expect, verifies
from suites.phase2.support.replies import BAD_REQUEST, code_of, refused
from suites.phase2.support_live import answered, once, written
from suites.phase2.support_live_sensors import (
    Sensor,
    matches,
    reading,
    reports_refusal,
    seen,
    sensor,
    slot,
    stored,
    view,
)

INVALID = {"INVALID_MEASUREMENT"}
DECLARED_MAXIMUM = 1000
CAPACITY = 600
"""Of the object that the run's sensors are attached to."""


class Quantity(NamedTuple):
    """A row of the parameter table (P1 5.2): the ends of its range and values beyond them."""

    unit: str
    kind: str
    lowest: float
    highest: float
    below: float
    above: float | None
    """None where no upper end is printed (C-14)."""
    parameter: str = ""


TABLE = {
    "temperature": Quantity("celsius", "EnvironmentalSensor", -40, 60, -40.5, 60.5),
    "temperature-fahrenheit": Quantity(
        "fahrenheit", "EnvironmentalSensor", -40, 140, -40.5, 140.5, "temperature"
    ),  # C-13
    "humidity": Quantity("percent", "EnvironmentalSensor", 0, 100, -0.5, 100.5),
    "air-quality": Quantity("aqi", "EnvironmentalSensor", 0, 500, -0.5, 500.5, "air_quality"),
    "noise-level": Quantity("decibel", "EnvironmentalSensor", 0, 120, -0.5, 120.5, "noise_level"),
    "traffic-volume": Quantity("vehicles/hour", "TrafficSensor", 0, 10000, -1, 10001, "traffic_volume"),
    "occupancy": Quantity("count", "OccupancySensor", 0, CAPACITY, -1, None),
    "energy-consumption": Quantity("kWh", "EnergySensor", 0, 900, -0.1, None, "energy_consumption"),
    "water-flow": Quantity("liters/min", "UtilitySensor", 0, 900, -5, None, "water_flow"),
}


def of(twin: Twin, kind: str) -> Sensor:
    """A sensor that takes readings: proven once with a plain valid one.

    Raises:
        Blocked: by DTC-P2-055 when it takes none.
    """
    if kind in ("EnergySensor", "UtilitySensor"):
        one = sensor(twin, kind, maxValue=DECLARED_MAXIMUM)
    else:
        one = sensor(twin, kind, name="readings" if kind == "EnvironmentalSensor" else "")
    row = next(name for name, quantity in TABLE.items() if quantity.kind == kind)
    plain = measured(twin, row, 20) | {"timestamp": written(slot(twin, 12))}
    once(twin, f"takes readings {one.id}", lambda: stored(twin, one.id, [plain]))
    return one


def measured(twin: Twin, row: str, value: Any, *, second: int = 0) -> dict[str, Any]:
    """A reading of a row of the table."""
    quantity = TABLE[row]
    taken = slot(twin, 13) + timedelta(seconds=second)
    return reading(taken, value, parameter=quantity.parameter or row, unit=quantity.unit)


def post(twin: Twin, row: str, value: Any, **members: Any) -> Answer:
    """Submit one reading of a row to a sensor of the fitting type."""
    return twin.scratch.post_readings(of(twin, TABLE[row].kind).id, [measured(twin, row, value) | members])


def plainly_wrong(twin: Twin) -> Answer:
    """The answer to a reading far out of its range."""
    return once(twin, "plainly wrong", lambda: post(twin, "humidity", 150))


def invalid(twin: Twin, answer: Answer, *, clause: str) -> None:
    """The reading was refused with INVALID_MEASUREMENT.

    Raises:
        Blocked: by DTC-P2-056 when a reading out of range is refused with the same other code.
    """
    plain = code_of(plainly_wrong(twin))
    if answer.status in BAD_REQUEST and plain not in INVALID and code_of(answer) == plain:
        raise Blocked("DTC-P2-056", f"readings out of range are refused with {plain}, too")
    refused(answer, BAD_REQUEST, INVALID, clause=clause)


@verifies("DTC-P2-056", hazard="write")
@pytest.mark.parametrize("row", list(TABLE))
def test_both_ends_are_in_range(twin: Twin, row: str) -> None:
    one = of(twin, TABLE[row].kind)
    ends = (TABLE[row].lowest, TABLE[row].highest)
    sent = [measured(twin, row, value, second=number) for number, value in enumerate(ends)]
    answer = twin.scratch.post_readings(one.id, sent)
    if code_of(answer) == "DATA_QUALITY_LOW":
        raise Blocked("DTC-P2-060", "a reading of excellent quality is refused for its quality")
    answered(twin, answer, clause="P1 5.2", message=f"{row} at the ends of its range is refused")


@verifies("DTC-P2-056", negative=True, hazard="write")
@pytest.mark.parametrize("row", list(TABLE))
def test_below_the_range(twin: Twin, row: str) -> None:
    refused(post(twin, row, TABLE[row].below), BAD_REQUEST, INVALID, clause="P1 7.1 VAL-003, C-33")


@verifies("DTC-P2-056", negative=True, hazard="write")
@pytest.mark.parametrize("row", [name for name, row in TABLE.items() if row.above is not None])
def test_above_the_range(twin: Twin, row: str) -> None:
    refused(post(twin, row, TABLE[row].above), BAD_REQUEST, INVALID, clause="P1 7.1 VAL-003, C-33")


@verifies("DTC-P2-056", negative=True, hazard="write")
@pytest.mark.parametrize(
    ("row", "value"),
    [("occupancy", CAPACITY + 1), ("energy-consumption", 1001), ("water-flow", 1001)],
    ids=["capacity-of-the-object", "declared-maximum-of-energy", "declared-maximum-of-water"],
)
def test_above_a_declared_end(twin: Twin, row: str, value: float) -> None:
    answer = post(twin, row, value)
    shown = view(twin, of(twin, TABLE[row].kind).id)
    declared = shown.get("attachedTo" if row == "occupancy" else "specifications")
    if answer.ok and not (
        isinstance(declared, str) or (isinstance(declared, dict) and "maxValue" in declared)
    ):
        raise Blocked("DTC-P2-044", "the sensor has lost what the end is declared by")
    if answer.ok:
        raise Tolerated(
            f"{row} beyond the declared end is accepted",
            expected="400 INVALID_MEASUREMENT",
            actual=f"status {answer.status}",
            clause="P1 5.2, C-14: the upper end is capacity or specifications.maxValue",
        )
    refused(answer, BAD_REQUEST, INVALID, clause="P1 5.2, C-14")


@verifies("DTC-P2-056", negative=True, hazard="write")
@pytest.mark.parametrize(
    "value",
    ["wet", "45", True, None, [45], {"amount": 45}],
    ids=["word", "numeral", "boolean", "null", "array", "object"],
)
def test_a_value_of_another_type(twin: Twin, value: Any) -> None:
    refused(post(twin, "humidity", value), BAD_REQUEST, INVALID, clause="P1 7.2 BUS-004, C-33")


@verifies("DTC-P2-056", negative=True, hazard="write")
@pytest.mark.parametrize(
    ("row", "unit"),
    [("humidity", "celsius"), ("temperature", "kelvin"), ("traffic-volume", "km/h")],
    ids=["humidity", "temperature", "traffic-volume"],
)
def test_a_unit_of_another_quantity(twin: Twin, row: str, unit: str) -> None:
    refused(post(twin, row, 45, unit=unit), BAD_REQUEST, INVALID, clause="P1 7.2 BUS-004, C-33")


@verifies("DTC-P2-056", negative=True, hazard="write")
def test_a_fraction_of_a_count(twin: Twin) -> None:
    refused(post(twin, "occupancy", 2.5), BAD_REQUEST, INVALID, clause="P1 7.2 BUS-004, C-33")


@verifies("DTC-P2-056", negative=True, hazard="write")
def test_a_refused_reading_is_not_stored(twin: Twin) -> None:
    one = of(twin, "EnvironmentalSensor")
    sent = reading(slot(twin, 14), 75.5)
    answer = twin.scratch.post_readings(one.id, [sent])
    shown = [entry for entry in seen(twin, one.id, [sent]) if matches(entry, sent)]
    expect.equal(shown, [], f"a reading answered with {answer.status} is stored", clause="P1 7.1 VAL-003")


@verifies("DTC-P2-056", negative=True, hazard="write")
@pytest.mark.parametrize("place", ["second", "last"])
def test_a_bad_reading_in_a_batch(twin: Twin, place: str) -> None:
    """Each reading of a batch is looked at; the batch is refused, or the answer tells of it (C-56)."""
    one = of(twin, "EnvironmentalSensor")
    sent = [measured(twin, "humidity", 40 + number, second=20 + number) for number in range(4)]
    sent[1 if place == "second" else 3]["value"] = 250
    answer = twin.scratch.post_readings(one.id, sent)
    if answer.ok and reports_refusal(answer, 3):
        return
    refused(answer, BAD_REQUEST, INVALID, clause="P1 7.1 VAL-003, C-56")


@verifies("DTC-P2-057", hazard="write")
@pytest.mark.parametrize("case", ["five-seconds-ago", "in-an-eastern-zone", "a-day-ago"])
def test_a_past_reading_is_accepted(twin: Twin, case: str) -> None:
    one, now = of(twin, "EnvironmentalSensor"), twin.clock.now()
    ago = {"five-seconds-ago": 5, "in-an-eastern-zone": 120, "a-day-ago": 86400}[case]
    sent = reading(now - timedelta(seconds=ago), 17.5)
    if case == "in-an-eastern-zone":  # its text reads like an hour to come
        sent["timestamp"] = written(now - timedelta(seconds=ago), hours=14)
    answered(twin, twin.scratch.post_readings(one.id, [sent]), clause="P1 7.2 BUS-002")


@verifies("DTC-P2-057", negative=True, hazard="write")
@pytest.mark.parametrize("case", ["in-an-hour", "in-a-western-zone", "in-two-days"])
def test_a_future_reading_is_refused(twin: Twin, case: str) -> None:
    one = of(twin, "EnvironmentalSensor")
    ahead = twin.clock.now() + timedelta(hours=48 if case == "in-two-days" else 1)
    sent = reading(ahead, 17.5)
    if case == "in-a-western-zone":  # its text reads like an hour that has passed
        sent["timestamp"] = written(ahead, hours=-11)
    invalid(twin, twin.scratch.post_readings(one.id, [sent]), clause="P1 7.2 BUS-002, C-09, C-33")


@verifies("DTC-P2-058", hazard="write")
def test_the_five_members_suffice(twin: Twin) -> None:
    one = of(twin, "EnvironmentalSensor")
    sent = reading(slot(twin, 15), 19.0)
    answered(twin, twin.scratch.post_readings(one.id, [sent]), clause="P1 5.2")


@verifies("DTC-P2-058", negative=True, hazard="write")
@pytest.mark.parametrize("member", ["parameter", "value", "unit", "timestamp", "quality"])
def test_a_reading_lacks(twin: Twin, member: str) -> None:
    one = of(twin, "EnvironmentalSensor")
    sent = reading(slot(twin, 16), 19.0)
    del sent[member]
    answer = twin.scratch.post_readings(one.id, [sent])
    invalid(twin, answer, clause="P1 5.2, C-33")


@verifies("DTC-P2-058", negative=True, hazard="write")
@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("quality", "ok"),
        ("quality", "GOOD"),
        ("quality", None),
        ("timestamp", "2025-01-15T10:30:00"),
        ("timestamp", "2025-02-30T10:30:00Z"),
        ("timestamp", 1736904600),
        ("unit", 1),
        ("unit", None),
        ("parameter", 7),
    ],
    ids=[
        "quality-outside-the-four",
        "quality-in-capitals",
        "quality-null",
        "timestamp-without-zone",
        "timestamp-on-no-day",
        "timestamp-a-number",
        "unit-a-number",
        "unit-null",
        "parameter-a-number",
    ],
)
def test_a_member_that_is_none(twin: Twin, member: str, value: Any) -> None:
    one = of(twin, "EnvironmentalSensor")
    answer = twin.scratch.post_readings(one.id, [reading(slot(twin, 17), 19.0) | {member: value}])
    if answer.ok and plainly_wrong(twin).ok:
        raise Blocked("DTC-P2-056", "measurements are not checked: one out of range is accepted")
    if answer.ok:
        raise Violation(
            f"a reading whose {member} is {value!r} is accepted",
            expected="400 INVALID_MEASUREMENT",
            actual=f"status {answer.status}",
            clause="P1 5.2, VAL-004",
        )
    refused(answer, BAD_REQUEST, clause="P1 5.2, C-33")


@verifies("DTC-P2-058", negative=True, hazard="write")
def test_an_entry_that_is_no_reading(twin: Twin) -> None:
    one = of(twin, "EnvironmentalSensor")
    refused(twin.scratch.post_readings(one.id, [21.5]), BAD_REQUEST, clause="P1 5.2, C-33")
