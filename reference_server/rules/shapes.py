"""Geometry rules: GeoJSON types, nesting, rings, positions, coordinate ranges, lod (P1 5.1, 6.2.

7.1 VAL-002, -005).
"""

import math
from collections.abc import Callable
from typing import Any

from reference_server.geometry import Bounds
from reference_server.rules.findings import Findings, is_number

BAD = "ERR_INVALID_GEOMETRY"
DEPTH = {"Point": 0, "MultiPoint": 1, "LineString": 1, "MultiLineString": 2, "Polygon": 2, "MultiPolygon": 3}
UTM_EASTING_M = (100_000, 900_000)  # P1 7.1 VAL-002 as read for projected systems
UTM_NORTHING_M = (0, 10_000_000)

Visit = Callable[[list[Any], str], bool]


def _every(results: list[bool]) -> bool:
    """Whether all hold; a list, so that each part was judged before the answer."""
    return all(results)


def position(found: Findings, value: Any, at: str, system: str | None, requirement: int = 39) -> bool:
    """Judge one position: two or three finite numbers, within the ranges of the coordinate system."""
    if not isinstance(value, list) or not 2 <= len(value) <= 3 or not all(_finite(part) for part in value):
        found.add(
            requirement, BAD, at, "a position is two or three finite numbers: longitude, latitude, altitude"
        )
        return False
    return in_range(found, value, at, system)


def in_range(found: Findings, value: list[Any], at: str, system: str | None) -> bool:
    """Judge the ranges of a position.

    Degrees only in WGS84, plausible metres in UTM, nothing in local systems.
    """
    x, y = value[0], value[1]
    if system == "WGS84" and not (-180 <= x <= 180 and -90 <= y <= 90):
        found.add(40, BAD, at, f"longitude {x} must lie in -180..180 and latitude {y} in -90..90")
        return False
    if system == "UTM" and not (
        UTM_EASTING_M[0] <= x <= UTM_EASTING_M[1] and UTM_NORTHING_M[0] <= y <= UTM_NORTHING_M[1]
    ):
        found.add(41, "ERR_OUT_OF_BOUNDS", at, f"easting {x} or northing {y} is no UTM coordinate in metres")
        return False
    return True


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def geometry(found: Findings, value: Any, at: str, system: str | None) -> bool:
    """Judge a geometry object; True when it is sound all through."""
    if not isinstance(value, dict):
        found.add(27, BAD, at, "a geometry is an object")
        return False
    kind = value.get("type")
    if kind == "GeometryCollection":
        good = _collection(found, value, at, system)
    elif not isinstance(kind, str) or kind not in DEPTH:
        found.add(35, BAD, f"{at}/type", "geometry.type must be one of the seven GeoJSON geometry types")
        good = False
    elif "coordinates" not in value:
        found.add(36, BAD, f"{at}/coordinates", "coordinates is missing")
        good = False
    else:
        good = _shape(found, kind, value["coordinates"], f"{at}/coordinates", system)
    return lod(found, value, at) and good


def lod(found: Findings, value: dict[str, Any], at: str) -> bool:
    """Judge the optional level of detail: an integer 0 to 4; 2.0 is the integer 2 in JSON."""
    if "lod" not in value:
        return True
    level = value["lod"]
    if is_number(level) and level in (0, 1, 2, 3, 4):
        return True
    found.add(42, BAD, f"{at}/lod", "lod must be one of the integers 0, 1, 2, 3, 4")
    return False


def _collection(found: Findings, value: dict[str, Any], at: str, system: str | None) -> bool:
    parts = value.get("geometries")
    if not isinstance(parts, list):
        found.add(36, BAD, f"{at}/geometries", "a GeometryCollection has an array of geometries")
        return False
    return _every([geometry(found, part, f"{at}/geometries/{i}", system) for i, part in enumerate(parts)])


def _shape(found: Findings, kind: str, value: Any, at: str, system: str | None) -> bool:
    depth = DEPTH[kind]
    if depth == 0:
        if not isinstance(value, list) or any(isinstance(part, list) for part in value):
            found.add(36, BAD, at, "a Point holds one position, not an array of positions")
            return False
        return position(found, value, at, system)
    ringed = kind in ("Polygon", "MultiPolygon")

    def line(points: list[Any], where: str) -> bool:
        if not _every([_nested_position(found, p, f"{where}/{i}", system) for i, p in enumerate(points)]):
            return False
        if ringed:
            return ring(found, points, where, 37)
        if kind != "MultiPoint" and len(points) < 2:
            found.add(36, BAD, where, "a line has two or more positions")
            return False
        return True

    # only the Multi geometries may be empty (RFC 7946 3.1)
    return _descend(found, value, at, depth, line, kind.startswith("Multi"))


def _descend(found: Findings, value: Any, at: str, depth: int, line: Visit, empty: bool) -> bool:
    nested = isinstance(value, list) and all(isinstance(part, list) for part in value)
    if not nested or (not value and not empty):
        found.add(36, BAD, at, "the nesting of coordinates does not fit the geometry type")
        return False
    if depth == 1:
        return line(value, at)
    return _every(
        [_descend(found, part, f"{at}/{i}", depth - 1, line, False) for i, part in enumerate(value)]
    )


def _nested_position(found: Findings, value: Any, at: str, system: str | None) -> bool:
    if isinstance(value, list) and any(isinstance(part, list) for part in value):
        found.add(36, BAD, at, "the nesting of coordinates does not fit the geometry type")
        return False
    return position(found, value, at, system)


def ring(found: Findings, points: list[Any], at: str, requirement: int) -> bool:
    """Judge a linear ring: four or more positions, the last equal to the first, altitude included."""
    if len(points) < 4:
        found.add(requirement, BAD, at, "a ring has four or more positions")
        return False
    if points[0] != points[-1]:
        found.add(requirement, BAD, at, "the last position of a ring must equal the first")
        return False
    return True


def bounds(found: Findings, value: Any, at: str, system: str | None) -> Bounds | None:
    """Judge the outline of a city; the Bounds to compare with, or None when it is not sound (P1 4.1)."""
    if not isinstance(value, dict):
        found.add(13, BAD, at, "bounds must be a Polygon object")
        return None
    good = True
    if "type" not in value:
        found.missing(13, f"{at}/type")
        good = False
    elif value["type"] != "Polygon":
        found.add(13, BAD, f"{at}/type", "bounds.type must be Polygon")
        good = False
    if "coordinates" not in value:
        found.missing(14, f"{at}/coordinates")
        return None
    return (
        Bounds(value) if _rings(found, value["coordinates"], f"{at}/coordinates", system) and good else None
    )


def _rings(found: Findings, rings: Any, at: str, system: str | None) -> bool:
    nested = isinstance(rings, list) and all(isinstance(one, list) for one in rings)
    if not nested or not rings or not all(isinstance(p, list) for one in rings for p in one):
        found.add(14, BAD, at, "bounds.coordinates must be an array of linear rings")
        return False
    good = True
    for i, one in enumerate(rings):
        sound = _every([position(found, p, f"{at}/{i}/{j}", system) for j, p in enumerate(one)])
        good = sound and ring(found, one, f"{at}/{i}", 14) and good
    return good


def point(found: Findings, value: Any, at: str, system: str | None) -> bool:
    """Judge the location of a sensor: a GeoJSON Point with two or three coordinates (P1 4.3)."""
    if not isinstance(value, dict) or value.get("type") != "Point":
        found.add(50, BAD, at, "location must be a GeoJSON Point")
        return False
    return position(found, value.get("coordinates"), f"{at}/coordinates", system, requirement=50)


def coverage(found: Findings, value: Any, at: str, system: str | None) -> None:
    """Judge only the ranges of the positions in a coverage; its shape is a SHOULD (P1 7.1 VAL-002)."""
    if not isinstance(value, dict):
        return
    stack: list[tuple[Any, str]] = [(value.get("coordinates"), f"{at}/coordinates")]
    while stack:
        item, where = stack.pop()
        if not isinstance(item, list):
            continue
        if 2 <= len(item) <= 3 and all(_finite(part) for part in item):
            in_range(found, item, where, system)
        else:
            stack.extend((part, f"{where}/{i}") for i, part in reversed(list(enumerate(item))))
