"""Surfaces of many objects at once: what `solids` does for one, in arrays, for the usual form of CityGML.

The usual form is: polygons of closed `posList` rings with three numbers a position, and references within
the object. An object with anything else is left to `solids`; both give the same.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import shapely

from dtc_cli.migrate.sources.citygml_rows import local
from dtc_cli.migrate.sources.solids import GROUND, HREF, STEEP, upright

_USUAL = ("{*}Polygon", "{*}posList", "{*}surfaceMember", "{*}baseSurface")
_ODD = (
    "{*}pos", "{*}coordinates", "{*}Triangle", "{*}PolygonPatch", "{*}Rectangle", "{*}LineString", "{*}Point",
    "{*}LineStringSegment", "{*}Ring", "{*}ImplicitGeometry",
)  # fmt: skip
_IDS = ("{http://www.opengis.net/gml}id", "{http://www.opengis.net/gml/3.2}id")
Property = tuple[int, str | None, Any]
"""Level, class of the thematic surface, element of a `lodN...` property."""
Result = tuple[Any, dict[int, Any], tuple[float | None, float | None]]
"""Footprint, level to shell, lowest and highest z."""


class Shells:
    """Collects the properties of objects and makes their geometries together."""

    def __init__(self, swap: bool) -> None:
        self._swap = swap
        self._texts: list[str] = []
        self._ring_polygon: list[int] = []
        self._polygons = 0
        self._ground: set[int] = set()
        self._objects: list[tuple[int, int, dict[int, list[int]]] | None] = []

    def add(self, properties: Sequence[Property]) -> None:
        """Take one object; its result has the same place as the object."""
        marks = len(self._texts), self._polygons
        levels = self._collect(properties)
        if not levels:
            del self._texts[marks[0] :], self._ring_polygon[marks[0] :]
            self._polygons = marks[1]
            self._ground = {one for one in self._ground if one < marks[1]}
            self._objects.append(None)
            return
        self._objects.append((marks[0], len(self._texts), levels))

    def _collect(  # noqa: PLR0912 - one walk, one arm per element
        self, properties: Sequence[Property]
    ) -> dict[int, list[int]] | None:
        levels: dict[int, list[int]] = {}
        keys: dict[str, int] = {}
        links: list[tuple[int, str]] = []
        texts, owners, ground = self._texts, self._ring_polygon, self._ground
        for level, kind, element in properties:
            if next(element.iter(*_ODD), None) is not None:
                return None
            mine = levels.setdefault(level, [])
            below, bottom = -1, kind in GROUND
            for one in element.iter(*_USUAL):
                name = local(one.tag)
                if name == "posList":
                    if below < 0 or not one.text:
                        return None
                    texts.append(one.text)
                    owners.append(below)
                elif name == "Polygon":
                    below = self._polygons
                    self._polygons += 1
                    mine.append(below)
                    if bottom:
                        ground.add(below)
                    key = one.get(_IDS[0]) or one.get(_IDS[1])
                    if key:
                        if key in keys:
                            return None
                        keys[key] = below
                else:
                    href = one.get(HREF)
                    if href:
                        links.append((level, href.lstrip("#")))
        for level, key in links:
            if key not in keys:
                return None
            if keys[key] not in levels[level]:
                levels[level].append(keys[key])
        return {level: members for level, members in levels.items() if members}

    def results(self) -> Iterator[Result | None]:
        """The geometries in the order of the objects; None for one that is not of the usual form."""
        if not self._texts:
            yield from [None] * len(self._objects)
            return
        numbers, starts, ends = self._numbers()
        sound = self._sound(numbers, starts, ends)
        good = [
            one is not None and one[1] > one[0] and bool(sound[one[0] : one[1]].all())
            for one in self._objects
        ]
        kept = np.zeros(len(starts), dtype=bool)
        for one, fine in zip(self._objects, good, strict=True):
            if one is not None and fine:
                kept[one[0] : one[1]] = True
        if not kept.any():
            yield from [None] * len(good)
            return
        polygons, low, high, number = self._make(numbers, starts[kept], ends[kept], kept)
        slots = [
            (place, level, [int(number[one]) for one in members])
            for place, item in enumerate(self._objects)
            if item is not None and good[place]
            for level, members in sorted(item[2].items())
        ]
        sizes = np.array([len(members) for _, _, members in slots])
        flat = np.array([one for _, _, members in slots for one in members])
        shells = shapely.multipolygons(polygons[flat], indices=np.repeat(np.arange(len(slots)), sizes))
        first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        lowest, highest = np.minimum.reduceat(low[flat], first), np.maximum.reduceat(high[flat], first)
        levels: dict[int, dict[int, Any]] = {}
        heights: dict[int, tuple[float | None, float | None]] = {}
        chosen: dict[int, list[int]] = {}
        floored: set[int] = set()
        back = np.flatnonzero(number >= 0)
        for at, (place, level, members) in enumerate(slots):
            levels.setdefault(place, {})[level] = shells[at]
            if level >= 1:
                heights[place] = (round(float(lowest[at]), 3), round(float(highest[at]), 3))
            floor = [one for one in members if int(back[one]) in self._ground]
            if floor and place not in floored:
                chosen[place] = floor
                floored.add(place)
            elif place not in chosen:
                chosen[place] = members
        feet = _footprints(polygons, chosen)
        for place, fine in enumerate(good):
            if fine:
                yield feet[place], levels[place], heights.get(place, (None, None))
            else:
                yield None

    def _numbers(self) -> tuple[Any, Any, Any]:
        """All numbers, and where each ring begins and ends; a ring that cannot be read is empty."""
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)
            try:
                parsed = np.fromstring(" nan ".join(self._texts), sep=" ")
                breaks = np.flatnonzero(np.isnan(parsed))
            except (DeprecationWarning, ValueError):
                breaks = np.empty(0, dtype=np.int64)
        if len(breaks) == len(self._texts) - 1:
            return (
                parsed,
                np.concatenate([[0], breaks + 1]).astype(int),
                np.append(breaks, len(parsed)).astype(int),
            )
        parts = []
        for text in self._texts:
            try:
                parts.append([float(one) for one in text.split()])
            except ValueError:
                parts.append([])
        sizes = np.array([len(one) for one in parts], dtype=np.int64)
        ends = np.cumsum(sizes)
        return np.array([number for part in parts for number in part]), ends - sizes, ends

    def _sound(self, numbers: Any, starts: Any, ends: Any) -> Any:
        """Which rings are closed, finite, and have at least three corners."""
        sizes = ends - starts
        sound = (sizes >= 12) & (sizes % 3 == 0)
        for axis in range(3):
            a, b = starts[sound] + axis, ends[sound] - 3 + axis
            sound[np.flatnonzero(sound)[numbers[a] != numbers[b]]] = False
        return sound

    def _make(self, numbers: Any, starts: Any, ends: Any, kept: Any) -> tuple[Any, Any, Any, Any]:
        """Polygons of the rings kept, their lowest and highest z, and their new numbers (-1: left out)."""
        sizes = ends - starts
        index = np.repeat(starts - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes) + np.arange(
            sizes.sum()
        )
        points = numbers[index].reshape(-1, 3)
        if self._swap:
            points = points[:, [1, 0, 2]]
        counts = sizes // 3
        rings = shapely.linearrings(points, indices=np.repeat(np.arange(len(counts)), counts))
        owner = np.array(self._ring_polygon)[kept]
        number = np.full(self._polygons, -1)
        distinct, dense = np.unique(owner, return_inverse=True)
        number[distinct] = np.arange(len(distinct))
        polygons = shapely.polygons(rings, indices=dense)
        first = np.concatenate([[0], np.cumsum(counts)[:-1]])
        opening = np.flatnonzero(np.diff(dense, prepend=-1))
        low = np.minimum.reduceat(np.minimum.reduceat(points[:, 2], first), opening)
        high = np.maximum.reduceat(np.maximum.reduceat(points[:, 2], first), opening)
        return polygons, low, high, number


def _footprints(polygons: Any, chosen: dict[int, list[int]]) -> dict[int, Any]:
    """For each object the union of its chosen polygons that are no walls, seen from above."""
    places = np.repeat(np.array(list(chosen)), [len(one) for one in chosen.values()])
    flat = shapely.force_2d(polygons[[one for members in chosen.values() for one in members]])
    bounds = shapely.bounds(flat)
    extent = np.maximum(bounds[:, 2] - bounds[:, 0], bounds[:, 3] - bounds[:, 1])
    lying = shapely.area(flat) > STEEP * extent**2
    bad = lying & ~shapely.is_valid(flat)
    alone = {place for place, members in chosen.items() if len(members) == 1}
    bad &= ~np.isin(places, list(alone))
    if bad.any():
        flat[bad] = shapely.make_valid(flat[bad], method="structure", keep_collapsed=False)
    feet: dict[int, Any] = {}
    pairs: list[tuple[int, int, int]] = []
    begin = 0
    for place, members in chosen.items():
        span = range(begin, begin + len(members))
        begin += len(members)
        flats = [one for one in span if lying[one]]
        if len(members) == 1:
            feet[place] = flat[span[0]] if lying[span[0]] else upright(flat[span[0] : span[0] + 1])
        elif not flats:
            feet[place] = upright(flat[list(span)])
        elif len(flats) == 1:
            feet[place] = flat[flats[0]]
        elif len(flats) == 2:
            pairs.append((place, flats[0], flats[1]))
        else:
            feet[place] = shapely.union_all(flat[flats])
    if pairs:
        joined = shapely.union(flat[[one for _, one, _ in pairs]], flat[[one for _, _, one in pairs]])
        feet.update((place, shape) for (place, _, _), shape in zip(pairs, joined, strict=True))
    return feet
