"""Geometries that a target must refuse, as data; each is held against the rules before it is sent."""

from itertools import pairwise
from typing import Any

from dtc_cli.harness.suite import NotApplicable, Twin

Geometry = dict[str, Any]

INVALID = (
    "open-ring",
    "open-hole",
    "open-in-altitude",
    "ring-of-three",
    "empty-ring",
    "polygon-of-positions",
    "line-of-one",
    "line-of-numbers",
    "point-of-one",
    "point-of-text",
    "point-of-nothing",
    "point-nested",
    "point-null",
    "point-of-four",
    "point-of-flags",
    "no-coordinates",
    "coordinates-null",
    "coordinates-text",
    "no-type",
    "type-unknown",
    "type-lower-case",
    "type-of-another",
    "lod-five",
    "lod-seven",
    "lod-flag",
    "lod-negative",
    "lod-fraction",
    "lod-text",
    "multipolygon-open",
    "multipoint-of-numbers",
    "collection-with-an-open-ring",
    "geometry-text",
    "geometry-array",
)
"""Names of `invalid`, known before there is a city; they break RFC 7946 or VAL-005 in any system."""
BEYOND = ("longitude", "latitude", "longitude-west", "latitude-south", "line", "polygon", "swapped-far")
"""Names of `beyond`: positions outside the degree ranges (VAL-002)."""
OUTSIDE = (
    "point",
    "east",
    "north",
    "west",
    "south",
    "line-leaves",
    "line-enters",
    "line-middle",
    "polygon",
    "polygon-leaves",
    "multipolygon-second",
    "around-the-city",
)
"""Names of `outside`: legal geometries that leave the bounds (BUS-003)."""


def invalid(twin: Twin, name: str) -> Any:
    """A geometry well inside the city, broken in one way."""
    polygon = _wide(twin)
    ring = polygon["coordinates"][0]
    corner = ring[0]
    hole = [ring[0], ring[3], ring[2], ring[1]]
    broken: dict[str, Any] = {
        "open-ring": {"type": "Polygon", "coordinates": [ring[:-1]]},
        "open-hole": {"type": "Polygon", "coordinates": [ring, hole]},
        "open-in-altitude": {
            "type": "Polygon",
            "coordinates": [[*([*position, 5.0] for position in ring[:-1]), [*corner, 6.0]]],
        },
        "ring-of-three": {"type": "Polygon", "coordinates": [[ring[0], ring[1], ring[0]]]},
        "empty-ring": {"type": "Polygon", "coordinates": [[]]},
        "polygon-of-positions": {"type": "Polygon", "coordinates": ring},
        "line-of-one": {"type": "LineString", "coordinates": [corner]},
        "line-of-numbers": {"type": "LineString", "coordinates": corner},
        "point-of-one": {"type": "Point", "coordinates": corner[:1]},
        "point-of-text": {"type": "Point", "coordinates": [str(corner[0]), str(corner[1])]},
        "point-of-nothing": {"type": "Point", "coordinates": []},
        "point-nested": {"type": "Point", "coordinates": [corner]},
        "point-null": {"type": "Point", "coordinates": [corner[0], None]},
        "point-of-four": {"type": "Point", "coordinates": [*corner, 1, 2]},
        "point-of-flags": {"type": "Point", "coordinates": [True, False]},
        "no-coordinates": {"type": "Point"},
        "coordinates-null": {"type": "Polygon", "coordinates": None},
        "coordinates-text": {"type": "Point", "coordinates": f"{corner[0]},{corner[1]}"},
        "no-type": {"coordinates": corner},
        "type-unknown": {"type": "Blob", "coordinates": corner},
        "type-lower-case": {"type": "point", "coordinates": corner},
        "type-of-another": {"type": "Point", "coordinates": [ring]},
        "lod-five": {**polygon, "lod": 5},
        "lod-seven": {**polygon, "lod": 7},
        "lod-flag": {**polygon, "lod": True},
        "lod-negative": {**polygon, "lod": -1},
        "lod-fraction": {**polygon, "lod": 2.5},
        "lod-text": {**polygon, "lod": "2"},
        "multipolygon-open": {"type": "MultiPolygon", "coordinates": [[ring], [ring[:-1]]]},
        "multipoint-of-numbers": {"type": "MultiPoint", "coordinates": corner},
        "collection-with-an-open-ring": {
            "type": "GeometryCollection",
            "geometries": [
                {"type": "Point", "coordinates": corner},
                {"type": "Polygon", "coordinates": [ring[:-1]]},
            ],
        },
        "geometry-text": "POINT (127 37)",
        "geometry-array": corner,
    }
    return broken[name]


def beyond(twin: Twin, name: str) -> Geometry:
    """A geometry with a position outside -180..180, -90..90.

    Raises:
        NotApplicable: when the city's system does not count in degrees.
    """
    if twin.city.system != "WGS84":
        raise NotApplicable(f"the city's system is {twin.city.system}, degrees do not apply")
    x, y = twin.scratch.geometry("Point")["coordinates"]
    polygon = twin.scratch.geometry("Polygon")["coordinates"][0]
    far = {
        "longitude": {"type": "Point", "coordinates": [200, y]},
        "latitude": {"type": "Point", "coordinates": [x, 99]},
        "longitude-west": {"type": "Point", "coordinates": [-180.5, y]},
        "latitude-south": {"type": "Point", "coordinates": [x, -90.5]},
        "line": {"type": "LineString", "coordinates": [[x, y], [x, 91]]},
        "polygon": {"type": "Polygon", "coordinates": [[*polygon[:2], [200.0, 99.0], *polygon[3:]]]},
        "swapped-far": {"type": "Point", "coordinates": [200, 99]},
    }
    return far[name]


def outside(twin: Twin, name: str) -> Geometry:
    """A sound geometry of which some position lies outside the bounds of the city."""
    inside = twin.scratch.geometry("Polygon")["coordinates"][0]
    x, y = inside[0]
    far_x, far_y = twin.city.outside()
    left, low, right, high = twin.city.box
    width, height = (right - left) / 3, (high - low) / 3
    size = 4 * twin.city.side
    block = _square(far_x, far_y, size)
    around = [left - width, low - height, right + width, high + height]
    if twin.city.system == "WGS84":
        around = [max(-179.0, around[0]), max(-89.0, around[1]), min(179.0, around[2]), min(89.0, around[3])]
    reach: dict[str, Geometry] = {
        "point": {"type": "Point", "coordinates": [far_x, far_y]},
        "east": {"type": "Point", "coordinates": [around[2], y]},
        "north": {"type": "Point", "coordinates": [x, around[3]]},
        "west": {"type": "Point", "coordinates": [around[0], y]},
        "south": {"type": "Point", "coordinates": [x, around[1]]},
        "line-leaves": {"type": "LineString", "coordinates": [[x, y], [far_x, far_y]]},
        "line-enters": {"type": "LineString", "coordinates": [[far_x, far_y], [x, y]]},
        "line-middle": {"type": "LineString", "coordinates": [[x, y], [far_x, far_y], inside[2]]},
        "polygon": {"type": "Polygon", "coordinates": [block]},
        "polygon-leaves": {"type": "Polygon", "coordinates": [[[x, y], inside[1], [x, around[3]], [x, y]]]},
        "multipolygon-second": {"type": "MultiPolygon", "coordinates": [[inside], [block]]},
        "around-the-city": {
            "type": "Polygon",
            "coordinates": [_ring(around[0], around[1], around[2], around[3])],
        },
    }
    return reach[name]


def leaves(twin: Twin, geometry: Geometry) -> bool:
    """Our own judgement, by ray casting: whether some position lies outside the bounds."""
    return not all(twin.city.holds((x, y)) for x, y in _positions(geometry["coordinates"]))


def beside(twin: Twin) -> Geometry:
    """A point inside the box around the bounds but outside the bounds themselves.

    Raises:
        NotApplicable: when the bounds fill their box.
    """
    left, low, right, high = twin.city.box
    random = twin.random
    margin = min(right - left, high - low) / 50
    for _ in range(400):
        x, y = random.uniform(left + margin, right - margin), random.uniform(low + margin, high - margin)
        around = [(x + dx, y + dy) for dx in (-margin, 0, margin) for dy in (-margin, 0, margin)]
        if not any(twin.city.holds(point) for point in around):
            return {"type": "Point", "coordinates": [round(x, 6), round(y, 6)]}
    raise NotApplicable("the bounds of the city are a rectangle along the axes")


def _wide(twin: Twin) -> Geometry:
    """A square inside the city, so wide that a target that rounds positions does not close an open ring."""
    left, low, right, high = twin.city.box
    random = twin.random
    for part in (20, 40, 80, 160):
        side = round(min(right - left, high - low) / part, 4)
        for _ in range(60):
            x, y = round(random.uniform(left, right), 4), round(random.uniform(low, high), 4)
            ring = _square(x, y, side)
            if side > 0 and all(twin.city.holds((one, other)) for one, other in ring):
                return {"type": "Polygon", "coordinates": [ring]}
    return twin.scratch.geometry("Polygon")


def _square(x: float, y: float, size: float) -> list[list[float]]:
    return _ring(x, y, round(x + size, 9), round(y + size, 9))


def _ring(left: float, low: float, right: float, high: float) -> list[list[float]]:
    return [[left, low], [right, low], [right, high], [left, high], [left, low]]


def _positions(coordinates: Any) -> list[tuple[float, float]]:
    if coordinates and not isinstance(coordinates[0], list):
        return [(coordinates[0], coordinates[1])]
    found = [position for part in coordinates for position in _positions(part)]
    # Edges count too: the middle of each may leave bounds that are not convex.
    middles = [((a[0] + b[0]) / 2, (a[1] + b[1]) / 2) for a, b in pairwise(found)] if len(found) == 2 else []
    return found + middles
