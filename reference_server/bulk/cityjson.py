"""A city as CityJSON 2.0: one transform, integer vertices, objects by id.

Vertices stand behind the objects in the document, so they wait in a file meanwhile. Axis order is longitude,
latitude (CRS84h) for WGS84, easting, northing for projected systems; altitudes are metres.
"""

import tempfile
from collections.abc import Iterator
from typing import IO, Any

import orjson

from reference_server.bulk.export import Export

SURFACES = frozenset({"MultiSurface"})
TYPES: dict[str, tuple[str, frozenset[str]]] = {
    "Building": ("Building", SURFACES),
    "Bridge": ("Bridge", SURFACES),
    "Park": ("LandUse", SURFACES),
    "Road": ("Road", SURFACES | {"MultiLineString"}),
    "WaterBody": ("WaterBody", SURFACES | {"MultiLineString"}),
}
"""CityJSON's type for one of this standard, and the geometries that it may have; all else is generic."""
GENERIC = "GenericCityObject"
DEGREE, METRE = 1e-7, 1e-3
"""Resolution of coordinates: a centimetre, a millimetre."""


def cityjson(export: Export) -> Iterator[bytes]:
    """The document."""
    box = export.city.bounds.box
    projected = export.city.system != "WGS84"
    step = METRE if projected else DEGREE
    system = "OGC/0/CRS84h"
    if projected:
        system = f"EPSG/0/{int(export.city.body['coordinateSystem']['epsg'])}"
    head: dict[str, Any] = {
        "type": "CityJSON",
        "version": "2.0",
        "transform": {"scale": [step, step, METRE], "translate": [box[0], box[1], 0.0]},
        "metadata": {"identifier": export.city.id, "title": str(export.city.body["name"])},
    }
    if export.city.system != "local":
        head["metadata"]["referenceSystem"] = f"https://www.opengis.net/def/crs/{system}"
    yield orjson.dumps(head)[:-1] + b',"CityObjects":{'
    with tempfile.TemporaryFile() as spool:
        vertices = Vertices(spool, (box[0], box[1], 0.0), (step, step, METRE))
        first = True
        for text in export.objects():
            item = orjson.loads(text)
            yield (
                (b"" if first else b",")
                + orjson.dumps(item["id"])
                + b":"
                + orjson.dumps(_object(item, vertices))
            )
            first = False
        yield b'},"vertices":['
        spool.seek(0)
        while block := spool.read(64 * 1024):
            yield block
    yield b"]}\n"


class Vertices:
    """Positions as integers, numbered as they come; equal ones of an object share a number."""

    def __init__(self, spool: IO[bytes], origin: tuple[float, ...], step: tuple[float, ...]) -> None:
        self._spool = spool
        self._origin = origin
        self._step = step
        self._count = 0
        self._known: dict[tuple[int, ...], int] = {}

    def forget(self) -> None:
        """Begin another object."""
        self._known = {}

    def number(self, position: list[float]) -> int:
        """The index of a position."""
        full = (*position, 0.0) if len(position) < 3 else position
        whole = tuple(
            round((value - zero) / step)
            for value, zero, step in zip(full, self._origin, self._step, strict=True)
        )
        found = self._known.get(whole)
        if found is None:
            found = self._known[whole] = self._count
            self._spool.write((b"," if self._count else b"") + orjson.dumps(whole))
            self._count += 1
        return found


def _object(item: dict[str, Any], vertices: Vertices) -> dict[str, Any]:
    vertices.forget()
    shapes = list(_geometries(item["geometry"], vertices))
    kind, allowed = TYPES.get(item["type"], (GENERIC, frozenset[str]()))
    if any(shape["type"] not in allowed for shape in shapes):
        kind = GENERIC
    attributes = {**item["properties"], "objectType": item["type"]}
    attributes |= {name: item[name] for name in ("sensors", "metadata") if name in item}
    return {"type": kind, "attributes": attributes, "geometry": shapes}


def _geometries(geometry: dict[str, Any], vertices: Vertices) -> Iterator[dict[str, Any]]:
    """A GeoJSON geometry as CityJSON's; levels of detail end at 3 there."""
    kind = geometry["type"]
    if kind == "GeometryCollection":
        for part in geometry["geometries"]:
            yield from _geometries({"lod": geometry.get("lod", 0), **part}, vertices)
        return
    shape = geometry["coordinates"]
    lod = str(min(int(geometry.get("lod", 0)), 3))
    if kind.endswith("Point"):
        boundaries: list[Any] = [vertices.number(p) for p in ([shape] if kind == "Point" else shape)]
        name = "MultiPoint"
    elif kind.endswith("LineString"):
        lines = [shape] if kind == "LineString" else shape
        boundaries = [[vertices.number(p) for p in line] for line in lines]
        name = "MultiLineString"
    else:
        polygons = [shape] if kind == "Polygon" else shape
        # a ring is not closed in CityJSON: its last position is left out
        boundaries = [[[vertices.number(p) for p in ring[:-1]] for ring in rings] for rings in polygons]
        name = "MultiSurface"
    yield {"type": name, "lod": lod, "boundaries": boundaries}
