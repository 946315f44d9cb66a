"""Request allowances over a sliding window (P2 9.2, P4 3.2.1)."""

import time
from collections.abc import Callable

import msgspec

SLOTS = 50


class Standing(msgspec.Struct, frozen=True):
    """Where a client stands after a request.

    `reset_s` seconds until the next slot of its window is free again.
    """

    allowed: bool
    limit: int
    remaining: int
    reset_s: float


class Window:
    """Counts requests in slots of the window; a slot is forgotten only when all of it has left the window.

    So in no stretch of `seconds` are more than `limit` requests allowed; a client waits at most a slot too
    long.
    """

    def __init__(self, limit: int, seconds: float) -> None:
        self.limit = limit
        self._slot_s = seconds / SLOTS
        self._counts = [0] * (SLOTS + 1)
        self._sum = 0
        self._current = 0
        self._oldest = 0
        """No slot before this one has counted anything that is still in the window."""

    def take(self, now: float) -> Standing:
        """Count a request at `now` (seconds of a monotonic clock), if there is room for it."""
        return self.standing(now, allowed=self.count(now))

    def count(self, now: float) -> bool:
        """Count a request, if there is room for it; whether there was."""
        slot = int(now / self._slot_s)
        if slot > self._current:
            self._advance(slot)
        if self._sum >= self.limit:
            return False
        self._counts[self._current % len(self._counts)] += 1
        self._sum += 1
        return True

    def standing(self, now: float, *, allowed: bool) -> Standing:
        """Where the client stands after a request that was counted, or was not allowed."""
        return Standing(allowed, self.limit, self.limit - self._sum, self._reset(now))

    def _advance(self, slot: int) -> None:
        steps = min(slot - self._current, len(self._counts))
        for step in range(steps):
            index = (slot - step) % len(self._counts)
            self._sum -= self._counts[index]
            self._counts[index] = 0
        self._current = slot

    def _reset(self, now: float) -> float:
        """Seconds until the oldest counted slot leaves the window."""
        size = len(self._counts)
        if not self._sum:
            self._oldest = self._current
            return 0.0
        self._oldest = max(self._oldest, self._current - size + 1)
        while not self._counts[self._oldest % size]:
            self._oldest += 1
        return max((self._oldest + size) * self._slot_s - now, 0.0)


class FailedLogins:
    """Counts failed logins of an address over a minute, so that guessing is slowed (P4 8.3)."""

    PER_MINUTE = 600
    MOST_ADDRESSES = 10_000
    """Beyond this the counts begin anew: an attacker with so many addresses is not stopped by counting."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._windows: dict[str, Window] = {}
        self._clock = clock

    def failed(self, address: str) -> Standing:
        """Count one; not `allowed` when there were too many."""
        if len(self._windows) >= self.MOST_ADDRESSES:
            self._windows.clear()
        window = self._windows.setdefault(address, Window(self.PER_MINUTE, 60.0))
        return window.take(self._clock())


class Limiter:
    """One window per client, and one over all of them."""

    def __init__(self, overall: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._overall = Window(overall, seconds)
        self._clients: dict[str, Window] = {}
        self._clock = clock

    def take(self, client: str, limit: int, seconds: float) -> Standing:
        """Count a request of a client against its own allowance and then against that of all."""
        now = self._clock()
        window = self._clients.get(client)
        if window is None:
            window = self._clients[client] = Window(limit, seconds)
        standing = window.take(now)
        if not standing.allowed or self._overall.count(now):
            return standing
        return self._overall.standing(now, allowed=False)
