"""City objects: compulsory members, geometry, typical attributes, metadata (DTC-P1-024..046)."""

from collections.abc import Callable, Iterable
from typing import Any

from dtc_cli.core.records.envelope import judge_created
from dtc_cli.core.records.finding import Code, Path, Severity, Sheet
from dtc_cli.core.records.geometry import Spot, judge_geometry
from dtc_cli.core.records.placement import Frame, place_in_bounds, place_in_system
from dtc_cli.core.records.values import is_id, is_integral, is_number, is_object, is_ratio, kind, show

OBJECT_TYPES = frozenset(
    {"Building", "Road", "Bridge", "Park", "Utility", "Landmark", "TransportHub", "WaterBody"}
)  # P1 5.1 and 6.1, C-04
LOD = (0, 4)  # P1 7.1 VAL-005


def _text(value: object) -> bool:
    return isinstance(value, str)


def _list(value: object) -> bool:
    return isinstance(value, list)


def _floors(value: object) -> bool:
    return is_object(value) and all(is_number(value[name]) for name in ("above", "below") if name in value)


def _occupancy(value: object) -> bool:
    return is_object(value) and all(
        is_number(value[name]) for name in ("current", "capacity") if name in value
    )


TYPICAL: dict[str, dict[str, Callable[[object], bool]]] = {
    "Building": {
        "height": is_number,
        "area": is_number,
        "constructionYear": is_number,
        "floors": _floors,
        "occupancy": _occupancy,
        "buildingType": _text,
        "energyClass": _text,
    },
    "Road": {"width": is_number, "lanes": is_number, "surfaceType": _text},
    "Bridge": {"span": is_number, "loadCapacity": is_number, "material": _text},
    "Park": {"area": is_number, "facilities": _list},
    "Utility": {"type": _text, "capacity": is_number, "networkId": _text},
    "Landmark": {"name": _text, "category": _text, "significance": _text},
}  # P1 5.1, column of typical attributes; the form of Park.vegetation is not printed


def judge_objects(record: dict[str, Any], frame: Frame, sheet: Sheet) -> None:
    """Judge `cityObjects`, if the record has it."""
    if "cityObjects" not in record:
        return
    objects = record["cityObjects"]
    if not isinstance(objects, list):
        sheet.holds("DTC-P1-024", False)
        message = f"cityObjects is of type {kind(objects)}, not an array"
        sheet.blame("DTC-P1-024", Code.SCHEMA, ("cityObjects",), message)
        return
    sheet.holds("DTC-P1-024", True)
    judge_items(objects, frame, sheet)


def judge_items(objects: Iterable[object], frame: Frame, sheet: Sheet) -> None:
    """Judge the items of `cityObjects`, one after the other."""
    for index, item in enumerate(objects):
        path: Path = ("cityObjects", index)
        if is_object(item):
            sheet.holds("DTC-P1-024", True)
            judge_object(item, path, frame, sheet)
        else:
            sheet.holds("DTC-P1-024", False)
            sheet.blame(
                "DTC-P1-024", Code.SCHEMA, path, f"item of type {kind(item)}; a city object is an object"
            )


def judge_object(item: dict[str, Any], path: Path, frame: Frame, sheet: Sheet) -> None:
    """Judge one city object."""
    if not sheet.holds("DTC-P1-025", is_id(item.get("id"))):
        blame_member("DTC-P1-025", item, "id", path, wanted="a non-empty string", sheet=sheet)
    _judge_type(item, path, sheet)
    _judge_properties(item, path, sheet)
    _judge_geometry(item, path, frame, sheet)
    _judge_sensor_ids(item, path, sheet)
    if "metadata" in item:
        _judge_metadata(item["metadata"], (*path, "metadata"), sheet)


def blame_member(
    requirement: str,
    members: dict[str, Any],
    name: str,
    path: Path,
    *,
    wanted: str,
    sheet: Sheet,
    code: Code = Code.SCHEMA,
    severity: Severity | None = None,
) -> None:
    """Note that a member is missing (ERR_MISSING_FIELD) or is not what it must be (the given code)."""
    if name not in members:
        message = f"{name} is missing"
        sheet.blame(requirement, Code.MISSING_FIELD, (*path, name), message, severity=severity)
        return
    value = members[name]
    message = f"{name} is {kind(value)} {show(value)}, not {wanted}"
    sheet.blame(requirement, code, (*path, name), message, severity=severity)


def _judge_type(item: dict[str, Any], path: Path, sheet: Sheet) -> None:
    named = item.get("type")
    if not sheet.holds("DTC-P1-026", isinstance(named, str)):
        blame_member("DTC-P1-026", item, "type", path, wanted="a string", sheet=sheet)
    elif not sheet.holds("DTC-P1-029", named in OBJECT_TYPES):
        message = f"type {show(named)} is not a core type; it counts as a domain extension"
        sheet.blame("DTC-P1-029", Code.SCHEMA, (*path, "type"), message)


def _judge_properties(item: dict[str, Any], path: Path, sheet: Sheet) -> None:
    properties = item.get("properties")
    place = (*path, "properties")
    sheet.holds("DTC-P1-028", is_object(properties))
    if not is_object(properties):
        # C-03: REQUIRED in the table of 5.1, absent from the schema; only a wrong type offends both.
        mild = not sheet.settings.strict and "properties" not in item
        severity = Severity.WARNING if mild else Severity.ERROR
        blame_member(
            "DTC-P1-028", item, "properties", path, wanted="an object", sheet=sheet, severity=severity
        )
        return
    typical = TYPICAL.get(item["type"], {}) if isinstance(item.get("type"), str) else {}
    for name, fits in typical.items():
        if name in properties and not sheet.holds("DTC-P1-030", fits(properties[name])):
            message = f"{name} {show(properties[name])} is not typed as P1 5.1 documents it"
            sheet.blame("DTC-P1-030", Code.INVALID_VALUE, (*place, name), message)
    _judge_occupancy(properties.get("occupancy"), (*place, "occupancy"), sheet)


def _judge_occupancy(occupancy: object, path: Path, sheet: Sheet) -> None:
    if not is_object(occupancy):
        return
    current, capacity = occupancy.get("current"), occupancy.get("capacity")
    if not is_number(current):
        return
    fits = current >= 0 and (not is_number(capacity) or current <= capacity)
    if not sheet.holds("DTC-P1-031", fits):
        limit = f"0..{show(capacity)}" if is_number(capacity) else "0 or more"
        sheet.blame(
            "DTC-P1-031", Code.INVALID_VALUE, (*path, "current"), f"current {show(current)} is not in {limit}"
        )


def _judge_geometry(item: dict[str, Any], path: Path, frame: Frame, sheet: Sheet) -> None:
    geometry = item.get("geometry")
    place = (*path, "geometry")
    sheet.holds("DTC-P1-027", is_object(geometry))
    if not is_object(geometry):
        blame_member(
            "DTC-P1-027", item, "geometry", path, wanted="an object", sheet=sheet, code=Code.INVALID_GEOMETRY
        )
        return
    spots = judge_geometry(geometry, place, sheet)
    place_in_bounds(place_in_system(spots, frame, sheet), frame, sheet, "DTC-P1-083")
    if "lod" not in geometry:
        return
    lod = geometry["lod"]
    fits = is_integral(lod) and LOD[0] <= lod <= LOD[1]
    if sheet.holds("DTC-P1-042", fits):
        _judge_detail(lod, spots, item, place, sheet)
    else:
        message = f"lod {show(lod)} is not one of the integers 0 to 4"
        sheet.blame("DTC-P1-042", Code.INVALID_GEOMETRY, (*place, "lod"), message)


def _judge_detail(lod: float, spots: list[Spot], item: dict[str, Any], path: Path, sheet: Sheet) -> None:
    """Warn where the level of detail and the dimensions of the geometry do not fit (P1 5.3)."""
    if not spots:
        return
    solid = any(len(position) == 3 for position, _, _ in spots)
    if lod == 0:
        if not sheet.holds("DTC-P1-044", not solid):
            message = "lod 0 is a footprint; its positions should have no altitude"
            sheet.blame("DTC-P1-044", Code.INVALID_GEOMETRY, path, message)
        return
    properties = item.get("properties")
    raised = is_object(properties) and any("height" in str(name).lower() for name in properties)
    if not sheet.holds("DTC-P1-044", solid or raised):
        message = f"lod {show(lod)} should carry altitudes or a height attribute"
        sheet.blame("DTC-P1-044", Code.INVALID_GEOMETRY, path, message)


def _judge_sensor_ids(item: dict[str, Any], path: Path, sheet: Sheet) -> None:
    if "sensors" not in item:
        return
    sensors = item["sensors"]
    fits = isinstance(sensors, list) and all(isinstance(sensor, str) for sensor in sensors)
    if not sheet.holds("DTC-P1-033", fits):
        blame_member("DTC-P1-033", item, "sensors", path, wanted="an array of strings", sheet=sheet)


def _judge_metadata(metadata: object, path: Path, sheet: Sheet) -> None:
    sheet.holds("DTC-P1-034", is_object(metadata))
    if not is_object(metadata):
        message = f"metadata is of type {kind(metadata)}, not an object"
        sheet.blame("DTC-P1-034", Code.SCHEMA, path, message)
        return
    judge_created(metadata, path, sheet)
    for name in ("created", "lastUpdated", "dataSource", "accuracy"):
        if not sheet.holds("DTC-P1-034", name in metadata):
            sheet.blame("DTC-P1-034", Code.MISSING_FIELD, (*path, name), f"metadata should hold {name}")
    for name, fits, wanted in (("dataSource", _text, "a string"), ("accuracy", is_ratio, "a number in 0..1")):
        if name in metadata and not fits(metadata[name]):
            blame_member(
                "DTC-P1-034", metadata, name, path, wanted=wanted, sheet=sheet, code=Code.INVALID_VALUE
            )
