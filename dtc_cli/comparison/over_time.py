"""Runs of a target in the order of their time: how the level and the counts went, and what keeps changing."""

from collections.abc import Iterable
from itertools import pairwise

import msgspec

from dtc_cli.core.model import Outcome
from dtc_cli.core.report import Report


class Point(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One run."""

    run: str
    started_at: str
    version: str
    claimed: str
    achieved: str
    requirements: dict[str, int]
    """Counts by outcome."""
    duration_ms: int | None
    complete: bool


class Restless(msgspec.Struct, frozen=True, rename="camel"):
    """A vector that changed more than once between neighbouring runs."""

    vector: str
    changes: int
    outcomes: tuple[str, ...]


class Trend(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The runs of one target, oldest first."""

    target: str
    points: tuple[Point, ...]
    restless: tuple[Restless, ...]


def trends(reports: Iterable[Report]) -> tuple[Trend, ...]:
    """A trend per target, by name; a run that is given twice counts once."""
    by_target: dict[str, dict[str, Report]] = {}
    for report in reports:
        by_target.setdefault(report.subject.name, {})[report.run_id] = report
    return tuple(
        _trend(name, sorted(runs.values(), key=lambda r: (r.course.started_at, r.run_id)))
        for name, runs in sorted(by_target.items())
    )


def _trend(name: str, runs: list[Report]) -> Trend:
    outcomes: dict[str, list[Outcome]] = {}
    for run in runs:
        for case in run.cases:
            outcomes.setdefault(case.vector, []).append(case.outcome)
    restless = []
    for vector, seen in sorted(outcomes.items()):
        changes = sum(one is not two for one, two in pairwise(seen))
        if changes > 1:
            restless.append(Restless(vector, changes, tuple(outcome.value for outcome in seen)))
    return Trend(
        target=name,
        points=tuple(_point(run) for run in runs),
        restless=tuple(sorted(restless, key=lambda each: (-each.changes, each.vector))),
    )


def _point(run: Report) -> Point:
    return Point(
        run=run.run_id,
        started_at=run.course.started_at,
        version=run.subject.version,
        claimed=run.verdict.claimed.value,
        achieved=run.verdict.achieved.value,
        requirements=run.totals.requirements,
        duration_ms=run.course.duration_ms,
        complete=run.course.finished and run.course.selection_complete,
    )
