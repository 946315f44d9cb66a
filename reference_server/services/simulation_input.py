"""What a model may know of the city: its roads, buildings and stations, read from the objects."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import orjson

from reference_server import instants
from reference_server.geometry import box_of, distance_m, plane_m
from reference_server.services.cities import City
from reference_server.services.places import lines
from reference_server.simulation.case import Building, Case, Road
from reference_server.storage.protocol import ObjectQuery
from reference_server.world import World

MAX_OBJECTS = 5000
"""Objects of a type that a model is given, the oldest first."""
NEEDS: Mapping[str, tuple[str, ...]] = {
    "TrafficFlow": ("Road",),
    "AirQuality": ("Road",),
    "EnergyConsumption": ("Building",),
    "EmergencyResponse": ("Building", "TransportHub"),
}
CITY_ZONE_US = 9 * 3600 * instants.MICROS
"""Korean standard time: the hour of the day that traffic goes by."""


async def gather(world: World, city: City, kind: str, parameters: Mapping[str, Any]) -> Case:
    """The case of a run."""
    items: dict[str, list[dict[str, Any]]] = {}
    for wanted in NEEDS.get(kind, ()):
        query = ObjectQuery(city=city.no, types=(wanted,), limit=MAX_OBJECTS)
        page = await world.storage.objects(query)
        items[wanted] = [orjson.loads(row.body) for row in page.rows]
    hour, hours = _range(parameters.get("timeRange"))
    hubs = [_centre(item) for item in items.get("TransportHub", ())]
    return Case(
        parameters,
        tuple(_road(item, city.system) for item in items.get("Road", ())),
        tuple(_building(item) for item in items.get("Building", ())),
        tuple(hub for hub in hubs if hub is not None),
        hour,
        hours,
    )


def _range(span: Any) -> tuple[float, float]:
    start = instants.parse(span.get("start")) if isinstance(span, dict) else None
    end = instants.parse(span.get("end")) if isinstance(span, dict) else None
    if start is None or end is None:
        return 12.0, 24.0
    hour_us = 3600 * instants.MICROS
    middle = (start + end) // 2 + CITY_ZONE_US
    return (middle % (24 * hour_us)) / hour_us, max((end - start) / hour_us, 0.0)


def _number(properties: Mapping[str, Any], name: str, default: float) -> float:
    value = properties.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e9:
        return float(value)
    return default


def _road(item: dict[str, Any], system: str) -> Road:
    properties = item["properties"]
    return Road(
        item["id"],
        _length(item["geometry"], system),
        _number(properties, "lanes", 2.0),
        min(_number(properties, "speedLimit", 50.0), 130.0),
    )


def _length(geometry: dict[str, Any], system: str) -> float:
    if geometry["type"] not in ("LineString", "MultiLineString"):
        return 1.0
    measure = distance_m if system == "WGS84" else plane_m
    return max(1.0, sum(measure(a, b) for line in lines(geometry) for a, b in pairwise(line)))


def _centre(item: dict[str, Any]) -> tuple[float, float] | None:
    box = box_of(item["geometry"])
    return None if box is None else ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)


def _building(item: dict[str, Any]) -> Building:
    properties = item["properties"]
    centre = _centre(item) or (0.0, 0.0)
    occupancy = properties.get("occupancy")
    people = _number(occupancy, "capacity", 10.0) if isinstance(occupancy, dict) else 10.0
    energy_class = properties.get("energyClass")
    return Building(
        item["id"],
        _number(properties, "area", 500.0),
        _number(properties, "height", 10.0),
        energy_class if isinstance(energy_class, str) else "C",
        centre[0],
        centre[1],
        people,
    )
