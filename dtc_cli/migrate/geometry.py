"""Geometry on its way: judged and mended in the source system, projected, rounded, judged again."""

from typing import Any

import msgspec
import numpy as np
import shapely

from dtc_cli.migrate.crs import AREA_SLACK_DEG, Projection

DECIMALS = 7
"""Of a degree: about a centimetre."""
ROUNDING_DEG = 1e-6
HEIGHT_DECIMALS = 3
SENTINEL = 1e15
"""Beyond this in any system is a stand-in for "no value", finite or not."""
FAR_FROM_ZERO_DEG = 5.0
"""No city reaches so far from the Gulf of Guinea."""
POLYGONAL = (3, 6)
COLLECTION = 7
TYPE_NAMES = (
    "Point", "LineString", "LinearRing", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon",
    "GeometryCollection",
)  # fmt: skip


FAMILY = np.array([0, 1, 1, 2, 0, 1, 2, 3])
"""Type id to dimension: points, lines, surfaces; 3 for collections."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What the plan allows."""

    area_change: float = 0.01
    accept_collapse: bool = False
    mixed: str = "keep"
    family: int = 2
    """With `mixed: refuse`, the dimension that a layer may have: 0 points, 1 lines, 2 surfaces."""
    swap_axes: bool = False


class Mended(msgspec.Struct, kw_only=True):
    """Geometries in degrees (None where there is none), parallel to what was given."""

    shapes: Any
    problems: dict[int, tuple[str, str]]
    """Index to (code, sentence) of what may not be loaded."""
    repairs: dict[int, dict[str, Any]]
    """Index to what was repaired: reason, area before and after in square metres of the source."""
    beside: dict[int, list[dict[str, Any]]] = {}
    """Index to further levels of detail, as GeoJSON."""
    beyond: int = 0
    """How many of the shapes lie outside the area of use of their system, within `AREA_SLACK_DEG`."""


def mend(shapes: Any, projection: Projection, policy: Policy) -> Mended:
    """Judge, repair, project, round and orient a batch of shapely geometries."""
    result = shapes.copy()
    problems: dict[int, tuple[str, str]] = {}
    repairs: dict[int, dict[str, Any]] = {}
    present = ~shapely.is_missing(result)
    _refuse(
        problems,
        np.flatnonzero(present & shapely.is_empty(result)),
        "empty-geometry",
        "the geometry is empty",
    )
    points, owner = shapely.get_coordinates(result, return_index=True)
    wild = ~(np.abs(points) < SENTINEL).all(axis=1)
    _refuse(
        problems, np.unique(owner[wild]), "sentinel-coordinates",
        "a coordinate is not finite, or so large that it stands for no value",
    )  # fmt: skip
    _refuse(
        problems, _at_zero(result, points, owner, projection), "sentinel-coordinates",
        "a position is 0, 0, far from all else: it stands for no value",
    )  # fmt: skip
    usable = present.copy()
    usable[list(problems)] = False
    _repair(result, usable, projection, policy, problems, repairs)
    usable[list(problems)] = False
    beyond = _project(result, usable, projection, policy, problems)
    usable[list(problems)] = False
    _settle(result, usable, problems, repairs)
    usable[list(problems)] = False
    if policy.mixed == "promote":
        for index in np.flatnonzero(usable & (shapely.get_type_id(result) == 3)):
            result[index] = shapely.multipolygons([result[index]])
    elif policy.mixed == "refuse":
        family = np.where(usable, FAMILY[shapely.get_type_id(result)], -1)
        wrong = usable & (family != policy.family)
        _refuse(
            problems, np.flatnonzero(wrong), "other-geometry-type",
            "the layer has geometries of another dimension, which the plan refuses (mixed: refuse)",
        )  # fmt: skip
        usable &= ~wrong
    result[~usable] = None
    number = int(usable[sorted(beyond)].sum())
    return Mended(shapes=result, problems=problems, repairs=repairs, beyond=number)


def shells(shapes: Any, projection: Projection, *, swap_axes: bool) -> Any:
    """Shells of objects by level of detail, in degrees and metres: placed and rounded as they are.

    Walls stand upright, so validity seen from above says nothing about them (edge case 10). A shell that
    cannot be placed becomes None.
    """
    placed = shapes.copy()
    problems: dict[int, tuple[str, str]] = {}
    usable = ~shapely.is_missing(placed)
    _project(placed, usable, projection, Policy(swap_axes=swap_axes), problems)
    placed[list(problems)] = None
    return placed


def _at_zero(shapes: Any, points: Any, owner: Any, projection: Projection) -> Any:
    """Which geometries stand at 0, 0: with all positions or, in degrees, with one far from the others."""
    zero = (points == 0).all(axis=1)
    if not zero.any():
        return np.array([], dtype=int)
    there = np.bincount(owner[zero], minlength=len(shapes))
    found = (there > 0) & (there == np.bincount(owner, minlength=len(shapes)))
    if projection.is_geographic:
        some = np.flatnonzero((there > 0) & ~found)
        found[some] = np.abs(shapely.bounds(shapes[some])).max(axis=1) > FAR_FROM_ZERO_DEG
    return np.flatnonzero(found)


def _refuse(problems: dict[int, tuple[str, str]], indices: Any, code: str, sentence: str) -> None:
    for index in indices.tolist():
        problems.setdefault(index, (code, sentence))


def _repair(
    shapes: Any,
    usable: Any,
    projection: Projection,
    policy: Policy,
    problems: dict[int, tuple[str, str]],
    repairs: dict[int, dict[str, Any]],
) -> None:
    """Make invalid geometries valid where that has one meaning (edge cases 1 and 3).

    The structure method keeps what a ring encloses; where the even-odd reading of the same rings has
    another area, nobody but the owner knows what was meant, and the record is left for review.
    """
    bad = np.flatnonzero(usable & ~shapely.is_valid(shapes))
    if not len(bad):
        return
    broken = shapes[bad]
    reasons = shapely.is_valid_reason(broken)
    fixed = shapely.make_valid(broken, method="structure", keep_collapsed=False)
    even_odd = shapely.area(shapely.make_valid(broken, method="linework"))
    before, after = shapely.area(broken), shapely.area(fixed)
    kinds, nothing = shapely.get_type_id(broken), shapely.is_missing(fixed) | shapely.is_empty(fixed)
    mixed = shapely.get_type_id(fixed) == COLLECTION
    originals = shapely.to_wkb(broken, hex=True)
    unit = 1.0 if projection.is_geographic else projection.metres_per_unit**2
    for place, index in enumerate(bad.tolist()):
        reason = str(reasons[place]).partition("[")[0].strip()
        whole, kind = fixed[place], kinds[place]
        if nothing[place] or (kind in POLYGONAL and not after[place] > 0):
            problems[index] = ("collapsed-geometry", f"{reason}; nothing is left when it is repaired")
            continue
        change = abs(after[place] - even_odd[place]) / max(after[place], even_odd[place], 1e-30)
        if kind in POLYGONAL and change > policy.area_change and not policy.accept_collapse:
            problems[index] = (
                "ambiguous-geometry",
                f"{reason}; two readings of its rings differ by {change:.1%} in area, it needs a person",
            )
            continue
        shapes[index] = _polygons_of(whole) if kind in POLYGONAL and mixed[place] else whole
        repairs[index] = {
            "reason": reason,
            "areaBefore": round(float(before[place]) * unit, 6),
            "areaAfter": round(float(after[place]) * unit, 6),
            "original": originals[place],
        }


def _polygons_of(shape: Any) -> Any:
    """The polygons of a collection: a spike leaves lines behind that are no part of a surface."""
    if shapely.get_type_id(shape) != COLLECTION:
        return shape
    parts = [part for part in shapely.get_parts(shape) if shapely.get_type_id(part) in POLYGONAL]
    return shapely.union_all(parts)


def _project(
    shapes: Any, usable: Any, projection: Projection, policy: Policy, problems: dict[int, tuple[str, str]]
) -> set[int]:
    """Place the usable shapes; those that lie a little outside the area of use of their system are named."""
    beyond: set[int] = set()
    for with_height in (False, True):
        chosen = np.flatnonzero(usable & (shapely.has_z(shapes) == with_height))
        if not len(chosen):
            continue
        group = shapes[chosen]
        points, owner = shapely.get_coordinates(group, include_z=with_height, return_index=True)
        if policy.swap_axes:
            points[:, [0, 1]] = points[:, [1, 0]]
        placed = projection.apply(points)
        placed[:, :2] = np.round(placed[:, :2], DECIMALS)
        if with_height:
            placed[:, 2] = np.round(placed[:, 2], HEIGHT_DECIMALS)
            lost = ~np.isfinite(placed[:, 2])
            placed[lost, 2] = 0.0
        bad = ~np.isfinite(placed[:, :2]).all(axis=1)
        outside = bad | (np.abs(placed[:, 0]) > 360) | (np.abs(placed[:, 1]) > 90)
        if projection.area is not None:
            outside |= _outside(placed, projection.area, AREA_SLACK_DEG)
            near = _outside(placed, projection.area, ROUNDING_DEG) & ~outside
            beyond.update(chosen[np.unique(owner[near])].tolist())
        placed[bad] = 0.0
        shapes[chosen] = shapely.set_coordinates(group, placed)
        for index in np.unique(owner[outside]).tolist():
            problems[int(chosen[index])] = (
                "outside-crs-area",
                f"it lies outside the area of {projection.code}: wrong system, swapped axes or a stray point",
            )
    return beyond


def _outside(placed: Any, area: tuple[float, float, float, float], slack: float) -> Any:
    """Which positions lie further than `slack` degrees outside an area."""
    west, south, east, north = area
    far = (placed[:, 1] < south - slack) | (placed[:, 1] > north + slack)
    if west <= east:
        x = (placed[:, 0] + 180) % 360 - 180 if np.any(np.abs(placed[:, 0]) > 180) else placed[:, 0]
        far |= (x < west - slack) | (x > east + slack)
    return far


def _settle(
    shapes: Any, usable: Any, problems: dict[int, tuple[str, str]], repairs: dict[int, dict[str, Any]]
) -> None:
    """After rounding: split at the antimeridian, valid again, exterior rings counter-clockwise."""
    chosen = np.flatnonzero(usable)
    if not len(chosen):
        return
    for index in chosen[_crosses(shapes[chosen])].tolist():
        shapes[index] = _split_at_antimeridian(shapes[index])
        repairs.setdefault(index, {"reason": "split at the antimeridian"})
    for index in chosen[~shapely.is_valid(shapes[chosen])].tolist():
        flat = shapely.has_z(shapes[index])
        mended = shapely.make_valid(shapes[index], method="structure", keep_collapsed=False)
        snapped = shapely.set_precision(mended, 10.0**-DECIMALS)
        if shapely.is_empty(snapped) or not shapely.is_valid(snapped):
            problems[index] = (
                "collapsed-geometry",
                "nothing is left of it when coordinates are rounded to 1 cm",
            )
            continue
        shapes[index] = _rounded(_polygons_of(snapped), height=bool(flat))
        repairs.setdefault(index, {"reason": "invalid after rounding to 7 decimals"})
    shapes[chosen] = shapely.orient_polygons(shapes[chosen], exterior_cw=False)


def _rounded(shape: Any, *, height: bool) -> Any:
    points = shapely.get_coordinates(shape, include_z=height)
    points[:, :2] = np.round(points[:, :2], DECIMALS)
    if height:
        points[:, 2] = np.round(np.nan_to_num(points[:, 2]), HEIGHT_DECIMALS)
    return shapely.set_coordinates(shape, points)


def _crosses(shapes: Any) -> Any:
    """Which geometries lie beyond 180 degrees or jump across it between two positions of a part."""
    bounds = shapely.bounds(shapes)
    wide = (bounds[:, 2] - bounds[:, 0] > 180) | (bounds[:, 0] < -180) | (bounds[:, 2] > 180)
    for place in np.flatnonzero(wide).tolist():
        if abs(bounds[place, 0]) <= 180 and abs(bounds[place, 2]) <= 180:
            steps = [
                np.abs(np.diff(shapely.get_coordinates(part)[:, 0])).max(initial=0)
                for part in _rings(shapes[place])
            ]
            wide[place] = max(steps, default=0) > 180
    return wide


def _rings(shape: Any) -> list[Any]:
    found: list[Any] = []
    for part in shapely.get_parts(shape):
        found.extend(shapely.get_rings(part) if shapely.get_type_id(part) == 3 else [part])
    return found


def _split_at_antimeridian(shape: Any) -> Any:
    points = shapely.get_coordinates(shape)
    east = shapely.set_coordinates(
        shapely.force_2d(shape), np.column_stack([points[:, 0] % 360, points[:, 1]])
    )
    east = shapely.make_valid(east, method="structure", keep_collapsed=False)
    parts = []
    for low, shift in ((0.0, 0.0), (180.0, 360.0)):
        part = shapely.intersection(east, shapely.box(low, -90, low + 180, 90))
        if not shapely.is_empty(part):
            points = shapely.get_coordinates(part) - [shift, 0.0]
            parts.append(shapely.set_coordinates(part, points))
    joined = shapely.union_all(parts) if len(parts) > 1 else parts[0]
    return _rounded(joined, height=False)
