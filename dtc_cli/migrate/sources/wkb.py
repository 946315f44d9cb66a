"""WKB from GDAL into shapely: what GEOS does not know is rewritten, what is broken stays apart."""

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely

_CURVED = frozenset((8, 9, 10, 11, 12, 13, 14))
_SURFACES = {15: 6, 16: 6, 17: 3}
"""PolyhedralSurface and TIN are laid out as MultiPolygon, a Triangle as Polygon."""


def is_curved(raw: bytes | None) -> bool:
    """Whether the geometry is made of arcs."""
    return raw is not None and len(raw) >= 5 and _kind(raw, 0) % 1000 in _CURVED


def any_curved(raw: Sequence[bytes | None]) -> bool:
    """Whether one of many is made of arcs; they share a handful of type codes."""
    return any(is_curved(head) for head in {one[:5] for one in raw if one is not None})


def parse(raw: Sequence[bytes | None]) -> tuple[Any, dict[int, tuple[str, str]], dict[int, bytes]]:
    """Geometries, what could not be parsed as (code, sentence), and the bytes of those.

    Broken rings stay broken here: they are found by validity, not dropped by the parser.
    """
    array = np.empty(len(raw), dtype=object)
    array[:] = raw
    try:
        shapes = shapely.from_wkb(array, on_invalid="raise")
    except (shapely.errors.ShapelyError, struct.error):
        return _one_by_one(raw)
    return _without_m(shapes), {}, {}


def _one_by_one(raw: Sequence[bytes | None]) -> tuple[Any, dict[int, tuple[str, str]], dict[int, bytes]]:
    shapes = np.empty(len(raw), dtype=object)
    problems, kept = {}, {}
    for index, one in enumerate(raw):
        if one is None:
            continue
        try:
            shapes[index] = shapely.from_wkb(_surfaces_as_polygons(bytes(one)))
        except (shapely.errors.ShapelyError, struct.error, IndexError) as problem:
            problems[index] = ("unparseable-geometry", str(problem)[:200])
            kept[index] = bytes(one)
    return _without_m(shapes), problems, kept


def _without_m(shapes: Any) -> Any:
    """M is no height: it is dropped, never written as a third ordinate (edge case 8)."""
    for index in np.flatnonzero(shapely.has_m(shapes)):
        flat = shapely.force_2d(shapes[index])
        if shapely.has_z(shapes[index]):
            points = shapely.get_coordinates(shapes[index], include_z=True)
            flat = shapely.set_coordinates(shapely.force_3d(flat), points)
        shapes[index] = flat
    return shapes


def _kind(raw: bytes, offset: int) -> int:
    code: int = struct.unpack_from("<I" if raw[offset] == 1 else ">I", raw, offset + 1)[0]
    return code & 0x0FFFFFFF


def _surfaces_as_polygons(raw: bytes) -> bytes:
    """The same bytes with the type codes of surfaces replaced by those of polygons, at every level."""
    changed = bytearray(raw)
    _rewrite(changed, 0)
    return bytes(changed)


def _rewrite(raw: bytearray, offset: int) -> int:
    """Rewrite the geometry at an offset; returns where it ends."""
    order = "<" if raw[offset] == 1 else ">"
    full: int = struct.unpack_from(order + "I", raw, offset + 1)[0]
    flags, code = full & 0xF0000000, full & 0x0FFFFFFF
    thousands, kind = code // 1000, code % 1000
    size = (
        2
        + (thousands in (1, 3))
        + (thousands in (2, 3))
        + bool(flags & 0x80000000)
        + bool(flags & 0x40000000)
    )
    if kind in _SURFACES:
        struct.pack_into(order + "I", raw, offset + 1, flags | (thousands * 1000 + _SURFACES[kind]))
        kind = _SURFACES[kind]
    offset += 5 + (4 if flags & 0x20000000 else 0)
    if kind == 1:
        return offset + 8 * size
    count: int = struct.unpack_from(order + "I", raw, offset)[0]
    offset += 4
    if kind == 2:
        return offset + 8 * size * count
    if kind == 3:
        for _ in range(count):
            points: int = struct.unpack_from(order + "I", raw, offset)[0]
            offset += 4 + 8 * size * points
        return offset
    for _ in range(count):
        offset = _rewrite(raw, offset)
    return offset
