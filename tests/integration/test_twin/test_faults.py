"""Faults in place: each shows in the answers of a started twin or in its validator, and nowhere else."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reference_server import instants
from reference_server.faults.table import FAULTS
from reference_server.rules import record

ROOT = Path(__file__).resolve().parents[3]

BLIND = """
import sys, json
from reference_server import validator
from reference_server.faults import phase1, refusals
snapshot = json.load(open(sys.argv[1]))
kept = validator.judge
problems = []
for key in sorted(phase1.BREAKS):
    raw = json.dumps(phase1.broken(snapshot, key)).encode()
    before = {item.requirement for item in kept(raw)}
    validator.judge = kept
    refusals._blind("DTC-P1-" + key[:3])()
    after = {item.requirement for item in validator.judge(raw)}
    if before != {"DTC-P1-" + key[:3]} or after:
        problems.append([key, sorted(before), sorted(after)])
print(json.dumps(problems))
"""


def test_each_blind_validator_misses_exactly_its_own_violation(untouched: Any, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text(
        json.dumps(untouched.get(f"/snapshots/{datetime.now(UTC).isoformat().replace('+00:00', 'Z')}"))
    )
    command = [sys.executable, "-c", BLIND, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


@pytest.mark.parametrize("fault", ["DTC-P1-010", "DTC-P1-066.maximum", "DTC-P1-085"])
def test_a_fault_shows_in_the_snapshot_of_a_started_twin(start: Callable[..., Any], fault: str) -> None:
    twin = start("--fault", fault)
    shown = twin.get(f"/snapshots/{datetime.now(UTC).isoformat().replace('+00:00', 'Z')}")
    found = record.judge(shown, now_us=instants.now_us())
    assert {item.requirement for item in found} == {FAULTS[fault].requirement}
    assert fault not in json.dumps(shown)
    assert "--fault" not in twin.settings["validator"]["command"]


def test_the_validator_is_told_only_of_what_changes_it(start: Callable[..., Any]) -> None:
    twin = start("--fault", "DTC-P1-025.refused", "--fault", "DTC-P1-010")
    assert twin.settings["validator"]["command"][-2:] == ["--fault", "DTC-P1-025.refused"]


def test_the_list_of_faults_is_json_with_reasons() -> None:
    command = [sys.executable, "-m", "reference_server", "faults"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    listed = json.loads(done.stdout)
    assert len(listed) == len(FAULTS)
    for one in listed:
        assert set(one) == {"id", "requirement", "why"}
        assert one["id"].startswith(one["requirement"])
        assert one["why"]


def test_only_the_command_line_knows_of_faults() -> None:
    for path in (ROOT / "reference_server").rglob("*.py"):
        if path.parent.name != "faults" and path.name not in ("__main__.py",):
            assert "reference_server.faults" not in path.read_text(), path
            assert "import faults" not in path.read_text(), path
