"""What the reader child sends: length-prefixed frames of record heads and NDJSON bodies (D-42)."""

import struct
from collections.abc import Iterator
from typing import IO, Any

import msgspec

from dtc_cli.migrate.transform import Record

_LENGTHS = struct.Struct("<BII")
DATA, END, FAILED, READY = 1, 2, 3, 4
BATCH = 5
"""Only between the two processes of a child: a batch is done."""
LARGEST_FRAME = 1 << 30


class Frame(msgspec.Struct):
    """One message of a child: its kind, a head, and the bodies of its records in order."""

    kind: int
    head: Any
    body: bytes = b""

    def items(self) -> Iterator[tuple[Record, bytes]]:
        """The records of a DATA frame with their bodies."""
        offset = 0
        for record in self.head:
            end = offset + record.length
            yield record, self.body[offset:end]
            offset = end + 1  # the line end


_DATA_HEAD = msgspec.msgpack.Decoder(list[Record])


def write(stream: IO[bytes], kind: int, head: Any, body: bytes = b"") -> None:
    """Send one frame."""
    write_raw(stream, kind, msgspec.msgpack.encode(head), body)


def read(stream: IO[bytes]) -> Frame | None:
    """The next frame, or None where the stream ends (also in the middle of one: the child died)."""
    raw = read_raw(stream)
    if raw is None:
        return None
    kind, packed, body = raw
    head = _DATA_HEAD.decode(packed) if kind == DATA else head_of(packed)
    return Frame(kind, head, body)


def head_of(packed: bytes) -> Any:
    """The head of a frame that carries no records."""
    return msgspec.msgpack.decode(packed)


def write_raw(stream: IO[bytes], kind: int, packed: bytes, body: bytes) -> None:
    """Send a frame as it was received."""
    stream.write(_LENGTHS.pack(kind, len(packed), len(body)))
    stream.write(packed)
    stream.write(body)
    stream.flush()


def read_raw(stream: IO[bytes]) -> tuple[int, bytes, bytes] | None:
    """As `read`, with the head still packed."""
    lengths = stream.read(_LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        return None
    kind, head_size, body_size = _LENGTHS.unpack(lengths)
    if (
        kind not in (DATA, END, FAILED, READY, BATCH)
        or head_size > LARGEST_FRAME
        or body_size > LARGEST_FRAME
    ):
        return None
    packed, body = stream.read(head_size), stream.read(body_size)
    if len(packed) < head_size or len(body) < body_size:
        return None
    return kind, packed, body
