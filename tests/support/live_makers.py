"""Streams and brokers of other makers, all within the standard: what it leaves open is done otherwise.

They are put round the bundled twin by `tests.support.live_twin`; the suites must raise no alarm at them.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mqtt5
import msgspec
import orjson
from mqtt5 import DisconnectReasonCode

from reference_server import tokens
from reference_server.errors import ApiError
from reference_server.faults.fault import both, wrap
from reference_server.faults.stream_tools import Json, drop, of_sensors, published, written
from reference_server.messaging import topics
from reference_server.mqtt.broker import Broker
from reference_server.mqtt.connection import Connection as MqttConnection
from reference_server.mqtt.session import Delivery
from reference_server.mqtt.session import Session as MqttSession
from reference_server.stream import binary, conversation, envelope, frames
from reference_server.stream.connection import Connection
from reference_server.stream.conversation import Conversation
from reference_server.stream.door import Door
from tests.support.live_defects import window

Make = Callable[..., Any]
LATE_S = 1.5
CODES = {1008: 4401, 1002: 1002, 1000: 1000, 1013: 4429}


@dataclass(frozen=True)
class LiveMaker:
    """A manner, and what puts it in place."""

    what: str
    install: Callable[[], None]
    options: tuple[str, ...] = ()


def _in_seoul(shown: Json) -> None:
    """The same instant in another zone, to the microsecond."""
    from datetime import datetime, timedelta, timezone

    at = datetime.fromisoformat(shown["timestamp"]).astimezone(timezone(timedelta(hours=9)))
    shown["timestamp"] = at.isoformat(timespec="microseconds")


def _talkative(shown: Json) -> None:
    _in_seoul(shown)
    shown["traceId"] = "00-0af7651916cd43dd8448eb211c80319c"
    shown["headers"] = {"x": [1, None, {"y": True}]}


def _more_readings(payload: Json) -> None:
    """A message tells of an earlier reading of the sensor too."""
    first = payload["measurements"][0]
    at = first["timestamp"][:11] + "00:00:00.000Z"
    payload["measurements"] = [{**first, "value": 1.25, "timestamp": at}, *payload["measurements"]]
    payload["metadata"] = {"gatewayId": "gw-1"}


def _ping_messages(ping: Make) -> Make:
    def wrong(self: Connection) -> None:
        self.pinged = True
        self.send(envelope.write("PING", {}))

    return wrong


def _leave_it_to_clients(ping: Make) -> Make:
    return lambda self: setattr(self, "pinged", True)


def _other_codes(close: Make) -> Make:
    return lambda self, code, reason: close(self, CODES.get(code, code), reason)


def _closes_instead(refuse: Make) -> Make:
    """A refused message ends the connection; no ERROR is sent."""

    def strict(self: Conversation, refusal: ApiError, correlation: Any, *, counts: bool = True) -> None:
        self.connection.close(4400, refusal.code)

    return strict


def _acknowledged_in_payload(shown: Json) -> None:
    shown["messageId"] = envelope.new_id()
    shown.pop("correlationId", None)


def _acknowledged_by_correlation(shown: Json) -> None:
    shown["messageId"] = envelope.new_id()
    shown["payload"] = None
    shown["reasonCode"] = 0


def _bare_grants(shown: Json) -> None:
    shown["payload"] = {"grantedQos": [qos if qos < 3 else 135 for qos in shown["payload"]["grantedQos"]]}


def _lower_grants(topics_of: Make) -> Make:
    """At most QoS 1 is granted."""

    def wrong(self: Conversation, message: Any) -> Any:
        return [{**one, "qos": min(one.get("qos", 0), 1)} for one in topics_of(self, message)]

    return wrong


def _no_sessions(enter: Make) -> Make:

    def wrong(self: Door, talk: Any, caller: Any, wish: Any) -> Any:
        return enter(self, talk, caller, msgspec.structs.replace(wish, clean=True, expiry=0.0))

    return wrong


def _handler(kind: str, make: Make) -> Callable[[], None]:
    def install() -> None:
        conversation.HANDLERS[kind] = make(conversation.HANDLERS[kind])

    return install


def _unknown(_: Make) -> Make:
    def refuse(self: Conversation, message: Any) -> None:
        raise ApiError("VALIDATION_ERROR", "there is no such type")

    return refuse


def _hangs_up(_: Make) -> Make:
    return lambda self, message: self.connection.close(1000, "")


def _silently(unsubscribe: Make) -> Make:
    def quiet(self: Conversation, message: Any) -> None:
        answer, self_answer = self._answer, Conversation._answer
        del answer
        Conversation._answer = lambda *given: None  # type: ignore[method-assign]
        try:
            unsubscribe(self, message)
        finally:
            Conversation._answer = self_answer  # type: ignore[method-assign]

    return quiet


def _later(deliver: Make) -> Make:
    """Everything is delivered after a while, in its order."""

    def late(self: Any, message: Any) -> None:
        asyncio.get_running_loop().call_later(LATE_S, deliver, self, message)

    return late


def _in_pieces(frame: Make) -> Make:
    """Messages of the server come in frames of 200 bytes."""

    def cut(opcode: int, data: bytes, *, compressed: bool = False) -> bytes:
        if compressed or len(data) <= 200:
            made: bytes = frame(opcode, data, compressed=compressed)
            return made
        parts = [data[at : at + 200] for at in range(0, len(data), 200)]
        made = b""
        for number, part in enumerate(parts):
            last = 0x80 if number == len(parts) - 1 else 0
            made += frames._head(last | (opcode if number == 0 else 0), len(part)) + part
        return made

    return cut


def _no_deflate(init: Make) -> Make:
    def plain(self: Connection, *given: Any) -> None:
        init(self, *given)
        self.ws.available_extensions = []

    return plain


def _no_frames_out(encode: Make) -> Make:
    return lambda *given: None


def _frames_of_64(encode: Make) -> Make:
    return lambda *given: [one[:64] for one in encode(*given) or []] or None


def _enveloped(packet: Make) -> Make:
    """The envelope travels on MQTT too (C-63)."""

    def wrapped(self: Delivery, *given: Any) -> Any:
        if self.message.event is None:
            return packet(self, *given)
        return _carrying(envelope.publish(self.message, self.qos), packet, self, *given)

    return wrapped


def _carrying(payload: bytes, packet: Make, delivery: Delivery, *given: Any) -> Any:
    """The packet of a delivery with another payload."""
    own = delivery.message
    delivery.message = msgspec.structs.replace(own, payload=payload)
    try:
        return packet(delivery, *given)
    finally:
        delivery.message = own


def _flat(packet: Make) -> Make:
    """A reading is flat on MQTT (C-62)."""

    def flat(self: Delivery, *given: Any) -> Any:
        if self.message.fact is None:
            return packet(self, *given)
        shown = orjson.loads(self.message.payload)
        payload = orjson.dumps({"sensorId": shown["sensorId"], **shown["measurements"][0]})
        return _carrying(payload, packet, self, *given)

    return flat


def _short_names(build: Make) -> Make:
    """`env-001` and `temp` stand in topics (C-64)."""

    def short(city: str, kind: str, sensor: str, parameter: str) -> str:
        made: str = build(city, kind, "s-" + sensor[-6:], {"temperature": "temp"}.get(parameter, parameter))
        return made

    return short


def _modest(send: Make) -> Make:
    """CONNACK grants less: shorter sessions and keep alive, no aliases, no shared subscriptions."""

    def less(self: MqttConnection, packet: Any) -> None:
        if isinstance(packet, mqtt5.ConnAckPacket) and int(packet.reason_code) == 0:
            packet = mqtt5.ConnAckPacket(
                session_present=packet.session_present,
                assigned_client_id=packet.assigned_client_id,
                server_keep_alive=packet.server_keep_alive,
                receive_max=20,
                topic_alias_max=0,
                max_packet_size=262_144,
                shared_subscription_available=False,
                subscription_id_available=False,
            )
        send(self, packet)

    return less


def _no_shares(subscribe: Make) -> Make:
    def refuse(self: Broker, session: Any, principal: Any, wanted: Any, identifier: Any) -> Any:
        if wanted.pattern.startswith("$share/"):
            return mqtt5.SubAckReasonCode.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED, None, False
        return subscribe(self, session, principal, wanted, identifier)

    return refuse


def _hangs_up_on_refusal(acknowledge: Make) -> Make:
    """A refused publish ends the connection with DISCONNECT."""

    def end(self: MqttConnection, incoming: Any) -> None:
        if incoming.reason >= 0x80:
            self.end(DisconnectReasonCode.NOT_AUTHORIZED)
        else:
            acknowledge(self, incoming)

    return end


def _no_word(refuse: Make) -> Make:
    """A refused login is hung up on without CONNACK."""
    return lambda self, reason, message: self._close()


def _lowest_ids(next_id: Make) -> Make:
    """A packet id serves again as soon as it is free."""
    return lambda self: next(number for number in range(1, 65_536) if number not in self.inflight)


def _twice(deliver: Make) -> Make:
    """At QoS 1 each message comes twice, as at least once allows."""

    def again(self: MqttSession, delivery: Delivery) -> None:
        deliver(self, delivery)
        if delivery.qos == 1:
            twin = Delivery(delivery.message, 1, retain=delivery.retain, identifiers=delivery.identifiers)
            deliver(self, twin)

    return again


def _drops_without_a_word(acknowledge: Make) -> Make:
    """A publish without a right is acknowledged like any other, and dropped."""

    def fine(self: MqttConnection, incoming: Any) -> None:
        if incoming.reason == 0x87:
            incoming.reason = 0
        acknowledge(self, incoming)

    return fine


MAKERS: dict[str, LiveMaker] = {
    "talkative": LiveMaker(
        "more members, instants of another zone, several readings in a message, heartbeats by PING messages",
        both(
            published(_talkative),
            written("", _talkative),
            published(of_sensors(_more_readings)),
            wrap(Connection, "ping", _ping_messages),
        ),
    ),
    "terse": LiveMaker(
        "no optional member, no UNSUBACK, no flow control, no compression, no binary frames out, no sessions",
        both(
            *(
                published(drop(name))
                for name in ("event", "source", "ttl", "sequence", "position", "encoding")
            ),
            written("SUBACK", _bare_grants),
            written("", drop("correlationId")),
            _handler("UNSUBSCRIBE", _silently),
            _handler("FLOW_CONTROL", _unknown),
            wrap(Connection, "__init__", _no_deflate),
            wrap(binary, "encode", _no_frames_out),
            wrap(Door, "enter", _no_sessions),
        ),
    ),
    "stern": LiveMaker(
        "refusals end connections, with close codes of its own; DISCONNECT is a close frame",
        both(
            wrap(Connection, "close", _other_codes),
            wrap(Conversation, "_refuse", _closes_instead),
            _handler("DISCONNECT", _hangs_up),
            wrap(MqttConnection, "_acknowledge", _hangs_up_on_refusal),
            wrap(MqttConnection, "_refuse", _no_word),
        ),
    ),
    "leisurely": LiveMaker(
        "every message is delivered a second and a half later",
        both(wrap(Door, "deliver", _later), wrap(Broker, "deliver", _later)),
    ),
    "piecemeal": LiveMaker(
        "messages in frames of 200 bytes, binary ones of 64, a window of 10, ids in the payload of answers",
        both(
            wrap(frames, "frame", _in_pieces),
            wrap(binary, "encode", _frames_of_64),
            *(written(kind, _acknowledged_in_payload) for kind in ("PUBACK", "PUBREC", "PUBCOMP")),
            wrap(Door, "enter", window(10)),
        ),
    ),
    "correlating": LiveMaker(
        "ids by correlation in answers; heartbeats are left to clients; tokens live for six seconds",
        both(
            *(written(kind, _acknowledged_by_correlation) for kind in ("PUBACK", "PUBREC", "PUBCOMP")),
            wrap(Connection, "ping", _leave_it_to_clients),
            wrap(tokens, "LIFETIME_S", lambda _: 6),
        ),
    ),
    "enveloped": LiveMaker(
        "the envelope on MQTT, short names in topics, low packet ids, QoS 1 twice",
        both(
            wrap(Delivery, "packet", _enveloped),
            wrap(topics, "reading", _short_names),
            wrap(topics, "SHORT_PARAMETERS", lambda known: {**known, "temp": "temperature"}),
            wrap(MqttSession, "_next_id", _lowest_ids),
            wrap(MqttSession, "deliver", _twice),
        ),
    ),
    "modest": LiveMaker(
        "a broker that grants little, flat readings, QoS 1 at most on the stream",
        both(
            wrap(MqttConnection, "send", _modest),
            wrap(Broker, "subscribe", _no_shares),
            wrap(MqttConnection, "_acknowledge", _drops_without_a_word),
            wrap(Delivery, "packet", _flat),
            wrap(Conversation, "_topics", _lower_grants),
        ),
    ),
    "plain": LiveMaker("as it is", both()),
}
