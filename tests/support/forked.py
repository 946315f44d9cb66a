"""Judging many targets quickly: the suites are collected once, and each judgement is a fork of that process.

What is judged and how is the same as in `dtc test`, without the preflight.
"""

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from dtc_cli.core.model import Level
from dtc_cli.core.runfolder import MATRIX
from dtc_cli.core.target import load as load_target
from dtc_cli.core.verdicts import PRECEDENCE
from dtc_cli.harness.runner import Run
from dtc_cli.paths import SUITES

Verdicts = dict[str, tuple[str, str]]
"""Requirement to outcome and message: that of the first vector with this outcome, after the vector's id."""


class Judge:
    """A process that judges; a context, one job at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.fork_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=SUITES.parent,
            env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        )
        self._read()

    def __enter__(self) -> "Judge":
        """The process itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self._process.communicate(timeout=60)

    def judge(self, target: Path, out: Path, select: str, *, seed: int = 5) -> Verdicts:
        """The requirements that a selection judges.

        Raises:
            RuntimeError: when there is no judgement.
        """
        run = Run(load_target(target), Level.SILVER, out=out, seed=seed, select=select)
        job = {"folder": str(run.folder.resolve()), "target": str(target.resolve())}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        status = self._read()["status"]
        rows: dict[str, dict[str, str]] = defaultdict(dict)
        for line in (run.folder / MATRIX).read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            said = (row.get("finding") or {}).get("message") or row.get("justification") or ""
            rows[row["requirement"]].setdefault(row["outcome"], f"{row['vector']}: {said}")
        if status != 0 or not rows:
            raise RuntimeError(f"no judgement ({status}): {(run.folder / 'fork.txt').read_text()[-2000:]}")
        found: Verdicts = {}
        for requirement, by_outcome in sorted(rows.items()):
            worst = next(outcome.value for outcome in PRECEDENCE if outcome.value in by_outcome)
            found[requirement] = (worst, by_outcome[worst])
        return found

    def _read(self) -> dict[str, int]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the judging process is gone")
        answer: dict[str, int] = json.loads(line)
        return answer
