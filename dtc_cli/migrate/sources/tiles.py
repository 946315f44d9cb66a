"""A city in tiles: a folder, or an archive, of files of one format that are read as one source."""

import hashlib
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from dtc_cli.errors import DtcError
from dtc_cli.migrate.sources.records import around
from dtc_cli.migrate.sources.source import Batch, Field, Layer, Source
from dtc_cli.migrate.trouble import source_error

TOLD = 5
"""Tiles that a note names."""
LARGEST_UNPACKED = 8 * 1024**3
"""Bytes that an archive of tiles may take when it is unpacked; beyond, whoever has it unpacks it."""


class TiledSource:
    """Files of one format, in the order of their names; a layer holds the records of all of them.

    An object that stands in two tiles has one key: equal records are loaded once, as everywhere.

    Args:
        folder: the folder, or the archive.
        files: the files in it.
        open_one: opens one of them.
        format: of the files.
    """

    def __init__(
        self, folder: Path, files: Sequence[Path], open_one: Callable[[str], Source], *, format: str
    ) -> None:
        self.format = format
        self._folder = folder
        self._tiles = [(str(file.relative_to(folder)), open_one(str(file))) for file in files]
        self._layers: list[Layer] | None = None
        self._held: list[tuple[str, Source, dict[str, Layer]]] = []

    def layers(self) -> list[Layer]:
        """See `Source`. Each tile is looked through once.

        Raises:
            DtcError: for a tile that cannot be read, and where no tile holds a record.
        """
        if self._layers is None:
            empty: list[str] = []
            for name, tile in self._tiles:
                try:
                    found = tile.layers()
                except DtcError as problem:
                    if "has no city objects" not in problem.what:
                        raise
                    empty.append(name)
                    continue
                self._held.append((name, tile, {layer.name: layer for layer in found}))
            if not self._held:
                raise source_error(
                    f"none of the {len(self._tiles)} files has city objects", where=str(self._folder)
                )
            names = dict.fromkeys(name for _, _, layers in self._held for name in layers)
            self._layers = [self._joined(name, empty) for name in names]
        return self._layers

    def batches(self, layer: str, *, start: int, size: int, careful: bool) -> Iterator[Batch]:
        """See `Source`: tile after tile."""
        self.layers()
        offset = 0
        for _, tile, layers in self._held:
            count = layers[layer].count if layer in layers else 0
            if count is None or start < offset + count:
                begin = max(0, start - offset)
                for batch in tile.batches(layer, start=begin, size=size, careful=careful) if count else ():
                    batch.first += offset
                    yield batch
            offset += count or 0

    def keys(self, layer: str, field: str) -> list[Any]:
        """The values of one field, in the order of the records."""
        self.layers()
        found: list[Any] = []
        for _, tile, layers in self._held:
            if layer not in layers:
                continue
            quick = getattr(tile, "keys", None)
            if quick is not None:
                found.extend(quick(layer, field))
                continue
            for batch in tile.batches(layer, start=0, size=4096, careful=False):
                found.extend(batch.columns.get(field) or [None] * batch.size)
        return found

    def token(self) -> str:
        """Changes when one of the tiles does, or when there are others."""
        digest = hashlib.blake2b(digest_size=16)
        for name, tile in self._tiles:
            digest.update(f"{name} {tile.token()}\n".encode())
        return digest.hexdigest()

    def close(self) -> None:
        """Close all tiles."""
        for _, tile in self._tiles:
            tile.close()

    def _joined(self, name: str, empty: list[str]) -> Layer:
        """The facts of a layer over all tiles that have it."""
        parts = [(tile, layers[name]) for tile, _, layers in self._held if name in layers]
        systems: dict[str | None, list[str]] = {}
        for tile, layer in parts:
            systems.setdefault(layer.crs, []).append(tile)
        blockers: tuple[str, ...] = ()
        if len(systems) > 1:
            told = "; ".join(f"{crs or 'none'} in {_some(tiles)}" for crs, tiles in systems.items())
            blockers = (f"the files are in different reference systems: {told}",)
        notes = Counter(note for _, layer in parts for note in layer.notes)
        of = {note: _some([tile for tile, layer in parts if note in layer.notes]) for note in notes}
        said = [note if times == len(parts) else f"{of[note]}: {note}" for note, times in notes.items()]
        if empty:
            said.append(f"{len(empty)} of the files hold no city objects: {_some(empty)}")
        counts = [layer.count for _, layer in parts]
        kinds = {layer.geometry for _, layer in parts}
        return msgspec.structs.replace(
            parts[0][1],
            count=None if None in counts else sum(count for count in counts if count is not None),
            geometry=kinds.pop() if len(kinds) == 1 else "Unknown",
            fields=_fields([layer for _, layer in parts]),
            extent=around([layer.extent for _, layer in parts if layer.extent is not None]),
            notes=(f"{len(parts)} files are read as one", *said),
            blockers=blockers + tuple(f"{tile}: {one}" for tile, layer in parts for one in layer.blockers),
        )


class PackedTiles(TiledSource):
    """The tiles of an archive, unpacked for as long as they are read.

    Args:
        archive: the archive, whose names were looked at (`open.open_source`).
        suffixes: of the files that are unpacked, tiles and what they refer to.
        chosen: says which of the unpacked files are tiles.
        open_one: opens a tile.
        format: of the tiles.

    Raises:
        DtcError: `migration-source` for an archive that is too large to be unpacked unasked.
    """

    def __init__(
        self,
        archive: Path,
        suffixes: tuple[str, ...],
        chosen: Callable[[Path], Sequence[Path]],
        open_one: Callable[[str], Source],
        *,
        format: str,
    ) -> None:
        self._unpacked = tempfile.TemporaryDirectory(prefix="dtc-migrate-")
        folder = Path(self._unpacked.name)
        try:
            _unpack(archive, suffixes, folder)
            super().__init__(folder, chosen(folder), open_one, format=format)
        except BaseException:
            self._unpacked.cleanup()
            raise
        facts = archive.stat()
        self._stamp = f"{facts.st_size} {facts.st_mtime_ns}"

    def token(self) -> str:
        """Size and time of the archive: what was unpacked is new every time."""
        return hashlib.blake2b(self._stamp.encode(), digest_size=16).hexdigest()

    def close(self) -> None:
        """Close the tiles and remove what was unpacked."""
        super().close()
        self._unpacked.cleanup()


def _unpack(archive: Path, suffixes: tuple[str, ...], folder: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        members = [
            one
            for one in packed.infolist()
            if one.filename.lower().endswith(suffixes)
            and not one.filename.startswith("__MACOSX/")
            and "/._" not in f"/{one.filename}"
        ]
        size = sum(one.file_size for one in members)
        if size > LARGEST_UNPACKED:
            raise source_error(
                f"{archive.name} holds {size:,} bytes of tiles",
                where=str(archive),
                why=f"more than {LARGEST_UNPACKED:,} are not unpacked unasked",
                hint="unpack it and give the folder",
            )
        try:
            packed.extractall(folder, members)
        except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as problem:
            raise source_error(
                f"{archive.name} cannot be unpacked", where=str(archive), why=str(problem)[:200]
            ) from problem


def _fields(layers: Sequence[Layer]) -> tuple[Field, ...]:
    """The columns of all tiles; one that is of several kinds is a number or a text."""
    kinds: dict[str, str] = {}
    for layer in layers:
        for field in layer.fields:
            before = kinds.setdefault(field.name, field.kind)
            if before != field.kind:
                both = {before, field.kind}
                kinds[field.name] = "number" if both == {"integer", "number"} else "text"
    return tuple(Field(name=name, kind=kind) for name, kind in kinds.items())


def _some(names: Sequence[str]) -> str:
    more = len(names) - TOLD
    return ", ".join(names[:TOLD]) + (f" and {more} more" if more > 0 else "")
