"""Delivery on the broker, by counting: DTC-P3-068 to -071; retention: -073, -074."""

import json
from collections import Counter
from typing import Any

import pytest

from dtc_cli.harness.suite import (
    Arrived,
    Blocked,
    NotApplicable,
    Tolerated,
    Twin,
    Violation,
    expect,
    verifies,
)
from suites.phase3.support import broker, readings, wia
from suites.phase3.support.broker import Client
from suites.phase3.support.mild import wanted
from suites.phase3.test_broker import end_session, judge_all_there, session

MANY = 60
CUTS = 4


def values_of(got: list[Arrived]) -> list[float]:
    """The values that arrived, in their order."""
    return [
        one["value"] for packet in got for one in readings.carried(readings.of_mqtt(packet.packet.payload))
    ]


def say(twin: Twin, client: Client, sensor: str, qos: int, **options: Any) -> tuple[int | None, float]:
    """Publish a reading; its packet id and value."""
    mine = readings.measurement(twin)
    number = client.publish(readings.topic(twin, sensor), readings.body(sensor, mine), qos=qos, **options)
    return number, mine["value"]


@verifies("DTC-P3-068", hazard="write")
def test_qos_0_arrives_once(twin: Twin) -> None:
    sensor = readings.sensor(twin, "qos-0")
    ears, speaker = broker.connect(twin, "zero"), broker.connect(twin, "zero-speaker")
    ears.subscribed((readings.filter_of(twin), 0))
    values = [say(twin, speaker, sensor, 0)[1] for _ in range(10)]
    got = ears.messages(wia.DELIVERY_S, readings.on_mqtt(sensor), most=len(values))
    got += readings.came(twin, ears, readings.on_mqtt(sensor))
    speaker.close()
    ears.close()
    count = Counter(values_of(got))
    judge_all_there(values, got, "QoS 0 messages on a healthy link", clause="P3 9.1")
    if any(count[value] > 1 for value in values):
        raise Tolerated("a QoS 0 message arrives twice", actual=str(max(count.values())), clause="C-73")


@verifies("DTC-P3-068", negative=True, hazard="write")
def test_qos_0_is_not_acknowledged(twin: Twin) -> None:
    sensor, speaker = readings.sensor(twin, "qos-0"), broker.connect(twin, "zero-ack")
    for _ in range(3):
        say(twin, speaker, sensor, 0)
    # An acknowledgement would go out before the answer to what is asked later.
    speaker.link.ping()
    speaker.reply("PINGRESP")
    answer = speaker.reply(("PUBACK", "PUBREC", "PUBCOMP"), within_s=wia.EXTRA_S)
    speaker.close()
    expect.that(
        answer is None, "a QoS 0 publish is acknowledged", actual=broker.told(answer), clause="P3 4.2.3, 9.1"
    )


@verifies("DTC-P3-068", negative=True, hazard="write")
def test_a_granted_level_of_0_is_kept(twin: Twin) -> None:
    """A message comes at the lower of its own level and the granted one."""
    sensor = readings.sensor(twin, "qos-0")
    ears, speaker = broker.connect(twin, "lower"), broker.connect(twin, "lower-speaker")
    ears.subscribed((readings.filter_of(twin), 0))
    mine = readings.measurement(twin)
    speaker.published(readings.topic(twin, sensor), readings.body(sensor, mine), qos=2)
    got = ears.messages(wia.DELIVERY_S, readings.on_mqtt(sensor, mine["value"]), most=1)
    speaker.close()
    ears.close()
    if not got:
        raise Blocked("DTC-P3-070", "the message does not come")
    expect.equal(got[0].packet.qos, 0, "a message comes above the granted level", clause="MQTT 5 3.8.4")


@verifies("DTC-P3-068", negative=True, hazard="write")
def test_qos_0_does_not_come_again(twin: Twin) -> None:
    sensor, name = readings.sensor(twin, "qos-0"), "zero-again"
    first = session(twin, name, clean=True)
    first.subscribed((readings.filter_of(twin), 0))
    mine = readings.measurement(twin)
    readings.post(twin, sensor, mine)
    before = first.messages(wia.DELIVERY_S, readings.on_mqtt(sensor, mine["value"]), most=1)
    first.link.cut()
    twin.clock.wait(0.2)
    second = session(twin, name, clean=False)
    after = readings.came(twin, second, readings.on_mqtt(sensor, mine["value"]))
    second.close()
    end_session(twin, name)
    if not before:
        raise Blocked("DTC-P3-087", "the message does not come at all")
    expect.that(
        not after, "a QoS 0 message is sent again after the line broke", expected="nothing", clause="P3 9.1"
    )


@verifies("DTC-P3-069", hazard="write")
def test_qos_1_is_acknowledged(twin: Twin) -> None:
    sensor, speaker = readings.sensor(twin, "qos-1"), broker.connect(twin, "one-ack")
    for _ in range(3):
        number, _ = say(twin, speaker, sensor, 1)
        answer = speaker.reply("PUBACK")
        expect.that(
            answer is not None and answer.packet.id == number and (answer.packet.reason or 0) < 0x80,
            "a QoS 1 publish is not acknowledged by its packet id",
            expected=f"PUBACK {number}",
            actual=broker.told(answer),
            clause="P3 4.2.3, 9.1",
        )
    speaker.close()


@verifies("DTC-P3-069", hazard="write")
def test_what_was_not_acknowledged_comes_again(twin: Twin) -> None:
    sensor, name = readings.sensor(twin, "qos-1"), "again"
    first = session(twin, name, clean=True)
    first.acks = False
    first.subscribed((readings.filter_of(twin), 1))
    speaker = broker.connect(twin, "again-speaker")
    _, value = say(twin, speaker, sensor, 1)
    speaker.reply("PUBACK")
    speaker.close()
    before = first.messages(wia.DELIVERY_S, readings.on_mqtt(sensor, value), most=1)
    first.link.cut()
    twin.clock.wait(0.2)
    if not before:
        raise Blocked("DTC-P3-087", "the message does not come at all")
    second = session(twin, name, clean=False)
    present = second.link.session_present
    after = second.messages(wia.DELIVERY_S, readings.on_mqtt(sensor, value), most=1)
    second.close()
    end_session(twin, name)
    if not present:
        raise Blocked("DTC-P3-056", "the session is gone after a drop")
    expect.that(
        bool(after), "a message that was not acknowledged is lost with the connection", clause="P3 9.1"
    )
    expect.that(
        after[0].packet.dup,
        "a message that is sent again has no DUP flag",
        expected="DUP 1",
        clause="P3 9.1, MQTT 5 3.3.1.1",
    )
    wanted(
        after[0].packet.id == before[0].packet.id,
        "a message that is sent again has another packet id",
        expected=before[0].packet.id,
        actual=after[0].packet.id,
        clause="MQTT 5 4.4",
    )


@verifies("DTC-P3-069", hazard="write")
def test_a_publisher_whose_line_breaks_loses_nothing(twin: Twin) -> None:
    """At least once, counted: what is published again after a break, because no PUBACK came, is there."""
    sensor, ears = readings.sensor(twin, "qos-1"), broker.connect(twin, "cuts-ears")
    ears.subscribed((readings.filter_of(twin), 1))
    values = []
    for _ in range(CUTS):
        speaker = broker.connect(twin, "cuts-speaker")
        sent = [readings.measurement(twin) for _ in range(5)]
        for mine in sent:
            speaker.publish(readings.topic(twin, sensor), readings.body(sensor, mine), qos=1)
        acknowledged = {one.packet.id for one in [speaker.reply("PUBACK", within_s=1.0)] if one}
        speaker.link.cut()
        again = broker.connect(twin, "cuts-speaker")
        for number, mine in enumerate(sent, start=1):
            if number not in acknowledged:
                again.published(readings.topic(twin, sensor), readings.body(sensor, mine), qos=1, dup=True)
        again.close()
        values += [mine["value"] for mine in sent]
    got = readings.all_of(ears, sensor, values)
    ears.close()
    judge_all_there(values, got, "QoS 1 messages across broken lines", clause="P3 9.1")


@verifies("DTC-P3-069", negative=True, hazard="write")
def test_what_was_acknowledged_does_not_come_again(twin: Twin) -> None:
    sensor, name = readings.sensor(twin, "qos-1"), "not-again"
    first = session(twin, name, clean=True)
    first.subscribed((readings.filter_of(twin), 1))
    speaker = broker.connect(twin, "not-again-speaker")
    _, value = say(twin, speaker, sensor, 1)
    speaker.reply("PUBACK")
    speaker.close()
    before = first.messages(wia.DELIVERY_S, readings.on_mqtt(sensor, value), most=1)
    first.link.ping()
    first.reply("PINGRESP")  # by then the broker has our PUBACK
    first.link.cut()
    twin.clock.wait(0.2)
    second = session(twin, name, clean=False)
    after = second.messages(1.0, readings.on_mqtt(sensor, value))
    second.close()
    end_session(twin, name)
    if not before:
        raise Blocked("DTC-P3-087", "the message does not come at all")
    expect.that(not after, "an acknowledged message comes again", clause="P3 9.1")


@verifies("DTC-P3-070", hazard="write")
def test_the_four_packets_of_qos_2(twin: Twin) -> None:
    sensor, speaker = readings.sensor(twin, "qos-2"), broker.connect(twin, "four", acks=False)
    number, _ = say(twin, speaker, sensor, 2)
    rec = speaker.reply(("PUBREC", "PUBACK", "PUBCOMP"))
    expect.that(
        rec is not None and rec.kind == "PUBREC" and rec.packet.id == number,
        "a QoS 2 publish is not answered with PUBREC",
        expected=f"PUBREC {number}",
        actual=broker.told(rec),
        clause="P3 4.2.3, 9.1",
    )
    speaker.link.answer("PUBREL", number or 0)
    comp = speaker.reply(("PUBCOMP", "PUBREC"))
    speaker.close()
    expect.that(
        comp is not None and comp.kind == "PUBCOMP" and comp.packet.id == number,
        "PUBREL is not answered with PUBCOMP",
        expected=f"PUBCOMP {number}",
        actual=broker.told(comp),
        clause="P3 4.2.3, 9.1",
    )


@verifies("DTC-P3-070", hazard="write")
def test_the_four_packets_towards_a_subscriber(twin: Twin) -> None:
    sensor = readings.sensor(twin, "qos-2")
    ears, speaker = broker.connect(twin, "four-ears", acks=False), broker.connect(twin, "four-speaker")
    ears.subscribed((readings.filter_of(twin), 2))
    mine = readings.measurement(twin)
    speaker.published(readings.topic(twin, sensor), readings.body(sensor, mine), qos=2)
    got = ears.messages(wia.DELIVERY_S, readings.on_mqtt(sensor, mine["value"]), most=1)
    speaker.close()
    if not got:
        ears.link.drop()
        raise Blocked("DTC-P3-070", "the message does not come at QoS 2")
    if got[0].packet.qos != 2:
        ears.link.drop()
    expect.that(
        got[0].packet.qos == 2,
        "a message published at QoS 2 comes at less to a subscription of QoS 2",
        expected="QoS 2, the lesser of the two",
        actual=f"QoS {got[0].packet.qos}",
        clause="P3 9.1, MQTT 5 3.8.4",
    )
    number = got[0].packet.id or 0
    ears.link.answer("PUBREC", number)
    release = ears.reply("PUBREL")
    ears.link.answer("PUBCOMP", number)
    ears.close()
    expect.that(
        release is not None and release.packet.id == number,
        "PUBREC of a subscriber is not answered with PUBREL of the same packet id",
        expected=f"PUBREL {number}",
        actual=broker.told(release),
        clause="P3 4.2.3, 9.1",
    )


@verifies("DTC-P3-070", hazard="write")
def test_exactly_once_across_broken_lines(twin: Twin) -> None:
    """Each message is published until its handshake is done; the line breaks between its packets."""
    sensor, name = readings.sensor(twin, "qos-2"), "exact"
    ears = broker.connect(twin, "exact-ears")
    ears.subscribed((readings.filter_of(twin), 2))
    speaker, values = session(twin, name, clean=True), []
    for turn in range(MANY // 3):
        mine = readings.measurement(twin)
        payload = json.dumps(readings.body(sensor, mine)).encode()
        topic, number = readings.topic(twin, sensor), 100 + turn
        values.append(mine["value"])
        speaker.acks = False
        speaker.link.publish(topic, payload, qos=2, packet_id=number)
        if turn % 4 == 1:  # before PUBREC is seen
            speaker = again(twin, name, speaker)
            speaker.link.publish(topic, payload, qos=2, packet_id=number, dup=True)
        speaker.reply("PUBREC", lambda one, number=number: one.packet.id == number)  # type: ignore[misc]
        if turn % 4 == 2:  # between PUBREC and PUBREL
            speaker = again(twin, name, speaker)
            speaker.link.publish(topic, payload, qos=2, packet_id=number, dup=True)
            speaker.reply("PUBREC", lambda one, number=number: one.packet.id == number)  # type: ignore[misc]
        speaker.link.answer("PUBREL", number)
        if turn % 4 == 3:  # before PUBCOMP is seen
            speaker = again(twin, name, speaker)
            speaker.link.answer("PUBREL", number)
        if speaker.reply("PUBCOMP", lambda one, number=number: one.packet.id == number) is None:  # type: ignore[misc]
            raise Violation(
                "PUBREL is not answered with PUBCOMP", expected=f"PUBCOMP {number}", clause="P3 9.1"
            )
    got = ears.messages(wia.DELIVERY_S, readings.on_mqtt(sensor), most=len(values))
    got += readings.came(twin, ears, readings.on_mqtt(sensor))
    speaker.close()
    ears.close()
    end_session(twin, name)
    judge_exactly_once(values, got)


def again(twin: Twin, name: str, broken: Client) -> Client:
    """The publisher after its line broke."""
    broken.link.cut()
    client = session(twin, name, clean=False)
    client.acks = False
    if not client.link.session_present:
        raise Blocked("DTC-P3-056", "the publisher's session is gone after a drop")
    return client


def judge_exactly_once(values: list[float], got: list[Arrived]) -> None:
    """Each value came once."""
    count = Counter(values_of(got))
    missing = [value for value in values if not count[value]]
    twice = [value for value in values if count[value] > 1]
    expect.that(
        not missing and not twice,
        "QoS 2 messages are lost or come twice",
        expected=f"{len(values)} distinct, 0 duplicates",
        actual=f"{len(missing)} missing, {len(twice)} twice",
        clause="P3 9.1",
    )


@verifies("DTC-P3-070", negative=True, hazard="write")
def test_a_subscriber_whose_line_breaks_gets_each_once(twin: Twin) -> None:
    """Copies that come again carry the packet id under which they came before: a client tells them apart."""
    sensor, name = readings.sensor(twin, "qos-2"), "broken-ears"
    ears = session(twin, name, clean=True)
    ears.subscribed((readings.filter_of(twin), 2))
    values: list[float] = []
    speaker = broker.connect(twin, "broken-speaker")
    for _ in range(20):
        mine = readings.measurement(twin)
        speaker.published(readings.topic(twin, sensor), readings.body(sensor, mine), qos=2)
        values.append(mine["value"])
    got = ears.messages(wia.DELIVERY_S, readings.on_mqtt(sensor), most=7)
    before = sum(one.kind == "PUBLISH" for one in ears.heard)
    ears.link.cut()
    twin.clock.wait(0.2)
    second = session(twin, name, clean=False)
    if not second.link.session_present:
        raise Blocked("DTC-P3-056", "the session is gone after a drop")
    second.messages(wia.DELIVERY_S, readings.on_mqtt(sensor), most=max(1, len(values) - before))
    readings.came(twin, second, readings.on_mqtt(sensor))
    second.settle(0.3)
    second.close()
    speaker.close()
    end_session(twin, name)
    expect.that(bool(got), "nothing comes before the break", clause="P3 9.1")
    found = deliveries([*ears.heard, *second.heard])
    judge_exactly_once(values, [one for one in found if readings.on_mqtt(sensor)(one)])


def deliveries(heard: list[Arrived]) -> list[Arrived]:
    """QoS 2 messages as a receiver counts them: one that comes again before its release is the same one.

    A released packet id may serve another message at once.
    """
    unreleased: set[int | None] = set()
    found = []
    for one in heard:
        if one.kind == "PUBREL":
            unreleased.discard(one.packet.id)
        elif one.kind == "PUBLISH":
            if one.packet.id not in unreleased:
                found.append(one)
            unreleased.add(one.packet.id)
    return found


@verifies("DTC-P3-070", negative=True, hazard="write")
def test_a_repeated_publish_is_one_message(twin: Twin) -> None:
    sensor = readings.sensor(twin, "qos-2")
    ears, speaker = broker.connect(twin, "repeat-ears"), broker.connect(twin, "repeat", acks=False)
    ears.subscribed((readings.filter_of(twin), 2))
    mine = readings.measurement(twin)
    payload, topic = json.dumps(readings.body(sensor, mine)).encode(), readings.topic(twin, sensor)
    for turn in range(3):
        speaker.link.publish(topic, payload, qos=2, packet_id=7, dup=turn > 0)
        speaker.reply("PUBREC")
    speaker.link.answer("PUBREL", 7)
    speaker.reply("PUBCOMP")
    got = ears.messages(wia.DELIVERY_S, readings.on_mqtt(sensor, mine["value"]), most=1)
    got += readings.came(twin, ears, readings.on_mqtt(sensor, mine["value"]))
    speaker.close()
    ears.close()
    wanted(
        bool(got),
        "a message that is repeated on one connection is lost",
        expected="once, or refused: MQTT 5 lets a client repeat it only after it has connected again",
        clause="P3 9.1, MQTT 5 4.4",
    )
    judge_exactly_once([mine["value"]], got)


@verifies("DTC-P3-071", hazard="write")
def test_qos_2_keeps_the_order(twin: Twin) -> None:
    sensor = readings.sensor(twin, "order")
    ears, speaker = broker.connect(twin, "order-ears"), broker.connect(twin, "order")
    ears.subscribed((readings.filter_of(twin), 2))
    values = [say(twin, speaker, sensor, 2)[1] for _ in range(MANY)]
    for _ in range(MANY):
        if speaker.reply("PUBCOMP") is None:
            break
    got = ears.messages(wia.DELIVERY_S, readings.on_mqtt(sensor), most=MANY)
    ears.settle(0.3)
    speaker.close()
    ears.close()
    came = [value for value in values_of(got) if value in values]
    if sorted(came) != sorted(values):
        raise Blocked("DTC-P3-070", f"{len(came)} of {len(values)} messages came")
    expect.that(
        came == values,
        "QoS 2 messages come in another order",
        expected="the order sent",
        actual=_first(values, came),
        clause="P3 9.3, C-73",
    )


@verifies("DTC-P3-071", negative=True, hazard="write")
def test_the_order_holds_across_a_break_of_the_subscriber(twin: Twin) -> None:
    sensor, name = readings.sensor(twin, "order-break"), "order-break"
    first = session(twin, name, clean=True)
    first.subscribed((readings.filter_of(twin), 2))
    first.link.cut()
    twin.clock.wait(0.2)
    speaker, values = broker.connect(twin, "order-break-speaker"), []
    for _ in range(20):
        mine = readings.measurement(twin)
        speaker.published(readings.topic(twin, sensor), readings.body(sensor, mine), qos=2)
        values.append(mine["value"])
    speaker.close()
    second = session(twin, name, clean=False)
    present = second.link.session_present
    got = second.messages(wia.DELIVERY_S, readings.on_mqtt(sensor), most=20)
    second.settle(0.3)
    second.close()
    end_session(twin, name)
    if not present:
        raise Blocked("DTC-P3-056", "the session is gone after a drop")
    came = [value for value in values_of(got) if value in values]
    if sorted(came) != sorted(values):
        raise Blocked("DTC-P3-070", f"{len(came)} of {len(values)} messages came")
    expect.that(
        came == values,
        "queued QoS 2 messages come in another order",
        expected="the order sent",
        actual=_first(values, came),
        clause="P3 9.3",
    )


def _first(values: list[float], came: list[float]) -> str:
    at = next((index for index, pair in enumerate(zip(values, came, strict=False)) if pair[0] != pair[1]), -1)
    return f"the first difference is message {at + 1}"


@verifies("DTC-P3-073")
@pytest.mark.parametrize("branch", ["sensors"])
def test_retention_of_readings_is_declared_with_its_bounds(twin: Twin, branch: str) -> None:
    judge_retention(twin, branch, 86_400)


@verifies("DTC-P3-073", negative=True)
def test_no_reading_is_kept_for_longer_than_declared(twin: Twin) -> None:
    judge_retention(twin, "sensors", 86_400, most=True)


@verifies("DTC-P3-074")
def test_retention_of_alerts_is_declared_with_its_bounds(twin: Twin) -> None:
    judge_retention(twin, "alerts", 604_800)


@verifies("DTC-P3-074", negative=True)
def test_no_alert_is_kept_for_longer_than_declared(twin: Twin) -> None:
    judge_retention(twin, "alerts", 604_800, most=True)


def judge_retention(twin: Twin, branch: str, seconds: int, *, most: bool = False) -> None:
    """The standard has no way to read what is retained (C-79): what is declared is compared.

    Rules are declared by branch (`sensors`) or by filter (`city/+/sensors/#`), as the standard prints them.
    """
    declared = twin.target.declares.get("retention")
    if not declared:
        raise NotApplicable("the target declares no retention of messages (declares.retention)")
    rules = declared if isinstance(declared, dict) else {}
    own = next((rule for name, rule in rules.items() if name == branch or f"/{branch}/" in name), None)
    told = own.get("duration_s") if isinstance(own, dict) else None
    if not isinstance(told, int | float):
        raise NotApplicable(f"declares.retention says no duration_s of {branch}")
    expect.that(
        told <= seconds if most else told >= seconds,
        f"{branch} are declared to be kept for another time",
        expected=f"{seconds} s",
        actual=told,
        clause="P3 9.2, C-79",
    )
