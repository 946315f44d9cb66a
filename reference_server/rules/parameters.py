"""The table of standard parameters (P1 5.2): unit, range and kind of each."""

from collections.abc import Mapping
from typing import NamedTuple


class Parameter(NamedTuple):
    """A standard parameter; `high` is None where the limit comes from the object or the sensor (VAL-003)."""

    requirement: int
    units: tuple[str, ...]
    low: float
    high: float | None
    limit: str | None = None
    """Where an open upper limit comes from.

    `capacity` of the attached object, or `maxValue` of the sensor.
    """
    integral: bool = False


PARAMETERS: Mapping[str, Parameter] = {
    "temperature": Parameter(60, ("celsius", "fahrenheit"), -40, 60),
    "humidity": Parameter(61, ("percent",), 0, 100),
    "air_quality": Parameter(62, ("aqi",), 0, 500),
    "noise_level": Parameter(63, ("decibel",), 0, 120),
    "traffic_volume": Parameter(64, ("vehicles/hour",), 0, 10_000),
    "occupancy": Parameter(65, ("count",), 0, None, limit="capacity", integral=True),
    "energy_consumption": Parameter(66, ("kWh",), 0, None, limit="maxValue"),
    "water_flow": Parameter(67, ("liters/min",), 0, None, limit="maxValue"),
}

QUALITIES = ("excellent", "good", "fair", "poor")  # P1 5.2, 6.1
QUALITY_CEILING: Mapping[str, float] = {"excellent": 1.0, "good": 0.95, "fair": 0.80, "poor": 0.60}
"""The accuracy that a label's band does not exceed (P1 6.1)."""


def celsius(value: float, unit: str) -> float:
    """A temperature in degrees Celsius, the scale of its range in VAL-003."""
    return (value - 32) * 5 / 9 if unit == "fahrenheit" else value
