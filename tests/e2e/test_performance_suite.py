"""The performance suite on the bundled twin, small: no alarm, no pass, and defects are blamed."""

from pathlib import Path

import pytest
import yaml

from dtc_cli.harness.reference import running
from tests.e2e.conftest import Dtc, Result

SMALL = ("--load-scale", "0.002", "--json")
BY_THE_HARNESS = {"DTC-PERF-002"}
"""It says how a load is made, and holds at any size."""


@pytest.fixture(scope="module")
def judged(dtc: Dtc, twin: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    out = tmp_path_factory.mktemp("performance")
    return dtc("test", twin, "--select", "phase:performance", "--out", out, "--seed", "5", *SMALL), out


def test_a_scaled_run_raises_no_alarm_and_passes_nothing(judged: tuple[Result, Path]) -> None:
    done, _ = judged
    found = {name: one["outcome"] for name, one in done.json["requirements"].items()}
    assert {name for name, outcome in found.items() if outcome == "passed"} == BY_THE_HARNESS
    assert set(found.values()) == {"passed", "not_tested"}
    assert len(found) == 10
    assert done.code == 6


def test_what_was_created_is_gone(judged: tuple[Result, Path]) -> None:
    (folder,) = (path for path in judged[1].iterdir() if path.is_dir())
    planned = (folder / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    assert sum('"planned"' in line for line in planned) == sum('"undone"' in line for line in planned) > 100


def test_the_record_leads_to_the_same_verdicts(dtc: Dtc, judged: tuple[Result, Path]) -> None:
    (folder,) = (path for path in judged[1].iterdir() if path.is_dir())
    done = dtc("replay", folder, "--json")
    assert done.json["differences"] == []
    assert done.code == 0


@pytest.mark.parametrize("fault", ["DTC-PERF-005", "DTC-PERF-005-broker"])
def test_lost_readings_are_blamed(dtc: Dtc, tmp_path: Path, fault: str) -> None:
    with running(("--fault", fault)) as target:
        done = dtc("test", target, "--select", "DTC-PERF-005", "--out", tmp_path, *SMALL)
    assert (done.code, done.json["requirements"]["DTC-PERF-005"]["outcome"]) == (1, "failed")


def test_no_load_without_consent(dtc: Dtc, twin: Path, tmp_path: Path) -> None:
    kept = yaml.safe_load(twin.read_text(encoding="utf-8"))
    gentle = twin.parent / f"{tmp_path.name}.yaml"
    gentle.write_text(yaml.safe_dump({**kept, "hazards": ["read", "write"]}), encoding="utf-8")
    done = dtc("test", gentle, "--select", "DTC-PERF-001", "--out", tmp_path, *SMALL)
    assert done.json["requirements"]["DTC-PERF-001"]["outcome"] == "not_tested"
    assert "does not allow the hazard load" in str(done.json)


def test_connections_and_ingestion(dtc: Dtc, twin: Path, tmp_path: Path) -> None:
    crowd = dtc("load", "connections", twin, "--count", "60", "--hold", "1", "--out", tmp_path, "--json")
    assert (crowd.code, crowd.json["outcome"]) == (0, "scaled"), crowd.err
    assert crowd.json["by_door"] == {"stream": 30, "mqtt": 30}
    assert [one["heard"] for one in crowd.json["broadcasts"]] == [60, 60]
    assert "ulimit" in crowd.err
    fleet = dtc(
        "load", "ingestion", twin, "--sensors", "40", "--interval", "1", "--out", tmp_path, "--json"
    )  # fmt: skip
    assert (fleet.code, fleet.json["outcome"]) == (0, "scaled"), fleet.err
    assert fleet.json["accepted"] == {"rest": 20, "mqtt": 20}
    assert fleet.json["lost"] == fleet.json["doubled"] == fleet.json["foreign"] == 0
