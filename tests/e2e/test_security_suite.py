"""The security suite on the bundled twin: no alarm, a record to judge again, no attack without consent."""

from pathlib import Path

import pytest
import yaml

from dtc_cli.core.model import Level
from dtc_cli.harness.reference import running
from tests.e2e.conftest import Dtc, Result
from tests.support.hole_door import Door
from tests.support.holes import HOLES
from tests.support.relay import relayed

NOT_FROM_OUTSIDE = {"DTC-SEC-023", "DTC-SEC-024"}


@pytest.fixture(scope="module")
def judged(dtc: Dtc, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    out = tmp_path_factory.mktemp("security")
    with running(level=Level.PLATINUM) as target:
        return dtc("test", target, "--select", "phase:security", "--out", out, "--seed", "5", "--json"), out


def test_no_alarm(judged: tuple[Result, Path]) -> None:
    done, _ = judged
    outcomes = {name: found["outcome"] for name, found in done.json["requirements"].items()}
    alarms = {name: outcome for name, outcome in outcomes.items() if outcome != "passed"}
    assert alarms == dict.fromkeys(NOT_FROM_OUTSIDE, "not_tested")
    assert len(outcomes) >= 18
    assert done.code == 0


def test_the_record_leads_to_the_same_verdicts(dtc: Dtc, judged: tuple[Result, Path]) -> None:
    (folder,) = (path for path in judged[1].iterdir() if path.is_dir())
    done = dtc("replay", folder, "--json")
    assert done.json["differences"] == []
    assert done.code == 0


@pytest.mark.parametrize(
    ("fault", "requirement"),
    [
        ("DTC-SEC-001-forwarded", "DTC-SEC-001"),
        ("DTC-SEC-014", "DTC-SEC-014"),
        ("DTC-SEC-010", "DTC-SEC-010"),
    ],
)
def test_a_defect_is_blamed(dtc: Dtc, tmp_path: Path, fault: str, requirement: str) -> None:
    with running(("--fault", fault), Level.PLATINUM) as target:
        done = dtc("test", target, "--select", requirement, "--out", tmp_path, "--json")
    assert (done.code, done.json["requirements"][requirement]["outcome"]) == (1, "failed")


def test_a_hole_of_another_maker_is_blamed(dtc: Dtc, tmp_path: Path) -> None:
    """The others are in `scripts/prove security-holes`."""
    hole = next(one for one in HOLES if "null" in one.what and one.requirement == "DTC-SEC-014")
    with running() as target, relayed(target, Door(hole, target), tmp_path) as file:
        done = dtc("test", file, "--select", hole.requirement, "--out", tmp_path, "--json")
    assert done.json["requirements"][hole.requirement]["outcome"] == "failed"


def test_no_attack_without_consent(dtc: Dtc, tmp_path: Path) -> None:
    with running(level=Level.PLATINUM) as target:
        kept = yaml.safe_load(target.read_text(encoding="utf-8"))
        gentle = target.parent / "gentle.yaml"
        gentle.write_text(yaml.safe_dump({**kept, "hazards": ["read", "write"]}), encoding="utf-8")
        done = dtc("test", gentle, "--select", "DTC-SEC-001", "--out", tmp_path, "--json")
    assert done.json["requirements"]["DTC-SEC-001"]["outcome"] == "not_tested"
    assert done.code == 6
