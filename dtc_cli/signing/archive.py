"""The package as one file: tar and gzip with one way to write any content, and a reader that insists on it.

Names are sorted, times, owners and groups are 0, modes 0644, only plain files occur. The reader makes the
header that it would have written and compares, so no field, padding or trailer can say anything else.
"""

import os
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import msgspec

from dtc_cli.signing import layout
from dtc_cli.signing.refusal import Refusal

BLOCK = 512
CHUNK = 1024 * 1024
GATHERED = 256 * 1024
# Magic, deflate, no flags, time 0, default speed, unknown system (RFC 1952).
GZIP_HEADER = bytes.fromhex("1f8b08000000000000ff")
GZIP_LEVEL = 6
END = bytes(2 * BLOCK)
# Deflate cannot exceed 1032:1; evidence in JSON stays far below this, a bomb does not.
MAX_RATIO = 400
RATIO_FREE_BYTES = 64 * 1024**2


class Held(msgspec.Struct, frozen=True):
    """Bytes that lie in another archive and are fetched when they are written."""

    size: int
    pieces: Callable[[], Iterator[bytes]]


Content = bytes | Path | Held


def _blank() -> bytes:
    info = tarfile.TarInfo("")
    info.mode = 0o644
    return info.tobuf(format=tarfile.USTAR_FORMAT)


_BLANK = _blank()
_BLANK_SUM = sum(_BLANK[:148]) + 8 * ord(" ") + sum(_BLANK[156:])
"""The checksum of the blank header; its own field counts as eight blanks."""


def header(name: str, size: int) -> bytes:
    """The one tar header of a file of that name and size.

    It is that of an empty file without a name, with name, size and checksum put in.
    """
    raw, digits = name.encode("ascii"), b"%011o" % size
    if len(raw) > layout.MAX_NAME or len(digits) > 11:
        raise Refusal(f"{name[:120]!a} does not fit into an archive header")
    total = _BLANK_SUM + sum(raw) + sum(digits) - 11 * ord("0")
    return b"%b%b%b%b%06o%b" % (
        raw.ljust(layout.MAX_NAME, b"\0"), _BLANK[100:124], digits, _BLANK[135:148], total, _BLANK[154:],
    )  # fmt: skip


def write(out: Path, files: Mapping[str, Content]) -> None:
    """Write the files as one archive; `out` appears whole or not at all.

    Raises:
        Refusal: for a name that may not stand in a package, or a file that changes while it is read.
        OSError: when the disk does not play along.
    """
    layout.distinct(layout.safe(name) for name in files)
    partial = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        with partial.open("wb") as stream:
            _Gzip(stream).write(_tar(files))
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)


def write_tar(stream: BinaryIO, files: Mapping[str, Content]) -> None:
    """Write the files as an uncompressed archive with the same plain headers; names are the caller's.

    Raises:
        Refusal: for a file that changes while it is read.
    """
    for piece in _tar(files, _long_header):
        stream.write(piece)


def chunks(content: Content) -> Iterator[bytes]:
    """The bytes of a content, in pieces of at most 1 MiB."""
    if isinstance(content, bytes):
        yield content
        return
    if isinstance(content, Held):
        yield from content.pieces()
        return
    with content.open("rb") as stream:
        while piece := stream.read(CHUNK):
            yield piece


def size_of(content: Content) -> int:
    """The number of bytes of a content."""
    if isinstance(content, Held):
        return content.size
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def _long_header(name: str, size: int) -> bytes:
    """As `header`, also for names that need the prefix field."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    return info.tobuf(format=tarfile.USTAR_FORMAT)


def _tar(files: Mapping[str, Content], header: Callable[[str, int], bytes] = header) -> Iterator[bytes]:
    for name in sorted(files):
        content = files[name]
        size = size_of(content)
        yield header(name, size)
        written = 0
        for piece in chunks(content):
            written += len(piece)
            yield piece
        if written != size:
            raise Refusal(f"{name} changed while it was packed")
        yield bytes(-size % BLOCK)
    yield END


def _gathered(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of a size that is worth a call: most files of a package are small."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= GATHERED:
            yield b"".join(held)
            held.clear()
            size = 0
    yield b"".join(held)


class _Gzip:
    """A gzip stream whose header holds nothing of the machine that wrote it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, pieces: Iterator[bytes]) -> None:
        deflate = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        checksum = size = 0
        self._stream.write(GZIP_HEADER)
        for piece in _gathered(pieces):
            checksum = zlib.crc32(piece, checksum)
            size += len(piece)
            self._stream.write(deflate.compress(piece))
        self._stream.write(deflate.flush() + struct.pack("<LL", checksum, size & 0xFFFFFFFF))


def unzip(source: BinaryIO, target: BinaryIO) -> None:
    """Decompress a package into a file.

    Raises:
        Refusal: when it is no gzip file as `write` makes it, is cut off, is damaged, or grows too large.
    """
    if source.read(len(GZIP_HEADER)) != GZIP_HEADER:
        raise Refusal("the file is not a package: it does not begin like one")
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    taken = size = checksum = 0
    pending = b""
    while not inflate.eof:
        pending = pending or source.read(CHUNK)
        if not pending:
            raise Refusal("the package is cut off")
        try:
            piece = inflate.decompress(pending, CHUNK)
        except zlib.error as problem:
            raise Refusal(f"the package is damaged: {problem}") from problem
        taken += len(pending) - len(inflate.unconsumed_tail)
        pending = inflate.unconsumed_tail
        size += len(piece)
        checksum = zlib.crc32(piece, checksum)
        if size > layout.MAX_BYTES:
            raise Refusal(f"the package unpacks to more than {layout.MAX_BYTES // 1024**2} MiB")
        if size > RATIO_FREE_BYTES and size > MAX_RATIO * taken:
            raise Refusal("the package unpacks to far more than evidence does: a decompression bomb")
        target.write(piece)
    trailer = inflate.unused_data + source.read(BLOCK)
    if trailer != struct.pack("<LL", checksum, size & 0xFFFFFFFF):
        raise Refusal("the package is damaged or has something after its end")


def index(stream: BinaryIO) -> dict[str, tuple[int, int]]:
    """Name to offset and size of each file of an uncompressed archive.

    Raises:
        Refusal: for anything but sorted plain files with the headers that `write` makes.
    """
    end = stream.seek(0, os.SEEK_END)
    window = _Window(stream)
    found: dict[str, tuple[int, int]] = {}
    offset, last = 0, ""
    while True:
        block = window.read(offset, BLOCK)
        if not any(block):
            break
        name, size = _entry(block)
        if name <= last:
            raise Refusal(f"the archive repeats {name} or is not sorted")
        if len(found) >= layout.MAX_FILES:
            raise Refusal(f"the archive holds more than {layout.MAX_FILES} files")
        found[name] = (offset + BLOCK, size)
        padding = -size % BLOCK
        if window.read(offset + BLOCK + size, padding) != bytes(padding):
            raise Refusal(f"the archive is cut off or hides something after {name}")
        offset += BLOCK + size + padding
        last = name
    if window.read(offset, len(END) + 1) != END or offset + len(END) != end:
        raise Refusal("the archive does not end as it should")
    return found


class _Window:
    """Reads a stream in large pieces, for whoever wants small ones from front to back."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._start, self._held = 0, b""

    def read(self, offset: int, size: int) -> bytes:
        """The bytes there; fewer at the end of the stream."""
        at = offset - self._start
        if not 0 <= at <= len(self._held) - size:
            self._stream.seek(offset)
            self._start, self._held, at = offset, self._stream.read(max(size, CHUNK)), 0
        return self._held[at : at + size]


def _entry(block: bytes) -> tuple[str, int]:
    name = block[: layout.MAX_NAME].rstrip(b"\0").decode("ascii", "backslashreplace")
    kind = block[156:157]
    if kind in b"12" and kind:
        raise Refusal(f"{name[:120]!a} is a link")
    if kind != b"0":
        raise Refusal(f"{name[:120]!a} is not a plain file")
    layout.safe(name)
    digits = block[124:135]
    if not digits.isdigit() or b"8" in digits or b"9" in digits:
        raise Refusal(f"the archive header of {name} is not as dtc writes it")
    size = int(digits, 8)
    if header(name, size) != block:
        raise Refusal(f"the archive header of {name} is not as dtc writes it")
    return name, size
