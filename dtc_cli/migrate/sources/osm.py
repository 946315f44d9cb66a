"""OpenStreetMap: PBF and XML files through pyosmium, and answers of Overpass as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import shapely

from dtc_cli.migrate.sources import osm_tags
from dtc_cli.migrate.sources.records import Item, RecordSource
from dtc_cli.migrate.sources.source import Field, Layer
from dtc_cli.migrate.sources.web import loads
from dtc_cli.migrate.trouble import need, source_error


class OsmSource(RecordSource):
    """Buildings, roads, parks, water and stations. Ids and `dataSource` follow P4 6.2 (D-40).

    A multipolygon that cannot be put together, a way that is not closed, and one whose nodes are not in the
    extract are records with a problem.

    Args:
        path: `.osm.pbf`, `.osm`, or JSON of Overpass.
        format: always `osm`.
        encoding: not used; OpenStreetMap is UTF-8.
    """

    format = "osm"

    def __init__(self, path: str, *, format: str = "osm", encoding: str | None = None) -> None:
        super().__init__(path)
        with self._path.open("rb") as stream:
            head = stream.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")
        self._reader: _Overpass | _Osmium
        if head[:1] == b"{":
            self._reader = _Overpass(self._path)
            return
        if head[:1] == b"<":
            from dtc_cli.migrate.sources.markup import guard_file

            guard_file(self._path)
        self._reader = _Osmium(self._path)

    def names(self) -> list[str]:
        """See `RecordSource`."""
        return list(osm_tags.LAYERS)

    def items(self, layer: str) -> Iterator[Item]:
        """See `RecordSource`."""
        return self._reader.items(layer)

    def describe(self, layer: str, count: int, fields: tuple[Field, ...], geometry: str | None) -> Layer:
        """See `RecordSource`."""
        return Layer(
            name=layer, count=count, geometry=geometry or "Unknown", crs="EPSG:4326", fields=fields,
            encoding="UTF-8", encoding_evidence="OpenStreetMap is UTF-8", key="osm_id", scheme="osm",
        )  # fmt: skip


def _item(layer: str, kind: str, number: int, tags: Mapping[str, str], shape: Any) -> Item:
    """A record; `shape` is a geometry, or a (code, sentence) where there is none."""
    problem = shape if isinstance(shape, tuple) else None
    return Item(
        fid=f"{kind}/{number}",
        row=osm_tags.row(layer, kind, number, tags),
        shape=None if problem else shape,
        problem=problem,
        extra={"metadata": {"osmId": number, "osmType": kind}},
    )


class _Osmium:
    """Files, read by pyosmium."""

    def __init__(self, path: Path) -> None:
        self._osmium = need("osmium", extra="osm", what="reading OpenStreetMap files")
        self._path = path

    def items(self, layer: str) -> Iterator[Item]:
        kind, belongs = osm_tags.LAYERS[layer]
        osmium = self._osmium
        try:
            if kind == "area":
                yield from self._areas(layer, belongs)
                return
            source = osmium.FileProcessor(str(self._path))
            if kind == "line":
                source = source.with_locations()
            factory = osmium.geom.WKBFactory()
            for one in source:
                if kind == "point" and one.is_node() and belongs(tags := dict(one.tags)):
                    yield _item(layer, "node", one.id, tags, shapely.Point(one.lon, one.lat))
                elif kind == "line" and one.is_way() and belongs(tags := dict(one.tags)):
                    yield _item(
                        layer,
                        "way",
                        one.id,
                        tags,
                        self._made("missing-nodes", factory.create_linestring, one),
                    )
        except (RuntimeError, osmium.InvalidLocationError) as problem:
            raise source_error(
                f"{self._path.name} cannot be read as OpenStreetMap data", where=str(self._path),
                why=str(problem)[:200], hint="is the file whole?",
            ) from problem  # fmt: skip

    def _areas(self, layer: str, belongs: Any) -> Iterator[Item]:
        osmium = self._osmium
        factory = osmium.geom.WKBFactory()
        expected: dict[tuple[str, int], tuple[dict[str, str], tuple[str, str]]] = {}
        for one in osmium.FileProcessor(str(self._path)).with_areas():
            if one.is_area():
                key = ("way" if one.from_way() else "relation", one.orig_id())
                if key in expected:
                    tags, _ = expected.pop(key)
                    yield _item(
                        layer, *key, tags, self._made("unassembled-area", factory.create_multipolygon, one)
                    )
            elif one.is_way() and belongs(tags := dict(one.tags)):
                why = ("unclosed-way", "the way is not closed, so it bounds no area")
                if one.is_closed():
                    why = ("unassembled-area", "no area can be made of the way: too few or missing nodes")
                expected["way", one.id] = (tags, why)
            elif (
                one.is_relation()
                and one.tags.get("type") == "multipolygon"
                and belongs(tags := dict(one.tags))
            ):
                why = ("unassembled-area", "the members of the multipolygon make no rings, or are missing")
                expected["relation", one.id] = (tags, why)
        for (kind, number), (tags, why) in sorted(expected.items()):
            yield _item(layer, kind, number, tags, why)

    def _made(self, code: str, make: Any, element: Any) -> Any:
        try:
            shape: Any = shapely.from_wkb(bytes.fromhex(make(element)))
        except (
            RuntimeError, ValueError, shapely.errors.ShapelyError, self._osmium.InvalidLocationError,
        ) as problem:  # fmt: skip
            return (code, str(problem)[:200])
        if shape.geom_type == "MultiPolygon" and len(shape.geoms) == 1:
            return shape.geoms[0]
        return shape


class _Overpass:
    """Answers of Overpass: `out geom`, or elements with their nodes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            found = loads(path.read_bytes())
            elements = found["elements"]
        except (ValueError, KeyError, TypeError) as problem:
            raise source_error(
                f"{path.name} is no answer of Overpass", where=str(path), why=str(problem)[:200]
            ) from problem
        remark = str(found.get("remark") or "")
        if "error" in remark.lower():
            raise source_error(
                f"{path.name} is an answer that was cut short", where=str(path), why=remark[:200],
                hint="ask again with a smaller area, or a longer [timeout:]",
            )  # fmt: skip
        self._elements: list[dict[str, Any]] = [one for one in elements if isinstance(one, dict)]
        self._nodes = {
            one["id"]: (one["lon"], one["lat"])
            for one in self._elements
            if one.get("type") == "node" and "lon" in one and "lat" in one
        }
        self._ways = {one["id"]: one for one in self._elements if one.get("type") == "way"}

    def items(self, layer: str) -> Iterator[Item]:
        kind, belongs = osm_tags.LAYERS[layer]
        for one in self._elements:
            tags = {str(name): str(value) for name, value in (one.get("tags") or {}).items()}
            what = one.get("type")
            if not tags or not belongs(tags):
                continue
            if kind == "point" and what == "node":
                yield _item(layer, "node", one["id"], tags, self._point(one["id"]))
            elif kind == "line" and what == "way":
                yield _item(layer, "way", one["id"], tags, _line(self._positions(one)))
            elif kind == "area" and what == "way":
                yield _item(layer, "way", one["id"], tags, _area(self._positions(one)))
            elif kind == "area" and what == "relation":
                yield _item(layer, "relation", one["id"], tags, self._multipolygon(one))

    def _point(self, number: int) -> Any:
        place = self._nodes.get(number)
        return shapely.Point(place) if place else ("missing-nodes", "the node has no position")

    def _positions(self, way: Mapping[str, Any]) -> list[tuple[float, float]] | None:
        if way.get("geometry"):
            given = way["geometry"]
            return [(one["lon"], one["lat"]) for one in given] if all(given) else None
        found = [self._nodes.get(number) for number in way.get("nodes") or ()]
        return [one for one in found if one is not None] if found and all(found) else None

    def _multipolygon(self, relation: Mapping[str, Any]) -> Any:
        lines: dict[str, list[Any]] = {"outer": [], "inner": []}
        for member in relation.get("members") or ():
            if member.get("type") != "way":
                continue
            way = member if member.get("geometry") else self._ways.get(member.get("ref"))
            places = self._positions(way) if way else None
            if places is None or len(places) < 2:
                return ("missing-nodes", f"the member way {member.get('ref')} is not in the extract")
            role = "inner" if member.get("role") == "inner" else "outer"
            lines[role].append(shapely.LineString(places))
        outer, inner = _rings(lines["outer"]), _rings(lines["inner"])
        if not outer or outer is None or inner is None:
            return ("unassembled-area", "the members of the multipolygon make no rings")
        made = []
        for ring in outer:
            shell = shapely.Polygon(ring)
            holes = [hole for hole in inner if shell.is_valid and shell.covers(shapely.Polygon(hole))]
            made.append(shapely.Polygon(ring, holes))
        return made[0] if len(made) == 1 else shapely.multipolygons(made)


def _line(places: Sequence[tuple[float, float]] | None) -> Any:
    if places is None or len(places) < 2:
        return ("missing-nodes", "nodes of the way are not in the extract")
    return shapely.LineString(places)


def _area(places: Sequence[tuple[float, float]] | None) -> Any:
    """P4 6.2: a way that is not closed is rejected, never stored open (C-99)."""
    if places is None:
        return ("missing-nodes", "nodes of the way are not in the extract")
    if len(places) < 4 or places[0] != places[-1]:
        return ("unclosed-way", "the way is not closed, so it bounds no area")
    return shapely.Polygon(places)


def _rings(lines: list[Any]) -> list[Any] | None:
    """Lines joined at their ends into rings; None where some are left open."""
    if not lines:
        return []
    merged = shapely.line_merge(shapely.multilinestrings(lines))
    parts = list(merged.geoms) if merged.geom_type == "MultiLineString" else [merged]
    if not all(one.is_closed and len(one.coords) >= 4 for one in parts):
        return None
    return [one.coords for one in parts]
