"""The level rule (P4 8.1): every MUST up to the level is satisfied, or excused by a closed condition."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from dtc_cli.core.model import LEVELS, Level, LevelResult, Outcome, Requirement, Strength, Verdict
from dtc_cli.exit_codes import ExitCode

UNDECIDED = (Outcome.ERROR, Outcome.BLOCKED, Outcome.NOT_TESTED)


def judge_levels(
    verdicts: Iterable[Verdict],
    requirements: Mapping[str, Requirement],
    claimed: Level,
    excluded: Mapping[str, str],
) -> tuple[LevelResult, ...]:
    """One result per level up to the claimed one, lowest first.

    A level counts everything below it too. SHOULD and MAY entries and those that bind the programme
    (D-04) never count. An excluded MUST counts against the level unless the catalogue marks it
    conditional (D-01).
    """
    counted = [
        verdict
        for verdict in verdicts
        if verdict.strength is Strength.MUST and requirements[verdict.requirement].binds == "target"
    ]
    return tuple(
        _result(level, counted, requirements, excluded) for level in LEVELS if level.rank <= claimed.rank
    )


def _result(
    level: Level,
    counted: list[Verdict],
    requirements: Mapping[str, Requirement],
    excluded: Mapping[str, str],
) -> LevelResult:
    of_level = [verdict for verdict in counted if verdict.level.rank <= level.rank]
    failed = tuple(v.requirement for v in of_level if v.outcome is Outcome.FAILED)
    undecided = tuple(v.requirement for v in of_level if v.outcome in UNDECIDED)
    unexcused = tuple(
        v.requirement
        for v in of_level
        if v.requirement in excluded and not requirements[v.requirement].excusable
    )
    return LevelResult(
        level=level,
        reached=bool(of_level) and not (failed or undecided or unexcused),
        failed=failed,
        undecided=undecided,
        excluded=unexcused,
    )


class Held(Protocol):
    """What an exit code depends on, of a level's result or of its row in a report."""

    @property
    def reached(self) -> bool: ...  # noqa: D102
    @property
    def failed(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def undecided(self) -> tuple[str, ...]: ...  # noqa: D102


def exit_code(results: Iterable[Held]) -> ExitCode:
    """The exit code of a certification (D-06), from the results up to the claimed level.

    A failed MUST decides before one that is undecided; an excluded MUST that is not conditional leaves
    the level unreached. SHOULDs never count.
    """
    results = tuple(results)
    if any(result.failed for result in results):
        return ExitCode.NOT_CONFORMANT
    if any(result.undecided for result in results):
        return ExitCode.INCOMPLETE
    return ExitCode.OK if all(result.reached for result in results) else ExitCode.NOT_CONFORMANT


def achieved(results: Iterable[LevelResult]) -> Level:
    """The highest level that is reached together with all below it; `none` when Bronze is not."""
    best = Level.NONE
    for result in sorted(results, key=lambda result: result.level.rank):
        if not result.reached:
            break
        best = result.level
    return best
