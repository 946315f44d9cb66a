"""`dtc seed` writes what phase 1 needs, says what it wrote, and `dtc clean` takes it back."""

import re
import time
from pathlib import Path

import pytest

from dtc_cli.core.catalogue import load as catalogue
from dtc_cli.core.model import Level
from dtc_cli.core.records import NOT_BY_DOCUMENT, judge_text
from dtc_cli.core.target import load
from dtc_cli.harness.runner import Run
from dtc_cli.harness.twin import Twin
from suites.phase1.missing import is_seeded, needed
from tests.e2e.conftest import Dtc
from tests.e2e.test_clean import objects

REQUIREMENTS = [
    name
    for name, entry in catalogue().requirements.items()
    if entry.phase == 1 and name not in NOT_BY_DOCUMENT
]
EVERY_RECORD = (
    "DTC-P1-00",
    "DTC-P1-010",
    "DTC-P1-01",
    "DTC-P1-020",
    "DTC-P1-032",
    "DTC-P1-038",
    "DTC-P1-039",
    "DTC-P1-040",
)
SEEDED = ("DTC-P1-012", "DTC-P1-031", "DTC-P1-042", "DTC-P1-059", *(f"DTC-P1-0{n}" for n in range(60, 69)))


def test_seeded_data_exercises_the_rules_and_is_taken_back(dtc: Dtc, twin: Path, tmp_path: Path) -> None:
    before = look(twin, tmp_path / "before")
    done = dtc("seed", twin, "--out", tmp_path, "--json")
    assert done.code == 0, done.out + done.err
    assert (len(done.json["written"]), done.json["refused"]) == (10, [])
    assert len(objects(twin, done.json["run"])) == 5  # four, and the one that sensors are attached to
    after = look(twin, tmp_path / "after", done.json["written"][-1].split()[1])
    assert [rule for rule in SEEDED if not after.get(rule, 0) > before.get(rule, 0)] == []
    assert [rule for rule in REQUIREMENTS if is_seeded(rule) and not after.get(rule)] == []
    taken = dtc("clean", twin, "--run", done.json["folder"], "--json")
    assert (taken.code, taken.json["left"]) == (0, [])
    assert objects(twin, done.json["run"]) == []


def look(target: Path, out: Path, wanted: str = "") -> dict[str, int]:
    """How often each rule is exercised by what the target shows, once a text is in it.

    A snapshot is of a whole second, so what was just written shows in the next.
    """
    run = Run(load(target), Level.BRONZE, out=out, seed=0)
    twin = Twin(load(target), run.facts, run.folder)
    end = time.monotonic() + 60
    try:
        content = b""
        while not content or (wanted.encode() not in content and time.monotonic() < end):
            (content,) = (document.content for document in twin.documents.read(twin.clock.now()))
            twin.clock.wait(0.1)
        judgement = judge_text(content, now=twin.clock.now())
        assert list(judgement.errors) == []
        return dict(judgement.exercised)
    finally:
        twin.close()


def test_each_rule_that_documents_show_names_what_it_needs() -> None:
    """Rules that every record exercises need no name."""
    unnamed = {
        rule
        for rule in REQUIREMENTS
        if needed(rule).startswith("data that") and not rule.startswith(EVERY_RECORD)
    }
    assert unnamed == set()


def test_nothing_is_written_where_that_is_not_allowed(dtc: Dtc, twin: Path, tmp_path: Path) -> None:
    text = twin.read_text(encoding="utf-8")
    assert '"hazards"' in text
    shy = twin.parent / "shy.yaml"
    shy.write_text(re.sub(r'"hazards": ?\[[^]]*\]', '"hazards": ["read"]', text), encoding="utf-8")
    done = dtc("seed", shy, "--out", tmp_path, "--json")
    assert (done.code, done.json["error"]["code"]) == (2, "hazard")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("gone", ["127.0.0.1:9"])
def test_a_target_that_is_gone(dtc: Dtc, twin: Path, tmp_path: Path, gone: str) -> None:
    other = twin.parent / "gone.yaml"
    other.write_text(re.sub(r"127\.0\.0\.1:\d+", gone, twin.read_text(encoding="utf-8")), encoding="utf-8")
    done = dtc("seed", other, "--out", tmp_path, "--json")
    assert (done.code, done.json["error"]["code"]) == (7, "target-unreachable")
