"""CityJSON 1.0 to 2.0 and CityJSON sequences: vertices through their transform, levels, parts, templates."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from dtc_cli.migrate.sources import axes
from dtc_cli.migrate.sources.records import Item, RecordSource
from dtc_cli.migrate.sources.solids import Rings, Surfaces
from dtc_cli.migrate.sources.source import Field, Layer
from dtc_cli.migrate.sources.web import loads
from dtc_cli.migrate.trouble import source_error

DEPTH = {"MultiSurface": 1, "CompositeSurface": 1, "Solid": 2, "MultiSolid": 3, "CompositeSolid": 3}
"""Geometry type to how many lists stand around its surfaces."""
LONGEST_JSON = 200_000


class CityJsonSource(RecordSource):
    """A layer for each type of city objects; the key is the id that the file gives an object.

    Args:
        path: the file; a sequence has one feature a line, after a line that holds the transform.
        format: always `cityjson`.
        encoding: not used; JSON is UTF-8.
    """

    format = "cityjson"

    def __init__(self, path: str, *, format: str = "cityjson", encoding: str | None = None) -> None:
        super().__init__(path)
        self._head, self._is_sequence = self._first()
        self._order = axes.named(_reference(self._head), self._sample())
        self._types: list[str] | None = None

    def names(self) -> list[str]:
        """See `RecordSource`."""
        if self._types is None:
            found: dict[str, None] = {}
            for document in self._documents():
                found.update(dict.fromkeys(str(one.get("type")) for one in _objects(document).values()))
            self._types = list(found)
        if not self._types:
            raise source_error(f"{self._path.name} has no city objects", where=str(self._path))
        return self._types

    def items(self, layer: str) -> Iterator[Item]:
        """See `RecordSource`."""
        for document in self._documents():
            vertices: Any = None
            for key, one in _objects(document).items():
                if str(one.get("type")) == layer:
                    vertices = self._vertices(document) if vertices is None else vertices
                    yield self._item(document, key, one, vertices)

    def describe(self, layer: str, count: int, fields: tuple[Field, ...], geometry: str | None) -> Layer:
        """See `RecordSource`."""
        return Layer(
            name=layer, count=count, geometry=geometry or "Unknown", crs=self._order.crs, fields=fields,
            encoding="UTF-8", encoding_evidence="JSON is UTF-8", key="cityjson_id",
            notes=(self._order.note,) if self._order.note else (),
        )  # fmt: skip

    def _first(self) -> tuple[dict[str, Any], bool]:
        """The document, or the first line of a sequence."""
        with self._path.open("rb") as stream:
            line = stream.readline()
            try:
                head = loads(line)
                more = bool(stream.readline().strip())
            except ValueError:
                head, more = None, False
        try:
            head = head if isinstance(head, dict) else loads(self._path.read_bytes())
        except ValueError as problem:
            raise source_error(
                f"{self._path.name} is no JSON that can be read",
                where=str(self._path),
                why=str(problem)[:200],
            ) from problem
        if not isinstance(head, dict) or head.get("type") not in ("CityJSON", "CityJSONFeature"):
            raise source_error(f"{self._path.name} is no CityJSON", where=str(self._path))
        return head, more

    def _documents(self) -> Iterator[dict[str, Any]]:
        if not self._is_sequence:
            yield self._head
            return
        with self._path.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                if not line.strip():
                    continue
                try:
                    found = loads(line)
                except ValueError as problem:
                    found = {
                        "line": number,
                        "why": str(problem),
                        "text": line[:2000].decode("utf-8", "replace"),
                    }
                if isinstance(found, dict):
                    yield found

    def _sample(self) -> list[float] | None:
        extent = (self._head.get("metadata") or {}).get("geographicalExtent")
        if extent:
            return [float(extent[0]), float(extent[1])]
        moved = (self._head.get("transform") or {}).get("translate")
        return [float(moved[0]), float(moved[1])] if moved else None

    def _vertices(self, document: Mapping[str, Any]) -> Any:
        transform = document.get("transform") or self._head.get("transform")
        points = np.array(document.get("vertices") or np.empty((0, 3)), dtype=float)
        if transform and len(points):
            points = points * np.array(transform["scale"]) + np.array(transform["translate"])
        return points

    def _item(self, document: Mapping[str, Any], key: str, one: Mapping[str, Any], vertices: Any) -> Item:
        row: dict[str, Any] = {"cityjson_id": key, **(one.get("attributes") or {})}
        parents = one.get("parents") or ([one["parent"]] if "parent" in one else [])
        if parents:
            row["parent"] = parents[0]
            whole = (document.get("CityObjects") or {}).get(parents[0])
            kind = whole.get("type") if isinstance(whole, Mapping) else None
            if kind is not None and f"{kind}Part" != one.get("type"):
                row["parent_class"] = str(kind)
            if len(parents) > 1:
                row["parents"] = [str(parent) for parent in parents]
        address = one.get("address")
        if address:
            row.setdefault("address", _address(address))
        if "why" in one:
            return Item(fid=key, row=row, problem=("bad-row", str(one["why"])[:200]))
        surfaces = Surfaces(self._order.swap, dict)
        try:
            self._take(document, one, vertices, surfaces)
            if surfaces.is_empty():
                others = _objects(document)
                for child in one.get("children") or ():
                    self._take(document, others.get(child) or {}, vertices, surfaces)
            shape, levels = surfaces.shapes()
        except (ValueError, IndexError, KeyError, TypeError) as problem:
            import orjson

            row["json"] = orjson.dumps(one)[:LONGEST_JSON].decode("utf-8", "ignore")
            why = f"{type(problem).__name__}: {problem}"[:200]
            return Item(fid=key, row=row, problem=("unparseable-geometry", why))
        row["z_min"], row["z_max"] = surfaces.heights
        if surfaces.dropped:
            row["surfaces_dropped"] = surfaces.dropped
        extra = {"lod": 0, "lods": levels} if levels else None
        return Item(fid=key, row=row, shape=shape, extra=extra)

    def _take(
        self, document: Mapping[str, Any], one: Mapping[str, Any], vertices: Any, surfaces: Surfaces
    ) -> None:
        """All geometries; of several with the same whole level (1.2, 1.3) the finest counts."""
        best: dict[int, tuple[str, Mapping[str, Any]]] = {}
        for geometry in one.get("geometry") or ():
            lod = str(geometry.get("lod") or _template(self._head, geometry).get("lod", "1"))
            level = int(float(lod)) if lod.replace(".", "", 1).isdigit() else 1
            if level not in best or lod >= best[level][0]:
                best[level] = (lod, geometry)
        for level, (_, geometry) in sorted(best.items()):
            points, given = vertices, geometry
            if geometry.get("type") == "GeometryInstance":
                points, given = _instance(self._head, geometry, vertices)
            _surfaces(given, points, min(level, 4), surfaces)


def _objects(document: Mapping[str, Any]) -> dict[str, Any]:
    if "why" in document:
        return {
            f"line {document['line']}": {"type": "unreadable lines", "attributes": dict(document), **document}
        }
    found = document.get("CityObjects") or {}
    return {str(key): one for key, one in found.items() if isinstance(one, Mapping)}


def _reference(head: Mapping[str, Any]) -> str | None:
    metadata = head.get("metadata") or {}
    given = metadata.get("referenceSystem")
    if given is None and isinstance(metadata.get("crs"), Mapping):
        code = metadata["crs"].get("epsg")
        return f"EPSG:{code}" if code else None
    return str(given) if given else None


def _surfaces(geometry: Mapping[str, Any], points: Any, level: int, surfaces: Surfaces) -> None:
    kind, boundaries = geometry.get("type"), geometry.get("boundaries") or []
    if kind == "MultiPoint":
        surfaces.put_point(points[[int(boundaries[0])]][0]) if boundaries else None
        return
    if kind == "MultiLineString":
        for line in boundaries:
            surfaces.put_line(level, points[_indices(line, len(points))])
        return
    depth = DEPTH[str(kind)]
    semantics = geometry.get("semantics") or {}
    classes = [str(one.get("type")) for one in semantics.get("surfaces") or ()]
    for surface, meaning in zip(*_level(boundaries, semantics.get("values"), depth), strict=True):
        rings: Rings = [(points[_indices(ring, len(points))].reshape(-1).tolist(), 3) for ring in surface]
        surfaces.put(
            level, classes[meaning] if isinstance(meaning, int) and meaning < len(classes) else None, rings
        )


def _level(boundaries: list[Any], values: Any, depth: int) -> tuple[list[Any], list[Any]]:
    """Surfaces and their meanings, out of as many lists as the type has."""
    if depth == 1:
        meanings = list(values) if isinstance(values, list) else []
        return boundaries, (meanings + [None] * len(boundaries))[: len(boundaries)]
    flat: tuple[list[Any], list[Any]] = ([], [])
    for place, one in enumerate(boundaries):
        below = values[place] if isinstance(values, list) and place < len(values) else None
        found, meanings = _level(one, below, depth - 1)
        flat[0].extend(found)
        flat[1].extend(meanings)
    return flat


def _indices(ring: Any, count: int) -> Any:
    found = np.array(ring, dtype=np.int64)
    if found.ndim != 1 or (len(found) and (found.min() < 0 or found.max() >= count)):
        raise IndexError(f"a ring refers to a vertex that is not there, of {count}")
    return found


def _template(head: Mapping[str, Any], geometry: Mapping[str, Any]) -> Mapping[str, Any]:
    """The template of an instance; of any other geometry nothing."""
    if geometry.get("type") != "GeometryInstance":
        return {}
    found: Mapping[str, Any] = (head.get("geometry-templates") or {})["templates"][geometry["template"]]
    return found


def _instance(head: Mapping[str, Any], geometry: Mapping[str, Any], vertices: Any) -> tuple[Any, Any]:
    """A template, turned and scaled by its matrix, and moved to its reference point."""
    templates, given = head.get("geometry-templates") or {}, _template(head, geometry)
    points = np.array(templates["vertices-templates"], dtype=float)
    matrix = np.array(geometry.get("transformationMatrix") or np.eye(4).ravel(), dtype=float).reshape(4, 4)
    placed = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    return placed[:, :3] + vertices[geometry["boundaries"][0]], given


def _address(given: Any) -> str | None:
    parts = given if isinstance(given, list) else [given]
    texts = [
        " ".join(
            str(value) for name, value in one.items() if isinstance(value, str | int) and name != "location"
        )
        for one in parts
        if isinstance(one, Mapping)
    ]
    return "; ".join(text for text in texts if text) or None
