"""Two runs compared, vector by vector: regressions, fixes, new and lost ones, and how the times moved."""

import math
from collections.abc import Iterable, Mapping

import msgspec

from dtc_cli.core.model import Outcome
from dtc_cli.core.report import Report
from dtc_cli.core.report.model import Case

RANK = {
    Outcome.PASSED: 0,
    Outcome.NOT_APPLICABLE: 0,
    Outcome.WARNED: 1,
    Outcome.NOT_TESTED: 2,
    Outcome.BLOCKED: 2,
    Outcome.ERROR: 2,
    Outcome.FAILED: 3,
}
"""How bad an outcome is; a step up is a regression, a step down a fix."""
LEAST_MS = 2
"""Shorter tests say nothing about speed: durations are whole milliseconds."""
LEAST_PAIRS = 6
"""With fewer pairs no interval of 95 % exists for a median."""


class Change(msgspec.Struct, frozen=True, rename="camel"):
    """A vector that both runs judged, otherwise."""

    vector: str
    before: Outcome
    after: Outcome
    reason: str


class Pace(msgspec.Struct, frozen=True, rename="camel"):
    """How long the same vectors took: the median ratio after / before with its 95 % interval."""

    part: str
    pairs: int
    ratio: float
    low: float
    high: float

    @property
    def words(self) -> str:
        """`slower`, `faster`, or `no difference shown` when the interval holds 1."""
        if self.low > 1:
            return "slower"
        return "faster" if self.high < 1 else "no difference shown"


class Comparison(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What changed from the first run to the second."""

    before: str
    after: str
    level_before: str
    level_after: str
    regressions: tuple[Change, ...]
    fixes: tuple[Change, ...]
    other: tuple[Change, ...]
    """Changed without becoming better or worse."""
    new: tuple[str, ...]
    lost: tuple[str, ...]
    same: int
    paces: tuple[Pace, ...]
    notes: tuple[str, ...]

    @property
    def worse(self) -> bool:
        """Whether anything regressed, or was lost though both runs had the same tests before them."""
        return bool(self.regressions) or (bool(self.lost) and not self.notes)


def compare(before: Report, after: Report) -> Comparison:
    """Compare two reports; pure, and the same reports always give the same comparison."""
    old, new = _cases(before), _cases(after)
    both = sorted(old.keys() & new.keys())
    changes = [
        Change(name, old[name].outcome, new[name].outcome, new[name].message or new[name].justification)
        for name in both
        if old[name].outcome is not new[name].outcome
    ]
    steps = [RANK[change.after] - RANK[change.before] for change in changes]
    return Comparison(
        before=before.run_id,
        after=after.run_id,
        level_before=before.verdict.achieved.value,
        level_after=after.verdict.achieved.value,
        regressions=tuple(change for change, step in zip(changes, steps, strict=True) if step > 0),
        fixes=tuple(change for change, step in zip(changes, steps, strict=True) if step < 0),
        other=tuple(change for change, step in zip(changes, steps, strict=True) if step == 0),
        new=tuple(sorted(new.keys() - old.keys())),
        lost=tuple(sorted(old.keys() - new.keys())),
        same=len(both) - len(changes),
        paces=tuple(_paces(both, old, new)),
        notes=tuple(_notes(before, after)),
    )


def median_ratio(part: str, ratios: Iterable[float]) -> Pace | None:
    """The median with its distribution-free 95 % interval (order statistics); None for too few values."""
    ordered = sorted(ratios)
    count = len(ordered)
    if count < LEAST_PAIRS:
        return None
    # The largest rank r for which the binomial tail below r is at most 2.5 % on either side.
    tail, rank = 0.0, 0
    for k in range(count):
        log = math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1) - count * math.log(2)
        tail += math.exp(log)
        if tail > 0.025:
            break
        rank = k + 1
    middle = (ordered[(count - 1) // 2] + ordered[count // 2]) / 2
    return Pace(part, count, round(middle, 3), round(ordered[rank - 1], 3), round(ordered[-rank], 3))


def _paces(both: Iterable[str], old: Mapping[str, Case], new: Mapping[str, Case]) -> Iterable[Pace]:
    ratios: dict[str, list[float]] = {"all": []}
    for name in both:
        times = (old[name].duration_ms, new[name].duration_ms)
        if min(times) >= LEAST_MS and old[name].outcome is new[name].outcome is Outcome.PASSED:
            ratio = times[1] / times[0]
            ratios["all"].append(ratio)
            ratios.setdefault(name.partition("/")[0].rpartition("-")[0], []).append(ratio)
    for part, values in ratios.items():
        found = median_ratio(part, values)
        if found is not None:
            yield found


def _cases(report: Report) -> dict[str, Case]:
    return {case.vector: case for case in report.cases}


def _notes(before: Report, after: Report) -> Iterable[str]:
    if before.subject.name != after.subject.name:
        yield f"two targets: {before.subject.name} and {after.subject.name}"
    if before.maker.catalogue_digest != after.maker.catalogue_digest:
        yield "the runs judged by two catalogues, so vectors may be new or lost for that reason"
    if before.verdict.claimed is not after.verdict.claimed:
        yield f"the runs claim {before.verdict.claimed} and {after.verdict.claimed}"
    if before.course.selection != after.course.selection:
        yield "the runs selected different parts"
    for report in (before, after):
        if not report.course.finished:
            yield f"run {report.run_id} did not reach its end"
