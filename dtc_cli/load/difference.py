"""Two loads side by side: whether a difference is more than noise, by a bootstrap over their seconds.

Latencies of neighbouring requests hang together, so single requests are no independent trials. Blocks of
seconds are drawn with replacement from each run; the means of the two resamples give the spread of the ratio.
"""

import math
import random
import statistics
from collections.abc import Callable, Sequence

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
    """After over before: mean of the seconds."""
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
    figures: tuple[tuple[str, bool, Callable[[Instant], float | None]], ...] = (
        ("answers/s", True, lambda one: float(one.done - one.errors)),
        ("p50 ms", False, lambda one: one.p50_ms),
        ("p99 ms", False, lambda one: one.p99_ms),
        ("failed/s", False, lambda one: float(one.errors)),
    )
    made = []
    for name, more_is_better, value in figures:
        one, other = _values(first, value), _values(second, value)
        if one and other:
            made.append(_difference(name, one, other, chance, more_is_better=more_is_better))
    return Beside(_notes(before, after), tuple(made))


def _measured(run: Result) -> list[Instant]:
    """The seconds after the warm-up that lie wholly within the schedule."""
    ends = math.floor(run.outcome.schedule.duration_s)
    return [one for one in run.outcome.seconds if run.terms.warmup_s <= one.second < ends]


def _values(seconds: Sequence[Instant], value: Callable[[Instant], float | None]) -> list[float]:
    return [found for one in seconds if (found := value(one)) is not None]


def _difference(
    name: str, before: Sequence[float], after: Sequence[float], chance: random.Random, *, more_is_better: bool
) -> Difference:
    one, other = statistics.fmean(before), statistics.fmean(after)
    ratios = sorted(
        _ratio(statistics.fmean(_drawn(before, chance)), statistics.fmean(_drawn(after, chance)))
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


def _drawn(values: Sequence[float], chance: random.Random) -> list[float]:
    """As many values again, in blocks of neighbours, going round the end."""
    count = len(values)
    drawn: list[float] = []
    while len(drawn) < count:
        start = chance.randrange(count)
        drawn += [values[(start + step) % count] for step in range(BLOCK_S)]
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
