"""Rules for city objects and their GeoJSON form (P1 4.2, 5.1, 6.2, 7.2)."""

from typing import Any

from reference_server import instants
from reference_server.geometry import Bounds, positions
from reference_server.rules import shapes
from reference_server.rules.findings import Findings


def identity(found: Findings, item: dict[str, Any], at: str, requirement: int) -> str | None:
    """The id of an entity: any string that is not empty (P1 2.2)."""
    value = found.text(item, "id", at, requirement)
    if value == "":
        found.add(requirement, "ERR_MISSING_FIELD", f"{at}/id", "id is empty")
        return None
    return value


def judge(found: Findings, item: Any, at: str, system: str | None, bounds: Bounds | None) -> None:
    """Judge one city object of a record."""
    if not isinstance(item, dict):
        found.wrong_type(24, at, "an object")
        return
    identity(found, item, at, 25)
    content(found, item, at, system, bounds)


def content(
    found: Findings, item: dict[str, Any], at: str, system: str | None, bounds: Bounds | None
) -> None:
    """Judge everything of a city object but its id, which a server may still have to assign."""
    found.text(item, "type", at, 26)
    if "geometry" not in item:
        found.missing(27, f"{at}/geometry")
    elif shapes.geometry(found, item["geometry"], f"{at}/geometry", system) and bounds is not None:
        outside = next((p for p in positions(item["geometry"]) if not bounds.hold(p)), None)
        if outside is not None:
            found.add(
                83, "ERR_OUT_OF_BOUNDS", f"{at}/geometry", f"position {outside[:2]} is outside the city"
            )
    if "properties" not in item:
        found.missing(28, f"{at}/properties")
    elif not isinstance(item["properties"], dict):
        found.wrong_type(28, f"{at}/properties", "an object")
    for i, sensor in enumerate(found.array(item, "sensors", at, 33)):
        if not isinstance(sensor, str):
            found.wrong_type(33, f"{at}/sensors/{i}", "a string")
    instant_members(found, item.get("metadata"), ("created", "lastUpdated"), f"{at}/metadata")


def instant_members(found: Findings, holder: Any, names: tuple[str, ...], at: str) -> None:
    """Judge the optional instants of a part (P1 7.1 VAL-004); a holder of another type is not judged here."""
    if not isinstance(holder, dict):
        return
    for name in names:
        if name in holder and instants.parse(holder[name]) is None:
            message = f"{name} must be an RFC 3339 instant with a zone"
            found.add(11, "ERR_INVALID_TIMESTAMP", f"{at}/{name}", message)


def feature(found: Findings, item: Any, at: str) -> None:
    """Judge a city object in GeoJSON form; its coordinates are WGS84 by RFC 7946."""
    if not isinstance(item, dict) or item.get("type") != "Feature":
        found.add(45, "ERR_INVALID_GEOMETRY", f"{at}/type", "each member must be a GeoJSON Feature")
        return
    if "geometry" not in item:
        found.missing(45, f"{at}/geometry")
    elif item["geometry"] is None:
        found.add(45, "ERR_INVALID_GEOMETRY", f"{at}/geometry", "a Feature of a city object has a geometry")
    else:
        shapes.geometry(found, item["geometry"], f"{at}/geometry", "WGS84")
    properties = item.get("properties")
    if not isinstance(properties, dict):
        found.missing(45, f"{at}/properties")
    elif "cityObjectId" not in properties:
        found.missing(45, f"{at}/properties/cityObjectId")
    elif not isinstance(properties["cityObjectId"], str) or not properties["cityObjectId"]:
        found.wrong_type(45, f"{at}/properties/cityObjectId", "a string that is not empty")


def capacity(item: Any) -> Any:
    """The declared capacity of an object for VAL-003, or None."""
    properties = item.get("properties") if isinstance(item, dict) else None
    occupancy = properties.get("occupancy") if isinstance(properties, dict) else None
    return occupancy.get("capacity") if isinstance(occupancy, dict) else None
