"""Defects of nearby, routes and history (P2 4.7, 4.8)."""

from collections.abc import Callable
from typing import Any

from reference_server.errors import ApiError
from reference_server.faults.fault import wrap
from reference_server.faults.tools import body, each, member, naive, refusal, renamed
from reference_server.rest import snapshots as rest_snapshots
from reference_server.rest import spatial
from reference_server.services import history, places, roads, routing

Make = Callable[..., Any]
Json = dict[str, Any]


def _wider(nearby: Make) -> Make:
    async def wrong(world: Any, city: Any, given: Json) -> Any:
        radius = given.get("radius")
        wide = {**given, "radius": radius * 3} if isinstance(radius, int | float) and radius > 0 else given
        shown = await nearby(world, city, wide)
        shown["query"]["radius"] = radius
        return shown

    return wrong


def _any_type(nearby: Make) -> Make:
    async def wrong(world: Any, city: Any, given: Json) -> Any:
        return await nearby(world, city, {k: v for k, v in given.items() if k != "type"})

    return wrong


def _lax(nearby: Make) -> Make:
    async def wrong(world: Any, city: Any, given: Json) -> Any:
        try:
            return await nearby(world, city, given)
        except ApiError:
            return {"query": given, "results": [], "count": 0}

    return wrong


def _any_mode(_: Make) -> Make:
    return lambda city, given: given.get("mode") if given.get("mode") in roads.MODES else "driving"


def _no_end(route: Make) -> Make:
    async def lax(world: Any, city: Any, given: Json) -> Any:
        return await route(world, city, {**given, "end": given.get("end") or given.get("start")})

    return lax


def _short(shown: Json) -> None:
    shown["distance"] = round(shown["distance"] * 0.4, 1)


def _single_point(shown: Json) -> None:
    shown["route"]["coordinates"] = shown["route"]["coordinates"][:1]


def _all_time(of_object: Make) -> Make:
    async def wrong(world: Any, city: Any, name: str, start: Any, end: Any) -> Any:
        return await of_object(world, city, name, None, None)

    return wrong


def _last_version(shown: Json) -> None:
    shown["versions"] = shown["versions"][-1:]
    shown["count"] = len(shown["versions"])


TABLE: tuple[tuple[str, str, Callable[[], None]], ...] = (
    ("078", "count is not the number of results", body(spatial, "nearby", member("count", lambda n: n + 1))),
    (
        "078.distance",
        "results have no distance",
        body(spatial, "nearby", each("results", member("distance", drop=True))),
    ),
    ("079", "results lie outside the radius", wrap(places, "nearby", _wider)),
    ("079.type", "the wanted type is ignored", wrap(places, "nearby", _any_type)),
    (
        "079.distance",
        "distances are in another unit",
        body(spatial, "nearby", each("results", member("distance", lambda d: d * 1.1))),
    ),
    ("080", "a bad question gets an empty answer", wrap(places, "nearby", _lax)),
    ("081", "a route is shorter than the straight line", body(spatial, "route", _short)),
    ("081.line", "a route is a single position", body(spatial, "route", _single_point)),
    ("081.steps", "a route has no instructions", body(spatial, "route", member("instructions", drop=True))),
    ("081.mode", "a route does not say its mode", body(spatial, "route", member("mode", drop=True))),
    ("082", "an unknown mode drives", wrap(routing, "mode_of", _any_mode)),
    ("082.end", "a route without end ends where it starts", wrap(routing, "route", _no_end)),
    ("083", "history ignores the range", wrap(history, "of_object", _all_time)),
    ("083.last", "history knows the last version only", body(rest_snapshots, "of_object", _last_version)),
    (
        "083.instant",
        "versions have no instant",
        body(rest_snapshots, "of_object", each("versions", member("timestamp", drop=True))),
    ),
    (
        "083.unknown",
        "the history of an unknown object is called otherwise",
        refusal(history, "of_object", ["OBJECT_NOT_FOUND"], renamed("SNAPSHOT_NOT_FOUND", 400)),
    ),
    (
        "107.history",
        "instants of versions have no zone",
        body(rest_snapshots, "of_object", each("versions", member("timestamp", naive))),
    ),
)
