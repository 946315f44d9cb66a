"""Readers that walk over records one by one: they say what a record is, this makes layers and batches."""

import hashlib
import os
import pickle
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import IO, Any

import msgspec

from dtc_cli.migrate.sources.source import Batch, Field, Layer, kind_of, rows_batch


class Item(msgspec.Struct, kw_only=True):
    """One record as the source has it."""

    fid: str
    row: dict[str, Any]
    shape: Any = None
    """A shapely geometry in the system of the layer, x before y."""
    problem: tuple[str, str] | None = None
    raw: bytes | None = None
    extra: dict[str, Any] | None = None


class Kinds:
    """Collects the columns of records and the kind of each."""

    def __init__(self) -> None:
        self._kinds: dict[str, str] = {}

    def add(self, row: Mapping[str, Any]) -> None:
        """Take the values of one record into account."""
        kinds = self._kinds
        for name, value in row.items():
            kind, before = kind_of(value), kinds.get(name)
            if kind is None or kind == before:
                kinds.setdefault(name, "")
            elif not before:
                kinds[name] = kind
            else:
                kinds[name] = "number" if {before, kind} == {"integer", "number"} else "text"

    def fields(self) -> tuple[Field, ...]:
        """The columns in the order of their first appearance."""
        return tuple(Field(name=name, kind=kind or "text") for name, kind in self._kinds.items())


def batches(items: Iterator[Item], start: int, size: int) -> Iterator[Batch]:
    """Batches of at most `size` records, from ordinal `start` on."""
    first, rest = start, islice(items, start, None)
    while chunk := list(islice(rest, size)):
        yield batch_of(first, chunk)
        first += len(chunk)


def batch_of(first: int, chunk: list[Item]) -> Batch:
    """One batch."""
    return rows_batch(
        first,
        [one.row for one in chunk],
        [one.shape for one in chunk],
        fids=[one.fid for one in chunk],
        problems={place: one.problem for place, one in enumerate(chunk) if one.problem is not None},
        raw={place: one.raw for place, one in enumerate(chunk) if one.raw is not None},
        extra={place: one.extra for place, one in enumerate(chunk) if one.extra is not None},
    )


WILD = 1e9
"""No coordinate of a place on Earth is larger, whatever its unit; NaN is not below it either."""
PLACED = 200
"""Records that tell where a layer lies."""
TOGETHER = 256
"""Records that are kept in one piece."""


class RecordSource:
    """A reader whose subclass gives `names`, `items` and `describe`.

    To count a layer is to read it, so its records are kept on disk for what follows: a file is parsed once
    for each layer, however often its records are asked for.
    """

    format = ""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._layers: dict[str, Layer] = {}
        self._kept: dict[str, IO[bytes]] = {}

    def names(self) -> list[str]:
        """The layers, in a stable order."""
        raise NotImplementedError

    def items(self, layer: str) -> Iterator[Item]:
        """The records of a layer, in a stable order."""
        raise NotImplementedError

    def describe(self, layer: str, count: int, fields: tuple[Field, ...], geometry: str | None) -> Layer:
        """The facts of a layer after a pass over it."""
        return Layer(name=layer, count=count, geometry=geometry, crs=None, fields=fields)

    def layers(self) -> list[Layer]:
        """See `Source`."""
        return [self.facts(name) for name in self.names()]

    def facts(self, name: str) -> Layer:
        """The facts of one layer, without a look at the others."""
        if name not in self._layers:
            self._layers[name] = self._counted(name)
        return self._layers[name]

    def batches(self, layer: str, *, start: int, size: int, careful: bool) -> Iterator[Batch]:
        """See `Source`; there is no slower way."""
        return batches(self._again(layer), start, size)

    def token(self) -> str:
        """Size, time and name of the file."""
        return file_token(self._path)

    def close(self) -> None:
        """Remove what was kept."""
        for spool in self._kept.values():
            spool.close()
        self._kept.clear()

    def _counted(self, name: str) -> Layer:
        kinds, count, geometry = Kinds(), 0, None
        boxes: list[tuple[float, float, float, float]] = []
        with ExitStack() as stack:
            spool = stack.enter_context(tempfile.TemporaryFile(prefix="dtc-migrate-"))
            items = self.items(name)
            while chunk := list(islice(items, TOGETHER)):
                for item in chunk:
                    kinds.add(item.row)
                    count += 1
                    if item.shape is not None and len(boxes) < PLACED:
                        boxes.append(item.shape.bounds)
                    if item.shape is not None and geometry != "Unknown":
                        kind = item.shape.geom_type
                        geometry = kind if geometry in (None, kind) else "Unknown"
                pickle.dump(chunk, spool, protocol=pickle.HIGHEST_PROTOCOL)
            found = self.describe(name, count, kinds.fields(), geometry)
            if found.extent is None:
                found = msgspec.structs.replace(found, extent=around(boxes))
            self._kept[name] = spool
            stack.pop_all()  # it stays open until close(), or until nobody has this reader any more
            weakref.finalize(self, spool.close)
        return found

    def _again(self, layer: str) -> Iterator[Item]:
        """The records of a layer: those that were kept, else from the file."""
        spool = self._kept.get(layer)
        if spool is None:
            yield from self.items(layer)
            return
        at, end = 0, spool.seek(0, os.SEEK_END)
        while at < end:
            spool.seek(at)  # several may read at once
            chunk = pickle.load(spool)  # noqa: S301 - written above, by this process, to a file without a name
            at = spool.tell()
            yield from chunk


def around(
    boxes: Sequence[tuple[float, float, float, float]],
) -> tuple[float, float, float, float] | None:
    """The box around boxes; those of empty shapes and wild numbers do not count."""
    known = [box for box in boxes if all(abs(one) < WILD for one in box)]
    if not known:
        return None
    west, south, east, north = zip(*known, strict=True)
    return min(west), min(south), max(east), max(north)


def file_token(*files: Path) -> str:
    """A text that changes when one of the files is written."""
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        facts = file.stat()
        digest.update(f"{file.name} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()
