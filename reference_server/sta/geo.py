"""Geometry in filters: well-known text, distance, intersection, containment, on longitude and latitude.

Within and contains look at corners and the middles of edges: exact for convex areas.
"""

import math
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from reference_server.errors import ApiError
from reference_server.geometry import Position, distance_m, in_polygon, positions, segments_touch
from reference_server.services.places import candidates

Json = dict[str, Any]
_NUMBER = r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
_POSITION = rf"\s*{_NUMBER}\s+{_NUMBER}(?:\s+{_NUMBER})?\s*"
_LIST = rf"\(({_POSITION}(?:,{_POSITION})*)\)"
_POINT = re.compile(rf"\s*POINT\s*Z?\s*\(({_POSITION})\)\s*", re.IGNORECASE | re.ASCII)
_LINE = re.compile(rf"\s*LINESTRING\s*Z?\s*{_LIST}\s*", re.IGNORECASE | re.ASCII)
_POLYGON = re.compile(
    rf"\s*POLYGON\s*Z?\s*\((\s*{_LIST}\s*(?:,\s*{_LIST}\s*)*)\)\s*", re.IGNORECASE | re.ASCII
)
MAX_TEXT = 4000


def from_wkt(text: str) -> Json:
    """A geometry out of well-known text: POINT, LINESTRING or POLYGON.

    Raises:
        ApiError: INVALID_PARAMETERS for anything else.
    """
    if len(text) <= MAX_TEXT:
        if match := _POINT.fullmatch(text):
            return {"type": "Point", "coordinates": _points(match[1])[0]}
        if match := _LINE.fullmatch(text):
            return {"type": "LineString", "coordinates": _points(match[1])}
        if match := _POLYGON.fullmatch(text):
            rings = [_points(ring) for ring in re.findall(_LIST, match[1], re.ASCII)]
            if all(len(ring) >= 4 and ring[0] == ring[-1] for ring in rings):
                return {"type": "Polygon", "coordinates": rings}
    raise ApiError("INVALID_PARAMETERS", "a geography is a POINT, LINESTRING or closed POLYGON as text")


def _points(text: str) -> list[list[float]]:
    return [[float(number) for number in part.split()] for part in text.split(",")]


def _lines(geometry: Json) -> Iterator[list[Position]]:
    kind = geometry["type"]
    if kind == "GeometryCollection":
        for part in geometry["geometries"]:
            yield from _lines(part)
    elif kind == "LineString":
        yield geometry["coordinates"]
    elif kind in ("MultiLineString", "Polygon"):
        yield from geometry["coordinates"]
    elif kind == "MultiPolygon":
        yield from (ring for part in geometry["coordinates"] for ring in part)


def _areas(geometry: Json) -> Iterator[list[list[Position]]]:
    if geometry["type"] == "GeometryCollection":
        for part in geometry["geometries"]:
            yield from _areas(part)
    elif geometry["type"] == "Polygon":
        yield geometry["coordinates"]
    elif geometry["type"] == "MultiPolygon":
        yield from geometry["coordinates"]


def _in(p: Position, geometry: Json) -> bool:
    return any(in_polygon(p, rings) for rings in _areas(geometry))


def intersects(a: Json, b: Json) -> bool:
    """Whether two geometries share a point."""
    if any(_in(p, b) for p in positions(a)) or any(_in(p, a) for p in positions(b)):
        return True
    edges = [(p, q) for line in _lines(b) for p, q in pairwise(line)] or [(p, p) for p in positions(b)]
    mine = [(p, q) for line in _lines(a) for p, q in pairwise(line)] or [(p, p) for p in positions(a)]
    return any(segments_touch(p, q, r, s) for p, q in mine for r, s in edges)


def within(a: Json, b: Json) -> bool:
    """Whether a lies in the area b, its edge included."""
    middles = [((p[0] + q[0]) / 2, (p[1] + q[1]) / 2) for line in _lines(a) for p, q in pairwise(line)]
    return all(_in(p, b) for p in (*positions(a), *middles))


def distance(a: Json, b: Json) -> float:
    """Metres between a point and a geometry, great-circle to the nearest place on a plane around the point.

    Raises:
        ApiError: INVALID_PARAMETERS when neither is a Point.
    """
    if a["type"] != "Point":
        a, b = b, a
    if a["type"] != "Point":
        raise ApiError("INVALID_PARAMETERS", "geo.distance measures from a Point")
    place: Position = a["coordinates"]
    if _in(place, b):
        return 0.0
    scale = math.cos(math.radians(place[1]))
    return min((distance_m(place, p) for p in candidates(b, place, scale)), default=math.inf)


def length(geometry: Json) -> float:
    """Metres along the lines of a geometry."""
    return sum(distance_m(p, q) for line in _lines(geometry) for p, q in pairwise(line))
