"""ClientHello messages as bytes: what no library offers any more is offered by hand (RFC 5246 7.4.1.2)."""

import struct
from typing import NamedTuple

from dtc_cli.harness.suite import NotTested, Twin

VERSIONS = {"TLSv1": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303}
COMMON = (0xC02F, 0xC02B, 0xC030, 0xC02C, 0xC013, 0xC014, 0xC009, 0xC00A, 0x002F, 0x0035, 0x003C, 0x009C)
WEAK = {
    "NULL": (0x0000, 0x0001, 0x0002, 0x003B, 0xC006, 0xC010, 0xC015),
    "anonymous": (0x0018, 0x001B, 0x0034, 0x003A, 0x006C, 0x00A6, 0xC016, 0xC017, 0xC018, 0xC019),
    "export": (0x0003, 0x0006, 0x0008, 0x000B, 0x000E, 0x0011, 0x0014, 0x0017, 0x0019),
    "RC4": (0x0004, 0x0005, 0xC007, 0xC011, 0xC002, 0xC00C),
    "3DES": (0x000A, 0x000D, 0x0010, 0x0013, 0x0016, 0xC008, 0xC012, 0xC003, 0xC00D),
}
"""Code points of the TLS cipher suite registry, by why they are weak."""
GROUPS = (0x001D, 0x0017, 0x0018, 0x0019)
SIGNATURES = (0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201)
_HANDSHAKE, _SERVER_HELLO = 22, 2


class Answer(NamedTuple):
    """What the server chose."""

    accepted: bool
    suite: int = 0
    compression: int = 0


def offer(
    twin: Twin, door: str, *, version: int, suites: tuple[int, ...], compression: bool = False
) -> Answer:
    """Offer these suites at this version, and read whether the server takes one.

    Raises:
        NotTested: when there is no connection.
    """
    name = twin.raw.doors[door].host
    seen = twin.raw.say(door, client_hello(name, version, suites, compression), plain=True)
    if seen.error is not None:
        raise NotTested(f"no connection to {door}: {seen.error}")
    return read(seen.data, version)


def client_hello(name: str, version: int, suites: tuple[int, ...], compression: bool) -> bytes:
    """A ClientHello with server name, groups and signature algorithms; its randomness is fixed."""
    host = name.encode("idna") if not name.replace(".", "").isdigit() and ":" not in name else b""
    extensions = (
        _extension(10, _list(GROUPS, 2)) + _extension(11, b"\x01\x00") + _extension(13, _list(SIGNATURES, 2))
    )
    if host:
        extensions = _extension(0, _sized(b"\x00" + _sized(host, 2), 2)) + extensions
    body = struct.pack("!H", version) + bytes(range(32)) + b"\x00"
    body += _list(suites, 2) + (b"\x02\x01\x00" if compression else b"\x01\x00") + _sized(extensions, 2)
    message = b"\x01" + _sized(body, 3)
    return struct.pack("!BH", _HANDSHAKE, min(version, 0x0301)) + _sized(message, 2)


def read(data: bytes, version: int) -> Answer:
    """Read a ServerHello of that version; anything else is a refusal."""
    if len(data) < 44 or data[0] != _HANDSHAKE or data[5] != _SERVER_HELLO:
        return Answer(False)
    chosen = int.from_bytes(data[9:11], "big")
    session = data[43]
    rest = data[44 + session :]
    if chosen != version or len(rest) < 3:
        return Answer(False)
    return Answer(True, int.from_bytes(rest[:2], "big"), rest[2])


def _list(numbers: tuple[int, ...], width: int) -> bytes:
    return _sized(b"".join(number.to_bytes(2, "big") for number in numbers), width)


def _extension(kind: int, body: bytes) -> bytes:
    return struct.pack("!H", kind) + _sized(body, 2)


def _sized(body: bytes, width: int) -> bytes:
    return len(body).to_bytes(width, "big") + body
