"""The stream of the bundled twin over real sockets: messages, QoS, subscriptions, sessions (P3 5-9)."""

import base64
import hmac
import json
import time
import zlib
from collections.abc import Callable
from typing import Any

import pytest
import rfc8785

from reference_server.messaging.directory import binary_id
from reference_server.stream import binary
from tests.support.stream_client import Talker, talking

CITY = "KR-BUSAN-2025"
BASE = f"city/{CITY}"
SENSOR = "sensor-environmental-001"
TOPIC = f"{BASE}/sensors/environmental/{SENSOR}/temperature"


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def reading(value: float, parameter: str = "temperature", unit: str = "celsius") -> dict[str, Any]:
    return {"parameter": parameter, "value": value, "unit": unit, "timestamp": now(), "quality": "good"}


def body(value: float) -> dict[str, Any]:
    return {"sensorId": SENSOR, "measurements": [reading(value)]}


def post(twin: Any, *readings: dict[str, Any], sensor: str = SENSOR) -> None:
    answer = twin.call("POST", f"/sensors/{sensor}/data", json={"measurements": list(readings)})
    assert answer.status_code == 201, answer.text


def stream(twin: Any, role: str | None = "load", **options: Any) -> Any:
    return talking(twin.announced["stream"], None if role is None else twin.key(role), **options)


def values(message: dict[str, Any]) -> list[float]:
    return [one["value"] for one in message["payload"]["measurements"]]


def test_a_reading_over_rest_reaches_a_subscriber_in_the_standard_s_form(twin: Any) -> None:
    with stream(twin, "viewer") as client:
        assert client.subscribe(f"{BASE}/sensors/+/+/temperature")["payload"]["grantedQos"] == [1]
        post(twin, reading(20.25), reading(41, "humidity", "percent"))
        heard = client.hear("PUBLISH")
        assert set(heard) >= {"version", "type", "messageId", "timestamp", "payload"}
        assert heard["version"] == "1.0.0"
        assert heard["topic"] == TOPIC
        assert heard["event"] == "sensor:data"
        assert (heard["qos"], heard["ttl"], heard["encoding"]) == (1, 300, "json")
        assert heard["payload"]["sensorId"] == SENSOR
        assert values(heard) == [20.25]
        assert [one for one in client.quiet() if one["type"] == "PUBLISH"] == []


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_published_reading_is_stored_heard_once_and_acknowledged(twin: Any, qos: int) -> None:
    with stream(twin, "viewer") as ear, stream(twin, "operator") as mouth:
        ear.subscribe(TOPIC, qos=2)
        value = 30 + qos + 0.125
        sent = mouth.say("PUBLISH", body(value), topic=TOPIC, qos=qos)
        heard = ear.hear("PUBLISH")
        assert (heard["messageId"], heard["qos"], values(heard)) == (sent, qos, [value])
        if qos == 1:
            assert mouth.hear("PUBACK")["messageId"] == sent
        if qos == 2:
            assert mouth.hear("PUBREC")["messageId"] == sent
            mouth.say("PUBLISH", body(value), topic=TOPIC, qos=2, messageId=sent)  # once more: known
            assert mouth.hear("PUBREC")["messageId"] == sent
            mouth.say("PUBREL", {"messageId": sent})
            assert mouth.hear("PUBCOMP")["messageId"] == sent
            ear.say("PUBREC", {"messageId": sent})
            assert ear.hear("PUBREL")["payload"]["messageId"] == sent
            ear.say("PUBCOMP", {"messageId": sent})
        assert ear.quiet() == []
        stored = twin.get(f"/sensors/{SENSOR}/data?parameter=temperature")
        assert [one["value"] for one in stored["measurements"]].count(value) == 1


def test_the_flat_form_and_compressed_payloads_are_understood(twin: Any) -> None:
    with stream(twin) as client:
        client.subscribe(TOPIC, qos=0)
        client.ask("PUBLISH", {"sensorId": SENSOR, **reading(7.5)}, "PUBACK", topic=TOPIC, qos=1)
        assert values(client.hear("PUBLISH")) == [7.5]
        packed = base64.b64encode(zlib.compress(json.dumps(body(8.5)).encode())).decode()
        client.ask("PUBLISH", packed, "PUBACK", topic=TOPIC, qos=1, encoding="compressed")
        assert values(client.hear("PUBLISH")) == [8.5]
        bomb = base64.b64encode(zlib.compress(b" " * 2_000_000)).decode()
        for payload, code in [
            (bomb, "PAYLOAD_TOO_LARGE"),
            ("!", "VALIDATION_ERROR"),
            (base64.b64encode(b"xx").decode(), "VALIDATION_ERROR"),
            (packed[:40], "VALIDATION_ERROR"),
        ]:
            found = client.ask("PUBLISH", payload, topic=TOPIC, encoding="compressed")
            assert found["payload"]["code"] == code


BAD: list[tuple[dict[str, Any], str]] = [
    ({"messageId": 1}, "VALIDATION_ERROR"),
    ({"messageId": ""}, "VALIDATION_ERROR"),
    ({"version": "9.0.0"}, "VALIDATION_ERROR"),
    ({"version": 1}, "VALIDATION_ERROR"),
    ({"type": "ping"}, "VALIDATION_ERROR"),
    ({"type": "CONNACK"}, "VALIDATION_ERROR"),
    ({"timestamp": 1705282200000}, "VALIDATION_ERROR"),
    ({"timestamp": "2025-01-15T10:30:00"}, "VALIDATION_ERROR"),
    ({"qos": 3}, "VALIDATION_ERROR"),
    ({"qos": "1"}, "VALIDATION_ERROR"),
    ({"qos": True}, "VALIDATION_ERROR"),
    ({"ttl": -1}, "VALIDATION_ERROR"),
    ({"ttl": "1"}, "VALIDATION_ERROR"),
    ({"encoding": "xml"}, "VALIDATION_ERROR"),
    ({"contentType": "json"}, "VALIDATION_ERROR"),
    ({"topic": 5}, "VALIDATION_ERROR"),
    ({"source": {}}, "VALIDATION_ERROR"),
    ({"signature": "x"}, "VALIDATION_ERROR"),
    ({"type": "PUBLISH"}, "INVALID_TOPIC"),
    ({"type": "PUBLISH", "topic": f"{BASE}/+/alerts/#"}, "INVALID_TOPIC"),
    ({"type": "PUBLISH", "topic": f"{BASE}/objects/Building/b/updates"}, "FORBIDDEN"),
    ({"type": "SUBSCRIBE"}, "VALIDATION_ERROR"),
    ({"type": "SUBSCRIBE", "payload": {"topics": []}}, "VALIDATION_ERROR"),
    ({"type": "SUBSCRIBE", "payload": {"topics": [{"qos": 1}]}}, "VALIDATION_ERROR"),
    ({"type": "SUBSCRIBE", "payload": {"topics": [{"topic": "a", "qos": 3}]}}, "VALIDATION_ERROR"),
    ({"type": "SUBSCRIBE", "payload": {"topics": [{"topic": "a", "since": "x"}]}}, "VALIDATION_ERROR"),
    ({"type": "SUBSCRIBE", "payload": []}, "VALIDATION_ERROR"),
    ({"type": "UNSUBSCRIBE"}, "VALIDATION_ERROR"),
    ({"type": "FLOW_CONTROL", "payload": {"action": "stop"}}, "VALIDATION_ERROR"),
    ({"type": "CONNECT", "payload": None}, "VALIDATION_ERROR"),
    ({"type": "CONNECT", "payload": {"clientId": 5}}, "VALIDATION_ERROR"),
    ({"type": "CONNECT", "payload": {"auth": 5}}, "VALIDATION_ERROR"),
    ({"type": "CONNECT", "payload": {"cleanStart": 5}}, "VALIDATION_ERROR"),
    ({"type": "CONNECT", "payload": {"keepAlive": -5}}, "VALIDATION_ERROR"),
    ({"type": "CONNECT", "payload": {"receiveMaximum": 0}}, "VALIDATION_ERROR"),
]


def test_bad_messages_are_answered_with_an_error_and_the_connection_goes_on(twin: Any) -> None:
    good = {"version": "1.0.0", "type": "PING", "messageId": "x", "timestamp": now(), "payload": {}}
    with stream(twin, "operator") as client:
        for change, code in BAD:
            client.connection.send(json.dumps({**good, **change}))
            found = client.hear("ERROR")
            assert (found["payload"]["code"], found["event"]) == (code, "error"), change
            if change.get("messageId") is None:
                assert found["correlationId"] == "x"
            client.ask("PING", answer="PONG")
        for text in ("hello", "[]", "{", '{"a":1,"a":2}', "NaN"):
            client.connection.send(text)
            assert client.hear("ERROR")["payload"]["code"] == "MALFORMED_REQUEST"
        client.connection.send(
            json.dumps({"type": "PING", "messageId": "y"})
        )  # C-61: version and instant missing
        assert client.hear("PONG")["correlationId"] == "y"


def test_a_client_that_sends_nothing_but_nonsense_is_sent_away(twin: Any) -> None:
    with stream(twin) as client:
        for _ in range(25):
            client.connection.send("nonsense")
        assert client.code() == 1008


def test_filters_rights_and_the_answer_to_each_topic(twin: Any) -> None:
    wanted = [f"{BASE}/sensors/#", f"{BASE}/alerts/#", "a/#/b", "city/KR-ULSAN-2025/sensors/#"]
    with stream(twin, "device") as client:
        found = client.ask(
            "SUBSCRIBE", {"topics": wanted, "subscriptionId": "s-1"}, "SUBACK", correlationId="c-1"
        )
        assert found["payload"]["grantedQos"] == [0, 128, 128, 128]
        assert found["payload"]["subscriptionId"] == "s-1"
        assert found["correlationId"] == "c-1"
        assert [one and one["code"] for one in found["payload"]["errors"]] == [
            None,
            "FORBIDDEN",
            "INVALID_TOPIC",
            "FORBIDDEN",
        ]
        assert found["payload"]["errors"][1]["number"] == 5002
        refused = client.ask("PUBLISH", {}, topic=f"{BASE}/alerts/high/x", qos=1)
        assert (refused["payload"]["code"], refused["payload"]["number"]) == ("FORBIDDEN", 5002)


def test_unsubscribe_ends_delivery(twin: Any) -> None:
    with stream(twin) as client:
        client.subscribe(TOPIC)
        found = client.ask("UNSUBSCRIBE", {"topics": [{"topic": TOPIC}, "other"]}, "UNSUBACK")
        assert found["payload"]["reasonCodes"] == [0, 17]
        post(twin, reading(11))
        assert client.quiet() == []


def test_overlapping_filters_deliver_once_at_the_highest_qos(twin: Any) -> None:
    with stream(twin) as client:
        client.subscribe(TOPIC, qos=0)
        client.subscribe(f"{BASE}/sensors/#", qos=2)
        post(twin, reading(12))
        assert client.hear("PUBLISH")["qos"] == 1
        assert client.quiet() == []


def test_no_more_than_receive_maximum_is_on_its_way(twin: Any) -> None:
    with stream(twin) as client:
        client.ask("CONNECT", {"clientId": "window", "receiveMaximum": 3}, "CONNACK")
        client.subscribe(TOPIC)
        for value in range(8):
            post(twin, reading(value))
        heard = [one for one in client.quiet() if one["type"] == "PUBLISH"]
        assert [values(one)[0] for one in heard] == [0, 1, 2]
        for one in heard:
            client.say("PUBACK", {"messageId": one["messageId"]})
        assert [values(one)[0] for one in client.quiet()] == [3, 4, 5]


def test_pause_holds_messages_and_resume_delivers_them_in_order(twin: Any) -> None:
    with stream(twin) as client:
        client.subscribe(TOPIC)
        client.say("FLOW_CONTROL", {"action": "pause"})
        client.quiet()
        for value in range(5):
            post(twin, reading(value))
        assert client.quiet() == []
        client.say("FLOW_CONTROL", {"action": "resume"})
        assert [values(one)[0] for one in client.quiet()] == [0, 1, 2, 3, 4]


def test_a_burst_is_asked_to_pause_and_to_resume_and_nothing_is_lost(twin: Any) -> None:
    with stream(twin) as client:
        for value in range(400):
            client.say("PUBLISH", body(-20 + value / 16), topic=TOPIC, qos=1)
        acknowledged = {client.hear("PUBACK")["messageId"] for _ in range(400)}
        assert len(acknowledged) == 400
        actions = [one["payload"]["action"] for one in client.kept if one["type"] == "FLOW_CONTROL"]
        assert actions[:2] == ["pause", "resume"]
        assert actions.count("pause") == actions.count("resume")


def connect(client: Talker, name: str, **more: Any) -> dict[str, Any]:
    wish = {"clientId": name, "cleanStart": False, **more}
    payload: dict[str, Any] = client.ask("CONNECT", wish, "CONNACK")["payload"]
    return payload


def test_a_session_that_was_asked_for_survives_a_cut(twin: Any) -> None:
    with stream(twin) as client:
        assert connect(client, "kept")["sessionPresent"] is False
        client.subscribe(TOPIC, qos=2)
        post(twin, reading(1))
        first = client.hear("PUBLISH")
        client.connection.socket.close()
    with stream(twin) as other:
        other.subscribe(TOPIC)
        post(twin, reading(2))
        other.hear("PUBLISH")
        other.say("PUBLISH", body(3), topic=TOPIC, qos=2, ttl=0)
        other.hear("PUBREC")
    with stream(twin) as client:
        shown = connect(client, "kept")
        assert (shown["returnCode"], shown["sessionPresent"]) == (0, True)
        again, later = client.hear("PUBLISH"), client.hear("PUBLISH")
        assert (again["messageId"], again["dup"]) == (first["messageId"], True)
        assert values(later) == [2]
        assert client.quiet() == []  # what has expired is not delivered
        client.ask("DISCONNECT", {"reasonCode": 0}, "DISCONNECT")
        assert client.code() == 1000
    with stream(twin) as client:
        assert connect(client, "kept")["sessionPresent"] is False


def test_a_message_that_was_received_is_released_after_a_cut_not_sent_again(twin: Any) -> None:
    with stream(twin) as client, stream(twin) as mouth:
        connect(client, "released", sessionExpiry=60)
        client.subscribe(TOPIC, qos=2)
        sent = mouth.say("PUBLISH", body(4), topic=TOPIC, qos=2)
        client.hear("PUBLISH")
        client.say("PUBREC", {"messageId": sent})
        client.hear("PUBREL")
        client.connection.socket.close()
    with stream(twin) as client:
        connect(client, "released")
        assert client.hear("PUBREL")["payload"]["messageId"] == sent
        client.say("PUBCOMP", {"messageId": sent})
        assert client.quiet() == []


def test_a_second_connection_takes_the_session_over_but_not_from_another_credential(twin: Any) -> None:
    with stream(twin) as first, stream(twin) as second, stream(twin, "viewer") as stranger:
        connect(first, "one")
        first.subscribe(TOPIC)
        assert connect(stranger, "one")["sessionPresent"] is False
        assert connect(second, "one")["sessionPresent"] is True
        assert first.code() == 1008
        post(twin, reading(5))
        assert values(second.hear("PUBLISH")) == [5]


def test_past_messages_are_replayed_and_a_gap_is_said(twin: Any) -> None:
    with stream(twin) as client:
        position = client.subscribe(TOPIC)["payload"]["position"]
        post(twin, reading(1))
        post(twin, reading(2))
        first = client.hear("PUBLISH")
        second = client.hear("PUBLISH")
        assert second["sequence"] == first["sequence"] + 1
        assert position < first["position"] < second["position"]
    with stream(twin) as client:
        found = client.subscribe(TOPIC, since=first["position"])
        assert "gaps" not in found["payload"]
        assert client.hear("PUBLISH")["messageId"] == second["messageId"]
        assert client.quiet() == []
    with stream(twin) as client:
        assert client.subscribe(TOPIC, since="2025-01-01T00:00:00Z")["payload"]["gaps"] == [TOPIC]
    log = twin.get(f"/messages?topic={TOPIC}&since={position}&limit=1")
    assert (log["count"], log["more"], log["messages"][0]["messageId"]) == (1, True, first["messageId"])
    assert (
        twin.get(f"/messages?topic={TOPIC}&since={log['next']}")["messages"][0]["sequence"]
        == second["sequence"]
    )
    for query, status in [
        ("topic=a/%23/b", 400),
        ("since=yesterday", 400),
        ("limit=0", 400),
        ("topic=city/%23", 403),
    ]:
        assert twin.call("GET", f"/messages?{query}", role="viewer").status_code == status


def test_states_are_retained_readings_are_not_unless_asked_for(twin: Any) -> None:
    with stream(twin) as client:
        client.subscribe(f"{BASE}/services/+/status", f"{BASE}/sensors/#")
        heard = client.quiet()
        assert {one["event"] for one in heard} == {"service:status"}
        assert all(one["retain"] for one in heard)
        client.subscribe(f"{BASE}/services/+/status", retainHandling=1)
        client.subscribe(f"{BASE}/services/+/status", retainHandling=2)
        assert client.quiet() == []
        client.subscribe(TOPIC, qos=0, latest=True)
        assert client.hear("PUBLISH")["topic"] == TOPIC


def test_events_of_the_city_have_their_names_and_topics(twin: Any) -> None:
    with stream(twin) as client:
        client.subscribe(f"{BASE}/#", qos=2, retainHandling=2)
        created = twin.create()
        found = client.hear("PUBLISH", topic=f"{BASE}/objects/Building/{created['id']}/updates")
        assert (found["event"], found["payload"]["action"]) == ("city:updated", "created")
        post(twin, reading(180, "air_quality", "aqi"))
        alert = client.hear("PUBLISH", event="alert:created")
        assert alert["topic"] == f"{BASE}/alerts/high/air-quality"
        assert (alert["qos"], alert["payload"]["severity"]) == (2, "high")
        status = twin.call("PATCH", "/services/service-bus", json={"status": "degraded"})
        assert status.status_code == 200
        assert client.hear("PUBLISH", event="service:status")["payload"]["status"] == "degraded"
        run = {"type": "FloodRisk", "parameters": {"rainfall": 50, "repetitions": 1}}
        started = twin.call("POST", "/simulations", json=run)
        assert started.status_code in (201, 202), started.text
        ended = client.hear("PUBLISH", event="simulation:completed")
        assert ended["topic"] == f"{BASE}/simulations/{started.json()['id']}/status"


def test_binary_readings_in_and_out_equal_those_in_json(twin: Any) -> None:
    shown = twin.get(f"/sensors/{SENSOR}")
    wanted = binary_id(CITY, SENSOR)
    assert shown["binaryId"] == str(wanted)
    with stream(twin) as text, stream(twin) as ear:
        text.subscribe(f"{BASE}/sensors/#", qos=0)
        ear.subscribe(f"{BASE}/sensors/#", qos=0, encoding="binary")
        post(twin, reading(23.5))
        stored = text.hear("PUBLISH")["payload"]["measurements"][0]
        frame = ear.connection.recv(timeout=10)
        assert isinstance(frame, bytes)
        assert len(frame) == 66
        assert frame[:8] == bytes((1, 0, 0, 0, 0, 0, 0, 3))
        assert frame[32:48] == wanted.bytes
        assert frame[59:] == bytes(7)
        assert binary.measurement(binary.decode(frame)) == stored
        sent = bytearray(frame)
        sent[16] ^= 1
        sent[50:58] = b"\x40\x35\x19\x99\x99\x99\x99\x9a"  # 21.1
        short = bytearray(sent[:59] + b"\xff" * 5)
        short[16] ^= 2
        for data in (sent, short):
            text.connection.send(bytes(data))
            assert values(text.hear("PUBLISH")) == [21.1]
            text.hear("PUBACK")
        for size, at, value, code in [
            (58, 0, 1, "VALIDATION_ERROR"),
            (31, 0, 1, "VALIDATION_ERROR"),
            (66, 0, 2, "VALIDATION_ERROR"),
            (66, 7, 1, "VALIDATION_ERROR"),
            (66, 49, 0, "INVALID_MEASUREMENT"),
            (66, 49, 0xFF, "INVALID_MEASUREMENT"),
            (66, 58, 0, "INVALID_MEASUREMENT"),
            (66, 58, 9, "INVALID_MEASUREMENT"),
            (66, 50, 0x7F, "INVALID_MEASUREMENT"),
            (66, 24, 0xFF, "INVALID_MEASUREMENT"),
            (66, 26, 0xFF, "INVALID_MEASUREMENT"),
            (66, 40, 0, "SENSOR_NOT_FOUND"),
        ]:
            bad = bytearray(sent[:size])
            bad[at] = value
            text.connection.send(bytes(bad))
            assert text.hear("ERROR")["payload"]["code"] == code, (size, at, value)
            text.ask("PING", answer="PONG")
        post(twin, reading(45, "noise_level", "decibel"))
        assert ear.connection.recv(timeout=10)[49] in (1, 6)


def test_signed_messages_verify_and_altered_ones_do_not(twin: Any) -> None:
    signing = twin.settings["auth"]["signing"]
    with open(signing["secret"].removeprefix("file:")) as file:
        secret = file.read().encode()

    def signed(number: float, encode: Callable[[bytes], str], **change: Any) -> dict[str, Any]:
        message: dict[str, Any] = {
            "version": "1.0.0",
            "type": "PUBLISH",
            "messageId": f"s-{number}",
            "timestamp": now(),
            "topic": TOPIC,
            "qos": 1,
            "payload": body(number),
        }
        mark = encode(hmac.digest(secret, rfc8785.dumps(message), "sha256"))
        signature = {"algorithm": signing["algorithm"], "keyId": signing["key_id"], "value": mark}
        return {**message, "signature": {**signature, **change}}

    with stream(twin) as client:
        for value, encode in [(1.5, bytes.hex), (2.5, lambda raw: base64.b64encode(raw).decode())]:
            message = signed(value, encode)
            client.connection.send(json.dumps(message))
            client.hear("PUBACK", messageId=message["messageId"])
        altered = signed(3.5, bytes.hex)
        altered["payload"]["measurements"][0]["value"] = 4
        for message in (
            altered,
            signed(3.5, bytes.hex, algorithm="none"),
            signed(3.5, bytes.hex, keyId="other"),
            signed(3.5, bytes.hex, value=""),
            signed(3.5, bytes.hex, value=5),
        ):
            client.connection.send(json.dumps(message))
            assert client.hear("ERROR")["payload"]["code"] == "SIGNATURE_INVALID"


def test_more_messages_than_a_device_may_send_are_refused(twin: Any) -> None:
    with stream(twin, "device") as client:
        for value in range(200):
            client.say("PUBLISH", body(value / 16), topic=TOPIC, qos=1)
        heard = client.quiet()
        while len(heard) < 200:
            heard += client.quiet()
        codes = [one["payload"]["code"] for one in heard if one["type"] == "ERROR"]
        assert set(codes) == {"RATE_LIMIT_EXCEEDED"}
        assert [one["type"] for one in heard].count("PUBACK") == 200 - len(codes)


def test_commands_and_alerts_of_clients_are_passed_on(twin: Any) -> None:
    with stream(twin) as ear, stream(twin, "operator") as mouth:
        ear.subscribe(f"{BASE}/commands/#", f"{BASE}/alerts/#", qos=2)
        mouth.ask(
            "PUBLISH", {"open": True}, "PUBACK", topic=f"{BASE}/commands/gate", qos=1, correlationId="r-1"
        )
        heard = ear.hear("PUBLISH")
        assert (heard["payload"], heard["source"], heard["correlationId"]) == (
            {"open": True},
            "operator",
            "r-1",
        )
        raw = base64.b64encode(b"\xff\x00").decode()
        mouth.ask("PUBLISH", raw, "PUBACK", topic=f"{BASE}/commands/gate", qos=1, encoding="binary",
                  contentType="application/octet-stream")  # fmt: skip
        heard = ear.hear("PUBLISH")
        assert (heard["payload"], heard["encoding"]) == (raw, "binary")
        alert = {"eventType": "flood-alert", "severity": "low"}
        mouth.ask("PUBLISH", alert, "PUBACK", topic=f"{BASE}/alerts/low/flood", qos=1)
        assert ear.hear("PUBLISH")["event"] == "alert:created"
        found = mouth.ask("PUBLISH", alert, topic=f"{BASE}/alerts/high/flood", qos=1)
        assert found["payload"]["code"] == "VALIDATION_ERROR"
