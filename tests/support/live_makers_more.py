"""Further manners of streams and brokers that the standard allows; `ALL` holds those of `live_makers` too.

They are put round the bundled twin by `tests.support.live_twin`; the suites must raise no alarm at them.
"""

import asyncio
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import mqtt5
import msgspec
import orjson

from reference_server import tokens
from reference_server.faults.fault import both, wrap
from reference_server.messaging.allowances import Meter
from reference_server.messaging.ingest import Ingest
from reference_server.messaging.outcome import Outcome
from reference_server.messaging.publisher import Publisher, by_parameter, reading_message
from reference_server.mqtt import connection as mqtt_connection
from reference_server.mqtt import login
from reference_server.mqtt.broker import Broker, RefusedError
from reference_server.mqtt.connection import Connection as MqttConnection
from reference_server.mqtt.session import Delivery
from reference_server.mqtt.session import Session as MqttSession
from reference_server.stream import envelope
from reference_server.stream.conversation import Conversation
from reference_server.stream.door import Door
from tests.support.live_makers import MAKERS, LiveMaker

Make = Callable[..., Any]
LATE_S = 1.2


def _pretty(write: Make) -> Make:
    """JSON with spaces, new lines and every other character escaped."""

    def wrong(*given: Any, **options: Any) -> bytes:
        return json.dumps(orjson.loads(write(*given, **options)), indent=2).encode()

    return wrong


def _nobody_heard(acknowledge: Make) -> Make:
    """0x10: there was no subscriber, as some brokers say."""

    def told(self: MqttConnection, incoming: Any) -> None:
        if incoming.reason == 0:
            incoming.reason = 0x10
        acknowledge(self, incoming)

    return told


def _a_copy_each(deliver: Make) -> Make:
    """Each subscription that matches has a copy of its own (MQTT 5 3.3.4)."""

    def each(self: Broker, message: Any) -> None:
        groups: set[str] = set()
        for session, one in self.tree.find(message.topic):
            if one.group is not None:
                groups.add(f"{one.group}/{one.pattern}")
                continue
            own = () if one.identifier is None else (one.identifier,)
            session.deliver(Delivery(message, min(message.qos, one.qos), retain=False, identifiers=own))
        for group in sorted(groups):
            self._share(group, message)

    return each


def _before_the_answer(subscribe: Make) -> Make:
    """What is retained comes before SUBACK."""

    def early(self: Broker, session: MqttSession, *given: Any) -> Any:
        found = subscribe(self, session, *given)
        if found[1] is not None:
            Broker.show_retained_as_ever(self, session, found[1], new=found[2])  # type: ignore[attr-defined]
        return found

    Broker.show_retained_as_ever = Broker.show_retained  # type: ignore[attr-defined]
    return early


def _late_packets(send: Make) -> Make:
    """Acknowledgements of the broker come after a while, in their order."""
    kinds = (mqtt5.PubAckPacket, mqtt5.PubRecPacket, mqtt5.PubCompPacket, mqtt5.SubAckPacket)

    def late(self: MqttConnection, packet: Any) -> None:
        if isinstance(packet, kinds):
            asyncio.get_running_loop().call_later(LATE_S, send, self, packet)
        else:
            send(self, packet)

    return late


def _late_answers(answer: Make) -> Make:
    def late(self: Conversation, *given: Any) -> None:
        asyncio.get_running_loop().call_later(LATE_S, answer, self, *given)

    return late


def _drops_quietly(offer: Make) -> Make:
    """What goes beyond the limit is acknowledged and dropped (C-82)."""

    def quiet(self: Ingest, caller: Any, incoming: Any) -> Any:
        take = Meter.take
        beyond: list[bool] = []

        def look(meter: Meter, who: Any, size: int) -> bool:
            allowed = take(meter, who, size)
            beyond.append(not allowed)
            return allowed

        Meter.take = look  # type: ignore[method-assign,assignment]
        try:
            outcome = offer(self, caller, incoming)
        finally:
            Meter.take = take  # type: ignore[method-assign]
        if any(beyond):
            outcome = Outcome()
            outcome.set_result()
        return outcome

    return quiet


def _of_their_own(opened: Make) -> Make:
    """Client identifiers of two credentials never meet."""

    def own(self: Broker, client: Any, packet: Any) -> Any:
        name = packet.client_id and f"{client.principal.name}/{packet.client_id}"
        asked = SimpleNamespace(
            client_id=name,
            clean_start=packet.clean_start,
            session_expiry_interval=packet.session_expiry_interval,
            will=packet.will,
        )
        return opened(self, client, asked)

    return own


def _no_wills(check: Make) -> Make:
    def refuse(caller: Any, will: Any) -> None:
        if will is not None:
            raise RefusedError(mqtt5.ConnAckReasonCode.NOT_AUTHORIZED, "wills are not taken here")
        check(caller, will)

    return refuse


def _says_it_itself(offered: Make) -> Make:
    """A reading goes out as the twin tells it: members, topic, source and id are its own."""

    def told(self: Publisher, given: Any) -> Any:
        known, incoming = given.known, given.incoming
        names = self._directory.spoken(known.no)
        if names is None:
            return offered(self, given)
        made = []
        for group in by_parameter(given.readings).values():
            message = reading_message(names, group)
            made.append(msgspec.structs.replace(message, qos=incoming.qos))
            if incoming.ttl is not None:
                made[-1].ttl, made[-1].expires = incoming.ttl, offered(self, given)[0].expires
        return made

    return told


def _every_5_s(init: Make) -> Make:
    def often(self: Door, *given: Any) -> None:
        init(self, *given)
        self.heartbeat_s = 5.0

    return often


MORE: dict[str, LiveMaker] = {
    "eager": LiveMaker(
        "pretty JSON, a copy for each subscription, retained messages before SUBACK, 0x10 in PUBACK",
        both(
            wrap(envelope, "publish", _pretty),
            wrap(envelope, "write", _pretty),
            wrap(MqttConnection, "_acknowledge", _nobody_heard),
            wrap(Broker, "deliver", _a_copy_each),
            wrap(Broker, "subscribe", _before_the_answer),
            wrap(Broker, "show_retained", lambda _: lambda self, session, one, *, new: None),
        ),
    ),
    "patient": LiveMaker(
        "answers and acknowledgements after a while; what goes beyond a limit is acknowledged and dropped",
        both(
            wrap(MqttConnection, "send", _late_packets),
            wrap(Conversation, "_handshake", _late_answers),
            wrap(Conversation, "_answer", _late_answers),
            wrap(Ingest, "offer", _drops_quietly),
        ),
    ),
    "brisk": LiveMaker(
        "heartbeats every 5 s, a keep alive of 10 s at most, tokens for 8 s",
        both(
            wrap(Door, "__init__", _every_5_s),
            wrap(mqtt_connection, "KEEP_ALIVE_S", lambda _: 10),
            wrap(tokens, "LIFETIME_S", lambda _: 8),
        ),
    ),
    "reserved": LiveMaker(
        "client identifiers of each credential, no wills, no aliases, readings in own words",
        both(
            wrap(Broker, "open", _of_their_own),
            wrap(login, "check_will", _no_wills),
            wrap(mqtt_connection, "MAX_ALIASES", lambda _: 0),
            wrap(Publisher, "_offered", _says_it_itself),
        ),
    ),
}
ALL = {**MAKERS, **MORE}
