"""The JSON envelope of every text message (P3 5.1): read strictly, written in full."""

import base64
import binascii
import itertools
import secrets
import zlib
from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from reference_server import instants, jsonio
from reference_server.errors import NUMBERS, ApiError
from reference_server.messaging.messages import JSON, Message
from reference_server.strictjson import BadJsonError

VERSION = "1.0.0"  # DTC-P3-013
FROM_CLIENTS = frozenset(
    {
        "CONNECT", "SUBSCRIBE", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "UNSUBSCRIBE", "PING",
        "PONG", "DISCONNECT", "FLOW_CONTROL",
    }
)  # fmt: skip
ENCODINGS = ("json", "binary", "compressed")
MAX_ID = 256
MAX_PAYLOAD = 1_048_576
_TEXTS = ("topic", "source", "destination", "correlationId", "contentType")
_run = secrets.token_hex(6)
_numbers = itertools.count(1)


class Envelope(msgspec.Struct, frozen=True):
    """A client's message, judged."""

    type: str
    id: str
    payload: Any
    topic: str | None
    qos: int
    ttl: int | None
    encoding: str | None
    content_type: str | None
    correlation: str | None
    retain: bool
    whole: Mapping[str, Any]


class RefusedMessageError(ApiError):
    """A message that is refused; carries its id as far as it could be read."""

    def __init__(
        self, code: str, message: str, known: Any = None, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(code, message, details)
        found = known.get("messageId") if isinstance(known, dict) else None
        self.id = found if isinstance(found, str) and 0 < len(found) <= MAX_ID else None


def parse(text: bytes) -> Envelope:
    """The message in a text frame.

    Raises:
        RefusedMessageError: MALFORMED_REQUEST for text that is no JSON object, else VALIDATION_ERROR.
    """
    try:
        whole = jsonio.loads(text)
    except BadJsonError as problem:
        raise RefusedMessageError("MALFORMED_REQUEST", str(problem)) from problem
    if not isinstance(whole, dict):
        raise RefusedMessageError("MALFORMED_REQUEST", "a message is a JSON object")
    _judge_head(whole)
    _judge_options(whole)
    kind = whole["type"]
    if "payload" not in whole and kind not in ("PING", "PONG"):
        raise _bad(whole, "payload", "payload is missing")
    ttl = whole.get("ttl")
    return Envelope(
        kind,
        whole["messageId"],
        whole.get("payload"),
        whole.get("topic"),
        whole.get("qos", 0),
        None if ttl is None else int(ttl),
        whole.get("encoding"),
        whole.get("contentType"),
        whole.get("correlationId"),
        whole.get("retain") is True,
        whole,
    )


def _judge_head(whole: dict[str, Any]) -> None:
    version = whole.get("version", VERSION)  # C-61: the frame printed in P3 4.1.2 has none
    if not isinstance(version, str) or version.split(".")[0] != VERSION.split(".", maxsplit=1)[0]:
        raise _bad(whole, "version", f"the version of the protocol is {VERSION}")
    found = whole.get("messageId")
    if not isinstance(found, str) or not 0 < len(found) <= MAX_ID:
        raise _bad(whole, "messageId", f"messageId must be a string of 1 to {MAX_ID} characters")
    if not isinstance(whole.get("type"), str) or whole["type"] not in FROM_CLIENTS:
        raise _bad(whole, "type", "this is no type of a client's message")
    if "timestamp" in whole and instants.parse(whole["timestamp"]) is None:
        raise _bad(whole, "timestamp", "timestamp must be an instant with a zone")


def _judge_options(whole: dict[str, Any]) -> None:
    for name in _TEXTS:
        if name in whole and not isinstance(whole[name], str):
            raise _bad(whole, name, f"{name} must be a string")
    qos = whole.get("qos", 0)
    if isinstance(qos, bool) or qos not in (0, 1, 2) or isinstance(qos, float):
        raise _bad(whole, "qos", "qos must be 0, 1 or 2")
    ttl = whole.get("ttl", 0)
    if isinstance(ttl, bool) or not isinstance(ttl, int | float) or not 0 <= ttl <= 10**9:
        raise _bad(whole, "ttl", "ttl must be a number of seconds that is not negative")
    if whole.get("encoding", "json") not in ENCODINGS:
        raise _bad(whole, "encoding", f"encoding must be one of {', '.join(ENCODINGS)}")
    if "contentType" in whole and "/" not in whole["contentType"].strip("/"):
        raise _bad(whole, "contentType", "contentType must be a media type")
    if not isinstance(whole.get("signature", {}), dict):
        raise _bad(whole, "signature", "signature must be an object")


def _bad(whole: dict[str, Any], field: str, message: str) -> RefusedMessageError:
    return RefusedMessageError(
        "VALIDATION_ERROR", message, whole, {"field": field, "rule": "ERR_INVALID_VALUE"}
    )


def content(envelope: Envelope) -> bytes:
    """The payload of a PUBLISH as the bytes that are passed on, its encoding undone (C-58).

    Raises:
        RefusedMessageError: VALIDATION_ERROR, PAYLOAD_TOO_LARGE.
    """
    if envelope.encoding not in ("compressed", "binary"):
        return orjson.dumps(envelope.payload)
    whole = dict(envelope.whole)
    try:
        raw = base64.b64decode(envelope.payload, validate=True)
    except (binascii.Error, TypeError, ValueError) as problem:
        raise _bad(whole, "payload", "an encoded payload is base64 text") from problem
    if envelope.encoding == "binary":
        return raw
    engine = zlib.decompressobj()
    try:
        plain = engine.decompress(raw, MAX_PAYLOAD)
    except zlib.error as problem:
        raise _bad(whole, "payload", "a compressed payload is zlib data (RFC 1950)") from problem
    if engine.unconsumed_tail:
        raise RefusedMessageError("PAYLOAD_TOO_LARGE", f"a payload may take {MAX_PAYLOAD} bytes", whole)
    if not engine.eof:
        raise _bad(whole, "payload", "the compressed payload is cut off")
    return plain


def write(
    kind: str, payload: Any, *, message_id: str | None = None, correlation: str | None = None, **more: Any
) -> bytes:
    """A message of the server as JSON text."""
    whole = {
        "version": VERSION,
        "type": kind,
        "messageId": message_id or new_id(),
        "timestamp": instants.show(instants.now_us()),
        **more,
        "payload": payload,
    }
    if correlation is not None:
        whole["correlationId"] = correlation
    return orjson.dumps(whole)


def new_id() -> str:
    """An id that no other message of this server has."""
    return f"srv-{_run}-{next(_numbers)}"


def error(refusal: ApiError, correlation: str | None) -> bytes:
    """The event `error` of P2 2.2, for one connection only (C-54)."""
    payload: dict[str, Any] = {
        "code": refusal.code,
        "message": refusal.message,
        "details": dict(refusal.details),
    }
    if refusal.code in NUMBERS:
        payload["number"] = NUMBERS[refusal.code]
    return write("ERROR", payload, correlation=correlation, event="error")


def publish(message: Message, qos: int, *, retained: bool = False, again: bool = False) -> bytes:
    """A message for a subscriber."""
    whole: dict[str, Any] = {
        "version": VERSION,
        "type": "PUBLISH",
        "messageId": message.id,
        "timestamp": instants.show(message.at),
        "topic": message.topic,
        "source": message.source,
        "qos": qos,
    }
    optional = {
        "event": message.event,
        "ttl": message.ttl,
        "retain": retained or None,
        "dup": again or None,
        "sequence": message.sequence or None,
        "position": message.position or None,
    }
    whole |= {name: value for name, value in optional.items() if value is not None}
    if message.correlation is not None:
        whole["correlationId"] = message.correlation.decode("utf-8", "replace")
    payload, shown = _payload(message)
    whole |= shown
    return orjson.dumps(whole)[:-1] + b',"payload":' + payload + b"}"


def _payload(message: Message) -> tuple[bytes, dict[str, str]]:
    """The payload as a JSON value; what is no JSON goes as base64 text."""
    if message.event is not None or message.fact is not None:
        return message.payload, {"contentType": JSON, "encoding": "json"}
    try:
        jsonio.loads(message.payload)
    except BadJsonError:
        kind = message.content_type or "application/octet-stream"
        return orjson.dumps(base64.b64encode(message.payload).decode()), {
            "contentType": kind,
            "encoding": "binary",
        }
    return message.payload, {"contentType": message.content_type or JSON, "encoding": "json"}
