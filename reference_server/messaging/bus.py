"""Hands each message to all who listen, numbered, and keeps what is to be kept."""

import logging
from typing import Protocol

from reference_server import instants
from reference_server.messaging.messages import Message
from reference_server.messaging.retained import Retained
from reference_server.messaging.retention import Retention

LOG = logging.getLogger(__name__)


class Listener(Protocol):
    """A door: hears every message and finds its own subscribers."""

    def deliver(self, message: Message) -> None:
        """Take a message; at once, and without raising."""


class Bus:
    """One for the process, in its event loop."""

    def __init__(self) -> None:
        self._position = instants.now_us()
        self.retained = Retained()
        self.retention = Retention(self._position)
        self.published = 0
        self._listeners: list[Listener] = []
        self._sequences: dict[str, int] = {}

    def attach(self, listener: Listener) -> None:
        """Let a door hear all messages from now on."""
        self._listeners.append(listener)

    def detach(self, listener: Listener) -> None:
        """Stop handing messages to a door."""
        self._listeners.remove(listener)

    def publish(self, message: Message) -> None:
        """Number a message, keep it for later, and hand it to every door; one that fails is logged.

        Its position is its instant in microseconds, or one more than the last position: it grows over
        restarts, and an instant is a position too.
        """
        number = self._sequences.get(message.topic, 0) + 1
        self._sequences[message.topic] = message.sequence = number
        self._position = message.position = max(instants.now_us(), self._position + 1)
        self.published += 1
        if message.retain:
            self.retained.keep(message)
        self.retention.add(message)
        for listener in tuple(self._listeners):  # a door that leaves meanwhile hides no other
            try:
                listener.deliver(message)
            except Exception:  # a broken door keeps the message from no other one
                LOG.exception("a door failed on a message")

    @property
    def position(self) -> int:
        """The position of the last message."""
        return self._position
