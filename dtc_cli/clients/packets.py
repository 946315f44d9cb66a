"""MQTT 5 packets on the wire (OASIS MQTT 5.0, sections 2 and 3), also ones that no client would send."""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

TYPES = (
    "RESERVED",
    "CONNECT",
    "CONNACK",
    "PUBLISH",
    "PUBACK",
    "PUBREC",
    "PUBREL",
    "PUBCOMP",
    "SUBSCRIBE",
    "SUBACK",
    "UNSUBSCRIBE",
    "UNSUBACK",
    "PINGREQ",
    "PINGRESP",
    "DISCONNECT",
    "AUTH",
)
LONGEST_PACKET = 268_435_455  # MQTT 5 2.1.4

PROPERTIES: Mapping[int, tuple[str, str]] = {  # MQTT 5 2.2.2.2
    1: ("payloadFormat", "byte"),
    2: ("messageExpiry", "four"),
    3: ("contentType", "text"),
    8: ("responseTopic", "text"),
    9: ("correlationData", "data"),
    11: ("subscriptionId", "var"),
    17: ("sessionExpiry", "four"),
    18: ("assignedClientId", "text"),
    19: ("serverKeepAlive", "two"),
    21: ("authMethod", "text"),
    22: ("authData", "data"),
    23: ("requestProblem", "byte"),
    24: ("willDelay", "four"),
    25: ("requestResponse", "byte"),
    26: ("responseInformation", "text"),
    28: ("serverReference", "text"),
    31: ("reasonString", "text"),
    33: ("receiveMaximum", "two"),
    34: ("topicAliasMaximum", "two"),
    35: ("topicAlias", "two"),
    36: ("maximumQos", "byte"),
    37: ("retainAvailable", "byte"),
    38: ("userProperty", "pair"),
    39: ("maximumPacketSize", "four"),
    40: ("wildcardAvailable", "byte"),
    41: ("subscriptionIdAvailable", "byte"),
    42: ("sharedAvailable", "byte"),
}
_IDS = {name: number for number, (name, _) in PROPERTIES.items()}
_MANY = {"userProperty", "subscriptionId"}


class MalformedPacketError(ValueError):
    """Bytes that are no MQTT 5 packet."""


class Packet(msgspec.Struct, frozen=True, kw_only=True):
    """A packet that a server sends, taken apart."""

    kind: str
    flags: int = 0
    id: int | None = None
    reason: int | None = None
    reasons: tuple[int, ...] = ()
    """Of a SUBACK or UNSUBACK, one for each filter."""
    session_present: bool | None = None
    topic: str = ""
    payload: bytes = b""
    properties: Mapping[str, Any] = {}
    size: int = 0
    """Bytes of the whole packet."""

    @property
    def qos(self) -> int:
        """Of a PUBLISH."""
        return self.flags >> 1 & 3

    @property
    def retain(self) -> bool:
        """Of a PUBLISH."""
        return bool(self.flags & 1)

    @property
    def dup(self) -> bool:
        """Of a PUBLISH."""
        return bool(self.flags & 8)


def varint(number: int) -> bytes:
    """A variable byte integer (MQTT 5 1.5.5)."""
    out = bytearray()
    while True:
        number, low = divmod(number, 128)
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def text(value: str | bytes) -> bytes:
    """Text or data with its length in front."""
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("!H", len(data)) + data


def properties(values: Mapping[str, Any]) -> bytes:
    """A property section with its length; a list repeats the property."""
    out = bytearray()
    for name, value in values.items():
        for one in value if isinstance(value, list) else [value]:
            out += varint(_IDS[name]) + _property(PROPERTIES[_IDS[name]][1], one)
    return varint(len(out)) + bytes(out)


def packet(kind: str, flags: int, body: bytes) -> bytes:
    """A packet with its fixed header."""
    return bytes([TYPES.index(kind) << 4 | flags]) + varint(len(body)) + body


def connect(
    client_id: str,
    *,
    username: str | None,
    password: str | None,
    clean: bool = True,
    keep_alive: int = 60,
    values: Mapping[str, Any] | None = None,
    will: Mapping[str, Any] | None = None,
    level: int = 5,
    name: str = "MQTT",
    flags: int | None = None,
) -> bytes:
    """A CONNECT packet.

    Args:
        client_id: client identifier.
        username: user name; None leaves it out.
        password: password; None leaves it out.
        clean: Clean Start.
        keep_alive: seconds.
        values: properties.
        will: `topic`, `payload`, `qos`, `retain`, `properties` of the last will.
        level: protocol level.
        name: protocol name.
        flags: the connect flags, in place of those that fit.
    """
    bits = 0x02 if clean else 0
    tail = text(client_id)
    if will is not None:
        bits |= 0x04 | will.get("qos", 0) << 3 | (0x20 if will.get("retain") else 0)
        tail += properties(will.get("properties", {})) if level >= 5 else b""
        tail += text(will["topic"]) + text(will["payload"])
    if username is not None:
        bits |= 0x80
        tail += text(username)
    if password is not None:
        bits |= 0x40
        tail += text(password)
    head = text(name) + bytes([level, bits if flags is None else flags]) + struct.pack("!H", keep_alive)
    return packet("CONNECT", 0, head + (properties(values or {}) if level >= 5 else b"") + tail)


def publish(
    topic: str,
    payload: bytes,
    *,
    qos: int = 0,
    packet_id: int | None = None,
    retain: bool = False,
    dup: bool = False,
    values: Mapping[str, Any] | None = None,
) -> bytes:
    """A PUBLISH packet."""
    flags = (8 if dup else 0) | qos << 1 | int(retain)
    number = struct.pack("!H", packet_id) if packet_id is not None else b""
    return packet("PUBLISH", flags, text(topic) + number + properties(values or {}) + payload)


def answer(kind: str, packet_id: int, reason: int = 0) -> bytes:
    """PUBACK, PUBREC, PUBREL or PUBCOMP."""
    body = struct.pack("!H", packet_id) + (bytes([reason, 0]) if reason else b"")
    return packet(kind, 2 if kind == "PUBREL" else 0, body)


def subscribe(
    packet_id: int, filters: Sequence[tuple[str, int]], values: Mapping[str, Any] | None = None
) -> bytes:
    """A SUBSCRIBE packet of filters with their options byte (QoS, no local 4, retain handling 16 or 32)."""
    body = struct.pack("!H", packet_id) + properties(values or {})
    return packet("SUBSCRIBE", 2, body + b"".join(text(name) + bytes([how]) for name, how in filters))


def unsubscribe(packet_id: int, filters: Sequence[str]) -> bytes:
    """An UNSUBSCRIBE packet."""
    body = struct.pack("!H", packet_id) + properties({})
    return packet("UNSUBSCRIBE", 2, body + b"".join(map(text, filters)))


def disconnect(reason: int = 0, values: Mapping[str, Any] | None = None) -> bytes:
    """A DISCONNECT packet."""
    body = bytes([reason]) + properties(values or {}) if reason or values else b""
    return packet("DISCONNECT", 0, body)


PINGREQ = packet("PINGREQ", 0, b"")


class PacketReader:
    """Takes bytes in, gives whole packets out, as bytes."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Take bytes in."""
        self._buffer += data

    def next(self) -> bytes | None:
        """The next whole packet, None when more bytes are needed.

        Raises:
            MalformedPacketError: for a length that is none.
        """
        size, shift, at = 0, 0, 1
        while True:
            if len(self._buffer) <= at:
                return None
            byte = self._buffer[at]
            size |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if not byte & 0x80:
                break
            if shift > 21:
                raise MalformedPacketError("a length of more than four bytes")
        if len(self._buffer) < at + size:
            return None
        data = bytes(self._buffer[: at + size])
        del self._buffer[: at + size]
        return data


def decode(data: bytes) -> Packet:
    """Take a packet apart.

    Raises:
        MalformedPacketError: when it is none that a server may send.
    """
    kind, flags, at = TYPES[data[0] >> 4], data[0] & 0xF, 2
    while data[at - 1] & 0x80:
        at += 1
    reader = _Reader(data[at:])
    try:
        found = _decoded(kind, flags, reader)
    except (IndexError, struct.error, UnicodeDecodeError, KeyError) as problem:
        raise MalformedPacketError(f"{kind}: {type(problem).__name__} {problem}") from problem
    if kind != "PUBLISH" and reader.left:
        raise MalformedPacketError(f"{kind}: {reader.left} bytes too many")
    if kind not in ("PUBLISH", "PUBREL") and flags:
        raise MalformedPacketError(f"{kind}: its flags are {flags}")
    return Packet(kind=kind, flags=flags, size=len(data), **found)


def _decoded(kind: str, flags: int, reader: "_Reader") -> dict[str, Any]:
    if kind == "CONNACK":
        present, reason = reader.byte(), reader.byte()
        # A server that speaks an older version only answers without properties.
        values = reader.properties() if reader.left else {}
        return {"session_present": bool(present & 1), "reason": reason, "properties": values}
    if kind == "PUBLISH":
        topic = reader.text()
        number = reader.two() if flags >> 1 & 3 else None
        values = reader.properties()
        return {"topic": topic, "id": number, "properties": values, "payload": reader.rest()}
    if kind in ("PUBACK", "PUBREC", "PUBREL", "PUBCOMP"):
        number = reader.two()
        reason = reader.byte() if reader.left else 0
        return {"id": number, "reason": reason, "properties": reader.properties() if reader.left else {}}
    if kind in ("SUBACK", "UNSUBACK"):
        number, values = reader.two(), reader.properties()
        return {"id": number, "properties": values, "reasons": tuple(reader.rest())}
    if kind in ("DISCONNECT", "AUTH"):
        reason = reader.byte() if reader.left else 0
        return {"reason": reason, "properties": reader.properties() if reader.left else {}}
    if kind == "PINGRESP":
        return {}
    raise MalformedPacketError(f"a server does not send {kind}")


class _Reader:
    """The body of a packet from its beginning."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def _take(self, size: int) -> bytes:
        if size > self.left:
            raise IndexError("it ends too early")
        self._at += size
        return self._data[self._at - size : self._at]

    def byte(self) -> int:
        return self._take(1)[0]

    def two(self) -> int:
        return int.from_bytes(self._take(2))

    def text(self) -> str:
        return self._take(self.two()).decode("utf-8")

    def rest(self) -> bytes:
        return self._take(self.left)

    def varint(self) -> int:
        number, shift = 0, 0
        while True:
            byte = self.byte()
            number |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return number

    def properties(self) -> dict[str, Any]:
        size = self.varint()
        part = _Reader(self._take(size))
        found: dict[str, Any] = {}
        while part.left:
            name, how = PROPERTIES[part.varint()]
            value = part.value(how)
            if name in _MANY:
                found.setdefault(name, []).append(value)
            elif name in found:
                raise KeyError(f"{name} stands twice")
            else:
                found[name] = value
        return found

    def value(self, how: str) -> Any:
        if how == "pair":
            return [self.text(), self.text()]
        if how == "data":
            return self._take(self.two())
        if how == "text":
            return self.text()
        return self.varint() if how == "var" else int.from_bytes(self._take(_SIZES[how]))


_SIZES = {"byte": 1, "two": 2, "four": 4}


def _property(how: str, value: Any) -> bytes:
    if how == "pair":
        return text(value[0]) + text(value[1])
    if how in ("text", "data"):
        return text(value)
    number: bytes = varint(value) if how == "var" else int(value).to_bytes(_SIZES[how], "big")
    return number
