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
from dtc_cli.harness.reference import running
from tests.proofs.other_makers import ALARMS, judged
from tests.support.hole_door import Door, Hole
from tests.support.holes import HOLES
from tests.support.honest_makers import MAKERS
from tests.support.relay import relayed

DOORS = (
    "DTC-SEC-001,DTC-SEC-002,DTC-SEC-003,DTC-SEC-005,DTC-SEC-006,DTC-SEC-008,DTC-SEC-009,DTC-SEC-010,"
    "DTC-SEC-011,DTC-SEC-012,DTC-SEC-013,DTC-SEC-014,DTC-SEC-015,DTC-SEC-017,DTC-SEC-018"
)
"""What is judged at the API, where the relay stands."""


def outcomes(hole: Hole, select: str) -> dict[str, tuple[str, str]]:
    """What the suites say of a twin with one hole: outcome and message by requirement."""
    with tempfile.TemporaryDirectory(prefix="dtc-hole-") as name, running(level=Level.SILVER) as target:
        folder = Path(name)
        with relayed(target, Door(hole, target), folder) as file:
            found = judged(file, folder / "runs", select)
    return {
        key: (row["outcome"], row.get("message") or "") for key, row in found.get("requirements", {}).items()
    }


def holes(arguments: Sequence[str]) -> int:
    """Judge the chosen holes; 0 when each is seen."""
    numbers = [
        number
        for number, hole in enumerate(HOLES)
        if not arguments or str(number) in arguments or hole.requirement in arguments
    ]
    killed = 0
    for number in numbers:
        hole = HOLES[number]
        outcome, why = outcomes(hole, hole.requirement).get(hole.requirement, ("absent", ""))
        killed += outcome == "failed"
        console.out(f"{number:3} {hole.requirement} {hole.what}: {outcome} {why[:160]}")
    console.out(f"{killed} of {len(numbers)} holes blamed on the right requirement")
    return 0 if killed == len(numbers) else 1


def makers(arguments: Sequence[str]) -> int:
    """Judge the chosen honest twins; 0 when no alarm is raised."""
    raised = 0
    for name in arguments or MAKERS:
        rows = outcomes(MAKERS[name], DOORS)
        alarms = {key: row for key, row in rows.items() if row[0] in ALARMS}
        raised += len(alarms)
        console.out(f"{name}: {len(rows)} requirements, {len(alarms)} alarms")
        for key, (outcome, why) in rows.items():
            if outcome != "passed":
                console.out(f"  {key} {outcome}: {why[:200]}")
    console.out(f"{raised} alarms")
    return 1 if raised else 0


def main(arguments: Sequence[str]) -> int:
    """Judge holes, or honest makers."""
    if "--makers" in arguments:
        return makers([text for text in arguments if text != "--makers"])
    return holes(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
