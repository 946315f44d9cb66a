"""The stack of the stream with an echo in place of its conversation: for suites of other makers.

`python -m tests.support.stream_echo` serves on a free port of this machine and prints `{"port": ...}`. Nobody
has to log in or to offer a subprotocol, and messages of any size are taken.
"""

import asyncio
import json
import signal
from types import SimpleNamespace
from typing import Any, cast

import uvicorn
from websockets.server import ServerProtocol

from reference_server.auth import ROLES, Keyring, Principal
from reference_server.messaging.bus import Bus
from reference_server.serve import listen
from reference_server.settings import Settings
from reference_server.stream import connection, frames, handshake
from reference_server.stream.door import Door

ANYBODY = Principal("anybody", "admin", ROLES["admin"], None, 1_000_000, 60.0)


class Echo:
    """Says each message again, as text or binary."""

    caller = ANYBODY
    interval = 3600.0

    def __init__(self, door: Door, link: connection.Connection, caller: Any) -> None:
        self._link = link
        link.ws.max_message_size = link.ws.max_fragment_size = None

    def text(self, data: bytes) -> None:
        """A text message."""
        self._link.send(data)

    def binary(self, data: bytes) -> None:
        """A binary message."""
        self._link.transport.write(self._link._own(frames.BINARY, data))

    def lost(self) -> None:
        """The connection is gone."""

    def caught_up(self) -> None:
        """The client reads again."""


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Nothing but the stream is served."""
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def serve() -> None:
    """Serve until SIGTERM."""
    setattr(connection, "Conversation", Echo)  # noqa: B010 - another class takes the place of a type
    setattr(handshake, "admit", lambda door, request, certificate: ANYBODY)  # noqa: B010
    setattr(ServerProtocol, "select_subprotocol", lambda self, offered: None)  # noqa: B010
    world: Any = SimpleNamespace(
        settings=Settings(), messaging=SimpleNamespace(bus=Bus()), keyring=Keyring([])
    )
    door = Door(world)
    door.open()
    listener = listen("127.0.0.1", 0)
    config = uvicorn.Config(
        application,
        ws=cast(Any, door.connection),
        http="httptools",
        loop="uvloop",
        lifespan="off",
        log_level="critical",
    )
    server = uvicorn.Server(config)
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)  # noqa: T201
    asyncio.get_running_loop().add_signal_handler(
        signal.SIGTERM, lambda: setattr(server, "should_exit", True)
    )
    await server.serve(sockets=[listener])
    await door.close()


if __name__ == "__main__":
    asyncio.run(serve())
