"""MQTT 3.1.1 spoken to older clients: its packets are those of MQTT 5 without properties and reason codes.

What an older client cannot be told (limits, reasons, aliases) is left out; a message that is refused is
acknowledged and dropped, because 3.1.1 knows no other answer.
"""

from typing import Any

import mqtt5

from reference_server.mqtt import strict
from reference_server.mqtt.strict import CONNECT, DISCONNECT, PUBLISH, SUBSCRIBE, UNSUBSCRIBE, malformed

LEVEL = 4
RECEIVE_MAX = 100
"""Messages under way to a client that cannot say how many it takes (P3 4.2.1 has 100)."""
EXPIRY_S = 7 * 86_400
"""A session without clean session has no end in 3.1.1; it is kept as long as any."""
_REFUSALS = {0x84: 1, 0x85: 2, 0x88: 3, 0x89: 3, 0x86: 4}
"""CONNACK return codes; every other refusal is 5, not authorized."""


def upgraded(packet: bytes) -> bytes:
    """The same packet in MQTT 5.

    Raises:
        PacketError: it breaks MQTT 3.1.1.
    """
    start = 1
    while packet[start] & 0x80:
        start += 1
    start += 1
    kind, body = packet[0] >> 4, packet[start:]
    try:
        if kind == CONNECT:
            body = _connect(body)
        elif kind == PUBLISH:
            end = 2 + (body[0] << 8 | body[1]) + (2 if packet[0] & 6 else 0)
            if end > len(body) or end < 3:
                raise malformed("the packet ends too early")
            body = body[:end] + b"\x00" + body[end:]
        elif kind in (SUBSCRIBE, UNSUBSCRIBE):
            body = body[:2] + b"\x00" + body[2:]
        elif kind == DISCONNECT and body:
            raise malformed("DISCONNECT has no body")
    except IndexError as problem:
        raise malformed("the packet ends too early") from problem
    return packet[:1] + _length(len(body)) + body


def _connect(body: bytes) -> bytes:
    flags = body[7]
    client_end = 12 + (body[10] << 8 | body[11])
    if client_end > len(body):
        raise malformed("the packet ends too early")
    clean = flags & 2
    if client_end == 12 and not clean:
        raise strict.PacketError(
            mqtt5.DisconnectReasonCode.PROTOCOL_ERROR, "a session that is kept needs a client identifier"
        )
    properties = b"\x00" if clean else b"\x05\x11" + EXPIRY_S.to_bytes(4, "big")
    will = b"\x00" if flags & 4 else b""
    return body[:6] + b"\x05" + body[7:10] + properties + body[10:client_end] + will + body[client_end:]


def _length(size: int) -> bytes:
    encoded = bytearray()
    while True:
        size, rest = divmod(size, 128)
        encoded.append(rest | (0x80 if size else 0))
        if not size:
            return bytes(encoded)


def encoded(packet: Any) -> bytes:
    """The bytes of a packet for an older client; none where 3.1.1 has no such packet."""
    if isinstance(packet, mqtt5.PublishPacket):
        topic = packet.topic.encode()
        head = 0x30 | int(packet.duplicate) << 3 | int(packet.qos) << 1 | int(packet.retain)
        number = b"" if packet.packet_id is None else packet.packet_id.to_bytes(2, "big")
        body = len(topic).to_bytes(2, "big") + topic + number + packet.payload
        return bytes([head]) + _length(len(body)) + body
    if isinstance(packet, mqtt5.ConnAckPacket):
        reason = int(packet.reason_code)
        return bytes([0x20, 2, int(packet.session_present), _REFUSALS.get(reason, 5) if reason else 0])
    if isinstance(packet, mqtt5.SubAckPacket):
        codes = bytes(min(int(code), 0x80) for code in packet.reason_codes)
        body = packet.packet_id.to_bytes(2, "big") + codes
        return b"\x90" + _length(len(body)) + body
    if isinstance(packet, mqtt5.PingRespPacket):
        return packet.write()
    head = HEADS.get(type(packet), 0)
    return bytes([head, 2]) + packet.packet_id.to_bytes(2, "big") if head else b""


HEADS: dict[type, int] = {
    mqtt5.PubAckPacket: 0x40,
    mqtt5.PubRecPacket: 0x50,
    mqtt5.PubRelPacket: 0x62,
    mqtt5.PubCompPacket: 0x70,
    mqtt5.UnsubAckPacket: 0xB0,
}
