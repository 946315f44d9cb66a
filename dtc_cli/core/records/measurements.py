"""Measurements: compulsory members, quality, units and ranges by parameter (DTC-P1-051..069, -082)."""

from collections.abc import Mapping
from typing import Any

import msgspec

from dtc_cli.core.records.finding import Code, Path, Sheet
from dtc_cli.core.records.instants import flaw, instant
from dtc_cli.core.records.objects import blame_member
from dtc_cli.core.records.values import is_integral, is_number, is_object, is_ratio, kind, show

Capacities = Mapping[str, float]
"""City object id -> its properties.occupancy.capacity (C-14)."""

QUALITIES = ("excellent", "good", "fair", "poor")  # P1 6.1, C-01
SKEW_S = 60  # C-09


class Parameter(msgspec.Struct, frozen=True):
    """A row of the parameter table: its requirement, and per unit the range, ends included (None: open)."""

    requirement: str
    ranges: Mapping[str, tuple[float, float | None]]
    declared: bool = False
    """Whether the upper end is a maximum that the sensor declares (C-14)."""
    integral: bool = False


PARAMETERS: Mapping[str, Parameter] = {
    "temperature": Parameter("DTC-P1-060", {"celsius": (-40, 60), "fahrenheit": (-40, 140)}),  # C-13
    "humidity": Parameter("DTC-P1-061", {"percent": (0, 100)}),
    "air_quality": Parameter("DTC-P1-062", {"aqi": (0, 500)}),
    "noise_level": Parameter("DTC-P1-063", {"decibel": (0, 120)}),
    "traffic_volume": Parameter("DTC-P1-064", {"vehicles/hour": (0, 10000)}),
    "occupancy": Parameter("DTC-P1-065", {"count": (0, None)}, integral=True),
    "energy_consumption": Parameter("DTC-P1-066", {"kWh": (0, None)}, declared=True),
    "water_flow": Parameter("DTC-P1-067", {"liters/min": (0, None)}, declared=True),
}  # P1 5.2


def judge_measurements(node: dict[str, Any], path: Path, capacities: Capacities, sheet: Sheet) -> None:
    """Judge the `measurements` of a sensor node, if it has any."""
    if "measurements" not in node:
        return
    measurements = node["measurements"]
    place = (*path, "measurements")
    sheet.holds("DTC-P1-051", isinstance(measurements, list))
    if not isinstance(measurements, list):
        message = f"measurements is of type {kind(measurements)}, not an array"
        sheet.blame("DTC-P1-051", Code.SCHEMA, place, message)
        return
    limits = _limits(node, measurements, capacities)
    for index, item in enumerate(measurements):
        if is_object(item):
            judge_measurement(item, (*place, index), limits, sheet)
        else:
            sheet.holds("DTC-P1-051", False)
            message = f"measurement is of type {kind(item)}, not an object"
            sheet.blame("DTC-P1-051", Code.SCHEMA, (*place, index), message)


def judge_measurement(item: dict[str, Any], path: Path, limits: Mapping[str, float], sheet: Sheet) -> None:
    """Judge one measurement; `limits` holds upper ends by parameter that the table leaves to the data."""
    if not sheet.holds("DTC-P1-052", isinstance(item.get("parameter"), str)):
        blame_member("DTC-P1-052", item, "parameter", path, wanted="a string", sheet=sheet)
    if not sheet.holds("DTC-P1-053", is_number(item.get("value"))):
        blame_member(
            "DTC-P1-053", item, "value", path, wanted="a finite number", sheet=sheet, code=Code.INVALID_VALUE
        )
    if not sheet.holds("DTC-P1-054", isinstance(item.get("unit"), str)):
        blame_member("DTC-P1-054", item, "unit", path, wanted="a string", sheet=sheet)
    _judge_timestamp(item, path, sheet)
    _judge_quality(item, path, sheet)
    _judge_range(item, path, limits, sheet)


def _judge_timestamp(item: dict[str, Any], path: Path, sheet: Sheet) -> None:
    place = (*path, "timestamp")
    taken = item.get("timestamp")
    if not sheet.holds("DTC-P1-055", isinstance(taken, str)):
        blame_member("DTC-P1-055", item, "timestamp", path, wanted="a string", sheet=sheet)
        return
    moment = instant(taken)
    sheet.holds("DTC-P1-011", moment is not None)
    if moment is None:
        message = f"timestamp {show(taken)} {flaw(taken)}"
        sheet.blame("DTC-P1-011", Code.INVALID_TIMESTAMP, place, message)
    elif not sheet.holds("DTC-P1-082", moment <= sheet.now.later(SKEW_S)):
        ahead = moment.seconds - sheet.now.seconds
        sheet.blame(
            "DTC-P1-082", Code.FUTURE_TIMESTAMP, place, f"timestamp {show(taken)} is {ahead} s in the future"
        )


def _judge_quality(item: dict[str, Any], path: Path, sheet: Sheet) -> None:
    quality, confidence = item.get("quality"), item.get("confidence")
    place = (*path, "quality")
    known = isinstance(quality, str) and quality in QUALITIES
    if not sheet.holds("DTC-P1-056", isinstance(quality, str)):
        blame_member("DTC-P1-056", item, "quality", path, wanted="a string", sheet=sheet)
    elif not sheet.holds("DTC-P1-057", known):
        message = f"quality {show(quality)} is not one of {', '.join(QUALITIES)}"
        sheet.blame("DTC-P1-057", Code.SCHEMA, place, message)
    if "confidence" in item and not sheet.holds("DTC-P1-059", is_ratio(confidence)):
        blame_member(
            "DTC-P1-059",
            item,
            "confidence",
            path,
            wanted="a number in 0..1",
            sheet=sheet,
            code=Code.INVALID_VALUE,
        )
    accuracy = confidence if "confidence" in item else item.get("accuracy")
    if is_ratio(accuracy):
        if known and not sheet.holds("DTC-P1-058", quality == label(accuracy)):
            message = f"quality {quality} does not agree with {show(accuracy)}, which is {label(accuracy)}"
            sheet.blame("DTC-P1-058", Code.INVALID_VALUE, place, message)
        _judge_threshold(accuracy, path, sheet)
    elif known:
        sheet.holds("DTC-P1-088", quality != "poor")
        if quality == "poor" and sheet.settings.quality_threshold >= 0.60:
            sheet.blame("DTC-P1-088", Code.QUALITY_LOW, place, "quality poor is below the quality threshold")


def _judge_threshold(accuracy: float, path: Path, sheet: Sheet) -> None:
    limit = sheet.settings.quality_threshold
    if not sheet.holds("DTC-P1-088", accuracy >= limit):
        message = f"the measurement's accuracy {show(accuracy)} is below the threshold {limit:g}"
        sheet.blame("DTC-P1-088", Code.QUALITY_LOW, path, message)


def label(accuracy: float) -> str:
    """The quality label of an accuracy in 0..1, bands as C-02 reads them."""
    if accuracy > 0.95:
        return "excellent"
    if accuracy >= 0.80:
        return "good"
    return "fair" if accuracy >= 0.60 else "poor"


def _judge_range(item: dict[str, Any], path: Path, limits: Mapping[str, float], sheet: Sheet) -> None:
    name, value, unit = item.get("parameter"), item.get("value"), item.get("unit")
    if not isinstance(name, str) or name not in PARAMETERS or not isinstance(unit, str):
        return
    parameter = PARAMETERS[name]
    if not sheet.holds("DTC-P1-068", unit in parameter.ranges):
        wanted = " or ".join(parameter.ranges)
        message = f"unit {show(unit)} is not that of {name}: {wanted}"
        sheet.blame("DTC-P1-068", Code.INVALID_VALUE, (*path, "unit"), message)
        return
    if not is_number(value):
        return
    if parameter.integral and not sheet.holds("DTC-P1-068", is_integral(value)):
        sheet.blame(
            "DTC-P1-068", Code.INVALID_VALUE, (*path, "value"), f"{name} {show(value)} is a count: an integer"
        )
        return
    lowest, highest = parameter.ranges[unit]
    highest = limits.get(name) if highest is None else highest
    fits = lowest <= value and (highest is None or value <= highest)
    if not sheet.holds(parameter.requirement, fits):
        span = f"{lowest:g} or more" if highest is None else f"{lowest:g}..{show(highest)}"
        message = f"{name} {show(value)} {unit} is not in {span}"
        sheet.blame(parameter.requirement, Code.INVALID_VALUE, (*path, "value"), message)


def _limits(node: dict[str, Any], measurements: list[Any], capacities: Capacities) -> dict[str, float]:
    """Upper ends known from the data: the capacity of the attached object, the sensor's declared maximum."""
    limits: dict[str, float] = {}
    attached = node.get("attachedTo")
    if isinstance(attached, str) and attached in capacities:
        limits["occupancy"] = capacities[attached]
    specifications = node.get("specifications")
    highest = specifications.get("maxValue") if is_object(specifications) else None
    if is_number(highest):
        names = [item.get("parameter") for item in measurements if is_object(item)]
        declared = [name for name, row in PARAMETERS.items() if row.declared and name in names]
        # One maximum cannot be that of two quantities: with both on one sensor it is not known whose it is.
        if len(declared) == 1:
            limits[declared[0]] = highest
    return limits
