"""Defects of the MQTT endpoint: login, sessions, delivery, limits (DTC-P3-051 ff.)."""

from collections.abc import Callable
from typing import Any

import mqtt5
import msgspec
from mqtt5 import ConnAckReasonCode, QoS

from reference_server import tokens
from reference_server.auth import ROLES, Principal
from reference_server.faults.fault import both, wrap
from reference_server.messaging import allowances
from reference_server.mqtt import connection, login, strict
from reference_server.mqtt.broker import Broker, RefusedError
from reference_server.mqtt.connection import Connection
from reference_server.mqtt.session import Delivery, Session

Make = Callable[..., Any]
VIEWER = Principal("viewer", "viewer", ROLES["viewer"], None, 1000, 60.0)
ANYTHING = Principal("load", "admin", ROLES["admin"], None, allowances.UNLIMITED_FROM, 60.0)


def _unspoken(handler: Make) -> Make:
    def wrong(self: Connection, packet: Any) -> None:
        self._refuse(ConnAckReasonCode.UNSUPPORTED_PROTOCOL_VERSION, "")

    return wrong


def _login(change: Callable[[Make, tuple[Any, ...]], Any]) -> Callable[[], None]:
    return wrap(login, "principal", lambda right: lambda *given: change(right, given))


def _without(user: str) -> Callable[[Make, tuple[Any, ...]], Any]:
    def change(right: Make, given: tuple[Any, ...]) -> Any:
        if given[1] == user:
            raise RefusedError(ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD, "")
        return right(*given)

    return change


def _welcoming(*users: str | None) -> Callable[[Make, tuple[Any, ...]], Any]:
    def change(right: Make, given: tuple[Any, ...]) -> Any:
        try:
            return right(*given)
        except RefusedError:
            if given[1] not in users:
                raise
            return VIEWER

    return change


def _for_ever(check: Make) -> Make:
    return lambda self, token, now=None: check(self, token, 0.0)


def _otherwise(right: Make, given: tuple[Any, ...]) -> Any:
    try:
        return right(*given)
    except RefusedError as problem:
        raise RefusedError(ConnAckReasonCode.UNSPECIFIED_ERROR, "") from problem


def _still_open(refuse: Make) -> Make:
    def wrong(self: Connection, reason: Any, message: str) -> None:
        if reason in (ConnAckReasonCode.NOT_AUTHORIZED, ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD):
            self.send(mqtt5.ConnAckPacket(reason_code=reason))
        else:
            refuse(self, reason, message)

    return wrong


def _no_tick(tick: Make) -> Make:
    return lambda self: None


def _silent(handler: Make) -> Make:
    return lambda self, packet: None


def _short_lived(leave: Make) -> Make:
    def wrong(self: Broker, session: Session, link: Any, principal: Any) -> None:
        session.expiry = 0
        leave(self, session, link, principal)

    return wrong


def _absent(opened: Make) -> Make:
    return lambda self, client, packet: (opened(self, client, packet)[0], False)


def _deliver(change: Callable[[Make, Session, Delivery], None]) -> Callable[[], None]:
    return wrap(Session, "deliver", lambda right: lambda self, delivery: change(right, self, delivery))


def _only_present(right: Make, session: Session, delivery: Delivery) -> None:
    if session.link is not None:
        right(session, delivery)


def _twice(qos: int) -> Callable[[Make, Session, Delivery], None]:
    def change(right: Make, session: Session, delivery: Delivery) -> None:
        right(session, delivery)
        if delivery.qos == qos:
            again = Delivery(delivery.message, qos, retain=delivery.retain, identifiers=delivery.identifiers)
            right(session, again)

    return change


def _swapped(right: Make, session: Session, delivery: Delivery) -> None:
    """Every second QoS 2 message overtakes the one before it."""
    held = _HELD.pop(id(session), None)
    if delivery.qos == 2 and held is None and not delivery.retain:
        _HELD[id(session)] = delivery
        return
    right(session, delivery)
    if held is not None:
        right(session, held)


_HELD: dict[int, Delivery] = {}


def _attach(change: Callable[[Any], None]) -> Callable[[], None]:
    def make(attach: Make) -> Make:
        def wrong(self: Session, link: Any) -> None:
            change(link)
            attach(self, link)

        return wrong

    return wrap(Session, "attach", make)


def _many_aliases(link: Any) -> None:
    link._alias_max = 60_000


def _boundless(link: Any) -> None:
    link._max_packet = None


def _greedy(link: Any) -> None:
    link.receive_max = 0xFFFF


def _answers_qos_0(handler: Make) -> Make:
    def wrong(self: Connection, packet: Any) -> None:
        handler(self, packet)
        if packet.qos == QoS.AT_MOST_ONCE:
            self.send(mqtt5.PubAckPacket(1))

    return wrong


def _never_acknowledged(qos: int) -> Callable[[Make], Make]:
    def make(acknowledge: Make) -> Make:
        def wrong(self: Connection, incoming: Any) -> None:
            if incoming.qos != qos:
                acknowledge(self, incoming)

        return wrong

    return make


def _other_id(acknowledge: Make) -> Make:
    def wrong(self: Connection, incoming: Any) -> None:
        incoming.packet_id = incoming.packet_id % 0xFFFF + 1
        acknowledge(self, incoming)

    return wrong


def _forgets(detach: Make) -> Make:
    def wrong(self: Session) -> None:
        detach(self)
        self.queue.clear()
        self.queued_bytes = 0

    return wrong


def _unmarked(detach: Make) -> Make:
    def wrong(self: Session) -> None:
        detach(self)
        for delivery in self.queue:
            delivery.dup = False

    return wrong


def _taken_again(handler: Make) -> Make:
    def wrong(self: Connection, packet: Any) -> None:
        if self.session is not None and packet.qos == QoS.EXACTLY_ONCE:
            self.session.received.pop(packet.packet_id, None)
        handler(self, packet)

    return wrong


def _allowed(handler: Make) -> Make:
    """Publishes with the rights of somebody who may do anything."""

    def wrong(self: Connection, packet: Any) -> None:
        own, self.principal = self.principal, ANYTHING
        try:
            handler(self, packet)
        finally:
            self.principal = own

    return wrong


def _unlimited(handler: Make) -> Make:
    def wrong(self: Connection, packet: Any) -> None:
        own = self.principal
        self.principal = msgspec.structs.replace(own, allowance=allowances.UNLIMITED_FROM)
        try:
            handler(self, packet)
        finally:
            self.principal = own

    return wrong


def _anyone_hears(subscribe: Make) -> Make:
    def wrong(self: Broker, session: Session, principal: Any, wanted: Any, identifier: Any) -> Any:
        return subscribe(self, session, ANYTHING, wanted, identifier)

    return wrong


def _heard_all_the_same(subscribe: Make) -> Make:
    """The SUBACK refuses, and the messages come."""

    def wrong(self: Broker, session: Session, principal: Any, wanted: Any, identifier: Any) -> Any:
        told = subscribe(self, session, principal, wanted, identifier)
        if told[1] is None:
            subscribe(self, session, ANYTHING, wanted, identifier)
        return told

    return wrong


def _takes_over(opened: Make) -> Make:
    def wrong(self: Broker, client: Any, packet: Any) -> Any:
        known = self.sessions.get(packet.client_id)
        if known is not None:
            known.owner = client.principal.name
        return opened(self, client, packet)

    return wrong


def _deaf(deliver: Make) -> Make:
    """What the twin says itself is not heard by MQTT clients."""

    def wrong(self: Broker, message: Any) -> None:
        if message.origin is not None or message.event is None:
            deliver(self, message)

    return wrong


def _bare_value(packet: Make) -> Make:
    def wrong(self: Delivery, expiry: Any, topic: str, alias: Any) -> Any:
        if "/sensors/" in self.message.topic:
            self.message.payload = b"23.5"
        return packet(self, expiry, topic, alias)

    return wrong


TABLE: tuple[tuple[str, str, Callable[[], None]], ...] = (
    ("051", "MQTT 5 is refused", wrap(Connection, "on_connect", _unspoken)),
    ("052", "API keys are not accepted by the broker", _login(_without("api-key"))),
    ("052.wrong", "the broker accepts any key", _login(_welcoming("api-key"))),
    ("052.code", "a wrong key is refused with an unspecified error", _login(_otherwise)),
    ("053", "tokens are not accepted by the broker", _login(_without("oauth"))),
    ("053.wrong", "the broker accepts any token", _login(_welcoming("oauth"))),
    (
        "053.expired",
        "tokens live for six seconds, and are taken after their time too",
        both(wrap(tokens, "LIFETIME_S", lambda _: 6), wrap(tokens.Tokens, "check", _for_ever)),
    ),
    ("054", "the broker serves anonymous clients", _login(_welcoming(None))),
    ("054.open", "a refused client is not hung up on", wrap(Connection, "_refuse", _still_open)),
    ("055", "silent clients stay", wrap(Connection, "_tick", _no_tick)),
    (
        "055.early",
        "clients are hung up on before their keep alive",
        wrap(connection, "KEEP_ALIVE_FACTOR", lambda _: 0.5),
    ),
    ("055.ping", "PINGREQ is not answered", wrap(Connection, "on_ping", _silent)),
    ("056", "a session ends with its connection", wrap(Broker, "leave", _short_lived)),
    ("056.queue", "a session keeps no messages", _deliver(_only_present)),
    ("056.present", "a session that is there is said to be new", wrap(Broker, "open", _absent)),
    ("057", "the client's receive maximum is not kept", _attach(_greedy)),
    ("058", "packets may be larger than the client takes", _attach(_boundless)),
    ("059", "more topic aliases than the client allows", _attach(_many_aliases)),
    (
        "060",
        "contradicting will flags are accepted",
        wrap(strict, "_connect", lambda _: lambda packet, start: None),
    ),
    ("067.mqtt", "a bare number is sent to MQTT clients as reading", wrap(Delivery, "packet", _bare_value)),
    ("068", "QoS 0 is acknowledged", wrap(Connection, "on_publish", _answers_qos_0)),
    ("069", "QoS 1 is not acknowledged", wrap(Connection, "_acknowledge", _never_acknowledged(1))),
    ("069.id", "another message is acknowledged", wrap(Connection, "_acknowledge", _other_id)),
    ("069.lost", "unacknowledged messages are lost with the connection", wrap(Session, "detach", _forgets)),
    ("069.dup", "messages come again without DUP", wrap(Session, "detach", _unmarked)),
    ("070", "QoS 2 is not received", wrap(Connection, "_acknowledge", _never_acknowledged(2))),
    ("070.again", "a QoS 2 message sent again is taken again", wrap(Connection, "on_publish", _taken_again)),
    ("070.twice", "QoS 2 is delivered twice", _deliver(_twice(2))),
    ("070.release", "PUBREL is not answered", wrap(Connection, "on_pubrel", _silent)),
    ("071", "QoS 2 messages overtake each other", _deliver(_swapped)),
    ("083.mqtt", "MQTT clients may hear everything", wrap(Broker, "subscribe", _anyone_hears)),
    ("083.heard", "a refused MQTT subscription delivers", wrap(Broker, "subscribe", _heard_all_the_same)),
    ("084.mqtt", "MQTT clients may publish anywhere", wrap(Connection, "on_publish", _allowed)),
    ("085.mqtt", "MQTT clients are not limited", wrap(Connection, "on_publish", _unlimited)),
    ("087.mqtt", "events do not reach MQTT", wrap(Broker, "deliver", _deaf)),
)
