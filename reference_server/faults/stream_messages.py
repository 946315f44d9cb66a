"""Defects of the stream's messages (P3 5.1-5.4, 6.2-6.5, 7.3, 8.3, 8.4; P2 2.2)."""

from collections.abc import Callable
from typing import Any

from reference_server import client
from reference_server.errors import ApiError
from reference_server.faults.fault import both, wrap
from reference_server.faults.stream_tools import (
    Json,
    Make,
    always,
    drop,
    forget,
    instead,
    nothing,
    of_sensors,
    published,
    put,
    read,
    written,
)
from reference_server.messaging import rights, topics
from reference_server.messaging.allowances import Meter
from reference_server.messaging.ingest import Ingest
from reference_server.messaging.messages import Message
from reference_server.messaging.publisher import Publisher
from reference_server.messaging.topics import Tree
from reference_server.storage.protocol import Measured
from reference_server.stream import connecting, conversation
from reference_server.stream.conversation import Conversation
from reference_server.stream.door import Door
from reference_server.stream.signatures import Signatures


def _handler(kind: str, make: Make) -> Callable[[], None]:
    """Replace what answers a type of message."""

    def install() -> None:
        conversation.HANDLERS[kind] = make(conversation.HANDLERS[kind])

    return install


def _flat(payload: Json) -> None:
    payload |= payload.pop("measurements")[0]
    del payload["unit"]


def _other_severity(shown: Json) -> None:
    if shown.get("event") == "alert:created":
        shown["payload"]["severity"] = "low" if shown["payload"]["severity"] != "low" else "high"


def _same_id(shown: Json) -> None:
    if shown["qos"] == 0:
        shown["messageId"] = "msg-0"


def _any_topics(find: Make) -> Make:
    def lax(self: Conversation, message: Any) -> Any:
        try:
            return find(self, message)
        except ApiError:
            return []

    return lax


def _one_grant(shown: Json) -> None:
    shown["payload"]["grantedQos"] = shown["payload"]["grantedQos"][:1]


def _higher(shown: Json) -> None:
    shown["payload"]["grantedQos"] = [
        min(qos + 1, 2) if qos < 3 else qos for qos in shown["payload"]["grantedQos"]
    ]


def _welcoming(find: Make) -> Make:
    def lax(keyring: Any, given: Any, known: Any) -> Any:
        try:
            return find(keyring, given, known)
        except ApiError:
            if known is None:
                raise
            return known

    return lax


def _other_name(shown: Json) -> None:
    shown["messageId"] = shown["correlationId"] = shown["payload"]["messageId"] = "msg-2"


def _no_puback(handshake: Make) -> Make:
    def wrong(self: Conversation, kind: str, *arguments: Any) -> None:
        if kind != "PUBACK":
            handshake(self, kind, *arguments)

    return wrong


def _lax_admit(*codes: str) -> Make:
    def make(admit: Make) -> Make:
        def lax(self: Ingest, caller: Any, incoming: Any) -> None:
            try:
                admit(self, caller, incoming)
            except ApiError as problem:
                if problem.code not in codes:
                    raise

        return lax

    return make


def _no_plus(reach: Make) -> Make:
    def wrong(self: Tree[Any], node: Any, levels: list[str], depth: int) -> Any:
        hidden = {key: below for key, below in node.below.items() if key != "+"}
        kept, node.below = node.below, hidden
        try:
            yield from list(reach(self, node, levels, depth))
        finally:
            node.below = kept

    return wrong


def _wide_plus(find: Make) -> Make:
    """`+` in the last place matches any word, and a filter's last word is not compared."""

    def wrong(self: Tree[Any], topic: str) -> Any:
        found = dict(find(self, topic))
        for other in ("temperature", "humidity", "air_quality"):
            head, _, last = topic.rpartition("/")
            if last in ("temperature", "humidity", "air_quality") and other != last:
                found |= find(self, f"{head}/{other}")
        return found

    return wrong


def _any_filter(_: Make) -> Make:
    return bool


def _locked(enter: Make) -> Make:
    known: set[tuple[str, str]] = set()

    def wrong(self: Door, talk: Any, caller: Any, wish: Any) -> Any:
        if wish.client_id is not None:
            key = (caller.name, wish.client_id)
            if key in known and (talk.session is None or talk.session.client_id != wish.client_id):
                raise ApiError("FORBIDDEN", "this client id is in use")
            known.add(key)
        return enter(self, talk, caller, wish)

    return wrong


def _wide_window(enter: Make) -> Make:
    def wrong(self: Door, talk: Any, *arguments: Any) -> Any:
        present = enter(self, talk, *arguments)
        talk.session.window = 1_000_000
        return present

    return wrong


def _without(kind: str) -> Make:
    """A publisher that says nothing of a kind of change."""

    def make(said: Make) -> Make:
        return lambda self, change: [] if change.kind == kind else said(self, change)

    return make


def _no_readings(heard: Make) -> Make:
    def wrong(self: Publisher, changes: Any) -> None:
        heard(self, [one for one in changes if not (isinstance(one, Measured) and one.origin is None)])

    return wrong


def _lost_tail(build: Make) -> Make:
    return lambda *words: build(*words).rpartition("/")[0]


def _named(event: str, wrong: str) -> Callable[[], None]:
    return published(lambda shown: shown.update(event=wrong) if shown.get("event") == event else None)


def _early(attempt: Make) -> Make:
    async def wrong(self: Any) -> None:
        if self.state == client.CONNECTING:
            self._move(client.CONNECTED, "connected")
        await attempt(self)

    return wrong


def _patient(init: Make) -> Make:
    def wrong(self: Any, options: Any, *arguments: Any, **more: Any) -> None:
        import msgspec

        init(self, msgspec.structs.replace(options, pong_s=1e6), *arguments, **more)

    return wrong


_naive = put("timestamp", lambda text: str(text)[:19])
_moves_again = {**client.MOVES, client.CONNECTED: {*client.MOVES[client.CONNECTED], client.CONNECTED}}
TABLE: tuple[tuple[str, str, Callable[[], None]], ...] = (
    ("011", "nothing is pushed to subscribers", wrap(Door, "deliver", nothing)),
    ("012", "published messages have no timestamp", published(drop("timestamp"))),
    ("012.answers", "answers have no version", written("", drop("version"))),
    (
        "012.lax",
        "messages without an id are accepted",
        read(lambda whole: whole.setdefault("messageId", "none")),
    ),
    (
        "013",
        "messages have version 2.0.0",
        both(published(put("version", "2.0.0")), written("", put("version", "2.0.0"))),
    ),
    ("013.lax", "messages of another version are accepted", read(drop("version"))),
    ("014", "types are accepted in any case", read(put("type", lambda kind: str(kind).upper()))),
    ("014.sends", "published messages have type publish", published(put("type", "publish"))),
    ("015", "published messages share an id", published(_same_id)),
    ("016", "instants of published messages have no zone", published(_naive)),
    ("016.lax", "instants without a zone are accepted", read(drop("timestamp"))),
    ("017", "a qos of 3 or of text is accepted", read(forget("qos", lambda qos: qos not in (0, 1, 2)))),
    ("018", "messages are delivered after their time", wrap(Message, "expired", always(False))),
    (
        "018.lax",
        "a negative ttl is accepted",
        read(forget("ttl", lambda ttl: not isinstance(ttl, int) or ttl < 0)),
    ),
    ("019", "an encoding of xml is accepted", read(forget("encoding", lambda name: name == "xml"))),
    ("019.sends", "published messages have encoding text", published(put("encoding", "text"))),
    (
        "021",
        "messages on topics with wildcards are accepted",
        wrap(Ingest, "admit", _lax_admit("INVALID_TOPIC")),
    ),
    ("021.sends", "published messages have no topic", published(drop("topic"))),
    (
        "022",
        "readings are published in the flat form without a unit",
        published(of_sensors(_flat)),
    ),
    ("022.sensor", "readings are published without their sensor", published(of_sensors(drop("sensorId")))),
    ("023", "an alert has another severity than its topic", published(_other_severity)),
    ("024", "a SUBSCRIBE without topics is accepted", wrap(Conversation, "_topics", _any_topics)),
    ("025", "only the first of several topics is answered", written("SUBACK", _one_grant)),
    ("025.above", "more is granted than was asked for", written("SUBACK", _higher)),
    (
        "026",
        "CONNACK has no sessionPresent",
        written("CONNACK", lambda shown: shown["payload"].pop("sessionPresent")),
    ),
    ("026.lax", "bad credentials in CONNECT are accepted", wrap(connecting, "caller", _welcoming)),
    ("027", "UNSUBSCRIBE changes nothing", wrap(Door, "unsubscribe", always(True))),
    ("028", "PUBACK names another message", written("PUBACK", _other_name)),
    ("028.none", "there is no PUBACK", wrap(Conversation, "_handshake", _no_puback)),
    ("029", "DISCONNECT is not heeded", _handler("DISCONNECT", nothing)),
    ("030", "+ matches nothing", wrap(Tree, "_reach", _no_plus)),
    (
        "030.lax",
        "# is accepted in the middle of a filter",
        both(wrap(topics, "is_filter", _any_filter), wrap(rights, "may_subscribe", always(True))),
    ),
    ("030.wide", "the last word of a filter is not compared", wrap(Tree, "find", _wide_plus)),
    ("039", "PING is not answered", _handler("PING", nothing)),
    ("041", "the client waits for ever for a PONG", wrap(client.Client, "__init__", _patient)),
    (
        "042",
        "the client is CONNECTED before CONNACK",
        both(wrap(client, "MOVES", instead(_moves_again)), wrap(client.Client, "_attempt", _early)),
    ),
    ("043", "the waits of the client have no upper limit", wrap(client, "MAX_S", instead(1e6))),
    ("043.base", "the waits of the client begin with two seconds", wrap(client, "BASE_S", instead(2.0))),
    (
        "044",
        "the waits of the client are longer than the formula",
        wrap(client, "JITTER", instead((1.1, 1.5))),
    ),
    ("044.none", "the waits of the client have no jitter", wrap(client, "JITTER", instead((1.0, 1.0)))),
    ("045", "the client tries twelve times", wrap(client, "MAX_RETRIES", instead(12))),
    ("046", "a client id is locked out after a drop", wrap(Door, "enter", _locked)),
    ("047", "receiveMaximum is ignored", wrap(Door, "enter", _wide_window)),
    ("049", "a pause is ignored", _handler("FLOW_CONTROL", nothing)),
    ("061", "topics of readings lack the parameter", wrap(topics, "reading", _lost_tail)),
    ("062", "topics of objects lack their last word", wrap(topics, "object_update", _lost_tail)),
    ("063", "topics of simulations lack their last word", wrap(topics, "simulation", _lost_tail)),
    ("064", "topics of alerts lack the category", wrap(topics, "alert", _lost_tail)),
    ("065", "topics of services lack their last word", wrap(topics, "service", _lost_tail)),
    ("083", "any topic may be subscribed to", wrap(rights, "may_subscribe", always(True))),
    ("084", "any topic may be published on", wrap(rights, "may_publish", always(True))),
    ("085", "message limits are not enforced", wrap(Meter, "take", always(True))),
    ("086", "signatures are not verified", wrap(Signatures, "verify", nothing)),
    ("087", "updates of objects are not published", wrap(Publisher, "said", _without("object"))),
    ("087.readings", "readings over REST are not published", wrap(Publisher, "heard", _no_readings)),
    (
        "087.simulations",
        "ends of simulations are not published",
        wrap(Publisher, "said", _without("simulation")),
    ),
    ("087.services", "states of services are not published", wrap(Publisher, "said", _without("service"))),
    ("087.alerts", "alerts are not raised", wrap(Publisher, "said", _without("alert"))),
)
NAMES: tuple[tuple[str, str, Callable[[], None]], ...] = (
    ("104", "readings are called sensor.data", _named("sensor:data", "sensor.data")),
    ("104.update", "updates are called object:updated", _named("city:updated", "object:updated")),
)
"""Of phase 2: the names of events."""
