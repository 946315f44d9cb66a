"""Plane and sphere: positions, boxes, polygons, intersection and great-circle distance.

Axis order is longitude, latitude (easting, northing), as in GeoJSON; a third coordinate is altitude in metres
and is left out of every comparison here.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

Position = Sequence[float]
Box = tuple[float, float, float, float]
"""minimum longitude, minimum latitude, maximum longitude, maximum latitude."""

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius of WGS84 (IUGG R1)."""


def positions(geometry: dict[str, Any]) -> Iterator[Position]:
    """Every position of a well-formed GeoJSON geometry, collections included."""
    if geometry.get("type") == "GeometryCollection":
        for part in geometry["geometries"]:
            yield from positions(part)
        return
    stack = [geometry["coordinates"]]
    while stack:
        item = stack.pop()
        if item and isinstance(item[0], list):
            stack.extend(reversed(item))
        elif item:
            yield item


def box_of(geometry: dict[str, Any]) -> Box | None:
    """The smallest box around a geometry, or None for one without positions (an empty collection)."""
    points = list(positions(geometry))
    if not points:
        return None
    xs = [point[0] for point in points]
    ys = [point[1] for point in points]
    return min(xs), min(ys), max(xs), max(ys)


def on_segment(p: Position, a: Position, b: Position) -> bool:
    """Whether `p` lies on the segment from `a` to `b`, ends included."""
    cross = (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])
    length = abs(b[0] - a[0]) + abs(b[1] - a[1])
    return (
        abs(cross) <= 1e-12 * max(length, 1.0)
        and min(a[0], b[0]) <= p[0] <= max(a[0], b[0])
        and min(a[1], b[1]) <= p[1] <= max(a[1], b[1])
    )


def ring_side(p: Position, ring: Sequence[Position]) -> int:
    """1 inside, 0 on the edge, -1 outside a closed ring (even-odd rule)."""
    inside = False
    x, y = p[0], p[1]
    for a, b in pairwise(ring):
        if on_segment(p, a, b):
            return 0
        if (a[1] > y) != (b[1] > y) and x < (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]) + a[0]:
            inside = not inside
    return 1 if inside else -1


def in_polygon(p: Position, rings: Sequence[Sequence[Position]]) -> bool:
    """Whether `p` lies inside or on the edge of a polygon.

    And not within one of its holes (P1 7.2 BUS-003).
    """
    if not rings or ring_side(p, rings[0]) < 0:
        return False
    return all(ring_side(p, hole) <= 0 for hole in rings[1:])


class Bounds:
    """The outline of a city, ready to be asked about many positions.

    A plain rectangle is answered at once.
    """

    def __init__(self, polygon: dict[str, Any]) -> None:
        self.rings: list[list[Position]] = polygon["coordinates"]
        outer = self.rings[0]
        xs = [point[0] for point in outer]
        ys = [point[1] for point in outer]
        self.box: Box = (min(xs), min(ys), max(xs), max(ys))
        corners = {(x, y) for x in (self.box[0], self.box[2]) for y in (self.box[1], self.box[3])}
        self.rectangle = (
            len(self.rings) == 1 and len(outer) == 5 and {(point[0], point[1]) for point in outer} == corners
        )

    def hold(self, p: Position) -> bool:
        """Whether a position lies inside or on the edge."""
        if not (self.box[0] <= p[0] <= self.box[2] and self.box[1] <= p[1] <= self.box[3]):
            return False
        return self.rectangle or in_polygon(p, self.rings)


def segments_touch(a: Position, b: Position, c: Position, d: Position) -> bool:
    """Whether two segments share a point."""

    def turn(p: Position, q: Position, r: Position) -> float:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    if ((turn(a, b, c) > 0) != (turn(a, b, d) > 0)) and ((turn(c, d, a) > 0) != (turn(c, d, b) > 0)):
        return True
    return on_segment(c, a, b) or on_segment(d, a, b) or on_segment(a, c, d) or on_segment(b, c, d)


def _line_meets_box(line: Sequence[Position], box: Box) -> bool:
    x0, y0, x1, y1 = box
    if any(x0 <= p[0] <= x1 and y0 <= p[1] <= y1 for p in line):
        return True
    corners = ((x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0))
    return any(segments_touch(a, b, c, d) for a, b in pairwise(line) for c, d in pairwise(corners))


def _polygon_meets_box(rings: Sequence[Sequence[Position]], box: Box) -> bool:
    return any(_line_meets_box(ring, box) for ring in rings) or in_polygon((box[0], box[1]), rings)


def meets_box(geometry: dict[str, Any], box: Box) -> bool:
    """Whether a geometry and a box share at least one point."""
    kind = geometry["type"]
    if kind == "GeometryCollection":
        return any(meets_box(part, box) for part in geometry["geometries"])
    shape = geometry["coordinates"]
    if kind in ("Point", "MultiPoint"):
        points: Iterable[Position] = [shape] if kind == "Point" else shape
        return any(box[0] <= p[0] <= box[2] and box[1] <= p[1] <= box[3] for p in points)
    if kind in ("LineString", "MultiLineString"):
        return any(_line_meets_box(line, box) for line in ([shape] if kind == "LineString" else shape))
    return any(_polygon_meets_box(rings, box) for rings in ([shape] if kind == "Polygon" else shape))


def distance_m(a: Position, b: Position) -> float:
    """Great-circle distance in metres between two WGS84 positions (haversine, mean radius).

    Right across the antimeridian and at the poles; within 0.6 % of the ellipsoid.
    """
    lat1, lat2 = math.radians(a[1]), math.radians(b[1])
    half_lat = (lat2 - lat1) / 2
    half_lon = math.radians(b[0] - a[0]) / 2
    h = math.sin(half_lat) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin(half_lon) ** 2
    return 2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(h)))


def plane_m(a: Position, b: Position) -> float:
    """Straight distance in metres between two positions of a projected system."""
    return math.hypot(b[0] - a[0], b[1] - a[1])
