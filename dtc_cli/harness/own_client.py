"""The target's own stream client, run against a server of the harness that plays tricks on it.

The server speaks just enough: it grants the upgrade, answers CONNECT with CONNACK, SUBSCRIBE with SUBACK and
heartbeats, until its part says otherwise. What is kept: the instant of each connection, and each line that
the client prints.
"""

import base64
import contextlib
import hashlib
import json
import select
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from dtc_cli.clients import frames
from dtc_cli.clients.frames import FrameReader
from dtc_cli.clients.stream import GUID, SUBPROTOCOL

LAST_PAUSE_S = 3.0
"""Seconds for which a client that says it gave up is still watched."""


class Part(msgspec.Struct, frozen=True):
    """What the server does in one scene."""

    refuse_after: int | None = None
    """From this connection on (0 is the first) every one is closed before it is upgraded."""
    drop_after_s: float | None = None
    """A connection that works is cut off after so long."""
    mute_after_s: float | None = None
    """A connection that works gets no answer any more after so long."""
    no_connack: bool = False
    """CONNECT is never answered."""


class Performance(msgspec.Struct):
    """What was seen; instants are seconds since the client was started."""

    connections: list[float]
    lines: list[dict[str, Any]]
    """Each `{"at": seconds, "text": line}` that the client printed."""
    ended: float | None
    """When the client's process ended by itself."""
    connects: int
    """How many CONNECT messages came."""


def perform(
    command: Sequence[str], part: Part, seconds: float, stop: threading.Event, enough: int | None = None
) -> dict[str, Any]:
    """Run the client against the server; what was seen, as JSON.

    Args:
        command: argv; `{url}` becomes the server's address, which is appended where no word holds it.
        part: what the server does.
        seconds: for how long, at most; it ends earlier with the client's process.
        stop: ends it early.
        enough: so many connections and the state DISCONNECTED end it after a last pause.
    """
    with _Server(part) as server:
        argv = [word.replace("{url}", server.url) for word in command]
        if not any("{url}" in word for word in command):
            argv.append(server.url)
        process = subprocess.Popen(  # noqa: S603 - the user's own client
            argv,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        seen = Performance([], [], None, 0)
        reader = threading.Thread(target=_read, args=(process, server.started, seen), daemon=True)
        reader.start()
        try:
            while time.monotonic() - server.started < seconds and not stop.is_set():
                if process.poll() is not None and seen.ended is None:
                    seen.ended = round(time.monotonic() - server.started, 3)
                    break
                if enough is not None and len(server.connections) >= enough and _gave_up(seen):
                    stop.wait(LAST_PAUSE_S)
                    break
                stop.wait(0.05)
        finally:
            if process.poll() is None:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(3)
            if process.poll() is None:
                process.kill()
                process.wait()
            reader.join(3)
            if process.stdout:
                process.stdout.close()
        seen.connections, seen.connects = list(server.connections), server.connects
        found: dict[str, Any] = msgspec.to_builtins(seen)
        return found


def _gave_up(seen: Performance) -> bool:
    return bool(seen.lines) and "DISCONNECTED" in seen.lines[-1]["text"]


def _read(process: "subprocess.Popen[str]", started: float, seen: Performance) -> None:
    assert process.stdout is not None  # noqa: S101 - PIPE was asked for
    with contextlib.suppress(ValueError):
        for line in process.stdout:
            seen.lines.append({"at": round(time.monotonic() - started, 3), "text": line.strip()[:500]})


class _Server:
    """Listens on a free port of this machine."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}/digital-twin-city/v1/stream"
        self.started = time.monotonic()
        self.connections: list[float] = []
        self.connects = 0
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "_Server":
        self._spawn(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in list(self._threads):
            thread.join(3)
        self._listener.close()

    def _spawn(self, target: Any, *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._over.is_set():
            if not select.select([self._listener], [], [], 0.1)[0]:
                continue
            connection, _ = self._listener.accept()
            self.connections.append(round(time.monotonic() - self.started, 3))
            number = len(self.connections) - 1
            if self._part.refuse_after is not None and number >= self._part.refuse_after:
                connection.close()
                continue
            self._spawn(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            if self._upgrade(connection):
                self._talk(connection)

    def _upgrade(self, connection: socket.socket) -> bool:
        connection.settimeout(3.0)
        head = b""
        while b"\r\n\r\n" not in head and len(head) < 65536:
            more = connection.recv(4096)
            if not more:
                return False
            head += more
        fields = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head.decode("latin-1").split("\r\n"))
        }
        digest = hashlib.sha1((fields.get("sec-websocket-key", "") + GUID).encode()).digest()  # noqa: S324
        connection.sendall(
            (
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}\r\n"
                f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
            ).encode()
        )
        return True

    def _talk(self, connection: socket.socket) -> None:
        reader, began = FrameReader(), time.monotonic()
        while not self._over.is_set():
            age = time.monotonic() - began
            if self._part.drop_after_s is not None and age >= self._part.drop_after_s:
                return
            if not select.select([connection], [], [], 0.05)[0]:
                continue
            data = connection.recv(65536)
            if not data:
                return
            reader.feed(data)
            while (frame := reader.next()) is not None:
                muted = self._part.mute_after_s is not None and age >= self._part.mute_after_s
                if frame.opcode == frames.CLOSE:
                    connection.sendall(frames.encode(frames.CLOSE, frame.payload[:2]))
                    return
                if muted:
                    continue
                if frame.opcode == frames.PING:
                    connection.sendall(frames.encode(frames.PONG, frame.payload))
                elif frame.opcode == frames.TEXT:
                    self._answer(connection, frame.payload)

    def _answer(self, connection: socket.socket, data: bytes) -> None:
        try:
            message = json.loads(data)
            kind, payload = message["type"], message.get("payload") or {}
        except (ValueError, KeyError, TypeError):
            return
        self.connects += kind == "CONNECT"
        answers = {
            "CONNECT": ("CONNACK", {"sessionPresent": False, "returnCode": 0}),
            "SUBSCRIBE": ("SUBACK", {"grantedQos": [0 for _ in payload.get("topics", [])]}),
            "UNSUBSCRIBE": ("UNSUBACK", {}),
            "PING": ("PONG", {}),
            "DISCONNECT": ("DISCONNECT", {"reasonCode": 0}),
        }
        if kind not in answers or (kind == "CONNECT" and self._part.no_connack):
            return
        name, told = answers[kind]
        answer = {
            "version": "1.0.0",
            "type": name,
            "messageId": str(uuid.uuid4()),
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "payload": told,
            "correlationId": message.get("messageId"),
        }
        connection.sendall(frames.encode(frames.TEXT, json.dumps(answer).encode()))
