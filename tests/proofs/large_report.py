"""A run of 34,000 vectors has a report in every format, of a size that people and programs can open."""

import resource
import tempfile
import time
from pathlib import Path

from dtc_cli import console
from dtc_cli.core.report import build
from dtc_cli.reports import FORMATS
from tests.support import report_runs


def main() -> int:
    """Render every format once and print what it cost; 0 when counts and sizes are as they should be."""
    with tempfile.TemporaryDirectory(prefix="dtc-prove-") as name:
        run = report_runs.large(Path(name) / "run", 100)
        begun = time.process_time()
        report = build(run)
        console.out(f"model {time.process_time() - begun:.1f} CPU s")
        sizes = {}
        for fmt, render in FORMATS.items():
            begun = time.process_time()
            sizes[fmt] = len(render(report))
            console.out(f"{fmt} {sizes[fmt] / 1e6:.1f} MB, {time.process_time() - begun:.1f} CPU s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    console.out(f"peak memory {peak:.0f} MiB")
    vectors = report.totals.vectors
    good = (vectors["failed"], vectors["passed"]) == (34, 33_966)
    return 0 if good and sizes["html"] < 20_000_000 and sizes["text"] < 100_000 else 1


if __name__ == "__main__":
    raise SystemExit(main())
