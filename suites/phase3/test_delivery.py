"""Acknowledgement, windows and flow control on the stream: DTC-P3-028, -046 to -050."""

import pytest

from dtc_cli.harness.suite import (
    Blocked,
    NotApplicable,
    NotTested,
    Tolerated,
    Twin,
    Violation,
    expect,
    verifies,
)
from suites.phase3.support import readings, wia
from suites.phase3.support.wia import ACKS, Message, Session, open_session
from suites.phase3.test_messages import resumable

WINDOW = 100  # P3 7.3 receiveMaximum
HIGH, LOW = 80, 20  # P3 7.3


def speak(twin: Twin, session: Session, sensor: str, qos: int) -> tuple[Message, float]:
    """Publish a reading; the message and its value."""
    mine = readings.measurement(twin)
    payload = readings.body(sensor, mine)
    return session.send("PUBLISH", payload, topic=readings.topic(twin, sensor), qos=qos), mine["value"]


@verifies("DTC-P3-028", hazard="write")
def test_qos_1_is_acknowledged_by_its_id(twin: Twin) -> None:
    sensor, session = readings.sensor(twin), open_session(twin)
    for _ in range(3):
        sent, _ = speak(twin, session, sensor, 1)
        answer = session.reply({"PUBACK", "ERROR", "DISCONNECT"})
        expect.that(
            answer is not None and answer.get("type") == "PUBACK" and wia.names(answer, sent["messageId"]),
            "a PUBLISH of QoS 1 is not acknowledged by its id",
            expected=f"PUBACK {sent['messageId']} within 5 s",
            actual=session.told(answer),
            clause="P3 6.2, 9.1",
        )
    session.close()


@verifies("DTC-P3-028", hazard="write")
def test_qos_2_is_acknowledged_to_its_end(twin: Twin) -> None:
    sensor, session = readings.sensor(twin), open_session(twin)
    sent, _ = speak(twin, session, sensor, 2)
    answer = session.reply({"PUBCOMP", "ERROR", "DISCONNECT"})
    session.close()
    if answer is not None and answer.get("type") == "PUBACK":
        raise Tolerated("QoS 2 is acknowledged as QoS 1", clause="P3 9.1, C-67")
    expect.that(
        answer is not None and answer.get("type") == "PUBCOMP" and wia.names(answer, sent["messageId"]),
        "a PUBLISH of QoS 2 does not end with PUBCOMP",
        expected="PUBREC, then PUBCOMP after our PUBREL",
        actual=session.told(answer),
        clause="P3 9.1, C-67",
    )


@verifies("DTC-P3-028", hazard="write")
def test_the_target_publishes_at_qos_1_and_takes_the_ack(twin: Twin) -> None:
    sensor, hearer, speaker = readings.sensor(twin), open_session(twin), open_session(twin)
    hearer.subscribed((readings.filter_of(twin), 1))
    _, value = speak(twin, speaker, sensor, 1)
    if speaker.reply({"PUBACK"}) is None:
        raise Blocked("DTC-P3-028", "the message is not acknowledged")
    wanted = readings.like(sensor, value)
    got = hearer.publishes(wia.DELIVERY_S, wanted, most=1) + hearer.publishes(1.2, wanted)
    speaker.close()
    hearer.close()
    if not got:
        raise Blocked("DTC-P3-011", "the message does not come")
    expect.that(
        len({one["messageId"] for one in got}) == 1 and len(got) == 1,
        "an acknowledged message is sent again",
        expected="once",
        actual=[one.get("messageId") for one in got],
        clause="P3 9.1",
    )


@verifies("DTC-P3-028", negative=True, hazard="write")
def test_qos_0_is_not_acknowledged(twin: Twin) -> None:
    sensor, session = readings.sensor(twin), open_session(twin)
    sent, _ = speak(twin, session, sensor, 0)
    answer = session.reply(ACKS, within_s=wia.SILENCE_S)
    session.close()
    expect.that(
        answer is None,
        "a PUBLISH of QoS 0 is acknowledged",
        expected=f"nothing for {sent['messageId']}",
        actual=session.told(answer),
        clause="P3 9.1",
    )


@verifies("DTC-P3-028", negative=True, hazard="write")
def test_an_acknowledgement_names_no_other_message(twin: Twin) -> None:
    sensor, session = readings.sensor(twin), open_session(twin)
    ids = [speak(twin, session, sensor, 1)[0]["messageId"] for _ in range(5)]
    answers = [session.reply({"PUBACK"}) for _ in ids]
    session.close()
    for message_id in ids:
        count = sum(one is not None and wia.names(one, message_id) for one in answers)
        expect.that(
            count == 1,
            "an acknowledgement names another message, or one is missing",
            expected="one PUBACK for each PUBLISH",
            actual=[wia.acked(one) if one else None for one in answers],
            clause="P3 9.1",
        )


def let_in_again(twin: Twin, name: str | None, turn: int) -> Session:
    """A session of a client; from its second one on it must be let in."""
    try:
        return resumable(twin, name) if name else open_session(twin)
    except Blocked as blocked:
        if not turn:
            raise
        raise Violation(
            "after an abrupt drop the client is not let in again",
            expected="a connection like the first one",
            actual=blocked.message,
            clause="P3 6.5",
        ) from blocked


@verifies("DTC-P3-046", hazard="write")
@pytest.mark.parametrize("named", [False, True], ids=["without-client-id", "with-client-id"])
def test_a_client_is_served_again_after_a_drop(twin: Twin, named: bool) -> None:
    sensor, name = readings.sensor(twin), "dtc-again"
    for turn in range(3):
        session = let_in_again(twin, name if named else None, turn)
        session.subscribed((readings.filter_of(twin), 1))
        mine = readings.measurement(twin)
        readings.post(twin, sensor, mine)
        value = mine["value"]
        got = session.publishes(wia.DELIVERY_S, readings.like(sensor, value), most=1)
        session.link.cut()
        expect.that(
            bool(got),
            "after an abrupt drop no data flows to the client",
            expected="PUBLISH after a new SUBSCRIBE",
            actual=session.told(None),
            clause="P3 6.5",
        )


@verifies("DTC-P3-046", hazard="write")
def test_a_session_that_is_present_keeps_its_subscriptions(twin: Twin) -> None:
    sensor, name = readings.sensor(twin), "dtc-present"
    first = resumable(twin, name)
    first.subscribed((readings.filter_of(twin), 1))
    first.link.cut()
    twin.clock.wait(0.2)
    second = let_in_again(twin, name, 1)
    if not wia.payload_of(second.heard[0]).get("sessionPresent"):
        second.close()
        raise NotApplicable("the target keeps no session on the stream: CONNACK says sessionPresent false")
    mine = readings.measurement(twin)
    readings.post(twin, sensor, mine)
    got = second.publishes(wia.DELIVERY_S, lambda one: readings.about(one, sensor, mine["value"]), most=1)
    second.close()
    expect.that(
        bool(got),
        "sessionPresent is true, but the subscriptions are gone",
        expected="PUBLISH without a new SUBSCRIBE",
        actual=second.told(None),
        clause="P3 6.5, 6.2",
    )


@verifies("DTC-P3-046", negative=True)
def test_a_second_connection_of_a_client_locks_nobody_out(twin: Twin) -> None:
    """The older one may be closed (as in MQTT), the newer one is served."""
    name = "dtc-twice"
    first, second = resumable(twin, name), let_in_again(twin, name, 1)
    second.subscribe((readings.filter_of(twin), 0))
    answer = second.reply({"SUBACK"})
    second.close()
    first.link.drop()
    expect.that(answer is not None, "the newer connection is not served", clause="P3 6.5")


def flood(twin: Twin, session: Session, sensor: str, count: int) -> list[float]:
    """Publish so many readings over REST, in few requests; their values."""
    values: list[float] = []
    speaker = open_session(twin)
    for _ in range(count):
        values.append(speak(twin, speaker, sensor, 1)[1])
    for _ in range(count):
        if speaker.reply({"PUBACK", "ERROR"}) is None:
            break
    speaker.close()
    return values


@verifies("DTC-P3-047", hazard="write")
@pytest.mark.parametrize("qos", [1, 2])
def test_no_more_than_the_window_is_in_flight(twin: Twin, qos: int) -> None:
    sensor, hearer = readings.sensor(twin, f"window-{qos}"), open_session(twin, acks=False)
    hearer.subscribed((readings.filter_of(twin), qos))
    flood(twin, hearer, sensor, WINDOW + 20)
    mine = readings.like(sensor)
    got = hearer.publishes(wia.DELIVERY_S, mine, most=WINDOW) + hearer.publishes(wia.EXTRA_S, mine)
    ids = {wia.acked(one) for one in got if one.get("qos") in (1, 2)}
    ended = hearer.ended
    hearer.close()
    if not ids and ended is None:
        raise Blocked("DTC-P3-025", f"nothing comes at QoS {qos}")
    expect.that(
        len(ids) <= WINDOW,
        "more than receiveMaximum messages are in flight",
        expected=f"at most {WINDOW} without an acknowledgement",
        actual=len(ids),
        clause="P3 7.3, C-80",
    )


@verifies("DTC-P3-047", negative=True, hazard="write")
def test_the_window_opens_again_with_acknowledgements(twin: Twin) -> None:
    sensor, hearer = readings.sensor(twin, "window-opens"), open_session(twin, acks=False)
    hearer.subscribed((readings.filter_of(twin), 1))
    values = flood(twin, hearer, sensor, WINDOW + 20)
    mine = readings.like(sensor)
    got = hearer.publishes(wia.DELIVERY_S, mine, most=1) + hearer.publishes(wia.EXTRA_S, mine)
    if hearer.ended is not None:
        raise NotTested(f"the target closes a receiver that does not acknowledge ({hearer.ended.code})")
    for one in got:
        hearer.ack("PUBACK", wia.acked(one) or "")
    hearer.acks = True
    late = hearer.publishes(wia.DELIVERY_S, readings.like(sensor), most=len(values) - len(got))
    late += readings.came(twin, hearer, readings.like(sensor))
    hearer.close()
    seen = {entry.get("value") for one in got + late for entry in readings.carried(wia.payload_of(one))}
    missing = [value for value in values if not any(readings.same(one, value) for one in seen)]
    expect.that(
        not missing,
        "messages that waited for the window are lost",
        expected=f"all {len(values)} after the acknowledgements",
        actual=f"{len(missing)} missing",
        clause="P3 7.3, 9.1",
    )


def paused(twin: Twin, session: Session) -> None:
    """Ask for a pause.

    Raises:
        NotApplicable: when the target does not know it (`observed.flow_control`).
    """
    session.send("FLOW_CONTROL", {"action": "pause"})
    answer = session.reply({"ERROR", "DISCONNECT"}, within_s=0.5)
    if answer is not None or session.ended is not None:
        raise NotApplicable(
            "the target offers no pause and resume; its receiveMaximum window is judged by DTC-P3-047"
        )


def held(twin: Twin, qos: int, count: int) -> tuple[Session, str, list[float], list[Message]]:
    """A paused session, the sensor, what was published meanwhile and what came in spite of the pause."""
    sensor, hearer = readings.sensor(twin, "paused"), open_session(twin)
    hearer.subscribed((readings.filter_of(twin), qos))
    paused(twin, hearer)
    values = flood(twin, hearer, sensor, count)
    got = hearer.publishes(wia.SILENCE_S, readings.like(sensor))
    return hearer, sensor, values, got


@verifies("DTC-P3-049", hazard="write")
@pytest.mark.parametrize("qos", [1, 2])
def test_what_was_held_comes_after_resume_in_order(twin: Twin, qos: int) -> None:
    hearer, sensor, values, early = held(twin, qos, 5)
    hearer.send("FLOW_CONTROL", {"action": "resume"})
    late = hearer.publishes(wia.DELIVERY_S, readings.like(sensor), most=len(values))
    if len(late) == len(values):  # at QoS 1 some may have come twice
        late += readings.came(twin, hearer, readings.like(sensor)) if qos == 1 else []
    hearer.close()
    told = [entry.get("value") for one in late for entry in readings.carried(wia.payload_of(one))]
    came = [value for value in told if value in values]  # a message may tell of other readings too
    if early:
        raise Blocked("DTC-P3-049", f"{len(early)} messages came during the pause")
    expect.that(
        set(values) <= set(came) if qos == 1 else came == values,
        "what was held is not delivered after resume",
        expected=values,
        actual=came,
        clause="P3 7.3",
    )


@verifies("DTC-P3-049", negative=True, hazard="write")
def test_nothing_comes_during_a_pause(twin: Twin) -> None:
    """A target without flow control answers the unknown type by an error (DTC-P3-014): silence takes it."""
    hearer, _, _, got = held(twin, 1, 5)
    hearer.close()
    expect.that(not got, "PUBLISH comes during a pause", expected="silence", actual=len(got), clause="P3 7.3")


@verifies("DTC-P3-048", hazard="write")
def test_the_target_pauses_a_fast_sender_between_the_marks(twin: Twin) -> None:
    """Between the marks nothing changes: a pause is followed by one resume, not by another pause."""
    sensor, session = readings.sensor(twin, "fast"), open_session(twin)
    for _ in range(HIGH + LOW):
        speak(twin, session, sensor, 0)
    list(session.messages(wia.SILENCE_S))
    session.close()
    actions = [
        wia.payload_of(one).get("action") for one in session.heard if one.get("type") == "FLOW_CONTROL"
    ]
    if not actions:
        raise NotApplicable("the target sent no FLOW_CONTROL")
    expect.that(
        all(action == ("pause" if number % 2 == 0 else "resume") for number, action in enumerate(actions))
        and len(actions) <= 6,
        "flow control oscillates",
        expected=f"pause at {HIGH}, resume at {LOW}",
        actual=actions,
        clause="P3 7.3",
    )


@verifies("DTC-P3-048", negative=True, hazard="write")
def test_a_few_messages_cause_no_pause(twin: Twin) -> None:
    sensor, session = readings.sensor(twin, "slow"), open_session(twin)
    for _ in range(5):
        speak(twin, session, sensor, 1)
        session.reply({"PUBACK"})
    session.close()
    actions = [one for one in session.heard if one.get("type") == "FLOW_CONTROL"]
    expect.that(not actions, "five messages cause a pause", actual=actions[:1], clause="P3 7.3")


@verifies("DTC-P3-050")
def test_windowed_aggregation_is_probed(twin: Twin) -> None:
    """A MAY without a message of its own: what a target offers of it cannot be asked for by the standard."""
    session = open_session(twin)
    window = {"type": "tumbling", "size": 60000, "aggregation": "average"}
    session.send(
        "SUBSCRIBE", {"topics": [{"topic": readings.filter_of(twin), "qos": 0}], "aggregation": window}
    )
    answer = session.reply({"SUBACK", "ERROR", "DISCONNECT"})
    session.close()
    told = wia.payload_of(answer)
    if "aggregation" not in told and "window" not in told:
        raise NotApplicable("the target answers nothing about windows")
    expect.that(
        answer is not None and answer.get("type") == "SUBACK", "the window is refused", clause="P3 7.4"
    )
