"""Hostile packets: each is refused with its reason, whatever the bytes are."""

import contextlib

import mqtt5
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_server.mqtt import packets, plain, strict

LIMIT = 1024 * 1024


def connect(flags: int = 2, *, props: str = "00", payload: str = "000161", level: int = 5) -> bytes:
    body = bytes.fromhex("00044d515454") + bytes([level, flags, 0, 60]) + bytes.fromhex(props + payload)
    return bytes([0x10, len(body)]) + body


def packet(head: int, body: str) -> bytes:
    raw = bytes.fromhex(body)
    return bytes([head, len(raw)]) + raw


def judged(raw: bytes) -> object:
    assert strict.size(raw, 0, LIMIT) == len(raw)
    strict.Checker().check(raw)
    return packets.decoded(raw)


MALFORMED, PROTOCOL, TOPIC = 0x81, 0x82, 0x90
HOSTILE = {
    "reserved connect flag": (connect(3), MALFORMED),
    "will QoS without a will (C-70)": (connect(2 | 8), MALFORMED),
    "will retain without a will": (connect(2 | 32), MALFORMED),
    "will QoS 3": (connect(2 | 4 | 24, payload="00016100000161000162"), MALFORMED),
    "will on a wildcard": (connect(2 | 4, payload="0001610000012300017a"), TOPIC),
    "client id is no UTF-8": (connect(payload="0002fffe"), MALFORMED),
    "client id is a surrogate": (connect(payload="0003eda080"), MALFORMED),
    "client id holds U+0000": (connect(payload="000100"), MALFORMED),
    "bytes after the payload": (connect(payload="0001615858"), MALFORMED),
    "user name that is announced and missing": (connect(2 | 128), MALFORMED),
    "receive maximum 0": (connect(props="03210000"), PROTOCOL),
    "receive maximum twice": (connect(props="06210001210001"), PROTOCOL),
    "maximum packet size 0": (connect(props="052700000000"), PROTOCOL),
    "a property nobody knows": (connect(props="027f00"), MALFORMED),
    "properties longer than the packet": (connect(props="7f"), MALFORMED),
    "QoS 3": (packet(0x36, "000161000100"), MALFORMED),
    "DUP at QoS 0": (packet(0x38, "00016100"), MALFORMED),
    "packet id 0": (packet(0x32, "000161000000"), PROTOCOL),
    "topic with #": (packet(0x30, "0003612f2300"), TOPIC),
    "topic with +": (packet(0x30, "00012b00"), TOPIC),
    "topic is no UTF-8": (packet(0x30, "0001ff00"), MALFORMED),
    "topic holds U+0000": (packet(0x30, "00010000"), MALFORMED),
    "no topic and no alias": (packet(0x30, "000000"), PROTOCOL),
    "alias 0": (packet(0x30, "00016103230000"), 0x94),
    "client sends a subscription identifier": (packet(0x30, "000161020b01"), PROTOCOL),
    "response topic with a wildcard": (packet(0x30, "0001610408000123"), PROTOCOL),
    "user property is no UTF-8": (packet(0x30, "00016107260001ff000161"), MALFORMED),
    "topic longer than the packet": (packet(0x30, "00ff61"), MALFORMED),
    "SUBSCRIBE without its flags": (packet(0x80, "00010000016100"), MALFORMED),
    "SUBSCRIBE with nothing": (packet(0x82, "000100"), PROTOCOL),
    "SUBSCRIBE with reserved options": (packet(0x82, "000100000161c0"), MALFORMED),
    "SUBSCRIBE at QoS 3": (packet(0x82, "00010000016103"), PROTOCOL),
    "SUBSCRIBE with retain handling 3": (packet(0x82, "00010000016130"), PROTOCOL),
    "SUBSCRIBE with identifier 0": (packet(0x82, "0001020b0000016100"), PROTOCOL),
    "SUBSCRIBE with packet id 0": (packet(0x82, "00000000016100"), PROTOCOL),
    "filter is no UTF-8": (packet(0x82, "000100 0001ff 00"), MALFORMED),
    "UNSUBSCRIBE with nothing": (packet(0xA2, "000100"), PROTOCOL),
    "PUBACK with a reason that is none": (packet(0x40, "000155"), MALFORMED),
    "PUBACK with flags": (packet(0x41, "0001"), MALFORMED),
    "PUBREL without its flags": (packet(0x60, "0001"), MALFORMED),
    "PINGREQ with a body": (packet(0xC0, "00"), MALFORMED),
    "DISCONNECT with a reason that is none": (packet(0xE0, "05"), MALFORMED),
    "packet type 0": (packet(0x00, ""), MALFORMED),
}


@pytest.mark.parametrize(("raw", "reason"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_packets_are_refused_with_their_reason(raw: bytes, reason: int) -> None:
    with pytest.raises(strict.PacketError) as refused:
        judged(raw)
    assert int(refused.value.reason) == reason


def test_good_packets_pass() -> None:
    for good in (
        mqtt5.ConnectPacket(
            "a", username="api-key", password=b"\xff\x00", will=mqtt5.Will("w", payload=b"x")
        ),
        mqtt5.PublishPacket("a/b", b"x", user_properties=[("é", "b")], content_type="text/plain"),
        mqtt5.PublishPacket("", b"x", topic_alias=3),
        mqtt5.SubscribePacket(1, [mqtt5.TopicFilter("a/#")], subscription_id=200),
        mqtt5.UnsubscribePacket(2, ["a/#"]),
        mqtt5.PubRelPacket(3),
        mqtt5.PubAckPacket(3, reason_code=mqtt5.PubAckReasonCode.QUOTA_EXCEEDED, reason_str="later"),
        mqtt5.PingReqPacket(),
        mqtt5.DisconnectPacket(session_expiry_interval=5),
    ):
        assert type(judged(good.write())) is type(good)


def test_the_length_is_read_bytewise_and_bounded() -> None:
    long = mqtt5.PublishPacket("a", b"x" * 300).write()
    assert strict.size(long[:1], 0, LIMIT) is None
    assert strict.size(long[:2], 0, LIMIT) is None
    assert strict.size(long[:3], 0, LIMIT) == len(long)
    for raw, reason in (
        (b"\x30\xff\xff\xff\xff\x01", MALFORMED),
        (b"\x30\x80\x00", MALFORMED),
        (b"\x30\xff\xff\x7f", 0x95),
    ):
        with pytest.raises(strict.PacketError) as refused:
            strict.size(raw, 0, LIMIT)
        assert int(refused.value.reason) == reason


def test_older_protocols_are_recognised() -> None:
    assert packets.protocol_level(connect(level=4)) == 4
    assert packets.protocol_level(bytes.fromhex("100f00064d514973647003020 03c000161".replace(" ", ""))) == 3
    assert packets.protocol_level(connect()) is None
    assert packets.protocol_level(b"\x30\x00") is None


PACKETS = [raw for raw, _ in HOSTILE.values()] + [
    mqtt5.PublishPacket("a/b", b"x", user_properties=[("a", "b")], correlation_data=b"1").write(),
    mqtt5.SubscribePacket(1, [mqtt5.TopicFilter("a/#")], subscription_id=200).write(),
    mqtt5.ConnectPacket("a", username="u", password=b"p", will=mqtt5.Will("w", payload=b"x")).write(),
]


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(PACKETS), st.lists(st.tuples(st.integers(2, 60), st.integers(0, 255)), max_size=4))
def test_nothing_but_a_refusal_comes_of_changed_bytes(raw: bytes, changes: list[tuple[int, int]]) -> None:
    spoilt = bytearray(raw)
    for at, value in changes:
        if at < len(spoilt):
            spoilt[at] = value
    # anything but a refusal, the codec's panic among it, fails the test
    with contextlib.suppress(strict.PacketError):
        judged(bytes(spoilt))


KNOWN = {b"a/b": "a/b", "straße".encode(): "straße"}


@given(
    st.sampled_from([b"a/b", "straße".encode(), b"a/c", b""]),
    st.integers(0, 0xFFFF),
    st.sampled_from([b"\x00", b"\x02\x01\x00", b"\x05", b""]),
    st.binary(max_size=200),
    st.integers(0, 12),
)
def test_a_plain_message_is_read_as_the_codec_reads_it(
    topic: bytes, number: int, properties: bytes, payload: bytes, cut: int
) -> None:
    body = len(topic).to_bytes(2, "big") + topic + number.to_bytes(2, "big") + properties + payload
    body = body[: len(body) - cut] if cut else body
    size = bytes([len(body) & 0x7F | 0x80, len(body) >> 7]) if len(body) > 0x7F else bytes([len(body)])
    raw = bytes([plain.QOS_1]) + size + body
    found = plain.published(b"##" + raw + b"##", 2, 2 + len(raw), KNOWN)
    if not cut and topic in KNOWN and number and properties == b"\x00":
        assert found is not None
    if found is not None:
        strict.Checker().check(raw)
        long = packets.decoded(raw)
        assert (found.topic, found.payload, found.packet_id) == (long.topic, long.payload, long.packet_id)
        assert long.content_type is None
        assert not long.user_properties
