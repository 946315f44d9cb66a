"""Where on Earth an IFC model stands: the statements it makes, their order, and whether they agree."""

import math
import re
from typing import Any

import msgspec

from dtc_cli.migrate.trouble import need

APART_M = 5000.0
"""Two statements that differ by more do not mean one place."""
FAR = 10_000.0
"""Coordinates of the site beyond this (metres) are map coordinates, not those of a building plot."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """How model coordinates (metres) become positions of a reference system."""

    crs: str | None = None
    east: float = 0.0
    north: float = 0.0
    height: float = 0.0
    cosine: float = 1.0
    sine: float = 0.0
    scale: float = 1.0
    notes: tuple[str, ...] = ()
    blockers: tuple[str, ...] = ()

    def apply(self, points: Any) -> Any:
        """Positions (n x 3, metres of the model) as east, north, height."""
        import numpy as np

        x, y = points[:, 0] * self.scale, points[:, 1] * self.scale
        return np.column_stack(
            [
                self.east + x * self.cosine - y * self.sine,
                self.north + x * self.sine + y * self.cosine,
                self.height + points[:, 2],
            ]
        )


def find(model: Any, *, crs: str | None, prefer: str | None) -> Place:
    """The place of a model.

    In this order: IfcMapConversion, ePSet_MapConversion (IFC2X3), a site in map coordinates, latitude and
    longitude of the site. Statements that contradict each other stop the migration until somebody decides.

    Args:
        model: an open ifcopenshell file.
        crs: reference system that a person states, over that of the model.
        prefer: `map` or `site`, where a person decided between two statements.
    """
    unit = float(need("ifcopenshell.util.unit", extra="ifc").calculate_unit_scale(model))
    mapped = _conversion(model, unit, crs)
    placed = _site_placement(model, unit)
    degrees = _site_degrees(model)
    if mapped is not None and prefer != "site":
        blockers = list(mapped.blockers)
        if math.hypot(mapped.east, mapped.north) > FAR and placed is not None and prefer is None:
            blockers.append(
                "the model is georeferenced twice: its map conversion moves it to "
                f"{mapped.east:.0f}, {mapped.north:.0f}, and its site already stands at "
                f"{placed[0]:.0f}, {placed[1]:.0f}; options: {{georeference: map}} if the sum is meant"
            )
        if degrees is not None and prefer is None and not blockers:
            apart = _apart(mapped, degrees)
            if apart is not None and apart > APART_M:
                blockers.append(
                    f"the model states two places {apart / 1000:,.0f} km apart: {mapped.crs} "
                    f"({_name_of(mapped.crs)}) "
                    f"{mapped.east:.0f}, {mapped.north:.0f} by its map conversion, and latitude "
                    f"{degrees[0]:.5f}, longitude {degrees[1]:.5f} by its site; "
                    "options: {georeference: map} or site decides"
                )
        return msgspec.structs.replace(mapped, blockers=tuple(blockers))
    if placed is not None and prefer != "site":
        if crs is None:
            told = f"the site stands at {placed[0]:.0f}, {placed[1]:.0f} of a system that is not named"
            return Place(blockers=(told + "; options: {crs: EPSG:...} names it",))
        return Place(crs=crs, notes=("the coordinates of the site are taken for those of the map",))
    if degrees is None:
        return Place(
            blockers=(
                "nothing in the model says where it stands: no map conversion, no site in map coordinates, "
                "no latitude and longitude; export it anew with its georeference",
            )
        )
    cosine, sine = _true_north(model)
    return Place(
        crs=f"+proj=aeqd +lat_0={degrees[0]:.8f} +lon_0={degrees[1]:.8f} +datum=WGS84 +units=m",
        height=degrees[2] * unit,
        cosine=cosine,
        sine=sine,
        notes=("the place is latitude and longitude of the site, which are seldom surveyed",),
    )


def _conversion(model: Any, unit: float, crs: str | None) -> Place | None:
    """The map conversion, as an entity of IFC4 or as property sets of IFC2X3."""
    given: dict[str, Any] = {}
    name, map_unit = crs, None
    if model.schema != "IFC2X3":
        kinds = ["IfcMapConversion"] + (["IfcRigidOperation"] if model.schema.startswith("IFC4X3") else [])
        for one in (one for kind in kinds for one in model.by_type(kind)):
            given = one.get_info()
            if "FirstCoordinate" in given:
                given["Eastings"], given["Northings"] = (
                    given["FirstCoordinate"].wrappedValue, given["SecondCoordinate"].wrappedValue,
                )  # fmt: skip
                given["OrthogonalHeight"] = given.get("Height")
            name = crs or one.TargetCRS.Name
            stated = getattr(one.TargetCRS, "MapUnit", None)
            if stated is not None:
                factor = need("ifcopenshell.util.unit", extra="ifc").convert_unit(1.0, stated, _metre(model))
                map_unit = float(factor)
            break
    if not given:
        sets = {
            str(one.Name).lower(): {p.Name: _plain(p) for p in one.HasProperties}
            for one in model.by_type("IfcPropertySet")
            if str(one.Name).lower() in ("epset_mapconversion", "epset_projectedcrs")
        }
        given = sets.get("epset_mapconversion") or {}
        name = crs or (sets.get("epset_projectedcrs") or {}).get("Name")
    if given.get("Eastings") is None or given.get("Northings") is None:
        return None
    return _placed(given, name, unit, map_unit)


def _metre(model: Any) -> Any:
    return model.create_entity("IfcSIUnit", UnitType="LENGTHUNIT", Name="METRE")


def _placed(given: dict[str, Any], name: Any, unit: float, map_unit: float | None) -> Place:
    notes, blockers = [], []
    code = re.search(r"EPSG\D*(\d{4,6})", str(name or ""), re.IGNORECASE)
    crs = f"EPSG:{code[1]}" if code else None
    if crs is None:
        blockers.append(
            f"the map conversion names the reference system {name!r}, which is none that is known; "
            "options: {crs: EPSG:...} names it"
        )
    east, north = float(given["Eastings"]), float(given["Northings"])
    factor = map_unit or 1.0
    # Without a map unit they are in units of the project by the letter, and in metres in practice.
    literal = map_unit is None and unit != 1.0 and crs is not None and not _in_area(crs, east, north)
    if literal and crs is not None and _in_area(crs, east * unit, north * unit):
        factor = unit
        notes.append(f"eastings and northings are in units of the project ({unit:g} m)")
    east, north = east * factor, north * factor
    if crs is not None and not _in_area(crs, east, north):
        blockers.append(f"the map conversion leads to {east:.0f}, {north:.0f}, outside the area of {crs}")
    stated = given.get("Scale")
    scale = float(stated) if stated else 1.0
    ratio = unit / factor
    residual = 1.0 if scale == 1.0 else scale / ratio
    if abs(residual - 1) > 0.1:
        residual = scale if abs(scale - 1) <= 0.1 else 1.0
        notes.append(f"the scale {scale:g} does not go with units of {unit:g} m, and was not used as such")
    x, y = given.get("XAxisAbscissa"), given.get("XAxisOrdinate")
    x, y = (float(x), float(y)) if x is not None and y is not None else (0.0, 0.0)
    length = math.hypot(x, y)
    cosine, sine = (x / length, y / length) if length else (1.0, 0.0)
    return Place(
        crs=crs, east=east, north=north, height=float(given.get("OrthogonalHeight") or 0) * factor,
        cosine=cosine, sine=sine, scale=residual, notes=tuple(notes), blockers=tuple(blockers),
    )  # fmt: skip


def _plain(one: Any) -> Any:
    value = getattr(one, "NominalValue", None)
    return value.wrappedValue if value is not None else None


def _site_placement(model: Any, unit: float) -> tuple[float, float] | None:
    """Coordinates of the site in metres, where they are those of a map."""
    placement = need("ifcopenshell.util.placement", extra="ifc")
    for site in model.by_type("IfcSite"):
        if site.ObjectPlacement is not None:
            matrix = placement.get_local_placement(site.ObjectPlacement)
            x, y = float(matrix[0][3]) * unit, float(matrix[1][3]) * unit
            if math.hypot(x, y) > FAR:
                return x, y
    return None


def _site_degrees(model: Any) -> tuple[float, float, float] | None:
    """Latitude, longitude (degrees of WGS 84) and elevation (units of the model) of the site."""
    for site in model.by_type("IfcSite"):
        if site.RefLatitude and site.RefLongitude:
            latitude, longitude = (_degrees(one) for one in (site.RefLatitude, site.RefLongitude))
            if (latitude, longitude) != (0.0, 0.0):
                return latitude, longitude, float(site.RefElevation or 0)
    return None


def _degrees(parts: Any) -> float:
    """Degrees, minutes, seconds, millionths; all of one sign, whatever the exporter did."""
    sign = -1.0 if any(part < 0 for part in parts) else 1.0
    factors = (1.0, 60.0, 3600.0, 3600.0e6)
    total: float = sum(abs(part) / factor for part, factor in zip(parts, factors, strict=False))
    return sign * total


def _true_north(model: Any) -> tuple[float, float]:
    """Cosine and sine of the turn from the model's axes to east and north."""
    for context in model.by_type("IfcGeometricRepresentationContext", include_subtypes=False):
        direction = context.TrueNorth
        if direction is not None:
            x, y = float(direction.DirectionRatios[0]), float(direction.DirectionRatios[1])
            length = math.hypot(x, y)
            if length:
                return y / length, x / length
    return 1.0, 0.0


def _in_area(crs: str, east: float, north: float) -> bool:
    pyproj = need("pyproj")
    try:
        system = pyproj.CRS.from_user_input(crs)
        lon, lat = pyproj.Transformer.from_crs(system, "EPSG:4326", always_xy=True).transform(east, north)
    except (pyproj.exceptions.CRSError, pyproj.exceptions.ProjError):
        return False
    use = system.area_of_use
    return use is None or (
        use.west - 1 <= lon <= use.east + 1 and use.south - 1 <= lat <= use.north + 1 and math.isfinite(lon)
    )


def _name_of(crs: str | None) -> str:
    """What a system is called: it tells a person more than its number."""
    return str(need("pyproj").CRS.from_user_input(crs).name) if crs else ""


def _apart(mapped: Place, degrees: tuple[float, float, float]) -> float | None:
    """Metres between the two statements."""
    if mapped.crs is None:
        return None
    pyproj = need("pyproj")
    lon, lat = pyproj.Transformer.from_crs(mapped.crs, "EPSG:4326", always_xy=True).transform(
        mapped.east, mapped.north
    )
    if not math.isfinite(lon):
        return None
    return float(pyproj.Geod(ellps="WGS84").inv(lon, lat, degrees[1], degrees[0])[2])
