"""What the suites say of a target, judged by a process that has them ready."""

import json
from collections import defaultdict
from pathlib import Path

from dtc_cli.core.model import Level
from dtc_cli.core.runfolder import MATRIX
from dtc_cli.core.target import load as load_target
from dtc_cli.core.verdicts import PRECEDENCE
from dtc_cli.harness.forked import Judge
from dtc_cli.harness.runner import Run

Verdicts = dict[str, tuple[str, str]]
"""Requirement to outcome and message: that of the first vector with this outcome, after the vector's id."""


def judged(
    judge: Judge, target: Path, out: Path, select: str, *, seed: int = 5, level: Level = Level.SILVER
) -> Verdicts:
    """The requirements that a selection judges, up to Silver; without the preflight."""
    run = Run(load_target(target), level, out=out, seed=seed, select=select)
    judge.judge(run)
    rows: dict[str, dict[str, str]] = defaultdict(dict)
    for line in (run.folder / MATRIX).read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        said = (row.get("finding") or {}).get("message") or row.get("justification") or ""
        rows[row["requirement"]].setdefault(row["outcome"], f"{row['vector']}: {said}")
    found: Verdicts = {}
    for requirement, by_outcome in sorted(rows.items()):
        worst = next(outcome.value for outcome in PRECEDENCE if outcome.value in by_outcome)
        found[requirement] = (worst, by_outcome[worst])
    return found
