"""Sensors: register, read, patch, delete (P2 4.4)."""

from typing import Any

import orjson

from reference_server.errors import ApiError
from reference_server.rules import measurements, objects, sensors
from reference_server.rules.findings import Findings
from reference_server.services import objects as object_service
from reference_server.services import patches, snapshots
from reference_server.services.cities import City
from reference_server.services.refusal import refuse
from reference_server.storage.protocol import Row, Transaction, matches
from reference_server.world import World

SHADOWED = frozenset({"aggregate", "latest"})
"""Ids that the paths of collections would hide."""


def absent(city: City, sensor_id: str) -> ApiError:
    """The refusal for a sensor that is not there."""
    details = {"cityId": city.id, "sensorId": sensor_id}
    return ApiError("SENSOR_NOT_FOUND", f"Sensor with ID '{sensor_id[:200]}' not found", details)


async def find(world: World, city: City, sensor_id: str) -> Row:
    """The sensor of that id.

    Raises:
        ApiError: SENSOR_NOT_FOUND with both ids.
    """
    row = await world.storage.sensor(city.no, sensor_id)
    if row is None:
        raise absent(city, sensor_id)
    return row


def check(city: City, item: dict[str, Any]) -> None:
    """Judge a sensor against phase 1.

    Raises:
        ApiError: with the code of the first violation.
    """
    found = Findings()
    sensors.content(found, item, "", system=city.system, bounds=city.bounds)
    if item.get("type") == "":
        found.missing(48, "/type")
    attached = item.get("attachedTo")
    if attached is not None and not isinstance(attached, str):
        found.wrong_type(85, "/attachedTo", "a string")
    for name in ("specifications", "metadata"):
        if not isinstance(item.get(name, {}), dict):
            found.wrong_type(70, f"/{name}", "an object")
    refuse(sorted(found, key=lambda one: one.code != "ERR_MISSING_FIELD"), cityId=city.id)
    if len(orjson.dumps(item)) > object_service.MAX_BODY:
        raise ApiError("PAYLOAD_TOO_LARGE", "a sensor may take 1 MiB", {"cityId": city.id})


def owner_of(tx: Transaction, city: City, item: dict[str, Any]) -> Any:
    """The object that a sensor is attached to, or None for a free one.

    Raises:
        ApiError: OBJECT_NOT_FOUND for an object that is not there (P1 7.2 BUS-005).
    """
    attached = item.get("attachedTo")
    if attached is None:
        return None
    owner = tx.object(city.no, attached)
    if owner is None:
        details = {"cityId": city.id, "objectId": attached, "rule": "ERR_MISSING_REFERENCE"}
        raise ApiError("OBJECT_NOT_FOUND", "attachedTo names no object of the city", details, status=400)
    return orjson.loads(owner.body)


def still_fits(tx: Transaction, city: City, row: Row, item: dict[str, Any], owner: Any) -> None:
    """The newest readings must fit the limits that a change would give them (P1 7.1 VAL-003).

    Raises:
        ApiError: VALIDATION_ERROR.
    """
    limit = item.get("specifications", {}).get("maxValue")
    found = Findings()
    for reading in tx.latest_of(row.no):
        shown = {"parameter": reading.parameter, "value": reading.value, "unit": reading.unit}
        measurements.judge_range(found, shown, "/specifications", objects.capacity(owner), limit)
    refuse(found, cityId=city.id, sensorId=row.id)


async def register(world: World, city: City, body: dict[str, Any], actor: str) -> Row:
    """Store a new sensor; the server gives an id where the client gives none.

    Raises:
        ApiError: for a violated rule, or DUPLICATE_OBJECT.
    """
    item = {name: value for name, value in patches.stored(body).items() if name != "measurements"}
    check(city, item)
    item["id"] = object_service.checked_id(item["id"]) if "id" in item else new_id(item["type"])
    if item["id"] in SHADOWED:
        raise ApiError("VALIDATION_ERROR", "this id is reserved", {"field": "id"})

    def apply(tx: Transaction) -> Row:
        if tx.sensor(city.no, item["id"]) is not None:
            details = {"cityId": city.id, "sensorId": item["id"], "rule": "ERR_DUPLICATE_ID"}
            raise ApiError("DUPLICATE_OBJECT", "a sensor of this id exists already", details)
        owner_of(tx, city, item)
        tx.put_sensor(city.no, item, None)
        return _stored(tx, city, item["id"])

    return await world.storage.write(actor, apply)


def new_id(kind: str) -> str:
    """A fresh id of a sensor."""
    return f"sensor-{object_service.new_id(kind.removesuffix('Sensor') or kind)}"


def _stored(tx: Transaction, city: City, sensor_id: str) -> Row:
    row = tx.sensor(city.no, sensor_id)
    if row is None:
        raise absent(city, sensor_id)
    return row


async def patch(
    world: World,
    city: City,
    sensor_id: str,
    change: patches.Change,
    actor: str,
    expected: set[int] | None = None,
) -> Row:
    """Apply a partial update to a sensor as it is read, its newest readings included; those stay as they are.

    Raises:
        ApiError: SENSOR_NOT_FOUND, or the code of the first violated rule; then nothing is changed.
    """

    def apply(tx: Transaction) -> Row:
        old = tx.sensor(city.no, sensor_id)
        if old is None:
            raise absent(city, sensor_id)
        matches(old, expected)
        seen = snapshots.node(orjson.loads(old.body), {sensor_id: tx.latest_of(old.no)})
        new = patches.changed(change, seen)
        new.pop("measurements", None)
        if new.get("id") != sensor_id:
            details = {"cityId": city.id, "sensorId": sensor_id, "field": "id"}
            raise ApiError("VALIDATION_ERROR", "the id of a sensor cannot be changed", details)
        check(city, new)
        still_fits(tx, city, old, new, owner_of(tx, city, new))
        tx.put_sensor(city.no, new, old)
        return _stored(tx, city, sensor_id)

    return await world.storage.write(actor, apply)


async def delete(
    world: World, city: City, sensor_id: str, actor: str, expected: set[int] | None = None
) -> None:
    """Remove a sensor, its readings, and its mention in objects.

    Raises:
        ApiError: SENSOR_NOT_FOUND.
    """

    def apply(tx: Transaction) -> None:
        row = tx.sensor(city.no, sensor_id)
        if row is None:
            raise absent(city, sensor_id)
        matches(row, expected)
        for owner in tx.objects_with_sensor(city.no, sensor_id):
            body = orjson.loads(owner.body)
            body["sensors"] = [name for name in body["sensors"] if name != sensor_id]
            tx.put_object(city.no, body, owner)
        tx.delete_sensor(city.no, row)

    await world.storage.write(actor, apply)
