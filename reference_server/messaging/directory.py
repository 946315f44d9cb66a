"""What ingestion has to know of a sensor, remembered between its readings until something changes."""

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from reference_server.rules import objects
from reference_server.services import cities, sensors
from reference_server.services.cities import City
from reference_server.storage.protocol import Change, Measured

if TYPE_CHECKING:
    from reference_server.world import World

MAX_KNOWN = 200_000
NAMESPACE = uuid.UUID("c17da0da-83c4-511d-af46-ec75db91b3d0")
"""UUIDv5 of the name wia-digital-twin-city in the DNS namespace; a city's namespace is made below it."""


class Known(msgspec.Struct, frozen=True):
    """A sensor with what its readings are judged by."""

    no: int
    city: City
    id: str
    kind: str
    place: Any
    attached: str | None
    capacity: Any
    """Of the object it is attached to (P1 7.1 VAL-003)."""
    limit: Any
    """Its own specifications.maxValue."""


class Spoken(msgspec.Struct, frozen=True):
    """Names under which a sensor is spoken of."""

    city: str
    id: str
    kind: str
    place: Any


def binary_id(city: str, sensor: str) -> uuid.UUID:
    """The sixteen bytes that stand for a sensor: its id if that is a UUID, else made from it (C-24)."""
    try:
        found = uuid.UUID(sensor)
    except ValueError:
        return uuid.uuid5(uuid.uuid5(NAMESPACE, city), sensor)
    return found if str(found) == sensor.lower() else uuid.uuid5(uuid.uuid5(NAMESPACE, city), sensor)


class Directory:
    """Sensors by id, by number and by their sixteen bytes."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._known: dict[tuple[str, str], Known] = {}
        self._spoken: dict[int, Spoken] = {}
        self._owners: dict[str, set[tuple[str, str]]] = {}
        self._binary: dict[uuid.UUID, tuple[str, str]] | None = None
        self._cities: dict[int, str] = {}

    def cached(self, city: str, sensor: str) -> Known | None:
        """What is remembered of a sensor."""
        return self._known.get((city, sensor))

    async def find(self, city_id: str, sensor_id: str) -> Known:
        """The sensor of that id.

        Raises:
            ApiError: CITY_NOT_FOUND, SENSOR_NOT_FOUND.
        """
        found = self._known.get((city_id, sensor_id))
        if found is not None:
            return found
        city = await cities.find(self._world, city_id)
        row = await sensors.find(self._world, city, sensor_id)
        body = orjson.loads(row.body)
        attached = body.get("attachedTo")
        owner = None if attached is None else await self._world.storage.object(city.no, attached)
        capacity = None if owner is None else objects.capacity(orjson.loads(owner.body))
        limit = body.get("specifications", {}).get("maxValue")
        known = Known(row.no, city, sensor_id, row.type, body.get("location"), attached, capacity, limit)
        if len(self._known) >= MAX_KNOWN:
            self.forget_all()
        self._known[city_id, sensor_id] = known
        if attached is not None:
            self._owners.setdefault(attached, set()).add((city_id, sensor_id))
        return known

    def spoken(self, number: int) -> Spoken | None:
        """The names of the sensor of that number in the storage; None once it is gone."""
        found = self._spoken.get(number)
        if found is not None:
            return found
        row = self._world.storage.sensor_numbered(number)
        city = None if row is None else self.city(row[0])
        if row is None or city is None:
            return None
        made = Spoken(city, row[1].id, row[1].type, orjson.loads(row[1].body).get("location"))
        if len(self._spoken) >= MAX_KNOWN:
            self._spoken.clear()
        self._spoken[number] = made
        return made

    def city(self, number: int) -> str | None:
        """The id of the city of that number."""
        found = self._cities.get(number) or self._world.storage.city_numbered(number)
        if found is not None:
            self._cities[number] = found
        return found

    async def by_binary(self, wanted: uuid.UUID) -> tuple[str, str] | None:
        """City and id of the sensor that sixteen bytes stand for."""
        if self._binary is None:
            made: dict[uuid.UUID, tuple[str, str]] = {}
            self._binary = made
            for row in await self._world.storage.cities():
                async for sensor in self._world.storage.walk_sensors(row.no):
                    made[binary_id(row.id, sensor.id)] = (row.id, sensor.id)
            self._binary = made
        return self._binary.get(wanted)

    def changed(self, changes: Sequence[Change | Measured]) -> None:
        """Forget what committed changes may have made untrue."""
        for change in changes:
            if isinstance(change, Measured):
                continue
            if change.kind == "sensor":
                city = self.city(change.city)
                gone = None if city is None else self._known.pop((city, change.entity), None)
                if gone is not None:
                    self._spoken.pop(gone.no, None)
                else:
                    self._spoken.clear()
                if city is not None and self._binary is not None and change.action == "created":
                    self._binary[binary_id(city, change.entity)] = (city, change.entity)
            elif change.kind == "object":
                for key in self._owners.pop(change.entity, ()):
                    self._known.pop(key, None)
            elif change.kind == "city":
                self.forget_all()

    def forget_all(self) -> None:
        """Forget everything."""
        self._known.clear()
        self._spoken.clear()
        self._owners.clear()
        self._cities.clear()
        self._binary = None
