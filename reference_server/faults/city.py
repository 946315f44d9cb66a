"""Defects of the city routes, of snapshots and history (P2 4.2, 4.8)."""

from collections.abc import Callable
from typing import Any

import msgspec

from reference_server import instants
from reference_server.faults.fault import wrap
from reference_server.faults.tools import body, member, naive, refusal, renamed
from reference_server.rest import cities as rest_cities
from reference_server.rest import routes
from reference_server.services import cities, patches, snapshots

City = Any


def _also_at_origin(table: Callable[[], tuple[Any, ...]]) -> Callable[[], tuple[Any, ...]]:
    def both() -> tuple[Any, ...]:
        return (*table(), *(_open(route) for route in routes.below_base()))

    return both


def _open(route: Any) -> Any:
    return msgspec.structs.replace(route, right=None)


def _unpatched(patch: Callable[..., Any]) -> Callable[..., Any]:
    async def forgetful(world: Any, city: City, change: Any, actor: str, *more: Any) -> City:
        return city

    return forgetful


def _shallow(where: str) -> Callable[..., Any]:
    """Merging that replaces nested objects whole; for a city's members or for an object's."""

    def make(merge: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def replacing(target: Any, patch: Any) -> Any:
            if isinstance(target, dict) and isinstance(patch, dict) and where in target:
                return {**target, **{name: value for name, value in patch.items() if value is not None}}
            return merge(target, patch)

        return replacing

    return make


def _frozen(statistics: Callable[..., Any]) -> Callable[..., Any]:
    seen: dict[str, Any] = {}

    async def stale(world: Any, city: City) -> Any:
        shown = await statistics(world, city)
        return {**shown, "cityObjects": seen.setdefault(city.id, shown["cityObjects"])}

    return stale


def _present(record: Callable[..., Any]) -> Callable[..., Any]:
    async def today(world: Any, city: City, at: int) -> Any:
        shown = await record(world, city, max(instants.now_us(), at))
        return {**shown, "timestamp": instants.show(at)}

    return today


def _any_time(requested: Callable[[str], int]) -> Callable[[str], int]:
    def lax(text: str) -> int:
        return instants.parse(text) or instants.now_us()

    return lax


def _any_city_id(shown: Any) -> None:
    shown["cityId"] = shown["cityId"].lower()


def _lax_identity(patch: Callable[..., Any]) -> Callable[..., Any]:
    async def lax(world: Any, city: City, change: Any, actor: str, *more: Any) -> City:
        return await patch(
            world, city, lambda seen: {**patches.changed(change, seen), "cityId": city.id}, actor
        )

    return lax


TABLE: tuple[tuple[str, str, Callable[[], None]], ...] = (
    ("001", "the resources answer outside the base path too", wrap(routes, "at_origin", _also_at_origin)),
    ("003", "the city lacks bounds", body(rest_cities, "read", member("bounds", drop=True))),
    ("003.id", "the city has another id than its path", body(rest_cities, "read", _any_city_id)),
    (
        "003.updated",
        "the city lacks lastUpdated",
        body(rest_cities, "read", member("lastUpdated", drop=True)),
    ),
    ("004", "totalObjects is text", body(rest_cities, "read", member("statistics.totalObjects", str))),
    ("004.negative", "sensors is negative", body(rest_cities, "read", member("statistics.sensors", -1))),
    (
        "005",
        "an unknown city is called an unknown object",
        refusal(cities, "find", ["CITY_NOT_FOUND"], renamed("OBJECT_NOT_FOUND")),
    ),
    (
        "005.status",
        "an unknown city is answered with 400",
        refusal(cities, "find", ["CITY_NOT_FOUND"], renamed("CITY_NOT_FOUND", 400)),
    ),
    (
        "006",
        "an unknown city is answered with 403",
        refusal(cities, "find", ["CITY_NOT_FOUND"], renamed("CITY_NOT_FOUND", 403)),
    ),
    ("007", "a patch of the city is forgotten", wrap(cities, "patch", _unpatched)),
    ("007.id", "a bad cityId in a patch is accepted", wrap(cities, "patch", _lax_identity)),
    ("008", "a patch of an object erases the siblings", wrap(patches, "merge", _shallow("geometry"))),
    (
        "008.city",
        "a patch of the city erases the siblings",
        wrap(patches, "merge", _shallow("coordinateSystem")),
    ),
    (
        "009",
        "statistics lack sensors.offline",
        body(rest_cities, "statistics", member("sensors.offline", drop=True)),
    ),
    (
        "009.quality",
        "statistics lack dataQuality",
        body(rest_cities, "statistics", member("dataQuality", drop=True)),
    ),
    (
        "010",
        "operational and offline exceed the total",
        body(rest_cities, "statistics", member("sensors.offline", lambda n: n + 50)),
    ),
    (
        "010.types",
        "the types sum to more than the total",
        body(rest_cities, "statistics", member("cityObjects.byType.Building", lambda n: (n or 0) + 10**6)),
    ),
    ("011", "a score is a percentage", body(rest_cities, "statistics", member("dataQuality.overall", 96))),
    ("012", "statistics do not follow the data", wrap(cities, "statistics", _frozen)),
    ("084", "every snapshot shows the present", wrap(snapshots, "record", _present)),
    ("084.time", "text that is no instant gives a snapshot", wrap(snapshots, "requested", _any_time)),
    ("107", "lastUpdated of the city has no zone", body(rest_cities, "read", member("lastUpdated", naive))),
)
