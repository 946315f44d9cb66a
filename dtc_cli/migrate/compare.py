"""How far two geometries are apart, in metres and shares."""

import math
from typing import Any

import msgspec
import numpy as np
import shapely

METRES_PER_DEGREE = 111_320.0
MOVED_MOST_M = 50.0
"""Beyond this positions hardly correspond: a ring may begin elsewhere."""


class Distance(msgspec.Struct, frozen=True, kw_only=True):
    """The difference of two geometries."""

    hausdorff_m: float
    """At most; the largest move of a position where positions correspond."""
    area_ratio: float | None
    """Smaller by larger; None where neither has an area."""
    iou: float | None
    """Common area by joint area."""


def _moved(a: Any, b: Any) -> float | None:
    """How far the position that moved most has moved, where positions correspond one to one.

    The Hausdorff distance is never more than that, and takes the product of both sizes to find.
    """
    if shapely.get_type_id(a) != shapely.get_type_id(b):
        return None
    first, second = shapely.get_coordinates(a), shapely.get_coordinates(b)
    if first.shape != second.shape:
        return None
    worst = float(np.hypot(*(first - second).T).max())
    return worst if worst < MOVED_MOST_M else None


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
    hausdorff = _moved(a, b)
    if hausdorff is None:
        hausdorff = float(shapely.hausdorff_distance(a, b))
    areas = sorted((a.area, b.area))
    if areas[1] <= 0:
        return Distance(hausdorff_m=hausdorff, area_ratio=None, iou=None)
    if hausdorff == 0:
        return Distance(hausdorff_m=0.0, area_ratio=1.0, iou=1.0)
    a, b = (shape if shape.is_valid else shapely.make_valid(shape) for shape in (a, b))
    joint = shapely.union(a, b).area
    iou = shapely.intersection(a, b).area / joint if joint > 0 else None
    return Distance(hausdorff_m=hausdorff, area_ratio=areas[0] / areas[1], iou=iou)
