"""How much a caller may publish (P3 8.3): messages and bytes in a second, by role."""

import time
from collections.abc import Callable, Mapping

import msgspec

from reference_server.auth import Principal

UNLIMITED_FROM = 1_000_000
"""A credential with so large an allowance of requests is one for load runs; its messages are not counted."""
BURST_S = 1.0


class Allowance(msgspec.Struct, frozen=True):
    """Per second and credential."""

    messages: int
    bytes: int


ALLOWANCES: Mapping[str, Allowance] = {
    "device": Allowance(10, 10_240),  # P3 8.3, the sensor of the example
    "viewer": Allowance(1000, 1_048_576),  # the dashboard of the example
    "operator": Allowance(1000, 4_194_304),
    "admin": Allowance(10_000, 16_777_216),
}


class Meter:
    """Counts what credentials publish; what goes beyond their allowance is refused."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, list[float]] = {}

    def take(self, caller: Principal, size: int) -> bool:
        """Whether a message of `size` bytes is within the caller's allowance; it then counts.

        Messages and bytes refill evenly; a second's worth of them may come at once, and a single message
        may be as large as the door allows when the caller was silent before.
        """
        if caller.allowance >= UNLIMITED_FROM:
            return True
        given = ALLOWANCES[caller.role]
        now = self._clock()
        bucket = self._buckets.get(caller.name)
        if bucket is None:
            bucket = self._buckets[caller.name] = [given.messages * BURST_S, given.bytes * BURST_S, now]
        passed = now - bucket[2]
        messages = min(bucket[0] + passed * given.messages, given.messages * BURST_S)
        volume = min(bucket[1] + passed * given.bytes, given.bytes * BURST_S)
        bucket[2] = now
        full = volume >= given.bytes * BURST_S
        allowed = messages >= 1 and (volume >= size or full)
        bucket[0] = messages - 1 if allowed else messages
        bucket[1] = volume - size if allowed else volume
        return allowed
