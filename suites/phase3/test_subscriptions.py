"""Subscribing on the stream: DTC-P3-011, -024 to -027, -029, -030."""

from typing import Any

import pytest

from dtc_cli.harness.suite import NOBODY, Blocked, NotApplicable, Twin, expect, verifies
from suites.phase2.support_live import once
from suites.phase3.support import broker, readings, wia
from suites.phase3.support.wia import Session, open_session
from suites.phase3.test_messages import auth

DISCONNECT_S = 10.0  # P3 6.4
NO_FILTERS = {
    "more-levels-in-the-middle": "city/#/sensors",
    "hash-after-a-word": "city/KR#",
    "plus-in-a-word": "city+/sensors",
    "hash-before-plus": "#/+",
}


def grants(session: Session, *topics: tuple[str, int]) -> list[Any]:
    """The granted levels for these topics, which must have been answered."""
    session.subscribe(*topics)
    answer = session.reply({"SUBACK", "ERROR", "DISCONNECT"})
    granted = wia.granted_of(answer) if answer and answer.get("type") == "SUBACK" else None
    expect.that(
        granted is not None,
        "SUBSCRIBE is not answered with SUBACK and grantedQos",
        expected="SUBACK {grantedQos: [...]} within 5 s",
        actual=session.told(answer),
        clause="P3 6.2",
    )
    return granted or []


@verifies("DTC-P3-011", hazard="write")
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_readings_are_pushed_after_the_suback(twin: Twin, qos: int) -> None:
    sensor, session = readings.sensor(twin), open_session(twin)
    session.subscribed((readings.filter_of(twin), qos))
    for _ in range(2):
        mine = readings.measurement(twin)
        readings.post(twin, sensor, mine)
        value = mine["value"]
        got = session.publishes(wia.DELIVERY_S, readings.like(sensor, value), most=1)
        odd = {str(one.get("type")) for one in session.heard} - wia.OF_THE_SERVER
        if not got and odd:
            raise Blocked("DTC-P3-014", f"messages of another type come: {', '.join(sorted(odd))}")
        expect.that(
            bool(got),
            "a reading does not come over the stream",
            expected="PUBLISH within 5 s",
            actual=session.told(None),
            clause="P3 3.1.3",
        )
    session.close()


@verifies("DTC-P3-011", negative=True, hazard="write")
def test_nothing_is_pushed_without_a_subscription(twin: Twin) -> None:
    sensor, session = readings.sensor(twin), open_session(twin)
    session.send("PING")
    readings.post(twin, sensor, readings.measurement(twin))
    witness = open_session(twin)
    witness.subscribed((readings.filter_of(twin), 0))
    readings.came(twin, witness, lambda _: False)
    witness.close()
    got = session.publishes(wia.EXTRA_S)
    session.close()
    expect.that(
        not got, "messages come to a client that subscribed to nothing", actual=got[:1], clause="P3 3.1.3"
    )


@verifies("DTC-P3-024")
@pytest.mark.parametrize("named", [True, False], ids=["with-subscription-id", "without"])
def test_two_topics_are_taken(twin: Twin, named: bool) -> None:
    session = open_session(twin)
    more = {"subscriptionId": "dtc-sub-1"} if named else {}
    session.subscribe(
        (readings.filter_of(twin, "city/{city}/sensors/+/+/temperature"), 1),
        (readings.filter_of(twin, "city/{city}/alerts/#"), 2),
        **more,
    )
    answer = session.reply({"SUBACK", "ERROR", "DISCONNECT"})
    session.close()
    expect.that(
        answer is not None and answer.get("type") == "SUBACK" and not wia.failure(answer),
        "a SUBSCRIBE to two topics is not taken",
        expected="SUBACK",
        actual=session.told(answer),
        clause="P3 5.4",
    )


BAD_TOPICS: dict[str, Any] = {
    "missing": {},
    "empty": {"topics": []},
    "text": {"topics": "city/+/sensors/#"},
    "null": {"topics": None},
    "nameless": {"topics": [{"qos": 1}]},
    "number": {"topics": [{"topic": 5, "qos": 1}]},
    "empty-name": {"topics": [{"topic": "", "qos": 1}]},
    "qos-3": {"topics": [{"topic": "city/+/sensors/#", "qos": 3}]},
    "qos-text": {"topics": [{"topic": "city/+/sensors/#", "qos": "1"}]},
}


@verifies("DTC-P3-024", negative=True)
@pytest.mark.parametrize("how", BAD_TOPICS)
def test_topics_that_are_none_are_refused(twin: Twin, how: str) -> None:
    session = open_session(twin)
    session.send("SUBSCRIBE", BAD_TOPICS[how])
    refused = session.refusal(of={"SUBACK"})
    session.close()
    expect.that(
        refused is not None,
        f"a SUBSCRIBE with topics {how.replace('-', ' ')} is not refused",
        expected="an error answer",
        actual=session.told(None),
        clause="P3 5.4",
    )


@verifies("DTC-P3-025")
@pytest.mark.parametrize("asked", [(0,), (1, 2), (2, 1, 0)], ids=["one", "two", "three"])
def test_each_topic_gets_its_level(twin: Twin, asked: tuple[int, ...]) -> None:
    places = ("city/{city}/sensors/#", "city/{city}/objects/#", "city/{city}/simulations/#")
    session = open_session(twin)
    topics = [(readings.filter_of(twin, place), qos) for place, qos in zip(places, asked, strict=False)]
    granted = grants(session, *topics)
    session.close()
    expect.that(
        len(granted) == len(asked),
        "grantedQos has not one entry for each topic",
        expected=f"{len(asked)} entries",
        actual=granted,
        clause="P3 6.2",
    )
    for level, wanted in zip(granted, asked, strict=True):
        expect.that(
            isinstance(level, int) and not isinstance(level, bool) and 0 <= level <= wanted,
            "a granted level is above the requested one, or refused",
            expected=f"at most {wanted}",
            actual=granted,
            clause="P3 6.2",
        )


@verifies("DTC-P3-025", negative=True)
def test_a_refused_topic_keeps_its_place(twin: Twin) -> None:
    """One filter that is none among others: its entry holds a failure code, or the whole is refused."""
    session = open_session(twin)
    session.subscribe((readings.filter_of(twin), 1), (NO_FILTERS["hash-after-a-word"], 1))
    answer = session.reply({"SUBACK", "ERROR", "DISCONNECT"})
    session.close()
    granted = wia.granted_of(answer) if answer and answer.get("type") == "SUBACK" else None
    expect.that(answer is not None or session.ended is not None, "SUBSCRIBE is not answered", clause="P3 6.2")
    expect.that(
        granted is None or len(granted) == 2,
        "grantedQos has not one entry for each topic",
        expected="two entries, one of them a failure code",
        actual=granted,
        clause="P3 6.2",
    )


@verifies("DTC-P3-025", negative=True)
def test_a_level_is_never_raised(twin: Twin) -> None:
    session = open_session(twin)
    granted = grants(
        session, (readings.filter_of(twin), 0), (readings.filter_of(twin, "city/{city}/objects/#"), 0)
    )
    session.close()
    expect.that(
        not any(level in (1, 2) for level in granted),
        "more is granted than was asked for",
        expected=[0, 0],
        actual=granted,
        clause="P3 6.2",
    )


@verifies("DTC-P3-025", negative=True, hazard="write")
def test_no_message_comes_above_the_granted_level(twin: Twin) -> None:
    sensor, session = readings.sensor(twin), open_session(twin)
    granted = grants(session, (readings.filter_of(twin), 0))
    speaker, mine = open_session(twin), readings.measurement(twin)
    payload = readings.body(sensor, mine)
    speaker.send("PUBLISH", payload, topic=readings.topic(twin, sensor), qos=2)
    got = session.publishes(wia.DELIVERY_S, lambda one: readings.about(one, sensor, mine["value"]), most=1)
    speaker.reply({"PUBCOMP"})
    speaker.close()
    session.close()
    if not got:
        raise Blocked("DTC-P3-011", "the message does not come")
    expect.that(
        got[0].get("qos", 0) == 0,
        "a message comes at a level above the granted one",
        expected=granted,
        actual=got[0].get("qos"),
        clause="P3 6.2",
    )


@verifies("DTC-P3-025", hazard="write")
def test_a_message_comes_at_the_granted_level(twin: Twin) -> None:
    sensor, session, speaker = readings.sensor(twin), open_session(twin), open_session(twin)
    granted, mine = grants(session, (readings.filter_of(twin), 1)), readings.measurement(twin)
    speaker.send("PUBLISH", readings.body(sensor, mine), topic=readings.topic(twin, sensor), qos=1)
    got = session.publishes(wia.DELIVERY_S, readings.like(sensor, mine["value"]), most=1)
    speaker.close()
    session.close()
    if not got:
        raise Blocked("DTC-P3-011", "the message does not come")
    if granted != [1] or "qos" not in got[0]:
        raise NotApplicable(f"QoS {granted} is granted, and messages say theirs or not (P3 5.1)")
    expect.equal(
        got[0].get("qos"),
        1,
        "a message of QoS 1 comes below the granted level",
        clause="P3 6.2, MQTT 5 3.8.4",
    )


@verifies("DTC-P3-026")
def test_connect_is_answered_with_connack(twin: Twin) -> None:
    session = open_session(twin)
    name = f"dtc-connect-{twin.run_id[-8:]}"
    session.send("CONNECT", {"clientId": name, "auth": auth(twin), "keepAlive": 60})
    answer = session.reply({"CONNACK", "ERROR", "DISCONNECT"})
    session.close()
    expect.that(
        answer is not None and answer.get("type") == "CONNACK",
        "CONNECT is not answered with CONNACK",
        expected="CONNACK within 5 s",
        actual=session.told(answer),
        clause="P3 6.2, C-68",
    )
    payload = wia.payload_of(answer)
    expect.equal(payload.get("returnCode"), 0, "valid credentials are refused in CONNACK", clause="P3 6.2")
    expect.equal(payload.get("sessionPresent"), False, "a new client has a session", clause="P3 6.2")


@verifies("DTC-P3-026")
def test_the_session_works_after_connack(twin: Twin) -> None:
    session = open_session(twin)
    name = f"dtc-works-{twin.run_id[-8:]}"
    session.send("CONNECT", {"clientId": name, "auth": auth(twin), "keepAlive": 60})
    if session.reply({"CONNACK"}) is None:
        raise Blocked("DTC-P3-026", "CONNECT is not answered")
    session.subscribe((readings.filter_of(twin), 1))
    answer = session.reply({"SUBACK"})
    session.close()
    expect.that(answer is not None, "nothing works after CONNACK", expected="SUBACK", clause="P3 6.2")


@verifies("DTC-P3-026", negative=True)
@pytest.mark.parametrize("upgraded", ["by-nobody", "with-a-key"])
def test_bad_credentials_in_connect_are_refused(twin: Twin, upgraded: str) -> None:
    link = twin.stream.open(as_=NOBODY if upgraded == "by-nobody" else None)
    if not link.is_open:
        raise NotApplicable(f"an upgrade {upgraded.replace('-', ' ')} is refused: {link.status}")
    session = Session(twin, link)
    wrong = auth(twin, "dtc-no-such-key-0123456789")
    session.send("CONNECT", {"clientId": f"dtc-bad-{twin.run_id[-8:]}", "auth": wrong, "keepAlive": 60})
    answer = session.reply({"CONNACK", "ERROR", "DISCONNECT"})
    list(session.messages(wia.DELIVERY_S))
    ended = session.ended
    link.drop()
    expect.that(
        answer is None or wia.failure(answer) or answer.get("type") != "CONNACK",
        "bad credentials in CONNECT are accepted",
        expected="CONNACK with a returnCode other than 0, and a close",
        actual=session.told(answer),
        clause="P3 6.2, 8.2",
    )
    expect.that(
        ended is not None,
        "the connection stays open after bad credentials",
        expected="a close within 5 s",
        actual=session.told(answer),
        clause="P3 6.2, 8.2",
    )


@verifies("DTC-P3-027", hazard="write")
def test_the_other_filter_goes_on_after_unsubscribe(twin: Twin) -> None:
    sensor, session = readings.sensor(twin), open_session(twin)
    gone = readings.filter_of(twin, "city/{city}/sensors/+/+/humidity")
    word = topic_of_a_reading(twin).split("/")[-1]
    kept = readings.filter_of(twin, f"city/{{city}}/sensors/+/+/{word}")
    session.subscribed((gone, 0), (kept, 0))
    session.send("UNSUBSCRIBE", {"topics": [gone]})
    session.publishes(0.3)
    mine = readings.measurement(twin)
    readings.post(twin, sensor, mine)
    got = session.publishes(wia.DELIVERY_S, lambda one: readings.about(one, sensor, mine["value"]), most=1)
    session.close()
    expect.that(
        bool(got), "UNSUBSCRIBE from one filter ends another one", actual=session.told(None), clause="P3 2.2"
    )


@verifies("DTC-P3-027", negative=True, hazard="write")
@pytest.mark.parametrize("form", ["texts", "objects"])
def test_nothing_comes_after_unsubscribe(twin: Twin, form: str) -> None:
    """The standard prints no payload of UNSUBSCRIBE: topics as in SUBSCRIBE, or as texts."""
    sensor, session = readings.sensor(twin), open_session(twin)
    where = readings.filter_of(twin)
    session.subscribed((where, 0))
    readings.post(twin, sensor, readings.measurement(twin))
    if not session.publishes(wia.DELIVERY_S, lambda one: readings.about(one, sensor), most=1):
        raise Blocked("DTC-P3-011", "no message comes before UNSUBSCRIBE")
    session.send("UNSUBSCRIBE", {"topics": [where] if form == "texts" else [{"topic": where, "qos": 0}]})
    session.reply({"UNSUBACK", "PUBACK", "ERROR"}, within_s=0.5)
    session.publishes(0.1)
    refused = any(one.get("type") == "ERROR" for one in session.heard)
    mine = readings.measurement(twin)
    readings.post(twin, sensor, mine)
    witness = open_session(twin)
    witness.subscribed((readings.filter_of(twin), 0))
    readings.came(twin, witness, lambda _: False)
    witness.close()
    got = session.publishes(wia.EXTRA_S, lambda one: readings.about(one, sensor, mine["value"]))
    session.close()
    if refused and got:
        raise NotApplicable("the target takes another form of UNSUBSCRIBE")
    expect.that(
        not got, "a message comes after UNSUBSCRIBE", expected="nothing", actual=got[:1], clause="P3 2.2"
    )


@verifies("DTC-P3-027", negative=True, hazard="write")
def test_one_unsubscribe_ends_all_its_topics(twin: Twin) -> None:
    sensor, session, witness = readings.sensor(twin), open_session(twin), open_session(twin)
    both = [readings.filter_of(twin), readings.filter_of(twin, "city/+/sensors/#")]
    session.subscribed(*((one, 0) for one in both))
    witness.subscribed((readings.filter_of(twin), 0))
    session.send("UNSUBSCRIBE", {"topics": both})
    session.reply({"UNSUBACK", "PUBACK", "ERROR"}, within_s=0.5)
    refused = any(one.get("type") == "ERROR" for one in session.heard)
    mine = readings.measurement(twin)
    readings.post(twin, sensor, mine)
    readings.came(twin, witness, lambda _: False)
    got = session.publishes(readings.GRACE_S, readings.like(sensor, mine["value"]))
    witness.close()
    session.close()
    if refused and got:
        raise NotApplicable("the target takes another form of UNSUBSCRIBE")
    expect.that(
        not got,
        "a message comes for a topic that UNSUBSCRIBE named beside another",
        expected="nothing",
        actual=got[:1],
        clause="P3 2.2",
    )


@verifies("DTC-P3-029")
@pytest.mark.parametrize("connected", [True, False], ids=["after-connect", "without-connect"])
def test_disconnect_ends_the_connection(twin: Twin, connected: bool) -> None:
    session = open_session(twin)
    if connected:
        name = f"dtc-leaves-{twin.run_id[-8:]}"
        session.send("CONNECT", {"clientId": name, "auth": auth(twin), "keepAlive": 60})
        if session.reply({"CONNACK"}) is None:
            raise Blocked("DTC-P3-026", "CONNECT is not answered")
    session.send("DISCONNECT", {"reasonCode": 0, "properties": {}})
    answer = session.reply({"DISCONNECT"}, within_s=DISCONNECT_S)
    for _ in session.messages(wia.DELIVERY_S):
        continue
    ended = session.ended
    session.link.drop()
    expect.that(
        ended is not None,
        "the connection stays open after DISCONNECT",
        expected="DISCONNECT or a close frame, and the end, within 10 s",
        actual=session.told(answer),
        clause="P3 6.4, C-67",
    )
    expect.that(
        answer is not None or (ended is not None and ended.kind == "close"),
        "DISCONNECT is not acknowledged",
        expected="DISCONNECT or a close frame",
        actual=session.told(answer),
        clause="P3 6.4",
    )
    expect.that(
        ended is None or ended.code in (None, 1000, 1001, 1005),
        "a graceful end is closed with an error code",
        expected=1000,
        actual=ended.code if ended else "",
        clause="P3 6.4",
    )


@verifies("DTC-P3-029", negative=True)
def test_nothing_comes_after_disconnect(twin: Twin) -> None:
    session = open_session(twin)
    session.subscribed((readings.filter_of(twin), 0))
    session.send("DISCONNECT", {"reasonCode": 0, "properties": {}})
    session.send("SUBSCRIBE", {"topics": [{"topic": readings.filter_of(twin), "qos": 0}]})
    answer = session.reply({"SUBACK"}, within_s=wia.DELIVERY_S)
    session.link.drop()
    expect.that(
        answer is None, "the session goes on after DISCONNECT", actual=session.told(answer), clause="P3 6.4"
    )


MATCHES = {
    "two-plus": ("city/{city}/sensors/+/+/temperature", True),
    "hash": ("city/{city}/sensors/#", True),
    "all": ("city/{city}/#", True),
    "plus-and-hash": ("city/+/sensors/#", True),
    "plus-for-the-city": ("city/+/sensors/+/+/temperature", True),
    "another-parameter": ("city/{city}/sensors/+/+/humidity", False),
    "every-level-named": ("{topic}", True),
    "hash-with-no-level-left": ("{topic}/#", True),
    "one-level-short": ("city/{city}/sensors/+/+", False),
    "the-first-levels": ("city/{city}/sensors", False),
    "one-plus-for-all": ("city/{city}/+", False),
    "upper-case": ("city/{city}/SENSORS/#", False),
    "one-level-long": ("city/{city}/sensors/+/+/temperature/+", False),
    "another-branch": ("city/{city}/objects/#", False),
}


def topic_of_a_reading(twin: Twin) -> str:
    """The topic on which the temperature of the run's sensor comes, whichever names it uses (C-64)."""
    return once(twin, "p3-topic-of-a-reading", lambda: _topic_of_a_reading(twin))


def _topic_of_a_reading(twin: Twin) -> str:
    sensor, witness = readings.sensor(twin), open_session(twin)
    witness.subscribed((readings.filter_of(twin), 0))
    mine = readings.measurement(twin)
    readings.post(twin, sensor, mine)
    seen = witness.publishes(wia.DELIVERY_S, readings.like(sensor, mine["value"]), most=1)
    witness.close()
    if not seen:
        raise Blocked("DTC-P3-011", "the reading does not come to city/+/sensors/# either")
    topic = str(seen[0].get("topic", ""))
    levels = topic.split("/")
    if len(levels) != 6 or levels[5] not in ("temperature", "temp"):
        raise Blocked("DTC-P3-061", f"the topic of a reading is {topic}")
    return topic


def pattern_of(twin: Twin, how: str) -> str:
    """The filter of that name."""
    topic = topic_of_a_reading(twin)
    pattern = MATCHES[how][0].replace("{topic}", topic)
    return readings.filter_of(twin, pattern.replace("+/temperature", f"+/{topic.split('/')[-1]}"))


def heard_on_the_stream(twin: Twin, how: str) -> bool:
    """Whether a temperature comes to a session with this filter."""
    pattern = pattern_of(twin, how)
    sensor, session, witness = readings.sensor(twin), open_session(twin), open_session(twin)
    session.subscribe((pattern, 0))
    answer = session.reply({"SUBACK", "ERROR", "DISCONNECT"})
    witness.subscribed((readings.filter_of(twin), 0))
    mine = readings.measurement(twin)
    readings.post(twin, sensor, mine)
    wanted = readings.like(sensor, mine["value"])
    if MATCHES[how][1]:
        expect.that(
            answer is not None and answer.get("type") == "SUBACK" and not wia.failure(answer),
            f"the filter {pattern} is refused",
            actual=session.told(answer),
            clause="P3 4.2.2",
        )
        got = session.publishes(wia.DELIVERY_S, wanted, most=1)
    else:
        readings.came(twin, witness, wanted)
        got = session.publishes(readings.GRACE_S, wanted, most=1)
    session.close()
    witness.close()
    return bool(got)


def heard_at_the_broker(twin: Twin, how: str) -> bool:
    """Whether a temperature comes to an MQTT client with this filter."""
    pattern = pattern_of(twin, how)
    sensor, client, witness = (
        readings.sensor(twin),
        broker.connect(twin, "filter"),
        broker.connect(twin, "filter-witness"),
    )
    answer = client.subscribe((pattern, 0))
    witness.subscribed((readings.filter_of(twin), 0))
    mine = readings.measurement(twin)
    readings.post(twin, sensor, mine)
    wanted = readings.on_mqtt(sensor, mine["value"])
    if MATCHES[how][1]:
        expect.that(
            answer is not None and all(reason <= 2 for reason in answer.packet.reasons),
            f"the filter {pattern} is refused",
            actual=broker.told(answer),
            clause="P3 4.2.2",
        )
        got = client.messages(wia.DELIVERY_S, wanted, most=1)
    else:
        readings.came(twin, witness, wanted)
        got = client.messages(readings.GRACE_S, wanted, most=1)
    client.close()
    witness.close()
    return bool(got)


FITTING = [how for how, (_, fits) in MATCHES.items() if fits]
OTHERS = [how for how, (_, fits) in MATCHES.items() if not fits]


@verifies("DTC-P3-030", hazard="write")
@pytest.mark.parametrize("how", FITTING)
def test_a_filter_matches(twin: Twin, how: str) -> None:
    expect.that(
        heard_on_the_stream(twin, how),
        f"the filter {MATCHES[how][0]} does not match a temperature",
        clause="P3 4.2.2, MQTT 5 4.7.1",
    )


@verifies("DTC-P3-030", negative=True, hazard="write")
@pytest.mark.parametrize("how", OTHERS)
def test_a_filter_matches_nothing_else(twin: Twin, how: str) -> None:
    expect.that(
        not heard_on_the_stream(twin, how),
        f"the filter {MATCHES[how][0]} matches a temperature",
        clause="P3 4.2.2",
    )


@verifies("DTC-P3-030", hazard="write")
@pytest.mark.parametrize("how", FITTING)
def test_a_filter_of_the_broker_matches(twin: Twin, how: str) -> None:
    expect.that(
        heard_at_the_broker(twin, how),
        f"the filter {MATCHES[how][0]} does not match a temperature at the broker",
        clause="P3 4.2.2, MQTT 5 4.7.1",
    )


@verifies("DTC-P3-030", negative=True, hazard="write")
@pytest.mark.parametrize("how", OTHERS)
def test_a_filter_of_the_broker_matches_nothing_else(twin: Twin, how: str) -> None:
    expect.that(
        not heard_at_the_broker(twin, how),
        f"the filter {MATCHES[how][0]} matches a temperature at the broker",
        clause="P3 4.2.2",
    )


@verifies("DTC-P3-030", negative=True)
@pytest.mark.parametrize("how", NO_FILTERS)
def test_a_filter_that_is_none_is_refused(twin: Twin, how: str) -> None:
    session = open_session(twin)
    session.subscribe((NO_FILTERS[how], 0))
    refused = session.refusal(of={"SUBACK"})
    session.close()
    expect.that(
        refused is not None,
        f"the filter {NO_FILTERS[how]} is accepted",
        expected="a failure in SUBACK, an error or a close",
        actual=session.told(None),
        clause="P3 4.2.2, MQTT 5 4.7.1",
    )


@verifies("DTC-P3-030", negative=True)
@pytest.mark.parametrize("how", NO_FILTERS)
def test_a_filter_that_is_none_is_refused_by_the_broker(twin: Twin, how: str) -> None:
    client = broker.connect(twin, "no-filter")
    answer = client.subscribe((NO_FILTERS[how], 0))
    client.link.drop()
    expect.that(
        answer is None or all(reason >= 0x80 for reason in answer.packet.reasons),
        f"the filter {NO_FILTERS[how]} is accepted by the broker",
        expected="0x8F in SUBACK, or the end of the connection",
        actual=broker.told(answer),
        clause="P3 4.2.2, MQTT 5 4.7.1",
    )
