"""Levels of detail beside the footprint: projected as they are, and kept with the object."""

from collections import Counter
from typing import Any

import numpy as np
import orjson

from dtc_cli.migrate import geojson, geometry
from dtc_cli.migrate.crs import Projection
from dtc_cli.migrate.sources.source import Batch

LARGEST = 768 * 1024
"""Bytes that the further levels of one object may take; targets refuse bodies beyond a megabyte."""


def mark(batch: Batch, shown: list[bytes | None]) -> None:
    """Write the level of the main geometry into it, where the source has levels (C-20)."""
    for index, extra in batch.extra.items():
        one = shown[index]
        if "lod" in extra and one is not None and one.startswith(b'{"coordinates"'):
            shown[index] = one.replace(b',"type":', b',"lod":%d,"type":' % int(extra["lod"]))


def place(
    batch: Batch, projection: Projection | None, *, swap_axes: bool, notices: Counter[str]
) -> dict[int, list[dict[str, Any]]]:
    """Index of a record to its further levels (`extra["lods"]`, level to geometry), in degrees and metres.

    One object, several geometries (edge case 11). Walls stand upright and so are no valid areas: these
    shells are not judged, only projected and rounded. What cannot be placed, or makes the object too large
    to be sent, is left out and counted; lower levels come first.
    """
    found = [
        (index, int(level), shape)
        for index, extra in batch.extra.items()
        for level, shape in sorted((extra.get("lods") or {}).items())
    ]
    if not found or projection is None:
        return {}
    shapes = np.empty(len(found), dtype=object)
    shapes[:] = [shape for _, _, shape in found]
    result: dict[int, list[dict[str, Any]]] = {}
    room: dict[int, int] = {}
    placed = geometry.shells(shapes, projection, swap_axes=swap_axes)
    for (index, level, _), shape in zip(found, placed, strict=True):
        if shape is None:
            notices[f"level {level} could not be placed"] += 1
            continue
        value = {**geojson.value_of(shape), "lod": level}
        room[index] = room.get(index, LARGEST) - len(orjson.dumps(value))
        if room[index] < 0:
            notices[f"level {level} left out: the object would be too large"] += 1
            continue
        result.setdefault(index, []).append(value)
    return result
