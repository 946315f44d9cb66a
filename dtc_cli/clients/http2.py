"""The HTTP/2 port: several requests on one connection, and the order in which they end."""

import json
import socket
import time
from collections.abc import Sequence
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings

from dtc_cli.clients.credentials import Credentials
from dtc_cli.clients.track import Seen, Track
from dtc_cli.clients.wire import Door


class Http2:
    """Speaks HTTP/2 with the API's door."""

    def __init__(self, door: Door, credentials: Credentials, track: Track, timeout_s: float) -> None:
        self._door = door
        self._credentials = credentials
        self._track = track
        self._timeout_s = timeout_s

    def get(self, paths: Sequence[str], *, push: bool) -> list[dict[str, Any]] | None:
        """GET all paths below the base at once; the answers in the order of their ends.

        Returns:
            For each: `stream`, `status`, `size` in bytes, `at_s` seconds since the first request, and
            `pushed` for one that nobody asked for. None when the door does not take h2.
        """
        sent = json.dumps([list(paths), push]).encode()
        credential = self._credentials.role(self._credentials.usual)

        def perform() -> Seen:
            try:
                found = self._get(paths, push, dict(credential.headers))
            except (OSError, h2.exceptions.ProtocolError) as problem:
                return Seen(error=str(problem) or type(problem).__name__, data=b"null")
            return Seen(status=0, data=json.dumps(found).encode())

        seen, _ = self._track.step(
            "GET", self._track.label(self._door.url), perform, sent=sent, credential=credential.name
        )
        found: list[dict[str, Any]] | None = json.loads(seen.data)
        return found

    def _get(self, paths: Sequence[str], push: bool, headers: dict[str, str]) -> list[dict[str, Any]] | None:
        door, context = self._door, self._door.context()
        context.set_alpn_protocols(["h2", "http/1.1"])
        raw = socket.create_connection((door.host, door.port), timeout=self._timeout_s)
        with raw, context.wrap_socket(raw, server_hostname=door.host) as tls:
            if tls.selected_alpn_protocol() != "h2":
                return None
            talk = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
            talk.local_settings.enable_push = int(push)
            talk.initiate_connection()
            talk.increment_flow_control_window(2**24)
            extra = [(name.lower(), value) for name, value in headers.items()]
            for path in paths:
                pseudo = [
                    (":method", "GET"),
                    (":scheme", "https"),
                    (":authority", f"{door.host}:{door.port}"),
                    (":path", door.path.rstrip("/") + path),
                ]
                talk.send_headers(talk.get_next_available_stream_id(), [*pseudo, *extra], end_stream=True)
            tls.sendall(talk.data_to_send())
            return _collect(talk, tls, len(paths))


def _collect(talk: h2.connection.H2Connection, tls: socket.socket, wanted: int) -> list[dict[str, Any]]:
    started = time.monotonic()
    ended: list[dict[str, Any]] = []
    streams: dict[int, dict[str, Any]] = {}
    while len(ended) < wanted:
        data = tls.recv(65536)
        if not data:
            break
        for event in talk.receive_data(data):
            number = getattr(event, "stream_id", 0) or 0
            one: dict[str, Any] = streams.setdefault(number, {"stream": number, "status": None, "size": 0})
            if isinstance(event, h2.events.ResponseReceived):
                named = {_text(name): _text(value) for name, value in event.headers or ()}
                one["status"] = int(named[":status"])
            elif isinstance(event, h2.events.DataReceived):
                one["size"] += len(event.data or b"")
                talk.acknowledge_received_data(event.flow_controlled_length or 0, number)
            elif isinstance(event, h2.events.PushedStreamReceived):
                ended.append({"stream": event.pushed_stream_id, "status": None, "pushed": True})
            elif isinstance(event, h2.events.StreamEnded | h2.events.StreamReset):
                ended.append({**one, "at_s": round(time.monotonic() - started, 3)})
        tls.sendall(talk.data_to_send())
    return ended


def _text(value: bytes | str) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
