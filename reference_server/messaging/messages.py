"""A message on its way, and what a client hands in to become one."""

import itertools
import time
import uuid
from collections.abc import Hashable
from typing import Any

import msgspec

from reference_server.storage.protocol import Reading

JSON = "application/json"
SENSOR_TTL_S = 300  # P3 4.2.4 messageExpiryInterval


class Fact(msgspec.Struct, frozen=True):
    """The readings that a message carries, as stored; what a binary frame is made of."""

    city: str
    sensor: str
    readings: tuple[Reading, ...]


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """What a client publishes. `origin` names its session, `ttl` is in seconds."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    id: str | None = None
    origin: str | None = None
    ttl: int | None = None
    content_type: str | None = JSON
    payload_format: int = 0
    response_topic: str | None = None
    correlation: bytes | None = None
    user: tuple[tuple[str, str], ...] = ()


class Message(msgspec.Struct, kw_only=True, eq=False):
    """A published message; bus and doors fill in the last three members and nothing else changes."""

    topic: str
    payload: bytes
    """JSON text when `content_type` says so, else whatever the publisher sent."""
    at: int
    """Microseconds since 1970 UTC."""
    id: str
    qos: int = 0
    retain: bool = False
    source: str = "twin"
    origin: str | None = None
    """The session that published it; None for the twin itself."""
    event: str | None = None
    """The name of P2 2.2: city:updated, sensor:data, simulation:completed, alert:created, service:status."""
    ttl: int | None = None
    expires: float | None = None
    """On the monotonic clock."""
    content_type: str | None = JSON
    payload_format: int = 0
    response_topic: str | None = None
    correlation: bytes | None = None
    user: tuple[tuple[str, str], ...] = ()
    fact: Fact | None = None
    sequence: int = 0
    position: int = 0
    forms: dict[Hashable, Any] = msgspec.field(default_factory=dict)
    """Encodings made so far, by door: a message is encoded once, however many hear it."""

    def expired(self) -> bool:
        """Whether its time to live is over (P3 5.1)."""
        return self.expires is not None and time.monotonic() >= self.expires


def deadline(ttl: float | None) -> float | None:
    """When a message that lives `ttl` seconds expires, on the monotonic clock."""
    return None if ttl is None else time.monotonic() + ttl


_PROCESS = uuid.uuid4().hex[:20]
"""Of this start of the server; a number is appended, because asking the system for randomness costs more."""
_NUMBERS = itertools.count()
OWN_IDS = f"msg-{_PROCESS}"
"""What the ids that this process makes begin with; a client that sends such an id does not keep it."""


def new_id() -> str:
    """An id that no other message has."""
    return f"{OWN_IDS}{next(_NUMBERS):x}"
