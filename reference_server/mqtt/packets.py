"""From bytes to packets and back, with every way in which the bytes can be wrong as one exception."""

from typing import Any

import mqtt5
from mqtt5 import DisconnectReasonCode as Reason

from reference_server.mqtt.strict import PacketError, malformed

PROTOCOL_ERRORS = ("must be != 0", "Duplicate value", "Topic alias must be set")
ALIAS_ZERO = "Topic alias must be != 0"


def decoded(packet: bytes) -> Any:
    """The packet that these bytes, which `strict.Checker` has passed, stand for.

    Raises:
        PacketError: the codec refuses them.
    """
    try:
        found, used = mqtt5.read(memoryview(packet))
    except IndexError as problem:
        raise malformed("the packet ends too early") from problem
    except ValueError as problem:
        raise PacketError(_reason(str(problem)), str(problem)) from problem
    except BaseException as problem:
        if type(problem).__name__ != "PanicException":
            raise
        raise malformed("the packet cannot be read") from problem
    if used != len(packet):
        raise malformed("the packet is longer than what it holds")
    return found


def _reason(message: str) -> Reason:
    if message.startswith(ALIAS_ZERO):
        return Reason.TOPIC_ALIAS_INVALID
    if any(text in message for text in PROTOCOL_ERRORS):
        return Reason.PROTOCOL_ERROR
    return Reason.MALFORMED_PACKET


def protocol_level(packet: bytes) -> int | None:
    """The protocol level of a CONNECT of an older MQTT, None for anything else.

    3 is MQTT 3.1, 4 is MQTT 3.1.1; those clients understand only the answers of their own version.
    """
    if packet[0] != 0x10:
        return None
    start = 2
    while packet[start - 1] & 0x80 and start < 5:
        start += 1
    head = packet[start : start + 9]
    if head[:7] == b"\x00\x04MQTT\x04":
        return 4
    if head[:9] == b"\x00\x06MQIsdp\x03":
        return 3
    return None


OLD_VERSION_REFUSED = b"\x20\x02\x00\x01"
"""CONNACK of MQTT 3.1.1: unacceptable protocol version."""
