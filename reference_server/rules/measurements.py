"""Rules for single readings (P1 5.2, 7.1 VAL-003, VAL-004, 7.2 BUS-002, BUS-004)."""

from typing import Any

from reference_server import instants
from reference_server.rules.findings import Findings, is_number
from reference_server.rules.parameters import PARAMETERS, QUALITIES, QUALITY_CEILING, Parameter, celsius

OUT = "ERR_INVALID_VALUE"


def judge(
    found: Findings, reading: Any, at: str, now_us: int, capacity: Any = None, max_value: Any = None
) -> None:
    """Judge a reading; `capacity` is that of the attached object, `max_value` the sensor's own.

    When known.
    """
    if not isinstance(reading, dict):
        found.wrong_type(51, at, "an object")
        return
    parameter = found.text(reading, "parameter", at, 52)
    unit = found.text(reading, "unit", at, 54)
    number = _value(found, reading, at)
    _timestamp(found, reading, at, now_us)
    quality = found.text(reading, "quality", at, 56)
    if quality is not None and quality not in QUALITIES:
        found.add(57, OUT, f"{at}/quality", f"quality must be one of {', '.join(QUALITIES)}")
    if "confidence" in reading and not in_unit_interval(reading["confidence"]):
        found.add(59, OUT, f"{at}/confidence", "confidence must be a number in 0..1")
    if parameter is not None and number is not None and unit is not None:
        judge_range(found, reading, at, capacity, max_value)


def judge_range(found: Findings, reading: dict[str, Any], at: str, capacity: Any, max_value: Any) -> None:
    """Judge unit and value of a reading whose members have the right types (P1 7.1 VAL-003)."""
    rule = PARAMETERS.get(reading["parameter"])
    if rule is not None:
        limits = {"capacity": capacity, "maxValue": max_value}
        _fits(found, rule, reading["value"], reading["unit"], at, limits)


def in_unit_interval(value: object) -> bool:
    """Whether a JSON value is a number in 0..1."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _value(found: Findings, reading: dict[str, Any], at: str) -> float | None:
    if "value" not in reading:
        found.missing(53, f"{at}/value")
        return None
    value = reading["value"]
    if not is_number(value):
        found.add(53, OUT, f"{at}/value", "value must be a finite number")
        return None
    number: float = value
    return number


def _timestamp(found: Findings, reading: dict[str, Any], at: str, now_us: int) -> None:
    text = found.text(reading, "timestamp", at, 55)
    if text is None:
        return
    moment = instants.parse(text)
    if moment is None:
        found.add(
            11,
            "ERR_INVALID_TIMESTAMP",
            f"{at}/timestamp",
            "timestamp must be an RFC 3339 instant with a zone",
        )
    elif moment > now_us + instants.FUTURE_TOLERANCE_US:
        found.add(82, "ERR_FUTURE_TIMESTAMP", f"{at}/timestamp", "timestamp lies in the future")


def _fits(found: Findings, rule: Parameter, value: float, unit: str, at: str, limits: dict[str, Any]) -> None:
    if unit not in rule.units:
        found.add(68, OUT, f"{at}/unit", f"the unit must be {' or '.join(rule.units)}")
        return
    if rule.integral and value != int(value):
        found.add(68, OUT, f"{at}/value", "a count must be a whole number")
        return
    declared = limits.get(rule.limit) if rule.limit else None
    high = rule.high if rule.high is not None else declared if is_number(declared) else None
    scaled = celsius(value, unit)
    # 1e-9: 140 fahrenheit is 60 celsius, whatever the last bit of the division says
    if scaled < rule.low - 1e-9 or (high is not None and scaled > high + 1e-9):
        top = "" if high is None else f"..{high:g}"
        found.add(rule.requirement, OUT, f"{at}/value", f"{value:g} {unit} is outside {rule.low:g}{top}")


def below_quality(reading: dict[str, Any], threshold: float) -> bool:
    """Whether a sound reading lies below a quality threshold.

    By its confidence, else by its label's band (P1 6.1).
    """
    confidence = reading.get("confidence")
    if confidence is not None and in_unit_interval(confidence):
        return bool(confidence < threshold)
    ceiling = QUALITY_CEILING.get(reading.get("quality", ""), 1.0)
    return ceiling <= threshold and ceiling < 0.95
