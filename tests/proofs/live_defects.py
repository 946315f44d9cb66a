"""How the suites of phase 3 do on defects that are not among the faults of the bundled twin.

`scripts/prove live-defects [NUMBER...]` judges each with the vectors of its own requirement: is it seen?
`--full` judges all of phase 3: what else is blamed?
"""

import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from dtc_cli import console
from tests.proofs.other_makers import judged
from tests.support.live_defects_broker import ALL
from tests.support.live_twin import serving

AT_A_TIME = 3
"""Twins judged side by side: their suites wait more than they compute."""


def attempt(number: int, *, full: bool) -> tuple[str, list[str]]:
    """The outcome of the defect's own requirement, and the other requirements that failed."""
    defect = ALL[number]
    with tempfile.TemporaryDirectory(prefix="dtc-live-") as name, serving(str(number), Path(name)) as target:
        own_vectors = f"{defect.requirement}/{defect.vector}" if defect.vector else defect.requirement
        found = judged(target, Path(name) / "runs", "phase:3" if full else own_vectors)
    if "requirements" not in found:
        return f"no run ({found['error']['what']})", []
    rows: dict[str, Any] = found["requirements"]
    own = rows.get(defect.requirement, {})
    others = [key for key, row in rows.items() if row["outcome"] == "failed" and key != defect.requirement]
    return f"{own.get('outcome', 'absent')} {own.get('message') or ''}".strip(), others


def main(arguments: Sequence[str]) -> int:
    """Try the chosen defects."""
    full = "--full" in arguments
    chosen = [int(text) for text in arguments if text.isdigit()] or list(range(len(ALL)))
    killed = exact = 0
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        waiting = {pool.submit(attempt, number, full=full): number for number in chosen}
        for done in as_completed(waiting):
            number, (own, others) = waiting[done], done.result()
            seen = own.startswith("warned" if ALL[number].vector else "failed")
            killed += seen
            exact += seen and not others
            if not seen or others:
                defect = ALL[number]
                also = f"; also {', '.join(others)}" if others else ""
                console.out(f"{number:3} {defect.requirement} {defect.what}: {own}{also}")
    mild = sum(ALL[number].vector != "" for number in chosen)
    console.out(
        f"{killed} of {len(chosen)} defects blamed on the right requirement, {mild} of them by a warning"
    )
    if full:
        console.out(f"{exact} of them with nothing else failed in phase 3")
    return 0 if killed == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
