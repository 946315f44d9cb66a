"""Surfaces of an object by level of detail: from GML rings to a footprint and shells with heights."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import shapely

HREF = "{http://www.w3.org/1999/xlink}href"
GROUND = ("GroundSurface", "FootPrint", "OuterFloorSurface")
STEEP = 1e-3
"""A surface whose plan covers less of the square of its extent is a wall (a share, without unit)."""
UPRIGHT = 1e-9
"""The same for one that has no area at all, seen from above."""
Ring = list[float]
Rings = list[tuple[Ring, int]]
"""The rings of one surface, exterior first, each with the numbers of a position."""
DEEPEST = 4
"""References to references; more is a circle."""
POLYGONS = ("{*}Polygon", "{*}PolygonPatch", "{*}Triangle", "{*}Rectangle")

COMPOSED = (*POLYGONS, "{*}CompositeSurface", "{*}OrientableSurface", "{*}MultiSurface", "{*}Surface")
DRAWN = ("{*}relativeGMLGeometry", "{*}relativeGeometry")
"""The members of an implicit geometry that hold its template, or name it."""
TEMPLATES = (
    *COMPOSED, "{*}Solid", "{*}CompositeSolid", "{*}MultiSolid", "{*}MultiGeometry", "{*}TriangulatedSurface",
)  # fmt: skip
"""What a reference may name."""


class Surfaces:
    """Collects the surfaces of one object.

    Args:
        swap: whether positions come north first.
        shared: gives surfaces that other objects own, by id; asked when one is met.
        whole: the element of the object, to look shared surfaces up in.
    """

    def __init__(
        self, swap: bool, shared: Callable[[], Mapping[str, list[Rings]]], whole: Any = None
    ) -> None:
        self._swap, self._shared, self._whole = swap, shared, whole
        self._ids: dict[str, Any] | None = None
        self._levels: dict[int, dict[str, tuple[str | None, Rings]]] = {}
        self._lines: dict[int, list[Any]] = {}
        self._points: list[Any] = []
        self._wanted: dict[int, set[str]] = {}
        self._known: dict[str, tuple[str | None, Rings]] = {}
        self._count = 0
        self.missing = 0
        """References to surfaces that are nowhere in the file."""
        self.libraries: list[str] = []
        """Files that templates are drawn in; they are not read."""
        self.dropped = 0
        """Surfaces of fewer than three different corners."""
        self.heights: tuple[float | None, float | None] = (None, None)

    def is_empty(self) -> bool:
        """Whether nothing was collected."""
        return not (self._levels or self._lines or self._points or self._wanted)

    def take(self, level: int, kind: str | None, element: Any) -> None:
        """Take what stands under a `lodN...` property.

        Args:
            level: level of detail.
            kind: class of the thematic surface, None for the shell of the object.
            element: the property element.
        """
        found = False
        for one in element.iter("{*}ImplicitGeometry"):
            found = True
            self._place(level, kind, one)
        if found:
            return
        for one in element.iter(*POLYGONS):
            found = True
            key = _id(one)
            if not key:
                self._count += 1
                key = f"\x00{self._count}"
            mine = self._levels.setdefault(level, {})
            if key not in mine or mine[key][0] is None:
                mine[key] = self._known[key] = (kind, self.rings(one))
        for one in element.iter("{*}surfaceMember", "{*}baseSurface", "{*}pointMember"):
            href = one.get(HREF)
            if href:
                found = True
                self._wanted.setdefault(level, set()).add(href.lstrip("#"))
        if found:
            return
        for one in element.iter("{*}LineString", "{*}LineStringSegment"):
            numbers, size = positions(one)
            if len(numbers) >= 2 * size:
                self._lines.setdefault(level, []).append(self._turned(np.array(numbers).reshape(-1, size)))
        for one in element.iter("{*}Point"):
            numbers, size = positions(one)
            if len(numbers) >= size:
                self._points.append(self._turned(np.array(numbers[:size]).reshape(1, size))[0])

    def _place(self, level: int, kind: str | None, implicit: Any) -> None:
        """A template drawn at its reference point (CityGML 2.0, 8.2); else the point alone."""
        anchor = next((one for one in implicit.iter("{*}referencePoint")), None)
        if anchor is None:
            return
        numbers, size = positions(anchor)
        origin = np.array([*numbers[:3], 0.0][:3])
        matrix = np.eye(4)
        told = implicit.findtext("{*}transformationMatrix")
        if told and len(told.split()) == 16:
            matrix = np.array(told.split(), dtype=float).reshape(4, 4)
        metric = bool(np.abs(origin[:2]).max() > 360)  # a template is in metres, and does not go with degrees
        drawn = 0
        for rings in self._template(implicit) if metric else ():
            placed: Rings = []
            for ring, width in rings:
                local = np.array(ring).reshape(-1, width)
                whole = np.column_stack([local[:, :2], local[:, 2] if width == 3 else np.zeros(len(local))])
                moved = whole @ matrix[:3, :3].T + matrix[:3, 3]
                if self._swap:
                    moved[:, [0, 1]] = moved[:, [1, 0]]
                placed.append(((moved + origin).ravel().tolist(), 3))
            self.put(level, kind, placed)
            drawn += 1
        if not drawn and len(numbers) >= size:
            self._points.append(self._turned(np.array(numbers[:size]).reshape(1, size))[0])

    def _template(self, implicit: Any) -> list[Rings]:
        """The surfaces of a template: its own, or those that another object draws; a library is named."""
        library = implicit.findtext("{*}libraryObject")
        if library and library.strip():
            self.libraries.append(library.strip())
        found = [self.rings(polygon) for polygon in implicit.iter(*POLYGONS)]
        for one in implicit.iter(*DRAWN):
            href = one.get(HREF)
            if href:
                drawn = self._shared().get(href.lstrip("#")) or []
                self.missing += not drawn
                found += drawn
        return found

    def put(self, level: int, kind: str | None, rings: Rings) -> None:
        """Take one surface that is known by its rings."""
        self._count += 1
        self._levels.setdefault(level, {})[f"\x00{self._count}"] = (kind, rings)

    def put_line(self, level: int, points: Any) -> None:
        """Take one line."""
        if len(points) >= 2:
            self._lines.setdefault(level, []).append(self._turned(points.copy()))

    def put_point(self, point: Any) -> None:
        """Take one point."""
        self._points.append(self._turned(point.reshape(1, -1).copy())[0])

    @staticmethod
    def rings(polygon: Any) -> Rings:
        """The rings of a polygon, exterior first, as (numbers, numbers per position).

        Raises:
            ValueError: for a ring that is no list of positions.
        """
        return [positions(ring) for ring in polygon.iter("{*}LinearRing", "{*}Ring")]

    def shapes(self) -> tuple[Any, dict[int, Any]]:
        """The geometry of the object and its levels with heights.

        The geometry is the footprint: ground surfaces where there are some, else the union of all that is
        no wall, seen from above. Lines and points stand where there are no surfaces.
        """
        for level, keys in self._wanted.items():
            mine = self._levels.setdefault(level, {})
            for key in keys - set(mine):
                if key in self._known:
                    mine[key] = self._known[key]
                else:
                    found = self._looked_up(key, 0) or self._shared().get(key) or []
                    self.missing += not found
                    for place, rings in enumerate(found):
                        mine[f"{key}\x00{place}"] = (None, rings)
        made = {level: self._polygons(found) for level, found in sorted(self._levels.items()) if found}
        made = {level: one for level, one in made.items() if len(one[0])}
        tall = {level: shapely.multipolygons(polygons) for level, (polygons, _) in made.items()}
        tall = {level: one for level, one in tall.items() if shapely.has_z(one)}
        self._measure(tall)
        if made:
            return self._footprint(made), tall
        if self._lines:
            lines = [shapely.LineString(one) for one in self._lines[min(self._lines)]]
            return (lines[0] if len(lines) == 1 else shapely.multilinestrings(lines)), {}
        if self._points:
            return shapely.Point(self._points[0]), {}
        return None, {}

    def _looked_up(self, key: str, depth: int) -> list[Rings]:
        """Surfaces of the object that no level names itself: those of openings, and composed ones."""
        if self._whole is None or depth > DEEPEST:
            return []
        if self._ids is None:
            self._ids = {name: one for one in self._whole.iter(*COMPOSED) if (name := _id(one))}
        element = self._ids.get(key)
        if element is None:
            return []
        found = [self.rings(one) for one in element.iter(*POLYGONS)]
        for one in element.iter("{*}surfaceMember", "{*}baseSurface"):
            href = one.get(HREF)
            if href:
                found += self._looked_up(href.lstrip("#"), depth + 1)
        return found

    def _measure(self, tall: Mapping[int, Any]) -> None:
        levels = [level for level in tall if level >= 1]
        if levels:
            z = shapely.get_coordinates(tall[max(levels)], include_z=True)[:, 2]
            self.heights = (round(float(z.min()), 3), round(float(z.max()), 3))

    def _footprint(self, made: Mapping[int, tuple[Any, list[str | None]]]) -> Any:
        chosen = None
        for level in sorted(made):
            polygons, kinds = made[level]
            ground = np.array([kind in GROUND for kind in kinds])
            if ground.any():
                chosen = polygons[ground]
                break
        if chosen is None:
            chosen = made[min(made)][0]
        flat = shapely.force_2d(chosen)
        if len(flat) == 1:
            return upright(flat)
        bounds = shapely.bounds(flat)
        extent = np.maximum(bounds[:, 2] - bounds[:, 0], bounds[:, 3] - bounds[:, 1])
        lying = flat[shapely.area(flat) > STEEP * extent**2]
        if not len(lying):
            return upright(flat)
        valid = shapely.is_valid(lying)
        if not valid.all():
            lying[~valid] = shapely.make_valid(lying[~valid], method="structure", keep_collapsed=False)
        return shapely.union_all(lying)

    def _polygons(self, found: Mapping[str, tuple[str | None, Rings]]) -> tuple[Any, list[str | None]]:
        numbers: list[float] = []
        ring_of: list[int] = []
        polygon_of: list[int] = []
        kinds: list[str | None] = []
        width = min((size for _, rings in found.values() for _, size in rings), default=3)
        for kind, rings in found.values():
            usable = list(_usable(rings, width))
            if not usable:
                self.dropped += 1
                continue
            for ring in usable:
                ring_of += [len(polygon_of)] * (len(ring) // width)
                polygon_of.append(len(kinds))
                numbers += ring
            kinds.append(kind)
        if not kinds:
            return np.empty(0, dtype=object), []
        points = self._turned(np.array(numbers).reshape(-1, width))
        rings_made = shapely.linearrings(points, indices=np.array(ring_of))
        return shapely.polygons(rings_made, indices=np.array(polygon_of)), kinds

    def _turned(self, points: Any) -> Any:
        if self._swap:
            points[:, [0, 1]] = points[:, [1, 0]]
        return points


def upright(flat: Any) -> Any:
    """Surfaces of which none lies, seen from above: walls that stand exactly upright are lines."""
    bounds = shapely.bounds(flat)
    extent = np.maximum(bounds[:, 2] - bounds[:, 0], bounds[:, 3] - bounds[:, 1])
    if (shapely.area(flat) <= UPRIGHT * extent**2).all() and (extent > 0).all():
        return shapely.line_merge(shapely.union_all(shapely.boundary(flat)))
    return flat[0] if len(flat) == 1 else shapely.multipolygons(flat)


def _usable(rings: Rings, width: int) -> Iterator[Ring]:
    """Closed rings of at least three corners; without its exterior, a surface has none."""
    for place, (numbers, size) in enumerate(rings):
        ring = numbers
        if size != width:
            ring = [number for at, number in enumerate(numbers) if at % size < width]
        if ring[:width] != ring[-width:]:
            ring = ring + ring[:width]
        if len(ring) < 4 * width:
            if place == 0:
                return
            continue
        yield ring


def positions(element: Any) -> tuple[Ring, int]:
    """The numbers of a `posList`, of `pos` elements or of `coordinates`, and how many make a position.

    Raises:
        ValueError: where they are no numbers, or do not come out even.
    """
    numbers: list[float] = []
    size = 0
    for one in element.iter("{*}posList", "{*}pos", "{*}coordinates"):
        text = one.text or ""
        if "," in text:
            groups = text.split()
            given = [float(number) for group in groups for number in group.split(",") if number]
            size = size or (len(given) // len(groups) if groups else 3)
        else:
            given = list(map(float, text.split()))
            stated = one.get("srsDimension")
            if stated is not None:
                size = int(stated)
            elif not size and one.tag.endswith("}pos"):
                size = len(given)
        numbers += given
    if not size:
        size = _stated(element) or (3 if len(numbers) % 3 == 0 else 2)
    if size < 2 or len(numbers) % size:
        raise ValueError(f"{len(numbers)} numbers make no positions of {size}")
    if size > 3:
        numbers, size = [number for at, number in enumerate(numbers) if at % size < 3], 3
    return numbers, size


def _stated(element: Any) -> int | None:
    while element is not None:
        value = element.get("srsDimension")
        if value and value.isdigit():
            return int(value)
        element = element.getparent()
    return None


def _id(element: Any) -> str | None:
    return (
        element.get("{http://www.opengis.net/gml}id")
        or element.get("{http://www.opengis.net/gml/3.2}id")
        or None
    )
