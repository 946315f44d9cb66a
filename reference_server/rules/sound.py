"""Batches of readings that are sound at first sight.

Nearly every batch is. A compiled decoder looks at members and types, a short loop at instants and ranges;
what they do not accept is judged reading by reading (`measurements.judge`), which also says what is wrong. So
this may refuse what is sound, but never accept what is not.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import inf
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from reference_server import instants
from reference_server.rules.findings import is_number
from reference_server.rules.parameters import PARAMETERS, celsius
from reference_server.storage.protocol import Reading

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


class _Only(msgspec.Struct, forbid_unknown_fields=True):
    """A reading with no other member than the standard's."""

    parameter: Name
    value: int | float
    unit: Name
    timestamp: str
    quality: Literal["excellent", "good", "fair", "poor"]
    confidence: Share | UnsetType = UNSET


class _Payload(msgspec.Struct, forbid_unknown_fields=True):
    sensorId: str  # noqa: N815 - the standard's name
    measurements: Annotated[list[_Only], Meta(min_length=1, max_length=1)]


_decoded = msgspec.json.Decoder(_Payload).decode
QUOTES, MORE_QUOTES = 24, 2
"""Of the seven names and five texts of a message with one reading; and of the name of its confidence."""
EXACT = 2**53
"""Whole numbers below it are the same as floating point."""


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


def message(raw: bytes, now_us: int) -> tuple[str, Reading] | None:
    """Sensor and reading of a message of P3 10.1 that holds one reading and nothing else, else None.

    What this accepts keeps all rules for readings, whatever the sensor is; another one may still be sound.
    """
    if b"\\" in raw:
        return None
    try:
        found = _decoded(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    one = found.measurements[0]
    confidence = None if one.confidence is UNSET else one.confidence
    # Each member is there; with no more quotes than these need, none is given twice.
    if raw.count(b'"') != (QUOTES if confidence is None else QUOTES + MORE_QUOTES):
        return None
    moment = instants.parse_once(one.timestamp)
    if moment is None or moment[0] > now_us + instants.FUTURE_TOLERANCE_US or not _fits(one):
        return None
    at, zone = moment
    return found.sensorId, Reading(one.parameter, one.value, one.unit, at, one.quality, confidence, zone)


def _fits(one: _Only) -> bool:
    """Whether unit and value are certainly those of the parameter, at each sensor."""
    limits, value = _fixed_range(one.parameter, one.unit), one.value
    if limits is None or not -EXACT < value < EXACT:
        return False
    low, high, integral = limits
    scaled = celsius(value, one.unit) if one.parameter == "temperature" else value
    return low <= scaled <= high and (not integral or value == int(value))


@lru_cache(maxsize=1000)
def _fixed_range(parameter: str, unit: str) -> tuple[float, float, bool] | None:
    """The range of a parameter if it is the same for each sensor; None too for a unit of others."""
    rule = PARAMETERS.get(parameter)
    if rule is not None and rule.limit is not None:
        return None
    return _range(parameter, unit, None, None)


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
