"""How far the suites cover the standard: positive and negative vectors per requirement."""

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from dtc_cli.core.model import Level, Requirement, Strength, Vector

POLARITIES = ("positive", "negative")


class RequirementCoverage(msgspec.Struct, frozen=True, kw_only=True):
    """The vectors of one requirement, counted by polarity."""

    id: str
    phase: int | str
    strength: Strength
    level: Level
    binds: str
    positive: int
    negative: int
    waived: dict[str, str]
    """Polarity to the reason why there can be no vector of it."""
    lacking: tuple[str, ...]
    """Polarities without vector and without waiver."""
    stale: tuple[str, ...]
    """Polarities that are waived although there is a vector."""


class PhaseCoverage(msgspec.Struct, frozen=True, kw_only=True):
    """Totals of one phase."""

    phase: int | str
    requirements: int
    must: int
    must_complete: int
    """MUSTs that have, or are excused from, a vector of either polarity."""
    positive: int
    negative: int
    begun: bool
    """Whether any vector of the phase judges a target; a phase without one is not judged."""


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """Coverage of a selection of requirements."""

    requirements: tuple[RequirementCoverage, ...]
    phases: tuple[PhaseCoverage, ...]
    lacking: tuple[str, ...]
    """`<id>/<polarity>` of every MUST of a begun phase that lacks a vector of it."""
    stale: tuple[str, ...]
    """`<id>/<polarity>` that is waived although there is a vector."""

    @property
    def complete(self) -> bool:
        """Whether nothing is lacking and no waiver is out of date."""
        return not (self.lacking or self.stale)


def measure(
    requirements: Iterable[Requirement], vectors: Iterable[Vector], waived: Mapping[str, str]
) -> Coverage:
    """Count the vectors of each requirement, in the order given.

    Args:
        requirements: the selection to report on.
        vectors: all vectors there are; whether a phase is begun depends on its vectors among the selection.
        waived: `<id>`, or `<id>/<polarity>`, to the reason why there can be no vector.
    """
    counts = Counter((vector.requirement, vector.polarity) for vector in vectors)
    rows = tuple(_row(requirement, counts, waived) for requirement in requirements)
    phases = tuple(_phase(phase, rows) for phase in dict.fromkeys(row.phase for row in rows))
    begun = {phase.phase for phase in phases if phase.begun}
    return Coverage(
        requirements=rows,
        phases=phases,
        lacking=tuple(
            f"{row.id}/{polarity}"
            for row in rows
            if row.strength is Strength.MUST and row.phase in begun
            for polarity in row.lacking
        ),
        stale=tuple(f"{row.id}/{polarity}" for row in rows for polarity in row.stale),
    )


def _row(
    requirement: Requirement, counts: Mapping[tuple[str, str], int], waived: Mapping[str, str]
) -> RequirementCoverage:
    reasons = {
        polarity: waived.get(f"{requirement.id}/{polarity}", waived.get(requirement.id, ""))
        for polarity in POLARITIES
    }
    found = {polarity: counts.get((requirement.id, polarity), 0) for polarity in POLARITIES}
    return RequirementCoverage(
        id=requirement.id,
        phase=requirement.phase,
        strength=requirement.strength,
        level=requirement.level,
        binds=requirement.binds,
        positive=found["positive"],
        negative=found["negative"],
        waived={polarity: reason for polarity, reason in reasons.items() if reason},
        lacking=tuple(p for p in POLARITIES if not found[p] and not reasons[p]),
        stale=tuple(p for p in POLARITIES if found[p] and reasons[p]),
    )


def _phase(phase: int | str, rows: Iterable[RequirementCoverage]) -> PhaseCoverage:
    own = [row for row in rows if row.phase == phase]
    must = [row for row in own if row.strength is Strength.MUST]
    return PhaseCoverage(
        phase=phase,
        requirements=len(own),
        must=len(must),
        must_complete=sum(not row.lacking for row in must),
        positive=sum(row.positive for row in own),
        negative=sum(row.negative for row in own),
        begun=any((row.positive or row.negative) and row.binds == "target" for row in own),
    )
