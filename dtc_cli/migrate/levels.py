"""Levels of detail beside the footprint: projected as they are, and kept with the object."""

from typing import Any

import numpy as np
import shapely

from dtc_cli.migrate import geometry
from dtc_cli.migrate.crs import Projection
from dtc_cli.migrate.sources.source import Batch


def place(batch: Batch, projection: Projection | None, *, swap_axes: bool) -> None:
    """Turn `extra["lods"]` of a batch (level to geometry) into `properties.lods`, in degrees and metres.

    Walls stand upright and so are no valid areas: these shells are not judged, only projected and rounded.
    """
    found = [
        (index, level, shape)
        for index, extra in batch.extra.items()
        for level, shape in sorted((extra.get("lods") or {}).items())
    ]
    if not found or projection is None:
        return
    shapes = np.empty(len(found), dtype=object)
    shapes[:] = [shape for _, _, shape in found]
    points = shapely.get_coordinates(shapes, include_z=True)
    if swap_axes:
        points[:, [0, 1]] = points[:, [1, 0]]
    placed = projection.apply(points)
    placed[:, :2] = np.round(placed[:, :2], geometry.DECIMALS)
    placed[:, 2] = np.round(placed[:, 2], geometry.HEIGHT_DECIMALS)
    if not np.isfinite(placed).all():
        placed[~np.isfinite(placed).all(axis=1)] = 0.0
    shown = geometry.as_geojson(shapely.set_coordinates(shapes, placed))
    for (index, level, _), one in zip(found, shown, strict=True):
        extra: dict[str, Any] = batch.extra[index]
        properties = extra.setdefault("properties", {})
        properties.setdefault("lods", []).append({**(one or {}), "lod": level})


def mark(shown: dict[str, Any] | None, extra: dict[str, Any]) -> None:
    """Write the level of the main geometry into it, where the source has levels (C-20)."""
    if shown is not None and "lod" in extra:
        shown["lod"] = extra["lod"]
