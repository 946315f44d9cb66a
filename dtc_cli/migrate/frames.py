"""What the reader child sends: length-prefixed frames of record heads and NDJSON bodies (D-42)."""

import struct
from collections.abc import Iterator
from typing import IO, Any

import msgspec

from dtc_cli.migrate.transform import Record

_LENGTHS = struct.Struct("<BII")
DATA, END, FAILED, READY = 1, 2, 3, 4
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
    packed = msgspec.msgpack.encode(head)
    stream.write(_LENGTHS.pack(kind, len(packed), len(body)))
    stream.write(packed)
    stream.write(body)
    stream.flush()


def read(stream: IO[bytes]) -> Frame | None:
    """The next frame, or None where the stream ends (also in the middle of one: the child died)."""
    lengths = stream.read(_LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        return None
    kind, head_size, body_size = _LENGTHS.unpack(lengths)
    if kind not in (DATA, END, FAILED, READY) or head_size > LARGEST_FRAME or body_size > LARGEST_FRAME:
        return None
    packed, body = stream.read(head_size), stream.read(body_size)
    if len(packed) < head_size or len(body) < body_size:
        return None
    head = _DATA_HEAD.decode(packed) if kind == DATA else msgspec.msgpack.decode(packed)
    return Frame(kind, head, body)
