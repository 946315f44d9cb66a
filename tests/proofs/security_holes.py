"""How the security suites do on holes that are not among the faults of the bundled twin.

`scripts/prove security-holes [NUMBER... | DTC-SEC-nnn...]` judges each with the vectors of its requirement.
`scripts/prove security-holes --makers [NAME...]` judges honest twins that answer otherwise: any alarm?
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from dtc_cli import console
from dtc_cli.core.model import Level
from dtc_cli.harness.forked import Judge
from dtc_cli.harness.reference import running
from tests.proofs.other_makers import ALARMS
from tests.support.forked import judged
from tests.support.hole_door import Door, Hole
from tests.support.holes import HOLES
from tests.support.honest_makers import MAKERS
from tests.support.relay import relayed

DOORS = (
    "DTC-SEC-001,DTC-SEC-002,DTC-SEC-003,DTC-SEC-005,DTC-SEC-006,DTC-SEC-008,DTC-SEC-009,DTC-SEC-010,"
    "DTC-SEC-011,DTC-SEC-012,DTC-SEC-013,DTC-SEC-014,DTC-SEC-015,DTC-SEC-017,DTC-SEC-018"
)
"""What is judged at the API, where the relay stands."""


SHARED = 10
"""Holes that one twin is used for."""


def outcomes(judge: Judge, target: Path, hole: Hole, select: str) -> dict[str, tuple[str, str]]:
    """What the suites say of a twin with one hole: outcome and message by requirement."""
    with tempfile.TemporaryDirectory(prefix="dtc-hole-") as name:
        folder = Path(name)
        with relayed(target, Door(hole, target), folder) as file:
            return judged(judge, file, folder / "runs", select, level=Level.PLATINUM)


def holes(judge: Judge, arguments: Sequence[str]) -> int:
    """Judge the chosen holes; 0 when each is seen."""
    numbers = [
        number
        for number, hole in enumerate(HOLES)
        if not arguments or str(number) in arguments or hole.requirement in arguments
    ]
    killed = 0
    for first in range(0, len(numbers), SHARED):
        with running() as target:
            for number in numbers[first : first + SHARED]:
                hole = HOLES[number]
                found = outcomes(judge, target, hole, hole.requirement)
                outcome, why = found.get(hole.requirement, ("absent", ""))
                killed += outcome == "failed"
                console.out(f"{number:3} {hole.requirement} {hole.what}: {outcome} {why[:160]}")
                sys.stdout.flush()
    console.out(f"{killed} of {len(numbers)} holes blamed on the right requirement")
    return 0 if killed == len(numbers) else 1


def makers(judge: Judge, arguments: Sequence[str]) -> int:
    """Judge the chosen honest twins; 0 when no alarm is raised."""
    raised = 0
    for name in arguments or MAKERS:
        with running() as target:
            rows = outcomes(judge, target, MAKERS[name], DOORS)
        alarms = {key: row for key, row in rows.items() if row[0] in ALARMS}
        raised += len(alarms)
        console.out(f"{name}: {len(rows)} requirements, {len(alarms)} alarms")
        for key, (outcome, why) in rows.items():
            if outcome != "passed":
                console.out(f"  {key} {outcome}: {why[:240]}")
        sys.stdout.flush()
    console.out(f"{raised} alarms")
    return 1 if raised else 0


def main(arguments: Sequence[str]) -> int:
    """Judge holes, or honest makers."""
    with Judge(("security",)) as judge:
        if "--makers" in arguments:
            return makers(judge, [text for text in arguments if text != "--makers"])
        return holes(judge, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
