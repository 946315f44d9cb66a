"""The top level of a record: version, cityId, timestamp, bounds, coordinateSystem (DTC-P1-002..023)."""

import re
from typing import Any

from dtc_cli.core.records.area import Area, tolerance_for
from dtc_cli.core.records.finding import Code, Path, Sheet
from dtc_cli.core.records.geometry import Spot, judge_position, judge_winding, ring_fault
from dtc_cli.core.records.instants import duration_s, flaw, instant
from dtc_cli.core.records.placement import Frame, place_in_system
from dtc_cli.core.records.values import is_integral, is_object, is_ratio, kind, show

SCHEMA_ID = "https://wia.live/digital-twin-city/v1/schema.json"  # P1 4.1
COMPULSORY = {
    "version": "DTC-P1-002",
    "cityId": "DTC-P1-003",
    "timestamp": "DTC-P1-004",
    "bounds": "DTC-P1-005",
    "coordinateSystem": "DTC-P1-006",
}  # P1 4.1 `required`
SYSTEMS = ("WGS84", "UTM", "local")  # P1 3.2.2
_VERSION = re.compile(r"\d+\.\d+\.\d+", re.ASCII)
_CITY_ID = re.compile(r"[A-Z]{2}-[A-Z0-9]+-\d{4}", re.ASCII)
# What the same patterns let through in dialects where $ matches before a newline and \d is any digit (C-21).
_VERSION_SLOPPY = re.compile(r"^\d+\.\d+\.\d+$")
_CITY_ID_SLOPPY = re.compile(r"^[A-Z]{2}-[A-Z0-9]+-\d{4}$")
_ZONE = re.compile(r"0?[1-9]|[1-5]\d|60", re.ASCII)
_WGS84_EPSG = (4326, 4979)  # C-11


def judge_envelope(record: dict[str, Any], sheet: Sheet) -> Frame:
    """Judge the members that frame a record, and give what they say about everything inside it."""
    for name, requirement in COMPULSORY.items():
        if sheet.settings.fragment:
            break
        if not sheet.holds(requirement, name in record):
            sheet.blame(requirement, Code.MISSING_FIELD, (name,), f"{name} is missing")
    if "version" in record:
        _judge_version(record["version"], sheet)
    if "cityId" in record:
        _judge_city_id(record["cityId"], sheet)
    if "$schema" in record and not sheet.holds("DTC-P1-019", record["$schema"] == SCHEMA_ID):
        sheet.blame("DTC-P1-019", Code.SCHEMA, ("$schema",), f"$schema should be {SCHEMA_ID}")
    moment = None
    if "timestamp" in record:
        moment = instant(record["timestamp"])
        if not sheet.holds("DTC-P1-010", moment is not None):
            _blame_instant("DTC-P1-010", record["timestamp"], ("timestamp",), sheet)
    system = _judge_system(record["coordinateSystem"], sheet) if "coordinateSystem" in record else None
    area = _judge_bounds(record["bounds"], system, sheet) if "bounds" in record else None
    _judge_services(record, sheet)
    if "metadata" in record:
        _judge_metadata(record["metadata"], sheet)
    return Frame(system=system, area=area, moment=moment)


def judge_instant(
    members: dict[str, Any], name: str, path: Path, sheet: Sheet, *, typed_by: str = ""
) -> None:
    """Judge an optional instant by VAL-004 (DTC-P1-011), a wrong JSON type by the rule that types it."""
    if name not in members:
        return
    value = members[name]
    if typed_by and not isinstance(value, str):
        sheet.holds(typed_by, False)
        sheet.blame(
            typed_by,
            Code.INVALID_TIMESTAMP,
            (*path, name),
            f"{name} is of type {kind(value)}, not an instant",
        )
    elif not sheet.holds("DTC-P1-011", instant(value) is not None):
        _blame_instant("DTC-P1-011", value, (*path, name), sheet)


def judge_created(members: dict[str, Any], path: Path, sheet: Sheet) -> None:
    """Judge created and lastUpdated of a record's or an object's metadata (DTC-P1-011)."""
    for name in ("created", "lastUpdated"):
        judge_instant(members, name, path, sheet)


def _blame_instant(requirement: str, value: object, path: Path, sheet: Sheet) -> None:
    name = path[-1]
    sheet.blame(requirement, Code.INVALID_TIMESTAMP, path, f"{name} {show(value)} {flaw(value)}")


def _judge_version(version: object, sheet: Sheet) -> None:
    matches = isinstance(version, str) and _VERSION.fullmatch(version) is not None
    sheet.holds("DTC-P1-009", matches)
    if sheet.holds("DTC-P1-007", matches):
        return
    message = f"version {show(version)} is not MAJOR.MINOR.PATCH in ASCII digits"
    sloppy = isinstance(version, str) and _VERSION_SLOPPY.search(version) is not None
    sheet.blame("DTC-P1-009" if sloppy else "DTC-P1-007", Code.SCHEMA, ("version",), message)


def _judge_city_id(city: object, sheet: Sheet) -> None:
    matches = isinstance(city, str) and _CITY_ID.fullmatch(city) is not None
    sheet.holds("DTC-P1-009", matches)
    if sheet.holds("DTC-P1-008", matches):
        return
    sloppy = isinstance(city, str) and _CITY_ID_SLOPPY.search(city) is not None
    message = f"cityId {show(city)} does not match CC-CITY-YYYY over its whole length, in ASCII"
    sheet.blame("DTC-P1-009" if sloppy else "DTC-P1-008", Code.INVALID_CITY_ID, ("cityId",), message)


def _judge_system(system: object, sheet: Sheet) -> str | None:
    path: Path = ("coordinateSystem",)
    if not is_object(system):
        sheet.holds("DTC-P1-015", False)
        sheet.blame(
            "DTC-P1-015", Code.SCHEMA, path, f"coordinateSystem is of type {kind(system)}, not an object"
        )
        return None
    name = system.get("type")
    known = name if isinstance(name, str) and name in SYSTEMS else None
    if not sheet.holds("DTC-P1-015", known is not None):
        absent = "type" not in system
        message = (
            "coordinateSystem.type is missing" if absent else f"type {show(name)} is not WGS84, UTM or local"
        )
        sheet.blame("DTC-P1-015", Code.MISSING_FIELD if absent else Code.SCHEMA, (*path, "type"), message)
    epsg = system.get("epsg")
    if not sheet.holds("DTC-P1-016", is_integral(epsg)):
        absent = "epsg" not in system
        message = (
            "coordinateSystem.epsg is missing" if absent else f"epsg {show(epsg)} is not an integral number"
        )
        sheet.blame("DTC-P1-016", Code.MISSING_FIELD if absent else Code.SCHEMA, (*path, "epsg"), message)
    elif known is not None:
        _judge_epsg(known, epsg, path, sheet)
    if known is not None:
        _judge_zone(known, system, path, sheet)
    return known


def _judge_epsg(name: str, epsg: Any, path: Path, sheet: Sheet) -> None:
    if name == "local":
        return
    agrees = epsg in _WGS84_EPSG if name == "WGS84" else 32601 <= epsg <= 32660 or 32701 <= epsg <= 32760
    if not sheet.holds("DTC-P1-017", agrees):
        wanted = "4326 or 4979" if name == "WGS84" else "32601-32660 or 32701-32760"
        sheet.blame(
            "DTC-P1-017",
            Code.SCHEMA,
            (*path, "epsg"),
            f"epsg {show(epsg)} does not agree with {name}: {wanted}",
        )


def _judge_zone(name: str, system: dict[str, Any], path: Path, sheet: Sheet) -> None:
    if name != "UTM":
        if not sheet.holds("DTC-P1-018", "zone" not in system):
            sheet.blame(
                "DTC-P1-018", Code.SCHEMA, (*path, "zone"), f"zone should be absent from a {name} record"
            )
        return
    zone = system.get("zone")
    if is_integral(zone):
        fits = 1 <= zone <= 60
    else:
        fits = isinstance(zone, str) and _ZONE.fullmatch(zone.rstrip("NSns")) is not None
    if not sheet.holds("DTC-P1-018", fits):
        absent = "zone" not in system
        message = "a UTM record should state its zone" if absent else f"zone {show(zone)} is not 1..60"
        sheet.blame("DTC-P1-018", Code.MISSING_FIELD if absent else Code.SCHEMA, (*path, "zone"), message)


def _judge_bounds(bounds: object, system: str | None, sheet: Sheet) -> Area | None:
    path: Path = ("bounds",)
    if not is_object(bounds):
        sheet.holds("DTC-P1-013", False)
        message = f"bounds is of type {kind(bounds)}, not a Polygon object"
        sheet.blame("DTC-P1-013", Code.INVALID_GEOMETRY, path, message)
        return None
    if not sheet.holds("DTC-P1-013", bounds.get("type") == "Polygon"):
        absent = "type" not in bounds
        message = (
            "bounds.type is missing"
            if absent
            else f"bounds.type is {show(bounds['type'])}; it must be Polygon"
        )
        sheet.blame(
            "DTC-P1-013", Code.MISSING_FIELD if absent else Code.INVALID_GEOMETRY, (*path, "type"), message
        )
        return None
    return _judge_bounds_rings(bounds, (*path, "coordinates"), system, sheet)


def _judge_bounds_rings(bounds: dict[str, Any], path: Path, system: str | None, sheet: Sheet) -> Area | None:
    """The region, if every ring and position of it is sound; ring faults are DTC-P1-014 here."""
    rings = bounds.get("coordinates")
    fault: tuple[Path, str] | None = None
    if "coordinates" not in bounds:
        sheet.holds("DTC-P1-014", False)
        sheet.blame("DTC-P1-014", Code.MISSING_FIELD, path, "bounds.coordinates is missing")
        return None
    if not isinstance(rings, list):
        fault = (path, f"coordinates is of type {kind(rings)}, not an array of rings")
    elif not rings:
        fault = (path, "coordinates holds no ring; a Polygon needs an exterior ring")
    if fault is not None:
        sheet.holds("DTC-P1-014", False)
        sheet.blame("DTC-P1-014", Code.INVALID_GEOMETRY, *fault)
        return None
    spots: list[Spot] = []
    results = [_judge_bounds_ring(ring, (*path, nth), spots, sheet) for nth, ring in enumerate(rings or ())]
    placed = place_in_system(spots, Frame(system=system, area=None, moment=None), sheet)
    if not all(results) or len(placed) < len(spots) or rings is None:
        return None
    return Area(rings, tolerance_for(rings, degrees=system not in {"UTM", "local"}))


def _judge_bounds_ring(ring: object, path: Path, spots: list[Spot], sheet: Sheet) -> bool:
    """Whether one ring of the bounds is sound; its well-formed positions are added to `spots`."""
    fault: str | None = None
    if not isinstance(ring, list):
        fault = f"is of type {kind(ring)}, not an array of positions"
    elif not all(isinstance(position, list) for position in ring):
        fault = "holds something else than positions: the coordinates of a Polygon are a list of rings"
    elif any(isinstance(number, list) for position in ring for number in position):
        fault = "holds arrays inside positions: nested one level too deep"
    if fault is None and isinstance(ring, list):
        sound = [judge_position(position, (*path, index), sheet) for index, position in enumerate(ring)]
        spots.extend((p, path, index) for index, p in enumerate(ring) if sound[index])
        if not all(sound):
            return False
        fault = ring_fault(ring)
    if not sheet.holds("DTC-P1-014", fault is None):
        sheet.blame("DTC-P1-014", Code.INVALID_GEOMETRY, path, f"ring of the bounds {fault}")
        return False
    if isinstance(ring, list):
        judge_winding(ring, path, sheet, exterior=path[-1] == 0)
    return True


def _judge_services(record: dict[str, Any], sheet: Sheet) -> None:
    if "services" not in record:
        return
    services = record["services"]
    if not sheet.holds("DTC-P1-023", isinstance(services, list)):
        sheet.blame(
            "DTC-P1-023", Code.SCHEMA, ("services",), f"services is of type {kind(services)}, not an array"
        )


def _judge_metadata(metadata: object, sheet: Sheet) -> None:
    path: Path = ("metadata",)
    sheet.holds("DTC-P1-021", is_object(metadata))
    if not is_object(metadata):
        sheet.blame("DTC-P1-021", Code.SCHEMA, path, f"metadata is of type {kind(metadata)}, not an object")
        return
    judge_created(metadata, path, sheet)
    for name in ("created", "lastUpdated", "updateFrequency", "dataQuality"):
        if not sheet.holds("DTC-P1-021", name in metadata):
            sheet.blame("DTC-P1-021", Code.MISSING_FIELD, (*path, name), f"metadata should hold {name}")
    if "updateFrequency" in metadata and duration_s(metadata["updateFrequency"]) is None:
        message = f"updateFrequency {show(metadata['updateFrequency'])} is no duration such as 5min"
        sheet.blame("DTC-P1-021", Code.SCHEMA, (*path, "updateFrequency"), message)
    _judge_data_quality(metadata, path, sheet)
    created, updated = instant(metadata.get("created")), instant(metadata.get("lastUpdated"))
    if created is not None and updated is not None and not sheet.holds("DTC-P1-022", created <= updated):
        sheet.blame(
            "DTC-P1-022", Code.INVALID_TIMESTAMP, (*path, "created"), "created is later than lastUpdated"
        )


def _judge_data_quality(metadata: dict[str, Any], path: Path, sheet: Sheet) -> None:
    if "dataQuality" not in metadata:
        return
    quality = metadata["dataQuality"]
    if not is_ratio(quality):
        message = f"dataQuality {show(quality)} is not a number in 0..1"
        sheet.blame("DTC-P1-021", Code.INVALID_VALUE, (*path, "dataQuality"), message)
        return
    limit = sheet.settings.quality_threshold
    if not sheet.holds("DTC-P1-088", quality >= limit):
        message = f"dataQuality {show(quality)} is below the threshold {limit:g}"
        sheet.blame("DTC-P1-088", Code.QUALITY_LOW, (*path, "dataQuality"), message)
