"""The run looking at itself: what the annexes demand of the programme is judged on its own lines (D-04)."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random

import msgspec

from dtc_cli.core import levels, runfolder, verdicts
from dtc_cli.core.model import Level, MatrixLine, Outcome, Requirement, Strength


class OwnRun:
    """The plan and the lines of the run that is going on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._plan = runfolder.read(folder)
        self.claimed = Level(self._plan.run["level"]["claimed"])
        self._requirements: dict[str, Requirement] = {entry.id: entry for entry in self._plan.requirements}

    @property
    def planned(self) -> frozenset[str]:
        """The requirements that vectors of the plan judge."""
        return frozenset(vector.requirement for vector in self._plan.vectors)

    def lines(self) -> tuple[MatrixLine, ...]:
        """What was judged so far."""
        return runfolder.read(self._folder).lines

    def failed(self) -> tuple[str, ...]:
        """The requirements with a failed vector so far, in the order in which they failed."""
        return tuple(
            dict.fromkeys(line.requirement for line in self.lines() if line.outcome is Outcome.FAILED)
        )

    def flawless(self) -> list[MatrixLine]:
        """A passed line for every vector of the plan."""
        return [
            MatrixLine(
                vector=vector.id,
                requirement=vector.requirement,
                level=self._requirements[vector.requirement].level,
                strength=self._requirements[vector.requirement].strength,
                outcome=Outcome.PASSED,
                justification=None,
                blocked_by=None,
                started_at=self._plan.run["startedAt"],
                duration_ms=0,
                attempts=(),
                seed=self._plan.run["seed"],
                events=(0, -1),
                request_digest=None,
                response_digest=None,
                finding=None,
            )
            for vector in self._plan.vectors
        ]

    def spoilt(self, random: Random, outcome: Outcome) -> tuple[Requirement, list[MatrixLine]]:
        """A flawless run in which all lines of one MUST have this outcome, without a reason."""
        lines = self.flawless()
        counting = sorted({line.requirement for line in lines if self._counts(line.requirement)})
        chosen = self._requirements[random.choice(counting)]
        changed = [
            msgspec.structs.replace(line, outcome=outcome) if line.requirement == chosen.id else line
            for line in lines
        ]
        return chosen, changed

    def achieved(self, lines: Iterable[MatrixLine]) -> Level:
        """The level that these lines give by the level rule (P4 8.1)."""
        excluded = self._plan.excluded
        judged = verdicts.roll_up(self._requirements.values(), self._plan.vectors, lines, excluded)
        return levels.achieved(levels.judge_levels(judged, self._requirements, self.claimed, excluded))

    def without_vectors(self) -> Sequence[str]:
        """Compulsory requirements of the plan that no vector judges, or that the profile leaves out."""
        return [name for name in self._requirements if self._counts(name) and name not in self.planned]

    def _counts(self, requirement: str) -> bool:
        entry = self._requirements[requirement]
        return entry.strength is Strength.MUST and entry.binds == "target"
