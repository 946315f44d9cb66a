"""Plane geometry of the bounds filter, our own: whether a GeoJSON geometry intersects a box.

Coordinates are in the city's own system, x (longitude, easting) first; altitude is ignored. Cities are small
against the antimeridian: boxes and geometries never cross it here.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

Point = tuple[float, float]
Line = Sequence[Point]


class Box(NamedTuple):
    """A rectangle along the axes."""

    left: float
    low: float
    right: float
    high: float

    @property
    def text(self) -> str:
        """The value of `?bounds=`."""
        return ",".join(f"{value:.9f}".rstrip("0").rstrip(".") for value in self)

    @property
    def corners(self) -> tuple[Point, ...]:
        """The four corners, counterclockwise from the lower left."""
        return (self.left, self.low), (self.right, self.low), (self.right, self.high), (self.left, self.high)

    def grown(self, by: float) -> "Box":
        """The box with each edge moved outwards."""
        return Box(self.left - by, self.low - by, self.right + by, self.high + by)

    def holds(self, point: Point) -> bool:
        """Whether the point lies in the box or on its edge."""
        return self.left <= point[0] <= self.right and self.low <= point[1] <= self.high


def meets(geometry: Any, box: Box, slack: float) -> bool | None:
    """Whether the geometry intersects the box; None when `slack` decides it, or when it is unreadable."""
    try:
        parts = list(_parts(geometry))
        wide = any(_intersects(kind, lines, box.grown(slack)) for kind, lines in parts)
        narrow = any(_intersects(kind, lines, box.grown(-slack)) for kind, lines in parts)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        return None
    return wide if wide == narrow else None


def _parts(geometry: Any) -> Iterator[tuple[str, list[list[Point]]]]:
    """The points, lines and polygons that a geometry consists of, each as lists of positions."""
    kind = geometry["type"]
    if kind == "GeometryCollection":
        for part in geometry["geometries"]:
            yield from _parts(part)
        return
    coordinates = geometry["coordinates"]
    single, many = kind.removeprefix("Multi"), kind.startswith("Multi")
    for one in coordinates if many else [coordinates]:
        depth = {"Point": [[one]], "LineString": [one], "Polygon": one}[single]
        yield single, [[(float(position[0]), float(position[1])) for position in line] for line in depth]


def _intersects(kind: str, lines: list[list[Point]], box: Box) -> bool:
    if any(box.holds(point) for line in lines for point in line):
        return True
    if kind == "Point":
        return False
    if any(_crosses(start, end, box) for line in lines for start, end in pairwise(line)):
        return True
    return kind == "Polygon" and _inside(box.corners[0], lines)


def _crosses(start: Point, end: Point, box: Box) -> bool:
    """Whether a segment with both ends outside the box passes through it (separating axes)."""
    if max(start[0], end[0]) < box.left or min(start[0], end[0]) > box.right:
        return False
    if max(start[1], end[1]) < box.low or min(start[1], end[1]) > box.high:
        return False
    sides = [
        (end[0] - start[0]) * (y - start[1]) - (end[1] - start[1]) * (x - start[0]) for x, y in box.corners
    ]
    return not (all(side > 0 for side in sides) or all(side < 0 for side in sides))


def _inside(point: Point, rings: list[list[Point]]) -> bool:
    """Whether the point is inside a polygon: even-odd rule over the exterior ring and the holes."""
    return sum(_crossings(point, ring) for ring in rings) % 2 == 1


def _crossings(point: Point, ring: Line) -> int:
    x, y = point
    return sum(
        (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1
        for (x1, y1), (x2, y2) in pairwise(ring)
    )
