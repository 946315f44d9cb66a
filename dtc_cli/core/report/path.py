"""The shortest path to the next level: the fewest things to do, root causes first, with what each frees."""

from collections.abc import Iterable

from dtc_cli.core.model import LEVELS, Level, Outcome
from dtc_cli.core.report.model import UNDECIDED, LevelRow, Path, Row, Step
from dtc_cli.core.report.words import Standing, count, ending, name_of

ACTIONS = {
    Outcome.FAILED: "Make the product meet it",
    Outcome.ERROR: "Run it again: it could not be decided, which is not a fault shown in the product",
    Outcome.BLOCKED: "Clear what blocks it",
    Outcome.NOT_TESTED: "Let it be tested",
    Outcome.WARNED: "Mend it, because others depend on it",
}
NO_TEST = "Wait for a version of dtc that tests it"


def path(standing: Standing) -> Path:
    """What is left to do for the level after the achieved one."""
    if standing.achieved is standing.claimed and standing.claimed is not Level.NONE:
        return _beyond(standing.claimed)
    level = next((row for row in standing.levels if not row.reached), None)
    if level is None:
        return Path(level=None, words="No level was asked for.", steps=())
    waiting = _waiting(level, standing)
    steps = (
        *_run_steps(standing, waiting),
        *_merged(_requirement_steps(level, standing.rows, set(waiting))),
        *_exclusion_steps(level, standing),
    )
    if not steps:
        words = f"{name_of(level.level)} needs a run with the requirements of that level."
        return Path(level=level.level, words=words, steps=())
    words = f"{count(len(steps), 'step')} to {name_of(level.level)}, root causes first."
    return Path(level=level.level, words=words, steps=steps)


def _beyond(claimed: Level) -> Path:
    if claimed.rank + 1 > LEVELS[-1].rank:
        return Path(level=None, words="There is no higher level.", steps=())
    above = LEVELS[claimed.rank]
    return Path(
        level=above,
        words=f"This run did not look at {name_of(above)}: dtc certify TARGET --level {above.value} shows "
        "what is missing for it.",
        steps=(),
    )


def _waiting(level: LevelRow, standing: Standing) -> tuple[str, ...]:
    """The requirements for which nothing has to be done but to let the run go to its end."""
    if standing.course.finished and standing.course.selection_complete:
        return ()
    return tuple(
        row.id
        for row in standing.rows
        if row.id in level.undecided and row.outcome is Outcome.NOT_TESTED and row.id in standing.not_reached
    )


def _run_steps(standing: Standing, waiting: tuple[str, ...]) -> list[Step]:
    course, steps = standing.course, []
    if not course.finished:
        steps.append(_of_run("Let a run reach its end", f"this one {ending(course)}", waiting))
    if not course.selection_complete:
        reason = f"only these were run: {course.selection or 'a part'}"
        steps.append(_of_run("Run all tests of the level", reason, () if steps else waiting))
    return steps


def _of_run(action: str, reason: str, frees: tuple[str, ...]) -> Step:
    return Step(action=action, requirement="", title="", reason=reason, also=(), frees=frees)


def _requirement_steps(level: LevelRow, rows: Iterable[Row], waiting: set[str]) -> list[Step]:
    open_ones = {*level.failed, *level.undecided} - waiting
    by_id = {row.id: row for row in rows}
    frees: dict[str, list[str]] = {}
    for row in by_id.values():
        if row.id in open_ones:
            # A root that binds nothing itself (a SHOULD, say) is still the thing to put right.
            frees.setdefault(row.root or row.id, [])
            if row.root:
                frees[row.root].append(row.id)
    steps = [_step(by_id[name], tuple(freed)) for name, freed in frees.items() if name not in waiting]
    order = {name: place for place, name in enumerate(frees)}
    return sorted(steps, key=lambda step: (-len(step.frees), order[step.requirement]))


def _step(row: Row, frees: tuple[str, ...]) -> Step:
    untested = row.outcome in UNDECIDED and not row.vectors
    return Step(
        action=NO_TEST if untested else ACTIONS.get(row.outcome, "Look into it"),
        requirement=row.id,
        title=row.title,
        reason=row.message,
        also=(),
        frees=frees,
    )


def _merged(steps: Iterable[Step]) -> list[Step]:
    """One step for all that were left undecided for the same reason; each failure stays a step of its own."""
    made: dict[tuple[str, str], Step] = {}
    for step in steps:
        own = step.requirement if step.action == ACTIONS[Outcome.FAILED] else ""
        key = (step.action, own or step.reason)
        first = made.get(key)
        if first is None:
            made[key] = step
        else:
            made[key] = Step(
                action=first.action,
                requirement=first.requirement,
                title=first.title,
                reason=first.reason,
                also=(*first.also, step.requirement),
                frees=(*first.frees, *step.frees),
            )
    return list(made.values())


def _exclusion_steps(level: LevelRow, standing: Standing) -> list[Step]:
    return [
        Step(
            action="Build it, and take it out of the profile's exclusions",
            requirement=entry.requirement,
            title=entry.title,
            reason=f"left out: {entry.reason}",
            also=(),
            frees=(),
        )
        for entry in standing.exclusions
        if entry.requirement in level.excluded
    ]
