"""Aggregated sensor data, where the target offers it: DTC-P2-063."""

from typing import Any

import pytest

from dtc_cli.harness.suite import Answer, NotApplicable, Twin, Violation, expect, verifies
from suites.phase2.support_live import written
from suites.phase2.support_live_sensors import SENSORS, reading, sensor, slot, stored
from suites.phase2.support_live_series import MINUTE

CLAUSE = "P2 6.3, C-36"


@pytest.fixture(scope="module")
def query(twin: Twin) -> dict[str, str]:
    """The query over two sensors with one reading each, 20 and 22 celsius, within one hour."""
    taken = slot(twin, 0)
    hour = taken.replace(minute=0, second=0)
    ids = []
    for number, value in enumerate((20.0, 22.0)):
        one = sensor(twin, "EnvironmentalSensor", name=f"aggregate {number}")
        stored(twin, one.id, [reading(taken, value)])
        ids.append(one.id)
    return {
        "sensors": ",".join(ids),
        "sensorIds": ",".join(ids),
        "parameter": "temperature",
        "interval": "1hour",
        "start": written(hour),
        "end": written(taken + MINUTE),
    }


def asked(twin: Twin, query: dict[str, str], aggregation: str) -> Answer:
    """The answer to an aggregation."""
    return twin.rest.get(f"{SENSORS}/aggregate", params={**query, "aggregation": aggregation})


@pytest.fixture(scope="module")
def offered(twin: Twin, query: dict[str, str]) -> dict[str, str]:
    """The query, where the target understands it: neither path nor query are printed in the standard."""
    answer = asked(twin, query, "average")
    if answer.status in (404, 405, 501):
        raise NotApplicable("GET .../sensors/aggregate is not offered")
    if answer.status in (400, 422):
        raise NotApplicable("the target aggregates with a query of its own: " + answer.excerpt(120))
    return query


@verifies("DTC-P2-063", hazard="write")
@pytest.mark.parametrize(
    ("aggregation", "value"), [("average", 21), ("min", 20), ("max", 22), ("sum", 42), ("count", 2)]
)
def test_two_sensors(twin: Twin, offered: dict[str, str], aggregation: str, value: float) -> None:
    answer = asked(twin, offered, aggregation)
    expect.status(answer, {200}, clause=CLAUSE)
    found = list(numbers(expect.json_value(answer)))
    if not any(abs(number - value) < 1e-6 for number in found):
        raise Violation(
            f"the {aggregation} of 20 and 22 is not {value}",
            expected=str(value),
            actual=answer.excerpt(),
            clause=CLAUSE,
        )


@verifies("DTC-P2-063", negative=True, hazard="write")
def test_an_unknown_aggregation(twin: Twin, offered: dict[str, str]) -> None:
    expect.error(asked(twin, offered, "harmonic-surprise"), {400, 422}, clause=CLAUSE)


def numbers(value: Any) -> Any:
    """Every number in a JSON value."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for entry in value:
            yield from numbers(entry)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value
