"""Sessions by client id, and the way of a message from its publisher to all who asked for it."""

import asyncio
import itertools
import secrets
from collections.abc import Callable
from typing import Protocol

from mqtt5 import ConnAckReasonCode, ConnectPacket, DisconnectReasonCode, SubAckReasonCode, TopicFilter

from reference_server.auth import Principal
from reference_server.messaging import rights
from reference_server.messaging.bus import Bus
from reference_server.messaging.messages import Incoming, Message
from reference_server.messaging.outcome import Outcome
from reference_server.mqtt import wills
from reference_server.mqtt.session import Delivery, Link, Session
from reference_server.mqtt.subscriptions import Subscription, Tree, is_filter, split_share

MAX_EXPIRY_S = 7 * 86_400
"""A session is kept for a week at most; P3 4.2.1 asks for an hour."""
MAX_SESSIONS = 100_000
MAX_SUBSCRIPTIONS = 1_000
"""Of one session."""


class Ingest(Protocol):
    """Takes what clients publish."""

    def offer(self, caller: Principal, given: Incoming) -> Outcome:
        """The outcome: done once the message is committed and shown to all, ApiError when refused."""


class Hub(Protocol):
    """What lies behind every door of the twin; see the `messaging` package."""

    @property
    def bus(self) -> Bus:
        """Hands each message to all doors."""

    @property
    def ingest(self) -> Ingest:
        """Takes what clients publish."""

    async def latest(self, caller: Principal, pattern: str) -> list[Message]:
        """The newest reading of each sensor's parameter that a filter matches."""


class Client(Link, Protocol):
    """A connection as the broker sees it."""

    principal: Principal


class RefusedError(Exception):
    """A CONNECT that is not accepted."""

    def __init__(self, reason: ConnAckReasonCode, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Broker:
    """All sessions of the endpoint."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        hub.bus.attach(self)
        self.sessions: dict[str, Session] = {}
        self.tree = Tree()
        self._turn = itertools.count()
        self.closed = False
        self.longest = MAX_EXPIRY_S

    # --- sessions

    def open(self, client: Client, packet: ConnectPacket) -> tuple[Session, bool]:
        """The session of a client that logs in, and whether it was there before (MQTT 5 section 3.1.2.4).

        Raises:
            RefusedError: the client id belongs to another credential, or there are too many sessions.
        """
        client_id = packet.client_id or f"dtc-{secrets.token_hex(12)}"
        old = self.sessions.get(client_id)
        if old is not None:
            if old.owner != client.principal.name:
                raise RefusedError(
                    ConnAckReasonCode.CLIENT_ID_NOT_VALID, "the client identifier is another client's"
                )
            if old.link is not None:
                taken_over = DisconnectReasonCode.SESSION_TAKEN_OVER
                old.link.end(taken_over, "the client has connected again")
            if packet.clean_start or client_id not in self.sessions:
                self.discard(old)
                old = None
        if old is None and len(self.sessions) >= MAX_SESSIONS:
            raise RefusedError(ConnAckReasonCode.QUOTA_EXCEEDED, "there are too many sessions")
        expiry = min(packet.session_expiry_interval, MAX_EXPIRY_S)
        session = old or Session(client_id, client.principal.name, expiry)
        session.expiry = expiry
        session.stop_timers()
        session.will = packet.will
        self.sessions[client_id] = session
        return session, old is not None

    def leave(self, session: Session, link: Link, principal: Principal) -> None:
        """The connection of a session has ended; its will follows now, later or never."""
        if session.link is not link:
            return
        session.detach()
        will, session.will = session.will, None
        loop = asyncio.get_running_loop()
        if self.closed:
            return
        if will is not None:
            said = wills.publication(will, session.name)
            delay = min(will.will_delay_interval, session.expiry)
            if delay:
                session.delayed_will = self._later(session, delay, principal, said)
            else:
                self.say(principal, said)
        if session.expiry == 0:
            self.discard(session)
        else:
            session.end_timer = loop.call_later(session.expiry, self.discard, session)

    def _later(
        self, session: Session, delay: float, principal: Principal, will: Incoming
    ) -> tuple[asyncio.TimerHandle, Callable[[], None]]:
        def say() -> None:
            session.delayed_will = None
            self.say(principal, will)

        return asyncio.get_running_loop().call_later(delay, say), say

    def discard(self, session: Session) -> None:
        """End a session: its subscriptions go, its share of a group goes to the others."""
        if self.sessions.get(session.client_id) is session:
            del self.sessions[session.client_id]
        for subscription in session.subscriptions.values():
            self.tree.remove(session, subscription)
        session.subscriptions.clear()
        if session.delayed_will is not None:  # it is due when the session ends, if that is earlier
            session.delayed_will[1]()
        session.stop_timers()
        for delivery in session.queue:
            if delivery.group is not None and not delivery.dup:
                self._share(delivery.group, delivery.message)
        session.queue.clear()

    def close(self) -> None:
        """Say goodbye to all clients; their wills are not published."""
        self.closed = True
        for session in list(self.sessions.values()):
            if session.link is not None:
                session.link.end(DisconnectReasonCode.SERVER_SHUTTING_DOWN)
            session.stop_timers()

    # --- subscriptions

    def subscribe(
        self, session: Session, principal: Principal, wanted: TopicFilter, identifier: int | None
    ) -> tuple[SubAckReasonCode, Subscription | None, bool]:
        """Add a subscription: the answer, the subscription unless refused, and whether it is a new one."""
        group, pattern = split_share(wanted.pattern)
        if not is_filter(wanted.pattern):
            return SubAckReasonCode.TOPIC_FILTER_INVALID, None, False
        if not rights.may_subscribe(principal, pattern):
            return SubAckReasonCode.NOT_AUTHORIZED, None, False
        if len(session.subscriptions) >= MAX_SUBSCRIPTIONS and wanted.pattern not in session.subscriptions:
            return SubAckReasonCode.QUOTA_EXCEEDED, None, False
        subscription = Subscription(
            pattern,
            int(wanted.max_qos),
            wanted.no_local,
            wanted.retain_as_published,
            int(wanted.retain_handling),
            identifier,
            group,
        )
        new = wanted.pattern not in session.subscriptions
        session.subscriptions[wanted.pattern] = subscription
        self.tree.add(session, subscription)
        return SubAckReasonCode(subscription.qos), subscription, new

    def unsubscribe(self, session: Session, text: str) -> bool:
        """Remove a subscription; whether there was one."""
        subscription = session.subscriptions.pop(text, None)
        if subscription is None:
            return False
        self.tree.remove(session, subscription)
        return True

    def show_retained(self, session: Session, subscription: Subscription, *, new: bool) -> None:
        """Send the retained messages of a subscription, as its retain handling says."""
        if subscription.group is not None or subscription.retain_handling == 2:
            return
        if subscription.retain_handling == 1 and not new:
            return
        identifiers = () if subscription.identifier is None else (subscription.identifier,)
        for message in self.hub.bus.retained.matching(subscription.pattern):
            qos = min(message.qos, subscription.qos)
            session.deliver(Delivery(message, qos, retain=True, identifiers=identifiers))

    async def show_latest(self, session: Session, principal: Principal, subscription: Subscription) -> None:
        """Send the newest readings of a subscription that asked for them, as if they had been retained."""
        identifiers = () if subscription.identifier is None else (subscription.identifier,)
        for message in await self.hub.latest(principal, subscription.pattern):
            qos = min(message.qos, subscription.qos)
            session.deliver(Delivery(message, qos, retain=True, identifiers=identifiers))

    # --- messages

    def say(self, principal: Principal, will: Incoming) -> None:
        """Publish in the name of a client that is not there; what it may not say is dropped."""
        self.hub.ingest.offer(principal, will)

    def deliver(self, message: Message) -> None:
        """Send a message to the sessions whose subscriptions match: once each, at the highest QoS granted."""
        found = self.tree.find(message.topic)
        if not found:
            return
        chosen: dict[int, tuple[Session, list[Subscription]]] = {}
        groups: set[str] = set()
        for session, subscription in found:
            if subscription.group is not None:
                groups.add(f"{subscription.group}/{subscription.pattern}")
            elif not (subscription.no_local and message.origin == session.name):
                chosen.setdefault(id(session), (session, []))[1].append(subscription)
        for session, subscriptions in chosen.values():
            qos = min(message.qos, max(one.qos for one in subscriptions))
            retain = message.retain and any(one.as_published for one in subscriptions)
            identifiers = tuple(one.identifier for one in subscriptions if one.identifier is not None)
            session.deliver(Delivery(message, qos, retain=retain, identifiers=identifiers))
        for group in sorted(groups):
            self._share(group, message)

    def _share(self, group: str, message: Message) -> None:
        """Deliver to one member of a shared subscription: a connected one if there is any, in turns."""
        name, _, pattern = group.partition("/")
        members = [
            (session, one)
            for session, one in self.tree.find(message.topic)
            if one.group == name and one.pattern == pattern
        ]
        if not members:
            return
        ready = [one for one in members if one[0].link is not None and not one[0].link.clogged]
        pool = ready or members
        session, subscription = pool[next(self._turn) % len(pool)]
        identifiers = () if subscription.identifier is None else (subscription.identifier,)
        retain = message.retain and subscription.as_published
        qos = min(message.qos, subscription.qos)
        session.deliver(Delivery(message, qos, retain=retain, identifiers=identifiers, group=group))
