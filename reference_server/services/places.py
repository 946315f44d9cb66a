"""What is near a place (P2 4.7)."""

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import orjson

from reference_server.errors import ApiError
from reference_server.geometry import (
    EARTH_RADIUS_M,
    Box,
    Position,
    distance_m,
    in_polygon,
    plane_m,
    positions,
)
from reference_server.rules import shapes
from reference_server.rules.findings import Findings, is_number
from reference_server.services.cities import City
from reference_server.storage.protocol import Row
from reference_server.world import World

MAX_RESULTS = 1000
HALF_WAY_ROUND_M = math.pi * EARTH_RADIUS_M


def place(city: City, body: Mapping[str, Any], name: str) -> Position:
    """A Point (or a bare position) in a request.

    Raises:
        ApiError: INVALID_PARAMETERS when it is missing, INVALID_GEOMETRY when it is no place.
    """
    value = body.get(name)
    if value is None:
        details = {"cityId": city.id, "field": name, "rule": "ERR_MISSING_FIELD"}
        raise ApiError("INVALID_PARAMETERS", f"{name} is missing", details)
    point = {"type": "Point", "coordinates": value} if isinstance(value, list) else value
    found = Findings()
    if not shapes.point(found, point, f"/{name}", city.system):
        details = {"cityId": city.id, "field": name, "rule": "ERR_INVALID_GEOMETRY"}
        raise ApiError("INVALID_GEOMETRY", f"{name} must be a GeoJSON Point", details)
    position: Position = point["coordinates"]
    return position


def boxes(city: City, centre: Position, radius: float) -> list[Box]:
    """Boxes that cover a circle: two across the antimeridian, a whole band at a pole."""
    x, y = centre[0], centre[1]
    if city.system != "WGS84":
        return [(x - radius, y - radius, x + radius, y + radius)]
    half_lat = math.degrees(radius / EARTH_RADIUS_M) * 1.001
    low, high = max(-90.0, y - half_lat), min(90.0, y + half_lat)
    if low <= -90 or high >= 90:
        return [(-180.0, low, 180.0, high)]
    # the circle is widest where it is nearest to the pole
    half_lon = (
        math.degrees(math.asin(min(1.0, math.sin(radius / EARTH_RADIUS_M) / math.cos(math.radians(y)))))
        * 1.001
    )
    west, east = x - half_lon, x + half_lon
    if west < -180:
        return [(west + 360, low, 180.0, high), (-180.0, low, east, high)]
    if east > 180:
        return [(west, low, 180.0, high), (-180.0, low, east - 360, high)]
    return [(west, low, east, high)]


async def nearby(world: World, city: City, body: Mapping[str, Any]) -> dict[str, Any]:
    """The objects within a radius of a place, nearest first, with their true distance in metres.

    Raises:
        ApiError: INVALID_PARAMETERS, INVALID_GEOMETRY.
    """
    centre = place(city, body, "location")
    radius = body.get("radius")
    if not is_number(radius) or radius is None or not 0 <= radius <= HALF_WAY_ROUND_M:
        details = {"cityId": city.id, "field": "radius", "rule": "ERR_INVALID_VALUE"}
        raise ApiError("INVALID_PARAMETERS", "radius must be metres, 0 or more", details)
    kind = body.get("type")
    if kind is not None and not isinstance(kind, str):
        details = {"cityId": city.id, "field": "type", "rule": "ERR_INVALID_TYPE"}
        raise ApiError("INVALID_PARAMETERS", "type must be text", details)
    rows: dict[int, Row] = {}
    for box in boxes(city, centre, float(radius)):
        found = await world.storage.near(city.no, box, () if kind is None else (kind,))
        rows |= {row.no: row for row in found}
    measured = [(*nearest(city, orjson.loads(row.body), centre), row) for row in rows.values()]
    hits = sorted((one for one in measured if one[0] <= radius), key=lambda one: (one[0], one[2].no))
    query: dict[str, Any] = {"location": list(centre), "radius": radius}
    if kind is not None:
        query["type"] = kind
    shown = [result(distance, point, row) for distance, point, row in hits[:MAX_RESULTS]]
    answer = {"query": query, "results": shown, "count": len(shown)}
    return answer if len(hits) <= MAX_RESULTS else {**answer, "total": len(hits)}


def result(distance: float, point: Position, row: Row) -> dict[str, Any]:
    """One hit; its location is the place of the object that is nearest."""
    properties = orjson.loads(row.body)["properties"]
    name = properties.get("name")
    return {
        "id": row.id,
        "type": row.type,
        "name": name if isinstance(name, str) else row.id,
        "distance": round(distance, 2),
        "location": list(point[:2]),
    }


def nearest(city: City, item: dict[str, Any], centre: Position) -> tuple[float, Position]:
    """Distance in metres from a place to the nearest point of an object, and that point; 0 inside an area."""
    measure = distance_m if city.system == "WGS84" else plane_m
    geometry = item["geometry"]
    if geometry["type"] == "Polygon" and in_polygon(centre, geometry["coordinates"]):
        return 0.0, centre
    if geometry["type"] == "MultiPolygon" and any(
        in_polygon(centre, part) for part in geometry["coordinates"]
    ):
        return 0.0, centre
    best = min(candidates(geometry, centre, shrink(city, centre)), key=lambda point: measure(centre, point))
    return measure(centre, best), best


def candidates(geometry: dict[str, Any], centre: Position, scale: float) -> list[Position]:
    """The corners of a geometry, and for each edge the foot of the perpendicular from a place."""
    points: list[Position] = list(positions(geometry))
    for line in lines(geometry):
        points.extend(foot(centre, a, b, scale) for a, b in pairwise(line))
    return points


def lines(geometry: dict[str, Any]) -> list[list[Position]]:
    """The lines and rings of a geometry."""
    kind = geometry["type"]
    if kind == "GeometryCollection":
        return [line for part in geometry["geometries"] for line in lines(part)]
    shape = geometry["coordinates"]
    if kind == "LineString":
        return [shape]
    if kind in ("MultiLineString", "Polygon"):
        return list(shape)
    return [ring for part in shape for ring in part] if kind == "MultiPolygon" else []


def shrink(city: City, p: Position) -> float:
    """How much shorter a unit of x is than one of y at a place."""
    return math.cos(math.radians(p[1])) if city.system == "WGS84" else 1.0


def foot(p: Position, a: Position, b: Position, scale: float) -> Position:
    """The point of the segment from a to b that is nearest to p, on a plane; x counts `scale` times."""
    dx, dy = (b[0] - a[0]) * scale, b[1] - a[1]
    length = dx * dx + dy * dy
    if length == 0:
        return a
    t = ((p[0] - a[0]) * scale * dx + (p[1] - a[1]) * dy) / length
    t = min(1.0, max(0.0, t))
    return (a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1]))
