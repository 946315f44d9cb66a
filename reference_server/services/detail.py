"""Less of an object: chosen members, and a geometry of a lower level of detail (F-051)."""

import math
from typing import Any

from reference_server.geometry import EARTH_RADIUS_M, Box, box_of

STEPS_KM2 = ((100.0, 0), (10.0, 1), (1.0, 2))
"""Above so many square kilometres that level is enough."""
FULL = 3


def level_for(box: Box | None, system: str) -> int:
    """The level of detail that suits an area: 0 above 100 km2, 1 above 10, 2 above 1, else 3."""
    if box is None:
        return FULL
    width, height = box[2] - box[0], box[3] - box[1]
    if system == "WGS84":
        height = math.radians(height) * EARTH_RADIUS_M
        width = math.radians(width) * EARTH_RADIUS_M * math.cos(math.radians((box[1] + box[3]) / 2))
    area = width * height / 1e6
    return next((level for least, level in STEPS_KM2 if area > least), FULL)


def reduced(geometry: dict[str, Any], level: int) -> dict[str, Any]:
    """A geometry at a level of detail; one that is stored at that level or below stays as it is.

    0 is the middle of its box, 1 its box (of a line: from its first position to its last), 2 is it without
    altitudes, 3 and 4 are it as stored.
    """
    stored = geometry.get("lod")
    box = box_of(geometry)
    if level >= FULL or box is None or (isinstance(stored, int | float) and stored <= level):
        return geometry
    kind = geometry["type"]
    if level == 0:
        middle = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]
        return {"type": "Point", "coordinates": middle, "lod": 0}
    if level == 1 and kind == "LineString":
        ends = [geometry["coordinates"][0][:2], geometry["coordinates"][-1][:2]]
        return {"type": kind, "coordinates": ends, "lod": 1}
    if level == 1 and kind not in ("Point", "MultiPoint", "MultiLineString"):
        x0, y0, x1, y1 = box
        ring = [[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]
        return {"type": "Polygon", "coordinates": [ring], "lod": 1}
    return {**flat(geometry), "lod": level}


def flat(geometry: dict[str, Any]) -> dict[str, Any]:
    """A geometry without altitudes."""
    if geometry["type"] == "GeometryCollection":
        return {**geometry, "geometries": [flat(part) for part in geometry["geometries"]]}
    return {**geometry, "coordinates": _flat(geometry["coordinates"])}


def _flat(value: Any) -> Any:
    return [_flat(part) for part in value] if value and isinstance(value[0], list) else value[:2]


def chosen(item: dict[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    """The members of an object that are asked for by dotted names, and its id; absent ones are left out."""
    result: dict[str, Any] = {"id": item["id"]}
    for name in fields:
        parts = name.split(".")
        source: Any = item
        for part in parts:
            source = source.get(part, _NOTHING) if isinstance(source, dict) else _NOTHING
        if source is _NOTHING:
            continue
        target = result
        for part in parts[:-1]:
            below = target.setdefault(part, {})
            target = below if isinstance(below, dict) else {}
        if not (isinstance(target.get(parts[-1]), dict) and isinstance(source, dict)):
            target[parts[-1]] = source
        else:
            target[parts[-1]] = {**target[parts[-1]], **source}
    return result


_NOTHING = object()
