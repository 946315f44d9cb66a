"""From judged vectors to one verdict per requirement: pure, so that anyone can recompute it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from dtc_cli.core.model import Finding, MatrixLine, Outcome, Requirement, Strength, Vector, Verdict

# Worst first: the first of these that any vector of a requirement has decides.
PRECEDENCE = (
    Outcome.FAILED,
    Outcome.ERROR,
    Outcome.BLOCKED,
    Outcome.NOT_TESTED,
    Outcome.WARNED,
    Outcome.PASSED,
    Outcome.NOT_APPLICABLE,
)
NO_VECTORS = {
    "target": "no suite tests this requirement yet",
    "programme": "binds the programme, not the target; dtc's own tests show it",
}
"""What is said of a requirement that no vector judges, by whom it binds."""


def roll_up(
    requirements: Iterable[Requirement],
    vectors: Iterable[Vector],
    lines: Iterable[MatrixLine],
    excluded: Mapping[str, str],
) -> tuple[Verdict, ...]:
    """One verdict per requirement, in the order of the requirements.

    Args:
        requirements: the catalogue entries of the run's level.
        vectors: the expected vectors (closed world); one without a line counts as not tested.
        lines: the judged vectors. Lines of vectors nobody expected are ignored here and refused by `verify`.
        excluded: requirement id to reason, from the target's profile (D-01).
    """
    expected: dict[str, list[str]] = defaultdict(list)
    for vector in vectors:
        expected[vector.requirement].append(vector.id)
    by_vector = {line.vector: line for line in lines}
    return tuple(
        _verdict(requirement, sorted(expected[requirement.id]), by_vector, excluded)
        for requirement in requirements
    )


def _verdict(
    requirement: Requirement,
    vectors: list[str],
    by_vector: Mapping[str, MatrixLine],
    excluded: Mapping[str, str],
) -> Verdict:
    if requirement.id in excluded:
        outcome, message = Outcome.NOT_APPLICABLE, f"excluded by the profile: {excluded[requirement.id]}"
    elif not vectors:
        outcome, message = Outcome.NOT_TESTED, NO_VECTORS[requirement.binds]
    else:
        outcome, message = _decide(requirement, vectors, by_vector)
    return Verdict(
        requirement=requirement.id,
        strength=requirement.strength,
        level=requirement.level,
        outcome=outcome,
        message=message,
        vectors=tuple(vectors),
    )


def _decide(
    requirement: Requirement, vectors: list[str], by_vector: Mapping[str, MatrixLine]
) -> tuple[Outcome, str]:
    judged = [(vector, by_vector.get(vector)) for vector in vectors]
    outcomes = [_counted(line) for _, line in judged]
    worst = next(outcome for outcome in PRECEDENCE if outcome in outcomes)
    message = next(
        _reason(vector, line)
        for (vector, line), outcome in zip(judged, outcomes, strict=True)
        if outcome is worst
    )
    if worst is Outcome.FAILED and requirement.strength is not Strength.MUST:
        return Outcome.WARNED, message
    unconditional = requirement.strength is Strength.MUST and not requirement.excusable
    if worst is Outcome.NOT_APPLICABLE and unconditional:
        # No hollow pass: an unconditional MUST that nothing exercised is open, whatever the vectors said.
        return Outcome.NOT_TESTED, message
    return worst, message


def _counted(line: MatrixLine | None) -> Outcome:
    """The outcome a line counts as: a missing line and a skip without a reason are open (DTC-P4-044)."""
    if line is None or (line.outcome is Outcome.NOT_APPLICABLE and not line.justification):
        return Outcome.NOT_TESTED
    return line.outcome


def _reason(vector: str, line: MatrixLine | None) -> str:
    if line is None:
        return f"{vector} was not run"
    if line.outcome is Outcome.NOT_APPLICABLE and not line.justification:
        return f"{vector} was left out without a reason"
    finding = line.finding or Finding()
    return line.justification or finding.message
