"""How far two geometries are apart, in metres and shares."""

import math
from typing import Any

import msgspec
import numpy as np
import shapely

METRES_PER_DEGREE = 111_320.0


class Distance(msgspec.Struct, frozen=True, kw_only=True):
    """The difference of two geometries."""

    hausdorff_m: float
    area_ratio: float | None
    """Smaller by larger; None where neither has an area."""
    iou: float | None
    """Common area by joint area."""


def distance(first: dict[str, Any], second: dict[str, Any]) -> Distance:
    """Compare two GeoJSON geometries in degrees, in a local plane around the first.

    Raises:
        ValueError: when one of them is no geometry.
    """
    try:
        a, b = shapely.geometry.shape(first), shapely.geometry.shape(second)
    except (KeyError, TypeError, AttributeError, shapely.errors.ShapelyError) as problem:
        raise ValueError(f"not a geometry: {problem}") from problem
    if a.is_empty or b.is_empty:
        raise ValueError("an empty geometry")
    latitude = (a.bounds[1] + a.bounds[3]) / 2
    scale = np.array([METRES_PER_DEGREE * math.cos(math.radians(latitude)), METRES_PER_DEGREE])
    a, b = (shapely.transform(shape, lambda points: points * scale) for shape in (a, b))
    hausdorff = float(shapely.hausdorff_distance(a, b))
    areas = sorted((a.area, b.area))
    if areas[1] <= 0:
        return Distance(hausdorff_m=hausdorff, area_ratio=None, iou=None)
    a, b = (shape if shape.is_valid else shapely.make_valid(shape) for shape in (a, b))
    joint = shapely.union(a, b).area
    iou = shapely.intersection(a, b).area / joint if joint > 0 else None
    return Distance(hausdorff_m=hausdorff, area_ratio=areas[0] / areas[1], iou=iou)
