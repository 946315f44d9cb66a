"""WebSocket frames on the wire (RFC 6455 5.2), also ones that no library would send."""

import struct

import msgspec

TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 0x1, 0x2, 0x8, 0x9, 0xA, 0x0
NAMES = {TEXT: "text", BINARY: "binary", CLOSE: "close", PING: "ping", PONG: "pong", CONTINUATION: "more"}
LONGEST_FRAME = 64 * 1024 * 1024
"""Bytes. A frame that says it is longer is not read."""


class MalformedFrameError(ValueError):
    """Bytes that are no frame."""


class Frame(msgspec.Struct, frozen=True):
    """One frame as it stood on the wire, mask removed."""

    fin: bool
    rsv: int
    """RSV1 is 4, RSV2 2, RSV3 1."""
    opcode: int
    masked: bool
    payload: bytes

    @property
    def name(self) -> str:
        """The opcode in a word."""
        return NAMES.get(self.opcode, f"opcode {self.opcode:#x}")


def encode(
    opcode: int, payload: bytes, *, fin: bool = True, rsv: int = 0, mask: bytes | None = None
) -> bytes:
    """A frame; with a mask of 4 bytes as a client sends it, without one as a server does."""
    size, bit = len(payload), 0x80 if mask is not None else 0
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    if size < 126:
        head = struct.pack("!BB", first, bit | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", first, bit | 126, size)
    else:
        head = struct.pack("!BBQ", first, bit | 127, size)
    return head + payload if mask is None else head + mask + apply_mask(payload, mask)


def apply_mask(data: bytes, mask: bytes) -> bytes:
    """The bytes XOR the repeated mask."""
    if not data:
        return b""
    long = (mask * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data) ^ int.from_bytes(long)).to_bytes(len(data))


class FrameReader:
    """Takes bytes in, gives frames out."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Take bytes in."""
        self._buffer += data

    def next(self) -> Frame | None:
        """The next whole frame, None when more bytes are needed.

        Raises:
            MalformedFrameError: for a length that no reader accepts.
        """
        data = self._buffer
        if len(data) < 2:
            return None
        first, second = data[0], data[1]
        size, at = second & 0x7F, 2
        extra = {126: 2, 127: 8}.get(size, 0)
        if len(data) < at + extra:
            return None
        if extra:
            size, at = int.from_bytes(data[at : at + extra]), at + extra
        if size > LONGEST_FRAME:
            raise MalformedFrameError(f"a frame of {size} bytes")
        masked = bool(second & 0x80)
        mask = bytes(data[at : at + 4]) if masked else b""
        at += len(mask) if masked else 0
        if (masked and len(mask) < 4) or len(data) < at + size:
            return None
        payload = bytes(data[at : at + size])
        del data[: at + size]
        if masked:
            payload = apply_mask(payload, mask)
        return Frame(bool(first & 0x80), first >> 4 & 7, first & 0xF, masked, payload)
