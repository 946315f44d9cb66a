"""The envelope: DTC-P3-006, -012 to -021."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from dtc_cli.harness.suite import Blocked, NotApplicable, Twin, Violation, catalogue, expect, verifies
from suites.phase2.support_live import moment, once
from suites.phase3.support import broker, readings, wia
from suites.phase3.support.mild import wanted
from suites.phase3.support.wia import OF_THE_SERVER, Message, Session, open_session

CLAUSE = "P3 5.1"
ROUNDS = 30
LIVES_ON_S = 300
NO_MESSAGES = {
    "words": "hello",
    "empty": "",
    "array": "[]",
    "number": "42",
    "text": '"PING"',
    "null": "null",
    "half": '{"type": "PING"',
    "two": '{"type":"PING"}{"type":"PING"}',
    "xml": "<message type='PING'/>",
}
OF_THE_CLIENT = {row.name for row in catalogue().messages.types if row.direction in ("client", "both")}


def sample(twin: Twin) -> list[Message]:
    """What the target sends in an ordinary session: answers and readings."""
    return once(twin, "p3-sample", lambda: _sample(twin))


def _sample(twin: Twin) -> list[Message]:
    sensor = readings.sensor(twin)
    session = open_session(twin)
    session.send(
        "CONNECT", {"clientId": f"dtc-sample-{twin.run_id[-8:]}", "auth": auth(twin), "keepAlive": 60}
    )
    session.reply({"CONNACK"})
    session.send("PING")
    session.reply({"PONG"})
    got: list[Message] = []
    for qos in (0, 1):
        session.subscribed((readings.filter_of(twin), qos), subscriptionId="dtc-sample")
        for number in range(ROUNDS // 2):
            parameter = "temperature" if number % 2 else "humidity"
            readings.post(twin, sensor, readings.measurement(twin, parameter))
        got += session.publishes(wia.DELIVERY_S, readings.like(sensor), most=ROUNDS // 2)
    session.send("UNSUBSCRIBE", {"topics": [readings.filter_of(twin)]})
    said = readings.body(sensor, readings.measurement(twin))
    session.send("PUBLISH", said, topic=readings.topic(twin, sensor), qos=1)
    session.reply({"PUBACK"})
    session.send("HELLO")  # what is no type is answered, or ends the connection
    session.reply({"ERROR", "DISCONNECT"})
    session.close()
    if not got and {one.get("type") for one in session.heard} <= OF_THE_SERVER:
        raise Blocked("DTC-P3-011", "no reading came over the stream")
    return session.heard


def judge_each(
    twin: Twin, holds: Callable[[Message], bool], message: str, *, expected: str, clause: str = CLAUSE
) -> None:
    """Every message of the sample does this."""
    for one in sample(twin):
        expect.that(holds(one), message, expected=expected, actual=one, clause=clause)


def judge_refused(
    twin: Twin, spoil: Callable[[Message], Any], what: str, *, kind: str = "SUBSCRIBE", **options: Any
) -> None:
    """A message that is spoilt so is refused: by ERROR, a failure in its answer, DISCONNECT or a close."""
    session = open_session(twin)
    message = session.envelope(kind, _payload(twin, kind), **_members(twin, kind))
    spoilt = spoil(message)
    session.link.send_text(spoilt if isinstance(spoilt, str) else json.dumps(spoilt))
    answers = {"SUBSCRIBE": {"SUBACK"}, "PUBLISH": {"PUBACK"}, "PING": {"PONG"}}[kind]
    refused = session.refusal(of=answers)
    session.close()
    options.get("judge", expect.that)(
        refused is not None,
        f"{what} is not refused",
        expected="an error message, a failure in the answer, or a close",
        actual=session.told(session.heard[-1] if session.heard else None),
        clause=options.get("clause", CLAUSE),
    )


def _payload(twin: Twin, kind: str) -> Any:
    if kind == "SUBSCRIBE":
        return {"topics": [{"topic": readings.filter_of(twin), "qos": 0}]}
    if kind == "PUBLISH":
        return readings.body(readings.sensor(twin), readings.measurement(twin))
    return {}


def _members(twin: Twin, kind: str) -> dict[str, Any]:
    return {"topic": readings.topic(twin, readings.sensor(twin)), "qos": 1} if kind == "PUBLISH" else {}


def judge_taken(twin: Twin, change: Callable[[Message], Message], what: str, *, clause: str = CLAUSE) -> None:
    """A legal message is answered by its own answer."""
    session = open_session(twin)
    message = change(session.envelope("SUBSCRIBE", _payload(twin, "SUBSCRIBE")))
    session.link.send_text(json.dumps(message))
    answer = session.reply({"SUBACK", "ERROR", "DISCONNECT"})
    session.close()
    expect.that(
        answer is not None and answer.get("type") == "SUBACK" and not wia.failure(answer),
        f"{what} is refused",
        expected="SUBACK",
        actual=session.told(answer),
        clause=clause,
    )


def without(name: str) -> Callable[[Message], Message]:
    """The message without one member."""
    return lambda message: {key: value for key, value in message.items() if key != name}


def having(**members: Any) -> Callable[[Message], Message]:
    """The message with these members."""
    return lambda message: {**message, **members}


@verifies("DTC-P3-006")
def test_a_text_message_is_answered(twin: Twin) -> None:
    judge_taken(twin, lambda message: message, "a SUBSCRIBE envelope", clause="P3 4.1.2")


@verifies("DTC-P3-006")
def test_every_text_of_the_target_is_one_object(twin: Twin) -> None:
    session = open_session(twin)
    session.send("PING")
    session.subscribe((readings.filter_of(twin), 0))
    texts = []
    for found in session.link.during(wia.DELIVERY_S):
        texts += [found] if found.kind == "text" else []
        if len(texts) == 2 or found.over:  # the answers to both
            break
    session.close()
    if not texts:
        raise Blocked("DTC-P3-025", "the target sends no text")
    for found in texts:
        expect.that(
            wia.message_of(found) is not None,
            "a text frame of the target holds no JSON object",
            actual=found.data[:200].decode("utf-8", "backslashreplace"),
            clause="P3 4.1.2",
        )


@verifies("DTC-P3-006", negative=True)
@pytest.mark.parametrize("how", NO_MESSAGES)
def test_other_text_is_not_ignored(twin: Twin, how: str) -> None:
    judge_refused(twin, lambda _: NO_MESSAGES[how], f"the text {NO_MESSAGES[how]!r}", clause="P3 4.1.2")


@verifies("DTC-P3-006", negative=True)
def test_text_that_is_not_utf_8_ends_the_connection(twin: Twin) -> None:
    session = open_session(twin)
    session.link.send_text(b'{"type": "\xff\xfe"}')
    refused = session.refusal()
    session.close()
    expect.that(
        refused is not None, "bytes that are no UTF-8 are ignored", expected="close 1007", clause="P3 4.1.2"
    )


@verifies("DTC-P3-012")
@pytest.mark.parametrize("name", ["version", "type", "message-id", "timestamp", "payload"])
def test_messages_of_the_target_have(twin: Twin, name: str) -> None:
    member = "messageId" if name == "message-id" else name
    judge_each(twin, lambda one: member in one, f"a message lacks {member}", expected=f"a member {member}")


@verifies("DTC-P3-012")
def test_a_message_without_version_and_timestamp_is_tolerated(twin: Twin) -> None:
    """C-61: the text frame of 4.1.2 has neither; a server may insist on them, but not be silent."""
    session = open_session(twin)
    message = session.envelope("SUBSCRIBE", _payload(twin, "SUBSCRIBE"))
    session.link.send_text(json.dumps({key: message[key] for key in ("type", "messageId", "payload")}))
    answer = session.reply({"SUBACK", "ERROR", "DISCONNECT"})
    session.close()
    expect.that(
        answer is not None or session.ended is not None,
        "a message without version and timestamp is ignored",
        expected="SUBACK, or an error",
        clause="C-61",
    )


@verifies("DTC-P3-012", negative=True)
@pytest.mark.parametrize("name", ["type", "message-id", "payload"])
def test_a_message_without_it_is_refused(twin: Twin, name: str) -> None:
    member = "messageId" if name == "message-id" else name
    judge_refused(twin, without(member), f"a message without {member}")


@verifies("DTC-P3-013")
def test_the_target_says_its_version(twin: Twin) -> None:
    judge_each(
        twin,
        # A member that is missing is judged by DTC-P3-012, here and below.
        lambda one: "version" not in one or (isinstance(one["version"], str)
        and one["version"].split(".")[0] == "1" and one["version"].count(".") == 2),
        "the version of a message is not that of the protocol",
        expected='"1.0.0", or another version of the same major',
    )  # fmt: skip


@verifies("DTC-P3-013")
@pytest.mark.parametrize("version", ["1.0.0", "1.2.3"])
def test_the_same_major_is_accepted(twin: Twin, version: str) -> None:
    judge_taken(twin, having(version=version), f"version {version}")


@verifies("DTC-P3-013", negative=True)
@pytest.mark.parametrize(
    "version", ["9.0.0", "2.0.0", 1, "one", None], ids=["nine", "two", "number", "word", "null"]
)
def test_another_version_is_refused(twin: Twin, version: Any) -> None:
    judge_refused(twin, having(version=version), f"version {version!r}")


@verifies("DTC-P3-014")
def test_the_target_uses_the_types_of_a_server(twin: Twin) -> None:
    judge_each(
        twin,
        lambda one: one.get("type", "PING") in OF_THE_SERVER,
        "the target sends a type that is none, or that only a client sends",
        expected=f"one of {', '.join(sorted(OF_THE_SERVER))}",
        clause="P3 2.2, 5.1, C-67",
    )


@verifies("DTC-P3-014", negative=True)
@pytest.mark.parametrize(
    "kind",
    ["subscribe", "HELLO", "", "SUBSCRIBE ", 8, None],
    ids=["lower", "unknown", "empty", "space", "number", "null"],
)
def test_an_unknown_type_is_refused(twin: Twin, kind: Any) -> None:
    judge_refused(twin, having(type=kind), f"the type {kind!r}", clause="P3 2.2, 5.1")


@verifies("DTC-P3-014", negative=True)
@pytest.mark.parametrize("kind", sorted({"CONNACK", "SUBACK"} - OF_THE_CLIENT))
def test_a_type_of_the_server_is_refused_from_a_client(twin: Twin, kind: str) -> None:
    judge_refused(twin, having(type=kind), f"{kind} from a client", clause="P3 2.2, 5.1")


@verifies("DTC-P3-015")
def test_ids_of_the_target_are_texts(twin: Twin) -> None:
    judge_each(
        twin,
        lambda one: isinstance(one.get("messageId", "none"), str) and one.get("messageId") != "",
        "a messageId is no text, or empty",
        expected="non-empty text",
    )


@verifies("DTC-P3-015", negative=True)
def test_no_two_publishes_share_an_id(twin: Twin) -> None:
    seen: dict[str, Any] = {}
    for one in sample(twin):
        if one.get("type") != "PUBLISH":
            continue
        other = seen.setdefault(str(one.get("messageId")), one.get("payload"))
        if not expect.same_json(other, one.get("payload")):
            raise Violation(
                "two different PUBLISH share a messageId",
                expected="an id for each",
                actual=str(one.get("messageId")),
                clause=CLAUSE,
            )


@verifies("DTC-P3-015", negative=True)
@pytest.mark.parametrize("value", ["", 7, None, {}], ids=["empty", "number", "null", "object"])
def test_an_id_that_is_none_is_refused(twin: Twin, value: Any) -> None:
    judge_refused(twin, having(messageId=value), f"the messageId {value!r}")


@verifies("DTC-P3-016")
def test_instants_of_the_target_have_a_zone(twin: Twin) -> None:
    judge_each(
        twin,
        lambda one: "timestamp" not in one or moment(one["timestamp"]) is not None,
        "the timestamp of a message is no instant with a zone",
        expected="an ISO 8601 instant with zone",
        clause="P3 5.1, C-84",
    )


@verifies("DTC-P3-016")
@pytest.mark.parametrize("zone", ["+09:00", "-05:30", "Z"], ids=["east", "west", "utc"])
def test_an_instant_in_any_zone_is_accepted(twin: Twin, zone: str) -> None:
    at = twin.clock.now() - timedelta(seconds=1)
    shift = {"+09:00": timedelta(hours=9), "-05:30": -timedelta(hours=5, minutes=30), "Z": timedelta()}[zone]
    text = (at + shift).replace(tzinfo=None).isoformat(timespec="seconds") + zone
    judge_taken(twin, having(timestamp=text), f"the timestamp {text}")


@verifies("DTC-P3-016", negative=True)
@pytest.mark.parametrize(
    "value",
    [1705282200000, "1705282200000", "2025-01-15T10:30:00", "yesterday"],
    ids=["number", "digits", "no-zone", "word"],
)
def test_a_timestamp_that_is_none_is_refused(twin: Twin, value: Any) -> None:
    judge_refused(twin, having(timestamp=value), f"the timestamp {value!r}", clause="P3 5.1, C-84")


@verifies("DTC-P3-017")
def test_the_qos_of_the_target_is_one_of_three(twin: Twin) -> None:
    judge_each(
        twin,
        lambda one: "qos" not in one or (one["qos"] in (0, 1, 2) and not isinstance(one["qos"], bool)),
        "the qos of a message is none",
        expected="0, 1 or 2",
    )


@verifies("DTC-P3-017")
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_each_qos_is_accepted(twin: Twin, qos: int) -> None:
    judge_taken(twin, having(qos=qos), f"qos {qos}")


@verifies("DTC-P3-017", negative=True)
@pytest.mark.parametrize(
    "qos", [3, -1, "1", 1.5, True], ids=["three", "negative", "text", "fraction", "boolean"]
)
def test_another_qos_is_refused(twin: Twin, qos: Any) -> None:
    judge_refused(twin, having(qos=qos), f"the qos {qos!r}", kind="PUBLISH")


@verifies("DTC-P3-018")
@pytest.mark.parametrize("ttl", [300, 5.5, 86400], ids=["five-minutes", "fraction", "day"])
def test_a_fresh_message_with_a_ttl_is_delivered(twin: Twin, ttl: float) -> None:
    sensor, hearer = readings.sensor(twin), open_session(twin)
    hearer.subscribed((readings.filter_of(twin), 0))
    speaker, mine = open_session(twin), readings.measurement(twin)
    speaker.send("PUBLISH", readings.body(sensor, mine), topic=readings.topic(twin, sensor), qos=0, ttl=ttl)
    got = hearer.publishes(wia.DELIVERY_S, lambda one: readings.about(one, sensor, mine["value"]), most=1)
    told = speaker.reply({"ERROR"}, within_s=0.05)
    speaker.close()
    hearer.close()
    expect.that(
        bool(got),
        f"a fresh message with ttl {ttl} is not delivered",
        actual=speaker.told(told),
        clause=CLAUSE,
    )
    for one in got:
        expect.that(
            "ttl" not in one or (isinstance(one["ttl"], int | float) and 0 <= one["ttl"] <= max(ttl, 300)),
            "the ttl of a delivered message is not what is left of it",
            actual=one.get("ttl"),
            clause=CLAUSE,
        )


@verifies("DTC-P3-018", negative=True)
@pytest.mark.parametrize("ttl", [-1, "300", None], ids=["negative", "text", "null"])
def test_a_ttl_that_is_none_is_refused(twin: Twin, ttl: Any) -> None:
    if ttl is None:
        raise_if_silent(twin)
        return
    judge_refused(twin, having(ttl=ttl), f"the ttl {ttl!r}", kind="PUBLISH")


def raise_if_silent(twin: Twin) -> None:
    """Null may stand for an absent member: taken or refused, but not ignored."""
    session = open_session(twin)
    sensor = readings.sensor(twin)
    payload = readings.body(sensor, readings.measurement(twin))
    session.send("PUBLISH", payload, topic=readings.topic(twin, sensor), qos=1, ttl=None)
    answer = session.reply({"PUBACK", "ERROR", "DISCONNECT"})
    session.close()
    expect.that(
        answer is not None or session.ended is not None, "a message with ttl null is ignored", clause=CLAUSE
    )


@verifies("DTC-P3-018", negative=True)
def test_an_expired_message_is_not_delivered(twin: Twin) -> None:
    """Held for a subscriber that is away for longer than the message lives."""
    name, sensor = "dtc-ttl", readings.sensor(twin)
    first = resumable(twin, name)
    first.subscribed((readings.filter_of(twin), 1))
    first.link.cut()
    once(twin, "p3-expiring", lambda: hold_at_the_broker(twin))
    twin.clock.wait(0.3)
    speaker, dead, alive = open_session(twin), readings.measurement(twin), readings.measurement(twin)
    where = readings.topic(twin, sensor)
    for mine, ttl in ((dead, 1), (alive, 300)):
        speaker.send("PUBLISH", readings.body(sensor, mine), topic=where, qos=1, ttl=ttl)
        if speaker.reply({"PUBACK"}) is None:
            raise Blocked("DTC-P3-028", "the message is not acknowledged")
    speaker.close()
    twin.clock.wait(1.7)
    second = resumable(twin, name)
    if not wia.payload_of(second.heard[0] if second.heard else None).get("sessionPresent"):
        second.subscribed((readings.filter_of(twin), 1))
    got = second.publishes(wia.SILENCE_S, lambda one: readings.about(one, sensor))
    second.close()
    expect.that(
        not any(readings.about(one, sensor, dead["value"]) for one in got),
        "a message is delivered after its time to live",
        expected="nothing of a message with ttl 1 after 1.7 s",
        clause=CLAUSE,
    )


def hold_at_the_broker(twin: Twin) -> tuple[str, float, float, datetime]:
    """A sensor, a value that lives for 1 s and one that lives on, held for an MQTT client that is away."""
    sensor = readings.sensor(twin)
    first = broker.connect(twin, "expiry", clean=True, values={"sessionExpiry": 3600})
    first.subscribed((readings.filter_of(twin), 1))
    first.link.cut()
    twin.clock.wait(0.2)
    speaker, dead, alive = broker.connect(twin, "expiry-speaker"), *(readings.measurement(twin) for _ in "12")
    for mine, seconds in ((dead, 1), (alive, LIVES_ON_S)):
        where, payload = readings.topic(twin, sensor), readings.body(sensor, mine)
        speaker.published(where, payload, qos=1, values={"messageExpiry": seconds})
    speaker.close()
    return sensor, dead["value"], alive["value"], twin.clock.now()


@verifies("DTC-P3-018", negative=True)
def test_an_expired_message_is_not_delivered_by_the_broker(twin: Twin) -> None:
    """There the time to live is the Message Expiry Interval (MQTT 5 3.3.2.3.3)."""
    sensor, dead, alive, since = once(twin, "p3-expiring", lambda: hold_at_the_broker(twin))
    twin.clock.wait(max(0.0, 1.7 - (twin.clock.now() - since).total_seconds()))
    second = broker.connect(twin, "expiry", clean=False, values={"sessionExpiry": 3600})
    present = second.link.session_present
    kept = second.messages(wia.DELIVERY_S, readings.on_mqtt(sensor, alive), most=1) if present else []
    late = second.messages(readings.GRACE_S, readings.on_mqtt(sensor, dead))
    second.close()
    broker.connect(twin, "expiry", clean=True, values={"sessionExpiry": 0}).close()
    if not kept:
        raise Blocked("DTC-P3-056", "the message that lives on is not there either")
    expect.that(
        not late,
        "a message is delivered after its Message Expiry Interval",
        expected="nothing of a message that lives for 1 s after 1.7 s",
        clause="P3 5.1, MQTT 5 3.3.2.3.3",
    )
    left = kept[0].packet.properties.get("messageExpiry")
    wanted(
        left != LIVES_ON_S,
        "a message that waited is delivered with the Message Expiry Interval that it came with",
        expected=f"{LIVES_ON_S} s less the time that it waited",
        actual=left,
        clause="MQTT 5 3.3.2.3.3",
    )


def resumable(twin: Twin, name: str) -> Session:
    """A session that says CONNECT with a client id and asks to be kept."""
    session = open_session(twin)
    session.send("CONNECT", kept(twin, name))
    if session.reply({"CONNACK"}) is None:
        raise Blocked("DTC-P3-026", "CONNECT is not answered with CONNACK")
    return session


def kept(twin: Twin, name: str, role: str = "") -> dict[str, Any]:
    """The payload of a CONNECT that asks for its session to be kept."""
    key = twin.credentials.role(role).headers["X-API-Key"] if role else None
    return {
        "clientId": f"{name}-{twin.run_id[-8:]}", "keepAlive": 60, "cleanStart": False, "cleanSession": False,
        "sessionExpiryInterval": 3600, "sessionExpiry": 3600, "auth": auth(twin, key),
    }  # fmt: skip


def auth(twin: Twin, key: str | None = None) -> dict[str, Any]:
    """The member `auth` of a CONNECT: the usual key."""
    text = key or twin.credentials.role(twin.credentials.usual).headers["X-API-Key"]
    return {"type": "api-key", "key": text, "apiKey": text}


@verifies("DTC-P3-019")
def test_content_type_and_encoding_of_the_target(twin: Twin) -> None:
    judge_each(
        twin,
        lambda one: (
            one.get("encoding", "json") in ("json", "binary", "compressed")
            and (
                "contentType" not in one
                or (isinstance(one["contentType"], str) and "/" in one["contentType"])
            )
        ),
        "encoding or contentType of a message is none",
        expected="encoding json, binary or compressed; contentType a media type",
    )


@verifies("DTC-P3-019")
def test_json_is_accepted(twin: Twin) -> None:
    judge_taken(twin, having(encoding="json", contentType="application/json"), "encoding json")


@verifies("DTC-P3-019", negative=True)
@pytest.mark.parametrize(
    "members",
    [{"encoding": "xml"}, {"encoding": "JSON"}, {"encoding": 1}, {"contentType": 5}],
    ids=["xml", "upper", "number", "content-type-number"],
)
def test_another_encoding_is_refused(twin: Twin, members: dict[str, Any]) -> None:
    judge_refused(twin, having(**members), f"{members}")


@verifies("DTC-P3-020")
def test_the_correlation_is_echoed(twin: Twin) -> None:
    session = open_session(twin)
    session.send("SUBSCRIBE", _payload(twin, "SUBSCRIBE"), correlationId="dtc-c-1")
    answer = session.reply({"SUBACK"})
    session.close()
    if answer is None:
        raise Blocked("DTC-P3-025", "SUBSCRIBE is not answered")
    expect.equal(answer.get("correlationId"), "dtc-c-1", "the correlation is not echoed", clause=CLAUSE)


@verifies("DTC-P3-020", negative=True)
def test_no_answer_carries_a_foreign_correlation(twin: Twin) -> None:
    session = open_session(twin)
    for name in ("dtc-c-2", "dtc-c-3"):
        session.send("SUBSCRIBE", _payload(twin, "SUBSCRIBE"), correlationId=name)
    answers = [session.reply({"SUBACK"}) for _ in range(2)]
    session.close()
    found = [one.get("correlationId") for one in answers if one is not None]
    if not found or found == [None, None]:
        raise NotApplicable("no answer carries a correlation, which another vector judges")
    expect.equal(found, ["dtc-c-2", "dtc-c-3"], "answers carry another correlation than asked", clause=CLAUSE)


@verifies("DTC-P3-021")
def test_routing_members_of_the_target_are_texts(twin: Twin) -> None:
    judge_each(
        twin,
        lambda one: all(isinstance(one.get(name, ""), str) for name in ("topic", "source", "destination")),
        "a routing member is no text",
        expected="topic, source and destination as text",
    )


@verifies("DTC-P3-021")
def test_each_publish_of_the_target_has_a_literal_topic(twin: Twin) -> None:
    judge_each(
        twin,
        lambda one: (
            one.get("type") != "PUBLISH"
            or (
                isinstance(one.get("topic"), str) and one["topic"] != "" and not set("+#") & set(one["topic"])
            )
        ),
        "a PUBLISH has no topic, or one with wildcards",
        expected="a topic without + and #",
    )


@verifies("DTC-P3-021")
def test_source_and_destination_are_accepted(twin: Twin) -> None:
    judge_taken(twin, having(source="wia-client-001", destination="wia-broker"), "source and destination")


@verifies("DTC-P3-021", negative=True)
@pytest.mark.parametrize("how", ["wildcards", "none", "empty", "number", "null-character"])
def test_a_publish_without_a_literal_topic_is_refused(twin: Twin, how: str) -> None:
    sensor = readings.sensor(twin)
    bad = {
        "wildcards": having(topic=f"city/{twin.target.city}/sensors/+/{sensor}/#"),
        "none": without("topic"),
        "empty": having(topic=""),
        "number": having(topic=7),
        "null-character": having(topic=f"city/{twin.target.city}/sensors/environmental/{sensor}/\u0000"),
    }
    # Only MQTT has the rule on U+0000 (MQTT 5 4.7.3); the envelope's topic is any text without wildcards.
    judge = wanted if how == "null-character" else expect.that
    judge_refused(twin, bad[how], f"a PUBLISH with topic: {how}", kind="PUBLISH", judge=judge)


@verifies("DTC-P3-021", negative=True)
@pytest.mark.parametrize("name", ["source", "destination"])
def test_a_routing_member_that_is_no_text_is_refused(twin: Twin, name: str) -> None:
    judge_refused(twin, having(**{name: 5}), f"{name}: 5")
