"""The gates of a migration (P4 9.1): shares with a confidence bound, and what a breach leads to."""

import math

import msgspec

from dtc_cli.migrate.journal import Journal
from dtc_cli.migrate.plan import Plan

CONFIDENCE = 0.95
GEOMETRY_CODES = (
    "unparseable-geometry", "bad-coordinate",
    "collapsed-geometry", "ambiguous-geometry", "sentinel-coordinates",
    "empty-geometry", "outside-crs-area", "null-geometry",
)  # fmt: skip


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """One gate as it stands."""

    name: str
    value: float | None
    """The share that was found; None where nothing was there to judge."""
    bound: float | None
    """With 95 % confidence the share of all such data is at least this."""
    least: float
    good: int
    judged: int
    holds: bool
    action: str
    """What the plan says to do when it does not hold: flag, recalibrate, stop, rollback."""


def judge(plan: Plan, journal: Journal, epoch: int) -> list[Gate]:
    """The gates of a migration, from its journal alone."""
    counts, reasons = journal.counts(epoch), journal.reasons(epoch)
    read = sum(counts.get(state, 0) for state in ("loaded", "repaired", "unchanged", "quarantined"))
    broken = sum(times for code, times in reasons.items() if code in GEOMETRY_CODES)
    # The source says itself that nothing was measured; the plan, that a table has no places.
    placeless = reasons.get("no-place", 0)
    gaps = reasons.get("no-value", 0) + placeless
    arrived = read - counts.get("quarantined", 0)
    limits, actions = plan.thresholds, plan.gates
    found = [
        _gate(
            "geometry-integrity",
            read - placeless - broken,
            read - placeless,
            limits.geometry_integrity,
            actions["geometry_integrity"],
        ),
        _gate("data-quality", arrived, read - gaps, limits.data_quality, actions["data_quality"]),
    ]
    measured = journal.readings(epoch)
    if measured:
        found.append(
            _gate(
                "sensor-accuracy", measured["good"], measured["judged"], limits.sensor_accuracy,
                actions["sensor_accuracy"],
            )
        )  # fmt: skip
    down = float(journal.fact("downSeconds") or 0.0)
    if down:
        found.append(
            Gate(
                name="downtime", value=down, bound=None, least=limits.downtime_s, good=0, judged=1,
                holds=down <= limits.downtime_s, action=actions["downtime"],
            )
        )  # fmt: skip
    return found


def _gate(name: str, good: int, judged: int, least: float, action: str) -> Gate:
    value = good / judged if judged else None
    return Gate(
        name=name, value=value, bound=lower_bound(good, judged), least=least, good=good, judged=judged,
        holds=value is None or value >= least, action=action,
    )  # fmt: skip


def lower_bound(good: int, judged: int, confidence: float = CONFIDENCE) -> float | None:
    """The one-sided lower bound of Clopper and Pearson for a share; 299 of 299 give 0.99."""
    if judged == 0:
        return None
    if good == 0:
        return 0.0
    alpha = 1 - confidence
    if good == judged:
        return float(alpha ** (1 / judged))
    low, high = 0.0, good / judged
    for _ in range(60):
        middle = (low + high) / 2
        if _at_least(good, judged, middle) > alpha:
            high = middle
        else:
            low = middle
    return low


def _at_least(good: int, judged: int, share: float) -> float:
    """The probability of `good` or more successes in `judged` trials."""
    if share <= 0:
        return 0.0
    bad = judged - good
    # The tail with fewer terms is summed: failures are rare here.
    total = 0.0
    for failures in range(bad + 1):
        term = (
            math.lgamma(judged + 1) - math.lgamma(failures + 1) - math.lgamma(judged - failures + 1)
            + failures * math.log1p(-share) + (judged - failures) * math.log(share)
        )  # fmt: skip
        total += math.exp(term)
        if failures > 20_000:
            break
    return min(total, 1.0)
