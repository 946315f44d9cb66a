"""The stream port: WebSocket connections to the target, frame by frame, each of them recorded."""

import base64
import hashlib
import json
import os
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from dtc_cli import __version__
from dtc_cli.clients import frames
from dtc_cli.clients.answer import TargetUnreachable
from dtc_cli.clients.credentials import Credential, Credentials
from dtc_cli.clients.frames import Frame, FrameReader
from dtc_cli.clients.track import Seen, Track, during
from dtc_cli.clients.wire import Door, Wire

SUBPROTOCOL = "wia-dtc-v1"  # P3 4.1.1
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 1.3
LONGEST_HEAD = 65536
LONGEST_MESSAGE = 64 * 1024 * 1024
"""Bytes. A message that is longer, also when it is inflated, is not read to its end."""
TAIL = b"\x00\x00\xff\xff"  # RFC 7692 7.2.1


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """Something that came: a whole message, a control frame, or the end of the connection."""

    kind: str
    """text, binary, ping, pong, close; eof without a close frame; malformed for bytes that are no frame."""
    data: bytes = b""
    at_s: float = 0.0
    """Seconds since the port was made."""
    code: int | None = None
    """Of a close frame."""
    sizes: tuple[int, ...] = ()
    """Payload bytes of its frames on the wire."""
    masked: bool = False
    compressed: bool = False
    """RSV1 was set on its first frame."""
    reserved: bool = False
    """RSV2 or RSV3 was set, or an opcode that the RFC reserves."""
    error: str = ""
    event: int = 0

    @property
    def over(self) -> bool:
        """Whether nothing follows."""
        return self.kind in {"close", "eof", "malformed"}

    def json(self) -> Any:
        """The JSON value of a text message.

        Raises:
            ValueError: when it is none.
        """
        return json.loads(self.data.decode("utf-8"))

    def reason(self) -> str:
        """The reason of a close frame."""
        return self.data.decode("utf-8", "backslashreplace")


class Stream:
    """Opens connections to the stream of the target."""

    def __init__(
        self, url: str, door: Door, *, city: str, credentials: Credentials, track: Track, timeout_s: float
    ) -> None:
        self.url = url
        self.door = door
        self.city = city
        self.timeout_s = timeout_s
        self._credentials = credentials
        self._track = track
        self._links: list[StreamLink] = []

    def open(
        self,
        *,
        as_: str | Credential | None = None,
        protocols: Sequence[str] = (SUBPROTOCOL,),
        version: str = "13",
        key: str = "",
        deflate: str = "",
        headers: Mapping[str, str | None] | None = None,
        query: str = "",
    ) -> "StreamLink":
        """Ask for an upgrade; the link tells whether it was granted.

        Args:
            as_: role or credential whose headers travel with the upgrade; by default the usual key.
            protocols: the subprotocols to offer; none for no such header.
            version: Sec-WebSocket-Version.
            key: Sec-WebSocket-Key; by default a fresh one.
            deflate: the extensions to offer, for example `permessage-deflate`.
            headers: further headers; None leaves one of the usual ones out.
            query: a query, with its question mark.

        Raises:
            TargetUnreachable: when there is no connection or no answer.
        """
        chosen = self._credentials.usual if as_ is None else as_
        credential = self._credentials.role(chosen) if isinstance(chosen, str) else chosen
        label = self._track.label(self.url)
        digest = hashlib.sha256(label.encode()).digest()
        key = key or base64.b64encode(digest[:16]).decode()
        port = f":{self.door.port}"
        host = f"[{self.door.host}]" if ":" in self.door.host else self.door.host
        wanted: dict[str, str | None] = {
            "Host": host + port,
            "User-Agent": f"dtc/{__version__}",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": key,
            "Sec-WebSocket-Version": version,
            "Sec-WebSocket-Protocol": ", ".join(protocols) or None,
            "Sec-WebSocket-Extensions": deflate or None,
            **credential.headers,
            **(headers or {}),
        }
        sent = {name: value for name, value in wanted.items() if value is not None}
        link = StreamLink(label, key, credential.name, self._track, self.timeout_s)
        self._links.append(link)
        link.open(self.door, query, sent)
        return link

    def close(self) -> None:
        """Close every connection that is still open."""
        for link in self._links:
            link.drop()
        self._links.clear()


class StreamLink:
    """One WebSocket connection. It answers pings by itself unless it is `mute`."""

    def __init__(self, label: str, key: str, credential: str, track: Track, timeout_s: float) -> None:
        self.label = label
        self.credential = credential
        self.key = key
        self.status: int | None = None
        """Of the answer to the upgrade; None when it was no HTTP."""
        self.headers: Mapping[str, str] = {}
        """Of that answer, by lower-case name."""
        self.body = b""
        self.error = ""
        self.event = 0
        self.mute = False
        self._track = track
        self._timeout_s = timeout_s
        self._wire: Wire | None = None
        self._reader = FrameReader()
        self._parts: list[Frame] = []
        self._inflate: Any = None
        self._window = 15
        self._reset_inflate = False

    @property
    def is_open(self) -> bool:
        """Whether the upgrade was granted."""
        return self.status == 101

    @property
    def now_s(self) -> float:
        """The port's clock, for watches in the background: what is received is timed by it."""
        return self._track.now_s

    @property
    def accept(self) -> str:
        """The Sec-WebSocket-Accept that belongs to the key (RFC 6455 4.2.2)."""
        return base64.b64encode(hashlib.sha1((self.key + GUID).encode()).digest()).decode()  # noqa: S324

    @property
    def extensions(self) -> str:
        """What the target granted of the extensions."""
        return self.headers.get("sec-websocket-extensions", "")

    def open(self, door: Door, query: str, headers: Mapping[str, str]) -> None:
        """Send the upgrade and read the answer (done by the port)."""
        head = f"GET {door.path}{query} HTTP/1.1\r\n" + "".join(
            f"{name}: {value}\r\n" for name, value in headers.items()
        )

        def perform() -> Seen:
            try:
                self._wire = wire = Wire(door, self._timeout_s)
            except TargetUnreachable as problem:
                return Seen(error=str(problem))
            wire.send((head + "\r\n").encode("latin-1", "replace"))
            return self._read_answer(wire)

        seen, self.event = self._track.step(
            "OPEN", self.label + query, perform, facts=headers, credential=self.credential
        )
        if seen.status is None:
            self.drop()
            raise TargetUnreachable(f"no answer from {self.label}: {seen.error}")
        self.status, self.headers, self.body = seen.status, seen.facts, seen.data
        if "permessage-deflate" in self.extensions:
            self._reset_inflate = "server_no_context_takeover" in self.extensions
            self._inflate = zlib.decompressobj(-15)
        if not self.is_open:
            self.drop()

    def send_text(self, text: str | bytes, *, fin: bool = True) -> int:
        """Send a text frame; the number of its event."""
        return self.send_frame(frames.TEXT, text.encode() if isinstance(text, str) else text, fin=fin)

    def send_binary(self, data: bytes) -> int:
        """Send a binary frame."""
        return self.send_frame(frames.BINARY, data)

    def send_frame(
        self, opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, mask: bool = True
    ) -> int:
        """Send one frame, also one that the RFC forbids; the number of its event."""
        facts = {"frame": frames.NAMES.get(opcode, hex(opcode))}
        if not fin:
            facts["fin"] = "0"
        if rsv:
            facts["rsv"] = str(rsv)
        if not mask:
            facts["masked"] = "0"
        data = frames.encode(opcode, payload, fin=fin, rsv=rsv, mask=os.urandom(4) if mask else None)
        return self._send(data, payload, facts)

    def send_deflated(self, text: str) -> int:
        """Send a compressed text frame (RFC 7692), without context taken over."""
        packer = zlib.compressobj(wbits=-15)
        data = packer.compress(text.encode()) + packer.flush(zlib.Z_SYNC_FLUSH)
        payload = data.removesuffix(TAIL)
        wire = frames.encode(frames.TEXT, payload, rsv=4, mask=os.urandom(4))
        return self._send(wire, text.encode(), {"frame": "text", "rsv": "4"})

    def send_bytes(self, data: bytes) -> int:
        """Send bytes as they are."""
        return self._send(data, data, {"frame": "raw bytes"})

    def receive(self, timeout_s: float) -> Received | None:
        """The next message, control frame or end; None when nothing comes within the time.

        A ping is answered before it is returned, unless the link is mute.
        """
        return self._took(timeout_s)[1]

    def during(self, seconds: float, *, most: int = 1_000_000) -> Iterator[Received]:
        """What comes within the next seconds, until the connection ends or there are so many."""
        return during(self._took, seconds, most)

    def _took(self, timeout_s: float) -> tuple[Seen, Received | None]:
        seen, event = self._track.step("RECV", self.label, lambda: self._await(timeout_s))
        return seen, _received(seen, event)

    def close(self, code: int = 1000) -> Received | None:
        """Close in order: a close frame, then what is left until the peer's; None when it sends none."""
        self.send_frame(frames.CLOSE, code.to_bytes(2, "big"))
        end = None
        for found in self.during(5.0, most=5000):
            end = found if found.over else None
        self.drop()
        return end

    def cut(self) -> None:
        """Break the connection off without a farewell."""
        self._track.step("CUT", self.label, self._cut)

    def drop(self) -> None:
        """Close the socket."""
        if self._wire is not None:
            self._wire.close()

    def _cut(self) -> Seen:
        if self._wire is not None:
            self._wire.cut()
        return Seen()

    def _send(self, data: bytes, shown: bytes, facts: Mapping[str, str]) -> int:
        def perform() -> Seen:
            if self._wire is None or not self._wire.send(data):
                return Seen(error=(self._wire and self._wire.broken) or "the connection has ended")
            return Seen(facts={"at-s": str(self._track.now_s)})

        return self._track.step(
            "SEND", self.label, perform, sent=shown, facts=facts, credential=self.credential
        )[1]

    def _read_answer(self, wire: Wire) -> Seen:
        until, data = time.monotonic() + self._timeout_s, b""
        while b"\r\n\r\n" not in data and len(data) < LONGEST_HEAD:
            more = wire.read(until)
            if not more:
                return Seen(error=wire.ended or "no answer in time", data=data[:400])
            data += more
        head, _, rest = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        parts = first.split(" ", 2)
        if len(parts) < 2 or not parts[0].startswith("HTTP/1.") or not parts[1].isdigit():
            return Seen(error=f"no HTTP answer: {first[:80]!r}", data=data[:400])
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            key = name.strip().lower()
            headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
        if parts[1] == "101":
            self._reader.feed(rest)
            return Seen(status=101, facts=headers)
        size = int(headers["content-length"]) if headers.get("content-length", "").isdigit() else 0
        while len(rest) < min(size, LONGEST_HEAD) and (more := wire.read(until)):
            rest += more
        return Seen(status=int(parts[1]), facts=headers, data=rest[:LONGEST_HEAD])

    def _await(self, timeout_s: float) -> Seen:
        asked = self._track.now_s
        until = time.monotonic() + max(0.0, timeout_s)
        found = self._next(until)
        facts = {"asked-s": str(asked), "at-s": str(self._track.now_s)}
        if found is None:
            return Seen(facts=facts)
        return Seen(data=found.data, facts={**facts, **_facts(found)}, error=found.error or None)

    def _next(self, until: float) -> Received | None:
        wire = self._wire
        while wire is not None:
            try:
                frame = self._reader.next()
                if frame is not None:
                    found = self._take(frame, wire)
                    if found is not None:
                        return found
                    continue
            except (frames.MalformedFrameError, zlib.error, _TooLong) as problem:
                return Received(kind="malformed", error=str(problem))
            data = wire.read(until)
            if data:
                self._reader.feed(data)
            elif wire.ended:
                return Received(kind="eof", error=wire.ended)
            else:
                return None
        return Received(kind="eof", error="never opened")

    def _take(self, frame: Frame, wire: Wire) -> Received | None:
        odd = bool(frame.rsv & 3) or frame.opcode not in frames.NAMES
        if frame.opcode & 8:
            if frame.opcode == frames.PING and not self.mute:
                wire.send(frames.encode(frames.PONG, frame.payload, mask=os.urandom(4)))
            code = int.from_bytes(frame.payload[:2]) if frame.opcode == frames.CLOSE else None
            text = frame.payload[2:] if frame.opcode == frames.CLOSE else frame.payload
            if frame.opcode == frames.CLOSE and len(frame.payload) < 2:
                code, text = 1005, b""
            kind = frame.name if frame.opcode in frames.NAMES else "malformed"
            return Received(
                kind=kind,
                data=text,
                code=code,
                sizes=(len(frame.payload),),
                masked=frame.masked,
                reserved=odd or bool(frame.rsv),
            )
        self._parts.append(frame)
        if sum(len(part.payload) for part in self._parts) > LONGEST_MESSAGE:
            raise _TooLong("a message without end")
        if not frame.fin:
            return None
        parts, self._parts = self._parts, []
        first = parts[0]
        data = b"".join(part.payload for part in parts)
        if first.rsv & 4 and self._inflate is not None:
            data = self._inflated(data)
        return Received(
            kind=first.name if first.opcode in (frames.TEXT, frames.BINARY) else "malformed",
            data=data,
            sizes=tuple(len(part.payload) for part in parts),
            masked=any(part.masked for part in parts),
            compressed=bool(first.rsv & 4),
            reserved=any(part.rsv & 3 or part.opcode not in frames.NAMES for part in parts),
        )

    def _inflated(self, data: bytes) -> bytes:
        if self._reset_inflate:
            self._inflate = zlib.decompressobj(-15)
        found: bytes = self._inflate.decompress(data + TAIL, LONGEST_MESSAGE)
        return found


class _TooLong(Exception):  # noqa: N818 - tells where reading stops
    """A message that does not end."""


def _facts(found: Received) -> dict[str, str]:
    facts = {"frame": found.kind, "sizes": " ".join(map(str, _folded(found.sizes)))}
    if found.code is not None:
        facts["code"] = str(found.code)
    for name in ("masked", "compressed", "reserved"):
        if getattr(found, name):
            facts[name] = "1"
    return facts


def _folded(sizes: Sequence[int]) -> Sequence[int]:
    """The sizes, at most 64 of them: the greatest ones where there are more."""
    return sizes if len(sizes) <= 64 else sorted(sizes)[-64:]


def _received(seen: Seen, event: int) -> Received | None:
    facts = seen.facts
    if "frame" not in facts:
        return None
    return Received(
        kind=facts["frame"],
        data=seen.data,
        at_s=float(facts["at-s"]),
        code=int(facts["code"]) if "code" in facts else None,
        sizes=tuple(map(int, facts.get("sizes", "").split())),
        masked="masked" in facts,
        compressed="compressed" in facts,
        reserved="reserved" in facts,
        error=seen.error or "",
        event=event,
    )
