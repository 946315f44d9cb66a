"""GeoParquet 1.0 and 1.1: row groups in order, WKB or native coordinates, systems as PROJJSON."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import shapely

from dtc_cli.migrate.sources import wkb as wkbs
from dtc_cli.migrate.sources.records import around, file_token
from dtc_cli.migrate.sources.source import Batch, Field, Layer
from dtc_cli.migrate.trouble import need, source_error

NATIVE = ("point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon")
KEYS = ("id", "objectid", "gid", "uid", "ufid")


class ParquetSource:
    """One layer; a file without the `geo` metadata is a table.

    Args:
        path: the file.
        format: always `geoparquet`.
        encoding: not used; Parquet is UTF-8.
        geometry: column of the geometry, where it is not the primary one.
    """

    format = "geoparquet"

    def __init__(
        self,
        path: str,
        *,
        format: str = "geoparquet",
        encoding: str | None = None,
        geometry: str | None = None,
    ) -> None:
        library = need("pyarrow.parquet", extra="parquet", what="reading GeoParquet")
        self._path = Path(path)
        try:
            self._file = library.ParquetFile(path)
        except Exception as problem:  # the library raises many kinds for a file that it cannot open
            raise source_error(
                f"{self._path.name} is no Parquet file that can be read", where=path, why=str(problem)[:200]
            ) from problem
        schema = self._file.schema_arrow
        self._geo = self._metadata(schema)
        columns = self._geo.get("columns") or {}
        self._column = geometry or self._geo.get("primary_column")
        if self._column is not None and self._column not in schema.names:
            raise source_error(
                f"there is no column {self._column}", where=path, hint="columns: " + ", ".join(schema.names)
            )
        self._facts: dict[str, Any] = columns.get(self._column) or {}
        self._others = [name for name in columns if name != self._column]

    def layers(self) -> list[Layer]:
        """See `Source`."""
        schema = self._file.schema_arrow
        hidden = {self._column, *self._others}
        fields = tuple(Field(name=one.name, kind=_kind(one.type)) for one in schema if one.name not in hidden)
        types = self._facts.get("geometry_types") or []
        geometry = (
            None if self._column is None else types[0].removesuffix(" Z") if len(types) == 1 else "Unknown"
        )
        notes = []
        if self._others:
            notes.append("further geometries are left out: " + ", ".join(self._others))
        if self._facts.get("edges") == "spherical":
            notes.append("edges are spherical; they are taken for straight ones")
        return [
            Layer(
                name=self._path.stem, count=self._file.metadata.num_rows, geometry=geometry, crs=self._crs(),
                fields=fields, encoding="UTF-8", encoding_evidence="Parquet is UTF-8", notes=tuple(notes),
                extent=_extent(self._facts.get("bbox")),
                key=next((one.name for one in fields if one.name.lower() in KEYS), None),
            )
        ]  # fmt: skip

    def batches(self, layer: str, *, start: int, size: int, careful: bool) -> Iterator[Batch]:
        """See `Source`. Row groups before `start` are not read."""
        first = 0
        groups: list[int] = []
        for number in range(self._file.num_row_groups):
            rows = self._file.metadata.row_group(number).num_rows
            if groups or first + rows > start:
                groups.append(number)
            else:
                first += rows
        columns = [one for one in self._file.schema_arrow.names if one not in self._others]
        try:
            for table in self._file.iter_batches(batch_size=size, row_groups=groups, columns=columns):
                skip = max(0, start - first)
                if skip < table.num_rows:
                    yield self._batch(table.slice(skip), first + skip)
                first += table.num_rows
        except (OSError, ValueError, RuntimeError) as problem:
            raise source_error(
                f"{self._path.name} cannot be read to its end", where=str(self._path), why=str(problem)[:200]
            ) from problem

    def keys(self, layer: str, field: str) -> list[Any]:
        """The values of one field."""
        values: list[Any] = self._file.read(columns=[field]).column(0).to_pylist()
        return values

    def token(self) -> str:
        """Size, time and name of the file."""
        return file_token(self._path)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _metadata(self, schema: Any) -> dict[str, Any]:
        given = (schema.metadata or {}).get(b"geo")
        if given is None:
            return {}
        try:
            found = orjson.loads(given)
        except ValueError as problem:
            raise source_error(
                f"{self._path.name} has metadata that cannot be read", where=str(self._path), why=str(problem)
            ) from problem
        return found if isinstance(found, dict) else {}

    def _crs(self) -> str | None:
        """Absent means longitude and latitude; an explicit null means unknown (GeoParquet 1.1)."""
        if self._column is None:
            return None
        if "crs" not in self._facts:
            return "EPSG:4326"
        given = self._facts["crs"]
        if given is None:
            return None
        identity = given.get("id") if isinstance(given, dict) else None
        if isinstance(identity, dict) and identity.get("authority") and identity.get("code"):
            if (identity["authority"], str(identity["code"])) == ("OGC", "CRS84"):
                return "EPSG:4326"
            return f"{identity['authority']}:{identity['code']}"
        return given if isinstance(given, str) else orjson.dumps(given).decode()

    def _batch(self, table: Any, first: int) -> Batch:
        columns = {
            name: table.column(name).to_pylist() for name in table.schema.names if name != self._column
        }
        raw: list[Any] = table.column(self._column).to_pylist() if self._column else [None] * table.num_rows
        encoding = str(self._facts.get("encoding", "WKB")).lower()
        if encoding in NATIVE:
            shapes, problems = _native(raw, encoding)
            kept: dict[int, bytes] = {}
        else:
            shapes, problems, kept = wkbs.parse(raw)
        return Batch(
            first=first, columns=columns, geometry=shapes, problems=problems, raw=kept,
            fids=[str(first + place) for place in range(table.num_rows)],
        )  # fmt: skip


def _extent(box: Any) -> tuple[float, float, float, float] | None:
    """The box of a column, of four numbers or of six with heights, as the file states it."""
    if not isinstance(box, list) or not all(isinstance(one, int | float) for one in box):
        return None
    half = len(box) // 2
    return around([(box[0], box[1], box[half], box[half + 1])]) if len(box) in (4, 6) else None


def _native(raw: list[Any], kind: str) -> tuple[Any, dict[int, tuple[str, str]]]:
    """Geometries of the encodings with coordinates in lists of structs."""
    shapes = np.empty(len(raw), dtype=object)
    problems: dict[int, tuple[str, str]] = {}
    for place, one in enumerate(raw):
        if one is None:
            continue
        try:
            shapes[place] = _shape(one, kind)
        except (ValueError, TypeError, KeyError, shapely.errors.ShapelyError) as problem:
            problems[place] = ("unparseable-geometry", str(problem)[:200])
    return shapes, problems


def _shape(given: Any, kind: str) -> Any:
    if kind == "point":
        return shapely.Point(_position(given))
    if kind == "linestring":
        return shapely.LineString([_position(one) for one in given])
    if kind == "polygon":
        rings = [[_position(one) for one in ring] for ring in given]
        return shapely.Polygon(rings[0], rings[1:]) if rings else None
    parts = [_shape(one, kind.removeprefix("multi")) for one in given]
    if kind == "multipoint":
        return shapely.multipoints(parts)
    return shapely.multilinestrings(parts) if kind == "multilinestring" else shapely.multipolygons(parts)


def _position(one: Any) -> tuple[float, ...]:
    if isinstance(one, dict):
        return tuple(one[axis] for axis in ("x", "y", "z") if one.get(axis) is not None)
    return tuple(one)


def _kind(kind: Any) -> str:
    text = str(kind)
    for start, name in (
        ("bool", "boolean"), ("int", "integer"), ("uint", "integer"), ("float", "number"),
        ("double", "number"), ("halffloat", "number"), ("decimal", "number"),
        ("timestamp", "instant"), ("date", "date"),
        ("string", "text"), ("large_string", "text"), ("dictionary", "text"),
    ):  # fmt: skip
        if text.startswith(start):
            return name
    return "other"
