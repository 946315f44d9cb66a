"""The log of past messages, by topic, with the limits of P3 9.2; what it holds can be replayed (C-79)."""

from collections import OrderedDict, deque

import msgspec

from reference_server import instants
from reference_server.messaging import topics
from reference_server.messaging.messages import Message

TOTAL_BYTES = 160 * 1024 * 1024
"""Memory of all topics together; beyond it the topic that was silent longest is forgotten first."""
MESSAGE_BYTES, TOPIC_BYTES = 450, 1000
"""What a message and a topic take in memory besides their text, roughly."""


class Rule(msgspec.Struct, frozen=True):
    """How much is kept of each topic that a filter matches."""

    pattern: str
    seconds: int
    messages: int
    bytes: int


RULES = (
    Rule("city/+/sensors/#", 86_400, 10_000, 10_485_760),  # DTC-P3-073
    Rule("city/+/alerts/#", 604_800, 100_000, 104_857_600),  # DTC-P3-074
    Rule("#", 86_400, 1000, 10_485_760),
)


class Replay(msgspec.Struct, frozen=True):
    """Past messages in order, and the topics of which some are missing."""

    messages: list[Message]
    gaps: list[str]


class _Log:
    __slots__ = ("kept", "lost", "rule", "size")

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.kept: deque[Message] = deque()
        self.size = 0
        self.lost = 0
        """Position of the newest message that is no longer kept."""

    def drop(self) -> int:
        """Forget the oldest message; its size."""
        gone = self.kept.popleft()
        size = cost(gone)
        self.size -= size
        self.lost = gone.position
        return size


def cost(message: Message) -> int:
    """Bytes that count for a message: topic and payload."""
    return len(message.topic) + len(message.payload)


class Retention:
    """Keeps messages in memory, within the limits of their topic and of the process."""

    def __init__(self, start: int, rules: tuple[Rule, ...] = RULES, total: int = TOTAL_BYTES) -> None:
        """`start` is a position before the first message of this process: nothing earlier is known."""
        self.start = start
        self.rules = rules
        self._total = total
        self._size = 0
        self._logs: OrderedDict[str, _Log] = OrderedDict()
        self._forgotten = 0

    def add(self, message: Message) -> None:
        """Keep a message."""
        log = self._logs.get(message.topic)
        if log is None:
            rule = next(rule for rule in self.rules if topics.matches(rule.pattern, message.topic))
            log = self._logs[message.topic] = _Log(rule)
            self._size += TOPIC_BYTES
        self._logs.move_to_end(message.topic)
        size, kept, rule = cost(message), log.kept, log.rule
        kept.append(message)
        log.size += size
        self._size += size + MESSAGE_BYTES
        if (
            len(kept) > rule.messages
            or log.size > rule.bytes
            or message.at - kept[0].at > rule.seconds * instants.MICROS
        ):
            self._trim(log, message.at)
        while self._size > self._total and len(self._logs) > 1:
            _, oldest = self._logs.popitem(last=False)
            self._size -= oldest.size + len(oldest.kept) * MESSAGE_BYTES + TOPIC_BYTES
            self._forgotten = max(self._forgotten, oldest.kept[-1].position if oldest.kept else oldest.lost)

    def _trim(self, log: _Log, now: int) -> None:
        rule = log.rule
        earliest = now - rule.seconds * instants.MICROS
        while log.kept and (
            len(log.kept) > rule.messages or log.size > rule.bytes or log.kept[0].at < earliest
        ):
            self._size -= log.drop() + MESSAGE_BYTES

    def since(self, pattern: str, position: int, limit: int = 10_000) -> Replay:
        """What a filter matches after a position, oldest first.

        A topic is a gap when messages of it after that position are no longer kept; the filter itself is
        one when the position lies before this process or more than `limit` messages follow.
        """
        found: list[Message] = []
        gaps = [pattern] if position < max(self.start, self._forgotten) else []
        now = instants.now_us()
        for topic, log in self._logs.items():
            if topics.matches(pattern, topic):
                self._trim(log, now)
                if log.lost > position:
                    gaps.append(topic)
                found.extend(message for message in log.kept if message.position > position)
        found.sort(key=lambda message: message.position)
        if len(found) > limit:
            gaps.append(pattern)
        return Replay(found[-limit:], list(dict.fromkeys(gaps)))
