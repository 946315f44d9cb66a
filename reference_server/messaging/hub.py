"""The parts of messaging, joined to a world."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import orjson

from reference_server.auth import Principal
from reference_server.messaging import topics
from reference_server.messaging.bus import Bus
from reference_server.messaging.directory import Directory, Spoken
from reference_server.messaging.ingest import Ingest
from reference_server.messaging.messages import Message
from reference_server.messaging.publisher import (
    Publisher,
    by_parameter,
    device_message,
    reading_message,
    service_message,
)
from reference_server.storage.protocol import CityRow, SensorQuery

if TYPE_CHECKING:
    from reference_server.world import World

MAX_LATEST = 10_000
"""Newest readings handed out at one subscription, at most."""
PAGE = 500
STEP, PAUSE_S = 100, 0.005
"""Devices that are recalled at once, some milliseconds of work, and the rest of the time for callers."""


class Hub:
    """One for the process."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.bus = Bus()
        self.directory = Directory(world)
        self.ingest = Ingest(world, self.bus, self.directory)
        self.publisher = Publisher(self.bus, self.directory)
        self._recalling: asyncio.Task[None] | None = None
        world.storage.listen(self.publisher.heard)

    async def recall(self) -> None:
        """Retain again what the storage knows of services and devices; for the start of a process.

        A large network takes a while: its devices follow in the background, and all at once for the first who
        asks for retained messages.
        """
        cities = await self._world.storage.cities()
        for city in cities:
            for row in await self._world.storage.entities(city.no, "service"):
                self.bus.retained.keep(service_message(city.id, orjson.loads(row.body), row.updated))
        steps = self._devices(cities)
        if next(steps, None) is not None:
            self.bus.retained.rest = steps
            self._recalling = asyncio.create_task(self._go_on(steps))

    async def _go_on(self, steps: Iterator[int]) -> None:
        while next(steps, None) is not None:
            await asyncio.sleep(PAUSE_S)

    def _devices(self, cities: Sequence[CityRow]) -> Iterator[int]:
        """Retain the devices, a few at each step.

        A step reads and retains without a pause, so a change that is committed meanwhile is heard afterwards.
        """
        for city in cities:
            after: int | None = 0
            while after is not None and not self.bus.retained.full:
                rows = self._world.storage.next_sensors(city.no, after, STEP)
                for row in rows:
                    self.bus.retained.keep(device_message(city.id, row.id, orjson.loads(row.body)))
                after = rows[-1].no if len(rows) == STEP else None
                if after is not None:
                    yield after

    async def latest(self, caller: Principal, pattern: str) -> list[Message]:
        """The newest reading of each sensor's parameter that a filter matches, as unnumbered messages."""
        made: list[Message] = []
        levels = pattern.split("/")
        for city in await self._world.storage.cities():
            wanted = caller.cities is None or city.id in caller.cities
            if not wanted or (len(levels) > 1 and levels[1] not in ("+", "#", city.id)):
                continue
            after = 0
            while len(made) < MAX_LATEST:
                page = await self._world.storage.sensors(SensorQuery(city=city.no, limit=PAGE, after=after))
                newest = await self._world.storage.latest([row.no for row in page.rows])
                for row in page.rows:
                    names = Spoken(city.id, row.id, row.type, None)
                    for parameter, group in by_parameter(newest[row.no]).items():
                        if topics.matches(pattern, topics.reading(city.id, row.type, row.id, parameter)):
                            made.append(reading_message(names, group))
                if len(page.rows) < PAGE:
                    break
                after = page.rows[-1].no
        return made[:MAX_LATEST]

    async def close(self) -> None:
        """Wait until what was taken in is stored."""
        if self._recalling is not None:
            self._recalling.cancel()
            await asyncio.wait({self._recalling})
        await self.ingest.drain()
