"""The city that is tested in: its bounds and coordinate system, and free places inside."""

from collections.abc import Mapping
from itertools import pairwise
from random import Random
from typing import Any

import msgspec

from dtc_cli.clients.rest import Rest
from dtc_cli.harness.outcomes import Blocked

Point = tuple[float, float]

SIDE_DEGREES = 0.0001
"""Side of a test object in a WGS84 city: about 11 m north-south."""
SIDE_METRES = 10.0
"""Side of a test object in a projected or local city."""
_TRIES = 1000


class City(msgspec.Struct, frozen=True):
    """Bounds and coordinate system of the city under test.

    Positions are `(x, y)`: longitude, latitude in degrees for WGS84, easting, northing in metres else.
    """

    rings: tuple[tuple[Point, ...], ...]
    """Exterior ring first, then holes; each closed."""
    system: str
    """WGS84, UTM or local (P1 3.2.2)."""

    @property
    def side(self) -> float:
        """Side length of a small test object, in units of the coordinate system."""
        return SIDE_DEGREES if self.system == "WGS84" else SIDE_METRES

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Least x, least y, greatest x, greatest y of the exterior ring."""
        xs = [x for x, _ in self.rings[0]]
        ys = [y for _, y in self.rings[0]]
        return min(xs), min(ys), max(xs), max(ys)

    def place(self, random: Random) -> Point:
        """The lower left corner of a small square that lies well inside the bounds."""
        left, low, right, high = self.box
        margin = min(2 * self.side, (right - left) / 10, (high - low) / 10)
        for _ in range(_TRIES):
            x, y = random.uniform(left, right), random.uniform(low, high)
            corners = [(x + dx, y + dy) for dx in (-margin, margin) for dy in (-margin, margin)]
            if all(self.holds(corner) for corner in corners):
                return round(x, 6), round(y, 6)
        raise Blocked("DTC-P2-003", "the city bounds leave no room for a test object")

    def outside(self) -> Point:
        """A legal position clearly outside the bounds."""
        left, low, right, high = self.box
        width, height = right - left, high - low
        if self.system != "WGS84":
            return right + 10 * width + 1000, high
        x = right + width if right + width < 179 else left - width
        y = high + height if high + height < 89 else low - height
        return round(max(-179.0, min(179.0, x)), 6), round(max(-89.0, min(89.0, y)), 6)

    def holds(self, point: Point) -> bool:
        """Whether the point is inside the exterior ring and in no hole (even-odd rule over all rings)."""
        return sum(_crossings(point, ring) for ring in self.rings) % 2 == 1


def read(rest: Rest) -> City:
    """The city as GET /cities/{city} describes it.

    Raises:
        Blocked: by DTC-P2-003 when the answer has no usable bounds.
    """
    answer = rest.get("/cities/{city}")
    body = answer.json() if answer.ok and answer.is_json else None
    city = parse(body) if isinstance(body, dict) else None
    if city is None:
        raise Blocked("DTC-P2-003", f"GET /cities/{rest.city} gives no bounds (status {answer.status})")
    return city


def parse(body: Mapping[str, Any]) -> City | None:
    """Bounds and system out of a city resource or a record; None when they are unusable."""
    try:
        rings = tuple(
            tuple((float(position[0]), float(position[1])) for position in ring)
            for ring in body["bounds"]["coordinates"]
        )
        system = str(body.get("coordinateSystem", {}).get("type", "WGS84"))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        return None
    return City(rings, system) if rings and len(rings[0]) >= 4 else None


def _crossings(point: Point, ring: tuple[Point, ...]) -> int:
    """How many edges of the ring a ray from the point to the right crosses."""
    x, y = point
    crossings = 0
    for (x1, y1), (x2, y2) in pairwise(ring):
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            crossings += 1
    return crossings
