"""A second list of defects of brokers, drawn up from the catalogue alone; `ALL` holds all lists.

Put round the bundled twin by `tests.support.live_twin`.
"""

import time
from collections.abc import Callable
from typing import Any

from reference_server.faults.fault import both, wrap
from reference_server.mqtt import connection as mqtt_connection
from reference_server.mqtt import session as mqtt_session
from reference_server.mqtt import strict
from reference_server.mqtt.broker import Broker
from reference_server.mqtt.connection import Connection as MqttConnection
from reference_server.mqtt.session import COMPLETE, Delivery
from reference_server.mqtt.session import Session as MqttSession
from tests.support.live_defects import ANYTHING, DEFECTS, LiveDefect
from tests.support.live_defects_stream import STREAM

Make = Callable[..., Any]

BRIEF_S = 2.0


def _never_less(remaining: Make) -> Make:
    """A message keeps the expiry that it was published with, for as long as it waits."""

    def wrong(message: Any) -> int | None:
        left: int | None = remaining(message)
        return left if left is None or left <= 0 else message.ttl or left

    return wrong


def _always_0_mqtt(deliver: Make) -> Make:
    def wrong(self: MqttSession, delivery: Delivery) -> None:
        again = Delivery(delivery.message, 0, retain=delivery.retain, identifiers=delivery.identifiers)
        deliver(self, again)

    return wrong


def _first_pattern_alone(handler: Make) -> Make:
    def wrong(self: MqttConnection, packet: Any) -> None:
        import mqtt5

        for text in packet.patterns[:1]:
            self.broker.unsubscribe(self._open_session(), text)
        codes = [mqtt5.UnsubAckReasonCode.SUCCESS] * len(packet.patterns)
        self.send(mqtt5.UnsubAckPacket(packet.packet_id, codes))

    return wrong


def _anybodys_session_mqtt(opened: Make) -> Make:
    def wrong(self: Broker, client: Any, packet: Any) -> Any:
        known = self.sessions.get(packet.client_id)
        if known is not None:
            known.owner = client.principal.name
        return opened(self, client, packet)

    return wrong


def _counts(wanted: Callable[[Delivery], bool]) -> Make:
    """Only some of what is under way counts against the receive maximum."""

    def make(pump: Make) -> Make:
        def wrong(self: MqttSession) -> None:
            link = self.link
            if link is None:
                return
            own = link.receive_max
            link.receive_max = own + sum(not wanted(one) for one in self.inflight.values())
            if self.queue and not wanted(self.queue[0]):
                link.receive_max = 0xFFFF
            try:
                pump(self)
            finally:
                link.receive_max = own

        return wrong

    return make


def _sends_on(taken: Make) -> Make:
    def wrong(self: MqttSession, packet_id: int, *, refused: bool) -> None:
        taken(self, packet_id, refused=refused)
        self.pump()

    return wrong


def _reversed_answers(handler: Make) -> Make:
    def wrong(self: MqttConnection, packet: Any) -> None:
        own = self.send

        def send(answer: Any) -> None:
            import mqtt5

            if isinstance(answer, mqtt5.SubAckPacket):
                answer = mqtt5.SubAckPacket(answer.packet_id, list(reversed(answer.reason_codes)))
            own(answer)

        self.send = send  # type: ignore[method-assign,assignment]
        try:
            handler(self, packet)
        finally:
            del self.send

    return wrong


def _everybodys_share(share: Make) -> Make:
    def wrong(self: Broker, group: str, message: Any) -> None:
        name, _, pattern = group.partition("/")
        for session, one in self.tree.find(message.topic):
            if one.group == name and one.pattern == pattern:
                session.deliver(Delivery(message, min(message.qos, one.qos), retain=False, identifiers=()))

    return wrong


def _always_said(handler: Make) -> Make:
    def wrong(self: MqttConnection, packet: Any) -> None:
        will = self.session.will if self.session is not None else None
        if will is not None:
            from reference_server.mqtt import wills

            self.broker.say(self.principal, wills.publication(will, "gone"))
        handler(self, packet)

    return wrong


def _never_said(leave: Make) -> Make:
    def wrong(self: Broker, session: MqttSession, link: Any, principal: Any) -> None:
        session.will = None
        leave(self, session, link, principal)

    return wrong


def _without_identifiers(packet: Make) -> Make:
    def wrong(self: Delivery, *given: Any) -> Any:
        self.identifiers = ()
        return packet(self, *given)

    return wrong


def _older_goes_on(opened: Make) -> Make:
    def wrong(self: Broker, client: Any, packet: Any) -> Any:
        old = self.sessions.get(packet.client_id)
        if old is not None:
            old.link = None
        return opened(self, client, packet)

    return wrong


def _aliases_stay(attach: Make) -> Make:
    known: dict[str, dict[int, str]] = {}

    def wrong(self: MqttSession, link: Any) -> None:
        link._aliases_in = known.setdefault(self.client_id, link._aliases_in)
        attach(self, link)

    return wrong


def _qos_0_again(publish: Make) -> Make:
    """What a client was sent at QoS 0 a moment ago comes once more when it connects again."""

    def wrong(self: MqttConnection, delivery: Delivery, expiry: Any) -> bool:
        done: bool = publish(self, delivery, expiry)
        if delivery.qos == 0 and self.session is not None and not delivery.dup:
            _LATELY.setdefault(self.session.client_id, []).append((time.monotonic(), delivery))
        return done

    return wrong


_LATELY: dict[str, list[tuple[float, Delivery]]] = {}


def _sends_lately(attach: Make) -> Make:
    def wrong(self: MqttSession, link: Any) -> None:
        attach(self, link)
        for at, delivery in _LATELY.pop(self.client_id, []):
            if self.subscriptions and time.monotonic() - at < BRIEF_S:
                link.publish(delivery, None)

    return wrong


def _other_ids(detach: Make) -> Make:
    def wrong(self: MqttSession) -> None:
        detach(self)
        for delivery in self.queue:
            if delivery.qos == 1 and delivery.packet_id:
                delivery.packet_id = self._next_id()

    return wrong


def _no_release(taken: Make) -> Make:
    def wrong(self: MqttSession, packet_id: int, *, refused: bool) -> None:
        if self.inflight.pop(packet_id, None) is not None:
            self.pump()

    return wrong


def _first_judged(handler: Make) -> Make:
    def wrong(self: MqttConnection, packet: Any) -> None:
        own = self.broker.subscribe
        judged: list[bool] = []

        def subscribe(session: Any, principal: Any, wanted: Any, identifier: Any) -> Any:
            caller = ANYTHING if judged else principal
            judged.append(True)
            return own(session, caller, wanted, identifier)

        self.broker.subscribe = subscribe  # type: ignore[method-assign]
        try:
            handler(self, packet)
        finally:
            del self.broker.subscribe

    return wrong


def _connects_again(packet: Make) -> Make:
    """A second CONNECT on a connection is passed over."""

    def wrong(self: MqttConnection, raw: bytes) -> None:
        if self.session is None or raw[0] >> 4 != strict.CONNECT:
            packet(self, raw)

    return wrong


def _lenient(check: Make) -> Make:
    def wrong(self: Any, raw: bytes) -> None:
        try:
            check(self, raw)
        except strict.PacketError:
            if raw[0] >> 4 not in (strict.SUBSCRIBE, strict.UNSUBSCRIBE):
                raise

    return wrong


def _only_the_first(deliver: Make) -> Make:
    """A message goes to one of the clients that asked for it."""

    def wrong(self: Broker, message: Any) -> None:
        served: list[Any] = []
        own = MqttSession.deliver

        def once(session: MqttSession, delivery: Delivery) -> None:
            if not served or served[0] is session:
                served[:] = [session]
                own(session, delivery)

        MqttSession.deliver = once  # type: ignore[method-assign,assignment]
        try:
            deliver(self, message)
        finally:
            MqttSession.deliver = own  # type: ignore[method-assign]

    return wrong


def _no_pings_but_pings(received: Make) -> Make:
    """Only PINGREQ counts as a sign of life."""

    def wrong(self: MqttConnection, data: bytes) -> None:
        heard = self._heard
        received(self, data)
        if data[0] >> 4 not in (1, 12):
            self._heard = heard

    return wrong


def _once_per_id(qos: int) -> Callable[[Make], Make]:
    """A packet identifier that was used is taken for a repetition ever after."""

    def make(handler: Make) -> Make:
        def wrong(self: MqttConnection, packet: Any) -> None:
            import mqtt5

            known = _USED.setdefault(id(self), set())
            if packet.qos != qos or packet.packet_id not in known:
                if packet.qos == qos:
                    known.add(packet.packet_id)
                handler(self, packet)
            elif qos == 1:
                self.send(mqtt5.PubAckPacket(packet.packet_id))
            else:
                self.send(mqtt5.PubRecPacket(packet.packet_id))

        return wrong

    return make


_USED: dict[int, set[int]] = {}


def _counted_again(deliver: Make) -> Make:
    """Each SUBSCRIBE of a filter is a subscription of its own."""

    def wrong(self: Broker, message: Any) -> None:
        deliver(self, message)
        for session in {id(one): one for one, _ in self.tree.find(message.topic)}.values():
            for _ in range(getattr(session.link, "doubled", 0)):
                session.deliver(Delivery(message, 0, retain=False, identifiers=()))

    return wrong


def _counts_subscribes(subscribe: Make) -> Make:
    def wrong(self: Broker, session: Any, principal: Any, wanted: Any, identifier: Any) -> Any:
        told = subscribe(self, session, principal, wanted, identifier)
        if told[1] is not None and not told[2]:
            session.link.doubled = getattr(session.link, "doubled", 0) + 1
        return told

    return wrong


def _no_unsuback_for_strangers(handler: Make) -> Make:
    def wrong(self: MqttConnection, packet: Any) -> None:
        if any(one in self._open_session().subscriptions for one in packet.patterns):
            handler(self, packet)

    return wrong


def _no_patience(wait: Make) -> Make:
    """A Keep Alive of 0 is over at once."""

    def wrong(self: MqttConnection, patience: float) -> None:
        wait(self, patience or 0.001)

    return wrong


MILD = {
    "a filter subscribed to twice counts twice": "a-filter-subscribed-to-again-is-one-subscription",
    "UNSUBSCRIBE of an unknown filter is not answered": "unsubscribe-is-answered-whatever-it-names.*",
    "a Keep Alive of 0 is over at once": "a-keep-alive-of-0-is-no-limit",
    "the expiry of a message is not counted down": "an-expired-message-is-not-delivered-by-the-broker",
    "PUBREC opens the window": "a-message-counts-until-its-handshake-is-done",
    "a shared subscription is everybody's": "a-shared-subscription-is-served-once",
    "the last will is never said": "the-last-will-of-a-client-that-is-gone-is-said",
    "subscription identifiers are left out": "a-message-names-its-subscription",
    "the older connection of a client goes on": "a-client-that-comes-again-ends-its-older-connection",
    "messages come again under other packet ids": "what-was-not-acknowledged-comes-again",
    "a second CONNECT is passed over": "what-the-protocol-forbids-ends-the-connection.second-connect",
    "malformed SUBSCRIBEs are served": "what-the-protocol-forbids-ends-the-connection.subscribe-*",
}
"""What the standard does not name: the vector that warns of it."""
BROKER: tuple[LiveDefect, ...] = tuple(
    LiveDefect(f"DTC-P3-{number}", what, install, MILD.get(what, ""))
    for number, what, install in (
        ("018", "the expiry of a message is not counted down", wrap(mqtt_session, "remaining", _never_less)),
        ("069", "messages come at QoS 0 whatever was granted, at the broker", wrap(
            MqttSession, "deliver", _always_0_mqtt
        )),
        ("051", "of several filters only the first one ends, at the broker", wrap(
            MqttConnection, "on_unsubscribe", _first_pattern_alone
        )),
        ("083", "a session goes to whoever names its client, at the broker", wrap(
            Broker, "open", _anybodys_session_mqtt
        )),
        ("057", "QoS 2 does not count against the receive maximum", wrap(
            MqttSession, "pump", _counts(lambda one: one.qos < 2)
        )),
        ("057", "PUBREC opens the window", both(
            wrap(MqttSession, "pump", _counts(lambda one: one.waits_for != COMPLETE)),
            wrap(MqttSession, "taken", _sends_on),
        )),
        ("051", "SUBACK answers in reverse", wrap(MqttConnection, "on_subscribe", _reversed_answers)),
        ("051", "a shared subscription is everybody's", wrap(Broker, "_share", _everybodys_share)),
        ("051", "the last will follows a DISCONNECT too", wrap(
            MqttConnection, "on_disconnect", _always_said
        )),
        ("051", "the last will is never said", wrap(Broker, "leave", _never_said)),
        ("051", "subscription identifiers are left out", wrap(Delivery, "packet", _without_identifiers)),
        ("051", "the older connection of a client goes on", wrap(Broker, "open", _older_goes_on)),
        ("059", "aliases outlive their connection", wrap(MqttSession, "attach", _aliases_stay)),
        ("068", "QoS 0 comes again after a break", both(
            wrap(MqttConnection, "publish", _qos_0_again), wrap(MqttSession, "attach", _sends_lately)
        )),
        ("069", "messages come again under other packet ids", wrap(MqttSession, "detach", _other_ids)),
        ("070", "subscribers get no PUBREL", wrap(MqttSession, "taken", _no_release)),
        ("083", "the first filter of a SUBSCRIBE is judged", wrap(
            MqttConnection, "on_subscribe", _first_judged
        )),
        ("051", "a second CONNECT is passed over", wrap(MqttConnection, "_packet", _connects_again)),
        ("051", "malformed SUBSCRIBEs are served", wrap(strict.Checker, "check", _lenient)),
        ("087", "a message goes to one of several clients", wrap(Broker, "deliver", _only_the_first)),
        ("055", "silent clients are dropped after 2.2 intervals", wrap(
            mqtt_connection, "KEEP_ALIVE_FACTOR", lambda _: 2.2
        )),
        ("055", "only PINGREQ counts as a sign of life", wrap(
            MqttConnection, "data_received", _no_pings_but_pings
        )),
        ("069", "a packet identifier serves once", wrap(MqttConnection, "on_publish", _once_per_id(1))),
        ("070", "a packet identifier of QoS 2 serves once", wrap(
            MqttConnection, "on_publish", _once_per_id(2)
        )),
        ("051", "a filter subscribed to twice counts twice", both(
            wrap(Broker, "subscribe", _counts_subscribes), wrap(Broker, "deliver", _counted_again)
        )),
        ("051", "UNSUBSCRIBE of an unknown filter is not answered", wrap(
            MqttConnection, "on_unsubscribe", _no_unsuback_for_strangers
        )),
        ("055", "a Keep Alive of 0 is over at once", wrap(MqttConnection, "_wait", _no_patience)),
    )
)  # fmt: skip
ALL: tuple[LiveDefect, ...] = (*DEFECTS, *STREAM, *BROKER)
"""All lists; a defect's number is its place here."""
