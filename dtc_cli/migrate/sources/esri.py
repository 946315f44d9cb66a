"""Esri JSON: geometries, reference systems, and fields with domains, as ArcGIS services give them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import shapely

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
KINDS = {
    "esriFieldTypeOID": "integer", "esriFieldTypeInteger": "integer", "esriFieldTypeSmallInteger": "integer",
    "esriFieldTypeBigInteger": "integer", "esriFieldTypeDouble": "number", "esriFieldTypeSingle": "number",
    "esriFieldTypeDate": "instant", "esriFieldTypeDateOnly": "date",
}  # fmt: skip
UNSEEN = ("esriFieldTypeGeometry", "esriFieldTypeBlob", "esriFieldTypeRaster")
GEOMETRIES = {
    "esriGeometryPoint": "Point", "esriGeometryMultipoint": "MultiPoint",
    "esriGeometryPolyline": "MultiLineString", "esriGeometryPolygon": "Polygon",
}  # fmt: skip


def crs(reference: Mapping[str, Any] | None) -> str | None:
    """The authority code or WKT of a `spatialReference`. 102100 and its like are EPSG:3857."""
    if not reference:
        return None
    code = reference.get("latestWkid") or reference.get("wkid")
    if code is None:
        return reference.get("wkt") or reference.get("wkt2") or None
    code = int(code)
    if code in (102100, 102113, 900913):
        return "EPSG:3857"
    own = 37000 <= code < 38000 or 53000 <= code < 55000 or code > 100000
    base = f"ESRI:{code}" if own else f"EPSG:{code}"
    height = reference.get("latestVcsWkid") or reference.get("vcsWkid")
    return f"{base}+{int(height)}" if height and base.startswith("EPSG") and int(height) < 32767 else base


def shape(  # noqa: PLR0911 - one arm per type
    given: Mapping[str, Any] | None, *, has_z: bool = False, has_m: bool = False
) -> Any:
    """A geometry, or None where there is none or it is empty. M is dropped.

    Raises:
        ValueError: for a geometry that cannot be understood, curves among them.
    """
    if not given:
        return None
    tall = bool(given.get("hasZ", has_z))
    measured = bool(given.get("hasM", has_m))
    if "curveRings" in given or "curvePaths" in given:
        raise ValueError("it holds true curves; ask the service without returnTrueCurves")
    if "x" in given:
        x, y = given["x"], given["y"]
        if x is None or y is None or x == "NaN" or y == "NaN":
            return None
        height = given.get("z")
        if isinstance(height, int | float) and height == height:  # noqa: PLR0124 - NaN
            return shapely.Point(float(x), float(y), float(height))
        return shapely.Point(float(x), float(y))
    if "points" in given:
        found = _positions(given["points"], tall, measured)
        return shapely.multipoints(found) if len(found) else None
    if "paths" in given:
        lines = [shapely.LineString(_positions(path, tall, measured)) for path in given["paths"] if path]
        return None if not lines else lines[0] if len(lines) == 1 else shapely.multilinestrings(lines)
    if "rings" in given:
        return polygons([_positions(ring, tall, measured) for ring in given["rings"] if ring])
    raise ValueError("it is none of point, points, paths and rings")


def _positions(points: Sequence[Sequence[Any]], tall: bool, measured: bool) -> Any:
    if not points:
        return np.empty((0, 2))
    width = 3 if tall and all(len(one) >= 3 and one[2] is not None for one in points) else 2
    if not tall and not measured and all(len(one) == 3 for one in points):
        width = 3  # services that forget to say hasZ
    return np.array([[float(value) for value in one[:width]] for one in points])


def polygons(rings: Sequence[Any]) -> Any:
    """Rings sorted into polygons: clockwise ones are shells, the others holes of the shell around them.

    P4 6.1 leaves it open (C-98); a hole that lies in no shell is a shell written the wrong way round.
    """
    closed = []
    for ring in rings:
        whole = ring if np.array_equal(ring[0], ring[-1]) else np.vstack([ring, ring[:1]])
        if len(whole) < 4:
            raise ValueError(f"a ring has {len(whole)} positions, a ring needs 4")
        closed.append(whole)
    if not closed:
        return None
    if len(closed) == 1:
        return shapely.Polygon(closed[0])
    areas = [_signed_area(ring) for ring in closed]
    shells: list[tuple[float, Any, list[Any]]]
    shells = [(abs(area), ring, []) for area, ring in zip(areas, closed, strict=True) if area <= 0]
    holes = [ring for area, ring in zip(areas, closed, strict=True) if area > 0]
    shells.sort(key=lambda one: one[0])
    filled = [shapely.Polygon(ring) for _, ring, _ in shells]
    shapely.prepare(filled)
    for hole in holes:
        inner = shapely.Polygon(hole)
        inside = inner.representative_point() if inner.is_valid else shapely.Point(hole[0])
        owner = next((place for place, one in enumerate(filled) if shapely.intersects(one, inside)), None)
        if owner is None:
            shells.append((0.0, hole, []))
            filled.append(inner)
        else:
            shells[owner][2].append(hole)
    made = [shapely.Polygon(ring, inner) for _, ring, inner in shells]
    return made[0] if len(made) == 1 else shapely.multipolygons(made)


def _signed_area(ring: Any) -> float:
    x, y = ring[:, 0] - ring[0, 0], ring[:, 1] - ring[0, 1]
    return float(np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1])) / 2


def instant(value: Any) -> str | None:
    """Epoch milliseconds as an instant of UTC; a text stays as it is."""
    if value is None or isinstance(value, str):
        return value or None
    try:
        when = EPOCH + timedelta(milliseconds=float(value))
    except (OverflowError, ValueError):
        return str(value)
    precise = "milliseconds" if when.microsecond else "seconds"
    return when.isoformat(timespec=precise).replace("+00:00", "Z")


class Columns:
    """How the attributes of a layer become fields: dates as instants, codes with their words beside them."""

    def __init__(self, description: Mapping[str, Any]) -> None:
        fields = [one for one in description.get("fields") or () if one.get("type") not in UNSEEN]
        self.kinds = {str(one["name"]): KINDS.get(str(one.get("type")), "text") for one in fields}
        self._dates = [one["name"] for one in fields if one.get("type") == "esriFieldTypeDate"]
        self._whole = [name for name, kind in self.kinds.items() if kind == "integer"]
        self._words: dict[str, dict[str, str]] = {}
        for one in fields:
            words = _coded(one.get("domain"))
            if words:
                self._words[one["name"]] = words
        self._subtype = description.get("typeIdField") or description.get("subtypeField") or None
        self._by_type: dict[str, dict[str, dict[str, str]]] = {}
        kinds: dict[str, str] = {}
        for one in description.get("types") or ():
            code = str(one.get("id"))
            kinds[code] = str(one.get("name"))
            domains = {name: _coded(domain) for name, domain in (one.get("domains") or {}).items()}
            self._by_type[code] = {name: words for name, words in domains.items() if words}
        if self._subtype and kinds and self._subtype in self.kinds:
            self._words.setdefault(self._subtype, kinds)
        coded = {*self._words, *(name for one in self._by_type.values() for name in one)}
        self.labelled = [name for name in self.kinds if name in coded]
        """Fields with a domain; `NAME_label` is the word for its code."""

    def row(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of one record; one that the service left out is null."""
        row = {name: attributes.get(name) for name in self.kinds}
        for name in attributes:
            if name not in row and name not in self.kinds:
                row[name] = attributes[name]
        for name in self._dates:
            row[name] = instant(row[name])
        for name in self._whole:
            value = row[name]
            if isinstance(value, float) and value.is_integer():
                row[name] = int(value)
        special = self._by_type.get(str(row.get(self._subtype)), {}) if self._subtype else {}
        for name in self.labelled:
            words = special.get(name) or self._words.get(name) or {}
            value = row.get(name)
            row[f"{name}_label"] = words.get(str(value)) if value is not None else None
        return row


def _coded(domain: Any) -> dict[str, str]:
    if not isinstance(domain, Mapping):
        return {}
    return {str(one["code"]): str(one["name"]) for one in domain.get("codedValues") or () if "code" in one}
