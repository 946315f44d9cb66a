"""Opening a package, packed or unpacked, without letting it do anything."""

import hashlib
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from dtc_cli.errors import DtcError
from dtc_cli.signing import archive, layout
from dtc_cli.signing.refusal import Refusal

MAX_DOCUMENT = 128 * 1024**2
MAX_LINE = 16 * 1024**2
SPOOL_BYTES = 64 * 1024**2


class Files(ABC):
    """The files of a package by name; sub-classes say where the bytes are."""

    @abstractmethod
    def names(self) -> list[str]:
        """All names, sorted."""

    @abstractmethod
    def size(self, name: str) -> int:
        """Size in bytes.

        Raises:
            KeyError: there is no such file.
        """

    @abstractmethod
    def chunks(self, name: str) -> Iterator[bytes]:
        """The content in pieces."""

    @abstractmethod
    def __contains__(self, name: object) -> bool: ...

    def read(self, name: str, limit: int = MAX_DOCUMENT) -> bytes:
        """The whole content of a file.

        Raises:
            Refusal: when there is no such file, or it is larger than the limit.
        """
        if name not in self:
            raise Refusal(f"{name} is missing")
        if self.size(name) > limit:
            raise Refusal(f"{name} is larger than {limit} bytes")
        return b"".join(self.chunks(name))

    def content(self, name: str) -> archive.Content:
        """The file as something that can be packed again while this package is open."""
        return archive.Held(self.size(name), lambda: self.chunks(name))

    def digest(self, name: str) -> str:
        """SHA-256 (hex) of the content."""
        whole = hashlib.sha256()
        for piece in self.chunks(name):
            whole.update(piece)
        return whole.hexdigest()

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines of a JSON Lines file, without their newlines.

        Raises:
            Refusal: when there is no such file, a line is too long, or the last one has no newline.
        """
        if name not in self:
            raise Refusal(f"{name} is missing")
        rest = b""
        for piece in self.chunks(name):
            *whole, rest = (rest + piece).split(b"\n")
            yield from whole
            if len(rest) > MAX_LINE:
                raise Refusal(f"{name} has a line of more than {MAX_LINE} bytes")
        if rest:
            raise Refusal(f"{name} ends in the middle of a line")


class MappedFiles(Files):
    """Files given as bytes or paths: what `build` is about to pack, or an unpacked folder."""

    def __init__(self, contents: Mapping[str, archive.Content]) -> None:
        self._contents = dict(sorted(contents.items()))

    def names(self) -> list[str]:
        """All names, sorted."""
        return list(self._contents)

    def __contains__(self, name: object) -> bool:
        return name in self._contents

    def size(self, name: str) -> int:
        """Size in bytes."""
        return archive.size_of(self._contents[name])

    def chunks(self, name: str) -> Iterator[bytes]:
        """The content in pieces."""
        return archive.chunks(self._contents[name])


class ArchiveFiles(Files):
    """Files inside an uncompressed archive."""

    def __init__(self, stream: BinaryIO, places: Mapping[str, tuple[int, int]]) -> None:
        self._stream = stream
        self._places = places

    def names(self) -> list[str]:
        """All names, sorted."""
        return list(self._places)

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def size(self, name: str) -> int:
        """Size in bytes."""
        return self._places[name][1]

    def chunks(self, name: str) -> Iterator[bytes]:
        """The content in pieces."""
        offset, left = self._places[name]
        while left:
            self._stream.seek(offset)
            piece = self._stream.read(min(left, archive.CHUNK))
            offset += len(piece)
            left -= len(piece)
            yield piece


@contextmanager
def open_package(path: Path) -> Iterator[Files]:
    """The files of a package file or of an unpacked package.

    Raises:
        DtcError: `package-missing` when it is not there or cannot be read, `not-a-package` for a run folder.
        Refusal: when the package is malformed: links, odd names, collisions, too large, cut off, damaged.
    """
    try:
        if path.is_dir():
            yield _folder(path)
            return
        with path.open("rb") as source, tempfile.SpooledTemporaryFile(SPOOL_BYTES) as spool:
            stream = cast(BinaryIO, spool)
            archive.unzip(source, stream)
            places = archive.index(stream)
            layout.distinct(places)
            yield ArchiveFiles(stream, places)
    except OSError as problem:
        raise DtcError(
            "package-missing",
            f"the package {path.name} cannot be read",
            where=str(path),
            why=problem.strerror or str(problem),
            hint="give the .dtcpack.tar.gz file that dtc certify wrote, or the folder it was unpacked to",
        ) from problem


def _folder(root: Path) -> Files:
    if (root / "run.json").is_file() and not (root / layout.SUMS).exists():
        raise DtcError(
            "not-a-package",
            f"{root.name} is a run folder, not a package",
            where=str(root),
            why="a run folder is not signed",
            hint="dtc certify writes the package beside it: *.dtcpack.tar.gz",
        )
    found = dict(_walk(root, ""))
    layout.distinct(found)
    if sum(path.stat().st_size for path in found.values()) > layout.MAX_BYTES:
        raise Refusal(f"the package holds more than {layout.MAX_BYTES // 1024**2} MiB")
    return MappedFiles(found)


def _walk(folder: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    """Plain files below a folder; links are refused, never followed."""
    count = 0
    pending = [(folder, prefix)]
    while pending:
        here, before = pending.pop()
        with os.scandir(here) as scan:
            entries = list(scan)
            if before and not entries:
                # No package has one: it could only carry a misleading name.
                raise Refusal(f"{before[:120]!a} is an empty folder")
            for entry in entries:
                name = before + entry.name
                if entry.is_symlink():
                    raise Refusal(f"{name[:120]!a} is a link")
                layout.safe(name)
                if entry.is_dir(follow_symlinks=False):
                    pending.append((Path(entry.path), name + "/"))
                elif entry.is_file(follow_symlinks=False):
                    count += 1
                    if count > layout.MAX_FILES:
                        raise Refusal(f"the package holds more than {layout.MAX_FILES} files")
                    yield name, Path(entry.path)
                else:
                    raise Refusal(f"{name} is not a plain file")
