"""GTFS: stops as points and routes as lines, from a zip or a folder."""

import csv
import io
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import shapely

from dtc_cli.migrate import values
from dtc_cli.migrate.sources.records import Item, RecordSource, file_token
from dtc_cli.migrate.sources.source import Field, Layer
from dtc_cli.migrate.trouble import source_error

ROUTE_TYPES = {
    "0": "tram", "1": "subway", "2": "rail", "3": "bus", "4": "ferry", "5": "cable tram", "6": "aerial lift",
    "7": "funicular", "11": "trolleybus", "12": "monorail",
}  # fmt: skip
LOCATION_TYPES = {"": "stop", "0": "stop", "1": "station", "2": "entrance", "3": "node", "4": "boarding area"}
NEEDED = {"stops": ("stop_id",), "routes": ("route_id",)}


class GtfsSource(RecordSource):
    """Two layers: `stops` (key stop_id) and `routes` (key route_id).

    A route is the lines of the shapes of its trips; without shapes, the stops of its longest trip.
    Times, beyond 24:00 or not, are not migrated.

    Args:
        path: zip or folder with the text files.
        format: always `gtfs`.
        encoding: overrides UTF-8.
    """

    format = "gtfs"

    def __init__(self, path: str, *, format: str = "gtfs", encoding: str | None = None) -> None:
        super().__init__(path)
        self._encoding = encoding or "utf-8-sig"
        self._files = self._listed()

    def names(self) -> list[str]:
        """See `RecordSource`."""
        found = [name for name in NEEDED if f"{name}.txt" in self._files]
        if not found:
            raise source_error(f"{self._path.name} has neither stops nor routes", where=str(self._path))
        return found

    def token(self) -> str:
        """Changes with any of the files."""
        if self._path.is_dir():
            return file_token(*(self._path / name for name in sorted(self._files.values())))
        return file_token(self._path)

    def items(self, layer: str) -> Iterator[Item]:
        """See `RecordSource`."""
        return self._stops() if layer == "stops" else self._routes()

    def describe(self, layer: str, count: int, fields: tuple[Field, ...], geometry: str | None) -> Layer:
        """See `RecordSource`."""
        return Layer(
            name=layer, count=count, geometry=geometry or "Unknown", crs="EPSG:4326", fields=fields,
            encoding=self._encoding.removesuffix("-sig").upper(), encoding_evidence="GTFS is UTF-8",
            key=NEEDED[layer][0],
        )  # fmt: skip

    def _listed(self) -> dict[str, str]:
        """File name to its place; a zip may hold the files in one folder."""
        try:
            if self._path.is_dir():
                return {one.name: one.name for one in self._path.iterdir() if one.suffix == ".txt"}
            with zipfile.ZipFile(self._path) as archive:
                names = [name for name in archive.namelist() if not name.startswith("__MACOSX")]
        except (zipfile.BadZipFile, OSError) as problem:
            raise source_error(
                f"{self._path.name} is no archive that can be read", where=str(self._path), why=str(problem)
            ) from problem
        return {Path(name).name: name for name in names if name.endswith(".txt")}

    def _rows(self, name: str) -> Iterator[dict[str, str]]:
        """Rows of a file, none where it is absent; names and values without padding."""
        if name not in self._files:
            return
        try:
            if self._path.is_dir():
                with (self._path / self._files[name]).open("rb") as stream:
                    yield from self._parsed(stream)
            else:
                with zipfile.ZipFile(self._path) as archive, archive.open(self._files[name]) as member:
                    yield from self._parsed(member)
        except (UnicodeDecodeError, csv.Error, zipfile.BadZipFile, OSError, RuntimeError) as problem:
            raise source_error(
                f"{name} cannot be read", where=f"{self._path}:{name}", why=str(problem)[:200],
                hint="encoding: of the source overrides UTF-8",
            ) from problem  # fmt: skip

    def _parsed(self, stream: Any) -> Iterator[dict[str, str]]:
        text = io.TextIOWrapper(stream, encoding=self._encoding, newline="")
        try:
            reader = csv.reader(text)
            header = [name.strip() for name in next(reader, [])]
            for row in reader:
                if row:
                    cells = [*row, *[""] * (len(header) - len(row))]
                    yield {name: value.strip() for name, value in zip(header, cells, strict=False)}
        finally:
            text.detach()

    def _stops(self) -> Iterator[Item]:
        for place, row in enumerate(self._rows("stops.txt")):
            found: dict[str, Any] = {name: value or None for name, value in row.items()}
            found["location_type_label"] = LOCATION_TYPES.get(row.get("location_type", ""))
            shape, problem = None, None
            try:
                lon, lat = values.number(row.get("stop_lon")), values.number(row.get("stop_lat"))
                if lon is not None and lat is not None:
                    shape = shapely.Point(float(lon), float(lat))
            except ValueError:
                problem = (
                    "bad-coordinate",
                    f"no position: {row.get('stop_lon')}, {row.get('stop_lat')}",
                )
            yield Item(fid=row.get("stop_id") or str(place), row=found, shape=shape, problem=problem)

    def _routes(self) -> Iterator[Item]:
        lines = self._lines()
        for place, row in enumerate(self._rows("routes.txt")):
            found: dict[str, Any] = {name: value or None for name, value in row.items()}
            found["name"] = row.get("route_long_name") or row.get("route_short_name") or None
            found["route_type_label"] = ROUTE_TYPES.get(row.get("route_type", ""))
            key = row.get("route_id", "")
            parts = lines.get(key) or []
            shape = _joined(parts) if parts else None
            yield Item(fid=key or str(place), row=found, shape=shape)

    def _lines(self) -> dict[str, list[Any]]:
        """Route to its lines."""
        wanted: dict[str, dict[str, None]] = {}
        trips: dict[str, str] = {}
        for row in self._rows("trips.txt"):
            trips[row.get("trip_id", "")] = row.get("route_id", "")
            if row.get("shape_id"):
                wanted.setdefault(row.get("route_id", ""), {})[row["shape_id"]] = None
        shapes = self._sequences(
            "shapes.txt", "shape_id", "shape_pt_sequence", ("shape_pt_lon", "shape_pt_lat")
        )
        found = {
            route: [line for one in names if len(line := shapes.get(one, [])) >= 2]
            for route, names in wanted.items()
        }
        if any(not found.get(route) for route in trips.values()):
            for route, line in self._by_stops(trips).items():
                if not found.get(route):
                    found[route] = [line]
        return found

    def _by_stops(self, trips: Mapping[str, str]) -> dict[str, Any]:
        places = {item.row.get("stop_id"): item.shape for item in self._stops() if item.shape is not None}
        longest: dict[str, list[Any]] = {}
        for trip, stops in self._sequences(
            "stop_times.txt", "trip_id", "stop_sequence", ("stop_id",)
        ).items():
            line = [places[stop].coords[0] for (stop,) in stops if stop in places]
            route = trips.get(trip)
            if route is not None and len(line) >= 2 and len(line) > len(longest.get(route, ())):
                longest[route] = line
        return longest

    def _sequences(self, name: str, key: str, order: str, members: tuple[str, ...]) -> dict[str, list[Any]]:
        """Rows of a key in their order, each as a tuple of members; numbers where both are coordinates."""
        found: dict[str, list[tuple[float, tuple[Any, ...]]]] = {}
        for row in self._rows(name):
            try:
                given: tuple[Any, ...] = tuple(row[one] for one in members)
                if len(members) == 2:
                    given = tuple(float(one) for one in given)
                found.setdefault(row[key], []).append((float(row[order]), given))
            except (KeyError, ValueError):
                continue  # a point without a place or a number is not part of a line
        return {
            one: [given for _, given in sorted(rows, key=lambda row: row[0])] for one, rows in found.items()
        }


def _joined(parts: list[Any]) -> Any:
    lines = [shapely.LineString(one) for one in parts]
    return lines[0] if len(lines) == 1 else shapely.multilinestrings(lines)
