"""City objects: create, read, patch, delete, list (P2 4.3)."""

import re
import uuid
from typing import Any

import orjson

from reference_server.errors import ApiError
from reference_server.rules import measurements
from reference_server.rules import objects as rules
from reference_server.rules.findings import Findings
from reference_server.services import patches
from reference_server.services.cities import City
from reference_server.services.refusal import refuse
from reference_server.storage.protocol import Row, Transaction, matches
from reference_server.world import World

MAX_ID = 200
MAX_BODY = 1024 * 1024
"""Bytes that one object may take as stored."""
_SLUG = re.compile(r"[^a-z0-9]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


async def find(world: World, city: City, object_id: str) -> Row:
    """The object of that id.

    Raises:
        ApiError: OBJECT_NOT_FOUND with both ids.
    """
    row = await world.storage.object(city.no, object_id)
    if row is None:
        raise absent(city, object_id)
    return row


def absent(city: City, object_id: str) -> ApiError:
    """The refusal for an object that is not there."""
    details = {"cityId": city.id, "objectId": object_id}
    return ApiError("OBJECT_NOT_FOUND", f"City object with ID '{object_id[:MAX_ID]}' not found", details)


def new_id(kind: str) -> str:
    """A fresh id that tells its type: building-0193f3..."""
    slug = _SLUG.sub("-", kind.lower()).strip("-")[:40] or "object"
    return f"{slug}-{uuid.uuid4().hex}"


def checked_id(value: Any) -> str:
    """An id as a client may give it.

    Raises:
        ApiError: VALIDATION_ERROR for one that no path could hold.
    """
    usable = isinstance(value, str) and 0 < len(value) <= MAX_ID and not _CONTROL.search(value)
    if not usable or value in (".", ".."):
        details = {"rule": "ERR_INVALID_VALUE", "field": "id"}
        raise ApiError("VALIDATION_ERROR", f"id must be 1 to {MAX_ID} characters without controls", details)
    return str(value)


def check(city: City, item: dict[str, Any]) -> None:
    """Judge an object against phase 1.

    Raises:
        ApiError: with the code of the first violation.
    """
    found = Findings()
    rules.content(found, item, "", city.system, city.bounds)
    if item.get("type") == "":
        found.missing(26, "/type")
    if not isinstance(item.get("metadata", {}), dict):
        found.wrong_type(34, "/metadata", "an object")
    refuse(sorted(found, key=lambda one: one.code != "ERR_MISSING_FIELD"), cityId=city.id)
    if len(orjson.dumps(item)) > MAX_BODY:
        raise ApiError("PAYLOAD_TOO_LARGE", f"an object may take {MAX_BODY} bytes", {"cityId": city.id})


def check_sensors(tx: Transaction, city: City, item: dict[str, Any]) -> None:
    """Against a live city an object may list only sensors that exist (P1 7.2 BUS-005).

    Raises:
        ApiError: SENSOR_NOT_FOUND.
    """
    for sensor_id in item.get("sensors", ()):
        if tx.sensor(city.no, sensor_id) is None:
            details = {"cityId": city.id, "sensorId": sensor_id, "rule": "ERR_MISSING_REFERENCE"}
            raise ApiError(
                "SENSOR_NOT_FOUND", "sensors names a sensor that is not there", details, status=400
            )


def check_capacity(tx: Transaction, city: City, old: dict[str, Any], new: dict[str, Any]) -> None:
    """A new capacity must hold the people that attached sensors counted last (P1 7.1 VAL-003).

    Raises:
        ApiError: VALIDATION_ERROR.
    """
    capacity = rules.capacity(new)
    if capacity == rules.capacity(old):
        return
    found = Findings()
    for sensor in tx.sensors_of(city.no, new["id"]):
        for one in tx.latest_of(sensor.no):
            shown = {"parameter": one.parameter, "value": one.value, "unit": one.unit}
            if one.parameter == "occupancy":
                measurements.judge_range(found, shown, "/properties/occupancy", capacity, None)
    refuse(found, cityId=city.id, objectId=new["id"])


async def create(world: World, city: City, body: dict[str, Any], actor: str) -> Row:
    """Store a new object; the server gives an id where the client gives none.

    Raises:
        ApiError: for a violated rule, or DUPLICATE_OBJECT.
    """
    item = patches.stored(body)
    check(city, item)
    item["id"] = checked_id(item["id"]) if "id" in item else new_id(item["type"])

    def apply(tx: Transaction) -> Row:
        if tx.object(city.no, item["id"]) is not None:
            details = {"cityId": city.id, "objectId": item["id"], "rule": "ERR_DUPLICATE_ID"}
            raise ApiError("DUPLICATE_OBJECT", "an object of this id exists already", details)
        check_sensors(tx, city, item)
        tx.put_object(city.no, item, None)
        return _stored(tx, city, item["id"])

    return await world.storage.write(actor, apply)


def _stored(tx: Transaction, city: City, object_id: str) -> Row:
    row = tx.object(city.no, object_id)
    if row is None:
        raise absent(city, object_id)
    return row


async def patch(
    world: World,
    city: City,
    object_id: str,
    change: patches.Change,
    actor: str,
    expected: set[int] | None = None,
) -> Row:
    """Apply a partial update to an object and advance metadata.lastUpdated.

    Raises:
        ApiError: OBJECT_NOT_FOUND, or the code of the first violated rule; then nothing is changed.
    """

    def apply(tx: Transaction) -> Row:
        old = tx.object(city.no, object_id)
        if old is None:
            raise absent(city, object_id)
        matches(old, expected)
        new = patches.changed(change, orjson.loads(old.body))
        keep_identity(city, object_id, new)
        check(city, new)
        check_sensors(tx, city, new)
        check_capacity(tx, city, orjson.loads(old.body), new)
        tx.put_object(city.no, new, old)
        return _stored(tx, city, object_id)

    return await world.storage.write(actor, apply)


def keep_identity(city: City, object_id: str, item: dict[str, Any]) -> None:
    """The id of an object is its path and stays.

    Raises:
        ApiError: VALIDATION_ERROR when a patch would change it.
    """
    if item.get("id") != object_id:
        details = {"cityId": city.id, "objectId": object_id, "rule": "ERR_INVALID_VALUE", "field": "id"}
        raise ApiError("VALIDATION_ERROR", "the id of an object cannot be changed", details)


async def delete(
    world: World, city: City, object_id: str, actor: str, expected: set[int] | None = None
) -> None:
    """Remove an object; sensors attached to it stay, no longer attached (P1 7.2 BUS-005).

    Raises:
        ApiError: OBJECT_NOT_FOUND.
    """

    def apply(tx: Transaction) -> None:
        row = tx.object(city.no, object_id)
        if row is None:
            raise absent(city, object_id)
        matches(row, expected)
        for sensor in tx.sensors_of(city.no, object_id):
            body = orjson.loads(sensor.body)
            del body["attachedTo"]
            tx.put_sensor(city.no, body, sensor)
        tx.delete_object(city.no, row)

    await world.storage.write(actor, apply)
