"""Two loads side by side: whether a difference is more than noise, by a bootstrap over their seconds.

Latencies of neighbouring requests hang together, so single requests are no independent trials. Blocks of
seconds are drawn with replacement from each run; the figures of the two resamples give the spread of the
ratio. A percentile is that of all answers together: a resample adds up the histograms of its seconds, so that
a second in which the target stood still counts with the requests that it kept waiting.
"""

import math
import random
import statistics
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from operator import mul
from typing import Protocol

import msgspec

from dtc_cli.errors import DtcError
from dtc_cli.load.objectives import TICK_MS
from dtc_cli.load.outcome import Instant
from dtc_cli.load.result import Result

BLOCK_S = 3
RESAMPLES = 2000
LOW, HIGH = 0.025, 0.975
FEWEST_S = 10
"""Seconds of a run with fewer of which no interval is worth its name."""


class Difference(msgspec.Struct, frozen=True):
    """One figure of both runs."""

    name: str
    before: float
    after: float
    ratio: float
    """After over before."""
    low: float
    high: float
    """95 % interval of the ratio."""
    words: str
    """`better`, `worse`, `no more than noise`."""


class Beside(msgspec.Struct, frozen=True):
    """Two loads compared."""

    notes: tuple[str, ...]
    """Why they may not be comparable."""
    differences: tuple[Difference, ...]

    @property
    def worse(self) -> bool:
        """A figure became worse, by more than noise."""
        return any(one.words == "worse" for one in self.differences)


def compare(before: Result, after: Result, *, seed: int = 0) -> Beside:
    """Compare throughput, median, p99 and errors of two loads.

    Raises:
        DtcError: `load-short` when one of the runs has fewer than ten measured seconds.
    """
    chance = random.Random(seed)
    first, second = _measured(before), _measured(after)
    for run, seconds in ((before, first), (after, second)):
        if len(seconds) < FEWEST_S:
            raise DtcError(
                "load-short",
                f"{run.run} has {len(seconds)} measured seconds",
                where="dtc compare",
                why="with so few no difference can be told from noise",
                hint="dtc load run with --duration 30 or more",
            )
    made, notes = [], list(_notes(before, after))
    rates = [_Mean([float(one.done - one.errors) for one in seconds]) for seconds in (first, second)]
    made.append(_difference("answers/s", rates[0], rates[1], chance, more_is_better=True))
    ladders = [_Ladder.of(run) for run in (before, after)]
    for name, run, ladder in zip(("before", "after"), (before, after), ladders, strict=True):
        if ladder is None and run.outcome.measured:
            notes.append(
                f"{name} keeps no latencies of its seconds (an earlier dtc made it): they are not compared"
            )
    if (one := ladders[0]) is not None and (other := ladders[1]) is not None:
        for point in (50, 99):
            made.append(
                _difference(f"p{point} ms", one.at(point), other.at(point), chance, more_is_better=False)
            )
    failures = [_Mean([float(one.errors) for one in seconds]) for seconds in (first, second)]
    made.append(_difference("failed/s", failures[0], failures[1], chance, more_is_better=False))
    return Beside(tuple(notes), tuple(made))


def _measured(run: Result) -> list[Instant]:
    """The seconds after the warm-up that lie wholly within the schedule."""
    ends = math.floor(run.outcome.schedule.duration_s)
    return [one for one in run.outcome.seconds if run.terms.warmup_s <= one.second < ends]


class _Figure(Protocol):
    """A figure of a run, and of a resample of its seconds."""

    count: int
    """Seconds."""
    whole: float

    def drawn(self, picks: Sequence[int]) -> float:
        """The figure of these seconds."""


class _Mean:
    """The mean over the seconds."""

    def __init__(self, values: Sequence[float]) -> None:
        self._values = values
        self.count = len(values)
        self.whole = statistics.fmean(values)

    def drawn(self, picks: Sequence[int]) -> float:
        return sum([self._values[one] for one in picks]) / len(picks)


class _Ladder:
    """The values of all seconds in order, and for each how many answers of each second reach up to it."""

    def __init__(self, seconds: Sequence[dict[int, int]]) -> None:
        self.values = sorted({value for one in seconds for value in one})
        self.count = len(seconds)
        sums = array("L", bytes(array("L").itemsize * self.count))
        self.rungs: list[array[int]] = []
        for value in self.values:
            for number, one in enumerate(seconds):
                sums[number] += one.get(value, 0)
            self.rungs.append(sums[:])

    @classmethod
    def of(cls, run: Result) -> "_Ladder | None":
        """From what a run keeps of its seconds; None when it keeps nothing."""
        found = []
        for one in run.outcome.seconds:
            if one.latencies is None:
                return None
            # A second without an answer belongs to the run, unless it was one of the warm-up.
            if one.latencies or one.second >= run.terms.warmup_s:
                found.append(dict(one.latencies))
        return cls(found) if any(found) else None

    def at(self, point: float) -> "_Point":
        """A percentile of it."""
        return _Point(self, point)


class _Point:
    """A percentile of all answers of the seconds together, in milliseconds."""

    def __init__(self, ladder: _Ladder, point: float) -> None:
        self._ladder, self._share = ladder, point / 100
        self.count = ladder.count
        self.whole = self.drawn(range(self.count))

    def drawn(self, picks: Sequence[int]) -> float:
        ladder, times = self._ladder, Counter(picks)
        weights = [times[number] for number in range(self.count)]

        def below(rung: "array[int]") -> int:
            return sum(map(mul, weights, rung))

        # As HdrHistogram does: the value that so many answers, rounded to the nearest, do not exceed.
        wanted = max(1, int(self._share * below(ladder.rungs[-1]) + 0.5))
        found = bisect_left(ladder.rungs, wanted, key=below)
        # Seconds in which nothing was answered at all: as slow as the slowest answer at least.
        return ladder.values[min(found, len(ladder.values) - 1)] / 1000


def _difference(
    name: str, before: _Figure, after: _Figure, chance: random.Random, *, more_is_better: bool
) -> Difference:
    one, other = before.whole, after.whole
    ratios = sorted(
        _ratio(before.drawn(_drawn(before.count, chance)), after.drawn(_drawn(after.count, chance)))
        for _ in range(RESAMPLES)
    )
    low, high = ratios[int(LOW * RESAMPLES)], ratios[int(HIGH * RESAMPLES)]
    exact = TICK_MS if name.endswith("ms") else 0.0
    if low <= 1 <= high or abs(other - one) <= exact:
        words = "no more than noise"
    else:
        words = "better" if (other > one) == more_is_better else "worse"
    return Difference(name, round(one, 3), round(other, 3), _ratio(one, other), low, high, words)


def _ratio(before: float, after: float) -> float:
    if before == after:
        return 1.0
    return after / before if before else math.inf


def _drawn(count: int, chance: random.Random) -> list[int]:
    """As many seconds again, in blocks of neighbours, going round the end."""
    drawn: list[int] = []
    while len(drawn) < count:
        start = chance.randrange(count)
        drawn += [(start + step) % count for step in range(BLOCK_S)]
    return drawn[:count]


def _notes(before: Result, after: Result) -> tuple[str, ...]:
    pairs = (
        ("profile", before.terms.profile, after.terms.profile),
        ("mix", before.terms.mix, after.terms.mix),
        ("rate", before.terms.rate, after.terms.rate),
        ("duration", before.terms.duration_s, after.terms.duration_s),
        ("host", before.host, after.host),
        ("data", before.data, after.data),
    )
    notes = [f"another {name}: {one} and {other}" for name, one, other in pairs if one != other]
    for name, run in (("before", before), ("after", after)):
        if run.outcome.health.saturated:
            notes.append(f"inconclusive {name}: {'; '.join(run.outcome.health.reasons)}")
    return tuple(notes)
