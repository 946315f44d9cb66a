"""The last message of a topic, kept for those who subscribe later (MQTT 5 section 3.3.1.3)."""

from collections.abc import Iterator

from reference_server.messaging import topics
from reference_server.messaging.messages import Message

MAX_RETAINED = 100_000


class Retained:
    """Retained messages by topic. Readings of sensors are never among them (DTC-P3-066)."""

    def __init__(self) -> None:
        self._kept: dict[str, Message] = {}
        self.rest: Iterator[object] = iter(())
        """What is still on its way in: gone through before anybody is answered."""

    @property
    def full(self) -> bool:
        """Whether no further topic can be kept."""
        return len(self._kept) >= MAX_RETAINED

    def keep(self, message: Message) -> None:
        """Keep a message; an empty one clears its topic."""
        if not message.payload:
            self._kept.pop(message.topic, None)
        elif message.topic in self._kept or len(self._kept) < MAX_RETAINED:
            self._kept[message.topic] = message

    def matching(self, pattern: str) -> Iterator[Message]:
        """The retained messages that a filter matches and that have not expired."""
        for _ in self.rest:
            pass
        if "+" not in pattern and "#" not in pattern:
            found = self._kept.get(pattern)
            chosen = [] if found is None else [found]
        else:
            chosen = [one for topic, one in self._kept.items() if topics.matches(pattern, topic)]
        for message in chosen:
            if message.expired():
                del self._kept[message.topic]
            else:
                yield message
