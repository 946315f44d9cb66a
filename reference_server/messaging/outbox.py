"""What waits for one subscriber, within bounds, and the rule for slow ones.

The rule: a subscriber may fall MAX_MESSAGES messages or MAX_BYTES behind. Beyond that its oldest messages of
QoS 0 are dropped, counted, and it is told how many by the time it can hear again. When only messages of QoS
1 and 2 are left, nothing may be dropped silently: `Outbox.full` is set, and its door ends the connection.
Nobody else is ever delayed, because a publisher never waits for a subscriber.
"""

from collections import deque
from collections.abc import Sequence

import msgspec

from reference_server.messaging.messages import Message

MAX_MESSAGES = 1000
MAX_BYTES = 4 * 1024 * 1024
OVERHEAD = 200
"""Bytes that a waiting message takes besides its payload, roughly."""


class Waiting(msgspec.Struct, frozen=True):
    """A message for a subscriber with the QoS it gets it at."""

    message: Message
    qos: int


class Outbox:
    """A queue in the order of publication."""

    __slots__ = ("_kept", "_size", "dropped", "full", "max_bytes", "max_messages")

    def __init__(self, max_messages: int = MAX_MESSAGES, max_bytes: int = MAX_BYTES) -> None:
        self.max_messages = max_messages
        self.max_bytes = max_bytes
        self.dropped = 0
        self.full = False
        self._kept: deque[Waiting] = deque()
        self._size = 0

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, message: Message, qos: int) -> None:
        """Let a message wait."""
        self._kept.append(Waiting(message, qos))
        self._size += OVERHEAD + len(message.payload)
        if len(self._kept) > self.max_messages or self._size > self.max_bytes:
            self._shed()

    def allow(self, past: Sequence[Message]) -> None:
        """Widen the bounds for messages that are kept elsewhere anyway, until the box is empty again."""
        self.max_messages += len(past)
        self.max_bytes += sum(OVERHEAD + len(one.payload) for one in past)

    def _shed(self) -> None:
        kept: deque[Waiting] = deque()
        excess_n, excess_size = (
            len(self._kept) - self.max_messages * 3 // 4,
            self._size - self.max_bytes * 3 // 4,
        )
        for one in self._kept:
            if one.qos == 0 and (excess_n > 0 or excess_size > 0):
                excess_n -= 1
                excess_size -= OVERHEAD + len(one.message.payload)
                self._size -= OVERHEAD + len(one.message.payload)
                self.dropped += 1
            else:
                kept.append(one)
        self._kept = kept
        self.full = len(kept) > self.max_messages or self._size > self.max_bytes

    def peek(self) -> Waiting | None:
        """The next message that has not expired, left where it is."""
        while self._kept:
            first = self._kept[0]
            if not first.message.expired():
                return first
            self.take()
        return None

    def take(self) -> Waiting:
        """The next message, removed."""
        first = self._kept.popleft()
        self._size -= OVERHEAD + len(first.message.payload)
        return first

    def told(self) -> int:
        """How many were dropped since the last time somebody asked."""
        dropped, self.dropped = self.dropped, 0
        return dropped
