"""When requests are due: a constant rate, or steps of rates, as pure arithmetic."""

import math
from collections.abc import Iterator

import msgspec


class Step(msgspec.Struct, frozen=True):
    """A stretch of constant rate."""

    rate: float
    """Requests per second, all workers together."""
    duration_s: float

    @property
    def count(self) -> int:
        """Requests that are due within the step; the last is due before its end."""
        return math.ceil(round(self.rate * self.duration_s, 6))


class Schedule(msgspec.Struct, frozen=True):
    """Steps one after the other; the first `warmup_s` seconds are measured apart."""

    steps: tuple[Step, ...]
    warmup_s: float = 0.0

    @classmethod
    def constant(cls, rate: float, duration_s: float, *, warmup_s: float = 0.0) -> "Schedule":
        """One rate for `warmup_s + duration_s` seconds."""
        return cls((Step(rate, warmup_s + duration_s),), warmup_s)

    @property
    def duration_s(self) -> float:
        """From the first due instant to the end of the last step."""
        return sum(step.duration_s for step in self.steps)

    @property
    def count(self) -> int:
        """All requests of the schedule."""
        return sum(step.count for step in self.steps)

    def dues(self, worker: int = 0, workers: int = 1) -> Iterator[tuple[int, float]]:
        """The share of one worker: number of each request, and when it is due in seconds from the start.

        Worker k of n takes the requests k, k+n, k+2n ..., so that all workers together keep the even spacing.
        """
        first, begins = 0, 0.0
        for step in self.steps:
            skip = (worker - first) % workers
            for place in range(skip, step.count, workers):
                yield first + place, begins + place / step.rate
            first += step.count
            begins += step.duration_s

    def before(self, instant: float) -> int:
        """Requests that are due before an instant, in seconds from the start."""
        found, begins = 0, 0.0
        for step in self.steps:
            found += Step(step.rate, min(max(instant - begins, 0.0), step.duration_s)).count
            begins += step.duration_s
        return found

    def offered(self, second: int) -> float:
        """Requests per second that the schedule offers in the second that begins at `second`."""
        begins = 0.0
        for step in self.steps:
            if second < begins + step.duration_s:
                return step.rate
            begins += step.duration_s
        return 0.0
