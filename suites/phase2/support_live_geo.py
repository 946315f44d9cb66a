"""Distances on the earth and places in a city, computed here: an oracle that owes nothing to a target."""

import math
from collections.abc import Sequence
from itertools import pairwise
from random import Random
from typing import Any

from dtc_cli.harness.suite import NotTested, Twin

Position = tuple[float, float]
"""Longitude and latitude in degrees (WGS84), or easting and northing in metres (UTM, local)."""

MEAN_RADIUS_M = 6_371_008.8  # IUGG mean radius
MERIDIAN_M = 111_195.0
"""Metres of one degree of latitude on the sphere of that radius."""
_EQUATORIAL_M, _FLATTENING = 6_378_137.0, 1 / 298.257223563  # WGS84
_TRIES = 200


def haversine(one: Position, other: Position) -> float:
    """Great-circle distance in metres on the sphere; right across the antimeridian and near the poles."""
    (lon1, lat1), (lon2, lat2) = (tuple(map(math.radians, place)) for place in (one, other))
    chord = (
        math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    )
    return 2 * MEAN_RADIUS_M * math.asin(min(1.0, math.sqrt(chord)))


def ellipsoidal(one: Position, other: Position) -> float:
    """Distance in metres on the WGS84 ellipsoid, for places less than some 20 km apart.

    The local radii of curvature at the middle latitude (meridian and prime vertical) turn the degrees into
    metres; the error is below 0.01 % at such distances away from the poles.
    """
    latitude = math.radians((one[1] + other[1]) / 2)
    squared = _FLATTENING * (2 - _FLATTENING)
    bend = 1 - squared * math.sin(latitude) ** 2
    meridian = _EQUATORIAL_M * (1 - squared) / bend**1.5
    across = _EQUATORIAL_M / math.sqrt(bend)
    turn = (other[0] - one[0] + 180) % 360 - 180
    north = math.radians(other[1] - one[1]) * meridian
    return math.hypot(north, math.radians(turn) * across * math.cos(latitude))


class Ground:
    """Distances in metres and places, in a city whose positions are longitudes and latitudes (WGS84)."""

    degrees = True

    def distance(self, one: Position, other: Position) -> float:
        """Metres between two places: the great circle."""
        return haversine(one, other)

    def is_distance(self, told: float, one: Position, other: Position) -> bool:
        """Whether a distance is the true one within 1 % (C-45), or within a metre for rounding."""
        true = (haversine(one, other), ellipsoidal(one, other))
        return any(abs(told - metres) <= max(1.0, 0.01 * metres) for metres in true)

    def away(self, start: Position, east_m: float, north_m: float) -> Position:
        """The place that many metres east and north, rounded to 7 decimals (about 1 cm)."""
        latitude = start[1] + north_m / MERIDIAN_M
        longitude = start[0] + east_m / (MERIDIAN_M * math.cos(math.radians(start[1])))
        return round((longitude + 180) % 360 - 180, 7), round(latitude, 7)

    def length(self, positions: Sequence[Position]) -> float:
        """The length of a line in metres."""
        return sum(self.distance(one, other) for one, other in pairwise(positions))


class Plane(Ground):
    """The same in a projected (UTM) or local city, whose positions are metres.

    The scale of a UTM zone is within 0.1 % of 1, far inside the 1 % of C-45.
    """

    degrees = False

    def distance(self, one: Position, other: Position) -> float:
        """Metres between two places of the plane."""
        return math.dist(one, other)

    def is_distance(self, told: float, one: Position, other: Position) -> bool:
        """As on the earth: within 1 %, or within a metre."""
        metres = math.dist(one, other)
        return abs(told - metres) <= max(1.0, 0.01 * metres)

    def away(self, start: Position, east_m: float, north_m: float) -> Position:
        """The place that many metres east and north, rounded to millimetres."""
        return round(start[0] + east_m, 3), round(start[1] + north_m, 3)


def ground(twin: Twin) -> Ground:
    """The ground of the city under test."""
    return Ground() if twin.city.system == "WGS84" else Plane()


def position(location: object) -> Position | None:
    """The position of a location: a GeoJSON Point or a bare array (C-47); None when it is neither."""
    if isinstance(location, dict):
        location = location.get("coordinates")
    if not isinstance(location, list) or len(location) < 2:
        return None
    numbers = [number for number in location[:2] if isinstance(number, int | float)]
    return (float(numbers[0]), float(numbers[1])) if len(numbers) == 2 else None


def point(place: Position) -> dict[str, Any]:
    """A place as a GeoJSON Point."""
    return {"type": "Point", "coordinates": list(place)}


def roomy(twin: Twin, random: Random, offsets: Sequence[tuple[float, float]]) -> tuple[Position, int]:
    """A centre and a scale such that all the offsets (east, north), scaled to metres, lie inside the city.

    Raises:
        NotTested: when the city is too small for the smallest scale.
    """
    earth = ground(twin)
    for scale in (250, 100, 40):
        for _ in range(_TRIES):
            centre = twin.city.place(random)
            places = [earth.away(centre, east * scale, north * scale) for east, north in offsets]
            if all(twin.city.holds(place) for place in places):
                return centre, scale
    raise NotTested("the city is too small to put objects at known distances into it")
