"""50 ms on each round trip: the same Silver verdicts, in under three minutes."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from dtc_cli import console
from dtc_cli.harness.reference import running
from tests.support.faraway import far_target

ROUND_TRIP_S = 0.050
LIMIT_S = 180.0
SEED = "7"


def certified(target: Path, out: Path) -> tuple[dict[str, Any], float]:
    """The summary of a Silver certification by the real program, and how long it took."""
    begun = time.monotonic()
    done = subprocess.run(
        [
            sys.executable, "-m", "dtc_cli", "certify", str(target), "--level", "silver", "--seed", SEED,
            "--out", str(out), "--json",
        ],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    if not done.stdout.startswith("{"):
        sys.exit(f"the certification gave no result (exit {done.returncode}):\n{done.stderr}")
    summary: dict[str, Any] = json.loads(done.stdout)
    if "error" in summary:
        sys.exit(f"the certification gave no result: {summary['error']}")
    return summary, time.monotonic() - begun


def main() -> int:
    """Certify near and far, compare."""
    with tempfile.TemporaryDirectory(prefix="dtc-round-trip-") as folder:
        out = Path(folder)
        with running() as target:
            near, near_s = certified(target, out / "near")
        with running() as target, far_target(target, ROUND_TRIP_S) as (far_file, proxy):
            far, far_s = certified(far_file, out / "far")
            connections = proxy.connections
    console.out(f"near  {near_s:6.1f} s  level {near['level']['achieved']}  {near['totals']}")
    console.out(f"far   {far_s:6.1f} s  level {far['level']['achieved']}  {far['totals']}")
    console.out(f"      {ROUND_TRIP_S * 1000:.0f} ms added to each round trip, {connections} connections")
    different = [
        f"{name}: near {verdict['outcome']}, far {far['requirements'][name]['outcome']}: "
        f"{far['requirements'][name]['message'] or verdict['message']}"
        for name, verdict in near["requirements"].items()
        if verdict["outcome"] != far["requirements"][name]["outcome"]
    ]
    for line in different:
        console.out(line)
    in_time = far_s < LIMIT_S
    console.out(
        f"{'the same' if not different else 'DIFFERENT'} verdicts; "
        f"{'within' if in_time else 'NOT WITHIN'} {LIMIT_S:.0f} s"
    )
    return 0 if not different and in_time else 1


if __name__ == "__main__":
    sys.exit(main())
