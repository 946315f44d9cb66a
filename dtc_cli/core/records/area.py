"""The polygon of `bounds` as a region of the plane: which points lie inside it or on its edge."""

import math
from collections.abc import Sequence
from itertools import pairwise

from dtc_cli.core.records.values import as_float

Point = tuple[float, float]
DEGREE_TOLERANCE = 1e-9
"""About 0.1 mm on the ground: a position that close to the edge counts as on it (C-17)."""
ROUNDING = 1e-9
"""An area below this share of the terms it is summed from is rounding, not an area."""


class Area:
    """A polygon with holes in the plane of the record's own coordinate system; edges belong to it (C-17).

    Args:
        rings: exterior ring first, then holes; closed rings of well-formed positions, altitude ignored.
        tolerance: distance, in the unit of the coordinates, up to which a point counts as on an edge.
    """

    def __init__(self, rings: Sequence[Sequence[Sequence[float]]], tolerance: float) -> None:
        self._rings = [[(as_float(p[0]), as_float(p[1])) for p in ring] for ring in rings]
        self._tolerance = tolerance
        xs, ys = zip(*self._rings[0], strict=True)
        self._box = (min(xs) - tolerance, min(ys) - tolerance, max(xs) + tolerance, max(ys) + tolerance)
        # A rectangle without holes, the usual bounds of a city, needs no more than its box.
        self._is_box = len(self._rings) == 1 and _is_rectangle(self._rings[0])

    def contains(self, position: Sequence[float]) -> bool:
        """Whether the position lies inside the exterior ring or on it, and not strictly inside a hole."""
        west, south, east, north = self._box
        if not (west <= position[0] <= east and south <= position[1] <= north):
            return False
        if self._is_box:
            return True
        x, y = as_float(position[0]), as_float(position[1])
        exterior, *holes = self._rings
        if not (self._on_edge(exterior, x, y) or _encloses(exterior, x, y)):
            return False
        return all(self._on_edge(hole, x, y) or not _encloses(hole, x, y) for hole in holes)

    def _on_edge(self, ring: list[Point], x: float, y: float) -> bool:
        return any(_distance(x, y, start, end) <= self._tolerance for start, end in pairwise(ring))


def tolerance_for(rings: Sequence[Sequence[Sequence[float]]], *, degrees: bool) -> float:
    """The edge tolerance of a polygon: 1e-9 degree; else that fraction of its largest coordinate."""
    if degrees:
        return DEGREE_TOLERANCE
    return DEGREE_TOLERANCE * max(1.0, *(abs(as_float(c)) for ring in rings for p in ring for c in p[:2]))


def turning(ring: Sequence[Sequence[float]]) -> int:
    """1 for a counter-clockwise ring, -1 for a clockwise one, 0 where it has no area (a wall, a line)."""
    x0, y0 = ring[0][0], ring[0][1]
    doubled = terms = x = y = 0.0
    try:
        for position in ring:
            # Relative to the first corner, so that a small ring far from the origin keeps its digits.
            next_x, next_y = position[0] - x0, position[1] - y0
            ahead, back = x * next_y, next_x * y
            doubled += ahead - back
            terms += abs(ahead) + abs(back)
            x, y = next_x, next_y
    except OverflowError:  # integers beyond a double
        return 0
    if not abs(doubled) > ROUNDING * terms:  # also where both are infinite or no number
        return 0
    return 1 if doubled > 0 else -1


def _is_rectangle(ring: list[Point]) -> bool:
    if len(ring) != 5:
        return False
    (x0, y0), (x1, y1), (x2, y2), (x3, y3), _ = ring
    lying = y0 == y1 and x1 == x2 and y2 == y3 and x3 == x0
    standing = x0 == x1 and y1 == y2 and x2 == x3 and y3 == y0
    return (lying or standing) and x0 != x2 and y0 != y2


def _encloses(ring: list[Point], x: float, y: float) -> bool:
    """Even-odd rule: a ray to the east crosses the ring an odd number of times."""
    inside = False
    for (x1, y1), (x2, y2) in pairwise(ring):
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            inside = not inside
    return inside


def _distance(x: float, y: float, start: Point, end: Point) -> float:
    """Distance of a point from a line segment, in the plane."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    px, py = x - start[0], y - start[1]
    length = dx * dx + dy * dy
    share = 0.0 if length == 0 else max(0.0, min(1.0, (px * dx + py * dy) / length))
    return math.hypot(px - share * dx, py - share * dy)
