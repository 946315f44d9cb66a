"""GeoJSON geometry by P1 6.2 and RFC 7946: type, nesting, rings, positions, winding (DTC-P1-035..039)."""

import math
from typing import Any

from dtc_cli.core.records.area import turning
from dtc_cli.core.records.finding import Code, Path, Sheet
from dtc_cli.core.records.values import is_number, kind, show

DEPTHS = {
    "Point": 0,
    "MultiPoint": 1,
    "LineString": 1,
    "MultiLineString": 2,
    "Polygon": 2,
    "MultiPolygon": 3,
}  # RFC 7946 3.1: how many arrays lie round a position
COLLECTION = "GeometryCollection"
RINGS = frozenset({"Polygon", "MultiPolygon"})
LINES = frozenset({"LineString", "MultiLineString"})
_LISTS = frozenset({list})
_LENGTHS = frozenset({2, 3})
_NUMBERS = frozenset({int, float})

Spot = tuple[list[float], Path, int | None]
"""A well-formed position and where it stands: the path of its list and its index there, or its path and None.

The path is put together only where it is reported: most positions of a city have nothing wrong with them.
"""


def place_of(spot: Spot) -> Path:
    """The path of a position in the record."""
    _, path, index = spot
    return path if index is None else (*path, index)


def judge_geometry(geometry: dict[str, Any], path: Path, sheet: Sheet) -> list[Spot]:
    """Judge a geometry object and give its well-formed positions, those of a collection's members included.

    A fault is reported where it stands and for one requirement: an unknown type is not also a wrong nesting,
    a ring with a broken position is not also an open ring.
    """
    spots: list[Spot] = []
    # A stack, not recursion: the nesting of collections is the data's business and may be deep.
    waiting: list[tuple[dict[str, Any], Path]] = [(geometry, path)]
    while waiting:
        current, place = waiting.pop()
        shape = current.get("type")
        if not sheet.holds("DTC-P1-035", isinstance(shape, str) and (shape in DEPTHS or shape == COLLECTION)):
            _blame_type(current, place, sheet)
        elif shape == COLLECTION:
            members = _members(current, place, sheet)
            waiting.extend(reversed(members))
        else:
            spots.extend(judge_coordinates(current, place, sheet))
    return spots


def judge_coordinates(geometry: dict[str, Any], path: Path, sheet: Sheet) -> list[Spot]:
    """Judge the `coordinates` of a geometry whose type is one of `DEPTHS`; see `judge_geometry`."""
    shape = geometry["type"]
    place = (*path, "coordinates")
    walk = _Walk(sheet, shape)
    if not sheet.holds("DTC-P1-036", "coordinates" in geometry):
        sheet.blame("DTC-P1-036", Code.INVALID_GEOMETRY, place, f"{shape} has no coordinates")
    else:
        walk.visit(geometry["coordinates"], place, DEPTHS[shape])
    return walk.spots


class _Walk:
    """One pass over the coordinates of one geometry."""

    def __init__(self, sheet: Sheet, shape: str) -> None:
        self.sheet = sheet
        self.shape = shape
        self.spots: list[Spot] = []
        self._rings = shape in RINGS

    def visit(self, value: object, path: Path, depth: int, nth: int = 0) -> bool:
        """Whether everything below is well-formed; `nth` tells an exterior ring (0) from a hole."""
        if not isinstance(value, list):
            self._blame_nesting(path, f"has {kind(value)} {show(value)} where an array belongs")
            return False
        if depth == 0:
            return self._position(value, path)
        sound = True
        if depth == 1 and all_positions(value):
            self.sheet.holds("DTC-P1-039", True, times=len(value))
            self.spots.extend([(item, path, index) for index, item in enumerate(value)])
        else:
            for index, item in enumerate(value):
                sound = self.visit(item, (*path, index), depth - 1, index) and sound
        if sound and depth == 1 and self._rings:
            return judge_ring(value, path, self.sheet, exterior=nth == 0)
        if sound and depth == 1 and len(value) < 2 and self.shape in LINES:
            self._blame_nesting(path, f"has a line of {len(value)} positions; a line needs two or more")
            return False
        return sound

    def _position(self, value: list[Any], path: Path) -> bool:
        if any(isinstance(item, list) for item in value):
            self._blame_nesting(path, "has an array where a position belongs: one level too deep")
            return False
        if not judge_position(value, path, self.sheet):
            return False
        self.spots.append((value, path, None))
        return True

    def _blame_nesting(self, path: Path, message: str) -> None:
        self.sheet.blame("DTC-P1-036", Code.INVALID_GEOMETRY, path, f"{self.shape} {message}")


def judge_position(value: list[Any], path: Path, sheet: Sheet) -> bool:
    """Whether an array is a position: two or three finite numbers (DTC-P1-039)."""
    fault = position_fault(value)
    if not sheet.holds("DTC-P1-039", fault is None):
        sheet.blame("DTC-P1-039", Code.INVALID_GEOMETRY, path, f"position {fault}")
        return False
    return True


def all_positions(values: list[Any]) -> bool:
    """Whether every item is a position, quickly; where not, `position_fault` says why of each."""
    if not (_LISTS.issuperset(map(type, values)) and _LENGTHS.issuperset(map(len, values))):
        return False
    numbers = [number for value in values for number in value]
    if not _NUMBERS.issuperset(map(type, numbers)):
        return False
    try:
        # NaN and infinities survive addition; a sum that overflows only costs the closer look.
        return math.isfinite(sum(numbers))
    except OverflowError:
        return False


def position_fault(value: list[Any]) -> str | None:
    """What keeps an array from being a position [longitude, latitude(, altitude)], or None."""
    if not 2 <= len(value) <= 3:
        return f"has {len(value)} elements; it needs two or three"
    if is_number(value[0]) and is_number(value[1]) and (len(value) == 2 or is_number(value[2])):
        return None
    wrong = next(item for item in value if not is_number(item))
    return f"holds {kind(wrong)} {show(wrong)}, not a finite number"


def ring_fault(ring: list[list[float]]) -> str | None:
    """What keeps a list of well-formed positions from being a linear ring (RFC 7946 3.1.6), or None."""
    if len(ring) < 4:
        return f"has {len(ring)} positions; a linear ring needs four or more"
    if ring[0] != ring[-1]:
        return "is open: first and last position differ"
    return None


def judge_ring(ring: list[list[float]], path: Path, sheet: Sheet, *, exterior: bool) -> bool:
    """Whether a ring is closed (DTC-P1-037); its winding is looked at only then (DTC-P1-038)."""
    fault = ring_fault(ring)
    if not sheet.holds("DTC-P1-037", fault is None):
        sheet.blame("DTC-P1-037", Code.INVALID_GEOMETRY, path, f"ring {fault}")
        return False
    judge_winding(ring, path, sheet, exterior=exterior)
    return True


def judge_winding(ring: list[list[float]], path: Path, sheet: Sheet, *, exterior: bool) -> None:
    """Warn of a ring that runs the other way than RFC 7946 wants (C-22); one without area has none."""
    direction = turning(ring)
    if direction == 0:
        return
    wanted = 1 if exterior else -1
    if not sheet.holds("DTC-P1-038", direction == wanted):
        words = "an exterior ring should run counter-clockwise" if exterior else "a hole should run clockwise"
        sheet.blame("DTC-P1-038", Code.INVALID_GEOMETRY, path, f"ring is reversed: {words}")


def _members(collection: dict[str, Any], path: Path, sheet: Sheet) -> list[tuple[dict[str, Any], Path]]:
    members = collection.get("geometries")
    place = (*path, "geometries")
    if not sheet.holds("DTC-P1-036", isinstance(members, list)):
        words = (
            "has no geometries"
            if "geometries" not in collection
            else f"has geometries of type {kind(members)}"
        )
        sheet.blame(
            "DTC-P1-036", Code.INVALID_GEOMETRY, place, f"{COLLECTION} {words}; an array belongs there"
        )
        return []
    found = []
    for index, member in enumerate(members or ()):
        if sheet.holds("DTC-P1-036", isinstance(member, dict)):
            found.append((member, (*place, index)))
        else:
            sheet.blame(
                "DTC-P1-036",
                Code.INVALID_GEOMETRY,
                (*place, index),
                f"{COLLECTION} holds {kind(member)}, no geometry",
            )
    return found


def _blame_type(geometry: dict[str, Any], path: Path, sheet: Sheet) -> None:
    place = (*path, "type")
    if "type" not in geometry:
        sheet.blame("DTC-P1-035", Code.INVALID_GEOMETRY, place, "geometry has no type")
        return
    named = show(geometry["type"])
    sheet.blame("DTC-P1-035", Code.INVALID_GEOMETRY, place, f"{named} is not a GeoJSON geometry type")
