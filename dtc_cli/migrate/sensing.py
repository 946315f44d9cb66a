"""Sensors and their readings as objects of a migration, and as the API of a twin shows them (P1 4.3, 5.2).

Within a migration everything is an object with id, type, geometry, properties and metadata, so that journal,
verification, comparison, sync and rollback know one shape only. The id says where it stands in a city:
objects have bare ids, a sensor is `sensors/ID`, a reading `sensors/ID/data/INSTANT/PARAMETER` with the
instant in UTC. Ids of objects never hold a slash (see `Identity`).
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

FAMILIES = ("objects", "sensors", "readings")
SENSOR_MEMBERS = ("attachedTo", "specifications", "status")  # P1 4.3
READING_MEMBERS = ("parameter", "value", "unit", "timestamp", "quality", "confidence")  # P1 5.2, 6.1
READING_NEEDS = ("sensorId", "parameter", "value", "unit", "timestamp", "quality")  # DTC-P1-052 to -057
_SENSORS, _DATA = "sensors/", "/data/"


def family(identifier: str) -> str:
    """Which of FAMILIES an id belongs to."""
    if not identifier.startswith(_SENSORS):
        return "objects"
    return "readings" if _DATA in identifier else "sensors"


def sensor_id(identifier: str) -> str:
    """The sensor's own id, of the id of a sensor or of one of its readings."""
    return identifier.removeprefix(_SENSORS).partition(_DATA)[0]


def instant_of(identifier: str) -> str:
    """The instant of a reading, RFC 3339 in UTC, from its id."""
    return identifier.partition(_DATA)[2].partition("/")[0]


def of_sensor(name: str) -> str:
    """The id of a sensor within a migration."""
    return _SENSORS + name


def of_reading(sensor: str, instant: str, parameter: str) -> str:
    """The id of a reading: one sensor has one value of a parameter at an instant."""
    return f"{_SENSORS}{sensor}{_DATA}{utc(instant)}/{parameter}"


def utc(instant: str) -> str:
    """The same instant in UTC, to the microsecond where it has such.

    Raises:
        ValueError: for what is no instant with a zone.
    """
    moment = datetime.fromisoformat(instant)
    if moment.tzinfo is None:
        raise ValueError(f"{instant} states no zone")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def native(item: Mapping[str, Any]) -> dict[str, Any]:
    """An object of a migration as the API takes it; a reading as the body that submits it alone."""
    kind, properties = family(item["id"]), item.get("properties") or {}
    if kind == "objects":
        return dict(item)
    if kind == "readings":
        shown = {**properties, "timestamp": (item.get("metadata") or {}).get("at", properties["timestamp"])}
        return {"sensorId": sensor_id(item["id"]), "measurements": [shown]}
    node = {"id": sensor_id(item["id"]), "type": item["type"], **properties, "metadata": item["metadata"]}
    if item.get("geometry") is not None:
        node["location"] = item["geometry"]
    return node


def from_sensor(node: Mapping[str, Any]) -> dict[str, Any]:
    """A sensor of the API; members that servers add (links, newest readings) are left out."""
    metadata = node.get("metadata")
    return {
        "id": of_sensor(str(node.get("id"))), "type": node.get("type"), "geometry": node.get("location"),
        "properties": {name: node[name] for name in SENSOR_MEMBERS if node.get(name) is not None},
        "metadata": dict(metadata) if isinstance(metadata, Mapping) else {},
    }  # fmt: skip


def from_reading(sensor: str, shown: Mapping[str, Any]) -> dict[str, Any]:
    """A reading of the API."""
    try:
        instant = utc(str(shown.get("timestamp")))
    except ValueError:
        instant = str(shown.get("timestamp"))
    properties = {name: shown[name] for name in READING_MEMBERS if shown.get(name) is not None}
    return {
        "id": f"{_SENSORS}{sensor}{_DATA}{instant}/{shown.get('parameter')}", "type": "Reading",
        "geometry": None, "properties": {**properties, "timestamp": instant}, "metadata": {},
    }  # fmt: skip


def from_native(item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What a line of a file holds, told apart by its members."""
    if "measurements" in item and "sensorId" in item:
        for one in item["measurements"]:
            yield from_reading(str(item["sensorId"]), one)
    elif "geometry" not in item and "properties" not in item:
        yield from_sensor(item)
    else:
        yield dict(item)
