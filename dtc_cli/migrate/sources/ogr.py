"""Files that GDAL reads: GeoPackage, Shapefile, GeoJSON and a dozen more, in Arrow batches."""

import hashlib
import math
import os
import sqlite3
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from dtc_cli.migrate import encoding as encodings
from dtc_cli.migrate.sources import domains, packed, shapefile
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
SUFFIXES_OF = {
    "geopackage": (".gpkg",), "geojson": (".geojson", ".json"), "gml": (".gml", ".xml"), "kml": (".kml",),
    "dxf": (".dxf",), "mapinfo": (".tab", ".mif"), "flatgeobuf": (".fgb",), "geojsonseq": (".geojsonl",),
    "sqlite": (".sqlite",),
}  # fmt: skip
"""Files of a format within an archive."""
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
        self.share: tuple[int, int] | None = None
        self.bare = False
        """Whether batches come without fields."""
        self._tables: dict[str, Path] = {}
        """Layer of a shapefile to its attribute table."""
        self._rebuilt = False
        self._within = ""
        self._open = self._staging(Path(path)) if "://" not in path else path
        self._encodings = self._find_encodings()
        if format == "geojsonseq":
            self._open = f"GeoJSONSeq:{self._open}"
        self._words = self._find_words()

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
        if not found:
            raise source_error(
                f"{os.path.basename(self._path)} has no layers",
                where=self._path,
                why="it opens, and holds nothing that can be read; parts may be missing",
            )
        return found

    def batches(self, layer: str, *, start: int, size: int, careful: bool) -> Iterator[Batch]:
        """See `Source`. The careful way reads without Arrow."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # The Arrow stream of a drawing may end at a fault without a word; this way tells.
            # That of FlatGeobuf falls over null geometries in a file without an index.
            if careful or self.format in ("dxf", "flatgeobuf"):
                yield from self._slow(layer, start, size, None)
                return
            yield from self._fast(layer, start, size)

    def keys(self, layer: str, field: str) -> list[Any]:
        """The values of one field, without the cost of geometry."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _, _, _, fields = self._raw.read(
                self._open, layer=layer, columns=[field], read_geometry=False, **self._encoded(layer)
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

    def _find_encodings(self) -> dict[str, encodings.Guess]:
        """Layer to encoding of its texts; `` for all others. Each shapefile of several has its own."""
        if self._chosen is not None and not self._tables:
            return {"": encodings.Guess(name=self._chosen, confidence=1.0, evidence="given in the plan")}
        return {name: encodings.of_shapefile(dbf, self._chosen) for name, dbf in self._tables.items()}

    def _find_words(self) -> domains.Tables:
        """Words for codes that the format itself has."""
        if self.format == "geopackage" and Path(self._open).is_file():
            return domains.of_geopackage(Path(self._open))
        return domains.of_geodatabase(self._raw, self._open) if self.format == "filegdb" else {}

    def _staging(self, path: Path) -> str:
        """Formats whose driver writes side files are opened through links in a folder of their own."""
        if self.format == "shapefile":
            # The option is one of the whole process: an index that is there is never made anew.
            self._pyogrio.set_gdal_config_options({"SHAPE_RESTORE_SHX": None})
        if self.format == "shapefile" and (path.is_dir() or path.suffix.lower() == ".zip"):
            return self._together(path)
        if path.suffix.lower() == ".zip" and self.format == "filegdb":
            return f"/vsizip/{path.resolve()}/{packed.database(path)}".rstrip("/")
        if path.suffix.lower() == ".zip":
            within = packed.inside(path, tuple(SUFFIXES_OF.get(self.format, ())))
            return f"/vsizip/{path.resolve()}/{within}".rstrip("/")
        if self.format == "shapefile":
            dbf = _sibling(path, ".dbf")
            self._tables = {path.stem: dbf} if dbf is not None else {}
        self._rebuilt = (
            self.format == "shapefile" and path.suffix.lower() == ".shp" and _sibling(path, ".shx") is None
        )
        if not (self._rebuilt or self.format in ("gml", "mapinfo")):
            return str(path)
        self._staged = tempfile.TemporaryDirectory(prefix="dtc-migrate-")
        for file in _files(str(path)):
            os.symlink(file.resolve(), Path(self._staged.name) / file.name)
        if self._rebuilt:
            self._pyogrio.set_gdal_config_options({"SHAPE_RESTORE_SHX": "YES"})
        return str(Path(self._staged.name) / path.name)

    def _together(self, path: Path) -> str:
        """Several shapefiles, in a folder or an archive: the tables tell an encoding each."""
        within = "" if path.is_dir() else packed.inside(path, (".shp",))
        self._within = within
        self._rebuilt = packed.without_index(path, within)
        if path.is_dir() and not self._rebuilt:
            self._tables = packed.tables(path, "", path)
            return str(path)
        self._staged = tempfile.TemporaryDirectory(prefix="dtc-migrate-")
        staged = Path(self._staged.name)
        if self._rebuilt:
            if path.is_dir():
                for file in path.iterdir():
                    os.symlink(file.resolve(), staged / file.name)
            else:
                packed.unpack(path, within, staged)
            self._pyogrio.set_gdal_config_options({"SHAPE_RESTORE_SHX": "YES"})
            self._tables = packed.tables(staged, "", staged)
            return str(staged)
        self._tables = packed.tables(path, within, staged)
        return f"/vsizip/{path.resolve()}/{within}".rstrip("/")

    def _layer(self, name: str, geometry: str | None) -> Layer:
        try:
            info = self._pyogrio.read_info(
                self._open,
                layer=name,
                force_feature_count=True,
                force_total_bounds=True,
                **self._encoded(name),
            )
        except Exception as problem:
            return Layer(
                name=name, count=None, geometry=geometry, crs=None, blockers=(_sentence(str(problem)),)
            )
        fields = [
            Field(name=str(one), kind=KINDS.get(kind, "other"))
            for one, kind in zip(info["fields"], info["ogr_types"], strict=True)
        ]
        fields += [
            Field(name=name + domains.LABEL, kind="text")
            for name in self._words.get(name, {})
            if name in {one.name for one in fields}
        ]
        count = int(info["features"])
        guess, notes = self._encoding_of(name), self._notes(name, info)
        return Layer(
            name=name,
            count=count if count >= 0 else None,
            geometry=geometry,
            crs=info["crs"],
            fields=tuple(fields),
            extent=known_extent(info["total_bounds"]),
            encoding=guess.name if guess else (info["encoding"] or "UTF-8"),
            encoding_evidence=(
                f"{guess.evidence} (confidence {guess.confidence:.0%})" if guess else "the format states it"
            ),
            notes=notes,
            blockers=((NO_TABLE,) if NO_TABLE in notes and info["geometry_type"] is None else ())
            + self._cut_off(name),
            key=_key_field([field.name for field in fields], self.format),
            scheme="arcgis" if self.format == "esrijson" else "uuid5",
        )

    def _notes(self, layer: str, info: dict[str, Any]) -> tuple[str, ...]:
        notes, guess = [], self._encoding_of(layer)
        if self.format == "dxf" and not _has_end(Path(self._path)):
            notes.append("the drawing is cut off: its end mark is missing, and what stood before it may be")
        if any(word in str(info["geometry_type"]) for word in ("Curve", "Surface", "Compound", "Circular")):
            notes.append("arcs are drawn as lines of one segment to 4 degrees, which GDAL does")
        if self._rebuilt:
            notes.append("the index (.shx) is missing; it was rebuilt on a copy")
        if guess is not None and guess.confidence < 0.6:
            others = ", ".join(guess.others)
            notes.append(f"the encoding is a guess, look at the samples; also possible: {others or 'none'}")
        if self.format == "geopackage" and layer in self._views():
            notes.append("it is a view: its records stand in another layer, too, and would be migrated twice")
        names = [str(name) for name in info["fields"]]
        if dbf := self._tables.get(layer):
            table = encodings.read_dbf(dbf)
            stored = list(table.fields) if table else []
            twice = sorted({one.decode("latin-1") for one in stored if stored.count(one) > 1})
            if twice:
                notes.append(f"field names occur twice: {', '.join(twice)}; they are told apart by position")
            if table is None or (table.count and not names):
                notes.append(NO_TABLE)
        return tuple(notes)

    def _cut_off(self, layer: str) -> tuple[str, ...]:
        """What a shapefile that ends too early is told by."""
        place = Path(self._path)
        if self.format == "shapefile" and place.suffix.lower() == ".zip":
            told = shapefile.cut_off_in(place, self._within, layer)
            return (told,) if told else ()
        shp = _sibling(place / f"{layer}.shp", ".shp") if place.is_dir() else place
        if self.format != "shapefile" or shp is None or shp.suffix.lower() != ".shp":
            return ()
        shx = _sibling(shp, ".shx")  # without it GDAL makes one of a whole file only
        told = shapefile.cut_off(shp, shx) if shx is not None else None
        return (told,) if told else ()

    def _views(self) -> set[str]:
        """The views of a GeoPackage."""
        try:
            with closing(sqlite3.connect(f"file:{Path(self._path).resolve()}?mode=ro", uri=True)) as base:
                return {row[0] for row in base.execute("SELECT name FROM sqlite_master WHERE type = 'view'")}
        except sqlite3.DatabaseError:
            return set()

    def _encoded(self, layer: str) -> dict[str, Any]:
        guess = self._encoding_of(layer)
        return {} if guess is None else {"encoding": guess.name}

    def _encoding_of(self, layer: str) -> encodings.Guess | None:
        return self._encodings.get(layer) or self._encodings.get("")

    def _fast(self, layer: str, start: int, size: int) -> Iterator[Batch]:
        first = number = 0
        try:
            with self._raw.open_arrow(
                self._open, layer=layer, use_pyarrow=True, return_fids=True, batch_size=size,
                datetime_as_string=True, columns=[] if self.bare else None, **self._encoded(layer),
            ) as (meta, reader):  # fmt: skip
                for table in reader:
                    end = first + table.num_rows
                    if end > start:
                        skip = max(0, start - first)
                        if _is_ours(self.share, number):
                            yield self._from_arrow(table.slice(skip), meta, first + skip, layer)
                        number += 1
                    first = end
        except (RuntimeError, ValueError, OSError, self._pyogrio.errors.DataSourceError) as problem:
            if first > start or "not supported" not in str(problem).lower():
                raise self._unreadable(problem) from problem
            yield from self._slow(layer, start, size, None, share=self.share)

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
            first=first, columns=self._labelled(layer, columns), geometry=shapes,
            fids=fids or [str(first + index) for index in range(count)], problems=problems, raw=kept,
        )  # fmt: skip

    def _labelled(self, layer: str, columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
        words = self._words.get(layer)
        return domains.labelled(columns, words) if words else columns

    def _slow(
        self,
        layer: str,
        start: int,
        size: int,
        limit: int | None,
        *,
        share: tuple[int, int] | None = None,
    ) -> Iterator[Batch]:
        """Without Arrow; GDAL's curves come out as lines here."""
        first, end, number = start, None if limit is None else start + limit, 0
        while end is None or first < end:
            try:
                meta, fids, raw, fields = self._raw.read(
                    self._open, layer=layer, skip_features=first, max_features=size, return_fids=True,
                    datetime_as_string=True, **self._encoded(layer),
                )  # fmt: skip
            except Exception as problem:
                raise self._unreadable(problem) from problem
            if not len(fids):
                return
            if _is_ours(share, number):
                shapes, problems, kept = wkbs.parse(list(raw) if raw is not None else [None] * len(fids))
                columns: dict[str, list[Any]] = {}
                for name, values in zip(meta["fields"], fields, strict=True):
                    columns[_unique(str(name), columns)] = _listed(values)
                yield Batch(
                    first=first, columns=self._labelled(layer, columns), geometry=shapes,
                    fids=[str(fid) for fid in fids], problems=problems, raw=kept,
                )  # fmt: skip
            first, number = first + len(fids), number + 1
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


def _is_ours(share: tuple[int, int] | None, number: int) -> bool:
    """Whether a batch is for this process (see `sharing`)."""
    return share is None or number % share[1] == share[0]


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
    """The first line of what the library says, without advice for those who program with it."""
    line = text.strip().splitlines()[0] if text.strip() else "no reason given"
    return line.partition("; It might help to specify")[0][:300]


def _said(heard: list[warnings.WarningMessage]) -> tuple[str, ...]:
    """What the library warned of, each sentence once."""
    said = (_sentence(str(one.message)) for one in heard)
    return tuple(dict.fromkeys(DROPPED_M if "Measured (M)" in one else one for one in said))


def known_extent(given: Any) -> tuple[float, float, float, float] | None:
    """Bounds as a library gives them; None where they are none."""
    if given is None or len(given) != 4 or not all(math.isfinite(one) for one in given):
        return None
    west, south, east, north = (float(one) for one in given)
    return (west, south, east, north) if west <= east and south <= north else None


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
