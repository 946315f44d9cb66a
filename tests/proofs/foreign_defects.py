"""How the suites do on defects that are not among the faults of the bundled twin.

`scripts/prove foreign-defects` judges each with the vectors of its own requirement: is it seen?
`scripts/prove foreign-defects --full [NUMBER...]` judges all of phase 2: what else is blamed?
"""

import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from dtc_cli import console
from dtc_cli.harness.reference import running
from tests.proofs.other_makers import judged
from tests.support.defects import DEFECTS, Spoilt
from tests.support.relay import relayed


def attempt(number: int, *, full: bool) -> tuple[str, list[str]]:
    """The outcome of the defect's own requirement, and the other requirements that failed."""
    defect = DEFECTS[number]
    with tempfile.TemporaryDirectory(prefix="dtc-defect-") as name:
        folder = Path(name)
        with running() as target, relayed(target, Spoilt(defect), folder) as file:
            select = "phase:2" if full else defect.requirement
            found = judged(file, folder / "runs", select)
    if "requirements" not in found:  # the preflight refused the target: a mistake in it, seen all the same
        return f"no run ({found['error']['what']})", []
    rows: dict[str, Any] = found["requirements"]
    own = rows.get(defect.requirement, {}).get("outcome", "absent")
    others = [key for key, row in rows.items() if row["outcome"] == "failed" and key != defect.requirement]
    return own, others


def main(arguments: Sequence[str]) -> int:
    """Try the chosen defects, two at a time."""
    full = "--full" in arguments
    chosen = [int(text) for text in arguments if text.isdigit()] or list(range(len(DEFECTS)))
    killed = exact = 0
    with ThreadPoolExecutor(2) as pool:
        waiting = {pool.submit(attempt, number, full=full): number for number in chosen}
        for done in as_completed(waiting):
            number, (own, others) = waiting[done], done.result()
            killed += own == "failed"
            exact += own == "failed" and not others
            if own != "failed" or others:
                defect = DEFECTS[number]
                also = f"; also {', '.join(others)}" if others else ""
                console.out(f"{number:3} {defect.requirement} {defect.what}: {own}{also}")
    console.out(f"{killed} of {len(chosen)} defects blamed on the right requirement")
    if full:
        console.out(f"{exact} of them with nothing else failed in phase 2")
    return 0 if killed == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
