"""From the reference system of a source to longitude and latitude of WGS 84, and what is lost on the way."""

import warnings
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from dtc_cli.errors import DtcError
from dtc_cli.migrate.trouble import need, plan_error

WGS84 = "EPSG:4326"
WGS84_AXIS_M, WGS84_FLATTENING = 6_378_137.0, 298.257_223
"""An unnamed datum on this ellipsoid differs from WGS 84 by a metre or two; on any other by hundreds."""
AREA_SLACK_DEG = 3.0
"""How far beyond the area of use of its system data is loaded: many use a zone beyond its edge."""
SAME_PLACE_M = 0.01
NEAR_DEG = 0.05
"""What the place of data is known to: nobody chooses a datum by less."""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """How coordinates get to WGS 84, for the report."""

    name: str
    accuracy_m: float | None
    missing_grids: tuple[str, ...]
    vertical: str | None
    """Name of the vertical reference of the source; heights stay in it."""
    vertical_factor: float
    """Metres per unit of height."""
    notes: tuple[str, ...]


class Projection:
    """The transformation of one layer. Axis order is x, y (east, north) on both sides.

    Args:
        given: an authority code, WKT or PROJ text.
        limit_m: the operation's stated accuracy must not be worse.
        where: place for messages.
        extent: where the data lies, in this system: least x and y, most x and y.

    Raises:
        DtcError: `migration-plan` when the system is unknown, its datum is, or accuracy is beyond the limit.
    """

    def __init__(
        self, given: str, *, limit_m: float, where: str, extent: Sequence[float] | None = None
    ) -> None:
        pyproj = need("pyproj", what="reprojection")
        try:
            crs = pyproj.CRS.from_user_input(given)
        except pyproj.exceptions.CRSError as problem:
            raise plan_error(
                f"the coordinate reference system {given[:80]!r} is not known",
                where=where,
                why=str(problem)[:200],
                hint="source_crs: EPSG:5186, or WKT",
            ) from problem
        horizontal, vertical = _split(crs)
        notes = []
        if horizontal.is_geocentric:
            raise plan_error(
                f"{crs.name} is geocentric: its numbers are metres from the middle of the Earth",
                where=where,
                hint="have the data exported in a projected or geographic system, and state that",
            )
        if horizontal.is_engineering or not (horizontal.is_projected or horizontal.is_geographic):
            raise plan_error(
                f"{crs.name} is a local engineering system",
                where=where,
                why="nothing says where on Earth its origin is",
                hint="source_crs must be a system with a place on Earth; a surveyor can find the shift",
            )
        shifted = _stated_shift(crs)
        if unknown_datum(horizontal) and shifted is None:
            if not _modern(horizontal):
                raise self._ask_for_datum(horizontal, where)
            notes.append(f"the datum is not named; on {horizontal.ellipsoid.name} it is taken for WGS 84")
        given_shift = shifted is not None and unknown_datum(horizontal)
        if given_shift:
            notes.append(
                "the datum has no name; its shift to WGS 84 is the one that the source states (TOWGS84)"
            )
        start = shifted if given_shift else horizontal
        loose = (bool(notes) and not given_shift) or horizontal == WGS84
        group = _group(start, ballpark=loose, extent=extent)
        if not group.transformers and not group.unavailable_operations and _modern(horizontal):
            # A datum that has a name, but none that PROJ knows: WGS 84 in one of its many spellings.
            datum = horizontal.geodetic_crs.datum
            notes.append(
                f"the datum {datum.name if datum else '?'} is not known by that name; on "
                f"{horizontal.ellipsoid.name} it is taken for WGS 84"
            )
            group = _group(horizontal, ballpark=True)
        if not group.transformers and not group.unavailable_operations:
            raise self._ask_for_datum(horizontal, where)
        if not group.transformers:
            raise plan_error(
                f"there is no transformation from {crs.name} to WGS 84 on this machine",
                where=where,
                why="grids are missing: " + (", ".join(_grids(group.unavailable_operations)) or "unknown"),
                hint="install the grids (projsync), or choose a source_crs with a known shift",
            )
        self._transformer = group.transformers[0]
        stated = self._transformer.accuracy
        accuracy = stated if stated is not None and stated >= 0 else None
        if accuracy is not None and accuracy > limit_m:
            raise plan_error(
                f"{crs.name} can be transformed to WGS 84 to {accuracy:g} m only",
                where=where,
                why=f"the plan allows {limit_m:g} m (thresholds.crs_accuracy_m); missing grids: "
                + (", ".join(_grids(group.unavailable_operations)) or "none"),
                hint="install the grids (projsync), or raise the threshold knowingly",
            )
        missing = () if group.best_available else tuple(_grids(group.unavailable_operations))
        self.operation = Operation(
            name=self._transformer.description,
            accuracy_m=accuracy,
            missing_grids=missing,
            vertical=vertical.name if vertical else None,
            vertical_factor=float(vertical.axis_info[0].unit_conversion_factor) if vertical else 1.0,
            notes=tuple(notes),
        )
        self.name = crs.name
        self.code = crs.to_string() if crs.to_epsg() else crs.name
        self.metres_per_unit = (
            111_320.0 if horizontal.is_geographic else float(horizontal.axis_info[0].unit_conversion_factor)
        )
        self.is_geographic = bool(horizontal.is_geographic)
        use = horizontal.area_of_use
        self.area = None if use is None else (use.west, use.south, use.east, use.north)

    def apply(self, points: Any) -> Any:
        """Positions (n x 2 or n x 3) in degrees; what cannot be transformed becomes infinite."""
        result = points.copy()
        result[:, 0], result[:, 1] = self._transformer.transform(points[:, 0], points[:, 1])
        if points.shape[1] == 3 and self.operation.vertical_factor != 1.0:
            result[:, 2] = points[:, 2] * self.operation.vertical_factor
        return result

    def called(self) -> str:
        """Name and code of the system, for messages."""
        return self.name if self.code == self.name else f"{self.code} ({self.name})"

    def area_told(self) -> str:
        """The area of use, for messages."""
        if self.area is None:
            return "no area is stated"
        west, south, east, north = self.area
        return f"{west:g} to {east:g} east, {south:g} to {north:g} north"

    def _ask_for_datum(self, horizontal: Any, where: str) -> DtcError:
        found = candidates(horizontal)
        listed = "; ".join(f"{code} {name}" for code, name in found) or "none with the same parameters"
        ellipsoid = horizontal.ellipsoid.name if horizontal.ellipsoid else "an unknown ellipsoid"
        return plan_error(
            f"the datum of {horizontal.name} is not known",
            where=where,
            why=f"on {ellipsoid} a wrong datum moves everything by hundreds of metres; candidates: {listed}",
            hint="decide, and write it into the plan: source_crs: " + (found[0][0] if found else "EPSG:..."),
        )


def beyond_area(projection: Projection) -> str:
    """What there is to say of records that lie outside the area of use of their system, and are loaded."""
    return (
        f"outside the area of use of {projection.code} ({projection.area_told()}), by less than "
        f"{AREA_SLACK_DEG:g} degrees: loaded; see that it is the right system"
    )


def contradiction(stated: str | None, chosen: Projection, extent: Sequence[float] | None) -> str | None:
    """What there is to say where a plan names another system than the source states, else None.

    A system that cannot be used contradicts nothing, nor does one that gives the same place.
    """
    if stated is None:
        return None
    try:
        other = Projection(stated, limit_m=float("inf"), where="", extent=extent)
    except DtcError:
        return None
    told = f"the source states {other.called()}, the plan {chosen.called()}, which is taken"
    if extent is None or not all(abs(one) < float("inf") for one in extent):
        return None if other.code == chosen.code else told
    west, south, east, north = extent
    middle = np.array([[(west + east) / 2, (south + north) / 2]])
    (x, y), (u, v) = other.apply(middle)[0], chosen.apply(middle)[0]
    if not (np.isfinite([x, y, u, v]).all() and max(abs(x), abs(u)) <= 360 and max(abs(y), abs(v)) <= 90):
        return f"{told}; by one of them the middle of the data is no place"
    metres = float(need("pyproj").Geod(ellps="WGS84").inv(x, y, u, v)[2])
    if metres < SAME_PLACE_M:
        return None
    apart = f"{metres / 1000:,.1f} km" if metres >= 1000 else f"{metres:.2f} m"
    return f"{told}; the middle of the data is {apart} apart: {x:.5f}, {y:.5f} or {u:.5f}, {v:.5f}"


def _stated_shift(crs: Any) -> Any:
    """The horizontal system with the shift to WGS 84 that its definition states, or None without one."""
    part = crs.sub_crs_list[0] if crs.is_compound else crs
    return part if part.is_bound else None


def _modern(crs: Any) -> bool:
    """Whether the ellipsoid is that of WGS 84 or GRS 1980, whatever it is called."""
    shape = crs.ellipsoid
    return (
        shape is not None
        and abs(shape.semi_major_metre - WGS84_AXIS_M) < 0.01
        and abs(shape.inverse_flattening - WGS84_FLATTENING) < 1e-4
    )


def _group(horizontal: Any, *, ballpark: bool, extent: Sequence[float] | None = None) -> Any:
    """The operations that lead to WGS 84, best first for where the data lies, as far as that is known.

    A datum of several countries has an operation for each; without a place the one for all of them comes
    first, which may be ten metres off.
    """
    pyproj = need("pyproj", what="reprojection")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a missing grid is reported with its name
        found = pyproj.transformer.TransformerGroup(
            horizontal, WGS84, always_xy=True, allow_ballpark=ballpark
        )
        if extent is None or len(found.transformers) + len(found.unavailable_operations) < 2:
            return found
        place = _place(found, extent)
        if place is None:
            return found
        near = pyproj.transformer.TransformerGroup(
            horizontal, WGS84, always_xy=True, allow_ballpark=ballpark,
            area_of_interest=pyproj.aoi.AreaOfInterest(*place),
        )  # fmt: skip
    return near if near.transformers else found


def _place(group: Any, extent: Sequence[float]) -> tuple[float, float, float, float] | None:
    """The box in degrees of an extent, to a few kilometres; None for one that is no place."""
    if not group.transformers:
        return None
    west, south, east, north = extent
    x, y = group.transformers[0].transform([west, west, east, east], [south, north, south, north])
    if not all(abs(one) <= 180 for one in x) or not all(abs(one) <= 90 for one in y):
        return None
    return min(x) - NEAR_DEG, min(y) - NEAR_DEG, max(x) + NEAR_DEG, max(y) + NEAR_DEG


def _split(crs: Any) -> tuple[Any, Any]:
    """The horizontal and the vertical part."""
    if crs.is_compound:
        parts = crs.sub_crs_list
        return parts[0], parts[1]
    if crs.is_bound:
        return _split(crs.source_crs)
    return (crs.to_2d() if len(crs.axis_info) == 3 and not crs.is_geocentric else crs), None


def unknown_datum(crs: Any) -> bool:
    """Whether the datum has no name that PROJ could know."""
    if crs.is_bound:
        return False
    geodetic = crs.geodetic_crs
    name = (geodetic.datum.name if geodetic is not None and geodetic.datum is not None else "").lower()
    return (
        name in ("", "unk", "unnamed")
        or "unknown" in name
        or "not specified" in name
        or "not_specified" in name
    )


def candidates(crs: Any) -> list[tuple[str, str]]:
    """EPSG systems with the same ellipsoid and the same projection parameters, at most five."""
    pyproj = need("pyproj")
    from pyproj.aoi import AreaOfInterest
    from pyproj.database import query_crs_info
    from pyproj.enums import PJType

    method = crs.coordinate_operation
    if method is None or crs.ellipsoid is None:
        return []
    try:
        centre = pyproj.Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True).transform(
            *_origin(method)
        )
        area = AreaOfInterest(centre[0] - 2, centre[1] - 2, centre[0] + 2, centre[1] + 2)
    except (pyproj.exceptions.ProjError, ValueError, KeyError):
        area = None
    wanted = _parameters(method)
    found = []
    for info in query_crs_info("EPSG", PJType.PROJECTED_CRS, area_of_interest=area):
        other = pyproj.CRS.from_epsg(int(info.code))
        if other.ellipsoid is None or other.coordinate_operation is None:
            continue
        if abs(other.ellipsoid.semi_major_metre - crs.ellipsoid.semi_major_metre) > 0.5:
            continue
        have = _parameters(other.coordinate_operation)
        if set(have) == set(wanted) and all(abs(have[name] - wanted[name]) < 1e-5 for name in wanted):
            found.append((f"EPSG:{info.code}", info.name))
    return found[:5]


def _parameters(operation: Any) -> dict[str, float]:
    return {one.name: float(one.value) for one in operation.params}


def _origin(operation: Any) -> tuple[float, float]:
    values = _parameters(operation)
    return (
        values.get("False easting", values.get("Easting at false origin", 0.0)),
        values.get("False northing", values.get("Northing at false origin", 0.0)),
    )


def _grids(operations: Sequence[Any]) -> list[str]:
    names = {grid.short_name for operation in operations for grid in operation.grids if not grid.available}
    return sorted(names)[:6]


USUAL = (
    5186, 5187, 5185, 5188, 5179, 5174, 2097, 6677, 6675, 6674, 6669, 28992, 31370, 25831, 25832, 25833, 2056,
    21781, 27700, 2154, 31287, 2263, 2229, 3435, 2272, 26986, 2193, 28355, 28356, 3826, 3857,
)  # fmt: skip
"""Systems that cities of several countries use, to compare an extent with."""


def _fitting(bounds: Sequence[float]) -> str:
    """Usual systems in whose area an extent lies: a hint with little weight, and said so."""
    pyproj = need("pyproj", what="reprojection")
    found = []
    for code in USUAL:
        crs = pyproj.CRS.from_epsg(code)
        back = pyproj.Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
        corners = [back.transform(x, y) for x in bounds[::2] for y in bounds[1::2]]
        use = crs.area_of_use
        if all(use.west <= x <= use.east and use.south <= y <= use.north for x, y in corners):
            found.append(f"EPSG:{code}")
    if not found:
        return ""
    return f"; they would fit {', '.join(found[:6])} (confidence {1 / (1 + len(found)):.0%} each at best)"


def missing_crs(layer: str, bounds: Sequence[float] | None, where: str) -> DtcError:
    """The refusal of a layer without a reference system, with what its extent suggests."""
    extent = "its extent is unknown"
    if bounds is not None:
        extent = f"x {bounds[0]:.6g} to {bounds[2]:.6g}, y {bounds[1]:.6g} to {bounds[3]:.6g}"
        degrees = -180 <= bounds[0] <= bounds[2] <= 180 and -90 <= bounds[1] <= bounds[3] <= 90
        extent += (
            "; the numbers could be degrees, which is no evidence that they are"
            if degrees
            else "; these are not degrees" + _fitting(bounds)
        )
    return plan_error(
        f"the layer {layer} states no coordinate reference system",
        where=where,
        why=extent,
        hint="ask its owner, then write source_crs: EPSG:... into the plan",
    )
