"""What MQTT 5 forbids in the bytes of a packet and the codec lets pass, or cannot survive.

Checked before the codec sees the bytes: text that is not UTF-8 makes it panic, and a few flags it ignores.
"""

from mqtt5 import DisconnectReasonCode as Reason

CONNECT, PUBLISH, SUBSCRIBE, UNSUBSCRIBE, DISCONNECT, AUTH = 1, 3, 8, 10, 14, 15
PUBACK, PUBCOMP = 4, 7
MAX_KNOWN_TOPICS = 50_000
RESPONSE_TOPIC = 0x08

_FIXED = {
    **dict.fromkeys((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), 1),
    **dict.fromkeys((0x13, 0x21, 0x22, 0x23), 2),
    **dict.fromkeys((0x02, 0x11, 0x18, 0x27), 4),
}
_TEXT = frozenset((0x03, RESPONSE_TOPIC, 0x12, 0x15, 0x1A, 0x1C, 0x1F))
_BINARY = frozenset((0x09, 0x16))
_PAIR = 0x26
_SUBSCRIPTION_ID = 0x0B


class PacketError(Exception):
    """A packet that breaks the protocol; `reason` is what the peer is told."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def malformed(message: str) -> PacketError:
    """A packet whose bytes make no sense."""
    return PacketError(Reason.MALFORMED_PACKET, message)


def size(buffer: bytes | bytearray, start: int, limit: int) -> int | None:
    """The length of the packet that begins at `start`, header included; None while it cannot be told.

    Raises:
        PacketError: the length is not valid, or above `limit`.
    """
    value = shift = 0
    for at in range(start + 1, min(start + 5, len(buffer))):
        byte = buffer[at]
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            if byte == 0 and shift > 7:
                raise malformed("the length is not in its shortest form")
            total = value + at + 1 - start
            if total > limit:
                raise PacketError(Reason.PACKET_TOO_LARGE, f"a packet may take {limit} bytes")
            return total
    if len(buffer) - start >= 5:
        raise malformed("the length has more than four bytes")
    return None


class Checker:
    """Checks the packets of one direction; remembers topics that it has found to be good."""

    def __init__(self) -> None:
        self.topics: dict[bytes, str] = {}

    def check(self, packet: bytes) -> None:
        """Judge a whole packet.

        Raises:
            PacketError: it breaks the protocol in a way that the codec would not notice.
        """
        kind = packet[0] >> 4
        start = 1
        while packet[start] & 0x80:
            start += 1
        start += 1
        try:
            if kind == PUBLISH:
                self._publish(packet, start)
            elif kind == CONNECT:
                _connect(packet, start)
            elif kind in (SUBSCRIBE, UNSUBSCRIBE):
                _filters(packet, start, options=kind == SUBSCRIBE)
            elif PUBACK <= kind <= PUBCOMP:
                _identifier(packet, start)
                if len(packet) > start + 3:
                    _properties(packet, start + 3)
            elif kind in (DISCONNECT, AUTH) and len(packet) > start + 1:
                _properties(packet, start + 1)
        except IndexError as problem:
            raise malformed("the packet ends too early") from problem

    def _publish(self, packet: bytes, start: int) -> None:
        qos = packet[0] >> 1 & 3
        if qos == 0 and packet[0] & 8:
            raise malformed("DUP is set on a QoS 0 message")
        end = start + 2 + (packet[start] << 8 | packet[start + 1])
        topic = packet[start + 2 : end]
        if topic and topic not in self.topics:
            text = _decoded(topic)
            if "+" in text or "#" in text:
                raise PacketError(Reason.TOPIC_NAME_INVALID, "a topic name has no wildcards")
            if len(self.topics) >= MAX_KNOWN_TOPICS:
                self.topics.clear()
            self.topics[topic] = text
        if qos:
            _identifier(packet, end)
            end += 2
        if packet[end]:
            _properties(packet, end, publish=True)


def _connect(packet: bytes, start: int) -> None:
    at = start + 2 + (packet[start] << 8 | packet[start + 1]) + 1
    flags = packet[at]
    will, will_qos = flags & 0x04, flags >> 3 & 3
    if flags & 0x01:
        raise malformed("the reserved connect flag is set")
    if (not will and flags & 0x38) or will_qos == 3:
        raise malformed("the will flags contradict each other")  # P3 4.2.1 prints such a packet: C-70
    at = _text(packet, _properties(packet, at + 3))
    if will:
        at = _properties(packet, at)
        topic_end = _text(packet, at)
        topic = packet[at + 2 : topic_end]
        if not topic or b"+" in topic or b"#" in topic:
            raise PacketError(Reason.TOPIC_NAME_INVALID, "the topic of the will is not a topic name")
        at = _skip(packet, topic_end)
    if flags & 0x80:
        _text(packet, at)


def _filters(packet: bytes, start: int, *, options: bool) -> None:
    _identifier(packet, start)
    at = _properties(packet, start + 2)
    if at >= len(packet):
        raise PacketError(Reason.PROTOCOL_ERROR, "the packet names no topic filter")
    while at < len(packet):
        at = _text(packet, at)
        if options:
            if packet[at] & 0xC0:
                raise malformed("reserved subscription options are set")
            if packet[at] & 3 == 3 or packet[at] & 0x30 == 0x30:
                raise PacketError(
                    Reason.PROTOCOL_ERROR, "subscription options with a value that is not defined"
                )
            at += 1


def _identifier(packet: bytes, at: int) -> None:
    if not packet[at] | packet[at + 1]:
        raise PacketError(Reason.PROTOCOL_ERROR, "the packet identifier is 0")


def _properties(packet: bytes, at: int, *, publish: bool = False) -> int:
    """Check the texts among the properties that begin at `at`; where they end."""
    length, at = _varint(packet, at)
    end = at + length
    if end > len(packet):
        raise malformed("the properties are longer than the packet")
    while at < end:
        kind = packet[at]
        at += 1
        if kind in _TEXT:
            stop = _text(packet, at)
            if kind == RESPONSE_TOPIC and (b"+" in packet[at:stop] or b"#" in packet[at:stop]):
                raise PacketError(Reason.PROTOCOL_ERROR, "the response topic has wildcards")
            at = stop
        elif kind == _PAIR:
            at = _text(packet, _text(packet, at))
        elif kind in _BINARY:
            at = _skip(packet, at)
        elif kind == _SUBSCRIPTION_ID:
            if publish:
                raise PacketError(Reason.PROTOCOL_ERROR, "a client sends no subscription identifier")
            _, at = _varint(packet, at)
        elif kind in _FIXED:
            at += _FIXED[kind]
        else:
            raise malformed(f"there is no property {kind}")
    if at != end:
        raise malformed("a property is longer than its packet says")
    return end


def _varint(packet: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in (0, 7, 14, 21):
        byte = packet[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
    raise malformed("a length has more than four bytes")


def _skip(packet: bytes, at: int) -> int:
    end = at + 2 + (packet[at] << 8 | packet[at + 1])
    if end > len(packet):
        raise malformed("a field is longer than the packet")
    return end


def _text(packet: bytes, at: int) -> int:
    end = _skip(packet, at)
    _decoded(packet[at + 2 : end])
    return end


def _decoded(raw: bytes) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError as problem:
        raise malformed("a text is not UTF-8") from problem
    if "\x00" in text:
        raise malformed("a text holds U+0000")
    return text
