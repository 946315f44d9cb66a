"""No false alarm: the suites of Silver on twins of other makers, all of them within the standard."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from dtc_cli import console
from dtc_cli.harness.forked import Judge
from dtc_cli.harness.reference import running
from tests.support import forked
from tests.support.other_makers import MAKERS as FIRST
from tests.support.other_makers_forms import FORM_MAKERS
from tests.support.other_makers_more import MORE_MAKERS
from tests.support.relay import relayed

MAKERS = FIRST | MORE_MAKERS | FORM_MAKERS
SEED = "5"
ALARMS = ("failed", "error", "blocked")
JUDGED = "phase:2,!DTC-P2-104"
"""Names of events are heard on the stream, where no relay stands."""
QUIET = ("warned", "not_tested", "not_applicable")


def judged(target: Path, out: Path, select: str) -> dict[str, Any]:
    """The requirements as the real program judges them."""
    done = subprocess.run(
        [
            sys.executable, "-m", "dtc_cli", "test", str(target), "--select", select, "--seed", SEED,
            "--out", str(out), "--json",
        ],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    if not done.stdout.startswith("{"):
        sys.exit(f"no result (exit {done.returncode}):\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> int:
    """Judge each maker's twin; print what is not passed."""
    chosen = sys.argv[1:] or list(MAKERS)
    alarms = 0
    with tempfile.TemporaryDirectory(prefix="dtc-makers-") as folder, Judge() as judge:
        for name in chosen:
            own = Path(folder) / name
            own.mkdir()
            with running() as target, relayed(target, MAKERS[name](), own) as file:
                rows = forked.judged(judge, file, own / "runs", JUDGED)
            raised = {key: row for key, row in rows.items() if row[0] in ALARMS}
            alarms += len(raised)
            console.out(f"{name}: {len(rows)} requirements, {len(raised)} alarms")
            for key, (outcome, message) in rows.items():
                if outcome in ALARMS + QUIET:
                    console.out(f"  {key} {outcome}: {message}")
    console.out(f"{alarms} alarms in {len(chosen)} twins")
    return 1 if alarms else 0


if __name__ == "__main__":
    sys.exit(main())
