"""What a client of the broker may use again: packet identifiers, filters; and a Keep Alive of none."""

import json
from typing import Any

import pytest

from dtc_cli.harness.suite import Blocked, NotApplicable, Twin, expect, verifies
from suites.phase3.support import broker, readings, wia
from suites.phase3.support.mild import wanted

ROUNDS = 3
NUMBER = 7
"""The packet identifier of all messages."""


def one_number(twin: Twin, qos: int) -> tuple[list[float], list[Any]]:
    """The values published one after the other under one packet identifier, and what is heard of them.

    Raises:
        Blocked: when a handshake does not come to its end.
    """
    sensor, by = readings.sensor(twin, f"again-{qos}"), f"DTC-P3-0{68 + qos}"
    ears, speaker = broker.connect(twin, f"again-ears-{qos}"), broker.connect(twin, f"again-{qos}")
    ears.subscribed((readings.filter_of(twin), qos))
    values = []
    for _ in range(ROUNDS):
        mine = readings.measurement(twin)
        payload = json.dumps(readings.body(sensor, mine)).encode()
        speaker.link.publish(readings.topic(twin, sensor), payload, qos=qos, packet_id=NUMBER)
        last = speaker.reply("PUBACK" if qos == 1 else "PUBCOMP", lambda one: one.packet.id == NUMBER)
        if last is None:
            raise Blocked(by, "a message is not acknowledged to the end")
        values.append(mine["value"])
    got = readings.all_of(ears, sensor, values)
    speaker.close()
    ears.close()
    return values, got


@verifies("DTC-P3-069", hazard="write")
def test_an_identifier_is_free_after_puback(twin: Twin) -> None:
    values, got = one_number(twin, 1)
    judge_all(values, got)


@verifies("DTC-P3-070", hazard="write")
def test_an_identifier_is_free_after_pubcomp(twin: Twin) -> None:
    values, got = one_number(twin, 2)
    judge_all(values, got)


def judge_all(values: list[float], got: list[Any]) -> None:
    """Each value came."""
    told = [
        entry.get("value") for one in got for entry in readings.carried(readings.of_mqtt(one.packet.payload))
    ]
    missing = [value for value in values if not any(readings.same(one, value) for one in told)]
    expect.that(
        not missing,
        "a message is lost whose packet identifier an earlier one had, which was done with",
        expected=values,
        actual=f"{missing} do not come",
        clause="P3 9.1, MQTT 5 2.2.1",
    )


@verifies("DTC-P3-051", negative=True, hazard="write")
def test_a_filter_subscribed_to_again_is_one_subscription(twin: Twin) -> None:
    """At QoS 0 nothing comes twice; the witness tells when a second copy would have come."""
    sensor, client = readings.sensor(twin), broker.connect(twin, "again")
    for _ in range(2):
        client.subscribed((readings.filter_of(twin), 0))
    mine = readings.measurement(twin)
    readings.post(twin, sensor, mine)
    got = client.messages(wia.DELIVERY_S, readings.on_mqtt(sensor, mine["value"]), most=1)
    if not got:
        raise Blocked("DTC-P3-087", "the reading does not come")
    got += readings.came(twin, client, readings.on_mqtt(sensor, mine["value"]))
    client.close()
    wanted(
        len(got) == 1,
        "a message comes twice to a client that subscribed to the same filter twice",
        expected="the later SUBSCRIBE takes the place of the earlier one",
        actual=f"{len(got)} copies",
        clause="MQTT 5 3.8.4",
    )


@verifies("DTC-P3-051")
@pytest.mark.parametrize("count", [1, 3], ids=["alone", "with others"])
def test_unsubscribe_is_answered_whatever_it_names(twin: Twin, count: int) -> None:
    """Each filter has its place in UNSUBACK, also one that was never subscribed to."""
    client = broker.connect(twin, "never")
    filters = [readings.filter_of(twin, f"city/{{city}}/objects/never/{number}") for number in range(count)]
    number = client.link.unsubscribe(filters)
    answer = client.reply("UNSUBACK", lambda one: one.packet.id == number)
    client.close()
    wanted(
        answer is not None and len(answer.packet.reasons) == count,
        "UNSUBSCRIBE of filters that were never subscribed to is not answered filter by filter",
        expected=f"UNSUBACK with {count} reasons",
        actual=broker.told(answer),
        clause="MQTT 5 3.10.4, 3.11.3",
    )


@verifies("DTC-P3-055")
def test_a_keep_alive_of_0_is_no_limit(twin: Twin) -> None:
    """It turns the timer off, unless the server names one of its own; nobody is hung up on at once."""
    link = twin.mqtt.connect(broker.client_id(twin, "timeless"), keep_alive=0)
    if not link.accepted:
        raise NotApplicable(f"the broker takes no Keep Alive of 0: {broker.told(link.connack)}")
    client = broker.Client(twin, link)
    client.link.ping()
    answer = client.reply(("PINGRESP", "DISCONNECT", "END"))
    client.close()
    wanted(
        answer is not None and answer.kind == "PINGRESP",
        "a client with a Keep Alive of 0 is not served",
        expected="PINGRESP",
        actual=broker.told(answer),
        clause="MQTT 5 3.1.2.10",
    )
