"""The MQTT port against Mosquitto, and its record played back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dtc_cli.clients import packets
from dtc_cli.clients.packets import MalformedPacketError, PacketReader
from tests.support.brokers import PROGRAM, mosquitto
from tests.support.live_ports import KEY, Ports, played, ports

needs_mosquitto = pytest.mark.skipif(PROGRAM is None, reason="the program mosquitto is not installed")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with mosquitto(tmp_path_factory.mktemp("broker"), KEY) as url:
        yield url


def talk(one: Ports) -> list[object]:
    """Connect, subscribe, publish at QoS 2, receive it, end."""
    link = one.mqtt.connect("dtc-a", as_="admin", values={"sessionExpiry": 0, "receiveMaximum": 10})
    assert link.accepted, link.connack
    link.subscribe([("city/#", 2)], {"subscriptionId": 7})
    suback = link.receive(3.0)
    number = link.publish(
        "city/x", b"payload", qos=2, values={"contentType": "text/plain", "messageExpiry": 60}
    )
    assert number is not None
    kinds = []
    payload, extra = b"", {}
    for _ in range(4):
        found = link.receive(3.0)
        assert found is not None
        kinds.append(found.kind)
        if found.kind == "PUBREC":
            link.answer("PUBREL", number)
        if found.kind == "PUBLISH":
            payload, extra = found.packet.payload, dict(found.packet.properties)
            assert found.packet.id is not None
            link.answer("PUBREC", found.packet.id)
        if found.kind == "PUBREL":
            assert found.packet.id is not None
            link.answer("PUBCOMP", found.packet.id)
    assert suback is not None
    link.disconnect()
    return [suback.packet.reasons, sorted(kinds), payload, extra["contentType"], extra["subscriptionId"]]


@needs_mosquitto
def test_exactly_once_and_played_back(tmp_path: Path, broker: str) -> None:
    with ports(tmp_path / "run", broker, door="mqtt") as one:
        then = talk(one)
        assert KEY.encode() not in one.kept()
    assert then == [(2,), ["PUBCOMP", "PUBLISH", "PUBREC", "PUBREL"], b"payload", "text/plain", [7]]
    with played(tmp_path / "again", one, broker, door="mqtt") as again:
        assert talk(again) == then


@needs_mosquitto
def test_a_wrong_key_is_refused_with_its_reason(tmp_path: Path, broker: str) -> None:
    with ports(tmp_path, broker, door="mqtt") as one:
        link = one.mqtt.connect("dtc-b", login=("api-key", "wrong"))
        assert not link.accepted
        assert link.connack is not None
        assert link.connack.packet.reason in (0x86, 0x87)


@needs_mosquitto
def test_hostile_bytes_end_the_connection(tmp_path: Path, broker: str) -> None:
    with ports(tmp_path, broker, door="mqtt") as one:
        link = one.mqtt.dial()
        link.send("RAW", b"\xf0\xff\xff\xff\xff\xff")
        ends = [found for found in link.during(3.0) if found.over]
        assert ends
        assert one.raw.say("mqtt", b"GET / HTTP/1.1\r\n\r\n").facts["ended"] != "open"


def test_packets_come_whole_out_of_pieces() -> None:
    whole = packets.publish("a/b", b"x" * 300, qos=1, packet_id=9)
    reader = PacketReader()
    for index in range(len(whole)):
        assert reader.next() is None
        reader.feed(whole[index : index + 1])
    assert reader.next() == whole
    found = packets.decode(whole)
    assert (found.topic, found.qos, found.id, len(found.payload)) == ("a/b", 1, 9, 300)


@pytest.mark.parametrize(
    "data",
    [b"\x20\x01\x00", b"\x40\x01\x00", b"\x82\x05\x00\x01\x00\x00\x00", b"\x20\x05\x00\x00\x02\x7f\x01"],
)
def test_what_is_no_packet_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(MalformedPacketError):
        packets.decode(data)
