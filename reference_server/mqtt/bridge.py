"""An external broker instead of the twin's own: the twin is then one of its clients (`--mqtt-broker URL`).

What clients publish below city/ comes in through a shared subscription, so that several twins divide the
work, and is acknowledged once it is committed. What the twin has to say goes out. Messages that the twin sent
itself carry its mark and are not taken in again; messages that came from the broker are not sent back to it.
"""

import asyncio
import random
import secrets
import ssl
import sys
import time
from functools import partial
from typing import Any, cast
from urllib.parse import urlsplit

import mqtt5
import msgspec
from mqtt5 import DisconnectReasonCode, QoS, TopicFilter

from reference_server.auth import ROLES, Principal
from reference_server.messaging.allowances import UNLIMITED_FROM
from reference_server.messaging.messages import Incoming, Message
from reference_server.messaging.outcome import Outcome
from reference_server.mqtt import packets, strict
from reference_server.mqtt.broker import Hub
from reference_server.mqtt.connection import MAX_PACKET, reason_of
from reference_server.mqtt.session import ACK, COMPLETE, Delivery, Session
from reference_server.settings import ExternalBroker

BRANCHES = ("sensors", "alerts", "commands", "responses", "devices")
GROUP = "dtc-twin"
KEEP_ALIVE_S = 30
SESSION_EXPIRY_S = 3600  # P3 4.2.1
FIRST_RETRY_S, LONGEST_RETRY_S = 1.0, 60.0  # P3 6.5
MARK = "dtc-twin"
"""User property of what a twin publishes; its value is the twin's own."""
CALLER = Principal("mqtt-broker", "admin", ROLES["admin"], None, UNLIMITED_FROM, 60.0)
"""Who a message of the broker counts as: the broker has judged its clients."""


def secured(upstream: ExternalBroker) -> ssl.SSLContext | None:
    """TLS for an mqtts address.

    Raises:
        OSError: the file of the authority cannot be used.
    """
    if urlsplit(upstream.url).scheme != "mqtts":
        return None
    made = ssl.create_default_context(cafile=upstream.ca)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    return made


class Bridge:
    """Keeps the connection to the broker, as long as the server runs."""

    def __init__(self, hub: Hub, upstream: ExternalBroker) -> None:
        self.hub = hub
        self.upstream = upstream
        self.mark = secrets.token_hex(8)
        self.session = Session(upstream.client_id, CALLER.name, SESSION_EXPIRY_S)
        self.connected = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        hub.bus.attach(self)

    def start(self) -> None:
        """Connect in the background, and again whenever the connection is lost."""
        self._task = asyncio.get_running_loop().create_task(self._keep())

    async def close(self) -> None:
        """Say goodbye."""
        if self.session.link is not None:
            self.session.link.end(DisconnectReasonCode.NORMAL_DISCONNECTION)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def deliver(self, message: Message) -> None:
        """Send a message of the twin or of another door to the broker."""
        if message.origin != self.session.name:
            marked = msgspec.structs.replace(message, user=(*message.user, (MARK, self.mark)))
            self.session.deliver(Delivery(marked, message.qos, retain=message.retain, identifiers=()))

    async def _keep(self) -> None:
        attempt = 0
        parts = urlsplit(self.upstream.url)
        port = parts.port or (8883 if parts.scheme == "mqtts" else 1883)
        loop = asyncio.get_running_loop()
        while True:
            try:
                _, link = await loop.create_connection(
                    lambda: Uplink(self), parts.hostname or "", port, ssl=secured(self.upstream)
                )
                if await link.ended:
                    attempt = 0
                said = link.problem
            except OSError as problem:
                said = str(problem)
            self.connected.clear()
            delay = min(FIRST_RETRY_S * 2**attempt, LONGEST_RETRY_S) * random.uniform(0.5, 1.0)
            print(f"mqtt broker: {said}; trying again in {delay:.1f} s", file=sys.stderr)  # noqa: T201
            attempt += 1
            await asyncio.sleep(delay)

    def take(self, link: "Uplink", packet: mqtt5.PublishPacket) -> None:
        """A message of another client of the broker."""
        acknowledge = partial(link.acknowledge, packet.packet_id) if packet.packet_id else None
        if (MARK, self.mark) in packet.user_properties:
            if acknowledge is not None:
                acknowledge(0)
            return
        outcome = self.hub.ingest.offer(
            CALLER,
            Incoming(
                topic=packet.topic,
                payload=packet.payload,
                qos=int(packet.qos),
                retain=packet.retain,
                origin=self.session.name,
                ttl=packet.message_expiry_interval,
                content_type=packet.content_type,
                payload_format=packet.payload_format_indicator,
                response_topic=packet.response_topic,
                correlation=packet.correlation_data,
                user=tuple(packet.user_properties),
            ),
        )

        def decided(done: Outcome) -> None:
            problem = done.exception()
            if acknowledge is not None:
                acknowledge(0 if problem is None else reason_of(problem))

        outcome.add_done_callback(decided)


class Uplink(asyncio.Protocol):
    """One connection to the broker; a session's `Link`."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self.receive_max = 0
        self.clogged = False
        self.ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        """Set when the connection is over: whether it was accepted by the broker."""
        self.problem = "the connection was lost"
        self._accepted = False
        self._max_packet: int | None = None
        self._buffer = b""
        self._transport: asyncio.Transport
        self._heard = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Log in."""
        self._transport = cast(asyncio.Transport, transport)
        upstream = self._bridge.upstream
        self._heard = time.monotonic()
        self._beat()
        self.send(
            mqtt5.ConnectPacket(
                upstream.client_id,
                username=upstream.user,
                password=upstream.password,
                keep_alive=KEEP_ALIVE_S,
                session_expiry_interval=SESSION_EXPIRY_S,
                receive_max=1000,
                max_packet_size=MAX_PACKET,
            )
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """What was not acknowledged waits for the next connection."""
        self._timer.cancel()
        if self._bridge.session.link is self:
            self._bridge.session.detach()
        if not self.ended.done():
            self.ended.set_result(self._accepted)

    def pause_writing(self) -> None:
        """The broker reads more slowly than it is written to."""
        self.clogged = True

    def resume_writing(self) -> None:
        """The broker has caught up."""
        self.clogged = False
        if self._bridge.session.link is self:
            self._bridge.session.pump()

    def data_received(self, data: bytes) -> None:
        """Handle what is complete."""
        self._heard = time.monotonic()
        self._buffer += data
        start = 0
        try:
            while start + 1 < len(self._buffer):
                length = strict.size(self._buffer, start, MAX_PACKET)
                if length is None or start + length > len(self._buffer):
                    break
                self._packet(packets.decoded(self._buffer[start : start + length]))
                start += length
        except strict.PacketError as problem:
            self.problem = f"the broker sent what MQTT forbids: {problem}"
            self.end(problem.reason)
        self._buffer = self._buffer[start:]

    def _packet(self, packet: Any) -> None:
        session = self._bridge.session
        if isinstance(packet, mqtt5.PublishPacket):
            self._bridge.take(self, packet)
        elif isinstance(packet, mqtt5.PubAckPacket):
            session.acknowledged(packet.packet_id, ACK)
        elif isinstance(packet, mqtt5.PubRecPacket):
            session.taken(packet.packet_id, refused=int(packet.reason_code) >= 0x80)
        elif isinstance(packet, mqtt5.PubCompPacket):
            session.acknowledged(packet.packet_id, COMPLETE)
        elif isinstance(packet, mqtt5.ConnAckPacket):
            self._welcomed(packet)
        elif isinstance(packet, mqtt5.DisconnectPacket):
            self.problem = f"the broker hung up: {packet.reason_code}"
        elif isinstance(packet, mqtt5.SubAckPacket):
            refused = [int(code) for code in packet.reason_codes if int(code) >= 0x80]
            if refused:
                self.problem = f"the broker refuses the subscription: 0x{refused[0]:02x}"
                self.end(DisconnectReasonCode.IMPLEMENTATION_SPECIFIC_ERROR)
            else:
                self._bridge.connected.set()

    def _welcomed(self, packet: mqtt5.ConnAckPacket) -> None:
        if int(packet.reason_code) != 0:
            self.problem = f"the broker refuses the login: 0x{int(packet.reason_code):02x}"
            self._transport.close()
            return
        self._accepted = True
        session = self._bridge.session
        self.receive_max = packet.receive_max
        self._max_packet = packet.max_packet_size
        if not packet.session_present:  # the broker knows nothing of what was under way
            session.inflight.clear()
            for waiting in session.queue:
                waiting.packet_id, waiting.dup = 0, False
        shared = [f"$share/{GROUP}/city/+/{branch}/#" for branch in BRANCHES]
        filters = [TopicFilter(one, max_qos=QoS.AT_LEAST_ONCE) for one in shared]
        self.send(mqtt5.SubscribePacket(0xFFFF, filters))
        session.attach(self)

    def _beat(self) -> None:
        if time.monotonic() - self._heard > 1.5 * KEEP_ALIVE_S:
            self.problem = "the broker is silent"
            self._transport.abort()
            return
        if self._accepted:
            self.send(mqtt5.PingReqPacket())
        self._timer = asyncio.get_running_loop().call_later(KEEP_ALIVE_S / 2, self._beat)

    def acknowledge(self, packet_id: int, reason: int) -> None:
        """Tell the broker that a message is committed, or why it is not."""
        self.send(mqtt5.PubAckPacket(packet_id, reason_code=mqtt5.PubAckReasonCode(reason)))

    def send(self, packet: Any) -> None:
        """Send a packet."""
        if not self._transport.is_closing():
            self._transport.write(packet.write())

    def publish(self, delivery: Delivery, expiry: int | None) -> bool:
        """Send a message; False when it is larger than the broker takes."""
        raw = delivery.packet(expiry, delivery.message.topic, None).write()
        if self._max_packet is not None and len(raw) > self._max_packet:
            return False
        if not self._transport.is_closing():
            self._transport.write(raw)
        return True

    def end(self, reason: DisconnectReasonCode, message: str = "") -> None:
        """Say goodbye, and close."""
        self.send(mqtt5.DisconnectPacket(reason_code=reason))
        self._transport.close()
