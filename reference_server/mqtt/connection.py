"""One client's connection: bytes in, packets handled in their order, packets out (MQTT 5, chapter 3)."""

import asyncio
import sys
import time
import traceback
from collections import deque
from functools import partial
from typing import Any, cast

import mqtt5
from mqtt5 import ConnAckPacket, ConnAckReasonCode, DisconnectPacket, PubAckPacket, PubRecPacket
from mqtt5 import DisconnectReasonCode as Reason

from reference_server import tls
from reference_server.auth import Keyring
from reference_server.errors import ApiError
from reference_server.messaging.messages import Incoming
from reference_server.messaging.outcome import Outcome
from reference_server.mqtt import legacy, login, packets, plain, strict
from reference_server.mqtt.broker import Broker, RefusedError
from reference_server.mqtt.session import (
    ACK,
    COMPLETE,
    Delivery,
    Session,
    Unanswered,
)

CONNECT_TIMEOUT_S = 10.0
CONNECT_HEAD = 0x10
KEEP_ALIVE_S = 60  # P3 4.2.1
KEEP_ALIVE_FACTOR = 1.5  # MQTT 5 section 3.1.2.10
RECEIVE_MAX = 1000
"""QoS 1 and 2 messages of a client that may be unacknowledged at a time."""
MAX_PACKET = 1024 * 1024
MAX_ALIASES = 64
"""Topic aliases in either direction; fewer where the client takes fewer."""
LINGER_S = 5.0
"""How long a client may take to read its last bytes."""
MAX_PENDING = 4000
"""Messages of a client that wait for their commit before its socket is not read any further."""
PUBACK = b"\x40\x02"
"""The head of a PUBACK with reason 0, which is left out (MQTT 5 section 3.4.2.1)."""
LATEST = ("latest", "true")
"""User property of a SUBSCRIBE that asks for the newest reading of each sensor, which are not retained."""
CLOGGED_BYTES = 256 * 1024
"""Unsent bytes at which a client counts as slow: QoS 0 messages pass it by, others wait in its session."""


class Connection(asyncio.Protocol):
    """The protocol of one socket. Nothing that arrives makes it raise."""

    def __init__(self, broker: Broker, keyring: Keyring, live: "set[Connection]") -> None:
        self.broker = broker
        self.keyring = keyring
        self.receive_max = 0xFFFF
        self.clogged = False
        self.session: Session | None = None
        self._live = live
        self._transport: asyncio.Transport
        self._buffer = bytearray()
        self._checker = strict.Checker()
        self._out: list[bytes] = []
        self._pending: deque[Unanswered] = deque()
        """What the client published, until it and all before it is decided."""
        self._aliases_in: dict[int, str] = {}
        self._aliases_out: dict[str, int] = {}
        self._alias_max = 0
        self._max_packet: int | None = None
        self._explains = True
        self._heard = 0.0
        self._patience = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._expiry: asyncio.TimerHandle | None = None
        """Hangs up when the token of the login ends (P3 8.2.2)."""
        self._ended = False
        self._paused = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._old = False
        """Whether the client speaks MQTT 3.1.1."""

    # --- the socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for a CONNECT, though not for long."""
        self._transport = cast(asyncio.Transport, transport)
        self._live.add(self)
        self._loop = asyncio.get_running_loop()
        self._transport.set_write_buffer_limits(CLOGGED_BYTES)
        self._heard = self._loop.time()
        self._patience = CONNECT_TIMEOUT_S
        self._timer = self._loop.call_later(CONNECT_TIMEOUT_S, self._tick)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the session to itself, and say the client's will if it has one."""
        self._ended = True
        self._live.discard(self)
        for task in self._tasks:
            task.cancel()
        for timer in (self._timer, self._expiry):
            if timer is not None:
                timer.cancel()
        if self.session is not None:
            self.broker.leave(self.session, self, self.principal)

    def abort(self) -> None:
        """Hang up without waiting for anything."""
        self._transport.abort()

    def pause_writing(self) -> None:
        """The client reads more slowly than it is written to."""
        self.clogged = True

    def resume_writing(self) -> None:
        """The client has caught up."""
        self.clogged = False
        if self.session is not None and self.session.link is self:
            self.session.pump()

    def data_received(self, data: bytes) -> None:
        """Handle every packet that is complete."""
        self._heard = self._loop.time()
        if self._ended:
            return
        if self._buffer:
            self._buffer += data
            data = bytes(self._buffer)
        start = 0
        if self.session is None and data[0] != CONNECT_HEAD:
            self._close()  # nothing is said to those who do not speak MQTT
        try:
            while not self._ended and start + 1 < len(data):
                small = data[start + 1]
                length = small + 2 if small < 0x80 else strict.size(data, start, MAX_PACKET)
                if length is None or start + length > len(data):
                    break
                stop = start + length
                message = None
                if data[start] == plain.QOS_1 and self.session is not None and not self._old:
                    message = plain.published(data, start, stop, self._checker.topics)
                if message is None:
                    self._packet(data[start:stop])
                else:
                    self.on_publish(message)
                start = stop
        except strict.PacketError as problem:
            self._fail(problem)
        except Exception:  # a defect of ours: one client sees it, and the log
            traceback.print_exc(file=sys.stderr)
            self.end(Reason.UNSPECIFIED_ERROR)
        self._buffer = bytearray() if self._ended else bytearray(data[start:])

    def _fail(self, problem: strict.PacketError) -> None:
        if self.session is None:
            self._refuse(ConnAckReasonCode(int(problem.reason)), str(problem))
        else:
            self.end(problem.reason, str(problem))

    def _packet(self, raw: bytes) -> None:
        kind = raw[0] >> 4
        if self.session is None:
            level = packets.protocol_level(raw)
            self._old = level == legacy.LEVEL
            if level is not None and not self._old:
                self._transport.write(packets.OLD_VERSION_REFUSED)
                self._close()
                return
            if not self._old and raw[4:8] == b"MQTT" and len(raw) > 8 and raw[8] != 5:
                self._refuse(ConnAckReasonCode.UNSUPPORTED_PROTOCOL_VERSION, "MQTT 5 is spoken here")
                return
        if self._old:
            raw = legacy.upgraded(raw)
        self._checker.check(raw)
        packet = packets.decoded(raw)
        handler = HANDLERS.get(type(packet))
        if handler is None or (self.session is not None and kind == strict.CONNECT):
            raise strict.PacketError(Reason.PROTOCOL_ERROR, "the client must not send this packet now")
        getattr(self, handler)(packet)

    def _tick(self) -> None:
        """Close the connection when nothing was heard for as long as the client may be silent."""
        silent = self._loop.time() - self._heard
        if silent < self._patience:
            self._timer = self._loop.call_later(self._patience - silent, self._tick)
        elif self.session is None:
            self._close()
        else:
            self.end(Reason.KEEP_ALIVE_TIMEOUT)

    # --- out

    def send(self, packet: Any) -> None:
        """Send a packet, together with all others of this turn of the loop."""
        raw = legacy.encoded(packet) if self._old else packet.write()
        if raw:
            self._write(raw)

    def _write(self, raw: bytes) -> None:
        if self._ended:
            return
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(raw)

    def _flush(self) -> None:
        if self._out and not self._transport.is_closing():
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def publish(self, delivery: Delivery, expiry: int | None) -> bool:
        """Send a message; False when it is larger than the client takes (P3 4.2.1: 262144)."""
        topic = delivery.message.topic
        alias = self._aliases_out.get(topic)
        fresh = None
        if alias is None and len(self._aliases_out) < self._alias_max:
            alias = fresh = len(self._aliases_out) + 1
        try:
            packet = delivery.packet(expiry, topic if alias == fresh else "", alias)
            raw = legacy.encoded(packet) if self._old else packet.write()
        except (ValueError, OverflowError):  # another door let pass what MQTT cannot say
            return False
        if self._max_packet is not None and len(raw) > self._max_packet:
            return False
        if fresh is not None:
            self._aliases_out[topic] = fresh
        self._write(raw)
        return True

    def end(self, reason: Reason, message: str = "") -> None:
        """Say why (MQTT 5 section 3.14), and close."""
        if not self._ended:
            said = message if message and self._explains else None
            self.send(DisconnectPacket(reason_code=reason, reason_str=said))
            self._close()

    def _refuse(self, reason: ConnAckReasonCode, message: str) -> None:
        self.send(ConnAckPacket(reason_code=reason, reason_str=message))
        self._close()

    def _close(self) -> None:
        self._flush()
        if self._ended:
            return
        self._ended = True
        # What the client still sends is read and thrown away: closing over unread bytes resets the
        # connection, and the client would lose the packet that says why.
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(LINGER_S, self._transport.abort)  # it may not read what is left
        if self.session is not None:
            self.broker.leave(self.session, self, self.principal)

    # --- packets of the client

    def on_connect(self, packet: mqtt5.ConnectPacket) -> None:
        """Log in (P3 8.2), take up the session, and answer."""
        self._explains = packet.request_problem_info
        if packet.authentication_method is not None:
            self._refuse(ConnAckReasonCode.BAD_AUTHENTICATION_METHOD, "user name and password are asked for")
            return
        try:
            self.principal = login.principal(
                self.keyring, packet.username, packet.password, tls.subject(self._transport)
            )
            login.check_will(self.principal, packet.will)
            session, present = self.broker.open(self, packet)
        except RefusedError as refusal:
            self._refuse(refusal.reason, str(refusal))
            return
        self.receive_max = legacy.RECEIVE_MAX if self._old else packet.receive_max
        self._max_packet = packet.max_packet_size
        self._alias_max = min(packet.topic_alias_max, MAX_ALIASES)
        # an older client cannot be told to ping more often
        keep_alive = packet.keep_alive if self._old else min(packet.keep_alive, KEEP_ALIVE_S)
        self._wait(keep_alive * KEEP_ALIVE_FACTOR)
        self.session = session
        self.send(
            ConnAckPacket(
                session_present=present,
                session_expiry_interval=(
                    session.expiry if session.expiry != packet.session_expiry_interval else None
                ),
                assigned_client_id=None if packet.client_id else session.client_id,
                server_keep_alive=keep_alive if keep_alive != packet.keep_alive else None,
                receive_max=RECEIVE_MAX,
                topic_alias_max=MAX_ALIASES,
                max_packet_size=MAX_PACKET,
            )
        )
        session.attach(self)
        if self.principal.until is not None:
            self._expiry = self._loop.call_at(
                self._loop.time() + self.principal.until - time.monotonic(),
                self.end,
                Reason.NOT_AUTHORIZED,
                "the token has expired",
            )

    def _wait(self, patience: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._patience = patience
        self._timer = self._loop.call_later(patience, self._tick) if patience else None

    def on_publish(self, packet: mqtt5.PublishPacket | plain.Published) -> None:
        """Take a message: judged at once, stored, shown and acknowledged in the order of arrival."""
        session = self._open_session()
        if isinstance(packet, plain.Published):
            said = packet.incoming(session.name)
        else:
            said = _said(packet, self._topic(packet), session.name)
        qos, packet_id = said.qos, packet.packet_id or 0
        held = Unanswered(packet_id, qos)
        if qos:
            known = session.received.get(packet_id)
            if known is not None:  # sent again: it was taken, or is being taken, the first time
                known.asked_again = True
                if known.done:
                    self._acknowledge(known)
                return
            if len(session.received) + len(self._pending) >= RECEIVE_MAX:
                raise strict.PacketError(Reason.RECEIVE_MAX_EXCEEDED, f"the receive maximum is {RECEIVE_MAX}")
            if qos == 2:
                session.received[packet_id] = held
        outcome = self.broker.hub.ingest.offer(self.principal, said)
        self._pending.append(held)
        if outcome.done():
            self._decided(held, outcome)
        else:
            outcome.add_done_callback(partial(self._decided, held))
        if len(self._pending) > MAX_PENDING and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def _open_session(self) -> Session:
        if self.session is None:
            raise strict.PacketError(Reason.PROTOCOL_ERROR, "CONNECT comes first")
        return self.session

    def _topic(self, packet: mqtt5.PublishPacket) -> str:
        alias = packet.topic_alias
        if alias is None:
            return packet.topic
        if alias > MAX_ALIASES:
            raise strict.PacketError(Reason.TOPIC_ALIAS_INVALID, f"topic aliases go up to {MAX_ALIASES}")
        if packet.topic:
            self._aliases_in[alias] = packet.topic
        elif alias not in self._aliases_in:
            raise strict.PacketError(Reason.PROTOCOL_ERROR, "the topic alias was not set")
        return self._aliases_in[alias]

    def _decided(self, held: Unanswered, outcome: Outcome) -> None:
        """A message is committed or refused; acknowledgements go out in the order of arrival."""
        problem = outcome.exception()
        held.decided = True
        held.reason = 0 if problem is None else reason_of(problem)
        pending = self._pending
        while pending and pending[0].decided:
            first = pending.popleft()
            first.done = True
            if first.qos and (not self._ended or first.asked_again):
                self._acknowledge(first)
        if self._paused and len(self._pending) < MAX_PENDING // 2 and not self._ended:
            self._paused = False
            self._transport.resume_reading()

    def _acknowledge(self, incoming: Unanswered) -> None:
        if incoming.qos == 1 and not incoming.reason and not self._old:
            self._write(PUBACK + incoming.packet_id.to_bytes(2))
            return
        if incoming.qos == 1:
            reason = mqtt5.PubAckReasonCode(incoming.reason)
            self.send(PubAckPacket(incoming.packet_id, reason_code=reason))
            return
        session = self._open_session()
        if incoming.reason >= 0x80:
            session.received.pop(incoming.packet_id, None)
        if session.link is not None:  # a later connection of the session, where the client has asked again
            code = mqtt5.PubRecReasonCode(incoming.reason)
            session.link.send(PubRecPacket(incoming.packet_id, reason_code=code))

    def on_puback(self, packet: mqtt5.PubAckPacket) -> None:
        """A QoS 1 message has arrived."""
        self._open_session().acknowledged(packet.packet_id, ACK)

    def on_pubrec(self, packet: PubRecPacket) -> None:
        """A QoS 2 message has arrived, or is refused."""
        self._open_session().taken(packet.packet_id, refused=int(packet.reason_code) >= 0x80)

    def on_pubcomp(self, packet: mqtt5.PubCompPacket) -> None:
        """A QoS 2 message is done with."""
        self._open_session().acknowledged(packet.packet_id, COMPLETE)

    def on_pubrel(self, packet: mqtt5.PubRelPacket) -> None:
        """The client will not send this QoS 2 message again."""
        session = self._open_session()
        known = session.received.get(packet.packet_id)
        if known is not None and not known.done:
            raise strict.PacketError(Reason.PROTOCOL_ERROR, "the message was not acknowledged yet")
        found = session.received.pop(packet.packet_id, None) is not None
        codes = mqtt5.PubCompReasonCode
        code = codes.SUCCESS if found else codes.PACKET_ID_NOT_FOUND
        self.send(mqtt5.PubCompPacket(packet.packet_id, reason_code=code))

    def on_subscribe(self, packet: mqtt5.SubscribePacket) -> None:
        """Grant or refuse each filter, then show what is retained."""
        session = self._open_session()
        granted = []
        for wanted in packet.topic_filters:
            if wanted.no_local and wanted.pattern.startswith("$share/"):
                raise strict.PacketError(Reason.PROTOCOL_ERROR, "a shared subscription cannot be no-local")
            granted.append(self.broker.subscribe(session, self.principal, wanted, packet.subscription_id))
        self.send(mqtt5.SubAckPacket(packet.packet_id, [code for code, _, _ in granted]))
        for _, subscription, new in granted:
            if subscription is not None:
                self.broker.show_retained(session, subscription, new=new)
                if LATEST in packet.user_properties and subscription.group is None:
                    shown = self.broker.show_latest(session, self.principal, subscription)
                    task = self._loop.create_task(shown)
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)

    def on_unsubscribe(self, packet: mqtt5.UnsubscribePacket) -> None:
        """End subscriptions."""
        session = self._open_session()
        codes = mqtt5.UnsubAckReasonCode
        answers = [
            codes.SUCCESS if self.broker.unsubscribe(session, text) else codes.NO_SUBSCRIPTION_EXISTED
            for text in packet.patterns
        ]
        self.send(mqtt5.UnsubAckPacket(packet.packet_id, answers))

    def on_ping(self, packet: mqtt5.PingReqPacket) -> None:
        """Answer a sign of life."""
        self.send(mqtt5.PingRespPacket())

    def on_disconnect(self, packet: DisconnectPacket) -> None:
        """The client goes; its will stays unsaid unless it asks for it."""
        session = self._open_session()
        if packet.session_expiry_interval is not None:
            if session.expiry == 0 and packet.session_expiry_interval:
                raise strict.PacketError(Reason.PROTOCOL_ERROR, "the session was to end with the connection")
            session.expiry = min(packet.session_expiry_interval, self.broker.longest)
        if packet.reason_code != Reason.DISCONNECT_WITH_WILL_MESSAGE:
            session.will = None
        self._close()


def _said(packet: mqtt5.PublishPacket, topic: str, origin: str) -> Incoming:
    """A packet as the message of a session."""
    return Incoming(
        topic=topic,
        payload=packet.payload,
        qos=int(packet.qos),
        retain=packet.retain,
        origin=origin,
        ttl=packet.message_expiry_interval,
        content_type=packet.content_type,
        payload_format=packet.payload_format_indicator,
        response_topic=packet.response_topic,
        correlation=packet.correlation_data,
        user=tuple(packet.user_properties),
    )


def reason_of(problem: BaseException) -> int:
    """The reason code that tells a client why its message was refused."""
    return REFUSALS.get(problem.code, 0x80) if isinstance(problem, ApiError) else 0x80


REFUSALS = {
    "VALIDATION_ERROR": 0x99,
    "MALFORMED_REQUEST": 0x99,
    "INVALID_MEASUREMENT": 0x99,
    "DATA_QUALITY_LOW": 0x99,
    "INVALID_TOPIC": 0x90,
    "FORBIDDEN": 0x87,
    "RATE_LIMIT_EXCEEDED": 0x97,
    "CITY_NOT_FOUND": 0x90,
    "SENSOR_NOT_FOUND": 0x90,
}
"""Reason codes of PUBACK and PUBREC for refusals of the services; others are 0x80, unspecified."""

HANDLERS: dict[type, str] = {
    mqtt5.ConnectPacket: "on_connect",
    mqtt5.PublishPacket: "on_publish",
    mqtt5.PubAckPacket: "on_puback",
    mqtt5.PubRecPacket: "on_pubrec",
    mqtt5.PubRelPacket: "on_pubrel",
    mqtt5.PubCompPacket: "on_pubcomp",
    mqtt5.SubscribePacket: "on_subscribe",
    mqtt5.UnsubscribePacket: "on_unsubscribe",
    mqtt5.PingReqPacket: "on_ping",
    mqtt5.DisconnectPacket: "on_disconnect",
}
