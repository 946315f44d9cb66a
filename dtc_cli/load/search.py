"""The highest rate that keeps the objectives, and how a target grows from step to step (DTC-PERF-009)."""

from collections.abc import Callable

import msgspec

GROWTH = 1.6
FINE = 0.05
"""The search ends when the bracket is this narrow, relative to its lower end."""
MOST_TRIES = 16
KNEE_GAIN = 0.75
"""A step past the knee gains less than this share of what its rate adds."""


class Try(msgspec.Struct, frozen=True):
    """One rate that was tried."""

    rate: float
    achieved_per_s: float
    p99_ms: float | None
    outcome: str
    """`kept`, `failed` or `inconclusive`: a short try keeps a bound, it passes nothing."""
    why: str = ""


class Found(msgspec.Struct, frozen=True):
    """What a search came to."""

    tries: tuple[Try, ...]
    highest: float | None
    """Requests per second; None when no rate that was tried kept the objectives."""
    limit: str
    """`target`: a higher rate failed; `generator`: it could not be measured; `ceiling`: none was tried."""


def highest(attempt: Callable[[float], Try], *, start: float, ceiling: float) -> Found:
    """Double-ended search: grow until a rate does not keep the objectives, then halve the bracket.

    Args:
        attempt: loads the target at a rate and says what came of it.
        start: first rate, requests per second.
        ceiling: the highest rate that may be tried.
    """
    tries: list[Try] = []
    good: float | None = None
    bad: Try | None = None
    rate = start
    while len(tries) < MOST_TRIES:
        tried = attempt(rate)
        tries.append(tried)
        if tried.outcome == "kept":
            good = rate
            if rate >= ceiling:
                return Found(tuple(tries), good, "ceiling")
        else:
            bad = tried
        if bad is None:
            rate = min(rate * GROWTH, ceiling)
        elif good is None:
            if rate <= 1:
                break
            rate = max(1.0, rate / (GROWTH * GROWTH))
        elif bad.rate - good <= FINE * good:
            break
        else:
            rate = (good + bad.rate) / 2
    limit = "generator" if bad is not None and bad.outcome == "inconclusive" else "target"
    return Found(tuple(tries), good, limit)


def knee(tries: tuple[Try, ...]) -> Try | None:
    """The last step that kept its objectives and whose gain in answers follows its gain in requests.

    None when there is none: of a step that was not measured, or that broke a bound, nothing is said.
    """
    last: Try | None = None
    for one in tries:
        offered, answered = (0.0, 0.0) if last is None else (last.rate, last.achieved_per_s)
        gain = one.achieved_per_s - answered
        if one.outcome != "kept" or gain < KNEE_GAIN * (one.rate - offered):
            break
        last = one
    return last
