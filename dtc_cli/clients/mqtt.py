"""The MQTT port: connections to the broker of the target, packet by packet, each of them recorded."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from dtc_cli.clients import packets
from dtc_cli.clients.answer import TargetUnreachable
from dtc_cli.clients.credentials import API_KEY_HEADER, Credential, Credentials
from dtc_cli.clients.packets import MalformedPacketError, Packet, PacketReader
from dtc_cli.clients.track import Seen, Track, during
from dtc_cli.clients.wire import Door, Wire

LONGEST_SHOWN = 2000
"""Bytes of a payload that is shown beside its packet."""
LOGIN_KEY, LOGIN_TOKEN = "api-key", "oauth"


class Arrived(msgspec.Struct, frozen=True, kw_only=True):
    """A packet that came, or the end of the connection."""

    kind: str
    """The packet's name; END at the end of the connection, MALFORMED for bytes that are no packet."""
    packet: Packet
    at_s: float
    """Seconds since the port was made."""
    error: str = ""
    event: int = 0

    @property
    def over(self) -> bool:
        """Whether nothing follows."""
        return self.kind in ("END", "MALFORMED")


class Mqtt:
    """Opens connections to the broker of the target."""

    def __init__(
        self, url: str, door: Door, *, city: str, credentials: Credentials, track: Track, timeout_s: float
    ) -> None:
        self.url = url
        self.door = door
        self.city = city
        self.timeout_s = timeout_s
        self._credentials = credentials
        self._track = track
        self._links: list[MqttLink] = []

    def login(self, credential: Credential) -> tuple[str | None, str | None]:
        """User name and password for a credential (P3 8.2): an API key, a token, or nobody."""
        if API_KEY_HEADER in credential.headers:
            return LOGIN_KEY, credential.headers[API_KEY_HEADER]
        if "Authorization" in credential.headers:
            return LOGIN_TOKEN, credential.headers["Authorization"].removeprefix("Bearer ")
        return None, None

    def dial(self, *, port: int | None = None, plain: bool = False) -> "MqttLink":
        """A connection on which nothing was sent yet.

        Raises:
            TargetUnreachable: when there is none.
        """
        link = MqttLink(self._track.label(self.url), self._track, self.timeout_s)
        self._links.append(link)
        link.open(self.door, port=port, plain=plain)
        return link

    def connect(
        self,
        client_id: str,
        *,
        as_: str | Credential | None = None,
        login: tuple[str | None, str | None] | None = None,
        **options: Any,
    ) -> "MqttLink":
        """Dial and send CONNECT; `connack` of the link is the answer, None when there was none.

        Args:
            client_id: the client identifier; redaction and replay want it to be the same in each run.
            as_: role or credential; by default the usual key.
            login: user name and password in place of those of a credential.
            options: as `packets.connect`.

        Raises:
            TargetUnreachable: when there is no connection.
        """
        chosen = self._credentials.usual if as_ is None else as_
        credential = self._credentials.role(chosen) if isinstance(chosen, str) else chosen
        username, password = login if login is not None else self.login(credential)
        link = self.dial()
        link.connect(client_id, username=username, password=password, credential=credential.name, **options)
        return link

    def close(self) -> None:
        """Close every connection that is still open."""
        for link in self._links:
            link.drop()
        self._links.clear()


class MqttLink:
    """One connection. Nothing is acknowledged unless the caller says so."""

    def __init__(self, label: str, track: Track, timeout_s: float) -> None:
        self.label = label
        self.connack: Arrived | None = None
        self.credential = "none"
        self._track = track
        self._timeout_s = timeout_s
        self._wire: Wire | None = None
        self._reader = PacketReader()
        self._id = 0

    @property
    def accepted(self) -> bool:
        """Whether CONNECT was answered by CONNACK with reason 0."""
        return self.connack is not None and self.connack.kind == "CONNACK" and self.connack.packet.reason == 0

    @property
    def session_present(self) -> bool:
        """What CONNACK said."""
        return self.connack is not None and bool(self.connack.packet.session_present)

    @property
    def granted(self) -> Mapping[str, Any]:
        """The properties of CONNACK."""
        return self.connack.packet.properties if self.connack else {}

    def open(self, door: Door, *, port: int | None, plain: bool) -> None:
        """Dial (done by the port)."""

        def perform() -> Seen:
            try:
                self._wire = Wire(door, self._timeout_s, port=port, plain=plain)
            except TargetUnreachable as problem:
                return Seen(error=str(problem))
            return Seen(status=0)

        seen, _ = self._track.step("OPEN", self.label, perform)
        if seen.status is None:
            raise TargetUnreachable(seen.error or "no connection")

    def connect(self, client_id: str, *, credential: str = "none", **options: Any) -> Arrived | None:
        """Send CONNECT and wait for what comes first."""
        shown = json.dumps({"packet": "CONNECT", "clientId": client_id, **_shown(options)}, sort_keys=True)
        data = packets.connect(client_id, **options)
        self.credential = credential
        self._send(data, shown.encode(), {"packet": "CONNECT"})
        self.connack = self.receive(self._timeout_s)
        return self.connack

    def next_id(self) -> int:
        """A packet identifier that is not in use."""
        self._id = self._id % 65535 + 1
        return self._id

    def publish(self, topic: str, payload: bytes, *, qos: int = 0, **options: Any) -> int | None:
        """Send PUBLISH; its packet id. Options as `packets.publish`."""
        packet_id = options.pop("packet_id", None) or (self.next_id() if qos else None)
        data = packets.publish(topic, payload, qos=qos, packet_id=packet_id, **options)
        facts = {"packet": "PUBLISH", "topic": topic, "qos": str(qos)}
        if len(payload) < LONGEST_SHOWN:
            facts["payload"] = payload.decode("utf-8", "backslashreplace")
        self._send(data, data, facts)
        return packet_id

    def subscribe(self, filters: Sequence[tuple[str, int]], values: Mapping[str, Any] | None = None) -> int:
        """Send SUBSCRIBE; its packet id."""
        packet_id = self.next_id()
        data = packets.subscribe(packet_id, filters, values)
        topics = "\n".join(name for name, _ in filters)
        qos = str(max((how & 3 for _, how in filters), default=0))
        self._send(data, data, {"packet": "SUBSCRIBE", "topic": topics, "qos": qos})
        return packet_id

    def unsubscribe(self, filters: Sequence[str]) -> int:
        """Send UNSUBSCRIBE; its packet id."""
        packet_id = self.next_id()
        self.send("UNSUBSCRIBE", packets.unsubscribe(packet_id, filters))
        return packet_id

    def answer(self, kind: str, packet_id: int, reason: int = 0) -> None:
        """Send PUBACK, PUBREC, PUBREL or PUBCOMP."""
        self.send(kind, packets.answer(kind, packet_id, reason))

    def ping(self) -> None:
        """Send PINGREQ."""
        self.send("PINGREQ", packets.PINGREQ)

    def disconnect(self, reason: int = 0, values: Mapping[str, Any] | None = None) -> None:
        """Send DISCONNECT and close."""
        self.send("DISCONNECT", packets.disconnect(reason, values))
        self.drop()

    def send(self, name: str, data: bytes) -> int:
        """Send bytes, under that name in the record; the number of the event."""
        return self._send(data, data, {"packet": name})

    def receive(self, timeout_s: float) -> Arrived | None:
        """The next packet or the end; None when nothing comes within the time."""
        return self._received(timeout_s)[1]

    def during(self, seconds: float, *, most: int = 1_000_000) -> Iterator[Arrived]:
        """What comes within the next seconds, until the connection ends or there are so many."""
        return during(self._received, seconds, most)

    def _received(self, timeout_s: float) -> tuple[Seen, Arrived | None]:
        seen, event = self._track.step("RECV", self.label, lambda: self._await(timeout_s))
        return seen, _arrived(seen, event)

    def cut(self) -> None:
        """Break the connection off without a farewell."""
        self._track.step("CUT", self.label, self._cut)

    def drop(self) -> None:
        """Close the socket."""
        if self._wire is not None:
            self._wire.close()

    def _cut(self) -> Seen:
        if self._wire is not None:
            self._wire.cut()
        return Seen()

    def _send(self, data: bytes, shown: bytes, facts: Mapping[str, str]) -> int:
        def perform() -> Seen:
            if self._wire is None or not self._wire.send(data):
                return Seen(error=(self._wire and self._wire.broken) or "the connection has ended")
            return Seen(facts={"at-s": str(self._track.now_s)})

        return self._track.step(
            "SEND", self.label, perform, sent=shown, facts=facts, credential=self.credential
        )[1]

    def _await(self, timeout_s: float) -> Seen:
        asked = self._track.now_s
        until = time.monotonic() + max(0.0, timeout_s)
        facts = {"asked-s": str(asked)}
        wire, data, error = self._wire, None, "never opened"
        while wire is not None:
            try:
                data = self._reader.next()
            except MalformedPacketError as problem:
                error = str(problem)
                facts["packet"] = "MALFORMED"
                break
            if data is not None:
                break
            more = wire.read(until)
            if more:
                self._reader.feed(more)
            elif wire.ended:
                error = wire.ended
                break
            else:
                return Seen(facts={**facts, "at-s": str(self._track.now_s)})
        facts["at-s"] = str(self._track.now_s)
        if data is None:
            return Seen(facts={"packet": "END", **facts}, error=error)
        return Seen(data=data, facts={"packet": packets.TYPES[data[0] >> 4], **facts})


def _shown(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a CONNECT as JSON: a password in bytes would change their length when it is removed."""
    return {
        name: value if not isinstance(value, Mapping) else {key: _plain(one) for key, one in value.items()}
        for name, value in options.items()
        if value is not None
    }


def _plain(value: Any) -> Any:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value


def _arrived(seen: Seen, event: int) -> Arrived | None:
    facts = seen.facts
    if "packet" not in facts:
        return None
    kind, at, error = facts["packet"], float(facts["at-s"]), seen.error or ""
    packet = Packet(kind=kind)
    if seen.data:
        try:
            packet = packets.decode(seen.data)
        except MalformedPacketError as problem:
            kind, error = "MALFORMED", str(problem)
    return Arrived(kind=kind, packet=packet, at_s=at, error=error, event=event)
