"""Requirement rows: what became of each requirement, with blocked ones folded under their root cause."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from dtc_cli.core.model import MatrixLine, Outcome, Requirement, Strength
from dtc_cli.core.model import Verdict as RequirementVerdict
from dtc_cli.core.report.model import READING_ORDER, SATISFIED, UNDECIDED, Exclusion, Row


def requirement_of(name: str) -> str:
    """The requirement that a prerequisite names: it may be a requirement id or a vector id."""
    return name.partition("/")[0]


def rows(
    verdicts: Sequence[RequirementVerdict],
    requirements: Mapping[str, Requirement],
    lines: Iterable[MatrixLine],
    excluded: Mapping[str, str],
) -> tuple[Row, ...]:
    """One row per requirement, in reading order: what needs attention first.

    A blocked requirement follows the one that blocks it, however long the chain, and names it as its
    root. Where the named prerequisite did not fail itself (or the chain is a ring), the row stands alone.
    """
    outcome = {verdict.requirement: verdict.outcome for verdict in verdicts}
    blockers: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        if line.outcome is Outcome.BLOCKED and line.blocked_by:
            name = requirement_of(line.blocked_by)
            if name not in blockers[line.requirement] and name != line.requirement:
                blockers[line.requirement].append(name)
    roots = {
        verdict.requirement: _root(verdict.requirement, blockers, outcome)
        for verdict in verdicts
        if verdict.outcome is Outcome.BLOCKED
    }
    folded: dict[str, list[str]] = defaultdict(list)
    for identifier, root in sorted(roots.items()):
        if root:
            folded[root].append(identifier)
    made = {
        verdict.requirement: _row(
            verdict,
            requirements[verdict.requirement],
            blocked_by=tuple(blockers.get(verdict.requirement, ())),
            root=roots.get(verdict.requirement, ""),
            blocks=tuple(folded.get(verdict.requirement, ())),
            excluded=verdict.requirement in excluded,
        )
        for verdict in verdicts
    }
    standing = sorted(
        (row for row in made.values() if not row.root),
        key=lambda row: (_place(row), not row.holds_back, -len(row.blocks), row.id),
    )
    return tuple(row for head in standing for row in (head, *(made[name] for name in head.blocks)))


def _place(row: Row) -> int:
    """Where a row stands; what binds the programme and was not decided asks nothing of the reader (D-04)."""
    if row.binds != "target" and row.outcome in UNDECIDED:
        return len(READING_ORDER)
    return READING_ORDER.index(row.outcome)


def _root(start: str, blockers: Mapping[str, Sequence[str]], outcome: Mapping[str, Outcome]) -> str:
    """The first requirement up the chain that is open for a reason of its own; empty when there is none."""
    seen, waiting = {start}, [start]
    while waiting:
        for name in blockers.get(waiting.pop(0), ()):
            if name in seen or outcome.get(name, Outcome.PASSED) in SATISFIED:
                continue
            if outcome[name] is not Outcome.BLOCKED:
                return name
            seen.add(name)
            waiting.append(name)
    return ""


def _row(
    verdict: RequirementVerdict,
    entry: Requirement,
    *,
    blocked_by: tuple[str, ...],
    root: str,
    blocks: tuple[str, ...],
    excluded: bool,
) -> Row:
    counts = entry.strength is Strength.MUST and entry.binds == "target"
    return Row(
        id=entry.id,
        title=entry.title,
        statement=entry.statement,
        clause=entry.clause,
        phase=str(entry.phase),
        check=entry.check,
        strength=entry.strength,
        level=entry.level,
        binds=entry.binds,
        when=entry.when or "",
        partly=entry.partly or "",
        outcome=verdict.outcome,
        message=verdict.message,
        vectors=verdict.vectors,
        interpretations=entry.interpretations,
        ambiguity=entry.ambiguity or "",
        error_code=entry.error_code or "",
        blocked_by=blocked_by,
        root=root,
        blocks=blocks,
        holds_back=counts and (verdict.outcome not in SATISFIED or (excluded and not entry.excusable)),
    )


def exclusions(
    excluded: Mapping[str, str],
    requirements: Mapping[str, Requirement],
    lines: Iterable[MatrixLine],
) -> tuple[Exclusion, ...]:
    """What the profile leaves out, sorted by id, each with whether that costs the level (D-01)."""
    ran: dict[str, list[Outcome]] = defaultdict(list)
    for line in lines:
        ran[line.requirement].append(line.outcome)
    return tuple(
        Exclusion(
            requirement=name,
            title=entry.title if entry else "",
            reason=reason,
            holds_back=entry is not None
            and entry.strength is Strength.MUST
            and entry.binds == "target"
            and not entry.excusable,
            note=_note(entry, ran.get(name, ())),
        )
        for name, reason, entry in ((n, r, requirements.get(n)) for n, r in sorted(excluded.items()))
    )


def _note(entry: Requirement | None, outcomes: Sequence[Outcome]) -> str:
    if entry is None:
        return "no requirement of this run's level has this id"
    if outcomes and all(outcome is Outcome.PASSED for outcome in outcomes):
        return "its tests passed all the same"
    return ""
