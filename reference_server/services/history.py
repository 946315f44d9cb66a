"""The past of an object, and what differs between two instants (P2 4.8)."""

from typing import Any

import orjson

from reference_server import instants
from reference_server.errors import ApiError
from reference_server.services import objects
from reference_server.services.cities import City
from reference_server.storage.protocol import CityState, Event
from reference_server.world import World

MAX_VERSIONS = 1000
COLLECTIONS = ("objects", "sensors", "simulations", "services", "aggregations")


async def of_object(
    world: World, city: City, object_id: str, start: int | None, end: int | None
) -> dict[str, Any]:
    """The versions of an object in a range, oldest first; a removed one keeps its past.

    Raises:
        ApiError: OBJECT_NOT_FOUND for one that never was, INVALID_PARAMETERS for a reversed range.
    """
    first = city.row.created if start is None else start
    last = instants.now_us() + instants.FUTURE_TOLERANCE_US if end is None else end
    if first > last:
        raise ApiError("INVALID_PARAMETERS", "start lies after end", {"parameter": "start"})
    if not await world.storage.history(city.no, "object", object_id, instants.EARLIEST_US, 2**62, 1):
        raise objects.absent(city, object_id)
    events = await world.storage.history(city.no, "object", object_id, first, last, MAX_VERSIONS)
    return {
        "objectId": object_id,
        "timeRange": {"start": instants.show(first), "end": instants.show(last)},
        "versions": [version(one) for one in events],
        "count": len(events),
    }


def version(event: Event) -> dict[str, Any]:
    """A change as history shows it."""
    return {
        "revision": event.revision,
        "timestamp": instants.show(event.at),
        "action": event.action,
        "actor": event.actor,
        "object": None if event.body is None else orjson.loads(event.body),
    }


async def compare(world: World, city: City, one: int, other: int) -> dict[str, Any]:
    """The ids that were added, removed and changed from one instant to another, by collection.

    Raises:
        ApiError: SNAPSHOT_NOT_FOUND before the city existed.
    """
    first, second = await _state(world, city, one), await _state(world, city, other)
    differences = {name: difference(getattr(first, name), getattr(second, name)) for name in COLLECTIONS}
    return {"time1": instants.show(one), "time2": instants.show(other), "differences": differences}


async def _state(world: World, city: City, at: int) -> CityState:
    state = await world.storage.state_at(city.no, at)
    if state is None:
        details = {"cityId": city.id, "timestamp": instants.show(at)}
        raise ApiError("SNAPSHOT_NOT_FOUND", "the city did not exist at that instant", details)
    return state


def difference(before: list[bytes], after: list[bytes]) -> dict[str, list[str]]:
    """Ids added, removed and changed between two lists of entities."""
    old = {orjson.loads(body)["id"]: body for body in before}
    new = {orjson.loads(body)["id"]: body for body in after}
    return {
        "added": [name for name in new if name not in old],
        "removed": [name for name in old if name not in new],
        "changed": [name for name in new if name in old and new[name] != old[name]],
    }
