"""Geometries as GeoJSON text: whole coordinate arrays are encoded at once and cut apart at known marks."""

from typing import Any

import numpy as np
import orjson
import shapely

from dtc_cli.migrate.geometry import TYPE_NAMES

_NUMPY = orjson.OPT_SERIALIZE_NUMPY
LEAST_TOGETHER = 4
"""Shapes of one form for which the way by arrays pays."""
POINT, LINE, POLYGON, COLLECTION = 0, 1, 3, 7


def encoded(shapes: Any) -> list[bytes | None]:
    """The geometries of an array as JSON with sorted members; None where there is none.

    Shapes of one type and one number of positions (most buildings have five to nine) go together.
    """
    result: list[bytes | None] = [None] * len(shapes)
    kinds = shapely.get_type_id(shapes)
    flat = ~shapely.has_z(shapes)
    alike = {
        POINT: kinds == POINT,
        LINE: kinds == LINE,
        POLYGON: (kinds == POLYGON) & (shapely.get_num_interior_rings(shapes) == 0),
    }
    sizes = shapely.get_num_coordinates(shapes)
    done = np.zeros(len(shapes), dtype=bool)
    for kind, chosen in alike.items():
        for height in (False, True):
            group = np.flatnonzero(chosen & (flat != height))
            for size in np.unique(sizes[group]).tolist():
                same = group[sizes[group] == size]
                if len(same) >= LEAST_TOGETHER and size:
                    _together(result, shapes[same], same, kind, size, height=height)
                    done[same] = True
    for index in np.flatnonzero(~done & (kinds >= 0)).tolist():
        result[index] = orjson.dumps(value_of(shapes[index]))
    return result


def _together(
    result: list[bytes | None], shapes: Any, places: Any, kind: int, size: int, *, height: bool
) -> None:
    points = shapely.get_coordinates(shapes, include_z=height)
    if kind == POINT:
        mark, array = b"],[", points
    else:
        mark, array = b"]],[[", points.reshape(len(shapes), size, -1)
    text = orjson.dumps(np.ascontiguousarray(array), option=_NUMPY)
    # [[[x,y],...],[[x,y],...]] without the outer brackets and those of the first and the last shape
    inner = len(mark) // 2
    parts = text[1 + inner : -1 - inner].split(mark)
    opening, closing = b"[" * inner, b"]" * inner
    if kind == POLYGON:
        opening, closing = b"[" + opening, closing + b"]"
    head = b'{"coordinates":' + opening
    tail = closing + b',"type":"' + TYPE_NAMES[kind].encode() + b'"}'
    for place, part in zip(places.tolist(), parts, strict=True):
        result[place] = head + part + tail


def value_of(shape: Any) -> dict[str, Any]:
    """One geometry as a value, members sorted by name."""
    kind = int(shapely.get_type_id(shape))
    if kind == COLLECTION:
        return {"geometries": [value_of(part) for part in shapely.get_parts(shape)], "type": TYPE_NAMES[kind]}
    return {"coordinates": _positions(shape, kind), "type": TYPE_NAMES[1 if kind == 2 else kind]}


def _positions(shape: Any, kind: int) -> Any:
    if kind == POLYGON:
        return [_positions(ring, LINE) for ring in shapely.get_rings(shape)]
    if kind > POLYGON:
        return [_positions(part, kind - 4 + (kind == 6)) for part in shapely.get_parts(shape)]
    points = shapely.get_coordinates(shape, include_z=bool(shapely.has_z(shape))).tolist()
    return points[0] if kind == POINT else points
