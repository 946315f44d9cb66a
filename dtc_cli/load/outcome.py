"""What a fleet of workers measured, second by second and as a whole."""

import math
from array import array
from collections import Counter

import msgspec

from dtc_cli.load import health
from dtc_cli.load.histogram import Histogram, Summary, buckets
from dtc_cli.load.lanes import Sample
from dtc_cli.load.schedule import Schedule
from dtc_cli.load.traffic import Traffic
from dtc_cli.load.worker import SLOTS, Second

MOST_SAMPLES = 5000
GROWN = 0.0005
"""Of the due requests: by so many the backlog may grow from the second to the last quarter of the window."""
CHANCE = 2.0
"""Times the square root of a backlog: by so much it varies although nothing grows."""


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
    latencies: tuple[tuple[int, int], ...] | None = None
    """Of the measured requests that ended in this second: microseconds as the run's histogram tells them, and
    how often each came. All seconds together give the histogram of the run; None in earlier records."""
    away: bool = False
    """At its end no worker had a connection, and the target refused each."""


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
    """Measured part: from the end of the warm-up to the end of the schedule, or to where it was stopped."""
    sent: int
    good: int
    """Good answers that came within the window, whenever they were due."""
    stopped: str
    """Why the run ended before its schedule; empty when it did not."""
    samples: tuple[Sample, ...]
    due: int = 0
    """Requests that were due in the window; 0 in records of earlier versions."""
    cut: int = 0
    """Those of them that we cut off ourselves when the run was stopped: neither answered nor failed."""
    backlog: tuple[float, float] = (0.0, 0.0)
    """Requests due and unanswered, on average in the second and in the last quarter of the window."""

    @property
    def measured(self) -> int:
        """Requests of the measured part, answered or failed."""
        return self.total.count

    @property
    def offered_per_s(self) -> float:
        """Requests per second that the schedule offered in the measured part."""
        last = self.schedule.steps[-1]
        return last.rate if len(self.schedule.steps) == 1 else self._due / (self.window_s or 1.0)

    @property
    def error_share(self) -> float:
        """Failed requests of the measured part, from 0 to 1."""
        decided = self.measured - self.cut
        return sum(self.errors.values()) / decided if decided else 0.0

    @property
    def growing(self) -> bool:
        """Whether requests piled up, more than they come and go: what came afterwards was too slow."""
        before, after = self.backlog
        return after - before > max(GROWN * self._due, CHANCE * math.sqrt(before + after))

    @property
    def achieved_per_s(self) -> float:
        """Rate that was answered well: of the requests due in the window, at the rate at which they were due.

        Where requests pile up, only what came within the window counts. Where they do not, those under way at
        its end are what is always under way, and count when they are answered.
        """
        if not self.due:
            return self.good / self.window_s if self.window_s else 0.0
        if self.growing:
            return self.offered_per_s * self.good / self.due
        answered = self.measured - self.cut - sum(self.errors.values())
        return self.offered_per_s * answered / ((self.due - self.cut) or 1)

    @property
    def _due(self) -> int:
        return self.due or self.measured


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
        self._warm = self._sent = self._good = self._cut = 0
        self._until: list[float] = []
        self._backlog: dict[int, tuple[int, int]] = {}

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
        self._cut += said.cut
        if said.last:
            self._until.append(said.until)
        for slot, times, waiting in said.backlog:
            before = self._backlog.get(slot, (0, 0))
            self._backlog[slot] = (before[0] + times, before[1] + waiting)
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
        summary, schedule = total.summary(), self._schedule
        begins, ends = schedule.warmup_s, schedule.duration_s
        if stopped and self._until:
            # Each worker has its share of the rate until its own end.
            ends = sum(self._until) / len(self._until)
        whole = schedule.count - schedule.before(begins)
        complete = bool(stopped) or summary.count + self._warm >= schedule.count
        return Outcome(
            schedule,
            {name: histogram.summary() for name, histogram in zip(self._names, self._routes, strict=True)},
            summary,
            self._warm,
            dict(self._errors.most_common()),
            tuple(self._seconds),
            health.judge(due=due, late=self._late, seconds=self._spent, workers=self._workers),
            max(0.0, ends - begins),
            self._sent,
            self._good,
            stopped,
            tuple(self._samples),
            summary.count if complete else whole,
            self._cut,
            (self._level(begins, ends, 1), self._level(begins, ends, 3)),
        )

    def _level(self, begins: float, ends: float, quarter: int) -> float:
        """Mean backlog of all workers in a quarter (0 to 3) of the window."""
        length = (ends - begins) / 4
        first, last = begins + quarter * length, begins + (quarter + 1) * length
        found = [looked for slot, looked in self._backlog.items() if first <= (slot + 0.5) / SLOTS < last]
        times = sum(one[0] for one in found)
        return self._workers * sum(one[1] for one in found) / times if times else 0.0

    def _instant(self, number: int, parts: list[Second]) -> Instant:
        latencies = Histogram()
        measured = array("I")
        for part in parts:
            for words in part.latencies:
                measured.frombytes(words)
            latencies.record_words(part.warm)
        latencies.record(measured)
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
            buckets(measured),
            all(part.away for part in parts),
        )
