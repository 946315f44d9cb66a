"""Running some suite modules against a target and rolling up what they say."""

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from dtc_cli.core.runfolder import MATRIX, VECTORS
from dtc_cli.core.verdicts import PRECEDENCE
from dtc_cli.harness.runner import prepare_by_hand
from dtc_cli.paths import SUITES


def judge(target: Path, modules: Iterable[str], folder: Path) -> dict[str, str]:
    """The outcome of each requirement that the modules (paths below suites/) have vectors of.

    The vectors come from the modules themselves, so that the listing in the catalogue does not matter.
    """
    files = [str(SUITES / module) for module in modules]
    listing = folder / "vectors.json"
    _pytest(["--collect-only", "-qq", "--dtc-vectors", str(listing), *files])
    run = prepare_by_hand(target)
    (run / VECTORS).write_bytes(listing.read_bytes())
    done = _pytest(["-s", "--dtc-run", str(run), "--target", str(target), *files])
    lines = [json.loads(line) for line in (run / MATRIX).read_text(encoding="utf-8").splitlines()]
    assert len(lines) == len(json.loads(listing.read_bytes())), done.stdout + done.stderr
    outcomes: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        outcomes[line["requirement"]].add(line["outcome"])
    return {
        requirement: next(outcome.value for outcome in PRECEDENCE if outcome.value in found)
        for requirement, found in sorted(outcomes.items())
    }


def with_outcome(verdicts: dict[str, str], *outcomes: str) -> list[str]:
    """The requirements with one of the outcomes, without their common prefix."""
    return [requirement.removeprefix("DTC-") for requirement, found in verdicts.items() if found in outcomes]


def _pytest(arguments: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pytest", "-c", str(SUITES / "pytest.ini"), "--rootdir", str(SUITES)]
    return subprocess.run(
        [*command, *arguments],
        cwd=SUITES.parent,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
