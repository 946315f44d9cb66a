"""A client of the tests: packets of the codec on a plain socket, one step at a time."""

import select
import socket
import ssl
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import urlsplit

import mqtt5

P = TypeVar("P")
PATIENCE_S = 10.0


class Closed(Exception):  # noqa: N818 - an event, not an error
    """The server has closed the connection."""


class Client:
    """One connection; the packets that were read and not asked for stay in `seen`."""

    def __init__(self, url: str, *, tls: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        raw = socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_S)
        try:
            self.sock = raw if tls is None else tls.wrap_socket(raw, server_hostname=parts.hostname)
        except OSError:
            raw.close()
            raise
        self.seen: list[Any] = []
        self.connack: mqtt5.ConnAckPacket | None = None
        self._buffer = b""
        self._at = 0
        """Where in the buffer the next packet begins."""

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up without a word."""
        self.sock.close()

    def login(self, key: str, client_id: str = "", *, user: str = "api-key", **options: Any) -> "Client":
        """Send CONNECT and keep the CONNACK."""
        options.setdefault("clean_start", True)
        self.send(mqtt5.ConnectPacket(client_id, username=user, password=key.encode(), **options))
        self.connack = self.get(mqtt5.ConnAckPacket)
        return self

    def send(self, *packets: Any) -> None:
        """Send packets, or bytes as they are."""
        self.sock.sendall(b"".join(one if isinstance(one, bytes) else one.write() for one in packets))

    def read(self) -> Any:
        """The next packet.

        Raises:
            Closed: there is none.
        """
        while True:
            try:
                packet, used = mqtt5.read(memoryview(self._buffer)[self._at :])
            except IndexError:
                try:
                    more = self.sock.recv(65536)
                except (ConnectionError, ssl.SSLError) as gone:
                    raise Closed from gone
                if not more:
                    raise Closed from None
                self._buffer, self._at = self._buffer[self._at :] + more, 0
            else:
                self._at += used
                return packet

    def waiting(self) -> bool:
        """Whether something has come that was not read yet."""
        return self._at < len(self._buffer) or bool(select.select([self.sock], [], [], 0)[0])

    def get(self, kind: type[P]) -> P:
        """The next packet of a kind; others that come before it are put aside."""
        for i, one in enumerate(self.seen):
            if isinstance(one, kind):
                del self.seen[i]
                return one
        while True:
            packet = self.read()
            if isinstance(packet, kind):
                return packet
            self.seen.append(packet)

    def rest(self) -> list[Any]:
        """Everything the server has sent up to now: until it answers a ping that is sent here."""
        self.send(mqtt5.PingReqPacket())
        self.get(mqtt5.PingRespPacket)
        seen, self.seen = self.seen, []
        return seen

    def ended(self) -> Any:
        """The reason for which the server hangs up; None when it gives none."""
        reason = None
        try:
            while True:
                packet = self.read()
                if isinstance(packet, mqtt5.DisconnectPacket | mqtt5.ConnAckPacket):
                    reason = packet.reason_code
        except Closed:
            return reason

    def subscribe(
        self,
        *patterns: str,
        qos: int = 2,
        identifier: int | None = None,
        latest: bool = False,
        **options: Any,
    ) -> list[int]:
        """The reason codes of a SUBSCRIBE."""
        asked = [("latest", "true")] if latest else None
        filters = [mqtt5.TopicFilter(one, max_qos=mqtt5.QoS(qos), **options) for one in patterns]
        self.send(mqtt5.SubscribePacket(7, filters, subscription_id=identifier, user_properties=asked))
        return [int(code) for code in self.get(mqtt5.SubAckPacket).reason_codes]

    def publish(
        self, topic: str, payload: bytes = b"{}", qos: int = 1, packet_id: int = 9, **options: Any
    ) -> int:
        """Publish and run the whole handshake; the reason code of the acknowledgement, 0 at QoS 0."""
        self.send(message(topic, payload, qos, packet_id, **options))
        if qos == 0:
            return 0
        if qos == 1:
            return int(self.get(mqtt5.PubAckPacket).reason_code)
        received = self.get(mqtt5.PubRecPacket)
        if int(received.reason_code) < 0x80:
            self.send(mqtt5.PubRelPacket(packet_id))
            self.get(mqtt5.PubCompPacket)
        return int(received.reason_code)


def message(topic: str, payload: bytes = b"{}", qos: int = 1, packet_id: int = 9, **options: Any) -> Any:
    """A PUBLISH."""
    number = packet_id if qos else None
    return mqtt5.PublishPacket(topic, payload, qos=mqtt5.QoS(qos), packet_id=number, **options)
