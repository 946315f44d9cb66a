"""City objects that are sound at first sight, and their boxes.

Nearly every row of an import is. A compiled decoder looks at members, types and nesting, then the positions
are compared with the city all at once. What they do not accept is judged by the rules proper
(`services.objects`), which also say what is wrong: this may pass over what is sound, but never accepts what
is not.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from reference_server import instants
from reference_server.geometry import Box
from reference_server.rules.shapes import UTM_EASTING_M, UTM_NORTHING_M
from reference_server.services.cities import City

Position = Annotated[list[float], Meta(min_length=2, max_length=3)]
Line = Annotated[list[Position], Meta(min_length=2)]
Ring = Annotated[list[Position], Meta(min_length=4)]
Rings = Annotated[list[Ring], Meta(min_length=1)]
Level = Literal[0, 1, 2, 3, 4] | UnsetType
Text = Annotated[str, Meta(min_length=1)]
RANGES: Mapping[str, Box] = {
    "WGS84": (-180, -90, 180, 90),
    "UTM": (UTM_EASTING_M[0], UTM_NORTHING_M[0], UTM_EASTING_M[1], UTM_NORTHING_M[1]),
}
"""Least and greatest coordinates of a system (P1 7.1 VAL-002); a local one has none."""


class _Point(msgspec.Struct, tag_field="type", tag="Point"):
    coordinates: Position
    lod: Level = UNSET


class _MultiPoint(msgspec.Struct, tag_field="type", tag="MultiPoint"):
    coordinates: list[Position]
    lod: Level = UNSET


class _LineString(msgspec.Struct, tag_field="type", tag="LineString"):
    coordinates: Line
    lod: Level = UNSET


class _MultiLineString(msgspec.Struct, tag_field="type", tag="MultiLineString"):
    coordinates: list[Line]
    lod: Level = UNSET


class _Polygon(msgspec.Struct, tag_field="type", tag="Polygon"):
    coordinates: Rings
    lod: Level = UNSET


class _MultiPolygon(msgspec.Struct, tag_field="type", tag="MultiPolygon"):
    coordinates: list[Rings]
    lod: Level = UNSET


class _Metadata(msgspec.Struct):
    created: str | UnsetType = UNSET
    lastUpdated: str | UnsetType = UNSET  # noqa: N815 - the standard's name


class _Object(msgspec.Struct):
    id: Text
    type: Text
    geometry: _Point | _MultiPoint | _LineString | _MultiLineString | _Polygon | _MultiPolygon
    properties: dict[str, Any]
    sensors: list[str] | UnsetType = UNSET
    metadata: _Metadata | UnsetType = UNSET


def box_of(city: City, item: Mapping[str, Any]) -> Box | None:
    """The box round an object that certainly keeps the rules for objects; None for any other."""
    try:
        known = msgspec.convert(item, _Object)
    except msgspec.ValidationError:
        return None
    if isinstance(known.metadata, _Metadata):
        for instant in (known.metadata.created, known.metadata.lastUpdated):
            if instant is not UNSET and instants.parse(instant) is None:
                return None
    geometry = item["geometry"]
    kind, coordinates = geometry["type"], geometry["coordinates"]
    if kind in _RINGS and not all(ring[0] == ring[-1] for ring in _RINGS[kind](coordinates)):
        return None
    points = list(_POINTS[kind](coordinates))
    if not points:
        return None
    xs, ys = [point[0] for point in points], [point[1] for point in points]
    box = min(xs), min(ys), max(xs), max(ys)
    if not (city.system not in RANGES or _within(box, RANGES[city.system])):
        return None
    inside = _within(box, city.bounds.box) and (city.bounds.rectangle or all(map(city.bounds.hold, points)))
    return box if inside else None


def _within(box: Box, outer: Box) -> bool:
    return outer[0] <= box[0] and outer[1] <= box[1] and box[2] <= outer[2] and box[3] <= outer[3]


Parts = Callable[[Any], Iterable[Any]]
_flat: Parts = chain.from_iterable
_RINGS: Mapping[str, Parts] = {"Polygon": iter, "MultiPolygon": _flat}
_POINTS: Mapping[str, Parts] = {
    "Point": lambda position: (position,),
    "MultiPoint": iter,
    "LineString": iter,
    "MultiLineString": _flat,
    "Polygon": _flat,
    "MultiPolygon": lambda polygons: _flat(_flat(polygons)),
}
"""The rings and the positions of a geometry."""
