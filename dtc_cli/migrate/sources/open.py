"""From a path or an address to the reader of its format."""

import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dtc_cli.migrate.sources.source import Source
from dtc_cli.migrate.sources.web import refuse_secrets
from dtc_cli.migrate.trouble import source_error

SUFFIXES = {
    ".shp": "shapefile", ".dbf": "shapefile", ".gpkg": "geopackage", ".geojson": "geojson", ".gdb": "filegdb",
    ".geojsonl": "geojsonseq", ".geojsons": "geojsonseq", ".ndjson": "geojsonseq", ".gml": "gml",
    ".kml": "kml", ".kmz": "kml", ".dxf": "dxf", ".fgb": "flatgeobuf", ".tab": "mapinfo", ".mif": "mapinfo",
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".xlsx": "xlsx", ".topojson": "topojson", ".gpx": "gpx",
    ".sqlite": "sqlite", ".parquet": "geoparquet", ".geoparquet": "geoparquet", ".pbf": "osm",
    ".osm": "osm", ".ifc": "ifc", ".jsonl": "geojsonseq",
}  # fmt: skip
MARKED_UP = frozenset({"gml", "kml", "gpx", "xlsx"})
"""Formats of XML that a library parses for us: looked at before it does."""
TILED: Mapping[str, tuple[tuple[str, ...], bytes]] = {
    "citygml": ((".gml", ".xml"), b"opengis.net/citygml"),
    "cityjson": ((".json", ".jsonl"), b'"CityJSON"'),
}
"""Formats of which a folder is one source: how their files are called, and what stands at their beginning."""
TILE_SUFFIXES = (".gml", ".xml", ".json", ".jsonl")
BESIDE = frozenset({"codelists", "schemas", "metadata", "specification", "__MACOSX"})
"""Folders beside tiles that hold none."""
BIGGEST_ZIP = 20 * 1024**3
"""Bytes that an archive may unpack to, and its ratio below; beyond is a bomb or a mistake."""
WORST_RATIO = 200


def _ogr(path: str, **options: Any) -> Source:
    from dtc_cli.migrate.sources.ogr import OgrSource

    return OgrSource(path, **options)


def _geojson(path: str, **options: Any) -> Source:
    from dtc_cli.migrate.sources.geojson_ids import GeoJsonSource

    return GeoJsonSource(path, **options)


def _kml(path: str, **options: Any) -> Source:
    from dtc_cli.migrate.sources.kml import KmlSource

    return KmlSource(path, **options)


def _lines(path: str, **options: Any) -> Source:
    from dtc_cli.migrate.sources.lines import LinesSource

    return LinesSource(path, **options)


def _csv(path: str, **options: Any) -> Source:
    from dtc_cli.migrate.sources.table import TableSource

    return TableSource(path, **options)


def _featureserver(path: str, **options: Any) -> Source:
    from dtc_cli.migrate.sources.featureserver import FeatureServerSource

    return FeatureServerSource(path, **options)


def _citygml(path: str, **options: Any) -> Source:
    from dtc_cli.migrate.sources.citygml import CityGmlSource

    return _in_tiles(path, CityGmlSource, options)


def _osm(path: str, **options: Any) -> Source:
    from dtc_cli.migrate.sources.osm import OsmSource

    return OsmSource(path, **options)


def _cityjson(path: str, **options: Any) -> Source:
    from dtc_cli.migrate.sources.cityjson import CityJsonSource

    return _in_tiles(path, CityJsonSource, options)


def _in_tiles(path: str, one: Callable[..., Source], options: dict[str, Any]) -> Source:
    """A file, or a folder or an archive of such files."""
    from dtc_cli.migrate.sources import tiles

    place, format = Path(path), options["format"]

    def tile(file: str) -> Source:
        return one(file, **options)

    def chosen(folder: Path) -> list[Path]:
        return _tiles(folder, format)

    if place.is_dir():
        return tiles.TiledSource(place, chosen(place), tile, format=format)
    if place.suffix.lower() == ".zip":
        return tiles.PackedTiles(place, TILE_SUFFIXES, chosen, tile, format=format)
    return one(path, **options)


def _gtfs(path: str, **options: Any) -> Source:
    from dtc_cli.migrate.sources.gtfs import GtfsSource

    return GtfsSource(path, **options)


def _oapif(path: str, **options: Any) -> Source:
    from dtc_cli.migrate.sources.oapif import OapifSource

    return OapifSource(path, **options)


def _wfs(path: str, **options: Any) -> Source:
    from dtc_cli.migrate.sources.wfs import WfsSource

    return WfsSource(path, **options)


def _ifc(path: str, **options: Any) -> Source:
    from dtc_cli.migrate.sources.ifc import IfcSource

    return IfcSource(path, **options)


def _geoparquet(path: str, **options: Any) -> Source:
    from dtc_cli.migrate.sources.parquet import ParquetSource

    return ParquetSource(path, **options)


def _postgis(path: str, **options: Any) -> Source:
    from dtc_cli.migrate.sources.postgis import PostgisSource

    return PostgisSource(path, **options)


def _sensors(path: str, **options: Any) -> Source:
    from dtc_cli.migrate.sources.sensors import SensorSource

    return SensorSource(path, **options)


READERS: Mapping[str, Callable[..., Source]] = {
    **dict.fromkeys(
        (
            "shapefile", "geopackage", "filegdb", "gml", "dxf", "flatgeobuf", "mapinfo",
            "esrijson", "topojson", "gpx", "sqlite",
        ),
        _ogr,
    ),
    "geojson": _geojson,
    "kml": _kml,
    "geojsonseq": _lines,
    "csv": _csv,
    "xlsx": _csv,
    "featureserver": _featureserver,
    "sensors": _sensors,
    "measurements": _sensors,
    "ifc": _ifc,
    "geoparquet": _geoparquet,
    "postgis": _postgis,
    "oapif": _oapif,
    "wfs": _wfs,
    "citygml": _citygml,
    "cityjson": _cityjson,
    "osm": _osm,
    "gtfs": _gtfs,
}  # fmt: skip
"""Format to the function that opens it. A new format is a line here."""


def open_source(
    path: str,
    *,
    format: str | None = None,
    encoding: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Source:
    """The reader for a source.

    Args:
        path: file, folder (.gdb) or address.
        format: overrides what name and content say.
        encoding: overrides what the file states, for formats of text without a fixed encoding.
        options: further settings of the format.

    Raises:
        DtcError: `migration-source` when there is nothing, or nothing known; `extra-missing`.
    """
    refuse_secrets(path, options)
    chosen = format or detect(path)
    if chosen != "postgis" and "://" not in path:
        _there(path)
    if chosen not in READERS:
        raise source_error(
            f"the format {chosen} is not known", where=path, hint="one of: " + ", ".join(sorted(READERS))
        )
    if "://" not in path and Path(path).suffix.lower() in (".zip", ".kmz", ".xlsx"):
        _members(Path(path))
    if chosen in MARKED_UP and "://" not in path and Path(path).is_file():
        from dtc_cli.migrate.sources.markup import guard_file

        guard_file(Path(path))
    try:
        return READERS[chosen](path, format=chosen, encoding=encoding, **(options or {}))
    except TypeError as problem:
        unknown = re.search(r"unexpected keyword argument '(\w+)'", str(problem))
        if unknown is None:
            raise
        raise source_error(
            f"the format {chosen} has no option {unknown[1]}",
            where=path,
            hint="docs/migrate-sources.md has them",
        ) from problem


def detect(path: str) -> str:  # noqa: PLR0911 - one per sign
    """The format of a source by its name and its first bytes.

    Raises:
        DtcError: `migration-source` for a missing file and for an unknown format.
    """
    if not path.strip():
        raise source_error("no source was named", where="SOURCE", hint="give a file, a .gdb folder or a URL")
    if "://" in path:
        return _by_address(path)
    place = Path(path)
    _there(path)
    suffix = place.suffix.lower()
    if place.is_dir() and suffix != ".gdb":
        return _by_folder(place)
    if place.is_file() and place.stat().st_size == 0:
        raise source_error(f"{path} is empty", where=path, why="it has no bytes")
    if suffix in (".zip",):
        return _by_archive(place)
    if suffix in (".jsonl", ".ndjson") and b'"CityJSON"' in _head(place):
        return "cityjson"
    if suffix in (".json", ".geojson", ".xml", ".gml"):
        return _by_content(place, SUFFIXES.get(suffix))
    if suffix in (".csv", ".tsv", ".txt"):
        return _by_header(place)
    if suffix in SUFFIXES:
        return SUFFIXES[suffix]
    raise source_error(
        f"the format of {place.name} is not known",
        where=path,
        why=f"no reader is registered for {suffix or 'a name without suffix'}",
        hint="format: in the plan, or --format; known: " + ", ".join(sorted(READERS)),
    )


def _there(path: str) -> None:
    if not Path(path).exists():
        raise source_error(
            f"there is no source {path}", where=path,
            hint="give a file, a .gdb folder or a URL; in a plan path: is relative to the plan",
        )  # fmt: skip


def _by_folder(place: Path) -> str:
    if (place / "stops.txt").is_file():
        return "gtfs"
    if any(one.suffix.lower() == ".shp" for one in place.iterdir()):
        return "shapefile"
    for format in TILED:
        if _tiles(place, format):
            return format
    raise source_error(
        f"{place} is a folder",
        where=str(place),
        why="it holds no shapefiles, no GTFS, and no tiles of CityGML or CityJSON",
        hint="give one of the files in it; a .gdb folder is a source",
    )


def _by_address(path: str) -> str:
    scheme = path.partition("://")[0].lower()
    lower = path.lower()
    if scheme in ("postgresql", "postgres"):
        return "postgis"
    if "/featureserver" in lower or "/mapserver" in lower:
        return "featureserver"
    if "service=wfs" in lower or "/wfs" in lower:
        return "wfs"
    if "/collections" in lower or "/ogc" in lower:
        return "oapif"
    raise source_error(
        f"what {path} serves is not known",
        where=path,
        hint="--format featureserver, wfs, oapif or postgis",
    )


def _members(place: Path) -> list[str]:
    """The names in an archive.

    Raises:
        DtcError: for one that is broken, a bomb, or leads out of itself.
    """
    try:
        with zipfile.ZipFile(place) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError) as problem:
        raise source_error(
            f"{place.name} is no archive that can be read", where=str(place), why=str(problem)
        ) from problem
    unpacked = sum(one.file_size for one in members)
    if unpacked > BIGGEST_ZIP or unpacked > WORST_RATIO * max(place.stat().st_size, 1) + 10_000_000:
        raise source_error(
            f"{place.name} would unpack to {unpacked:,} bytes",
            where=str(place),
            why="that is out of proportion to its size, as in an archive made to fill a disk",
            hint="unpack it yourself where you trust it, and give the file inside",
        )
    astray = next((one.filename for one in members if _leads_out(one.filename)), None)
    if astray is not None:
        raise source_error(
            f"{place.name} holds a file that would lead out of it",
            where=str(place),
            why=f"its name is {astray[:100]!r}",
            hint="nobody packs data so; unpack it yourself where you trust it",
        )
    return [one.filename for one in members]


def _leads_out(name: str) -> bool:
    plain = name.replace("\\", "/")
    return plain.startswith("/") or ".." in plain.split("/") or plain[1:2] == ":" or "\x00" in plain


def _by_archive(place: Path) -> str:
    names = [name.lower() for name in _members(place)]
    if any(name.rstrip("/").endswith((".gdb", ".gdbtable")) or ".gdb/" in name for name in names):
        return "filegdb"
    if any(name.rpartition("/")[2] == "stops.txt" for name in names):
        return "gtfs"
    if not any(name.endswith((".shp", ".gpkg")) for name in names):
        for format, (suffixes, mark) in TILED.items():
            if _holds(place, suffixes, mark):
                return format
    for suffix in (".shp", ".gpkg", ".geojson", ".gml", ".kml", ".dxf", ".tab", ".mif", ".csv"):
        if any(name.endswith(suffix) for name in names):
            return SUFFIXES[suffix]
    raise source_error(
        f"{place.name} holds nothing that is known",
        where=str(place),
        why="it has " + (", ".join(names[:5]) or "no files"),
        hint="an archive may hold a shapefile, a file geodatabase, GTFS, or one file of a known format",
    )


def _holds(place: Path, suffixes: tuple[str, ...], mark: bytes) -> bool:
    """Whether one of the files of an archive begins as a tile does."""
    with zipfile.ZipFile(place) as archive:
        for one in archive.infolist():
            if one.filename.lower().endswith(suffixes) and not BESIDE & set(Path(one.filename).parts):
                try:
                    with archive.open(one) as stream:
                        if mark in stream.read(65536):
                            return True
                except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as problem:
                    raise source_error(
                        f"{place.name} cannot be unpacked", where=str(place), why=str(problem)[:200]
                    ) from problem
    return False


def _tiles(folder: Path, format: str) -> list[Path]:
    """The tiles of a folder and of those in it, by name."""
    suffixes, mark = TILED[format]
    return sorted(
        one
        for one in folder.rglob("*")
        if one.suffix.lower() in suffixes
        and one.is_file()
        and not BESIDE & set(one.relative_to(folder).parts)
        and mark in _head(one)
    )


def _by_header(place: Path) -> str:
    """A table whose columns are those of readings, or of an inventory of sensors, is read as such."""
    from dtc_cli.migrate.sources.sensors import kind_of_table

    head = _head(place)
    wide = head[:2] in (b"\xff\xfe", b"\xfe\xff")
    for encoding in ("utf-16",) if wide else ("utf-8-sig", "cp949", "cp932", "cp1252"):
        try:
            line = head.decode(encoding, "ignore" if wide else "strict").partition("\n")[0]
        except UnicodeDecodeError:
            continue
        kind = kind_of_table([name.strip().strip('"') for name in re.split(r"[,;\t|]", line)])
        if kind is not None:  # bytes may be text in several encodings; only in one of them it says this
            return kind
    return "csv"


def _head(place: Path) -> bytes:
    with place.open("rb") as stream:
        return stream.read(65536)


def _is_cityjson(place: Path, head: bytes) -> bool:
    """The type may stand behind everything else; GeoJSON never has `CityObjects`."""
    with place.open("rb") as stream:
        stream.seek(max(0, place.stat().st_size - 65536))
        text = head + stream.read()
    return b'"CityObjects"' in text or re.search(rb'"type"\s*:\s*"CityJSON', text) is not None


def _by_content(place: Path, fallback: str | None) -> str:  # noqa: PLR0911 - one per sign
    head = _head(place)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{" and _is_cityjson(place, head):
        return "cityjson"
    if b"opengis.net/citygml" in head:
        return "citygml"
    if b"<osm" in head[:2000]:
        return "osm"
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
        return "gml"
    for marks, name in (
        ((b'"Topology"',), "topojson"),
        ((b'"overpass', b'"osm3s"'), "osm"),
        ((b'"esriGeometry', b'"spatialReference"', b'"esriFieldType'), "esrijson"),
    ):
        if any(mark in head for mark in marks):
            return name
    if b'"attributes"' in head and b'"features"' in head:
        return "esrijson"
    return fallback or "geojson"
