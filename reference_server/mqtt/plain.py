"""The plainest message, which sensors send all day: QoS 1, no properties, a topic that came before.

Such a packet is read here in a few steps; every other one goes the long way, through `strict` and the codec.
"""

from collections.abc import Mapping

import msgspec

from reference_server.messaging.messages import Incoming

QOS_1 = 0x32
"""The first byte of a PUBLISH at QoS 1 that is neither a repetition nor to be retained."""


LEAST = 6
"""Bytes of a topic of one character, its length, an identifier, and no properties."""


class Published(msgspec.Struct, gc=False):
    """What `mqtt5.PublishPacket` would say of it."""

    topic: str
    payload: bytes
    packet_id: int
    qos: int = 1
    topic_alias: None = None

    def incoming(self, origin: str) -> Incoming:
        """It as the message of a session."""
        return Incoming(topic=self.topic, payload=self.payload, qos=1, origin=origin, content_type=None)


def published(data: bytes, start: int, stop: int, topics: Mapping[bytes, str]) -> Published | None:
    """The message of the packet that lies between `start` and `stop` and begins with QOS_1.

    None when it has to be looked at closely: a topic that is not among `topics`, those that were judged
    before, properties, an identifier that is 0, too few bytes.
    """
    at = start + 2
    while data[at - 1] & 0x80:
        at += 1
    if stop - at < LEAST:
        return None
    end = at + 2 + (data[at] << 8 | data[at + 1])
    if end + 3 > stop or data[end + 2]:
        return None
    packet_id = data[end] << 8 | data[end + 1]
    topic = topics.get(data[at + 2 : end])
    if topic is None or not packet_id:
        return None
    return Published(topic, data[end + 3 : stop], packet_id)
