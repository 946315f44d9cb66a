"""Rules for the sensor network (P1 4.3, 7.2 BUS-003, BUS-005)."""

from collections.abc import Mapping
from typing import Any

from reference_server.geometry import Bounds
from reference_server.rules import measurements, objects, shapes
from reference_server.rules.findings import Findings, is_number


def judge(
    found: Findings,
    node: Any,
    at: str,
    *,
    system: str | None,
    bounds: Bounds | None,
    owners: Mapping[str, Any] | None,
    now_us: int,
) -> None:
    """Judge one sensor node with its readings.

    `owners` are the city's objects by id, None when they are unknown.
    """
    if not isinstance(node, dict):
        found.wrong_type(47, at, "an object")
        return
    objects.identity(found, node, at, 48)
    content(found, node, at, system=system, bounds=bounds)
    attached = node.get("attachedTo")
    owner: Any = None
    if attached is not None and owners is not None:
        owner = owners.get(attached) if isinstance(attached, str) else None
        if owner is None:
            found.add(
                85, "ERR_MISSING_REFERENCE", f"{at}/attachedTo", "attachedTo names no object of the city"
            )
    specifications = node.get("specifications")
    max_value = specifications.get("maxValue") if isinstance(specifications, dict) else None
    for i, reading in enumerate(found.array(node, "measurements", at, 51)):
        measurements.judge(
            found, reading, f"{at}/measurements/{i}", now_us, objects.capacity(owner), max_value
        )


def content(
    found: Findings, node: dict[str, Any], at: str, *, system: str | None, bounds: Bounds | None
) -> None:
    """Judge type, location and status of a node, whatever its id."""
    found.text(node, "type", at, 48)
    if (
        "location" in node
        and shapes.point(found, node["location"], f"{at}/location", system)
        and bounds is not None
        and not bounds.hold(node["location"]["coordinates"])
    ):
        found.add(84, "ERR_OUT_OF_BOUNDS", f"{at}/location", "the location is outside the city")
    if "status" in node:
        _status(found, node["status"], f"{at}/status")


def _status(found: Findings, status: Any, at: str) -> None:
    if not isinstance(status, dict):
        found.wrong_type(71, at, "an object")
        return
    if "operational" not in status:
        found.missing(71, f"{at}/operational")
    elif not isinstance(status["operational"], bool):
        found.wrong_type(71, f"{at}/operational", "true or false")
    elif not status["operational"]:
        found.warn(89, "ERR_SENSOR_OFFLINE", f"{at}/operational", "the sensor is offline")
    battery = status.get("battery", 0)
    if not is_number(battery):
        found.wrong_type(71, f"{at}/battery", "a number")
    elif not 0 <= battery <= 100:
        found.add(71, "ERR_INVALID_VALUE", f"{at}/battery", "battery must lie in 0..100")
    objects.instant_members(found, status, ("lastMaintenance",), at)


def aggregation(found: Findings, item: Any, at: str, system: str | None) -> None:
    """Judge what is compulsory of an aggregation: its instant, and the ranges of its coverage."""
    if isinstance(item, dict):
        objects.instant_members(found, item, ("timestamp",), at)
        shapes.coverage(found, item.get("coverage"), f"{at}/coverage", system)
