"""No false alarm: the suites of phase 3 on streams and brokers of other makers, all within the standard."""

import sys
import tempfile
from pathlib import Path

from dtc_cli import console
from tests.proofs.other_makers import ALARMS, judged
from tests.support.live_makers_more import ALL as MAKERS
from tests.support.live_twin import serving


def main() -> int:
    """Judge each maker's twin; print what is not passed."""
    chosen = sys.argv[1:] or list(MAKERS)
    alarms = 0
    for name in chosen:
        with tempfile.TemporaryDirectory(prefix="dtc-live-") as folder, serving(name, Path(folder)) as target:
            found = judged(target, Path(folder) / "runs", "phase:3")
        if "requirements" not in found:
            sys.exit(f"{name}: no run: {found['error']}")
        rows = found["requirements"]
        raised = {key: row for key, row in rows.items() if row["outcome"] in ALARMS}
        others = {key: row for key, row in rows.items() if row["outcome"] in ("warned", "not_tested")}
        alarms += len(raised)
        console.out(f"{name}: {len(rows)} requirements, {len(raised)} alarms")
        for key, row in {**raised, **others}.items():
            console.out(f"  {key} {row['outcome']}: {row['message']}")
    console.out(f"{alarms} alarms in {len(chosen)} twins")
    return 1 if alarms else 0


if __name__ == "__main__":
    sys.exit(main())
