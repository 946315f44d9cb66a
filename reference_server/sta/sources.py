"""Where the entities come from: whole collections, single ones by id, and those related to another."""

from collections.abc import AsyncIterator

import msgspec
import orjson

from reference_server import instants
from reference_server.services.cities import City
from reference_server.sta import catalog
from reference_server.sta.catalog import Item
from reference_server.storage.protocol import ObjectQuery, SensorQuery
from reference_server.world import World

PAGE = 500
ALWAYS = (instants.EARLIEST_US, 253_402_297_200 * instants.MICROS - 1)
"""The years 1 to 9999 but for the last hour, so that the next hour has a date too."""
ONE_BUCKET = 10**9 * 3600 * instants.MICROS
"""Whole hours, so that the rollups serve; longer than all years."""


class Span(msgspec.Struct, frozen=True):
    """Which Observations, and from which end."""

    start: int = ALWAYS[0]
    end: int = ALWAYS[1]
    newest_first: bool = False


ALL = Span()


class Sources:
    """The entities of a city."""

    def __init__(self, world: World, city: City) -> None:
        self._storage = world.storage
        self._city = city

    # --- collections

    async def all(self, kind: str, span: Span = ALL) -> AsyncIterator[Item]:  # noqa: PLR0912 - a branch per kind
        """Every entity of a kind, in the order of creation."""
        if kind == "Things":
            yield catalog.city_thing(self._city.body)
            async for row in self._storage.walk_objects(ObjectQuery(city=self._city.no), PAGE):
                yield catalog.thing(orjson.loads(row.body))
        elif kind in ("Locations", "HistoricalLocations"):
            make = catalog.location if kind == "Locations" else catalog.historical
            async for thing in self.all("Things"):
                yield make(thing)
        elif kind == "Sensors":
            async for sensor in self._sensors(SensorQuery(city=self._city.no)):
                yield sensor
        elif kind == "Datastreams":
            async for sensor in self.all("Sensors"):
                for stream in await self.streams(sensor):
                    yield stream
        elif kind == "ObservedProperties":
            seen: set[str] = set()
            async for stream in self.all("Datastreams"):
                if stream.parameter not in seen:
                    seen.add(stream.parameter)
                    yield catalog.observed(stream.parameter)
        elif kind == "Observations":
            async for stream in self.all("Datastreams"):
                async for reading in self.readings(stream, span):
                    yield reading
        else:
            async for sensor in self.all("Sensors"):
                yield await self.place_of(sensor)

    async def _sensors(self, query: SensorQuery) -> AsyncIterator[Item]:
        after = 0
        while True:
            page = await self._storage.sensors(msgspec.structs.replace(query, limit=PAGE, after=after))
            for row in page.rows:
                yield catalog.sensor(row)
            if len(page.rows) < PAGE:
                return
            after = page.rows[-1].no

    async def streams(self, sensor: Item) -> list[Item]:
        """What a sensor measures."""
        newest = await self._storage.latest([sensor.number])
        return [catalog.datastream(sensor, one) for one in newest[sensor.number]]

    async def readings(self, stream: Item, span: Span) -> AsyncIterator[Item]:
        """The Observations of a Datastream within a span of time."""
        start, end = span.start, span.end
        while start <= end:
            found = await self._storage.readings(
                stream.number, start, end, parameter=stream.parameter, limit=PAGE, newest=span.newest_first
            )
            for one in reversed(found) if span.newest_first else found:
                yield catalog.observation(stream, one)
            if len(found) < PAGE:
                return
            if span.newest_first:
                end = found[0].at - 1
            else:
                start = found[-1].at + 1

    async def count(self, stream: Item, span: Span) -> int:
        """How many Observations a Datastream has in a span, from the rollups where they cover it."""
        found = await self._storage.buckets(
            [stream.number], stream.parameter, span.start, span.end, ONE_BUCKET
        )
        return sum(bucket.n for bucket in found)

    # --- single entities

    async def one(self, kind: str, name: str) -> Item | None:
        """The entity of that id."""
        if kind in ("Things", "Locations", "HistoricalLocations"):
            return await self._thing(kind, name)
        rare = {
            "ObservedProperties": self._observed,
            "Observations": self._observation,
            "Datastreams": self._stream,
        }
        if kind in rare:
            return await rare[kind](name)
        row = await self._storage.sensor(self._city.no, name)
        if row is None:
            return None
        found = catalog.sensor(row)
        return found if kind == "Sensors" else await self.place_of(found)

    async def _observed(self, name: str) -> Item | None:
        async for stream in self.all("Datastreams"):
            if stream.parameter == name:
                return catalog.observed(name)
        return None

    async def _stream(self, name: str) -> Item | None:
        sensor = await self.one("Sensors", name.rpartition(":")[0])
        streams = [] if sensor is None else await self.streams(sensor)
        return next((one for one in streams if one.id == name), None)

    async def _thing(self, kind: str, name: str) -> Item | None:
        if name == self._city.id:
            found = catalog.city_thing(self._city.body)
        else:
            row = await self._storage.object(self._city.no, name)
            if row is None:
                return None
            found = catalog.thing(orjson.loads(row.body))
        if kind == "Things":
            return found
        return catalog.location(found) if kind == "Locations" else catalog.historical(found)

    async def _observation(self, name: str) -> Item | None:
        stream_id, _, text = name.rpartition("@")
        stream = await self.one("Datastreams", stream_id)
        digits = text.removeprefix("-")
        if stream is None or not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
            return None
        span = Span(int(text), int(text))
        found = [one async for one in self.readings(stream, span)]
        return next((one for one in found if one.id == name), None)

    async def place_of(self, sensor: Item) -> Item:
        """Where a sensor measures: its own place, that of the object it is attached to, or the city."""
        place = sensor.body.get("location")
        if place is None:
            place = (await self._owner(sensor)).body["geometry"]
        return catalog.feature(sensor, place)

    async def _owner(self, sensor: Item) -> Item:
        attached = sensor.body.get("attachedTo")
        found = None if attached is None else await self.one("Things", attached)
        return catalog.city_thing(self._city.body) if found is None else found

    # --- relations

    async def related(  # noqa: PLR0912 - a branch per kind
        self, item: Item, name: str, span: Span = ALL
    ) -> AsyncIterator[Item]:
        """The entities behind a relation of an entity."""
        kind = catalog.RELATIONS[item.kind][name].kind
        if item.kind in ("Things", "Locations", "HistoricalLocations"):
            if kind == "Datastreams":
                async for sensor in self._attached(item):
                    for stream in await self.streams(sensor):
                        yield stream
            else:
                found = await self.one(kind, item.id)
                if found is not None:
                    yield found
        elif item.kind == "ObservedProperties":
            async for stream in self.all("Datastreams"):
                if stream.parameter == item.parameter:
                    yield stream
        elif kind == "Observations":
            streams = [item] if item.kind == "Datastreams" else await self.streams(item)
            for stream in streams:
                async for reading in self.readings(stream, span):
                    yield reading
        else:
            async for one in self._about(item, kind):
                yield one

    async def _about(self, item: Item, kind: str) -> AsyncIterator[Item]:
        """What belongs to the sensor of a Sensor, Datastream or Observation."""
        sensor = await self.one("Sensors", item.body["id"])
        if sensor is None:
            return
        if kind == "Datastreams":
            for stream in await self.streams(sensor):
                if item.kind == "Sensors" or stream.parameter == item.parameter:
                    yield stream
        elif kind == "Things":
            yield await self._owner(sensor)
        elif kind == "Sensors":
            yield sensor
        elif kind == "ObservedProperties":
            yield catalog.observed(item.parameter)
        else:
            yield await self.place_of(sensor)

    async def _attached(self, thing: Item) -> AsyncIterator[Item]:
        query = SensorQuery(city=self._city.no)
        if thing.id != self._city.id:
            query = msgspec.structs.replace(query, attached=thing.id)
        async for sensor in self._sensors(query):
            if thing.id != self._city.id or sensor.body.get("attachedTo") is None:
                yield sensor
