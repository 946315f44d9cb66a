"""Readings over MQTT 5 at QoS 1, paced; which of them the broker took on."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from dtc_cli.clients import packets
from dtc_cli.clients.packets import MalformedPacketError, PacketReader
from dtc_cli.clients.wire import Door

CLIENTS = 8
WINDOW = 64
"""Messages under way per client, where the broker's Receive Maximum is not smaller."""
ACKNOWLEDGED_S = 30.0
"""How long acknowledgements may take after the last message left."""
GOODBYE_S = 2.0
"""How long the broker may take to agree to the end of a connection."""


class Message(NamedTuple):
    """A message to publish."""

    topic: str
    payload: bytes


class Sent(NamedTuple):
    """What came of one message."""

    reason: int | None
    """Of the PUBACK; None when none came."""
    latency_s: float
    """From the instant at which it was due to its acknowledgement."""

    @property
    def ok(self) -> bool:
        """Whether the broker took it on."""
        return self.reason is not None and self.reason < 0x80


class Login(NamedTuple):
    """How the clients log in."""

    username: str | None
    password: str | None
    name: str
    """Begins their client ids."""


def publish(door: Door, login: Login, messages: Sequence[Message], *, rate: float) -> list[Sent]:
    """Publish all of them at a rate, over several connections; what came of each, in their order.

    Raises:
        OSError: when no connection can be opened or the login is refused.
    """
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_publish(door, login, messages, rate))


async def _publish(door: Door, login: Login, messages: Sequence[Message], rate: float) -> list[Sent]:
    tls = door.context() if door.secure else None
    results: list[Sent] = [Sent(None, 0.0)] * len(messages)
    clients: list[_Client] = []
    try:
        for number in range(min(CLIENTS, len(messages))):
            client = await _connect(door, tls, login, f"{login.name}-{number}", results)
            clients.append(client)
        begun = time.monotonic()
        for number, message in enumerate(messages):
            due = begun + number / rate
            if (early := due - time.monotonic()) > 0:
                await asyncio.sleep(early)
            client = clients[number % len(clients)]
            await client.room()
            client.publish(number, message, due)
        ends = time.monotonic() + ACKNOWLEDGED_S
        while any(client.waiting for client in clients) and time.monotonic() < ends:
            await asyncio.sleep(0.02)
    finally:
        await asyncio.gather(*(client.left() for client in clients))
    return results


async def _connect(
    door: Door, tls: ssl.SSLContext | None, login: Login, client_id: str, results: list[Sent]
) -> "_Client":
    _, client = await asyncio.get_running_loop().create_connection(
        lambda: _Client(client_id, login, results),
        door.host,
        door.port,
        ssl=tls,
        server_hostname=door.host if tls else None,
    )
    await asyncio.wait_for(client.ready, 30)
    return client


class _Client(asyncio.Protocol):
    def __init__(self, client_id: str, login: Login, results: list[Sent]) -> None:
        self._hello = packets.connect(client_id, username=login.username, password=login.password)
        self._results = results
        self._reader = PacketReader()
        self._transport: asyncio.WriteTransport | None = None
        self._window = WINDOW
        self._number = 0
        self._free = asyncio.Event()
        self._gone = asyncio.Event()
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting: dict[int, tuple[int, float]] = {}
        """Packet id to number and due instant of a message that is not acknowledged."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Log in."""
        self._transport = cast(asyncio.WriteTransport, transport)
        self._transport.write(self._hello)

    def connection_lost(self, error: Exception | None) -> None:
        """What is under way stays without an answer."""
        self._transport = None
        self._gone.set()
        self.waiting.clear()
        self._free.set()
        if not self.ready.done():
            self.ready.set_exception(ConnectionResetError("the broker closed the connection at the login"))

    def data_received(self, data: bytes) -> None:
        """Take acknowledgements."""
        self._reader.feed(data)
        try:
            while (raw := self._reader.next()) is not None:
                self._take(packets.decode(raw))
        except MalformedPacketError:
            self.leave()

    async def room(self) -> None:
        """Wait until another message may be under way."""
        while len(self.waiting) >= self._window and self._transport is not None:
            self._free.clear()
            await self._free.wait()

    def publish(self, number: int, message: Message, due: float) -> None:
        """Send one; it stays unanswered when the connection is gone."""
        if self._transport is None:
            return
        self._number = self._number % 65535 + 1
        self.waiting[self._number] = (number, due)
        self._transport.write(packets.publish(message.topic, message.payload, qos=1, packet_id=self._number))

    def leave(self) -> None:
        """Say good-bye."""
        if self._transport is not None:
            self._transport.write(packets.disconnect())
            self._transport.close()

    async def left(self) -> None:
        """Say good-bye and see the connection go: TLS needs the event loop for its own farewell."""
        self.leave()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._gone.wait(), GOODBYE_S)
        if self._transport is not None:
            self._transport.abort()

    def _take(self, packet: Any) -> None:
        if packet.kind == "CONNACK":
            if packet.reason:
                self.ready.set_exception(ConnectionRefusedError(f"CONNACK with reason {packet.reason:#x}"))
                return
            self._window = min(WINDOW, packet.properties.get("receiveMaximum", WINDOW))
            self.ready.set_result(None)
        elif packet.kind == "PUBACK" and packet.id in self.waiting:
            number, due = self.waiting.pop(packet.id)
            self._results[number] = Sent(packet.reason or 0, time.monotonic() - due)
            self._free.set()
