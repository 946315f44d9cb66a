"""A second list of defects of streams and messages, drawn up from the catalogue alone.

Put round the bundled twin by `tests.support.live_twin`, after those of `live_defects`.
"""

import asyncio
import base64
import time
import zlib
from collections.abc import Callable
from typing import Any

import msgspec
import orjson
from websockets.extensions.permessage_deflate import PerMessageDeflate

from reference_server import tokens
from reference_server.auth import Principal
from reference_server.errors import ApiError
from reference_server.faults.fault import both, wrap
from reference_server.messaging.allowances import UNLIMITED_FROM
from reference_server.messaging.ingest import Ingest
from reference_server.messaging.publisher import Publisher
from reference_server.mqtt.broker import Broker
from reference_server.services import alerts
from reference_server.stream import conversation, frames, handshake
from reference_server.stream.connection import Connection, _Framing
from reference_server.stream.conversation import Conversation
from reference_server.stream.door import Door
from reference_server.stream.signatures import Signatures
from tests.support.live_defects import ANYTHING, LiveDefect

Make = Callable[..., Any]


def _any_version_or_none(check: Make) -> Make:
    def wrong(request: Any) -> None:
        if not request.headers.get_all("Sec-WebSocket-Version"):
            request.headers["Sec-WebSocket-Version"] = "13"
        check(request)

    return wrong


def _claims_believed(authenticate: Make) -> Make:
    """A token counts for what it says, whoever signed it."""

    def wrong(keyring: Any, headers: Any, certificate: Any = None) -> Any:
        try:
            return authenticate(keyring, headers, certificate)
        except ApiError:
            parts = headers.get(b"authorization", b"").decode().removeprefix("Bearer ").split(".")
            if len(parts) != 3:
                raise
            try:
                claims = orjson.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
            except ValueError:
                claims = None
            found = keyring.by_name(claims.get("sub", "")) if isinstance(claims, dict) else None
            if found is None:
                raise
            return found

    return wrong


def _late_tokens(authenticate: Make) -> Make:
    def wrong(keyring: Any, headers: Any, certificate: Any = None) -> Any:
        own, tokens.time = tokens.time, _Stopped  # type: ignore[attr-defined,assignment]
        try:
            return msgspec.structs.replace(authenticate(keyring, headers, certificate), until=None)
        finally:
            tokens.time = own  # type: ignore[attr-defined]

    return wrong


class _Stopped:
    """A clock that stands still."""

    @staticmethod
    def time() -> float:
        """Always the same."""
        return 0.0


def _whole_characters(frame: Make) -> Make:
    """UTF-8 is judged frame by frame."""

    def wrong(self: Connection, one: Any) -> None:
        if one.opcode in (0, 1):
            try:
                bytes(one.data).decode("utf-8")
            except UnicodeDecodeError:
                self.close(1007, "a text message is UTF-8")
                return
        frame(self, one)

    return wrong


def _hangs_up_on_close(frame: Make) -> Make:
    def wrong(self: _Framing, one: Any) -> None:
        if one.opcode == 8:
            _CLOSING.add(id(self))
        frame(self, one)

    return wrong


_CLOSING: set[int] = set()


def _no_close_back(flush: Make) -> Make:
    def wrong(self: Connection) -> None:
        if id(self.ws) in _CLOSING:
            self.transport.abort()
        else:
            flush(self)

    return wrong


def _any_size(decode: Make) -> Make:
    """Limits count the bytes on the wire, not those of the message."""
    return lambda self, frame, *, max_size=None: decode(self, frame, max_size=None)


def _remembers(own: Make) -> Make:
    """Compresses with the context of earlier messages, though it was agreed to start afresh."""
    engines: dict[int, Any] = {}

    def wrong(self: Connection, opcode: int, data: bytes) -> bytes:
        bits = self._bits()
        if not bits:
            made: bytes = own(self, opcode, data)
            return made
        engine = engines.setdefault(id(self), zlib.compressobj(6, zlib.DEFLATED, -bits, 5))
        packed = engine.compress(data) + engine.flush(zlib.Z_SYNC_FLUSH)
        return frames.frame(opcode, packed.removesuffix(b"\0\0\xff\xff"), compressed=True)

    return wrong


def _first_of_many(measured: Make) -> Make:
    def wrong(self: Publisher, change: Any) -> None:
        measured(self, msgspec.structs.replace(change, readings=change.readings[:1]))

    return wrong


def _latitude_first(raised: Make) -> Make:
    def wrong(*given: Any) -> Any:
        found = raised(*given)
        if found and "location" in found[2]:
            place = found[2]["location"]
            x, y, *rest = place["coordinates"]
            found[2]["location"] = {**place, "coordinates": [y, x, *rest]}
        return found

    return wrong


def _open_area(raised: Make) -> Make:
    def wrong(*given: Any) -> Any:
        found = raised(*given)
        if found and "location" in found[2]:
            x, y, *_ = found[2]["location"]["coordinates"]
            ring = [[x, y], [x + 0.01, y], [x + 0.01, y + 0.01], [x, y + 0.01]]
            found[2]["affectedArea"] = {"type": "Polygon", "coordinates": [ring]}
        return found

    return wrong


def _always_0(deliver: Make) -> Make:
    def wrong(self: Door, message: Any) -> None:
        for session in self._tree.find(message.topic):
            session.hear(message, 0)

    return wrong


def _first_topic_alone(unsubscribe: Make) -> Make:
    def wrong(self: Conversation, message: Any) -> None:
        if isinstance(message.payload, dict) and isinstance(message.payload.get("topics"), list):
            message.payload["topics"] = message.payload["topics"][:1]
        unsubscribe(self, message)

    return wrong


def _the_last_for_all(handshake_: Make) -> Make:
    """One PUBACK stands for all that came before it."""
    timers: dict[int, asyncio.TimerHandle] = {}

    def wrong(self: Conversation, kind: str, message_id: str, correlation: str | None = None) -> None:
        if kind != "PUBACK":
            handshake_(self, kind, message_id, correlation)
            return
        if id(self) in timers:
            timers[id(self)].cancel()
        loop = asyncio.get_running_loop()
        timers[id(self)] = loop.call_later(0.05, handshake_, self, kind, message_id, correlation)

    return wrong


def _anybodys_session(enter: Make) -> Make:
    """Sessions go by the client's name alone."""

    def wrong(self: Door, talk: Any, caller: Any, wish: Any) -> Any:
        for key, session in list(self._sessions.items()):
            if key[1] == wish.client_id and key[0] != caller.name:
                del self._sessions[key]
                session.owner = caller.name
                self._sessions[caller.name, key[1]] = session
        return enter(self, talk, caller, wish)

    return wrong


def _first_judged_stream(may_not: Make) -> Make:
    last: list[Any] = [None, 0.0]

    def wrong(self: Conversation, session: Any, pattern: str) -> Any:
        problem = may_not(self, session, pattern)
        now = time.monotonic()
        follows = last[0] is session and now - last[1] < 0.001
        last[:] = [session, now]
        return None if follows and problem and problem["code"] == "FORBIDDEN" else problem

    return wrong


def _as(change: Callable[[Principal], Principal], where: Callable[[Any], bool]) -> Make:
    """Some messages of clients are judged as if another one had sent them."""

    def make(offer: Make) -> Make:
        def wrong(self: Ingest, caller: Principal, incoming: Any) -> Any:
            return offer(self, change(caller) if where(incoming) else caller, incoming)

        return wrong

    return make


def _by_mqtt(incoming: Any) -> bool:
    return not str(incoming.origin).startswith("ws:")


def _freely(qos: int, *, mqtt: bool) -> Callable[[], None]:
    return wrap(
        Ingest,
        "offer",
        _as(lambda _: ANYTHING, lambda one: one.qos == qos and _by_mqtt(one) is mqtt),
    )


def _without_limit(where: Callable[[Any], bool]) -> Callable[[], None]:
    def free(caller: Principal) -> Principal:
        return msgspec.structs.replace(caller, allowance=UNLIMITED_FROM)

    return wrap(Ingest, "offer", _as(free, where))


def _each_connection(offer: Make) -> Make:
    """Every connection of a client has the whole allowance."""

    def wrong(self: Ingest, caller: Principal, incoming: Any) -> Any:
        return offer(self, msgspec.structs.replace(caller, name=f"{caller.name}:{incoming.origin}"), incoming)

    return wrong


def _half_compared(right: Make) -> Make:
    """The first half of a signature decides."""

    def wrong(self: Signatures, message: Any, algorithm: Any, key_id: Any, value: Any) -> bool:
        import hmac

        import rfc8785

        if right(self, message, algorithm, key_id, value):
            return True
        secret = self._secrets.get(key_id) if isinstance(key_id, str) else None
        if secret is None or not isinstance(value, str) or algorithm != "HMAC-SHA256":
            return False
        signed = rfc8785.dumps({name: one for name, one in message.items() if name != "signature"})
        return value[:32] == hmac.digest(secret, signed, "sha256").hex()[:32]

    return wrong


def _not_from(where: Callable[[Any], bool]) -> Make:
    def make(deliver: Make) -> Make:
        def wrong(self: Any, message: Any) -> None:
            if not where(str(message.origin)) or message.origin is None:
                deliver(self, message)

        return wrong

    return make


def _downgraded(subscribe: Make) -> Make:
    """Granted as asked, kept one lower."""

    def wrong(self: Door, session: Any, subscription: Any) -> bool:
        lower = msgspec.structs.replace(subscription, qos=max(0, subscription.qos - 1))
        done: bool = subscribe(self, session, lower)
        return done

    return wrong


MILD = {
    "limits count compressed bytes": "a-message-above-1-mb-is-refused-however-small-it-travels",
    "a context is kept that was to be dropped": "compressed-messages-go-both-ways",
    "the stream is not limited": "messages-of-qos-0-are-limited-too.stream",
    "each connection has the whole allowance": "a-device-has-one-limit-however-often-it-connects",
}
"""What the standard does not name: the vector that warns of it."""
STREAM: tuple[LiveDefect, ...] = tuple(
    LiveDefect(f"DTC-P3-{number}", what, install, MILD.get(what, ""))
    for number, what, install in (
        ("004", "a handshake without a version is taken", wrap(
            handshake, "check_version", _any_version_or_none
        )),
        ("005", "signatures of tokens are not verified on the stream", wrap(
            handshake, "authenticate", _claims_believed
        )),
        ("005", "tokens whose time is over open the stream", both(
            wrap(tokens, "LIFETIME_S", lambda _: 6), wrap(handshake, "authenticate", _late_tokens)
        )),
        ("007", "UTF-8 is judged frame by frame", wrap(Connection, "_frame", _whole_characters)),
        ("007", "a close frame is answered by hanging up", both(
            wrap(_Framing, "recv_frame", _hangs_up_on_close), wrap(Connection, "_flush", _no_close_back)
        )),
        ("009", "limits count compressed bytes", wrap(PerMessageDeflate, "decode", _any_size)),
        ("010", "a context is kept that was to be dropped", wrap(Connection, "_own", _remembers)),
        ("023", "alerts have the latitude first", wrap(alerts, "raised", _latitude_first)),
        ("023", "the area of an alert is no closed ring", wrap(alerts, "raised", _open_area)),
        ("025", "messages come at QoS 0 whatever was granted", wrap(Door, "deliver", _always_0)),
        ("027", "of several filters only the first one ends", lambda: conversation.HANDLERS.update(
            UNSUBSCRIBE=_first_topic_alone(conversation.HANDLERS["UNSUBSCRIBE"])
        )),
        ("028", "one PUBACK stands for several", wrap(Conversation, "_handshake", _the_last_for_all)),
        ("083", "a session goes to whoever names its client", wrap(Door, "enter", _anybodys_session)),
        ("083", "the first topic of a SUBSCRIBE is judged, on the stream", wrap(
            Conversation, "_may_not", _first_judged_stream
        )),
        ("084", "rights are not judged at QoS 0", _freely(0, mqtt=True)),
        ("084", "rights are not judged at QoS 2", _freely(2, mqtt=True)),
        ("084", "rights are not judged at QoS 0, on the stream", _freely(0, mqtt=False)),
        ("084", "rights are not judged at QoS 2, on the stream", _freely(2, mqtt=False)),
        ("085", "QoS 0 is not limited", _without_limit(lambda one: one.qos == 0)),
        ("085", "the stream is not limited", _without_limit(lambda one: not _by_mqtt(one))),
        ("085", "each connection has the whole allowance", wrap(Ingest, "offer", _each_connection)),
        ("086", "half of a signature decides", wrap(Signatures, "_right", _half_compared)),
        ("087", "what comes by MQTT is not told on the stream", wrap(
            Door, "deliver", _not_from(lambda origin: not origin.startswith("ws:"))
        )),
        ("087", "what comes by the stream is not told at the broker", wrap(
            Broker, "deliver", _not_from(lambda origin: origin.startswith("ws:"))
        )),
        ("087", "of several readings the first is told", wrap(Publisher, "_measured", _first_of_many)),
        ("025", "messages come one level below the granted one", wrap(Door, "subscribe", _downgraded)),
    )
)  # fmt: skip
