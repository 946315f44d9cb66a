"""Rules for stored simulations (P1 4.4)."""

from typing import Any

from reference_server import instants
from reference_server.rules import objects
from reference_server.rules.findings import Findings
from reference_server.rules.measurements import in_unit_interval


def judge(found: Findings, item: Any, at: str) -> None:
    """Judge one item of `simulations`."""
    if not isinstance(item, dict):
        found.wrong_type(75, at, "an object")
        return
    found.text(item, "id", at, 73)
    found.text(item, "type", at, 74)
    for name, requirement in (("parameters", 75), ("results", 76)):
        if name not in item:
            found.missing(requirement, f"{at}/{name}")
        elif not isinstance(item[name], dict):
            found.wrong_type(requirement, f"{at}/{name}", "an object")
    if "status" in item and not isinstance(item["status"], str):
        found.wrong_type(78, f"{at}/status", "a string")
    for name in ("timestamp", "validUntil"):
        if name in item and not isinstance(item[name], str):
            found.wrong_type(78, f"{at}/{name}", "an RFC 3339 instant with a zone")
        else:
            objects.instant_members(found, item, (name,), at)
    if "confidence" in item and not in_unit_interval(item["confidence"]):
        found.add(78, "ERR_INVALID_VALUE", f"{at}/confidence", "confidence must be a number in 0..1")
    parameters = item.get("parameters")
    if isinstance(parameters, dict):
        time_range(found, parameters.get("timeRange"), f"{at}/parameters/timeRange")


def time_range(found: Findings, value: Any, at: str) -> None:
    """Judge a time range: zoned instants, and a start that does not follow the end.

    It may lie in the future.
    """
    if not isinstance(value, dict):
        return
    objects.instant_members(found, value, ("start", "end"), at)
    start, end = instants.parse(value.get("start")), instants.parse(value.get("end"))
    if start is not None and end is not None and start > end:
        found.add(78, "ERR_INVALID_VALUE", f"{at}/start", "the range starts after its end")
