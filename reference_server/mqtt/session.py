"""What outlives a connection: subscriptions, messages on their way, identifiers in use (MQTT 5, 4.1)."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from mqtt5 import DisconnectReasonCode, PublishPacket, PubRelPacket, PubRelReasonCode, QoS, Will

from reference_server.messaging.messages import Message

if TYPE_CHECKING:
    from reference_server.mqtt.subscriptions import Subscription

MAX_QUEUED = 100_000
MAX_QUEUED_BYTES = 64 * 1024 * 1024
"""What waits for one session; a message that would go beyond is dropped and counted."""
MAX_EXPIRY_S = 0xFFFF_FFFF
"""The longest message expiry interval that a packet can state."""
ACK, RECEIVED, COMPLETE = "PUBACK", "PUBREC", "PUBCOMP"
"""What an outgoing message waits for."""


class Delivery:
    """A message on its way to one session."""

    __slots__ = ("dup", "group", "identifiers", "message", "packet_id", "qos", "retain", "waits_for")

    def __init__(
        self,
        message: Message,
        qos: int,
        *,
        retain: bool,
        identifiers: tuple[int, ...],
        group: str | None = None,
    ) -> None:
        self.message = message
        self.qos = qos
        self.retain = retain
        self.identifiers = identifiers
        self.group = group
        self.packet_id = 0
        self.dup = False
        self.waits_for = ACK if qos == 1 else RECEIVED

    def packet(self, expiry: int | None, topic: str, alias: int | None) -> PublishPacket:
        """The packet that carries it."""
        message = self.message
        return PublishPacket(
            topic,
            message.payload,
            qos=QOS[self.qos],
            retain=self.retain,
            packet_id=self.packet_id or None,
            duplicate=self.dup,
            payload_format_indicator=message.payload_format,
            message_expiry_interval=expiry,
            content_type=message.content_type,
            response_topic=message.response_topic,
            correlation_data=message.correlation,
            subscription_ids=list(self.identifiers) or None,
            topic_alias=alias,
            user_properties=list(message.user) or None,
        )


def remaining(message: Message) -> int | None:
    """Whole seconds, rounded up, until a message expires; None if it never does, 0 or less when it has."""
    return None if message.expires is None else math.ceil(message.expires - time.monotonic())


QOS = (QoS.AT_MOST_ONCE, QoS.AT_LEAST_ONCE, QoS.EXACTLY_ONCE)


class Link(Protocol):
    """What a session sends through while its client is connected."""

    receive_max: int
    clogged: bool

    def send(self, packet: Any) -> None:
        """Send a packet."""

    def publish(self, delivery: Delivery, expiry: int | None) -> bool:
        """Send a message; False when it is larger than the client takes."""

    def end(self, reason: DisconnectReasonCode, message: str = "") -> None:
        """Say why, and close."""


class Unanswered(msgspec.Struct, eq=False):
    """A message of the client, from its arrival to its acknowledgement."""

    packet_id: int
    qos: int
    decided: bool = False
    """Committed, or refused; it may still wait for one that came before it."""
    done: bool = False
    reason: int = 0
    asked_again: bool = False


class Session:
    """State of one client id."""

    def __init__(self, client_id: str, owner: str, expiry: int) -> None:
        """`owner` is the credential that made it: no other one may take it over (DTC-SEC-004)."""
        self.client_id = client_id
        self.name = f"mqtt:{client_id}"
        self.owner = owner
        self.expiry = expiry
        self.link: Link | None = None
        self.subscriptions: dict[str, Subscription] = {}
        self.queue: deque[Delivery] = deque()
        self.queued_bytes = 0
        self.inflight: dict[int, Delivery] = {}
        self.received: dict[int, Unanswered] = {}
        """QoS 2 messages of the client that it has not released yet."""
        self.dropped = 0
        self.will: Will | None = None
        self.delayed_will: tuple[asyncio.TimerHandle, Callable[[], None]] | None = None
        self.end_timer: asyncio.TimerHandle | None = None
        self._last_id = 0

    def deliver(self, delivery: Delivery) -> None:
        """Send a message now, or keep it until the client can take it.

        At QoS 0 a message is for those who listen now: away or clogged clients miss it.
        """
        if delivery.qos == 0:
            if self.link is None or self.link.clogged:
                self.dropped += 1
            else:
                self._send(delivery)
            return
        size = len(delivery.message.payload)
        if len(self.queue) >= MAX_QUEUED or self.queued_bytes + size > MAX_QUEUED_BYTES:
            self.dropped += 1
            return
        self.queue.append(delivery)
        self.queued_bytes += size
        self.pump()

    def pump(self) -> None:
        """Send what waits, as far as the client's receive maximum and its socket allow."""
        link = self.link
        while link is not None and self.queue and not link.clogged and len(self.inflight) < link.receive_max:
            delivery = self.queue.popleft()
            self.queued_bytes -= len(delivery.message.payload)
            if not delivery.packet_id:
                left = remaining(delivery.message)
                if left is not None and left <= 0:
                    continue
                delivery.packet_id = self._next_id()
            self.inflight[delivery.packet_id] = delivery
            if not self._send(delivery):
                del self.inflight[delivery.packet_id]

    def _send(self, delivery: Delivery) -> bool:
        if self.link is None:
            return False
        left = remaining(delivery.message)
        if left is not None and left <= 0 and not delivery.dup:
            return False
        sent = self.link.publish(delivery, None if left is None else min(max(left, 1), MAX_EXPIRY_S))
        if not sent:
            self.dropped += 1
        return sent

    def _next_id(self) -> int:
        while True:
            self._last_id = self._last_id % 0xFFFF + 1
            if self._last_id not in self.inflight:
                return self._last_id

    def acknowledged(self, packet_id: int, waited_for: str) -> bool:
        """The client has a message (PUBACK) or is done with it (PUBCOMP); whether it was on its way."""
        delivery = self.inflight.get(packet_id)
        if delivery is None or delivery.waits_for != waited_for:
            return False
        del self.inflight[packet_id]
        self.pump()
        return True

    def taken(self, packet_id: int, *, refused: bool) -> None:
        """The client has, or refuses, a QoS 2 message (PUBREC)."""
        delivery = self.inflight.get(packet_id)
        if delivery is None:
            if self.link is not None and not refused:
                unknown = PubRelReasonCode.PACKET_ID_NOT_FOUND
                self.link.send(PubRelPacket(packet_id, reason_code=unknown))
        elif refused:
            del self.inflight[packet_id]
            self.pump()
        elif delivery.waits_for != ACK:
            delivery.waits_for = COMPLETE
            if self.link is not None:
                self.link.send(PubRelPacket(packet_id))

    def detach(self) -> None:
        """The connection is gone: what was not acknowledged goes out again on the next one, marked DUP."""
        self.link = None
        again = [one for one in self.inflight.values() if one.waits_for != COMPLETE]
        for delivery in again:
            del self.inflight[delivery.packet_id]
            delivery.dup = True
            self.queued_bytes += len(delivery.message.payload)
        self.queue.extendleft(reversed(again))

    def attach(self, link: Link) -> None:
        """The client is there: releases first, then messages in their order."""
        self.link = link
        for packet_id in self.inflight:
            link.send(PubRelPacket(packet_id))
        self.pump()

    def stop_timers(self) -> None:
        """Forget the delayed will and the end of the session."""
        if self.delayed_will is not None:
            self.delayed_will[0].cancel()
        if self.end_timer is not None:
            self.end_timer.cancel()
        self.delayed_will = self.end_timer = None
