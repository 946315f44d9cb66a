"""What MQTT 5 promises a broker's clients beside login and delivery: DTC-P3-051."""

import json
import struct
from typing import Any

import pytest

from dtc_cli.harness.suite import Arrived, Blocked, NotApplicable, Twin, expect, packets, verifies
from suites.phase3.support import broker, readings, wia
from suites.phase3.support.broker import client_id
from suites.phase3.support.mild import wanted

CLAUSE = "P3 4.2.1, MQTT 5"
WHERE = ("city/{city}/sensors/#", "city/{city}/objects/#", "city/{city}/simulations/#")
NO_SUBSCRIPTIONS = 0x9E
"""Shared subscriptions not supported (MQTT 5 3.9.3)."""


@verifies("DTC-P3-051")
def test_each_filter_has_its_place_in_the_suback(twin: Twin) -> None:
    client, asked = broker.connect(twin, "places"), (0, 1, 2)
    filters = [(readings.filter_of(twin, where), qos) for where, qos in zip(WHERE, asked, strict=True)]
    answer = client.subscribe(*filters)
    client.close()
    reasons = list(answer.packet.reasons) if answer is not None else []
    expect.that(
        len(reasons) == len(asked)
        and all(reason <= qos or reason >= 0x80 for reason, qos in zip(reasons, asked, strict=True)),
        "SUBACK does not answer each filter in its place",
        expected=f"three reasons, at most {list(asked)}",
        actual=reasons,
        clause=f"{CLAUSE} 3.9.3",
    )


@verifies("DTC-P3-051", negative=True, hazard="write")
def test_one_unsubscribe_ends_all_its_filters(twin: Twin) -> None:
    sensor, client = readings.sensor(twin), broker.connect(twin, "several")
    witness, mine = broker.connect(twin, "several-witness"), readings.measurement(twin)
    both = [readings.filter_of(twin), readings.filter_of(twin, "city/+/sensors/#")]
    client.subscribed(*((one, 0) for one in both))
    witness.subscribed((readings.filter_of(twin), 0))
    number = client.link.unsubscribe(both)
    answer = client.reply("UNSUBACK", lambda one: one.packet.id == number)
    readings.post(twin, sensor, mine)
    readings.came(twin, witness, lambda _: False)
    got = client.messages(readings.GRACE_S, readings.on_mqtt(sensor, mine["value"]))
    witness.close()
    client.close()
    expect.that(answer is not None, "UNSUBSCRIBE is not answered", clause=f"{CLAUSE} 3.10.4")
    expect.that(
        not got,
        "a message comes for a filter that UNSUBSCRIBE named beside another",
        actual=[one.packet.topic for one in got],
        clause=f"{CLAUSE} 3.10.4",
    )


@verifies("DTC-P3-051", negative=True, hazard="write")
def test_a_shared_subscription_is_served_once(twin: Twin) -> None:
    """Each message goes to one member of the group, and to no other."""
    sensor = readings.sensor(twin, "shared")
    members = [broker.connect(twin, f"member-{number}") for number in range(2)]
    where = f"$share/dtc-{twin.run_id[-8:]}/{readings.filter_of(twin)}"
    for one in members:
        answer = one.subscribe((where, 2))
        refused = answer is None or any(reason >= 0x80 for reason in answer.packet.reasons)
        if refused or one.link.granted.get("sharedAvailable") == 0:
            for each in members:
                each.link.drop()
            if one.link.granted.get("sharedAvailable") == 0 or told_unavailable(answer):
                raise NotApplicable("the broker serves no shared subscriptions, and says so")
            raise Blocked("DTC-P3-083", f"{where} is refused: {broker.told(answer)}")
    speaker, values = broker.connect(twin, "shared-speaker"), []
    for _ in range(4):
        mine = readings.measurement(twin)
        speaker.published(readings.topic(twin, sensor), readings.body(sensor, mine), qos=2)
        values.append(mine["value"])
    heard = [heard_values(one.messages(wia.EXTRA_S, readings.on_mqtt(sensor))) for one in members]
    for one in (*members, speaker):
        one.close()
    shown = [[values.index(value) for value in each if value in values] for each in heard]
    wanted(
        not set(shown[0]) & set(shown[1]),
        "a message comes to two members of a shared subscription",
        expected="each message at one of them",
        actual=shown,
        clause=f"{CLAUSE} 4.8.2",
    )
    wanted(
        set(shown[0]) | set(shown[1]) == set(range(len(values))),
        "a message comes to no member of a shared subscription",
        expected="each message at one of them",
        actual=shown,
        clause=f"{CLAUSE} 4.8.2",
    )


def told_unavailable(answer: Arrived | None) -> bool:
    """Whether SUBACK says that there are no shared subscriptions."""
    return answer is not None and NO_SUBSCRIPTIONS in answer.packet.reasons


def heard_values(got: list[Arrived]) -> list[Any]:
    """The values that the messages carry."""
    return [
        one.get("value")
        for packet in got
        for one in readings.carried(readings.of_mqtt(packet.packet.payload))
    ]


@verifies("DTC-P3-051", hazard="write")
def test_a_message_names_its_subscription(twin: Twin) -> None:
    sensor, client = readings.sensor(twin), broker.connect(twin, "identifier")
    if client.link.granted.get("subscriptionIdAvailable") == 0:
        client.close()
        raise NotApplicable("the broker takes no subscription identifiers, and says so")
    client.subscribed((readings.filter_of(twin), 1), values={"subscriptionId": 77})
    mine = readings.measurement(twin)
    readings.post(twin, sensor, mine)
    got = client.messages(wia.DELIVERY_S, readings.on_mqtt(sensor, mine["value"]), most=1)
    client.close()
    if not got:
        raise Blocked("DTC-P3-087", "the reading does not come")
    named = got[0].packet.properties.get("subscriptionId")
    wanted(
        named in (77, [77], (77,)),
        "a message does not name the subscription for which it comes",
        expected=77,
        actual=named,
        clause=f"{CLAUSE} 3.3.4",
    )


def with_a_will(twin: Twin, name: str) -> tuple[Any, float]:
    """A client whose last will is a reading, and the value of that.

    Raises:
        NotApplicable: when the broker takes no such will.
    """
    sensor, mine = readings.sensor(twin, "will"), readings.measurement(twin)
    payload = json.dumps(readings.body(sensor, mine)).encode()
    will = {"topic": readings.topic(twin, sensor), "payload": payload, "qos": 1}
    link = twin.mqtt.connect(client_id(twin, name), will=will)
    if not link.accepted:
        raise NotApplicable(f"the broker takes no last will on a sensor's topic: {broker.told(link.connack)}")
    return link, mine["value"]


@verifies("DTC-P3-051", hazard="write")
def test_the_last_will_of_a_client_that_is_gone_is_said(twin: Twin) -> None:
    ears = broker.connect(twin, "will-heard")
    ears.subscribed((readings.filter_of(twin), 0))
    link, value = with_a_will(twin, "will-gone")
    link.cut()
    got = ears.messages(wia.DELIVERY_S, readings.on_mqtt(readings.sensor(twin, "will"), value), most=1)
    ears.close()
    wanted(
        bool(got),
        "the last will of a client whose connection breaks is not published",
        expected="its message within 5 s",
        clause=f"{CLAUSE} 3.1.2.5",
    )


@verifies("DTC-P3-051", negative=True, hazard="write")
def test_no_last_will_follows_a_farewell(twin: Twin) -> None:
    ears = broker.connect(twin, "will-unheard")
    ears.subscribed((readings.filter_of(twin), 0))
    link, value = with_a_will(twin, "will-kept")
    link.disconnect()
    got = readings.came(twin, ears, readings.on_mqtt(readings.sensor(twin, "will"), value))
    ears.close()
    expect.that(
        not got,
        "the last will of a client is published though it said DISCONNECT",
        expected="nothing",
        actual=[one.packet.topic for one in got],
        clause=f"{CLAUSE} 3.1.2.5",
    )


@verifies("DTC-P3-051", negative=True)
def test_a_client_that_comes_again_ends_its_older_connection(twin: Twin) -> None:
    older = broker.connect(twin, "twice")
    newer = broker.connect(twin, "twice")
    end = older.end()
    newer.link.ping()
    alive = newer.reply("PINGRESP")
    newer.close()
    older.link.drop()
    wanted(
        end is not None,
        "two connections of one client go on side by side",
        expected="DISCONNECT 0x8E, or the end of the older one",
        clause=f"{CLAUSE} 3.1.4",
    )
    expect.that(alive is not None, "the newer connection of a client is not served", clause=f"{CLAUSE} 3.1.4")


MALFORMED: dict[str, bytes] = {
    "second-connect": packets.connect("dtc-again", username="api-key", password="x"),  # noqa: S106 - none
    "subscribe-to-nothing": packets.subscribe(9, []),
    "subscribe-flags": b"\x80" + packets.subscribe(9, [("city/none", 0)])[1:],
    "subscribe-reserved-bits": packets.subscribe(9, [("city/none", 0xC0)]),
    "subscribe-qos-3": packets.subscribe(9, [("city/none", 3)]),
    "subscribe-id-0": packets.subscribe(0, [("city/none", 0)]),
    "publish-qos-3": packets.publish("city/none", b"{}", qos=3, packet_id=9),
    "publish-wildcard": packets.publish("city/+/sensors/#", b"{}", qos=1, packet_id=9),
    "connack": b"\x20\x03\x00\x00\x00",
    "alias-0": packets.publish("city/none", b"{}", values={"topicAlias": 0}),
    "no-utf-8": packets.packet("PUBLISH", 0, struct.pack("!H", 2) + b"\xc3\x28" + b"\x00{}"),
}


@verifies("DTC-P3-051", negative=True)
@pytest.mark.parametrize("how", MALFORMED)
def test_what_the_protocol_forbids_ends_the_connection(twin: Twin, how: str) -> None:
    """A refusal of the packet alone passes too where it has an answer."""
    client = broker.connect(twin, "forbidden")
    client.link.send(how.upper(), MALFORMED[how])
    client.link.ping()
    found = client.reply(("DISCONNECT", "END", "MALFORMED", "PUBACK", "PUBREC", "SUBACK", "PINGRESP"))
    client.link.drop()
    reasons = () if found is None else found.packet.reasons or (found.packet.reason or 0,)
    refused = (
        found is not None
        and found.kind != "PINGRESP"
        and (found.over or found.kind == "DISCONNECT" or all(reason >= 0x80 for reason in reasons))
    )
    judge = expect.that if how == "publish-wildcard" else wanted
    judge(
        refused,
        f"a packet that the protocol forbids is passed over or served: {how.replace('-', ' ')}",
        expected="DISCONNECT 0x81 or 0x82, or the end of the connection",
        actual=broker.told(found),
        clause=f"{CLAUSE} 4.13",
    )
