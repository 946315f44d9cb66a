"""Recognises a message that was sent again: same session, same id, same content (P3 9.1)."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

from reference_server.messaging.outcome import Outcome

MAX_REMEMBERED = 100_000
MAX_AGE_S = 600.0


class Repeats:
    """The outcomes of recent messages by their key; a refused one may be tried again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: OrderedDict[Hashable, tuple[float, Outcome]] = OrderedDict()

    def earlier(self, key: Hashable) -> Outcome | None:
        """The outcome of the same message sent before, or None."""
        self._forget()
        found = self._known.get(key)
        return None if found is None else found[1]

    def remember(self, key: Hashable, outcome: Outcome) -> None:
        """Keep the outcome of a message."""
        self._known[key] = (self._clock(), outcome)
        outcome.add_done_callback(lambda done: self._settled(key, done))

    def _settled(self, key: Hashable, outcome: Outcome) -> None:
        if outcome.exception() is not None:
            self._known.pop(key, None)

    def _forget(self) -> None:
        oldest = self._clock() - MAX_AGE_S
        while self._known:
            key, (at, _) = next(iter(self._known.items()))
            if at >= oldest and len(self._known) < MAX_REMEMBERED:
                return
            del self._known[key]
