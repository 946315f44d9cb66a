"""Defects of the WebSocket door below its messages (P3 4.1, 5.5, 6.3)."""

import struct
from collections.abc import Callable
from typing import Any

from websockets.server import ServerProtocol

from reference_server.auth import READ, Principal
from reference_server.errors import ApiError
from reference_server.faults.fault import both, wrap
from reference_server.faults.stream_tools import Make, always, nothing
from reference_server.rest import messages as rest
from reference_server.rest.call import Reply
from reference_server.stream import binary, frames, handshake
from reference_server.stream.connection import Connection
from reference_server.stream.conversation import Conversation
from reference_server.stream.door import Door

ANYONE = Principal("anyone", "viewer", frozenset({READ}), None, 1000, 60.0)


def _answered(change: Callable[[Any], None]) -> Make:
    """An upgrade answered with other headers."""

    def make(accept: Make) -> Make:
        def wrong(self: Any, request: Any) -> Any:
            response = accept(self, request)
            if response.status_code == 101:
                change(response.headers)
            return response

        return wrong

    return make


def _other_accept(headers: Any) -> None:
    del headers["Sec-WebSocket-Accept"]
    headers["Sec-WebSocket-Accept"] = "AAAAAAAAAAAAAAAAAAAAAAAAAAA="


def _no_subprotocol(headers: Any) -> None:
    del headers["Sec-WebSocket-Protocol"]


def _any_version(_: Make) -> Make:
    def lax(request: Any) -> None:
        del request.headers["Sec-WebSocket-Version"]
        request.headers["Sec-WebSocket-Version"] = "13"

    return lax


def _any_caller(authenticate: Make) -> Make:
    def lax(*arguments: Any) -> Principal:
        try:
            found: Principal = authenticate(*arguments)
        except ApiError:
            return ANYONE
        return found

    return lax


def _limited(**limits: int | None) -> Make:
    def make(init: Make) -> Make:
        def wrong(self: Connection, *arguments: Any, **options: Any) -> None:
            init(self, *arguments, **options)
            for name, value in limits.items():
                setattr(self.ws, name, value)

        return wrong

    return make


def _masking(_: Make) -> Make:
    """Server frames that say they are masked, with a key of zeros."""

    def head(first: int, length: int) -> bytes:
        if length < 126:
            return bytes((first, 0x80 | length, 0, 0, 0, 0))
        if length < 65_536:
            return struct.pack("!BBHI", first, 0x80 | 126, length, 0)
        return struct.pack("!BBQI", first, 0x80 | 127, length, 0)

    return head


def _unmasked_too(received: Make) -> Make:
    def lax(self: Connection, data: bytes) -> None:
        if self.conversation is not None and len(data) > 1 and not data[1] & 0x80 and data[0] & 0x0F < 3:
            size = 2 if data[1] < 126 else 4
            data = bytes((data[0], data[1] | 0x80)) + data[2:size] + bytes(4) + data[size:]
        received(self, data)

    return lax


def _one_frame(_: Make) -> Make:
    def wrong(opcode: int, data: bytes, *, compressed: bool = False) -> bytes:
        return frames._head(0x80 | opcode | (0x40 if compressed else 0), len(data)) + data

    return wrong


def _silent_nonsense(text: Make) -> Make:
    def wrong(self: Conversation, data: bytes) -> None:
        if data.lstrip()[:1] == b"{":
            text(self, data)

    return wrong


def _encoded(change: Callable[[bytearray], Any]) -> Make:
    """Binary frames out, changed."""

    def make(encode: Make) -> Make:
        def wrong(*arguments: Any) -> Any:
            made = []
            for one in encode(*arguments) or []:
                frame = bytearray(one)
                changed = change(frame)
                made.append(bytes(frame if changed is None else changed))
            return made or None

        return wrong

    return make


def _put(at: int, layout: str, value: Any) -> Callable[[bytearray], None]:
    def change(frame: bytearray) -> None:
        (old,) = struct.unpack_from(layout, frame, at)
        struct.pack_into(layout, frame, at, value(old) if callable(value) else value)

    return change


def _decoded(change: Callable[[bytearray], Any]) -> Make:
    """Binary frames in, changed before they are judged."""

    def make(decode: Make) -> Make:
        def wrong(frame: bytes) -> Any:
            own = bytearray(frame)
            changed = change(own)
            return decode(bytes(own if changed is None else changed))

        return wrong

    return make


def _refuse_reserved(frame: bytearray) -> None:
    if any(frame[59:]):
        frame[0] = 9


def _known_parameter(frame: bytearray) -> None:
    if len(frame) > 50 and not 1 <= int.from_bytes(frame[48:50]) <= 8:
        frame[48:50] = b"\0\1"


def _any(frame: bytearray) -> None:
    if len(frame) > 4:
        frame[:4] = binary.VERSION


def _padded(frame: bytearray) -> bytes:
    return bytes(frame).ljust(66, b"\1") if len(frame) > 40 else bytes(frame)


def _never_dead(tick: Make) -> Make:
    def wrong(self: Door, now: float) -> None:
        for one in self._connections:
            if one.pinged:
                one.heard = max(one.heard, now - 31)
        tick(self, now)

    return wrong


async def _plain(call: Any) -> Reply:
    return Reply(200, b"{}")


def _hasty(tick: Make) -> Make:
    def wrong(self: Door, now: float) -> None:
        for one in self._connections:
            if now - one.heard >= 20:
                one.transport.abort()
        tick(self, now)

    return wrong


TABLE: tuple[tuple[str, str, Callable[[], None]], ...] = (
    ("001", "the stream is at another path", wrap(handshake, "PATH", lambda path: path + "s")),
    ("001.plain", "a plain GET of the stream succeeds", wrap(rest, "upgrade", lambda _: _plain)),
    (
        "002",
        "Sec-WebSocket-Accept is another value",
        wrap(ServerProtocol, "accept", _answered(_other_accept)),
    ),
    ("003", "the subprotocol is not confirmed", wrap(ServerProtocol, "accept", _answered(_no_subprotocol))),
    (
        "003.any",
        "the subprotocol is confirmed though another was offered",
        both(
            wrap(handshake, "check_subprotocol", nothing),
            wrap(ServerProtocol, "select_subprotocol", always(handshake.SUBPROTOCOL)),
        ),
    ),
    ("004", "another version of WebSocket is accepted", wrap(handshake, "check_version", _any_version)),
    ("005", "no credentials are needed", wrap(handshake, "authenticate", _any_caller)),
    ("006", "text that is no JSON is passed over in silence", wrap(Conversation, "text", _silent_nonsense)),
    ("007", "frames of the server are masked", wrap(frames, "_head", _masking)),
    ("007.unmasked", "frames without mask are accepted", wrap(Connection, "data_received", _unmasked_too)),
    ("008", "frames over 64 KB are accepted", wrap(Connection, "__init__", _limited(max_fragment_size=None))),
    ("008.sends", "frames over 64 KB are sent", wrap(frames, "frame", _one_frame)),
    ("009", "messages over 1 MB are accepted", wrap(Connection, "__init__", _limited(max_message_size=None))),
    (
        "009.low",
        "messages of 900 KB are refused",
        wrap(Connection, "__init__", _limited(max_message_size=500_000)),
    ),
    (
        "031",
        "the type of binary messages is in another byte order",
        wrap(binary, "encode", _encoded(_put(4, "!I", 0x03000000))),
    ),
    (
        "031.version",
        "the version of binary messages is not looked at",
        wrap(binary, "decode", _decoded(_any)),
    ),
    (
        "032",
        "the value is in another byte order",
        wrap(binary, "encode", _encoded(lambda f: f.__setitem__(slice(50, 58), f[50:58][::-1]))),
    ),
    ("033", "binary messages have 70 bytes", wrap(binary, "encode", _encoded(lambda f: bytes(f) + bytes(4)))),
    ("033.short", "a message without its quality byte is read", wrap(binary, "decode", _decoded(_padded))),
    (
        "034",
        "binary messages hold seconds",
        wrap(binary, "encode", _encoded(_put(24, "!Q", lambda at: at // 1000))),
    ),
    (
        "035",
        "parameters are numbered from 0",
        wrap(binary, "encode", _encoded(_put(48, "!H", lambda n: n - 1))),
    ),
    (
        "035.unknown",
        "unknown parameters are read as temperature",
        wrap(binary, "decode", _decoded(_known_parameter)),
    ),
    (
        "036",
        "messages with reserved bytes set are refused",
        wrap(binary, "decode", _decoded(_refuse_reserved)),
    ),
    (
        "036.quality",
        "quality bytes are counted from another end",
        wrap(binary, "encode", _encoded(_put(58, "!B", lambda n: 5 - n))),
    ),
    (
        "037",
        "values are rounded in binary messages",
        wrap(binary, "encode", _encoded(_put(50, "!d", lambda v: v - 1e-6))),
    ),
    ("038", "silent clients are never asked for a sign of life", wrap(Connection, "ping", nothing)),
    ("040", "dead clients are kept", wrap(Door, "tick", _never_dead)),
    ("040.early", "idle clients are cut off after 20 s", wrap(Door, "tick", _hasty)),
)
