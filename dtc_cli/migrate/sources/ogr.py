"""Files that GDAL reads: GeoPackage, Shapefile, GeoJSON and a dozen more, in Arrow batches."""

import hashlib
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dtc_cli.migrate import encoding as encodings
from dtc_cli.migrate.sources import wkb as wkbs
from dtc_cli.migrate.sources.source import Batch, Field, Layer
from dtc_cli.migrate.trouble import need, source_error

KINDS = {
    "OFTString": "text", "OFTInteger": "integer", "OFTInteger64": "integer", "OFTReal": "number",
    "OFTDate": "date", "OFTDateTime": "instant", "OFTTime": "text",
}  # fmt: skip
DRIVERS = {
    "shapefile": "ESRI Shapefile", "geopackage": "GPKG", "geojson": "GeoJSON", "geojsonseq": "GeoJSONSeq",
    "filegdb": "OpenFileGDB", "gml": "GML", "kml": "LIBKML", "dxf": "DXF", "flatgeobuf": "FlatGeobuf",
    "mapinfo": "MapInfo File", "esrijson": "ESRIJSON", "topojson": "TopoJSON", "gpx": "GPX",
    "sqlite": "SQLite", "wfs": "WFS", "oapif": "OAPIF",
}  # fmt: skip
DROPPED_M = "measures (M) are dropped; heights (Z) are kept"
NO_TABLE = "the table (.dbf) cannot be read: truncated, or UTF-16, which dBASE does not have"


class OgrSource:
    """A data source of GDAL, opened so that nothing is written beside it."""

    def __init__(self, path: str, *, format: str, encoding: str | None = None) -> None:
        self.format = format
        self._path = path
        self._pyogrio = need("pyogrio", what=f"reading {format}")
        self._raw = need("pyogrio.raw", what=f"reading {format}")
        need("pyarrow", what=f"reading {format}")
        self._chosen = encoding
        self._staged: tempfile.TemporaryDirectory[str] | None = None
        self._encoding = self._find_encoding()
        self._open = self._staging(Path(path)) if "://" not in path else path
        if format == "geojsonseq":
            self._open = f"GeoJSONSeq:{self._open}"

    def layers(self) -> list[Layer]:
        """See `Source`."""
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            try:
                names = self._pyogrio.list_layers(self._open)
            except Exception as problem:  # the library raises a dozen kinds for a file that it cannot open
                raise self._unreadable(problem) from problem
            whole = _said(heard)
            found = []
            for name, geometry in names:
                heard.clear()
                layer = self._layer(str(name), geometry)
                found.append(_with_notes(layer, tuple(dict.fromkeys(whole + _said(heard)))))
        return found

    def batches(self, layer: str, *, start: int, size: int, careful: bool) -> Iterator[Batch]:
        """See `Source`. The careful way reads without Arrow."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # The Arrow stream of a drawing may end at a fault without a word; this way tells.
            if careful or self.format == "dxf":
                yield from self._slow(layer, start, size, None)
                return
            yield from self._fast(layer, start, size)

    def keys(self, layer: str, field: str) -> list[Any]:
        """The values of one field, without the cost of geometry."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _, _, _, fields = self._raw.read(
                self._open, layer=layer, columns=[field], read_geometry=False, **self._encoded()
            )
        return _listed(fields[0]) if len(fields) else []

    def token(self) -> str:
        """Size, time and content hash of all files of the source."""
        digest = hashlib.blake2b(digest_size=16)
        for file in _files(self._path):
            facts = file.stat()
            digest.update(f"{file.name} {facts.st_size} {facts.st_mtime_ns}\n".encode())
        return digest.hexdigest()

    def close(self) -> None:
        """Remove the staged links."""
        if self._staged is not None:
            self._staged.cleanup()
            self._staged = None

    def _find_encoding(self) -> encodings.Guess | None:
        dbf = _sibling(Path(self._path), ".dbf") if self.format == "shapefile" else None
        if dbf is None:
            if self._chosen is None:
                return None
            return encodings.Guess(name=self._chosen, confidence=1.0, evidence="given in the plan")
        return encodings.of_shapefile(dbf, self._chosen)

    def _staging(self, path: Path) -> str:
        """Formats whose driver writes side files are opened through links in a folder of their own."""
        lacks_index = (
            self.format == "shapefile" and path.suffix.lower() == ".shp" and _sibling(path, ".shx") is None
        )
        if not (lacks_index or self.format in ("gml", "mapinfo")):
            return str(path)
        self._staged = tempfile.TemporaryDirectory(prefix="dtc-migrate-")
        for file in _files(str(path)):
            os.symlink(file.resolve(), Path(self._staged.name) / file.name)
        if lacks_index:
            self._pyogrio.set_gdal_config_options({"SHAPE_RESTORE_SHX": "YES"})
        return str(Path(self._staged.name) / path.name)

    def _layer(self, name: str, geometry: str | None) -> Layer:
        try:
            info = self._pyogrio.read_info(
                self._open, layer=name, force_feature_count=True, **self._encoded()
            )
        except Exception as problem:
            return Layer(
                name=name, count=None, geometry=geometry, crs=None, blockers=(_sentence(str(problem)),)
            )
        fields = [
            Field(name=str(one), kind=KINDS.get(kind, "other"))
            for one, kind in zip(info["fields"], info["ogr_types"], strict=True)
        ]
        count = int(info["features"])
        guess, notes = self._encoding, self._notes(info)
        return Layer(
            name=name,
            count=count if count >= 0 else None,
            geometry=geometry,
            crs=info["crs"],
            fields=tuple(fields),
            encoding=guess.name if guess else (info["encoding"] or "UTF-8"),
            encoding_evidence=(
                f"{guess.evidence} (confidence {guess.confidence:.0%})" if guess else "the format states it"
            ),
            notes=notes,
            blockers=(NO_TABLE,) if NO_TABLE in notes and info["geometry_type"] is None else (),
            key=_key_field([field.name for field in fields], self.format),
            scheme="arcgis" if self.format == "esrijson" else "uuid5",
        )

    def _notes(self, info: dict[str, Any]) -> tuple[str, ...]:
        notes = []
        if self.format == "dxf" and not _has_end(Path(self._path)):
            notes.append("the drawing is cut off: its end mark is missing, and what stood before it may be")
        if any(word in str(info["geometry_type"]) for word in ("Curve", "Surface", "Compound", "Circular")):
            notes.append("arcs are drawn as lines of one segment to 4 degrees, which GDAL does")
        if self._staged is not None and self.format == "shapefile":
            notes.append("the index (.shx) is missing; it was rebuilt on a copy")
        if self._encoding is not None and self._encoding.confidence < 0.6:
            others = ", ".join(self._encoding.others)
            notes.append(f"the encoding is a guess, look at the samples; also possible: {others or 'none'}")
        names = [str(name) for name in info["fields"]]
        if self.format == "shapefile" and (dbf := _sibling(Path(self._path), ".dbf")):
            table = encodings.read_dbf(dbf)
            stored = list(table.fields) if table else []
            twice = sorted({one.decode("latin-1") for one in stored if stored.count(one) > 1})
            if twice:
                notes.append(f"field names occur twice: {', '.join(twice)}; they are told apart by position")
            if table is None or (table.count and not names):
                notes.append(NO_TABLE)
        return tuple(notes)

    def _encoded(self) -> dict[str, Any]:
        if self._encoding is None:
            return {}
        return {"encoding": self._encoding.name}

    def _fast(self, layer: str, start: int, size: int) -> Iterator[Batch]:
        first = 0
        try:
            with self._raw.open_arrow(
                self._open, layer=layer, use_pyarrow=True, return_fids=True, batch_size=size,
                datetime_as_string=True, **self._encoded(),
            ) as (meta, reader):  # fmt: skip
                for table in reader:
                    end = first + table.num_rows
                    if end > start:
                        skip = max(0, start - first)
                        yield self._from_arrow(table.slice(skip), meta, first + skip, layer)
                    first = end
        except (RuntimeError, ValueError, OSError, self._pyogrio.errors.DataSourceError) as problem:
            if first > start or "not supported" not in str(problem).lower():
                raise self._unreadable(problem) from problem
            yield from self._slow(layer, start, size, None)

    def _from_arrow(self, table: Any, meta: dict[str, Any], first: int, layer: str) -> Batch:
        names = table.schema.names
        fid_name = meta["fid_column"] or "OGC_FID"
        geometry_name = meta["geometry_name"] or "wkb_geometry"
        columns: dict[str, list[Any]] = {}
        raw: list[bytes | None] | None = None
        fids: list[str] | None = None
        for index, name in enumerate(names):
            column = table.column(index)
            if raw is None and name == geometry_name and meta["geometry_type"] is not None:
                raw = column.to_pylist()
            elif fids is None and index == 0 and name == fid_name:
                fids = [str(one) for one in column.to_pylist()]
            else:
                columns[_unique(name, columns)] = column.to_pylist()
        count = table.num_rows
        if raw is not None and wkbs.any_curved(raw):
            linear = next(self._slow(layer, first, count, count), None)
            if linear is not None and linear.size == count:
                return linear
        shapes, problems, kept = wkbs.parse(raw if raw is not None else [None] * count)
        return Batch(
            first=first, columns=columns, geometry=shapes,
            fids=fids or [str(first + index) for index in range(count)], problems=problems, raw=kept,
        )  # fmt: skip

    def _slow(self, layer: str, start: int, size: int, limit: int | None) -> Iterator[Batch]:
        """Without Arrow; GDAL's curves come out as lines here."""
        first, end = start, None if limit is None else start + limit
        while end is None or first < end:
            try:
                meta, fids, raw, fields = self._raw.read(
                    self._open, layer=layer, skip_features=first, max_features=size, return_fids=True,
                    datetime_as_string=True, **self._encoded(),
                )  # fmt: skip
            except Exception as problem:
                raise self._unreadable(problem) from problem
            if not len(fids):
                return
            shapes, problems, kept = wkbs.parse(list(raw) if raw is not None else [None] * len(fids))
            columns: dict[str, list[Any]] = {}
            for name, values in zip(meta["fields"], fields, strict=True):
                columns[_unique(str(name), columns)] = _listed(values)
            yield Batch(
                first=first, columns=columns, geometry=shapes, fids=[str(fid) for fid in fids],
                problems=problems, raw=kept,
            )  # fmt: skip
            first += len(fids)
            if len(fids) < size:
                return

    def _unreadable(self, problem: Exception) -> Exception:
        return source_error(
            f"{os.path.basename(self._path)} cannot be read as {self.format}",
            where=self._path,
            why=_sentence(str(problem)),
            hint="is the file whole, and is it of this format? `format:` of the source overrides the guess",
        )


def _has_end(path: Path) -> bool:
    """Whether a drawing ends as one does; names in archives are not looked at."""
    if not path.is_file() or path.suffix.lower() != ".dxf":
        return True
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - 256))
        return b"EOF" in stream.read()


def _listed(values: Any) -> list[Any]:
    """A column as Python values; NaT and NaN are null."""
    return [None if one != one else one for one in values.tolist()]  # noqa: PLR0124 - NaN


def _unique(name: str, taken: dict[str, Any]) -> str:
    if name not in taken:
        return name
    number = 2
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"


def _key_field(names: list[str], format: str) -> str | None:
    wanted = ("OBJECTID", "objectid", "FID", "gml_id", "GlobalID", "UFID")
    if format in ("filegdb", "esrijson", "gml", "shapefile", "geopackage"):
        return next((name for name in wanted if name in names and name != "FID"), None)
    return None


def _sentence(text: str) -> str:
    return text.strip().splitlines()[0][:300] if text.strip() else "no reason given"


def _said(heard: list[warnings.WarningMessage]) -> tuple[str, ...]:
    """What the library warned of, each sentence once."""
    said = (_sentence(str(one.message)) for one in heard)
    return tuple(dict.fromkeys(DROPPED_M if "Measured (M)" in one else one for one in said))


def _with_notes(layer: Layer, notes: tuple[str, ...]) -> Layer:
    import msgspec

    return msgspec.structs.replace(layer, notes=layer.notes + notes) if notes else layer


def _sibling(path: Path, suffix: str) -> Path | None:
    """The file of another suffix beside it, whatever the case of its name."""
    for one in (path.with_suffix(suffix), path.with_suffix(suffix.upper())):
        if one.exists():
            return one
    wanted = path.stem.lower() + suffix
    try:
        return next((one for one in path.parent.iterdir() if one.name.lower() == wanted), None)
    except OSError:
        return None


def _files(path: str) -> list[Path]:
    """All files that make up a source."""
    place = Path(path)
    if place.is_dir():
        return sorted(one for one in place.rglob("*") if one.is_file())
    if place.suffix.lower() in (".shp", ".dbf", ".gml", ".tab", ".mif", ".mid"):
        stem = place.stem.lower()
        return sorted(
            one
            for one in place.parent.iterdir()
            if one.is_file() and one.name.lower().partition(".")[0] == stem.partition(".")[0]
        )
    return [place] if place.exists() else []
