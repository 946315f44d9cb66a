"""The listening sockets of MQTT: in the clear on the loopback only, otherwise with TLS (P3 8.1, C-77)."""

import asyncio
import ipaddress
import socket
import ssl

from reference_server.auth import Keyring
from reference_server.mqtt.broker import Broker
from reference_server.mqtt.connection import Connection

BACKLOG = 2048
GOODBYE_S = 0.5


def may_be_plain(host: str) -> bool:
    """Whether a door without TLS may be opened there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Endpoint:
    """The broker's door."""

    def __init__(self, broker: Broker, keyring: Keyring) -> None:
        self._broker = broker
        self._keyring = keyring
        self._live: set[Connection] = set()
        self._server: asyncio.Server | None = None

    async def open(self, listener: socket.socket, secured: ssl.SSLContext | None) -> None:
        """Accept clients."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self._broker, self._keyring, self._live),
            sock=listener,
            ssl=secured,
            backlog=BACKLOG,
        )

    async def close(self) -> None:
        """Say goodbye to everybody."""
        self._broker.close()
        if self._server is not None:
            self._server.close()
        # clients may read their goodbye and hang up; nobody waits for those who do not
        loop = asyncio.get_running_loop()
        deadline = loop.time() + GOODBYE_S
        while self._live:
            if loop.time() > deadline:
                for connection in list(self._live):
                    connection.abort()
            await asyncio.sleep(0.01)
        if self._server is not None:
            await self._server.wait_closed()
