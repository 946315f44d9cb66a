"""Simulations: compulsory members, typed options, results and recommendations (DTC-P1-073..080)."""

import re
from typing import Any

from dtc_cli.core.records.envelope import judge_instant
from dtc_cli.core.records.finding import Code, Path, Sheet
from dtc_cli.core.records.instants import instant
from dtc_cli.core.records.objects import blame_member
from dtc_cli.core.records.values import is_id, is_number, is_object, is_ratio, kind, show

SIMULATION_TYPES = frozenset(
    {"TrafficFlow", "EnergyConsumption", "AirQuality", "FloodRisk", "EmergencyResponse", "CrowdDynamics"}
)  # P1 6.1
RATIOS = ("congestionLevel", "efficiency")  # P1 4.4, 8.1
QUANTITIES = ("averageSpeed", "predictedDelay", "totalConsumption", "peakDemand")  # P1 4.4, 8.1
PRIORITIES = ("low", "medium", "high")  # P1 4.4
_NUMBER_WITH_UNIT = re.compile(r"[+-]?\d+(?:\.\d+)?\s+[^\W\d]\S*", re.ASCII)


def judge_simulations(record: dict[str, Any], sheet: Sheet) -> None:
    """Judge `simulations`, if the record has it."""
    if "simulations" not in record:
        return
    simulations = record["simulations"]
    if not isinstance(simulations, list):
        # No entry of the catalogue types the array itself; the schema of P1 4.1 does.
        message = f"simulations is of type {kind(simulations)}, not an array"
        sheet.blame("DTC-P1-001", Code.SCHEMA, ("simulations",), message)
        return
    for index, item in enumerate(simulations):
        if is_object(item):
            judge_simulation(item, ("simulations", index), sheet)
        else:
            message = f"simulation is of type {kind(item)}, not an object"
            sheet.blame("DTC-P1-001", Code.SCHEMA, ("simulations", index), message)


def judge_simulation(item: dict[str, Any], path: Path, sheet: Sheet) -> None:
    """Judge one simulation."""
    if not sheet.holds("DTC-P1-073", is_id(item.get("id"))):
        blame_member("DTC-P1-073", item, "id", path, wanted="a non-empty string", sheet=sheet)
    named = item.get("type")
    if not sheet.holds("DTC-P1-074", isinstance(named, str)):
        blame_member("DTC-P1-074", item, "type", path, wanted="a string", sheet=sheet)
    elif not sheet.holds("DTC-P1-077", named in SIMULATION_TYPES):
        sheet.blame(
            "DTC-P1-077", Code.SCHEMA, (*path, "type"), f"type {show(named)} is not one of the six of P1 6.1"
        )
    parameters, results = item.get("parameters"), item.get("results")
    if not sheet.holds("DTC-P1-075", is_object(parameters)):
        blame_member("DTC-P1-075", item, "parameters", path, wanted="an object", sheet=sheet)
    if not sheet.holds("DTC-P1-076", is_object(results)):
        blame_member("DTC-P1-076", item, "results", path, wanted="an object", sheet=sheet)
    _judge_options(item, path, sheet)
    if is_object(parameters):
        _judge_time_range(parameters.get("timeRange"), (*path, "parameters", "timeRange"), sheet)
    if is_object(results):
        _judge_results(results, (*path, "results"), sheet)


def _judge_options(item: dict[str, Any], path: Path, sheet: Sheet) -> None:
    if "status" in item and not sheet.holds("DTC-P1-078", isinstance(item["status"], str)):
        blame_member("DTC-P1-078", item, "status", path, wanted="a string", sheet=sheet)
    if "confidence" in item and not sheet.holds("DTC-P1-078", is_ratio(item["confidence"])):
        blame_member(
            "DTC-P1-078",
            item,
            "confidence",
            path,
            wanted="a number in 0..1",
            sheet=sheet,
            code=Code.INVALID_VALUE,
        )
    for name in ("timestamp", "validUntil"):
        judge_instant(item, name, path, sheet, typed_by="DTC-P1-078")


def _judge_time_range(span: object, path: Path, sheet: Sheet) -> None:
    if not is_object(span):
        return
    for name in ("start", "end"):
        judge_instant(span, name, path, sheet)
    start, end = instant(span.get("start")), instant(span.get("end"))
    if start is not None and end is not None and not sheet.holds("DTC-P1-078", start <= end):
        sheet.blame(
            "DTC-P1-078", Code.INVALID_VALUE, (*path, "start"), "timeRange.start is later than its end"
        )


def _judge_results(results: dict[str, Any], path: Path, sheet: Sheet) -> None:
    for name, value in results.items():
        place = (*path, name)
        if name in RATIOS:
            if not sheet.holds("DTC-P1-079", is_ratio(value)):
                message = f"{name} {show(value)} should be a number in 0..1"
                sheet.blame("DTC-P1-079", Code.INVALID_VALUE, place, message)
        elif _is_quantity(name, value) and not sheet.holds("DTC-P1-079", _is_paired(value)):
            message = f"{name} should be an object with a numeric value and a string unit"
            sheet.blame("DTC-P1-079", Code.INVALID_VALUE, place, message)
    if "recommendations" in results:
        _judge_recommendations(results["recommendations"], (*path, "recommendations"), sheet)


def _is_quantity(name: str, value: object) -> bool:
    """Whether a result is meant as a quantity: by printed name, members, or as text like 35.5 km/h."""
    if name in QUANTITIES:
        return True
    if is_object(value):
        return "value" in value and "unit" in value
    return isinstance(value, str) and _NUMBER_WITH_UNIT.fullmatch(value) is not None


def _is_paired(value: object) -> bool:
    return is_object(value) and is_number(value.get("value")) and isinstance(value.get("unit"), str)


def _judge_recommendations(entries: object, path: Path, sheet: Sheet) -> None:
    sheet.holds("DTC-P1-080", isinstance(entries, list))
    if not isinstance(entries, list):
        message = f"recommendations is of type {kind(entries)}, not an array"
        sheet.blame("DTC-P1-080", Code.SCHEMA, path, message)
        return
    for index, entry in enumerate(entries):
        place = (*path, index)
        if not is_object(entry):
            sheet.blame(
                "DTC-P1-080", Code.SCHEMA, place, f"recommendation is of type {kind(entry)}, not an object"
            )
            continue
        for name in ("type", "message"):
            if not sheet.holds("DTC-P1-080", isinstance(entry.get(name), str)):
                blame_member("DTC-P1-080", entry, name, place, wanted="a string", sheet=sheet)
        if not sheet.holds("DTC-P1-080", entry.get("priority") in PRIORITIES):
            blame_member("DTC-P1-080", entry, "priority", place, wanted="low, medium or high", sheet=sheet)
