"""The MQTT endpoint of the twin, as its clients see it."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import mqtt5
import pytest

from tests.integration.test_twin.conftest import CITY, Twin
from tests.support.mqtt_client import Client, message

Open = Callable[..., Client]
COMMANDS = f"city/{CITY}/commands"
DEVICES = f"city/{CITY}/devices"


@pytest.fixture
def client(twin: Twin) -> Iterator[Open]:
    """Connections that are closed at the end; logged in unless `role` is None."""
    clients: list[Client] = []

    def begin(client_id: str = "", role: str | None = "load", **options: Any) -> Client:
        clients.append(Client(twin.announced["mqtt"]))
        if role is not None:
            clients[-1].login(twin.key(role), client_id, **options)
        return clients[-1]

    yield begin
    for one in clients:
        one.close()


def published(client: Client) -> mqtt5.PublishPacket:
    return client.get(mqtt5.PublishPacket)


def payloads(packets: list[Any]) -> list[bytes]:
    return [one.payload for one in packets if isinstance(one, mqtt5.PublishPacket)]


# --- login (P3 8.2)


def test_the_target_file_names_the_door(twin: Twin) -> None:
    assert twin.settings["mqtt"]["url"] == twin.announced["mqtt"]
    assert twin.announced["mqtt"].startswith("mqtt://127.0.0.1:")


def test_login_by_key_and_by_token(twin: Twin, client: Open) -> None:
    answer = client(keep_alive=600).connack
    assert answer is not None
    assert int(answer.reason_code) == 0
    assert answer.session_present is False
    assert answer.assigned_client_id
    assert answer.server_keep_alive == 60
    secret = Path(twin.settings["auth"]["oauth"]["client_secret"].removeprefix("file:")).read_text()
    token = httpx.post(
        twin.settings["auth"]["oauth"]["token_url"],
        data={"grant_type": "client_credentials", "client_id": "dtc-client", "client_secret": secret},
    ).json()["access_token"]
    by_token = client(role=None).login(token, user="oauth")
    assert by_token.subscribe(f"city/{CITY}/alerts/#") == [2]


@pytest.mark.parametrize(
    ("user", "password", "code"),
    [
        ("api-key", b"wrong", 0x86),
        ("api-key", b"\xff\xfe", 0x86),
        ("oauth", b"not.a.token", 0x86),
        ("somebody", b"x", 0x86),
        (None, None, 0x87),
    ],
)
def test_wrong_logins_are_refused(client: Open, user: str, password: bytes, code: int) -> None:
    one = client(role=None)
    one.send(mqtt5.ConnectPacket("x", username=user, password=password))
    assert int(one.ended()) == code


def test_a_client_id_belongs_to_its_credential(client: Open) -> None:
    first = client("mine", session_expiry_interval=60)
    other = client("mine", role="viewer").connack
    assert other is not None
    assert int(other.reason_code) == 0x85
    assert first.rest() == []
    first.close()
    away = client("mine", role="operator").connack
    assert away is not None
    assert int(away.reason_code) == 0x85


def test_the_same_client_takes_over(client: Open) -> None:
    first = client("twice", session_expiry_interval=60)
    first.subscribe(f"{COMMANDS}/takeover")
    second = client("twice", clean_start=False, session_expiry_interval=60)
    assert first.ended() == mqtt5.DisconnectReasonCode.SESSION_TAKEN_OVER
    assert second.connack is not None
    assert second.connack.session_present is True
    second.publish(f"{COMMANDS}/takeover", b"still subscribed")
    assert published(second).payload == b"still subscribed"


def test_enhanced_authentication_and_old_protocols(client: Open) -> None:
    one = client(role=None)
    one.send(mqtt5.ConnectPacket("x", authentication_method="SCRAM"))
    assert int(one.ended()) == 0x8C
    unknown = client(role=None)
    unknown.send(bytes.fromhex("100d00044d51545406020000000161"))
    assert int(unknown.ended()) == 0x84


# --- hostile bytes: the server lives, and says what was wrong


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"\x36\x07\x00\x01a\x00\x01\x00x", 0x81),
        (b"\x30\x05\x00\x01#\x00x", 0x90),
        (b"\x30\x05\x00\x01\xff\x00x", 0x81),
        (b"\x30\xff\xff\xff\xff\x01", 0x81),
        (b"\x30\xff\xff\xff\x7f", 0x95),
        (b"\x82\x03\x00\x01\x00", 0x82),
        (b"\x20\x03\x00\x00\x00", 0x82),
        (b"\xf0\x02\x18\x00", 0x82),
        (b"\x30\x08\x00\x01a\x03\x23\x00\xffx", 0x94),
        (b"\x30\x07\x00\x00\x03\x23\x00\x05x", 0x82),
        (mqtt5.ConnectPacket("again").write(), 0x82),
        (b"\x82\x10\x00\x01\x00\x00\x0a$share/g/a\x06", 0x82),
    ],
)
def test_what_breaks_the_protocol_ends_the_connection(
    twin: Twin, client: Open, raw: bytes, reason: int
) -> None:
    one = client()
    one.send(raw)
    assert int(one.ended()) == reason
    assert client().rest() == []


@pytest.mark.parametrize("raw", [b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 20, b"\xc0\x00", b"\xff" * 40])
def test_strangers_are_hung_up_on(client: Open, raw: bytes) -> None:
    one = client(role=None)
    one.send(raw)
    assert one.ended() in (None, mqtt5.ConnAckReasonCode.MALFORMED_PACKET)


def test_malformed_connects_are_told_why(client: Open) -> None:
    will_qos_without_will = client(role=None)
    will_qos_without_will.send(b"\x10\x0e\x00\x04MQTT\x05\x0a\x00\x3c\x00\x00\x01a")
    assert int(will_qos_without_will.ended()) == 0x81


# --- delivery


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_message_passes_at_each_qos(client: Open, qos: int) -> None:
    subscriber, publisher = client(), client()
    assert subscriber.subscribe(f"{COMMANDS}/+", qos=qos) == [qos]
    told = publisher.publish(
        f"{COMMANDS}/lamp",
        b"on",
        qos,
        content_type="text/plain",
        response_topic=f"city/{CITY}/responses/1",
        correlation_data=b"\x01\x02",
        user_properties=[("a", "1"), ("a", "2")],
        payload_format_indicator=1,
    )
    assert told == 0
    got = published(subscriber)
    assert (got.topic, got.payload, int(got.qos), got.retain, got.duplicate) == (
        f"{COMMANDS}/lamp",
        b"on",
        qos,
        False,
        False,
    )
    assert (got.content_type, got.response_topic, got.correlation_data) == (
        "text/plain",
        f"city/{CITY}/responses/1",
        b"\x01\x02",
    )
    assert got.user_properties == [("a", "1"), ("a", "2")]
    assert got.payload_format_indicator == 1


def test_qos_2_is_taken_once_however_often_it_is_sent(client: Open) -> None:
    subscriber, publisher = client(), client("once", session_expiry_interval=60)
    subscriber.subscribe(f"{COMMANDS}/#")
    one = message(f"{COMMANDS}/once", b"x", 2, 5)
    publisher.send(one)
    assert publisher.get(mqtt5.PubRecPacket).packet_id == 5
    publisher.close()
    again = client("once", clean_start=False, session_expiry_interval=60)
    again.send(message(f"{COMMANDS}/once", b"x", 2, 5, duplicate=True))
    assert int(again.get(mqtt5.PubRecPacket).reason_code) == 0
    again.send(mqtt5.PubRelPacket(5))
    assert int(again.get(mqtt5.PubCompPacket).reason_code) == 0
    again.send(mqtt5.PubRelPacket(5))
    assert int(again.get(mqtt5.PubCompPacket).reason_code) == 0x92
    assert payloads(subscriber.rest()) == [b"x"]


def test_a_session_keeps_what_its_client_missed(client: Open) -> None:
    away = client("away", session_expiry_interval=3600)
    away.subscribe(f"{COMMANDS}/away/#", qos=2)
    away.close()
    publisher = client()
    for i in range(5):
        publisher.publish(f"{COMMANDS}/away/{i}", str(i).encode(), i % 3)
    publisher.publish(f"{COMMANDS}/away/late", b"late", 1, message_expiry_interval=1)
    publisher.publish(f"{COMMANDS}/away/soon", b"soon", 1, message_expiry_interval=100)
    deadline = time.monotonic() + 1.1
    while time.monotonic() < deadline:
        publisher.rest()
    back = client("away", clean_start=False, session_expiry_interval=3600)
    assert back.connack is not None
    assert back.connack.session_present is True
    seen = [one for one in back.rest() if isinstance(one, mqtt5.PublishPacket)]
    assert [one.payload for one in seen] == [b"1", b"2", b"4", b"soon"]
    assert seen[-1].message_expiry_interval is not None
    assert 0 < seen[-1].message_expiry_interval < 100
    # nothing was acknowledged, so all of it comes again, marked
    back.close()
    again = client("away", clean_start=False)
    seen = [one for one in again.rest() if isinstance(one, mqtt5.PublishPacket)]
    assert [one.payload for one in seen] == [b"1", b"2", b"4", b"soon"]
    assert all(one.duplicate for one in seen)
    again.send(*(mqtt5.PubAckPacket(one.packet_id or 0) for one in seen if int(one.qos) == 1))
    again.send(*(mqtt5.PubRecPacket(one.packet_id or 0) for one in seen if int(one.qos) == 2))
    assert [type(one) for one in again.rest()] == [mqtt5.PubRelPacket]
    again.send(mqtt5.DisconnectPacket())
    assert again.ended() is None
    gone = client("away", clean_start=False).connack
    assert gone is not None
    assert gone.session_present is False


def test_receive_maximum_of_the_client_is_kept(client: Open) -> None:
    subscriber, publisher = client(receive_max=3), client()
    subscriber.subscribe(f"{COMMANDS}/window")
    publisher.send(*(message(f"{COMMANDS}/window", str(i).encode(), 1, i + 1) for i in range(8)))
    for _ in range(8):
        publisher.get(mqtt5.PubAckPacket)
    seen = subscriber.rest()
    assert payloads(seen) == [b"0", b"1", b"2"]
    subscriber.send(mqtt5.PubAckPacket(seen[1].packet_id))
    assert published(subscriber).payload == b"3"
    assert subscriber.rest() == []


def test_receive_maximum_of_the_server(client: Open) -> None:
    publisher = client()
    assert publisher.connack is not None
    limit = publisher.connack.receive_max
    publisher.send(*(message(f"{COMMANDS}/x", b"", 2, i + 1) for i in range(limit + 1)))
    assert publisher.ended() == mqtt5.DisconnectReasonCode.RECEIVE_MAX_EXCEEDED


def test_packets_are_never_larger_than_the_client_takes(client: Open) -> None:
    small, large, publisher = client(max_packet_size=100), client(max_packet_size=262_144), client()
    for one in (small, large):
        one.subscribe(f"{COMMANDS}/size")
    for size in (20, 200, 200_000, 300_000):
        assert publisher.publish(f"{COMMANDS}/size", b"." * size) == 0
    assert [len(one) for one in payloads(small.rest())] == [20]
    assert [len(one) for one in payloads(large.rest())] == [20, 200, 200_000]
    publisher.send(message(f"{COMMANDS}/size", b"." * 1_100_000))
    assert publisher.ended() == mqtt5.DisconnectReasonCode.PACKET_TOO_LARGE


def test_topic_aliases_both_ways(client: Open) -> None:
    subscriber, publisher = client(topic_alias_max=2), client()
    subscriber.subscribe(f"{COMMANDS}/#")
    publisher.publish(f"{COMMANDS}/a", b"1", topic_alias=1)
    publisher.publish("", b"2", topic_alias=1)
    publisher.publish(f"{COMMANDS}/b", b"3", topic_alias=1)
    publisher.publish("", b"4", topic_alias=1)
    publisher.publish(f"{COMMANDS}/c", b"5")
    seen = [published(subscriber) for _ in range(5)]
    shown = [(one.topic.removeprefix(COMMANDS), one.topic_alias, one.payload) for one in seen]
    assert shown == [
        ("/a", 1, b"1"),
        ("", 1, b"2"),
        ("/b", 2, b"3"),
        ("", 2, b"4"),
        ("/c", None, b"5"),
    ]


def test_subscription_identifiers_and_overlap(client: Open) -> None:
    one = client()
    one.subscribe(f"{COMMANDS}/#", qos=1, identifier=5)
    one.subscribe(f"{COMMANDS}/both", qos=2, identifier=300)
    one.publish(f"{COMMANDS}/both", b"x", 2)
    got = published(one)
    assert sorted(got.subscription_ids) == [5, 300]
    assert int(got.qos) == 2
    assert one.rest() == []


def test_no_local_and_retain_as_published(client: Open) -> None:
    one, other = client(), client()
    one.subscribe(f"{DEVICES}/#", no_local=True, retain_as_published=True)
    other.subscribe(
        f"{DEVICES}/#", retain_as_published=False, retain_handling=mqtt5.RetainHandling.SEND_NEVER
    )
    one.rest()
    one.publish(f"{DEVICES}/own/status", b"1", retain=True)
    other.publish(f"{DEVICES}/others/status", b"2", retain=True)
    assert [(p.payload, p.retain) for p in one.rest() if isinstance(p, mqtt5.PublishPacket)] == [(b"2", True)]
    seen = [(p.payload, p.retain) for p in other.rest() if isinstance(p, mqtt5.PublishPacket)]
    assert seen == [(b"1", False), (b"2", False)]
    for name in ("own", "others"):
        one.publish(f"{DEVICES}/{name}/status", b"", retain=True)


def test_retained_messages_and_their_handling(client: Open) -> None:
    topic = f"{DEVICES}/kept/status"
    one = client()
    one.publish(topic, b"first", retain=True)
    one.publish(topic, b"kept", 2, retain=True)
    always, once, never = (mqtt5.RetainHandling(i) for i in range(3))
    for handling, first, second in ((always, [b"kept"], [b"kept"]), (once, [b"kept"], []), (never, [], [])):
        fresh = client()
        assert fresh.subscribe(topic, retain_handling=handling) == [2]
        got = fresh.rest()
        assert payloads(got) == first
        assert all(p.retain for p in got)
        fresh.subscribe(topic, retain_handling=handling)
        assert payloads(fresh.rest()) == second
    shared = client()
    shared.subscribe(f"$share/g/{topic}")
    assert shared.rest() == []
    one.publish(topic, b"", retain=True)
    last = client()
    last.subscribe(topic)
    assert last.rest() == []


def test_shared_subscriptions_divide_the_work(client: Open) -> None:
    workers = [client() for _ in range(3)]
    for worker in workers:
        assert worker.subscribe(f"$share/crew/{COMMANDS}/work/#", qos=1) == [1]
    alone = client()
    alone.subscribe(f"{COMMANDS}/work/#")
    publisher = client()
    for i in range(30):
        publisher.publish(f"{COMMANDS}/work/{i}", str(i).encode())
    shares = [payloads(worker.rest()) for worker in workers]
    assert sorted(int(one) for share in shares for one in share) == list(range(30))
    assert all(len(share) == 10 for share in shares)
    assert len(payloads(alone.rest())) == 30


def test_unsubscribe(client: Open) -> None:
    one = client()
    one.subscribe(f"{COMMANDS}/a", f"{COMMANDS}/b")
    one.send(mqtt5.UnsubscribePacket(3, [f"{COMMANDS}/a", f"{COMMANDS}/never"]))
    assert [int(code) for code in one.get(mqtt5.UnsubAckPacket).reason_codes] == [0, 0x11]
    one.publish(f"{COMMANDS}/a", b"a")
    one.publish(f"{COMMANDS}/b", b"b")
    assert payloads(one.rest()) == [b"b"]


# --- wills, keep alive


def test_a_will_is_said_for_those_who_leave_without_a_word(client: Open) -> None:
    listener = client()
    listener.subscribe(f"{COMMANDS}/wills/#")

    def dying(name: str, **options: Any) -> Client:
        will = mqtt5.Will(
            f"{COMMANDS}/wills/{name}", payload=name.encode(), qos=mqtt5.QoS(1), user_properties=[("a", "b")]
        )
        return client(name, will=will, **options)

    dying("cut").close()
    got = published(listener)
    assert (got.payload, got.user_properties) == (b"cut", [("a", "b")])
    dying("polite").send(mqtt5.DisconnectPacket())
    asked = mqtt5.DisconnectReasonCode.DISCONNECT_WITH_WILL_MESSAGE
    dying("asking").send(mqtt5.DisconnectPacket(reason_code=asked))
    assert published(listener).payload == b"asking"
    silent = dying("silent", keep_alive=1)
    begun = time.monotonic()
    assert silent.ended() == mqtt5.DisconnectReasonCode.KEEP_ALIVE_TIMEOUT
    assert time.monotonic() - begun >= 1.4
    assert published(listener).payload == b"silent"


def test_a_delayed_will_waits_for_the_client_or_the_end_of_its_session(client: Open) -> None:
    listener = client()
    listener.subscribe(f"{COMMANDS}/wills/#")

    def dying(name: str, delay: int, expiry: int) -> None:
        will = mqtt5.Will(f"{COMMANDS}/wills/{name}", payload=name.encode(), will_delay_interval=delay)
        client(name, will=will, session_expiry_interval=expiry).close()

    dying("returning", 1, 60)
    client("returning", clean_start=False, session_expiry_interval=60)
    dying("started-afresh", 50, 60)
    client("started-afresh", clean_start=True)
    assert published(listener).payload == b"started-afresh"
    dying("ending", 50, 1)
    assert published(listener).payload == b"ending"
    assert listener.rest() == []


def test_a_will_needs_the_right_to_its_topic(client: Open) -> None:
    refused = client("d", role="device", will=mqtt5.Will(f"city/{CITY}/alerts/high/x", payload=b"x"))
    assert refused.connack is not None
    assert int(refused.connack.reason_code) == 0x87


# --- rights and limits (P3 8.3)


def test_topic_rights(client: Open) -> None:
    device, viewer = client(role="device"), client(role="viewer")
    assert device.subscribe(f"city/{CITY}/alerts/#", "#", "city/+/alerts/#", "$SYS/#") == [0x87] * 4
    assert device.subscribe(f"$share/g/city/{CITY}/alerts/#") == [0x87]
    device.send(b"\x82\x16\x00\x01\x00\x00\x05a/#/b\x01\x00\x08$share/g\x01")
    assert [int(code) for code in device.get(mqtt5.SubAckPacket).reason_codes] == [0x8F, 0x8F]
    assert viewer.subscribe(f"city/{CITY}/sensors/#", "city/KR-ULSAN-2025/sensors/#") == [2, 0x87]
    assert viewer.publish(f"city/{CITY}/alerts/high/x", b"{}", 1) == 0x87
    assert viewer.publish(f"city/{CITY}/alerts/high/x", b"{}", 2) == 0x87
    assert client(role="other_city").publish(f"{COMMANDS}/x") == 0x87
    assert client().publish("$SYS/x") in {0x87, 0x90}


def test_messages_beyond_the_allowance_are_refused(twin: Twin, client: Open) -> None:
    device, listener = client(role="device"), client()
    topic = f"city/{CITY}/responses/limits"
    listener.subscribe(topic)
    device.send(*(message(topic, b"{}", 1, i + 1) for i in range(60)))
    codes = [int(device.get(mqtt5.PubAckPacket).reason_code) for _ in range(60)]
    assert codes[:10] == [0] * 10
    assert 0x97 in codes
    assert len(payloads(listener.rest())) == codes.count(0) < 60


# --- readings


def sensor_of(twin: Twin, kind: str = "EnvironmentalSensor") -> dict[str, Any]:
    found: dict[str, Any] = twin.get(f"/sensors?type={kind}&limit=1")["sensors"][0]
    return found


def measurement(twin: Twin, value: float, at: str) -> dict[str, Any]:
    return {"parameter": "temperature", "value": value, "unit": "celsius", "timestamp": at, "quality": "good"}


def test_a_reading_is_committed_stored_once_and_seen_everywhere(twin: Twin, client: Open) -> None:
    sensor = sensor_of(twin)
    topic = f"city/{CITY}/sensors/environmental/{sensor['id']}/temperature"
    one = measurement(twin, 23.25, "2025-03-01T10:30:00+09:00")
    body = json.dumps({"sensorId": sensor["id"], "measurements": [one]}).encode()
    listener, publisher = client(), client()
    listener.subscribe(f"city/{CITY}/sensors/#", qos=2)
    listener.rest()
    for qos in (1, 2, 1):
        assert publisher.publish(topic, body, qos, retain=True) == 0
        day = "start=2025-03-01T00:00:00%2B09:00&end=2025-03-02T00:00:00%2B09:00"
        stored = twin.get(f"/sensors/{sensor['id']}/data?{day}&parameter=temperature")["measurements"]
        assert [m["value"] for m in stored if m["timestamp"] == one["timestamp"]] == [23.25]
    got = published(listener)
    assert got.topic == topic
    assert json.loads(got.payload)["sensorId"] == sensor["id"]
    assert json.loads(got.payload)["measurements"][0]["value"] == 23.25
    late = client()
    late.subscribe(topic)
    assert late.rest() == []
    listener.rest()
    another = measurement(twin, 11.5, "2025-03-01T11:30:00+09:00")
    answer = twin.call("POST", f"/sensors/{sensor['id']}/data", json={"measurements": [another]})
    assert answer.is_success
    got = published(listener)
    assert json.loads(got.payload)["measurements"][0]["value"] == 11.5
    assert (got.message_expiry_interval, got.content_type, got.retain) == (300, "application/json", False)


def test_the_newest_readings_come_to_those_who_ask(twin: Twin, client: Open) -> None:
    sensor = sensor_of(twin)
    pattern = f"city/{CITY}/sensors/environmental/{sensor['id']}/+"
    silent = client()
    silent.subscribe(pattern)
    assert silent.rest() == []
    asking = client()
    asking.subscribe(pattern, latest=True)
    got = published(asking)
    assert got.retain
    newest = twin.get(f"/sensors/{sensor['id']}")
    assert json.loads(got.payload)["sensorId"] == newest["id"]
    assert json.loads(got.payload)["measurements"]


@pytest.mark.parametrize("body", [b"23.5", b"", b"{", b'{"sensorId":"x"}', b"\xff\xfe"])
def test_what_is_no_reading_is_refused(twin: Twin, client: Open, body: bytes) -> None:
    sensor = sensor_of(twin)
    topic = f"city/{CITY}/sensors/environmental/{sensor['id']}/temperature"
    publisher = client()
    for qos in (1, 2):
        assert publisher.publish(topic, body, qos) in {0x80, 0x87, 0x90, 0x99}
    assert publisher.publish(topic, body, 0) == 0
    assert publisher.rest() == []


def test_changes_by_rest_appear_on_their_topics(twin: Twin, client: Open) -> None:
    listener = client()
    listener.subscribe(f"city/{CITY}/#", qos=2, retain_handling=mqtt5.RetainHandling.SEND_NEVER)
    made = twin.create()
    got = published(listener)
    assert got.topic == f"city/{CITY}/objects/Building/{made['id']}/updates"
    answer = twin.call("PATCH", "/services/service-waste", json={"status": "outage"})
    assert answer.is_success
    got = published(listener)
    assert got.topic == f"city/{CITY}/services/service-waste/status"
    assert json.loads(got.payload)["status"] == "outage"
    late = client()
    late.subscribe(f"city/{CITY}/services/#")
    kept = [one for one in late.rest() if one.topic.endswith("service-waste/status")]
    assert [one.retain for one in kept] == [True]
