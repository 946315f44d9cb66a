"""What a fleet of workers measured, second by second and as a whole."""

from collections import Counter

import msgspec

from dtc_cli.load import health
from dtc_cli.load.histogram import Histogram, Summary
from dtc_cli.load.lanes import Sample
from dtc_cli.load.schedule import Schedule
from dtc_cli.load.traffic import Traffic
from dtc_cli.load.worker import Second

MOST_SAMPLES = 5000


class Instant(msgspec.Struct, frozen=True):
    """One second of a run, all workers together."""

    second: int
    offered: float
    """Requests per second of the schedule."""
    sent: int
    done: int
    errors: int
    waiting: int
    p50_ms: float | None
    p99_ms: float | None
    cpu_share: float
    """Of the busiest worker."""


class Outcome(msgspec.Struct, frozen=True):
    """What a fleet measured."""

    schedule: Schedule
    routes: dict[str, Summary]
    total: Summary
    warm: int
    errors: dict[str, int]
    seconds: tuple[Instant, ...]
    health: health.Health
    window_s: float
    """Measured part: from the end of the warm-up to the last due instant."""
    sent: int
    good: int
    """Good answers that came within the window, whenever they were due."""
    stopped: str
    """Why the run ended before its schedule; empty when it did not."""
    samples: tuple[Sample, ...]

    @property
    def measured(self) -> int:
        """Requests of the measured part, answered or failed."""
        return self.total.count

    @property
    def offered_per_s(self) -> float:
        """Requests per second that the schedule offered in the measured part."""
        last = self.schedule.steps[-1]
        return last.rate if len(self.schedule.steps) == 1 else self.measured / (self.window_s or 1.0)

    @property
    def error_share(self) -> float:
        """Failed requests of the measured part, from 0 to 1."""
        return sum(self.errors.values()) / self.measured if self.measured else 0.0

    @property
    def achieved_per_s(self) -> float:
        """Good answers per second of the measured part; what is worked off afterwards does not count."""
        return self.good / self.window_s if self.window_s else 0.0


class Book:
    """Adds up what the workers say."""

    def __init__(self, schedule: Schedule, traffic: Traffic, workers: int) -> None:
        self._schedule = schedule
        self._names = traffic.routes
        self._workers = workers
        self._routes = [Histogram() for _ in traffic.routes]
        self._late = Histogram()
        self._errors: Counter[str] = Counter()
        self._spent: list[tuple[float, float]] = []
        self._samples: list[Sample] = []
        self._seconds: list[Instant] = []
        self._open: dict[int, list[Second]] = {}
        self._warm = self._sent = self._good = 0

    def enter(self, said: Second) -> Instant | None:
        """Add what one worker says of one second; the whole second once all workers have spoken."""
        for histogram, words in zip(self._routes, said.latencies, strict=True):
            histogram.record_words(words)
        self._late.record_words(said.late)
        self._errors.update(said.errors)
        self._spent.append((said.cpu_s, said.wall_s))
        self._samples.extend(said.samples[: MOST_SAMPLES - len(self._samples)])
        self._warm += len(said.warm) // 4
        self._sent += said.sent
        self._good += said.good
        # A worker that was held up reports two seconds in one frame, under the later one.
        number = max(0, int(said.at) - 1)
        parts = self._open.setdefault(number, [])
        parts.append(said)
        if len(parts) < self._workers or said.last:
            return None
        del self._open[number]
        instant = self._instant(number, parts)
        self._seconds.append(instant)
        return instant

    def close(self, stopped: str) -> Outcome:
        """The whole run."""
        total = Histogram()
        for histogram in self._routes:
            total.merge(histogram)
        due = self._schedule.count if not stopped else 0
        return Outcome(
            self._schedule,
            {name: histogram.summary() for name, histogram in zip(self._names, self._routes, strict=True)},
            total.summary(),
            self._warm,
            dict(self._errors.most_common()),
            tuple(self._seconds),
            health.judge(due=due, late=self._late, seconds=self._spent, workers=self._workers),
            max(0.0, self._schedule.duration_s - self._schedule.warmup_s),
            self._sent,
            self._good,
            stopped,
            tuple(self._samples),
        )

    def _instant(self, number: int, parts: list[Second]) -> Instant:
        latencies = Histogram()
        for part in parts:
            for words in (*part.latencies, part.warm):
                latencies.record_words(words)
        return Instant(
            number,
            self._schedule.offered(number),
            sum(part.sent for part in parts),
            sum(part.done for part in parts),
            sum(part.failed for part in parts),
            sum(part.waiting for part in parts),
            latencies.percentile_ms(50),
            latencies.percentile_ms(99),
            max(part.cpu_s / part.wall_s if part.wall_s > 0 else 0.0 for part in parts),
        )
