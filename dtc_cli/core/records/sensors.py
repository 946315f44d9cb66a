"""The sensor network: nodes with location and status; aggregations (DTC-P1-047..050, -070..072)."""

from typing import Any

from dtc_cli.core.records.envelope import judge_instant
from dtc_cli.core.records.finding import Code, Path, Sheet
from dtc_cli.core.records.geometry import Spot, judge_coordinates, position_fault
from dtc_cli.core.records.instants import duration_s, full_date, instant
from dtc_cli.core.records.measurements import Capacities, judge_measurements
from dtc_cli.core.records.objects import blame_member
from dtc_cli.core.records.placement import Frame, place_in_bounds, place_in_system
from dtc_cli.core.records.values import is_id, is_number, is_object, is_ratio, kind, show

SENSOR_TYPES = frozenset(
    {
        "EnvironmentalSensor",
        "TrafficSensor",
        "EnergySensor",
        "OccupancySensor",
        "UtilitySensor",
        "WeatherStation",
    }
)  # P1 6.1
SILENT_INTERVALS = 3  # C-12: offline after that many update intervals without data
_AGGREGATION_TEXTS = ("id", "type", "parameter", "unit")


def judge_network(network: object, frame: Frame, capacities: Capacities, sheet: Sheet) -> None:
    """Judge the `sensorNetwork` of a record."""
    path: Path = ("sensorNetwork",)
    if not is_object(network):
        sheet.holds("DTC-P1-047", False)
        message = f"sensorNetwork is of type {kind(network)}, not an object"
        sheet.blame("DTC-P1-047", Code.SCHEMA, path, message)
        return
    sheet.holds("DTC-P1-047", True)
    for name in ("nodes", "aggregations"):
        if name in network and not sheet.holds("DTC-P1-047", isinstance(network[name], list)):
            blame_member("DTC-P1-047", network, name, path, wanted="an array", sheet=sheet)
    nodes, aggregations = network.get("nodes"), network.get("aggregations")
    for index, node in enumerate(nodes if isinstance(nodes, list) else ()):
        judge_node(node, (*path, "nodes", index), frame, capacities, sheet)
    for index, aggregation in enumerate(aggregations if isinstance(aggregations, list) else ()):
        judge_aggregation(aggregation, (*path, "aggregations", index), frame, sheet)


def judge_node(node: object, path: Path, frame: Frame, capacities: Capacities, sheet: Sheet) -> None:
    """Judge one sensor node with its measurements."""
    if not is_object(node):
        sheet.holds("DTC-P1-048", False)
        sheet.blame("DTC-P1-048", Code.SCHEMA, path, f"node is of type {kind(node)}, not an object")
        return
    if not sheet.holds("DTC-P1-048", is_id(node.get("id"))):
        blame_member("DTC-P1-048", node, "id", path, wanted="a non-empty string", sheet=sheet)
    named = node.get("type")
    if not sheet.holds("DTC-P1-048", isinstance(named, str)):
        blame_member("DTC-P1-048", node, "type", path, wanted="a string", sheet=sheet)
    elif not sheet.holds("DTC-P1-049", named in SENSOR_TYPES):
        sheet.blame(
            "DTC-P1-049", Code.SCHEMA, (*path, "type"), f"type {show(named)} is not a core sensor type"
        )
    if "location" in node:
        _judge_location(node["location"], (*path, "location"), frame, sheet)
    judge_measurements(node, path, capacities, sheet)
    if "specifications" in node:
        _judge_specifications(node["specifications"], (*path, "specifications"), sheet)
    if "status" in node:
        _judge_status(node["status"], (*path, "status"), sheet)
    _judge_silence(node, path, frame, sheet)


def judge_aggregation(aggregation: object, path: Path, frame: Frame, sheet: Sheet) -> None:
    """Judge one aggregation: a SHOULD, but its instant and the rings of its coverage are MUSTs."""
    if not is_object(aggregation):
        sheet.holds("DTC-P1-072", False)
        sheet.blame(
            "DTC-P1-072", Code.SCHEMA, path, f"aggregation is of type {kind(aggregation)}, not an object"
        )
        return
    for name in _AGGREGATION_TEXTS:
        if not sheet.holds("DTC-P1-072", isinstance(aggregation.get(name), str)):
            blame_member("DTC-P1-072", aggregation, name, path, wanted="a string", sheet=sheet)
    sensors = aggregation.get("sensors")
    listed = isinstance(sensors, list) and all(isinstance(sensor, str) for sensor in sensors)
    if not sheet.holds("DTC-P1-072", listed):
        blame_member("DTC-P1-072", aggregation, "sensors", path, wanted="an array of ids", sheet=sheet)
    if not sheet.holds("DTC-P1-072", is_number(aggregation.get("value"))):
        blame_member(
            "DTC-P1-072", aggregation, "value", path, wanted="a number", sheet=sheet, code=Code.INVALID_VALUE
        )
    if not sheet.holds("DTC-P1-072", "timestamp" in aggregation):
        blame_member("DTC-P1-072", aggregation, "timestamp", path, wanted="an instant", sheet=sheet)
    judge_instant(aggregation, "timestamp", path, sheet)
    coverage = aggregation.get("coverage")
    if is_object(coverage) and coverage.get("type") == "Polygon":
        sheet.holds("DTC-P1-072", True)
        place_in_system(judge_coordinates(coverage, (*path, "coverage"), sheet), frame, sheet)
    else:
        sheet.holds("DTC-P1-072", False)
        blame_member("DTC-P1-072", aggregation, "coverage", path, wanted="a Polygon", sheet=sheet)


def _judge_location(location: object, path: Path, frame: Frame, sheet: Sheet) -> None:
    fault = _point_fault(location)
    sheet.holds("DTC-P1-050", fault is None)
    if fault is not None or not is_object(location):
        sheet.blame(
            "DTC-P1-050", Code.INVALID_GEOMETRY, path, f"location {fault}; it must be a GeoJSON Point"
        )
        return
    spots: list[Spot] = [(location["coordinates"], (*path, "coordinates"), None)]
    place_in_bounds(place_in_system(spots, frame, sheet), frame, sheet, "DTC-P1-084")


def _point_fault(location: object) -> str | None:
    if not is_object(location):
        return f"is of type {kind(location)}"
    if location.get("type") != "Point":
        return f"has type {show(location['type'])}" if "type" in location else "has no type"
    coordinates = location.get("coordinates")
    if not isinstance(coordinates, list):
        return (
            f"has coordinates of type {kind(coordinates)}"
            if "coordinates" in location
            else "has no coordinates"
        )
    return position_fault(coordinates)


def _judge_specifications(specifications: object, path: Path, sheet: Sheet) -> None:
    sheet.holds("DTC-P1-070", is_object(specifications))
    if not is_object(specifications):
        message = f"specifications is of type {kind(specifications)}, not an object"
        sheet.blame("DTC-P1-070", Code.SCHEMA, path, message)
        return
    for name in ("installDate", "calibrationDate"):
        if name in specifications:
            value = specifications[name]
            if not sheet.holds("DTC-P1-012", full_date(value) or instant(value) is not None):
                message = f"{name} {show(value)} is neither a date YYYY-MM-DD nor an instant with a zone"
                sheet.blame("DTC-P1-012", Code.INVALID_TIMESTAMP, (*path, name), message)
    interval = specifications.get("updateInterval")
    members = {
        "manufacturer": (isinstance(specifications.get("manufacturer"), str), "a string"),
        "model": (isinstance(specifications.get("model"), str), "a string"),
        "accuracy": (is_ratio(specifications.get("accuracy")), "a number in 0..1"),
        "updateInterval": (is_number(interval) and interval > 0, "a positive number of seconds"),
    }
    for name, (fits, wanted) in members.items():
        if not sheet.holds("DTC-P1-070", fits):
            blame_member(
                "DTC-P1-070", specifications, name, path, wanted=wanted, sheet=sheet, code=Code.INVALID_VALUE
            )


def _judge_status(status: object, path: Path, sheet: Sheet) -> None:
    sheet.holds("DTC-P1-071", is_object(status))
    if not is_object(status):
        sheet.blame("DTC-P1-071", Code.SCHEMA, path, f"status is of type {kind(status)}, not an object")
        return
    if not isinstance(status.get("operational"), bool):
        blame_member(
            "DTC-P1-071",
            status,
            "operational",
            path,
            wanted="a boolean",
            sheet=sheet,
            code=Code.INVALID_VALUE,
        )
    battery = status.get("battery")
    if "battery" in status and not (is_number(battery) and 0 <= battery <= 100):
        blame_member(
            "DTC-P1-071",
            status,
            "battery",
            path,
            wanted="a number in 0..100",
            sheet=sheet,
            code=Code.INVALID_VALUE,
        )
    judge_instant(status, "lastMaintenance", path, sheet, typed_by="DTC-P1-071")


def _judge_silence(node: dict[str, Any], path: Path, frame: Frame, sheet: Sheet) -> None:
    """Report a sensor as offline: it says so, or its last reading is older than three update intervals.

    The age is taken at the record's own timestamp (against a live city: now), so that an old record is not
    all offline.
    """
    status, specifications = node.get("status"), node.get("specifications")
    operational = status.get("operational") if is_object(status) else None
    if isinstance(operational, bool) and not sheet.holds("DTC-P1-089", operational):
        message = "sensor is offline: operational is false"
        sheet.blame("DTC-P1-089", Code.SENSOR_OFFLINE, (*path, "status", "operational"), message)
        return
    reference = sheet.now if sheet.settings.live else frame.moment
    interval = duration_s(specifications.get("updateInterval")) if is_object(specifications) else None
    measurements = node.get("measurements")
    if reference is None or not interval or not isinstance(measurements, list):
        return
    read = [instant(item.get("timestamp")) for item in measurements if is_object(item)]
    known = [moment for moment in read if moment is not None]
    if not known:
        return
    age = reference.seconds - max(known).seconds
    if not sheet.holds("DTC-P1-089", age <= SILENT_INTERVALS * interval):
        message = f"sensor is offline: its last reading is {age} s old, its update interval {interval:g} s"
        sheet.blame("DTC-P1-089", Code.SENSOR_OFFLINE, (*path, "measurements"), message)
