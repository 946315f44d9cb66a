"""Cities: reading, patching, statistics (P2 4.2)."""

from typing import Any

import msgspec
import orjson

from reference_server import geometry, instants
from reference_server.errors import ApiError
from reference_server.rules import record, shapes
from reference_server.rules.findings import Findings
from reference_server.services import patches
from reference_server.services.refusal import refuse
from reference_server.storage.protocol import CityRow, Transaction, matches
from reference_server.world import World

SERVER_MEMBERS = ("statistics", "lastUpdated")
"""Members of the answer that are computed; in a PATCH they are read past."""


class City(msgspec.Struct, frozen=True):
    """A city ready to be worked with: its row, its decoded body, its outline."""

    row: CityRow
    body: dict[str, Any]
    bounds: geometry.Bounds
    system: str

    @property
    def no(self) -> int:
        """Its number in the storage."""
        return self.row.no

    @property
    def id(self) -> str:
        """Its id."""
        return self.row.id


_ready: dict[tuple[str, int, int], City] = {}
"""The decoded form of each city revision; replaced when a city changes."""


async def find(world: World, city_id: str) -> City:
    """The city of that id.

    Raises:
        ApiError: CITY_NOT_FOUND.
    """
    row = await world.storage.city(city_id)
    if row is None:
        raise ApiError("CITY_NOT_FOUND", "there is no such city", {"cityId": city_id})
    key = (row.id, row.no, row.revision)
    city = _ready.get(key)
    if city is None:
        for old in [known for known in _ready if known[0] == row.id]:
            del _ready[old]
        city = _ready[key] = decoded(row)
    return city


def decoded(row: CityRow) -> City:
    """A stored city in its working form."""
    body = orjson.loads(row.body)
    return City(row, body, geometry.Bounds(body["bounds"]), body["coordinateSystem"]["type"])


async def shown(world: World, city: City) -> dict[str, Any]:
    """The city as P2 4.2 shows it."""
    return counted(city, await world.storage.counters(city.no))


def counted(city: City, counters: dict[str, float]) -> dict[str, Any]:
    """The city with its counts."""
    objects = by_type(counters, "object:")
    return {
        **city.body,
        "statistics": {
            "totalObjects": sum(objects.values()),
            "buildings": objects.get("Building", 0),
            "roads": objects.get("Road", 0),
            "sensors": sum(by_type(counters, "sensor:").values()),
        },
        "lastUpdated": instants.show(city.row.updated),
    }


def by_type(counters: dict[str, float], prefix: str) -> dict[str, int]:
    """The counts under a prefix that are not zero, by the rest of their name."""
    return {
        name.removeprefix(prefix): int(n)
        for name, n in sorted(counters.items())
        if name.startswith(prefix) and n
    }


async def statistics(world: World, city: City) -> dict[str, Any]:
    """Counts by type and scores of quality (P2 4.2)."""
    counters = await world.storage.counters(city.no)
    objects, sensors = by_type(counters, "object:"), by_type(counters, "sensor:")
    operational = int(counters.get("sensors:operational", 0))
    offline = int(counters.get("sensors:offline", 0))
    return {
        "cityId": city.id,
        "cityObjects": {"total": sum(objects.values()), "byType": objects},
        "sensors": {
            "total": sum(sensors.values()),
            "operational": operational,
            "offline": offline,
            "byType": sensors,
        },
        "dataQuality": quality(counters),
        "timestamp": instants.show(instants.now_us()),
    }


def quality(counters: dict[str, float]) -> dict[str, float]:
    """Scores in 0..1: mean stated accuracy of geometry, share of operational sensors.

    And the mean of the two.
    """
    stated = counters.get("accuracy:n", 0)
    accuracy = counters.get("accuracy:total", 0) / stated if stated else 1.0
    working, silent = counters.get("sensors:operational", 0), counters.get("sensors:offline", 0)
    reliability = working / (working + silent) if working + silent else 1.0
    scores = {
        "overall": (accuracy + reliability) / 2,
        "geometryAccuracy": accuracy,
        "sensorReliability": reliability,
    }
    return {name: round(min(max(value, 0.0), 1.0), 4) for name, value in scores.items()}


def check(body: dict[str, Any], city_id: str) -> None:
    """Judge the body of a city.

    Raises:
        ApiError: INVALID_CITY_DATA.
    """
    found = Findings()
    for requirement, name in enumerate(record.REQUIRED, start=2):
        if name not in body and name != "timestamp":
            found.missing(requirement, f"/{name}")
    record.header(found, {name: body[name] for name in ("version", "cityId") if name in body})
    system = record.coordinate_system(found, body.get("coordinateSystem"), "/coordinateSystem")
    shapes.bounds(found, body.get("bounds"), "/bounds", system)
    if not isinstance(body.get("name"), str) or not body["name"]:
        found.wrong_type(3, "/name", "a string that is not empty")
    metadata = body.get("metadata", {})
    if not isinstance(metadata, dict):
        found.wrong_type(21, "/metadata", "an object")
    for item in found:
        details = {"cityId": city_id, "rule": item.code, "field": item.pointer.lstrip("/").replace("/", ".")}
        raise ApiError("INVALID_CITY_DATA", item.message, details)


async def patch(
    world: World, city: City, change: patches.Change, actor: str, expected: set[int] | None = None
) -> City:
    """Apply a partial update to a city as it is read; the members that are computed stay as they are.

    Raises:
        ApiError: INVALID_CITY_DATA; OUT_OF_BOUNDS when an object would be left outside new bounds.
    """
    computed = {name: (await shown(world, city))[name] for name in SERVER_MEMBERS}

    def apply(tx: Transaction) -> None:
        row = tx.city(city.id)
        if row is None:
            raise ApiError("CITY_NOT_FOUND", "there is no such city", {"cityId": city.id})
        matches(row, expected)
        old = orjson.loads(row.body)
        seen = {**old, **computed, "lastUpdated": instants.show(row.updated)}
        wanted = patches.changed(change, seen)
        new = {name: value for name, value in wanted.items() if name not in SERVER_MEMBERS}
        if new.get("cityId", city.id) != city.id:
            details = {"cityId": city.id, "rule": "ERR_INVALID_CITY_ID"}
            raise ApiError("INVALID_CITY_DATA", "cityId cannot be changed", details)
        check(new, city.id)
        if new["coordinateSystem"]["type"] != old["coordinateSystem"]["type"]:
            raise ApiError("INVALID_CITY_DATA", "the kind of coordinate system is fixed", {"cityId": city.id})
        if new["bounds"] != old["bounds"]:
            _still_inside(tx, row.no, new["bounds"])
        instant = {"created": old["metadata"]["created"], "lastUpdated": instants.show(tx.at)}
        new["metadata"] = {**new.get("metadata", {}), **instant}
        tx.put_city(city.id, new, row.revision, "updated")

    await world.storage.write(actor, apply)
    return await find(world, city.id)


def _still_inside(tx: Transaction, city_no: int, outline: dict[str, Any]) -> None:
    bounds = geometry.Bounds(outline)
    # a box inside the outline's box can still leave an outline that is no rectangle: then every object is
    # looked at
    box = bounds.box if bounds.rectangle else (0.0, 0.0, -1.0, -1.0)
    found = Findings()
    for row in tx.outside(city_no, box):
        outside = any(not bounds.hold(p) for p in geometry.positions(orjson.loads(row.body)["geometry"]))
        if outside:
            found.add(83, "ERR_OUT_OF_BOUNDS", "/bounds", f"the object {row.id} would lie outside")
            refuse(found)
