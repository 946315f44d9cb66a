"""Defects of a stream, a broker and their messages that are not among the faults of the bundled twin.

Each is what another maker might get wrong. They are put round the bundled twin by `tests.support.live_twin`.
"""

import base64
import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mqtt5 import DisconnectReasonCode
from websockets.frames import Opcode
from websockets.server import ServerProtocol

from reference_server.auth import READ, ROLES, Principal
from reference_server.errors import ApiError
from reference_server.faults.fault import both, wrap
from reference_server.faults.stream_tools import Json, drop, of_sensors, published, put, read, written
from reference_server.messaging import rights, topics
from reference_server.messaging.allowances import UNLIMITED_FROM, Meter
from reference_server.messaging.topics import Tree
from reference_server.mqtt import connection as mqtt_connection
from reference_server.mqtt import login
from reference_server.mqtt import session as mqtt_session
from reference_server.mqtt import subscriptions as mqtt_subscriptions
from reference_server.mqtt.broker import Broker
from reference_server.mqtt.session import Delivery
from reference_server.mqtt.session import Session as MqttSession
from reference_server.stream import binary, connecting, conversation, handshake
from reference_server.stream.connection import Connection
from reference_server.stream.conversation import Conversation
from reference_server.stream.door import Door
from reference_server.stream.session import Session
from reference_server.stream.signatures import Signatures

Make = Callable[..., Any]
ANYONE = Principal("anyone", "viewer", frozenset({READ}), None, 1000, 60.0)
ANYTHING = Principal("anything", "admin", ROLES["admin"], None, UNLIMITED_FROM, 60.0)


@dataclass(frozen=True)
class LiveDefect:
    """A defect, the requirement that it breaks, and what puts it in place."""

    requirement: str
    what: str
    install: Callable[[], None]
    vector: str = ""
    """Of what the standard does not name and the suites only warn of: the vector that does."""


def _bare_digest(accept: Make) -> Make:
    def wrong(self: Any, request: Any) -> Any:
        response = accept(self, request)
        if response.status_code == 101:
            del response.headers["Sec-WebSocket-Accept"]
            key = request.headers["Sec-WebSocket-Key"].encode()
            response.headers["Sec-WebSocket-Accept"] = base64.b64encode(hashlib.sha1(key).digest()).decode()  # noqa: S324
        return response

    return wrong


def _first_offered(select: Make) -> Make:
    return lambda self, offered: next(iter(offered), None)


def _no_version_told(check: Make) -> Make:
    def wrong(request: Any) -> None:
        try:
            check(request)
        except ApiError as problem:
            raise ApiError("UPGRADE_REQUIRED", "another version, please") from problem

    return wrong


def _open_to_pages(admit: Make) -> Make:
    return lambda *given: admit(*given) or ANYONE


def _deaf_to_arrays(text: Make) -> Make:
    return lambda self, data: None if data.lstrip()[:1] == b"[" else text(self, data)


def _ping_ends_fragments(frame: Make) -> Make:
    def wrong(self: Connection, one: Any) -> None:
        if one.opcode is Opcode.PING:
            self._fragments = []
        frame(self, one)

    return wrong


def _limited(init: Make) -> Make:
    def wrong(self: Connection, *given: Any) -> None:
        init(self, *given)
        self.ws.max_fragment_size = 32_000

    return wrong


def _once_each(deliver: Make) -> Make:
    served: set[int] = set()

    def wrong(self: Door, message: Any) -> None:
        for session, granted in self._tree.find(message.topic).items():
            if id(session) not in served:
                served.add(id(session))
                session.hear(message, min(granted, message.qos))

    return wrong


def _per_topic(shown: Json) -> None:
    shown["messageId"] = f"m-{shown.get('sequence', 0)}"


def _naive(shown: Json) -> None:
    shown["timestamp"] = shown["timestamp"][:19]


def _arrival(payload: Json) -> None:
    for one in payload["measurements"]:
        one["timestamp"] = one["timestamp"][:17] + "00.000Z"


def _fahrenheit(payload: Json) -> None:
    for one in payload["measurements"]:
        one["unit"] = "fahrenheit"


def _any_topics(whole: Json) -> None:
    payload = whole.get("payload")
    if whole.get("type") == "SUBSCRIBE" and isinstance(payload, dict) and payload.get("topics") == []:
        payload["topics"] = ["city/none/sensors/#"]


def _granted_only(shown: Json) -> None:
    shown["payload"]["grantedQos"] = [qos for qos in shown["payload"]["grantedQos"] if qos < 3]


def _present_as_text(shown: Json) -> None:
    shown["payload"]["sessionPresent"] = "false"


def _ends_all(unsubscribe: Make) -> Make:
    def wrong(self: Door, session: Session, pattern: Any) -> bool:
        patterns = list(session.subscriptions)
        return len([unsubscribe(self, session, one) for one in patterns]) > 0

    return wrong


def _handler(kind: str, make: Make) -> Callable[[], None]:
    def install() -> None:
        conversation.HANDLERS[kind] = make(conversation.HANDLERS[kind])

    return install


def _puback_for_all(right: Make) -> Make:
    def wrong(self: Conversation, message: Any) -> None:
        right(self, message)
        if message.qos == 0:
            self._handshake("PUBACK", message.id)

    return wrong


def _closes_1011(right: Make) -> Make:
    return lambda self, message: self.connection.close(1011, "going")


def _goes_on(right: Make) -> Make:
    return lambda self, message: self._answer("DISCONNECT", message, {"reasonCode": 0})


def _late_pong(right: Make) -> Make:
    import asyncio

    def wrong(self: Conversation, message: Any) -> None:
        asyncio.get_running_loop().call_later(12.0, right, self, message)

    return wrong


def _plus_for_two(reach: Make) -> Make:
    def wrong(self: Any, node: Any, levels: list[str], depth: int) -> Any:
        yield from list(reach(self, node, levels, depth))
        below = node.below.get("+")
        if below is not None and depth + 2 <= len(levels):
            yield from wrong(self, below, levels, depth + 2)

    return wrong


def _no_parent(reach: Make) -> Make:
    def wrong(self: Any, node: Any, levels: list[str], depth: int) -> Any:
        found = list(reach(self, node, levels, depth))
        if depth == len(levels):
            found = [one for one in found if one is not node.below.get("#")]
        yield from found

    return wrong


def _no_parent_mqtt(walk: Make) -> Make:
    def wrong(self: Any, node: Any, levels: list[str], depth: int) -> Any:
        if depth == len(levels):
            yield from node.members.values()
        else:
            yield from walk(self, node, levels, depth)

    return wrong


def _prefix(walk: Make) -> Make:
    def wrong(self: Any, node: Any, levels: list[str], depth: int) -> Any:
        if 0 < depth < len(levels):
            yield from node.members.values()
        yield from walk(self, node, levels, depth)

    return wrong


def _any_case_topics(find: Make) -> Make:
    def wrong(self: Any, topic: str) -> Any:
        return dict(find(self, topic)) | dict(find(self, topic.replace("/sensors/", "/SENSORS/")))

    return wrong


def _encoded(change: Callable[[bytearray], None]) -> Callable[[], None]:
    def make(encode: Make) -> Make:
        def wrong(*given: Any) -> Any:
            made = [bytearray(one) for one in encode(*given) or []]
            for frame in made:
                change(frame)
            return [bytes(frame) for frame in made] or None

        return wrong

    return wrap(binary, "encode", make)


def _decoded(change: Callable[[bytearray], None]) -> Callable[[], None]:
    def make(decode: Make) -> Make:
        def wrong(frame: bytes) -> Any:
            own = bytearray(frame)
            if len(own) >= 59:
                change(own)
            return decode(bytes(own))

        return wrong

    return wrap(binary, "decode", make)


def _at(change: Callable[[int], int]) -> Callable[[bytearray], None]:
    def apply(frame: bytearray) -> None:
        frame[24:32] = struct.pack("!Q", change(int.from_bytes(frame[24:32])))

    return apply


def _single(frame: bytearray) -> None:
    value = struct.unpack("!d", frame[50:58])[0]
    if abs(value) < 1e30:
        frame[50:58] = struct.pack("!d", struct.unpack("!f", struct.pack("!f", value))[0])


def _slowly(init: Make) -> Make:
    def wrong(self: Conversation, *given: Any) -> None:
        init(self, *given)
        self.interval = 70.0

    return wrong


def window(size: int) -> Make:
    def make(enter: Make) -> Make:
        def wrong(self: Door, talk: Any, *given: Any) -> Any:
            present = enter(self, talk, *given)
            talk.session.window = size
            return present

        return wrong

    return make


def _no_subscriptions(enter: Make) -> Make:
    def wrong(self: Door, talk: Any, caller: Any, wish: Any) -> Any:
        present = enter(self, talk, caller, wish)
        if present:
            for pattern in list(talk.session.subscriptions):
                self.unsubscribe(talk.session, pattern)
        return present

    return wrong


def _any_user(right: Make) -> Make:
    return lambda keyring, user, *given: right(
        keyring, user if user in (None, "oauth") else "api-key", *given
    )


def _nameless(right: Make) -> Make:
    def wrong(keyring: Any, user: Any, password: Any, *given: Any) -> Any:
        return right(keyring, user or ("api-key" if password else None), password, *given)

    return wrong


def _short_sessions(opened: Make) -> Make:
    def wrong(self: Broker, client: Any, packet: Any) -> Any:
        session, present = opened(self, client, packet)
        session.expiry = min(session.expiry, 5)
        return session, present

    return wrong


def _forgets_filters(opened: Make) -> Make:
    def wrong(self: Broker, client: Any, packet: Any) -> Any:
        session, present = opened(self, client, packet)
        for text in list(session.subscriptions):
            self.unsubscribe(session, text)
        return session, present

    return wrong


def _attached(change: Callable[[MqttSession, Any], None]) -> Callable[[], None]:
    def make(attach: Make) -> Make:
        def wrong(self: MqttSession, link: Any) -> None:
            change(self, link)
            attach(self, link)

        return wrong

    return wrap(MqttSession, "attach", make)


def _new_ids(session: MqttSession, link: Any) -> None:
    for delivery in session.queue:
        if delivery.qos == 2 and delivery.packet_id:
            session.inflight.pop(delivery.packet_id, None)
            delivery.packet_id = 0
    for old, delivery in list(session.inflight.items()):
        del session.inflight[old]
        delivery.packet_id = 0
        delivery.waits_for = mqtt_session.RECEIVED if delivery.qos == 2 else mqtt_session.ACK
        session.queue.appendleft(delivery)
        session.queued_bytes += len(delivery.message.payload)


def _forgets_received(session: MqttSession, link: Any) -> None:
    session.received.clear()


def _newest_first(session: MqttSession, link: Any) -> None:
    session.queue.reverse()


def _drops_the_client(publish: Make) -> Make:
    def wrong(self: Any, delivery: Delivery, expiry: int | None) -> bool:
        if publish(self, delivery, expiry):
            return True
        self.end(DisconnectReasonCode.PACKET_TOO_LARGE)
        return False

    return wrong


def _value_as_text(packet: Make) -> Make:
    import orjson

    def wrong(self: Delivery, *given: Any) -> Any:
        if self.message.fact is not None:
            shown = orjson.loads(self.message.payload)
            for one in shown["measurements"]:
                one["value"] = str(one["value"])
            self.message.payload = orjson.dumps(shown)
        return packet(self, *given)

    return wrong


def _quality_lost(packet: Make) -> Make:
    import orjson

    def wrong(self: Delivery, *given: Any) -> Any:
        if self.message.fact is not None:
            shown = orjson.loads(self.message.payload)
            for one in shown["measurements"]:
                one["quality"] = "good"
            self.message.payload = orjson.dumps(shown)
        return packet(self, *given)

    return wrong


def _shares_are_free(subscribe: Make) -> Make:
    def wrong(self: Broker, session: Any, principal: Any, wanted: Any, identifier: Any) -> Any:
        shared = wanted.pattern.startswith("$share/")
        return subscribe(self, session, ANYTHING if shared else principal, wanted, identifier)

    return wrong


def _any_city(may: Make) -> Make:
    return lambda caller, pattern: pattern.startswith("city/+/") or may(caller, pattern)


def _any_will(say: Make) -> Make:
    return lambda self, principal, will: say(self, ANYTHING, will)


def _bytes_alone(take: Make) -> Make:
    def wrong(self: Meter, caller: Any, size: int) -> bool:
        allowed: bool = take(self, caller, size)
        bucket = self._buckets.get(caller.name)
        return allowed or bucket is None or bucket[1] >= size

    return wrong


def _unsigned_taken(verify: Make) -> Make:
    def wrong(self: Signatures, whole: Json) -> None:
        if isinstance(whole["signature"], dict) and whole["signature"].get("value"):
            verify(self, whole)

    return wrong


def _lower_type(build: Make) -> Make:
    return lambda city, kind, name: build(city, kind.lower(), name)


def _spaced(build: Make) -> Make:
    return lambda city, severity, category: build(city, severity, category.replace("-", " ").title())


def _other_city(build: Make) -> Make:
    return lambda city, *words: build(city.split("-")[1].title(), *words)


def _text_qos(whole: Json) -> None:
    if isinstance(whole.get("qos"), str) and whole["qos"].isdigit():
        whole["qos"] = int(whole["qos"])


def _updates_to_mqtt_only(deliver: Make) -> Make:
    return lambda self, message: None if "/objects/" in message.topic else deliver(self, message)


def _same_answer(subscribe: Make) -> Make:
    """Refused filters are granted in the answer's words, and deliver nothing."""

    def wrong(self: Conversation, session: Any, pattern: str) -> Any:
        return None if pattern.count("#") else subscribe(self, session, pattern)

    return wrong


def _ignore_auth(caller: Make) -> Make:
    def wrong(keyring: Any, given: Any, known: Any) -> Any:
        return known if known is not None else caller(keyring, given, known)

    return wrong


DEFECTS: tuple[LiveDefect, ...] = tuple(
    LiveDefect(f"DTC-P3-{number}", what, install)
    for number, what, install in (
        ("002", "Accept is a digest of the key alone", wrap(ServerProtocol, "accept", _bare_digest)),
        ("003", "the first offered subprotocol is taken", both(
            wrap(ServerProtocol, "select_subprotocol", _first_offered),
            wrap(handshake, "check_subprotocol", lambda _: lambda request: None),
        )),
        ("004", "426 does not name version 13", wrap(handshake, "check_version", _no_version_told)),
        ("005", "a page needs no credentials", wrap(handshake, "admit", _open_to_pages)),
        ("006", "a JSON array is passed over in silence", wrap(Conversation, "text", _deaf_to_arrays)),
        ("007", "a ping between fragments loses it", wrap(Connection, "_frame", _ping_ends_fragments)),
        ("008", "frames of 60 KB are refused", wrap(Connection, "__init__", _limited)),
        ("011", "only the first message comes", wrap(Door, "deliver", _once_each)),
        ("012", "CONNACK has no timestamp", written("CONNACK", drop("timestamp"))),
        ("012", "errors have no messageId", written("ERROR", drop("messageId"))),
        ("014", "PONG is spelt pong", written("PONG", put("type", "pong"))),
        ("015", "ids count the messages of each topic", published(_per_topic)),
        ("016", "instants of PUBACK have no zone", written("PUBACK", _naive)),
        ("017", "a qos of text is read as a number", read(_text_qos)),
        ("018", "the broker forgets when messages expire", both(
            wrap(mqtt_session, "remaining", lambda _: lambda message: None),
        )),
        ("019", "encodings are spelt in capitals", published(put("encoding", "JSON"))),
        ("022", "readings carry the unit fahrenheit", published(of_sensors(_fahrenheit))),
        ("022", "readings carry instants of whole minutes", published(of_sensors(_arrival))),
        ("024", "an empty list of topics is taken", read(_any_topics)),
        ("025", "refused topics have no place in grantedQos", written("SUBACK", _granted_only)),
        ("026", "sessionPresent is text", written("CONNACK", _present_as_text)),
        ("026", "bad credentials in CONNECT are not looked at", wrap(connecting, "caller", _ignore_auth)),
        ("027", "UNSUBSCRIBE ends every subscription", wrap(Door, "unsubscribe", _ends_all)),
        ("028", "QoS 0 is acknowledged", _handler("PUBLISH", _puback_for_all)),
        ("029", "DISCONNECT is closed with 1011", _handler("DISCONNECT", _closes_1011)),
        ("029", "DISCONNECT is acknowledged and the connection goes on", _handler("DISCONNECT", _goes_on)),
        ("030", "+ matches two levels too", wrap(Tree, "_reach", _plus_for_two)),
        ("030", "# does not match the level above it", wrap(Tree, "_reach", _no_parent)),
        ("030", "# does not match the level above it, at the broker", wrap(
            mqtt_subscriptions.Tree, "_walk", _no_parent_mqtt
        )),
        ("030", "a filter matches what begins like it, at the broker", wrap(
            mqtt_subscriptions.Tree, "_walk", _prefix
        )),
        ("030", "filters are compared without their case", wrap(Tree, "find", _any_case_topics)),
        ("030", "a filter with # in the middle is granted", wrap(Conversation, "_may_not", _same_answer)),
        ("031", "binary messages share an id", _encoded(
            lambda frame: frame.__setitem__(slice(8, 24), b"\1" * 16)
        )),
        ("031", "the header's type is read in any byte order", _decoded(
            lambda frame: frame.__setitem__(slice(4, 8), struct.pack("!I", 3))
        )),
        ("032", "the value is read in another byte order", _decoded(
            lambda frame: frame.__setitem__(slice(50, 58), frame[50:58][::-1])
        )),
        ("034", "binary messages hold microseconds", _encoded(_at(lambda ms: ms * 1000))),
        ("034", "instants of binary messages are read as seconds", _decoded(_at(lambda ms: ms // 1000))),
        ("035", "parameter ids are read in another byte order", _decoded(
            lambda frame: frame.__setitem__(slice(48, 50), frame[48:50][::-1])
        )),
        ("036", "reserved bytes are sent as FF", _encoded(
            lambda frame: frame.__setitem__(slice(59, 66), b"\xff" * 7)
        )),
        ("036", "quality bytes are read from the other end", _decoded(
            lambda frame: frame.__setitem__(58, 5 - frame[58] if 0 < frame[58] < 5 else frame[58])
        )),
        ("037", "binary messages hold whole seconds", _encoded(_at(lambda ms: ms // 1000 * 1000))),
        ("037", "values of binary messages are read as single floats", _decoded(_single)),
        ("038", "a heartbeat comes every 70 s", wrap(Conversation, "__init__", _slowly)),
        ("039", "PONG comes after 12 s", _handler("PING", _late_pong)),
        ("046", "a session that is present has no subscriptions", wrap(Door, "enter", _no_subscriptions)),
        ("047", "200 messages are in flight", wrap(Door, "enter", window(200))),
        ("051", "UNSUBSCRIBE changes nothing at the broker", wrap(
            Broker, "unsubscribe", lambda _: lambda self, session, text: True
        )),
        ("052", "any user name goes with a key", wrap(login, "principal", _any_user)),
        ("054", "a key without a user name logs in", wrap(login, "principal", _nameless)),
        ("055", "silent clients are dropped after three intervals", wrap(
            mqtt_connection, "KEEP_ALIVE_FACTOR", lambda _: 3.0
        )),
        ("056", "sessions live for five seconds", wrap(Broker, "open", _short_sessions)),
        ("056", "a resumed session has lost its subscriptions", wrap(Broker, "open", _forgets_filters)),
        ("057", "fifty more than the receive maximum are in flight", _attached(
            lambda session, link: setattr(link, "receive_max", link.receive_max + 50)
        )),
        ("058", "a client is dropped for a packet above its limit", wrap(
            mqtt_connection.Connection, "publish", _drops_the_client
        )),
        ("059", "two more aliases than announced", _attached(
            lambda session, link: setattr(link, "_alias_max", link._alias_max and link._alias_max + 2)
        )),
        ("061", "topics name the city, not its id", wrap(topics, "reading", _other_city)),
        ("062", "the type of an object is in small letters", wrap(topics, "object_update", _lower_type)),
        ("064", "categories are words with spaces", wrap(topics, "alert", _spaced)),
        ("067", "values are text over MQTT", wrap(Delivery, "packet", _value_as_text)),
        ("067", "every quality is good over MQTT", wrap(Delivery, "packet", _quality_lost)),
        ("070", "QoS 2 is resumed under new packet ids", _attached(_new_ids)),
        ("070", "QoS 2 of a publisher is forgotten with its connection", _attached(_forgets_received)),
        ("071", "what was queued comes newest first", _attached(_newest_first)),
        ("083", "shared subscriptions are not judged", wrap(Broker, "subscribe", _shares_are_free)),
        ("083", "a filter for all cities is granted to everybody", both(
            wrap(rights, "may_subscribe", _any_city),
        )),
        ("084", "a last will is published whatever its topic", both(
            wrap(Broker, "say", _any_will),
            wrap(login, "check_will", lambda _: lambda principal, will: None),
        )),
        ("085", "only bytes are limited", wrap(Meter, "take", _bytes_alone)),
        ("086", "a signature without a value is taken", wrap(Signatures, "verify", _unsigned_taken)),
        ("087", "updates of objects do not reach the stream", wrap(Door, "deliver", _updates_to_mqtt_only)),
    )
)  # fmt: skip
