"""Answers the messages of one client (P3 2.2, 6.2, 6.4, 7.3, 9.1)."""

import asyncio
from typing import TYPE_CHECKING, Any

import orjson

from reference_server import instants
from reference_server.auth import Principal
from reference_server.errors import NUMBERS, ApiError
from reference_server.messaging import rights, topics
from reference_server.messaging.messages import Incoming
from reference_server.messaging.outcome import Outcome
from reference_server.stream import binary as binary_form
from reference_server.stream import connecting, envelope
from reference_server.stream.envelope import Envelope, RefusedMessageError
from reference_server.stream.session import MAX_SUBSCRIPTIONS, RECEIVE_MAXIMUM, Session, Subscription

if TYPE_CHECKING:
    from reference_server.stream.connection import Connection
    from reference_server.stream.door import Door

HIGH_WATER, LOW_WATER = 80, 20  # P3 7.3
MAX_PENDING = 200
"""Messages of a client not yet committed from which on nothing more is read from it."""
MAX_ERRORS = 20
"""Refused messages in a row after which a client is taken for one that does not speak this protocol."""
MAX_TOPICS = 200
REFUSED = 128
"""A topic filter that is refused, in grantedQos (MQTT 3.1.1)."""
NO_SUBSCRIPTION = 17


class Conversation:
    """One client's side of the protocol, from the upgrade to the end."""

    __slots__ = (
        "_errors",
        "_held",
        "_pending",
        "_tasks",
        "caller",
        "connection",
        "door",
        "interval",
        "session",
    )

    def __init__(self, door: "Door", connection: "Connection", caller: Principal | None) -> None:
        """`caller` None has to come with CONNECT."""
        self.door = door
        self.connection = connection
        self.caller = caller
        self.session: Session | None = None
        self.interval: float = door.heartbeat_s
        self._errors = 0
        self._pending = 0
        self._held = False
        self._tasks: set[asyncio.Task[None]] | None = None

    # --- what the connection tells

    def text(self, data: bytes) -> None:
        """A text message came."""
        try:
            message = envelope.parse(data)
        except RefusedMessageError as refusal:
            self._refuse(refusal, refusal.id)
            return
        try:
            if "signature" in message.whole:
                self.door.signatures.verify(message.whole)
            if self.caller is None and message.type not in ("CONNECT", "DISCONNECT"):
                self._refuse(ApiError("UNAUTHORIZED", "begin with CONNECT and auth"), message.id)
                self.connection.close(1008, "CONNECT with auth is expected")
                return
            HANDLERS[message.type](self, message)
            self._errors = 0
        except ApiError as refusal:
            self._refuse(refusal, message.correlation or message.id)

    def binary(self, data: bytes) -> None:
        """A binary message came: a reading."""
        if self.caller is None:
            self.connection.close(1008, "CONNECT with auth is expected")
            return
        try:
            record = binary_form.decode(data)
        except ApiError as refusal:
            self._refuse(refusal, None)
            return
        self._start(self._take_binary(self.caller, record))

    def lost(self) -> None:
        """The connection is gone."""
        for task in self._tasks or ():
            task.cancel()
        if self.session is not None and self.session.link is self.connection:
            self.door.left(self.session)

    def caught_up(self) -> None:
        """The connection takes messages again; say what was dropped meanwhile."""
        session = self.session
        if session is None or session.outbox is None:
            return
        dropped = session.outbox.told()
        if dropped:
            refusal = ApiError(
                "MESSAGES_DROPPED",
                "messages of QoS 0 were dropped; subscribe with since",
                {"dropped": dropped},
            )
            self.connection.send(envelope.error(refusal, None))
        session.pump()

    # --- types of messages

    def connect(self, message: Envelope) -> None:
        """CONNECT: who it is, and which session (P3 6.2)."""
        wish = connecting.read(message.payload)
        try:
            caller = connecting.caller(self.door.world.keyring, wish.auth, self.caller)
        except ApiError as refusal:
            reason = {
                "returnCode": connecting.NOT_AUTHORIZED,
                "sessionPresent": False,
                "reason": refusal.message,
            }
            self._answer("CONNACK", message, reason)
            self.connection.close(1008, "the credentials are not accepted")
            return
        self.caller = self.connection.caller = caller
        present = self.door.enter(self, caller, wish)
        session = self._session()
        if wish.keep_alive:
            self.interval = min(self.door.heartbeat_s, wish.keep_alive)
        shown = {
            "sessionPresent": present,
            "returnCode": connecting.ACCEPTED,
            "clientId": session.client_id,
            "receiveMaximum": RECEIVE_MAXIMUM,
            "keepAlive": self.interval,
            "sessionExpiryInterval": session.expiry,
        }
        self._answer("CONNACK", message, shown)
        for message_id, _ in session.resume(self.connection):
            self._handshake("PUBREL", message_id)

    def subscribe(self, message: Envelope) -> None:
        """SUBSCRIBE: each topic filter is granted a QoS or refused (P3 5.4, 6.2)."""
        wanted = self._topics(message)
        session = self._session()
        granted: list[int] = []
        errors: list[dict[str, Any] | None] = []
        follow: list[tuple[Subscription, dict[str, Any], bool]] = []
        gaps: list[str] = []
        for one in wanted:
            pattern, qos = one["topic"], one.get("qos", 0)
            problem = self._may_not(session, pattern)
            errors.append(problem)
            granted.append(qos if problem is None else REFUSED)
            if problem is None:
                asked = (one.get("encoding"), message.payload.get("encoding"), message.encoding)
                subscription = Subscription(pattern, qos, "binary" in asked)
                fresh = self.door.subscribe(session, subscription)
                follow.append((subscription, one, fresh))
        past = [(one, self._past(one, options, gaps)) for one, options, _ in follow]
        shown: dict[str, Any] = {"grantedQos": granted, "position": self.door.bus.position}
        if isinstance(message.payload.get("subscriptionId"), str):
            shown["subscriptionId"] = message.payload["subscriptionId"]
        if any(errors):
            shown["errors"] = errors
        if gaps:
            shown["gaps"] = gaps
        self._answer("SUBACK", message, shown)
        for subscription, missed in past:
            if missed:
                session.replay(missed, subscription.qos)
        for subscription, options, fresh in follow:
            self._greet(session, subscription, options, fresh)

    def _topics(self, message: Envelope) -> list[dict[str, Any]]:
        given = message.payload.get("topics") if isinstance(message.payload, dict) else None
        if not isinstance(given, list) or not 0 < len(given) <= MAX_TOPICS:
            raise _bad("payload.topics", f"topics must be an array of 1 to {MAX_TOPICS} entries")
        wanted = [{"topic": one} if isinstance(one, str) else one for one in given]
        for i, one in enumerate(wanted):
            if not isinstance(one, dict) or not isinstance(one.get("topic"), str):
                raise _bad(f"payload.topics.{i}", "an entry needs a topic")
            qos = one.get("qos", 0)
            if isinstance(qos, bool) or not isinstance(qos, int) or not 0 <= qos <= 2:
                raise _bad(f"payload.topics.{i}.qos", "qos must be 0, 1 or 2")
            since = one.get("since")
            if since is not None and _position(since) is None:
                raise _bad(f"payload.topics.{i}.since", "since must be a position or an instant with a zone")
        return wanted

    def _may_not(self, session: Session, pattern: str) -> dict[str, Any] | None:
        """Why a topic filter is refused."""
        if not topics.is_filter(pattern):
            return {"code": "INVALID_TOPIC", "message": "this is no topic filter"}
        if self.caller is None or not rights.may_subscribe(self.caller, pattern):
            number = NUMBERS["FORBIDDEN"]
            return {"code": "FORBIDDEN", "number": number, "message": "this topic is not allowed"}
        if len(session.subscriptions) >= MAX_SUBSCRIPTIONS and pattern not in session.subscriptions:
            return {"code": "QUOTA_EXCEEDED", "message": f"a session has {MAX_SUBSCRIPTIONS} subscriptions"}
        return None

    def _past(self, subscription: Subscription, options: dict[str, Any], gaps: list[str]) -> list[Any]:
        position = _position(options.get("since"))
        if position is None:
            return []
        replay = self.door.bus.retention.since(subscription.pattern, position)
        gaps.extend(gap for gap in replay.gaps if gap not in gaps)
        return replay.messages

    def _greet(
        self, session: Session, subscription: Subscription, options: dict[str, Any], fresh: bool
    ) -> None:
        handling = options.get("retainHandling", 0)
        if handling == 0 or (handling == 1 and fresh):
            for message in self.door.bus.retained.matching(subscription.pattern):
                session.hear(message, min(subscription.qos, message.qos), retained=True)
        if options.get("latest") is True and self.caller is not None:
            self._start(self._send_latest(session, subscription, self.caller))

    async def _send_latest(self, session: Session, subscription: Subscription, caller: Principal) -> None:
        for message in await self.door.hub.latest(caller, subscription.pattern):
            session.hear(message, min(subscription.qos, message.qos), retained=True)

    def unsubscribe(self, message: Envelope) -> None:
        """UNSUBSCRIBE: nothing more comes for these filters."""
        given = message.payload.get("topics") if isinstance(message.payload, dict) else None
        if not isinstance(given, list) or not given:
            raise _bad("payload.topics", "topics must be an array that is not empty")
        patterns = [one.get("topic") if isinstance(one, dict) else one for one in given]
        session = self._session()
        codes = [0 if self.door.unsubscribe(session, one) else NO_SUBSCRIPTION for one in patterns]
        self._answer("UNSUBACK", message, {"topics": patterns, "reasonCodes": codes})

    def publish(self, message: Envelope) -> None:
        """PUBLISH: acknowledged once it is committed."""
        if message.topic is None:
            raise ApiError("INVALID_TOPIC", "a PUBLISH has a topic")
        if self.caller is None:
            return
        session = self._session()
        if message.qos == 2 and message.id in session.received:
            if session.received[message.id]:
                self._handshake("PUBREC", message.id)
            return
        incoming = Incoming(
            topic=message.topic,
            payload=envelope.content(message),
            qos=message.qos,
            retain=message.retain,
            id=message.id,
            origin=session.origin,
            ttl=message.ttl,
            content_type=message.content_type or "application/json",
            correlation=None if message.correlation is None else message.correlation.encode(),
        )
        if message.qos == 2:
            session.received[message.id] = False
        outcome = self.door.hub.ingest.offer(self.caller, incoming)
        self._hold(1)
        outcome.add_done_callback(lambda done: self._published(session, message, done))

    def _published(self, session: Session, message: Envelope, outcome: Outcome) -> None:
        self._hold(-1)
        problem = outcome.exception()
        if isinstance(problem, ApiError):
            session.received.pop(message.id, None)
            self._refuse(problem, message.correlation or message.id, counts=False)
        elif problem is not None:
            raise problem
        elif message.qos == 1:
            self._handshake("PUBACK", message.id, message.correlation)
        elif message.qos == 2:
            session.received[message.id] = True
            self._handshake("PUBREC", message.id, message.correlation)

    async def _take_binary(self, caller: Principal, record: binary_form.Record) -> None:
        found = await self.door.hub.directory.by_binary(record.sensor)
        if found is None:
            self._refuse(ApiError("SENSOR_NOT_FOUND", "no sensor has this binary id"), str(record.id))
            return
        city, sensor = found
        known = await self.door.hub.directory.find(city, sensor)
        payload = orjson.dumps({"sensorId": sensor, "measurements": [binary_form.measurement(record)]})
        incoming = Incoming(
            topic=topics.reading(city, known.kind, sensor, record.parameter),
            payload=payload,
            qos=1,
            id=str(record.id),
            origin=self._session().origin,
        )
        try:
            await self.door.hub.ingest.offer(caller, incoming)
        except ApiError as refusal:
            self._refuse(refusal, str(record.id))
            return
        self._handshake("PUBACK", str(record.id))

    def puback(self, message: Envelope) -> None:
        """PUBACK: the client has a message of QoS 1."""
        self._session().acknowledged(_named(message))

    def pubrec(self, message: Envelope) -> None:
        """PUBREC: the client has a message of QoS 2; it may be released."""
        if self._session().taken(_named(message)):
            self._handshake("PUBREL", _named(message))

    def pubrel(self, message: Envelope) -> None:
        """PUBREL: the client will not send a message again."""
        self._session().received.pop(_named(message), None)
        self._handshake("PUBCOMP", _named(message))

    def pubcomp(self, message: Envelope) -> None:
        """PUBCOMP: a message of QoS 2 has arrived."""
        self._session().acknowledged(_named(message))

    def ping(self, message: Envelope) -> None:
        """PING: answered at once (P3 6.3)."""
        self._answer("PONG", message, {})

    def pong(self, message: Envelope) -> None:
        """PONG: a sign of life, noted by the connection already."""

    def flow_control(self, message: Envelope) -> None:
        """FLOW_CONTROL: the client asks for silence, or for the messages held meanwhile (C-80)."""
        action = message.payload.get("action") if isinstance(message.payload, dict) else None
        if action not in ("pause", "resume"):
            raise _bad("payload.action", "action is pause or resume")
        session = self._session()
        session.paused = action == "pause"
        session.pump()

    def disconnect(self, message: Envelope) -> None:
        """DISCONNECT: the session ends with the connection (P3 6.4)."""
        if self.session is not None:
            self.session.expiry = 0.0
        self._answer("DISCONNECT", message, {"reasonCode": 0})
        self.connection.close(1000, "")

    # --- small parts

    def _session(self) -> Session:
        """The client's session; one of this connection alone where it sent no CONNECT (C-68)."""
        if self.session is None:
            if self.caller is None:
                raise ApiError("UNAUTHORIZED", "begin with CONNECT and auth")
            self.door.enter(self, self.caller, connecting.Wish(None, None, True, 0, 0.0, 100))
            self._session().link = self.connection
        if self.session is None:
            raise LookupError("the door gave no session")
        return self.session

    def _answer(self, kind: str, to: Envelope, payload: dict[str, Any]) -> None:
        self.connection.send(envelope.write(kind, payload, correlation=to.correlation or to.id))

    def _handshake(self, kind: str, message_id: str, correlation: str | None = None) -> None:
        """PUBACK, PUBREC, PUBREL or PUBCOMP: it bears the id of the PUBLISH (DTC-P3-028)."""
        text = envelope.write(
            kind,
            {"messageId": message_id, "reasonCode": 0},
            message_id=message_id,
            correlation=correlation or message_id,
        )
        self.connection.send(text)

    def _refuse(self, refusal: ApiError, correlation: str | None, *, counts: bool = True) -> None:
        self.connection.send(envelope.error(refusal, correlation))
        self._errors += counts
        if self._errors >= MAX_ERRORS:
            self.connection.close(1008, "too many messages that are none")

    def _hold(self, change: int) -> None:
        """Count what is not yet committed; ask for a pause, and stop reading if none comes (P3 7.3)."""
        self._pending += change
        transport = self.connection.transport
        if not self._held and self._pending >= HIGH_WATER:
            self._held = True
            self.connection.send(envelope.write("FLOW_CONTROL", {"action": "pause"}))
        elif self._held and self._pending <= LOW_WATER:
            self._held = False
            self.connection.send(envelope.write("FLOW_CONTROL", {"action": "resume"}))
        if change > 0 and self._pending == MAX_PENDING:
            transport.pause_reading()
        elif change < 0 and self._pending == MAX_PENDING - 1 and not transport.is_closing():
            transport.resume_reading()

    def _start(self, work: Any) -> None:
        if self._tasks is None:
            self._tasks = set()
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _bad(field: str, message: str) -> ApiError:
    return ApiError("VALIDATION_ERROR", message, {"field": field, "rule": "ERR_INVALID_VALUE"})


def _named(message: Envelope) -> str:
    """The PUBLISH that an acknowledgement is about."""
    inner = message.payload.get("messageId") if isinstance(message.payload, dict) else None
    if isinstance(inner, str):
        return inner
    return message.correlation or message.id


def _position(since: Any) -> int | None:
    """A position, or the one of an instant: positions are microseconds."""
    if isinstance(since, int) and not isinstance(since, bool) and since >= 0:
        return since
    return None if since is None else instants.parse(since)


HANDLERS = {
    "CONNECT": Conversation.connect,
    "SUBSCRIBE": Conversation.subscribe,
    "UNSUBSCRIBE": Conversation.unsubscribe,
    "PUBLISH": Conversation.publish,
    "PUBACK": Conversation.puback,
    "PUBREC": Conversation.pubrec,
    "PUBREL": Conversation.pubrel,
    "PUBCOMP": Conversation.pubcomp,
    "PING": Conversation.ping,
    "PONG": Conversation.pong,
    "FLOW_CONTROL": Conversation.flow_control,
    "DISCONNECT": Conversation.disconnect,
}
