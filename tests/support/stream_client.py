"""A client of the stream for tests: messages over `websockets`, and bare frames over a socket."""

import base64
import contextlib
import json
import os
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from websockets.sync.client import ClientConnection, connect

PATIENCE_S = 10


class Talker:
    """One connection that speaks envelopes; what is heard and not asked for is kept for later."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.kept: list[dict[str, Any]] = []
        self._said = 0
        self._name = base64.b32encode(os.urandom(5)).decode()

    def say(self, kind: str, payload: Any = None, **more: Any) -> str:
        """Send a message; its id."""
        self._said += 1
        message = {
            "version": "1.0.0",
            "type": kind,
            "messageId": f"{self._name}-{self._said}",
            "timestamp": "2025-01-15T10:30:00+09:00",
            "payload": {} if payload is None else payload,
            **more,
        }
        self.connection.send(json.dumps(message))
        return str(message["messageId"])

    def hear(self, kind: str, **members: Any) -> dict[str, Any]:
        """The next message of a type, with these members."""
        for message in self.kept:
            if message["type"] == kind and members.items() <= message.items():
                self.kept.remove(message)
                return message
        until = time.monotonic() + PATIENCE_S
        while True:
            data = self.connection.recv(timeout=max(0.01, until - time.monotonic()))
            assert isinstance(data, str), data
            message = json.loads(data)
            if message["type"] == kind and members.items() <= message.items():
                found: dict[str, Any] = message
                return found
            self.kept.append(message)

    def ask(self, kind: str, payload: Any = None, answer: str = "ERROR", **more: Any) -> dict[str, Any]:
        """Send a message and return its answer."""
        message_id = self.say(kind, payload, **more)
        return self.hear(answer, correlationId=more.get("correlationId", message_id))

    def subscribe(self, *patterns: str, qos: int = 1, **options: Any) -> dict[str, Any]:
        """Subscribe; the SUBACK."""
        wanted = [{"topic": one, "qos": qos, **options} for one in patterns]
        return self.ask("SUBSCRIBE", {"topics": wanted}, "SUBACK")

    def quiet(self) -> list[dict[str, Any]]:
        """All that was heard until an answer to PING came: nothing more is on its way."""
        self.ask("PING", answer="PONG")
        kept, self.kept = self.kept, []
        return kept

    def code(self) -> int:
        """The code with which the server closes."""
        with contextlib.suppress(Exception):
            while True:
                self.connection.recv(timeout=PATIENCE_S)
        found = self.connection.close_code
        assert found is not None
        return found


@contextlib.contextmanager
def talking(url: str, key: str | None = None, **options: Any) -> Iterator[Talker]:
    """Connect, and close at the end."""
    headers = {**({} if key is None else {"X-API-Key": key}), **options.pop("headers", {})}
    options.setdefault("subprotocols", ["wia-dtc-v1"])
    with connect(url, additional_headers=headers, open_timeout=PATIENCE_S, **options) as connection:
        yield Talker(connection)


class Raw:
    """A socket below WebSocket: the upgrade as text, frames as bytes."""

    def __init__(self, url: str, key: str | None, behind: bytes = b"", /, **headers: str) -> None:
        """`behind` is sent together with the request."""
        parts = urlsplit(url)
        self.socket = socket.create_connection((parts.hostname or "", parts.port or 80), PATIENCE_S)
        wanted = {
            "Host": parts.netloc,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhXDw==",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Protocol": "wia-dtc-v1",
            **({} if key is None else {"X-API-Key": key}),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        lines = [f"{name}: {value}" for name, value in wanted.items() if value]
        request = "\r\n".join([f"GET {parts.path} HTTP/1.1", *lines, "", ""])
        self.socket.sendall(request.encode("latin-1") + behind)
        self._buffer = b""
        head = self._until(b"\r\n\r\n").decode("latin-1")
        self.status = int(head.split(" ")[1])
        self.headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:] if line)
        }

    def __enter__(self) -> "Raw":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            chunk = self.socket.recv(65536)
            if not chunk:
                break
            self._buffer += chunk
        head, _, self._buffer = self._buffer.partition(mark)
        return head

    def _exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            chunk = self.socket.recv(65536)
            if not chunk:
                raise EOFError
            self._buffer += chunk
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    def body(self) -> Any:
        """The JSON body of a refusal."""
        return json.loads(self._exactly(int(self.headers["content-length"])))

    def send(self, opcode: int, data: bytes, *, fin: bool = True, mask: bool = True, rsv: int = 0) -> None:
        """Send a frame, a right one or not."""
        first = (0x80 if fin else 0) | rsv << 4 | opcode
        bit = 0x80 if mask else 0
        if len(data) < 126:
            head = bytes((first, bit | len(data)))
        elif len(data) < 65536:
            head = struct.pack("!BBH", first, bit | 126, len(data))
        else:
            head = struct.pack("!BBQ", first, bit | 127, len(data))
        key = b"\x01\x02\x03\x04" if mask else b""
        body = (
            bytes(byte ^ key[i % 4] for i, byte in enumerate(data)) if mask and len(data) < 10_000 else data
        )
        if mask and len(data) >= 10_000:
            key = b"\0\0\0\0"
        with contextlib.suppress(OSError):  # a server may refuse a large frame before all of it has come
            self.socket.sendall(head + key + body)

    def frame(self) -> tuple[int, bytes]:
        """The next frame: its first byte and its data."""
        first, second = self._exactly(2)
        assert not second & 0x80, "a server does not mask"
        length = second & 0x7F
        if length == 126:
            length = struct.unpack("!H", self._exactly(2))[0]
        elif length == 127:
            length = struct.unpack("!Q", self._exactly(8))[0]
        return first, self._exactly(length)

    def closed_with(self) -> int:
        """The code of the close frame that must come, whatever comes before; then the end."""
        while True:
            first, data = self.frame()
            if first & 0x0F == 8:
                code = int(struct.unpack("!H", data[:2])[0])
                self.send(8, data[:2])
                with contextlib.suppress(OSError):
                    while self.socket.recv(65536):
                        pass
                return code
