"""Tables: CSV in any encoding and XLSX, with a WKT column or two coordinate columns."""

import codecs
import csv
import hashlib
import io
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import Any

from dtc_cli.migrate import encoding as encodings
from dtc_cli.migrate import values
from dtc_cli.migrate.sources import columns, table_shapes
from dtc_cli.migrate.sources.records import around
from dtc_cli.migrate.sources.source import Batch, Layer, profiled, rows_batch
from dtc_cli.migrate.trouble import need, source_error

UNPARSEABLE, BAD_COORDINATE = "unparseable-geometry", "bad-coordinate"
LONGEST_TITLE = 12
"""Rows at the beginning among which the names of columns are looked for."""
MOSTLY, RARELY = 0.4, 0.05
"""Shares of zero bytes by which UTF-16 is known: of the higher halves, and of the lower."""
LONGEST_FIELD = 64 * 1024 * 1024
SAMPLE_ROWS = 200


class TableSource:
    """One table; each row is a record.

    Args:
        path: the file.
        format: `csv` or `xlsx`.
        encoding: overrides detection.
        delimiter: overrides detection, for CSV.
        wkt: name of the column with well-known text.
        x: name of the column with easting or longitude.
        y: name of the column with northing or latitude.
        crs: reference system of the coordinates; longitude and latitude count as EPSG:4326.
        sheet: name of the sheet, for XLSX.
    """

    def __init__(
        self,
        path: str,
        *,
        format: str = "csv",
        encoding: str | None = None,
        delimiter: str | None = None,
        wkt: str | None = None,
        x: str | None = None,
        y: str | None = None,
        crs: str | None = None,
        sheet: str | None = None,
    ) -> None:
        need("shapely", what=f"reading {format}")
        self.format = format
        self._path, self._unpacked = _out_of_archive(Path(path))
        self._above, self._read_sheet = 0, ""
        self._sheets: list[str] = []
        self._doubtful: tuple[str, ...] | None = None
        self._sheet, self._crs, self._delimiter = sheet, crs, delimiter
        self._wkt, self._x, self._y = wkt, x, y
        self._guess = self._find_encoding(encoding) if format == "csv" else None

    def layers(self) -> list[Layer]:
        """See `Source`."""
        header, rows = self._table()
        sample = list(islice(rows, SAMPLE_ROWS))
        count = len(sample) + sum(1 for _ in rows)
        wkt, x, y = self.places(header)
        notes = []
        if header and not (wkt or (x and y)):
            notes.append(
                "no column holds coordinates or well-known text; name them with options: {wkt} or {x, y}"
            )
        others = [name for name in self._sheets if name != self._read_sheet]
        if others:
            notes.append(
                f"only the sheet {self._read_sheet} is read; options: {{sheet: NAME}} reads another: "
                + ", ".join(others)
            )
        if self._above:
            notes.append(f"{self._above} rows above the names of the columns are a title, and passed over")
        if self._guess is not None and self._guess.confidence < 0.6:
            notes.append("the encoding is a guess, look at the samples")
        degrees = x is not None and (columns.of_geometry([x])[3] or (x, y) == self._doubtful)
        srid = self._stated(header, wkt)
        boxes = []
        for row in sample:
            with suppress(ValueError):
                shape = _shape(dict(zip(header, row, strict=False)), wkt, x, y, srid)
                if shape is not None and not shape.is_empty:
                    boxes.append(shape.bounds)
        typed = [{name: _natural(value) for name, value in zip(header, row, strict=False)} for row in sample]
        return [
            Layer(
                name=self._path.stem,
                count=count,
                geometry="Unknown" if wkt or (x and y) else None,
                extent=around(boxes),
                crs=self._crs or (f"EPSG:{srid}" if srid else "EPSG:4326" if degrees else None),
                fields=profiled(typed or [dict.fromkeys(header)]),
                encoding=self._guess.name if self._guess else "UTF-8",
                encoding_evidence=(
                    f"{self._guess.evidence} (confidence {self._guess.confidence:.0%})"
                    if self._guess else "the format states it"
                ),
                notes=tuple(notes),
                key=next((name for name in header if name.lower() in ("id", "objectid", "gid", "uid")), None),
            )
        ]  # fmt: skip

    def batches(self, layer: str, *, start: int, size: int, careful: bool) -> Iterator[Batch]:
        """See `Source`."""
        header, rows = self._table()
        wkt, x, y = self.places(header)
        srid = self._stated(header, wkt)
        taken = islice(rows, start, None)
        first = start
        while chunk := list(islice(taken, size)):
            shapes: list[Any] = []
            problems: dict[int, tuple[str, str]] = {}
            records = []
            for index, row in enumerate(chunk):
                record = dict(zip(header, [*row, *[None] * (len(header) - len(row))], strict=False))
                if len(row) > len(header):
                    problems[index] = ("bad-row", f"it has {len(row)} values for {len(header)} columns")
                try:
                    shapes.append(_shape(record, wkt, x, y, srid))
                except ValueError as problem:
                    shapes.append(None)
                    problems[index] = (UNPARSEABLE if wkt else BAD_COORDINATE, str(problem)[:200])
                if wkt:
                    record.pop(wkt)
                records.append({name: value if value != "" else None for name, value in record.items()})
            yield rows_batch(first, records, shapes, problems=problems)
            first += len(chunk)

    def token(self) -> str:
        """Size and time of the file."""
        facts = self._path.stat()
        return hashlib.blake2b(f"{facts.st_size} {facts.st_mtime_ns}".encode(), digest_size=16).hexdigest()

    def close(self) -> None:
        """Remove what was unpacked."""
        if self._unpacked is not None:
            self._unpacked.cleanup()
            self._unpacked = None

    def _find_encoding(self, chosen: str | None) -> encodings.Guess:
        with self._path.open("rb") as stream:
            head = stream.read(1 << 20)
        if chosen is not None:
            name = encodings.normal(chosen)
            if name is None:
                raise source_error(f"there is no encoding {chosen}", where=str(self._path))
            return encodings.Guess(name=name, confidence=1.0, evidence="given in the plan")
        for mark, name in (
            (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
            (codecs.BOM_UTF16_BE, "utf-16"),
        ):  # fmt: skip
            if head.startswith(mark):
                return encodings.Guess(
                    name=name, confidence=1.0, evidence="the file begins with a byte order mark"
                )
        wide = _unmarked_utf16(head)
        if wide is not None:
            return encodings.Guess(
                name=wide, confidence=0.9, evidence="every second byte is zero, as in UTF-16 without its mark"
            )
        if _is_binary(head):
            raise source_error(
                f"{self._path.name} is no text",
                where=str(self._path),
                why="it is full of bytes that no text has",
                hint="is it of another format? --format says which",
            )
        if head.isascii():
            head += self._later_texts()
        return encodings.guess(head.splitlines()[:2000] + head.splitlines()[-2000:])

    def _later_texts(self) -> bytes:
        """The first lines beyond the beginning of a file in which an encoding shows."""
        found = b""
        with self._path.open("rb") as stream:
            while (block := stream.read(1 << 22)) and stream.tell() < encodings.SCANNED_BYTES:
                if not block.isascii():
                    lines = (block + stream.readline()).splitlines()
                    found = b"\n" + b"\n".join([one for one in lines if not one.isascii()][:2000])
                    break
        return found

    def _table(self) -> tuple[list[str], Iterator[list[Any]]]:
        rows = self._xlsx_rows() if self.format == "xlsx" else self._csv_rows()
        head = list(islice(rows, LONGEST_TITLE))
        if not head:
            raise source_error(f"{self._path.name} has no rows", where=str(self._path))
        self._above = _titles(head)
        header, rows = head[self._above], chain(head[self._above + 1 :], rows)
        names: list[str] = []
        for index, cell in enumerate(header):
            name = (values.text(cell) or f"column{index + 1}").lstrip("\ufeff")
            number, unique = 2, name
            while unique in names:
                unique, number = f"{name}_{number}", number + 1
            names.append(unique)
        return names, rows

    def _csv_rows(self) -> Iterator[list[Any]]:
        name = self._guess.name if self._guess else "utf-8"
        csv.field_size_limit(LONGEST_FIELD)
        delimiter = self._delimiter or self._sniff(name)
        try:
            with self._path.open("r", encoding=name, newline="") as stream:
                for row in csv.reader(_without_nul(stream), delimiter=delimiter):
                    if row:
                        yield row
        except (UnicodeDecodeError, csv.Error) as problem:
            raise source_error(
                f"{self._path.name} cannot be read as {name}",
                where=str(self._path),
                why=str(problem)[:200],
                hint="encoding: of the source overrides the guess",
            ) from problem

    def _sniff(self, name: str) -> str:
        with self._path.open("rb") as stream:
            head = stream.read(65536)
        lines = head.decode(name, "replace").lstrip("\ufeff").splitlines()[:LONGEST_TITLE]
        line = next((one for one in lines if re.search(r"[,;\t|]", one)), "")
        return max(",;\t|", key=line.count)

    def _xlsx_rows(self) -> Iterator[list[Any]]:
        openpyxl = need("openpyxl", what="reading XLSX")
        try:
            book = openpyxl.load_workbook(self._path, read_only=True, data_only=True)
        except Exception as problem:  # a broken archive ends in many kinds of errors
            raise source_error(
                f"{self._path.name} is no workbook", where=str(self._path), why=str(problem)[:200]
            ) from problem
        try:
            if self._sheet is not None and self._sheet not in book.sheetnames:
                raise source_error(
                    f"there is no sheet {self._sheet}",
                    where=str(self._path),
                    hint="sheets: " + ", ".join(book.sheetnames),
                )
            sheet = book[self._sheet] if self._sheet else book.worksheets[0]
            self._read_sheet, self._sheets = sheet.title, list(book.sheetnames)
            for row in sheet.iter_rows(values_only=True):
                if any(cell is not None for cell in row):
                    yield list(row)
        finally:
            book.close()

    def places(self, header: list[str]) -> tuple[str | None, str | None, str | None]:
        """The columns of geometry: well-known text, or x and y."""
        for name in (self._wkt, self._x, self._y):
            if name is not None and name not in header:
                raise source_error(
                    f"there is no column {name}", where=str(self._path), hint="columns: " + ", ".join(header)
                )
        named, east, north, _ = columns.of_geometry(header)
        if east is None and north is None and not (self._x or self._y):
            east, north = self._in_doubt(header)
        x, y, wkt = self._x or east, self._y or north, self._wkt
        if wkt is None and not (self._x and self._y):
            wkt = named
        return wkt, x, y

    def _stated(self, header: list[str], wkt: str | None) -> int | None:
        """The reference system that the first cells of geometry state, all the same."""
        if wkt is None:
            return None
        place = header.index(wkt)
        rows = islice(self._table()[1], SAMPLE_ROWS)
        return table_shapes.common_srid(values.text(row[place]) for row in rows if len(row) > place)

    def _in_doubt(self, header: list[str]) -> tuple[str | None, str | None]:
        """Columns whose names alone do not say that they are longitude and latitude, where the values do."""
        pair = columns.doubtful(header)
        if pair is None:
            return None, None
        if self._doubtful is None:
            first, second = (header.index(name) for name in pair)
            rows = islice(self._table()[1], SAMPLE_ROWS)
            given = ((row[first], row[second]) for row in rows if len(row) > max(first, second))
            self._doubtful = pair if columns.in_degrees(given) else ()
        return pair if self._doubtful else (None, None)


def _out_of_archive(path: Path) -> "tuple[Path, tempfile.TemporaryDirectory[str] | None]":
    """The table, and the folder that it was unpacked to where it came in an archive."""
    if path.suffix.lower() != ".zip":
        return path, None
    from dtc_cli.migrate.sources import packed

    member = packed.inside(path, (".csv", ".tsv", ".txt"))
    folder = tempfile.TemporaryDirectory(prefix="dtc-migrate-")
    place = Path(folder.name) / Path(member).name
    with zipfile.ZipFile(path) as archive, archive.open(member) as packed_, place.open("wb") as out:
        shutil.copyfileobj(packed_, out, 1 << 20)
    return place, folder


def _titles(head: list[list[Any]]) -> int:
    """How many rows stand above the names of the columns: two cells at most, where later rows have more."""
    filled = [sum(values.text(cell) is not None for cell in row) for row in head]
    widest = max(filled)
    if widest < 3:
        return 0
    for place, count in enumerate(filled):
        if count > 2 and count >= 0.6 * widest:
            return place
    return 0


def _unmarked_utf16(head: bytes) -> str | None:
    """The order of bytes of a UTF-16 text without a mark, by where its zeros are; None for any other."""
    part = head[:4096]
    if len(part) < 8:
        return None
    low, high = part[1::2].count(0) / len(part[1::2]), part[::2].count(0) / len(part[::2])
    if low > MOSTLY and high < RARELY:
        return "utf-16-le"
    return "utf-16-be" if high > MOSTLY and low < RARELY else None


def _is_binary(head: bytes) -> bool:
    """Whether it holds control bytes beyond those of a text with a few stray ones."""
    strange = sum(head.count(byte) for byte in range(32) if byte not in (0, 9, 10, 12, 13, 26, 27))
    return strange > 0.02 * len(head)


def _without_nul(stream: io.TextIOBase) -> Iterator[str]:
    for line in stream:
        yield line.replace("\x00", "") if "\x00" in line else line


def _natural(value: Any) -> Any:
    """A cell as number where it is written as one, for the profile only; leading zeros stay text."""
    if not isinstance(value, str):
        return value
    bare = value.strip()
    if not bare:
        return None
    if bare.lstrip("+-").isdigit() and not (len(bare) > 1 and bare.startswith("0")) and len(bare) < 16:
        return int(bare)
    try:
        return float(bare) if bare[-1:].isdigit() and "_" not in bare and not bare.startswith("0") else value
    except ValueError:
        return value


def _coordinate(record: dict[str, Any], name: str) -> float | int | None:
    try:
        return columns.ordinate(record.get(name))
    except ValueError as problem:
        raise ValueError(f"{name} is {str(record.get(name))[:60]}, which is no number") from problem


def _shape(record: dict[str, Any], wkt: str | None, x: str | None, y: str | None, srid: int | None) -> Any:
    import shapely

    if wkt is not None:
        text = values.text(record.get(wkt))
        if text is None:
            return None
        stated = table_shapes.srid_of(text)
        if srid is not None and stated is not None and stated != srid:
            raise ValueError(f"it is in EPSG:{stated}, the others in EPSG:{srid}")
        return table_shapes.shape_of(text)
    if x is None or y is None:
        return None
    east, north = _coordinate(record, x), _coordinate(record, y)
    if east is None or north is None:
        return None
    return shapely.Point(float(east), float(north))
