"""Batches of readings that are sound at first sight.

Nearly every batch is. A compiled decoder looks at members and types, a short loop at instants and ranges;
what they do not accept is judged reading by reading (`measurements.judge`), which also says what is wrong. So
this may refuse what is sound, but never accept what is not.
"""

from collections.abc import Sequence
from math import inf
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from reference_server import instants
from reference_server.rules.findings import is_number
from reference_server.rules.parameters import PARAMETERS, celsius

MAX_NAME = 200
"""Characters of a parameter or a unit."""
TOLERANCE = 1e-9
"""140 fahrenheit is 60 celsius, whatever the last bit of the division says."""
Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
Share = Annotated[float, Meta(ge=0, le=1)]


class _Reading(msgspec.Struct):
    parameter: Name
    value: float
    unit: Name
    timestamp: str
    quality: Literal["excellent", "good", "fair", "poor"]
    confidence: Share | UnsetType = UNSET


def batch(given: Sequence[Any], now_us: int, capacity: Any, max_value: Any) -> bool:
    """Whether all readings certainly keep the rules for readings (P1 5.2, 7.1 VAL-003, -004, 7.2 BUS-002)."""
    try:
        readings = msgspec.convert(given, list[_Reading])
    except msgspec.ValidationError:
        return False
    latest = now_us + instants.FUTURE_TOLERANCE_US
    ranges: dict[tuple[str, str], tuple[float, float, bool] | None] = {}
    for one in readings:
        at = instants.parse(one.timestamp)
        if at is None or at > latest:
            return False
        key = (one.parameter, one.unit)
        if key not in ranges:
            ranges[key] = _range(*key, capacity, max_value)
        limits = ranges[key]
        if limits is None:
            return False
        low, high, integral = limits
        value = celsius(one.value, one.unit) if one.parameter == "temperature" else one.value
        if not low <= value <= high or (integral and not value.is_integer()):
            return False
    return True


def _range(parameter: str, unit: str, capacity: Any, max_value: Any) -> tuple[float, float, bool] | None:
    """Least and greatest value of a parameter and whether it is a count; None for a unit of others."""
    rule = PARAMETERS.get(parameter)
    if rule is None:
        return -inf, inf, False
    if unit not in rule.units:
        return None
    high = rule.high
    if high is None:
        limit = {"capacity": capacity, "maxValue": max_value}[rule.limit] if rule.limit else None
        high = limit if limit is not None and is_number(limit) else inf
    return rule.low - TOLERANCE, high + TOLERANCE, rule.integral
