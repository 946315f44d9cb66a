"""The stream below its messages: upgrade, framing, sizes, compression, hostile bytes (P3 4.1; RFC 6455)."""

import contextlib
import json
import random
import struct
import zlib
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.integration.test_twin.test_stream import BASE, SENSOR, TOPIC, body, post, reading, stream
from tests.support.stream_client import Raw, talking

PING = json.dumps({"type": "PING", "messageId": "p", "payload": {}}).encode()


def raw(twin: Any, role: str | None = "load", **headers: str) -> Raw:
    return Raw(twin.announced["stream"], None if role is None else twin.key(role), **headers)


def test_the_upgrade_is_that_of_rfc_6455(twin: Any) -> None:
    with raw(twin) as client:
        assert client.status == 101
        assert client.headers["upgrade"].lower() == "websocket"
        assert client.headers["connection"].lower() == "upgrade"
        assert client.headers["sec-websocket-accept"] == "HSmrc0sMlYUkAGmm5OPpG2HaGWk="
        assert client.headers["sec-websocket-protocol"] == "wia-dtc-v1"
        assert "sec-websocket-extensions" not in client.headers


def at_once(*frames: tuple[int, bytes]) -> bytes:
    """Frames in one piece: first byte and data each, masked with zeros."""
    heads = (
        bytes((first, 0x80 | len(data))) if len(data) < 126 else struct.pack("!BBH", first, 0xFE, len(data))
        for first, data in frames
    )
    return b"".join(head + bytes(4) + data for head, (_, data) in zip(heads, frames, strict=True))


def test_a_pong_goes_before_the_answer_to_what_came_later(twin: Any) -> None:
    with raw(twin) as client:
        client.socket.sendall(at_once((0x01, PING[:9]), (0x89, b"between"), (0x80, PING[9:])))
        assert client.frame() == (0x8A, b"between")
        assert json.loads(client.frame()[1])["correlationId"] == "p"


def test_a_close_inside_a_fragmented_message_is_answered_with_its_code(twin: Any) -> None:
    with raw(twin) as client:
        client.socket.sendall(at_once((0x01, PING[:9]), (0x88, struct.pack("!H", 1000)), (0x80, PING[9:])))
        assert client.closed_with() == 1000


def test_the_last_words_of_a_client_are_heard(twin: Any) -> None:
    """A message that comes in one piece with the close frame is taken."""
    with stream(twin) as ears, raw(twin) as client:
        ears.subscribe(TOPIC)
        whole = {"type": "PUBLISH", "messageId": "last-words", "topic": TOPIC, "payload": body(11.5)}
        client.socket.sendall(at_once((0x81, json.dumps(whole).encode()), (0x88, struct.pack("!H", 1000))))
        assert client.closed_with() == 1000
        assert ears.hear("PUBLISH")["payload"]["measurements"][0]["value"] == 11.5


def test_a_message_sent_together_with_the_upgrade_is_read(twin: Any) -> None:
    frame = bytes((0x81, 0x80 | len(PING), 0, 0, 0, 0)) + PING
    with Raw(twin.announced["stream"], twin.key("load"), frame) as client:
        assert client.status == 101
        assert json.loads(client.frame()[1])["correlationId"] == "p"
    with Raw(twin.announced["stream"], "wrong", frame) as client:
        assert client.status == 401


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Sec_WebSocket_Version": "8"}, 426, "UPGRADE_REQUIRED"),
        ({"Sec_WebSocket_Version": ""}, 426, "UPGRADE_REQUIRED"),
        ({"Sec_WebSocket_Protocol": "foo"}, 400, "MALFORMED_REQUEST"),
        ({"Sec_WebSocket_Protocol": ""}, 400, "MALFORMED_REQUEST"),
        ({"Sec_WebSocket_Key": "short"}, 400, None),
        ({"Sec_WebSocket_Key": ""}, 400, None),
        ({"X_API_Key": "wrong"}, 401, "INVALID_API_KEY"),
        ({"X_API_Key": ""}, 401, "UNAUTHORIZED"),
        ({"X_API_Key": "", "Authorization": "Bearer nonsense"}, 401, "UNAUTHORIZED"),
        ({"Origin": "https://elsewhere.example"}, 403, "FORBIDDEN"),
    ],
)
def test_what_the_upgrade_refuses(twin: Any, headers: dict[str, str], status: int, code: str | None) -> None:
    with raw(twin, **headers) as client:
        assert client.status == status
        if code is not None:
            assert client.body()["error"]["code"] == code
        if status == 426:
            assert client.headers["sec-websocket-version"] == "13"


def test_without_an_upgrade_and_at_another_path(twin: Any) -> None:
    answer = twin.call("GET", f"{twin.rest}/stream")
    assert (answer.status_code, answer.headers["sec-websocket-version"]) == (426, "13")
    with Raw(twin.announced["stream"] + "/other", twin.key("load")) as client:
        assert (client.status, client.body()["error"]["code"]) == (404, "ROUTE_NOT_FOUND")


def test_a_bearer_token_opens_the_stream(twin: Any) -> None:
    oauth = twin.settings["auth"]["oauth"]
    with open(oauth["client_secret"].removeprefix("file:")) as file:
        form = {
            "grant_type": "client_credentials",
            "client_id": oauth["client_id"],
            "client_secret": file.read(),
        }
    token = twin.http.post(oauth["token_url"], data=form).json()["access_token"]
    with talking(twin.announced["stream"], headers={"Authorization": f"Bearer {token}"}) as client:
        assert client.subscribe(TOPIC)["payload"]["grantedQos"] == [1]
        found = client.ask("CONNECT", {"auth": {"type": "oauth", "token": token}}, "CONNACK")
        assert found["payload"]["returnCode"] == 0


def test_a_page_may_say_who_it_is_in_connect(twin: Any) -> None:
    url = twin.announced["stream"]
    with talking(url, origin=twin.origin) as client:
        found = client.ask("CONNECT", {"clientId": "page", "auth": {"apiKey": twin.key("viewer")}}, "CONNACK")
        assert found["payload"]["returnCode"] == 0
        assert client.subscribe(TOPIC)["payload"]["grantedQos"] == [1]
    for given in ({"apiKey": "wrong"}, {}, {"type": "oauth", "token": "wrong"}, {"type": "api-key"}):
        with talking(url, origin=twin.origin) as client:
            assert client.ask("CONNECT", {"auth": given}, "CONNACK")["payload"]["returnCode"] == 5
            assert client.code() == 1008
    with talking(url, origin=twin.origin) as client:
        client.say("SUBSCRIBE", {"topics": [{"topic": TOPIC}]})
        assert client.hear("ERROR")["payload"]["code"] == "UNAUTHORIZED"
        assert client.code() == 1008
    with talking(url, origin=twin.origin) as client:
        client.connection.send(bytes(66))
        assert client.code() == 1008
    with pytest.raises(InvalidStatus), talking(url, origin="https://elsewhere.example"):
        pass


def test_who_does_not_say_who_it_is_is_sent_away_in_time(twin: Any) -> None:
    with talking(twin.announced["stream"], origin=twin.origin) as client:
        assert client.code() == 1008


FRAMES: list[tuple[str, list[tuple[int, bytes, dict[str, Any]]], int]] = [
    ("unmasked", [(1, PING, {"mask": False})], 1002),
    ("RSV1 without compression", [(1, PING, {"rsv": 4})], 1002),
    ("RSV2", [(1, PING, {"rsv": 2})], 1002),
    ("opcode 3", [(3, b"", {})], 1002),
    ("opcode 11", [(11, b"", {})], 1002),
    ("a fragmented ping", [(9, b"", {"fin": False})], 1002),
    ("a long ping", [(9, b"x" * 126, {})], 1002),
    ("a continuation of nothing", [(0, b"x", {})], 1002),
    ("a message within a message", [(1, b"x", {"fin": False}), (1, b"x", {})], 1002),
    ("text that is no UTF-8", [(1, b"\xff\xfe", {})], 1007),
    ("text cut within a character", [(1, b"\xe2\x82", {"fin": False}), (0, b"x", {})], 1007),
    ("a frame over 64 KB", [(1, b"x" * 131_072, {})], 1009),
    ("a message over 1 MB", [(1 if n == 0 else 0, b"x" * 60_000, {"fin": n == 18}) for n in range(19)], 1009),
    ("a close of one byte", [(8, b"\x03", {})], 1002),
    ("a close with a reserved code", [(8, b"\x03\xed", {})], 1002),
    ("a close with a reason that is no UTF-8", [(8, b"\x03\xe8\xff", {})], 1007),
    ("a good close", [(8, b"\x03\xe8", {})], 1000),
    ("a close without a code", [(8, b"", {})], 1005),
]


@pytest.mark.parametrize(("sent", "code"), [pytest.param(*row[1:], id=row[0]) for row in FRAMES])
def test_frames_that_end_a_connection(
    twin: Any, sent: list[tuple[int, bytes, dict[str, Any]]], code: int
) -> None:
    with raw(twin) as client:
        for opcode, data, options in sent:
            client.send(opcode, data, **options)
        if code == 1005:
            assert client.frame() == (0x88, b"")
        else:
            assert client.closed_with() == code


def test_frames_that_are_fine(twin: Any) -> None:
    with raw(twin) as client:
        client.send(1, PING[:5], fin=False)
        client.send(9, b"between")
        assert client.frame() == (0x8A, b"between")
        client.send(0, b"", fin=False)
        client.send(0, PING[5:])
        assert json.loads(client.frame()[1])["type"] == "PONG"
        client.send(10, b"unasked")
        client.send(1, PING)
        assert json.loads(client.frame()[1])["type"] == "PONG"


def test_a_message_of_900_kb_in_frames_of_60_kb_is_taken_and_sent_in_frames_of_64_kb(twin: Any) -> None:
    note = "x" * 900_000
    message = {
        "type": "PUBLISH",
        "messageId": "large",
        "topic": f"{BASE}/commands/large",
        "qos": 1,
        "payload": {"note": note},
    }
    data = json.dumps(message).encode()
    pieces = [data[start : start + 60_000] for start in range(0, len(data), 60_000)]
    with raw(twin) as client:
        wish = {"type": "SUBSCRIBE", "messageId": "s", "payload": {"topics": [{"topic": message["topic"]}]}}
        client.send(1, json.dumps(wish).encode())
        client.frame()
        for number, piece in enumerate(pieces):
            client.send(1 if number == 0 else 0, piece, fin=number == len(pieces) - 1)
        heard: list[tuple[int, bytes]] = []
        while not heard or not heard[-1][0] & 0x80:
            heard.append(client.frame())
            assert len(heard[-1][1]) <= 65_536
        assert [first & 0x0F for first, _ in heard] == [1] + [0] * (len(heard) - 1)
        assert json.loads(b"".join(part for _, part in heard))["payload"]["note"] == note


def test_compression_is_agreed_on_and_messages_are_compressed_once_for_all(twin: Any) -> None:
    offer = "permessage-deflate; client_max_window_bits"
    with raw(twin, Sec_WebSocket_Extensions=offer) as client:
        assert "server_no_context_takeover" in client.headers["sec-websocket-extensions"]
        engine = zlib.compressobj(wbits=-12)
        wish = json.dumps({"type": "SUBSCRIBE", "messageId": "s", "payload": {"topics": [{"topic": TOPIC}]}})
        client.send(1, (engine.compress(wish.encode()) + engine.flush(zlib.Z_SYNC_FLUSH))[:-4], rsv=4)
        first, data = client.frame()
        assert first == 0xC1
        post(twin, reading(19.5))
        first, data = client.frame()
        assert first == 0xC1
        assert b'"value":19.5' in zlib.decompressobj(-12).decompress(data + b"\0\0\xff\xff")
        bomb = zlib.compressobj(wbits=-12)
        packed = (bomb.compress(b"x" * 3_000_000) + bomb.flush(zlib.Z_SYNC_FLUSH))[:-4]
        client.send(1, packed, rsv=4)
        assert client.closed_with() == 1009
    with raw(twin, Sec_WebSocket_Extensions="permessage-deflate; server_max_window_bits=9") as client:
        client.send(1, PING)
        assert b"PONG" in zlib.decompressobj(-9).decompress(client.frame()[1] + b"\0\0\xff\xff")
    with raw(twin, Sec_WebSocket_Extensions="permessage-deflate") as client:
        client.send(1, b"\xff\xff\xff", rsv=4)
        assert client.closed_with() in (1002, 1007)


def test_a_compressed_frame_may_hold_a_message_of_more_than_64_kb_and_none_above_1_mb(twin: Any) -> None:
    """The limit of a frame is of its bytes on the wire, that of a message of all its fragments unpacked."""

    def packed(size: int) -> bytes:
        engine = zlib.compressobj(wbits=-12)
        text = json.dumps({**json.loads(PING), "source": "x" * size}).encode()
        return (engine.compress(text) + engine.flush(zlib.Z_SYNC_FLUSH))[:-4]

    with raw(twin, Sec_WebSocket_Extensions="permessage-deflate") as client:
        client.send(1, packed(900_000), rsv=4)
        answer = zlib.decompressobj(-12).decompress(client.frame()[1] + b"\0\0\xff\xff")
        assert json.loads(answer)["type"] == "PONG"
        whole = packed(1_500_000)
        client.send(1, whole[:1000], rsv=4, fin=False)
        client.send(0, whole[1000:])
        assert client.closed_with() == 1009


def test_random_bytes_and_random_messages_end_connections_and_nothing_else(twin: Any) -> None:
    dice = random.Random(20250115)
    words = [
        "CONNECT",
        "SUBSCRIBE",
        "PUBLISH",
        "PUBREL",
        "UNSUBSCRIBE",
        "FLOW_CONTROL",
        "DISCONNECT",
        "PUBACK",
    ]
    values: list[Any] = [
        None,
        0,
        -1,
        1.5,
        "",
        "x",
        [],
        {},
        [[]],
        {"topics": [None]},
        {"topics": [{}]},
        10**30,
        True,
    ]
    names = [
        "messageId",
        "topic",
        "qos",
        "ttl",
        "payload",
        "encoding",
        "signature",
        "timestamp",
        "correlationId",
    ]
    for _ in range(40):
        with raw(twin) as client:
            client.socket.sendall(dice.randbytes(dice.randrange(1, 300)))
    for _ in range(12):
        with contextlib.suppress(ConnectionClosed), stream(twin, "operator") as talker:
            for number in range(18):
                message = {
                    "type": dice.choice(words),
                    "messageId": f"m{number}",
                    "payload": dice.choice(values),
                }
                message |= {dice.choice(names): dice.choice(values) for _ in range(dice.randrange(4))}
                talker.connection.send(json.dumps(message))
    with stream(twin) as talker:
        talker.ask("PING", answer="PONG")
    assert twin.call("GET", f"/sensors/{SENSOR}").status_code == 200
    assert twin.process.poll() is None


def test_a_client_that_does_not_read_delays_nobody_and_hears_of_what_it_missed(twin: Any) -> None:
    large = {"note": "x" * 60_000}
    with raw(twin) as lazy, stream(twin) as ear, stream(twin) as mouth:
        topic = f"{BASE}/commands/flood"
        wish = {"type": "SUBSCRIBE", "messageId": "s", "payload": {"topics": [{"topic": topic, "qos": 0}]}}
        lazy.send(1, json.dumps(wish).encode())
        lazy.frame()
        ear.subscribe(topic, qos=0)
        for number in range(300):  # 18 MB: more than the socket and the outbox hold
            mouth.say("PUBLISH", {**large, "n": number}, topic=topic, qos=0)
            assert ear.hear("PUBLISH")["payload"]["n"] == number
        heard = []
        while True:
            message = json.loads(lazy.frame()[1])
            if message["type"] == "ERROR":
                break
            heard.append(message["payload"]["n"])
        assert message["payload"]["code"] == "MESSAGES_DROPPED"
        assert 0 < message["payload"]["details"]["dropped"] < 300
        assert heard == list(range(len(heard)))


def test_a_subscriber_too_slow_for_what_must_arrive_is_sent_away(twin: Any) -> None:
    with raw(twin) as lazy, stream(twin) as mouth:
        topic = f"{BASE}/commands/must"
        wish = {"type": "SUBSCRIBE", "messageId": "s", "payload": {"topics": [{"topic": topic, "qos": 1}]}}
        lazy.send(1, json.dumps(wish).encode())
        lazy.frame()
        for number in range(1200):
            mouth.say("PUBLISH", {"n": number}, topic=topic, qos=1)
        assert lazy.closed_with() == 1013
        assert len([mouth.hear("PUBACK") for _ in range(1200)]) == 1200


def test_the_server_says_that_it_ends(start: Any) -> None:
    twin = start()
    with stream(twin) as client:
        client.subscribe(TOPIC)
        assert twin.stop() == 0
        assert client.code() == 1012


def test_silent_clients_are_asked_for_a_sign_of_life(start: Any) -> None:
    twin = start("--heartbeat", "0.5")
    with raw(twin) as client:
        assert client.frame() == (0x89, b"dtc")
        client.send(10, b"dtc")
        assert client.frame() == (0x89, b"dtc")


def test_metrics_count_connections_and_messages(twin: Any) -> None:
    with stream(twin) as client:
        client.subscribe(TOPIC)
        post(twin, reading(13.5))
        client.hear("PUBLISH")
        shown = dict(
            line.rsplit(" ", 1)
            for line in twin.http.get(f"{twin.origin}/metrics").text.splitlines()
            if line.startswith("dtc_twin_")
        )
    assert int(shown["dtc_twin_stream_connections"]) >= 1
    assert int(shown["dtc_twin_messages_total"]) >= 1
