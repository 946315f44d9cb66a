"""What a client has on the stream: subscriptions, and messages that wait or are on their way (P3 6, 7.3).

A session may outlive its connection, if the client asked for that.
"""

from typing import Any, Protocol

import msgspec

from reference_server.messaging.messages import Message
from reference_server.messaging.outbox import Outbox

RECEIVE_MAXIMUM = 100  # P3 7.3
MAX_SUBSCRIPTIONS = 1000
OFFLINE_MESSAGES = 10_000
"""Messages of QoS 1 and 2 that wait for a client that is away."""


class Subscription(msgspec.Struct, frozen=True):
    """One topic filter of a session; `binary` asks for readings as binary messages."""

    pattern: str
    qos: int
    binary: bool = False


class Link(Protocol):
    """A connection, as a session uses it."""

    ready: bool

    def send_message(self, message: Message, qos: int, *, retained: bool, binary: bool, again: bool) -> None:
        """Write a message."""

    def send(self, text: bytes) -> None:
        """Write a text message."""

    def too_slow(self) -> None:
        """End the connection of a subscriber that cannot keep up."""


class OnItsWay:
    """A message that the client has to acknowledge."""

    __slots__ = ("message", "qos", "received")

    def __init__(self, message: Message, qos: int) -> None:
        self.message = message
        self.qos = qos
        self.received = False
        """At QoS 2, after PUBREC: it is not sent again, only released."""


class Session:
    """See the module."""

    __slots__ = (
        "binary", "client_id", "ends_at", "expiry", "inflight", "link", "origin", "outbox", "owner", "paused",
        "received", "retained_ids", "subscriptions", "window",
    )  # fmt: skip

    def __init__(self, owner: str, client_id: str) -> None:
        """`owner` is the credential that made it; no other one can take it over."""
        self.owner = owner
        self.client_id = client_id
        self.origin = f"ws:{owner}/{client_id}"
        self.subscriptions: dict[str, Subscription] = {}
        self.binary = 0
        self.outbox: Outbox | None = None
        self.inflight: dict[str, OnItsWay] = {}
        self.received: dict[str, bool] = {}
        """QoS 2 messages of the client by id until it releases them; true once they are accepted."""
        self.retained_ids: set[str] = set()
        self.window = RECEIVE_MAXIMUM
        self.paused = False
        self.link: Link | None = None
        self.expiry = 0.0
        self.ends_at: float | None = None

    def hear(self, message: Message, qos: int, *, retained: bool = False) -> None:
        """Take a message for the client: send it now, or let it wait in order."""
        link = self.link
        if link is None:
            if qos:
                self._keep(message, qos)
            return
        if (
            link.ready
            and not self.paused
            and not self.outbox
            and (qos == 0 or len(self.inflight) < self.window)
        ):
            self._send(link, message, qos, retained=retained)
            return
        if retained:
            self.retained_ids.add(message.id)
        self._keep(message, qos)
        if self.outbox is not None and self.outbox.full:
            link.too_slow()

    def replay(self, past: list[Message], qos: int) -> None:
        """Take messages of the past, however many: they are kept elsewhere anyway."""
        box = self._box()
        box.allow(past)
        for message in past:
            box.put(message, min(qos, message.qos))
        self.pump()

    def _box(self) -> Outbox:
        if self.outbox is None:
            self.outbox = Outbox() if self.link is not None else Outbox(OFFLINE_MESSAGES)
        return self.outbox

    def _keep(self, message: Message, qos: int) -> None:
        self._box().put(message, qos)

    def pump(self) -> None:
        """Send what waits, as far as the client takes it."""
        link, box = self.link, self.outbox
        if link is None or box is None:
            return
        while link.ready and not self.paused:
            first = box.peek()
            if first is None or (first.qos and len(self.inflight) >= self.window):
                break
            box.take()
            retained = first.message.id in self.retained_ids
            self.retained_ids.discard(first.message.id)
            self._send(link, first.message, first.qos, retained=retained)
        if link.ready and not len(box) and not box.dropped:
            self.outbox = None

    def _send(self, link: Link, message: Message, qos: int, *, retained: bool) -> None:
        if message.expired():
            return
        if qos:
            if message.id in self.inflight:
                return
            self.inflight[message.id] = OnItsWay(message, qos)
        binary = self.binary > 0 and message.fact is not None and self.wants_binary(message.topic)
        link.send_message(message, qos, retained=retained, binary=binary, again=False)

    def wants_binary(self, topic: str) -> bool:
        """Whether a subscription that matches a topic asks for binary messages."""
        from reference_server.messaging.topics import matches

        return any(one.binary and matches(one.pattern, topic) for one in self.subscriptions.values())

    def acknowledged(self, message_id: str) -> bool:
        """PUBACK, or PUBCOMP: the message has arrived. Whether it was on its way."""
        found = self.inflight.pop(message_id, None)
        self.pump()
        return found is not None

    def taken(self, message_id: str) -> bool:
        """PUBREC: the client has the message and waits for its release."""
        found = self.inflight.get(message_id)
        if found is None:
            return False
        found.received = True
        return True

    def resume(self, link: Link) -> list[tuple[str, Any]]:
        """Join a connection and send again what was not acknowledged; those that are to be released again."""
        self.link = link
        self.ends_at = None
        self.paused = False
        releases: list[tuple[str, Any]] = []
        for message_id, one in list(self.inflight.items()):
            if one.received:
                releases.append((message_id, one.message))
            elif one.message.expired():
                del self.inflight[message_id]
            else:
                link.send_message(one.message, one.qos, retained=False, binary=False, again=True)
        self.pump()
        return releases
