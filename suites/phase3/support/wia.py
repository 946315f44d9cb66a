"""A session of WIA messages on a stream link (P3 5, 6): sends envelopes, sorts what comes back."""

import hashlib
import json
import uuid
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from typing import Any

from dtc_cli.harness.suite import Blocked, Credential, Received, StreamLink, Twin, catalogue

Message = dict[str, Any]

VERSION = "1.0.0"  # P3 5.1
DELIVERY_S = 5.0  # P3 3.1.3
SILENCE_S = 1.0
"""Seconds in which nothing must come, where something would come at once."""
EXTRA_S = 0.5
"""Seconds for which more may come of what is coming already."""
OF_THE_SERVER = {row.name for row in catalogue().messages.types if row.direction in ("server", "both")}
"""The types of messages that a target may send (P3 2.2)."""
ACKS = {"PUBACK", "PUBREC", "PUBREL", "PUBCOMP"}


class Session:
    """Messages over one link. It acknowledges what it gets, unless `acks` is False."""

    def __init__(self, twin: Twin, link: StreamLink, *, acks: bool = True) -> None:
        self.twin = twin
        self.link = link
        self.acks = acks
        self.heard: list[Message] = []
        """Every message that came, in its order."""
        self.ended: Received | None = None
        self._waiting: list[Message] = []
        self._sent = 0
        self._released: set[str] = set()
        self._known: set[str] = set()
        """Ids of PUBLISH messages, of either side."""

    def new_id(self) -> str:
        """A message id of its own, the same again in a replay."""
        self._sent += 1
        text = f"{self.twin.run_id}/{self.twin.recorder.vector}/{self.link.label}/{self._sent}"
        return str(uuid.UUID(bytes=hashlib.sha256(text.encode()).digest()[:16], version=4))

    def envelope(self, kind: str, payload: Any = None, **members: Any) -> Message:
        """A message with all five required members."""
        return {
            "version": VERSION,
            "type": kind,
            "messageId": self.new_id(),
            "timestamp": now(self.twin),
            "payload": {} if payload is None else payload,
            **members,
        }

    def send(self, kind: str, payload: Any = None, **members: Any) -> Message:
        """Send a message; it as it was sent."""
        message = self.envelope(kind, payload, **members)
        self._known.add(message["messageId"])
        self.link.send_text(json.dumps(message))
        return message

    def ack(self, kind: str, message_id: str) -> None:
        """Send an acknowledgement that names the id in each place where a reader may look for it."""
        message = self.envelope(kind, {"messageId": message_id}, correlationId=message_id)
        self.link.send_text(json.dumps({**message, "messageId": message_id}))

    def subscribe(self, *topics: tuple[str, int], **payload: Any) -> Message:
        """Send SUBSCRIBE."""
        asked = [{"topic": topic, "qos": qos} for topic, qos in topics]
        return self.send("SUBSCRIBE", {"topics": asked, **payload})

    def subscribed(self, *topics: tuple[str, int], **payload: Any) -> Message:
        """Subscribe as a means to test something else; the SUBACK.

        Raises:
            Blocked: by DTC-P3-025 when it is not granted.
        """
        self.subscribe(*topics, **payload)
        answer = self.reply({"SUBACK"})
        granted = granted_of(answer)
        if answer is None or granted is None or any(level not in (0, 1, 2) for level in granted):
            raise Blocked("DTC-P3-025", f"{topics} cannot be subscribed to: {self.told(answer)}")
        return answer

    def reply(
        self,
        kinds: Collection[str],
        wanted: Callable[[Message], bool] = lambda _: True,
        *,
        within_s: float = DELIVERY_S,
    ) -> Message | None:
        """The next message of one of these types; others are kept. None when none comes in time."""
        for index, message in enumerate(self._waiting):
            if message.get("type") in kinds and wanted(message):
                return self._waiting.pop(index)
        for message in self.messages(within_s):
            if message.get("type") in kinds and wanted(message):
                return message
            self._waiting.append(message)
        return None

    def publishes(
        self,
        seconds: float = SILENCE_S,
        wanted: Callable[[Message], bool] = lambda _: True,
        *,
        most: int | None = None,
    ) -> list[Message]:
        """The PUBLISH messages that came already or come within the seconds, at most so many."""
        found = [one for one in self._waiting if one.get("type") == "PUBLISH" and wanted(one)]
        self._waiting = [one for one in self._waiting if one not in found]
        if most is not None and len(found) >= most:
            return found
        for message in self.messages(seconds):
            if message.get("type") != "PUBLISH" or not wanted(message):
                self._waiting.append(message)
                continue
            found.append(message)
            if most is not None and len(found) >= most:
                break
        return found

    def refusal(self, within_s: float = DELIVERY_S, *, of: Collection[str] = ()) -> str | None:
        """How a message was refused, in words; None when it was not.

        Any of these refuses: ERROR, DISCONNECT, an answer with a failure code, a close frame, the end of the
        connection. An answer of a type in `of` without a failure code takes the message.
        """
        for message in self.messages(within_s):
            kind = message.get("type")
            if kind in ("ERROR", "DISCONNECT") or (kind in of and failure(message)):
                return f"{kind} {json.dumps(message.get('payload'))[:160]}"
            if kind in of:
                self._waiting.append(message)
                return None
        if self.ended is not None:
            return f"{self.ended.kind} {self.ended.code or ''}"
        return None

    def close(self) -> None:
        """Close the link."""
        if self.ended is None:
            self.link.close()
        self.link.drop()

    def told(self, message: Message | None) -> str:
        """An answer in words, for a message; what else came where there was none."""
        if message is not None:
            return json.dumps({"type": message.get("type"), "payload": message.get("payload")})[:300]
        if self.ended is not None:
            return f"the connection ended ({self.ended.kind} {self.ended.code or self.ended.error})"
        last = self.heard[-1] if self.heard else None
        return f"no answer; last came {last.get('type')}" if last else "no answer"

    def messages(self, seconds: float) -> Iterator[Message]:
        """What comes within the seconds, acknowledged as it should be."""
        if self.ended is not None:
            return
        for found in self.link.during(seconds):
            if found.over:
                self.ended = found
                return
            message = message_of(found)
            if message is None:
                continue
            self.heard.append(message)
            if self.acks:
                self._acknowledge(message)
            yield message

    def _meant(self, message: Message) -> str | None:
        """The id that a message is about: where it stands is not printed, so a known one decides (C-67)."""
        if message.get("type") not in ACKS:
            return acked(message)
        places = (
            payload_of(message).get("messageId"),
            message.get("messageId"),
            message.get("correlationId"),
        )
        return next((one for one in places if isinstance(one, str) and one in self._known), acked(message))

    def _acknowledge(self, message: Message) -> None:
        kind, message_id, qos = message.get("type"), self._meant(message), message.get("qos", 0)
        if message_id is None:
            return
        if kind == "PUBLISH":
            self._known.add(message_id)
        if kind == "PUBLISH" and qos == 1:
            self.ack("PUBACK", message_id)
        elif kind == "PUBLISH" and qos == 2:
            self.ack("PUBREC", message_id)
        elif kind == "PUBREL":
            self.ack("PUBCOMP", message_id)
        elif kind == "PUBREC" and message_id not in self._released:
            self._released.add(message_id)
            self.ack("PUBREL", message_id)


def open_session(
    twin: Twin, as_: str | Credential | None = None, *, acks: bool = True, **options: Any
) -> Session:
    """A session on a fresh connection, as a means to test something else.

    Raises:
        Blocked: by DTC-P3-001 or -005 when the upgrade is refused.
    """
    link = twin.stream.open(as_=as_, **options)
    if not link.is_open:
        by = "DTC-P3-005" if link.status in (401, 403) else "DTC-P3-001"
        raise Blocked(by, f"the stream cannot be opened: the upgrade is answered with {link.status}")
    return Session(twin, link, acks=acks)


def now(twin: Twin) -> str:
    """The present instant on the run's clock, RFC 3339 in UTC."""
    return rfc3339(twin.clock.now())


def rfc3339(at: datetime) -> str:
    """An instant in UTC as text with milliseconds and Z."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def message_of(found: Received) -> Message | None:
    """The JSON object of a text message; None for anything else."""
    if found.kind != "text":
        return None
    try:
        value = found.json()
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def payload_of(message: Message | None) -> dict[str, Any]:
    """The payload; empty when it is no object."""
    payload = message.get("payload") if message else None
    return payload if isinstance(payload, dict) else {}


def granted_of(suback: Message | None) -> list[Any] | None:
    """The granted levels of a SUBACK."""
    granted = payload_of(suback).get("grantedQos")
    return granted if isinstance(granted, list) else None


def acked(message: Message) -> str | None:
    """The id that a PUBLISH carries or an acknowledgement names: in its payload, else in its envelope."""
    if message.get("type") in ACKS:
        for value in (payload_of(message).get("messageId"), message.get("messageId")):
            if isinstance(value, str):
                return value
    value = message.get("messageId")
    return value if isinstance(value, str) else None


def names(message: Message, message_id: str) -> bool:
    """Whether an acknowledgement names this id: in its payload, its envelope or as its correlation."""
    places = (payload_of(message).get("messageId"), message.get("messageId"), message.get("correlationId"))
    return message_id in places


def failure(message: Message) -> bool:
    """Whether an answer carries a failure: a code of 128 and above, a return code but 0, or an error."""
    payload = payload_of(message)
    if message.get("type") == "SUBACK":
        granted = granted_of(message)
        return bool(granted) and all(level not in (0, 1, 2) for level in granted or ())
    if message.get("type") == "CONNACK":
        return payload.get("returnCode") != 0
    code = next((payload[name] for name in ("reasonCode", "returnCode", "code") if name in payload), 0)
    if payload.get("success") is False or payload.get("error"):
        return True
    return isinstance(code, str) or (isinstance(code, int) and code >= 0x80)
