"""The broker, its sessions and limits: DTC-P3-051, -056 to -060."""

import json
from typing import Any

import pytest

from dtc_cli.harness.suite import (
    Arrived,
    Blocked,
    NotApplicable,
    Scene,
    TargetUnreachable,
    Tolerated,
    Twin,
    background,
    expect,
    packets,
    verifies,
)
from suites.phase3.support import broker, readings, wia
from suites.phase3.support.broker import REFUSED_LOGIN, Client, client_id
from suites.phase3.support.mild import wanted

EXPIRY = 3600  # P3 4.2.1
RECEIVE_MAXIMUM = 100  # P3 4.2.1
PACKET_MAX = 262_144  # P3 4.2.1
ALIAS_MAX = 10  # P3 4.2.1
AWAY_S = 12.0


@verifies("DTC-P3-051")
def test_mqtt_5_is_spoken(twin: Twin) -> None:
    link = twin.mqtt.connect(client_id(twin, "five"))
    answer = link.connack
    link.drop()
    if answer is not None and answer.kind == "CONNACK" and answer.packet.reason in REFUSED_LOGIN:
        raise Blocked("DTC-P3-052", f"the key is refused: {broker.told(answer)}")
    expect.that(
        link.accepted,
        "CONNECT of MQTT 5 is refused",
        expected="CONNACK 0x00",
        actual=broker.told(answer),
        clause="P3 4.2.1",
    )


@verifies("DTC-P3-051", hazard="write")
def test_subscribe_publish_and_unsubscribe_work(twin: Twin) -> None:
    client, witness = broker.connect(twin, "works"), broker.connect(twin, "works-witness")
    sub = client.subscribe((readings.filter_of(twin), 1))
    number = client.link.unsubscribe([readings.filter_of(twin)])
    unsub = client.reply("UNSUBACK", lambda one: one.packet.id == number)
    witness.subscribed((readings.filter_of(twin), 0))
    client.messages(readings.GRACE_S)
    readings.came(twin, witness, lambda _: False)
    late = client.messages(readings.GRACE_S)
    witness.close()
    client.close()
    expect.that(
        not late,
        "messages come after UNSUBACK",
        actual=[one.packet.topic for one in late],
        clause="MQTT 5 3.10.4",
    )
    expect.that(sub is not None, "SUBSCRIBE is not answered with SUBACK", clause="P3 4.2.1, MQTT 5 3.8.4")
    expect.that(unsub is not None, "UNSUBSCRIBE is not answered with UNSUBACK", clause="MQTT 5 3.10.4")


@verifies("DTC-P3-051")
def test_the_broker_has_a_door_with_tls(twin: Twin) -> None:
    if twin.mqtt.door.scheme != "mqtts":
        if not is_local(twin.mqtt.door.host):
            expect.that(
                False, "the broker is not reached by mqtts", actual=twin.mqtt.url, clause="P3 4.2.1, C-77"
            )
        raise Tolerated(
            "the broker is reached without TLS, on this machine only", actual=twin.mqtt.url, clause="C-77"
        )
    expect.that(broker.connect(twin, "tls").link.accepted, "mqtts is not served", clause="P3 4.2.1")


def is_local(host: str) -> bool:
    """Whether a host is this machine."""
    return host in ("localhost", "::1") or host.startswith("127.")


@verifies("DTC-P3-051", negative=True)
@pytest.mark.parametrize(
    ("name", "level"), [("MQTT", 6), ("MQTT", 9), ("MQXX", 5)], ids=["6", "9", "another-name"]
)
def test_another_protocol_is_refused(twin: Twin, name: str, level: int) -> None:
    link = twin.mqtt.connect(client_id(twin, "other"), name=name, level=level)
    answer = link.connack
    link.drop()
    expect.that(
        answer is None or answer.over or (answer.kind in ("CONNACK", "DISCONNECT") and not link.accepted),
        f"{name} level {level} is accepted",
        expected="CONNACK 0x84, or the end of the connection",
        actual=broker.told(answer),
        clause="MQTT 5 3.1.2.1, 3.1.2.2",
    )
    expect.that(answer is not None, "the connection goes on in silence", clause="MQTT 5 3.1.2.2")


@verifies("DTC-P3-051", negative=True)
def test_nothing_goes_before_connect(twin: Twin) -> None:
    link = twin.mqtt.dial()
    link.send("PINGREQ", packets.PINGREQ)
    found = link.receive(wia.DELIVERY_S)
    link.drop()
    expect.that(
        found is not None and (found.over or found.kind in ("DISCONNECT", "CONNACK")),
        "a packet before CONNECT is served",
        expected="the end of the connection",
        actual=broker.told(found),
        clause="MQTT 5 3.1.0",
    )


@verifies("DTC-P3-051", negative=True)
@pytest.mark.parametrize(
    "data",
    [b"\x10\xff\xff\xff\xff\x01", b"\x00\x00", b"\x10\x02\x00\x04", b"GET / HTTP/1.1\r\n\r\n"],
    ids=["endless-length", "type-0", "half-a-connect", "http"],
)
def test_bytes_that_are_no_packet_end_the_connection(twin: Twin, data: bytes) -> None:
    link = twin.mqtt.dial()
    link.send("BYTES", data)
    found = next((one for one in link.during(12.0) if one.over), None)
    link.drop()
    expect.that(
        found is not None,
        "the connection goes on after bytes that are no packet",
        actual=data.hex(),
        clause="MQTT 5 4.13",
    )
    broker.connect(twin, "after-bytes").close()


def session(twin: Twin, name: str, *, clean: bool, expiry: int = EXPIRY, **options: Any) -> Client:
    """A client with a session that outlives its connection."""
    return broker.connect(twin, name, clean=clean, values={"sessionExpiry": expiry, **options})


def end_session(twin: Twin, name: str) -> None:
    """Leave no session behind."""
    broker.connect(twin, name, clean=True, values={"sessionExpiry": 0}).close()


def speak(twin: Twin, sensor: str, qos: int, count: int = 1) -> list[float]:
    """Readings published over MQTT and acknowledged; their values."""
    client, values = broker.connect(twin, "speaker"), []
    for _ in range(count):
        mine = readings.measurement(twin)
        answer = client.published(readings.topic(twin, sensor), readings.body(sensor, mine), qos=qos)
        if qos and (answer is None or (answer.packet.reason or 0) >= 0x80):
            raise Blocked("DTC-P3-069", f"a reading is not acknowledged: {broker.told(answer)}")
        values.append(mine["value"])
    client.close()
    return values


@verifies("DTC-P3-056", hazard="write")
@pytest.mark.parametrize("qos", [1, 2])
def test_a_session_survives_a_drop(twin: Twin, qos: int) -> None:
    sensor, name = readings.sensor(twin), f"survives-{qos}"
    first = session(twin, name, clean=True)
    first.subscribed((readings.filter_of(twin), qos))
    first.link.cut()
    twin.clock.wait(0.2)
    values = speak(twin, sensor, 1, 3)
    second = session(twin, name, clean=False)
    present = second.link.session_present
    got = readings.all_of(second, sensor, values)
    later = speak(twin, sensor, 1)
    live = second.messages(wia.DELIVERY_S, readings.on_mqtt(sensor, later[0]), most=1) if present else []
    second.settle(0.3)
    second.close()
    end_session(twin, name)
    expect.that(
        present, "the session is gone after a drop", expected="Session Present 1", clause="P3 4.2.1, C-70"
    )
    judge_all_there(values, got, "messages that were queued for a session", clause="P3 4.2.1")
    judge_all_there(later, live, "messages after a session was resumed", clause="P3 4.2.1, MQTT 5 4.1")


def judge_all_there(values: list[float], got: list[Arrived], what: str, *, clause: str) -> None:
    """Each value arrived at least once."""
    seen = [
        one["value"] for packet in got for one in readings.carried(readings.of_mqtt(packet.packet.payload))
    ]
    missing = [value for value in values if not any(readings.same(one, value) for one in seen)]
    expect.that(
        not missing,
        f"{what} are lost",
        expected=f"all {len(values)}",
        actual=f"{len(missing)} missing",
        clause=clause,
    )


def kept(scene: Scene) -> dict[str, Any]:
    """A client that is away for twelve seconds and asks for its session."""
    name, values = f"dtc-{scene.run_id[-8:]}-kept", {"sessionExpiry": EXPIRY}
    first = scene.mqtt().connect(name, clean=True, values=values)
    if not first.accepted:
        raise TargetUnreachable(f"CONNECT is refused: {broker.told(first.connack)}")
    first.cut()
    scene.wait(AWAY_S)
    second = scene.mqtt().connect(name, clean=False, values=values)
    present = second.session_present
    second.drop()
    scene.mqtt().connect(name, clean=True, values={"sessionExpiry": 0}).drop()
    return {"accepted": second.accepted, "present": present}


@verifies("DTC-P3-056")
@background(kept)
def test_a_session_is_there_after_twelve_seconds(twin: Twin) -> None:
    seen = twin.observed(kept)
    if not seen["accepted"]:
        raise Blocked("DTC-P3-051", "the client is not let in again")
    expect.that(
        seen["present"],
        "the session is gone after twelve seconds",
        expected="Session Present 1 for 3600 s",
        clause="P3 4.2.1, C-70",
    )


@verifies("DTC-P3-056", negative=True)
def test_clean_start_ends_the_session(twin: Twin) -> None:
    name = "clean-start"
    session(twin, name, clean=True).link.cut()
    twin.clock.wait(0.1)
    second = session(twin, name, clean=True)
    present = second.link.session_present
    second.close()
    end_session(twin, name)
    expect.that(
        not present,
        "Clean Start 1 finds the old session",
        expected="Session Present 0",
        clause="C-70, MQTT 5 3.1.2.4",
    )


@verifies("DTC-P3-056", negative=True)
def test_a_session_without_expiry_ends_with_its_connection(twin: Twin) -> None:
    name = "no-expiry"
    session(twin, name, clean=True, expiry=0).link.cut()
    twin.clock.wait(0.3)
    second = session(twin, name, clean=False, expiry=0)
    present = second.link.session_present
    second.close()
    expect.that(not present, "a session of expiry 0 outlives its connection", clause="MQTT 5 3.1.2.11.2")


@verifies("DTC-P3-056", negative=True, hazard="write")
def test_nothing_is_queued_for_another_client(twin: Twin) -> None:
    sensor = readings.sensor(twin)
    first = session(twin, "mine", clean=True)
    first.subscribed((readings.filter_of(twin), 1))
    first.link.cut()
    twin.clock.wait(0.1)
    values = speak(twin, sensor, 1)
    other = session(twin, "theirs", clean=False)
    got = other.messages(wia.EXTRA_S, readings.on_mqtt(sensor, values[0]))
    present = other.link.session_present
    other.close()
    for name in ("mine", "theirs"):
        end_session(twin, name)
    expect.that(not got and not present, "one client gets the session of another", clause="MQTT 5 4.1")


@verifies("DTC-P3-057", hazard="write")
@pytest.mark.parametrize("maximum", [RECEIVE_MAXIMUM, 5])
def test_receive_maximum_is_honoured(twin: Twin, maximum: int) -> None:
    sensor = readings.sensor(twin, f"receive-{maximum}")
    silent = broker.connect(twin, f"receive-{maximum}", acks=False, values={"receiveMaximum": maximum})
    silent.subscribed((readings.filter_of(twin), 1))
    speaker = broker.connect(twin, "receive-speaker")
    for _ in range(maximum + 10):
        speaker.publish(
            readings.topic(twin, sensor), readings.body(sensor, readings.measurement(twin)), qos=1
        )
    for _ in range(maximum + 10):
        if speaker.reply("PUBACK") is None:
            break
    speaker.close()
    mine = readings.on_mqtt(sensor)
    got = silent.messages(wia.DELIVERY_S, mine, most=maximum) + silent.messages(wia.EXTRA_S, mine)
    silent.link.drop()
    ids = {one.packet.id for one in got if one.packet.qos}
    if not ids:
        raise Blocked("DTC-P3-069", "nothing comes at QoS 1")
    expect.that(
        len(ids) <= maximum,
        "more than the client's Receive Maximum is in flight",
        expected=maximum,
        actual=len(ids),
        clause="P3 4.2.1, MQTT 5 3.1.2.11.3",
    )


@verifies("DTC-P3-057", hazard="write")
def test_a_message_counts_until_its_handshake_is_done(twin: Twin) -> None:
    """QoS 2 messages count too, and until PUBCOMP: PUBREC alone opens no window (MQTT 5 4.9)."""
    sensor, maximum = readings.sensor(twin, "receive-2"), 4
    slow = broker.connect(twin, "receive-2", acks=False, values={"receiveMaximum": maximum})
    slow.subscribed((readings.filter_of(twin), 2))
    speaker = broker.connect(twin, "receive-2-speaker")
    for _ in range(maximum + 4):
        mine = readings.measurement(twin)
        speaker.published(readings.topic(twin, sensor), readings.body(sensor, mine), qos=2)
    speaker.close()
    mine_only = readings.on_mqtt(sensor)
    got = slow.messages(wia.DELIVERY_S, mine_only, most=maximum) + slow.messages(wia.EXTRA_S, mine_only)
    for one in got:
        slow.link.answer("PUBREC", one.packet.id or 0)
    later = slow.messages(wia.EXTRA_S, mine_only)
    slow.link.drop()
    if any(one.packet.qos != 2 for one in got) or not got:
        raise Blocked("DTC-P3-070", "the messages do not come at QoS 2")
    for judge, what, found in ((expect.that, "before", got), (wanted, "after PUBREC", [*got, *later])):
        judge(
            len({one.packet.id for one in found}) <= maximum,
            f"more than the client's Receive Maximum is in flight at QoS 2, {what}",
            expected=maximum,
            actual=len(found),
            clause="P3 4.2.1, MQTT 5 4.9",
        )


@verifies("DTC-P3-057", negative=True, hazard="write")
def test_the_rest_comes_with_the_acknowledgements(twin: Twin) -> None:
    sensor = readings.sensor(twin, "receive-rest")
    hearer = broker.connect(twin, "receive-rest", values={"receiveMaximum": 3})
    hearer.subscribed((readings.filter_of(twin), 1))
    values = speak(twin, sensor, 1, 10)
    got = readings.all_of(hearer, sensor, values)
    hearer.close()
    judge_all_there(values, got, "messages beyond the window", clause="P3 4.2.1")


def big(twin: Twin, sensor: str, size: int) -> tuple[dict[str, Any], float]:
    """A reading whose payload is that large, and its value."""
    mine = readings.measurement(twin)
    return {**readings.body(sensor, mine), "note": "x" * size}, mine["value"]


@verifies("DTC-P3-058", hazard="write")
def test_a_large_publish_does_no_harm(twin: Twin) -> None:
    """A payload of 200 KB lies within the limit of 262,144 bytes: it is taken, and the client goes on."""
    sensor = readings.sensor(twin, "large")
    ears = broker.connect(twin, "large", values={"maximumPacketSize": PACKET_MAX})
    ears.subscribed((readings.filter_of(twin), 0))
    speaker = broker.connect(twin, "large-speaker")
    payload, value = big(twin, sensor, 200_000)
    answer = speaker.published(readings.topic(twin, sensor), payload, qos=1)
    got = ears.messages(wia.DELIVERY_S, readings.on_mqtt(sensor, value), most=1)
    speaker.close()
    ears.close()
    expect.that(
        bool(got) and answer is not None,
        "a payload of 200 KB is not delivered",
        actual=broker.told(answer),
        clause="P3 4.2.1, C-75",
    )


@verifies("DTC-P3-058", negative=True, hazard="write")
@pytest.mark.parametrize("limit", [PACKET_MAX, 20_000])
def test_no_packet_above_the_clients_limit_is_sent(twin: Twin, limit: int) -> None:
    sensor = readings.sensor(twin, "above")
    ears = broker.connect(twin, f"above-{limit}", values={"maximumPacketSize": limit})
    ears.subscribed((readings.filter_of(twin), 1))
    speaker = broker.connect(twin, f"above-speaker-{limit}")
    payload, _ = big(twin, sensor, limit + 40_000)
    speaker.published(readings.topic(twin, sensor), payload, qos=1)
    got = readings.came(twin, ears, lambda one: True)
    largest = max((one.packet.size for one in got), default=0)
    over = ears.ended
    speaker.link.drop()
    if over is None:
        ears.link.ping()
        alive = ears.reply("PINGRESP")
        ears.close()
        expect.that(alive is not None, "the client is lost after a packet above its limit", clause="P3 4.2.1")
    ears.link.drop()
    expect.that(
        largest <= limit,
        "a packet above the client's Maximum Packet Size is sent to it",
        expected=f"at most {limit} bytes",
        actual=largest,
        clause="P3 4.2.1, MQTT 5 3.1.2.11.4",
    )
    expect.that(over is None, "the client is dropped for a message of another one", clause="P3 4.2.1")


@verifies("DTC-P3-059", hazard="write")
@pytest.mark.parametrize("maximum", [ALIAS_MAX, 0])
def test_no_alias_above_the_clients_maximum(twin: Twin, maximum: int) -> None:
    values = {"topicAliasMaximum": maximum} if maximum else {}
    ears = broker.connect(twin, f"alias-{maximum}", values=values)
    ears.subscribed((readings.filter_of(twin), 0))
    sensors = [readings.sensor(twin, f"alias-{number}") for number in range(5)]
    for sensor in sensors:
        for parameter in ("temperature", "humidity", "air_quality"):
            readings.post(twin, sensor, readings.measurement(twin, parameter, 21.0))
    wanted = 12
    got = ears.messages(wia.DELIVERY_S, lambda one: True, most=15)
    ears.close()
    if len(got) < wanted:
        raise Blocked("DTC-P3-087", f"only {len(got)} of 15 readings came")
    aliases = [one.packet.properties.get("topicAlias", 0) for one in got]
    expect.that(
        max(aliases) <= maximum,
        "a topic alias above the client's maximum is used",
        expected=f"at most {maximum}",
        actual=max(aliases),
        clause="P3 4.2.1, MQTT 5 3.3.2.3.4",
    )


@verifies("DTC-P3-059", negative=True, hazard="write")
def test_an_alias_that_was_never_set_names_no_topic(twin: Twin) -> None:
    """A PUBLISH without a topic by an unknown alias is a protocol error."""
    client = broker.connect(twin, "alias-unknown")
    client.link.publish("", b"{}", qos=0, values={"topicAlias": 9})
    end = client.end()
    client.link.drop()
    expect.that(
        end is not None,
        "an alias that was never set is accepted",
        expected="DISCONNECT 0x94 or 0x82",
        clause="MQTT 5 3.3.2.3.4",
    )


@verifies("DTC-P3-059", negative=True, hazard="write")
def test_an_alias_ends_with_its_connection(twin: Twin) -> None:
    sensor, name = readings.sensor(twin, "alias-ends"), "alias-ends"
    first = session(twin, name, clean=True)
    if not first.link.granted.get("topicAliasMaximum"):
        first.close()
        raise NotApplicable("the broker takes no topic aliases")
    mine = readings.measurement(twin)
    alias = {"topicAlias": 1}
    payload = readings.body(sensor, mine)
    first.published(readings.topic(twin, sensor), payload, qos=1, values=alias)
    first.link.cut()
    twin.clock.wait(0.2)
    second = session(twin, name, clean=False)
    second.link.publish("", json.dumps(payload).encode(), qos=1, values=alias)
    found = second.reply(("PUBACK", "DISCONNECT", "END", "MALFORMED"))
    second.link.drop()
    end_session(twin, name)
    expect.that(
        found is not None and (found.kind != "PUBACK" or (found.packet.reason or 0) >= 0x80),
        "a topic alias of an earlier connection is taken",
        expected="DISCONNECT 0x94 or 0x82",
        actual=broker.told(found),
        clause="MQTT 5 3.3.2.3.4",
    )


@verifies("DTC-P3-060")
def test_legal_connect_flags_are_taken(twin: Twin) -> None:
    will = {"topic": readings.filter_of(twin, "city/{city}/devices/dtc/status"), "payload": b"gone", "qos": 1}
    for flags in (None, will):
        link = twin.mqtt.connect(client_id(twin, "flags"), will=flags)
        link.drop()
        refused = link.connack.packet.reason if link.connack else None
        if flags is not None and refused in (0x87, 0x90, 0x9A, 0x9B):
            return  # flags without a will were taken; wills are refused by rights, not as malformed
        expect.that(
            link.accepted,
            "legal connect flags are refused",
            actual=broker.told(link.connack),
            clause="P3 4.2.1",
        )


BAD_FLAGS = {
    "will-qos-1-without-will": 0xCA,
    "will-retain-without-will": 0xE2,
    "will-qos-3": 0xDE,
    "reserved-bit": 0xC3,
}


@verifies("DTC-P3-060", negative=True)
@pytest.mark.parametrize("how", BAD_FLAGS)
def test_malformed_connect_flags_are_refused(twin: Twin, how: str) -> None:
    """A broker SHOULD refuse them; one that takes them is told so by a warning (C-70)."""
    will = {"topic": "city/x", "payload": b"x", "qos": 0} if how == "will-qos-3" else None
    link = twin.mqtt.connect(client_id(twin, "bad-flags"), flags=BAD_FLAGS[how], will=will)
    answer = link.connack
    link.drop()
    if link.accepted and how.startswith("will"):
        raise Tolerated(
            f"malformed connect flags are accepted: {how}",
            expected="CONNACK 0x81, or the end",
            actual=broker.told(answer),
            clause="C-70",
        )
    expect.that(
        not link.accepted,
        f"malformed connect flags are accepted: {how}",
        actual=broker.told(answer),
        clause="MQTT 5 3.1.2.3",
    )
