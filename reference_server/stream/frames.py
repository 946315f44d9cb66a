"""Messages as the bytes of server frames, made once for many connections (RFC 6455 5.2, RFC 7692)."""

import struct
import zlib

TEXT, BINARY = 1, 2
MAX_FRAME = 65_536  # P3 4.1.3
PIECE = 65_000
WINDOW_BITS = 12
_TAIL = b"\x00\x00\xff\xff"


def frame(opcode: int, data: bytes, *, compressed: bool = False) -> bytes:
    """A message in one frame, or in several of at most MAX_FRAME bytes; `compressed` data are so already."""
    first = opcode | (0x40 if compressed else 0)
    if len(data) <= MAX_FRAME:
        return _head(0x80 | first, len(data)) + data
    parts = [data[start : start + PIECE] for start in range(0, len(data), PIECE)]
    made = [_head(first, len(parts[0])), parts[0]]
    for part in parts[1:-1]:
        made += [_head(0, len(part)), part]
    made += [_head(0x80, len(parts[-1])), parts[-1]]
    return b"".join(made)


def deflate(data: bytes, bits: int = WINDOW_BITS) -> bytes:
    """Data compressed by itself, as permessage-deflate without context takeover does."""
    engine = zlib.compressobj(zlib.Z_DEFAULT_COMPRESSION, zlib.DEFLATED, -bits, 5)
    made = engine.compress(data) + engine.flush(zlib.Z_SYNC_FLUSH)
    return made.removesuffix(_TAIL)


def _head(first: int, length: int) -> bytes:
    if length < 126:
        return bytes((first, length))
    if length < 65_536:
        return struct.pack("!BBH", first, 126, length)
    return struct.pack("!BBQ", first, 127, length)
