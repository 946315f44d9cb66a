"""GeoJSON lines: what GDAL reads, and the lines that it passes over in silence, as records of their own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from dtc_cli.migrate.sources.ogr import OgrSource
from dtc_cli.migrate.sources.records import Item, batches
from dtc_cli.migrate.sources.source import Batch, Field, Layer

UNREADABLE = "unreadable lines"
RECORD_MARK = b"\x1e"  # RFC 8142
LONGEST_SHOWN = 400
GEOMETRIES = frozenset(
    {"Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon", "GeometryCollection"}
)


class LinesSource(OgrSource):
    """A sequence of GeoJSON features; a line that is none of them must not be lost in silence."""

    def layers(self) -> list[Layer]:
        """See `Source`."""
        found = super().layers()
        bad = sum(1 for _ in self._unreadable_lines())
        if bad:
            fields = (Field(name="line", kind="text"), Field(name="text", kind="text"))
            notes = ("these lines are no GeoJSON features",)
            found.append(
                Layer(
                    name=UNREADABLE,
                    count=bad,
                    geometry=None,
                    crs=None,
                    fields=fields,
                    key="line",
                    notes=notes,
                )
            )
        return found

    def batches(self, layer: str, *, start: int, size: int, careful: bool) -> Iterator[Batch]:
        """See `Source`."""
        if layer == UNREADABLE:
            return batches(self._unreadable_lines(), start, size)
        return super().batches(layer, start=start, size=size, careful=careful)

    def keys(self, layer: str, field: str) -> list[Any]:
        """The values of one field."""
        if layer == UNREADABLE:
            return [item.row.get(field) for item in self._unreadable_lines()]
        return super().keys(layer, field)

    def _texts(self) -> Iterator[tuple[int, bytes]]:
        """The texts of the sequence with the number of the line at which each begins."""
        with Path(self._path).open("rb") as stream:
            marked = stream.read(1) == RECORD_MARK
            stream.seek(0)
            held, at = b"", 1
            for number, line in enumerate(stream, 1):
                if marked and not line.startswith(RECORD_MARK):
                    held += line
                    continue
                if held.strip(b" \t\r\n\x1e\xef\xbb\xbf"):
                    yield at, held
                held, at = line, number
            if held.strip(b" \t\r\n\x1e\xef\xbb\xbf"):
                yield at, held

    def _unreadable_lines(self) -> Iterator[Item]:
        for number, text in self._texts():
            bare = text.strip(b" \t\r\n\x1e\xef\xbb\xbf")
            why = _wrong(bare)
            first, mark, rest = bare.partition(b"\n")
            if why and mark and not _wrong(first.strip()):
                bare = rest.strip()  # a good record, and something behind it
            if why:
                shown = bare[:LONGEST_SHOWN].decode("utf-8", "replace")
                yield Item(
                    fid=str(number), row={"line": str(number), "text": shown},
                    problem=("unreadable-line", f"line {number} is no GeoJSON feature: {why}"),
                )  # fmt: skip


def _wrong(text: bytes) -> str:
    """Why a text is no feature; empty where it is one."""
    try:
        kind = orjson.loads(text).get("type")
    except (ValueError, AttributeError) as problem:
        return str(problem)[:120]
    return "" if kind == "Feature" or kind in GEOMETRIES else f"its type is {kind}"
