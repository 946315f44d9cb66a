"""Runs that were interrupted, killed, damaged or partial: the report says so and reaches nothing."""

import json
from pathlib import Path

import msgspec
import pytest

from dtc_cli.core.canonical import sha256_hex
from dtc_cli.core.model import Level, Outcome
from dtc_cli.core.report import build
from dtc_cli.errors import DtcError
from tests.support import report_runs as runs
from tests.support.report_runs import case, http, line, requirement, row, vector


@pytest.fixture
def ordinary(tmp_path: Path) -> Path:
    return runs.ordinary(tmp_path / "run")


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ("running", "was killed, or is still going on"),
        ("interrupted", "was interrupted"),
        ("aborted", "was given up before its end"),
        ("strange", "did not reach its end (status strange)"),
    ],
)
def test_an_unfinished_run_says_so_and_reaches_nothing(tmp_path: Path, status: str, says: str) -> None:
    run = runs.make(
        tmp_path / "run",
        requirements=[requirement("R")],
        vectors=[vector("R/a")],
        lines=[line("R/a")],
        status=status,
        finishedAt=None,
        events=[],
    )
    report = build(run)
    assert report.verdict.achieved is Level.NONE
    assert says in " ".join(report.verdict.sentences)
    assert "1 of 1 tests had their turn" in " ".join(report.verdict.sentences)
    assert report.path.steps[0].action == "Let a run reach its end"
    assert report.levels[0].words == "not reached"


def test_a_part_of_the_tests_reaches_nothing(tmp_path: Path) -> None:
    run = runs.make(
        tmp_path / "run",
        requirements=[requirement("R")],
        vectors=[vector("R/a")],
        lines=[line("R/a")],
        selection={"complete": False, "expression": "phase1"},
    )
    report = build(run)
    assert report.verdict.achieved is Level.NONE
    assert "Only a part of the tests was run, and a part can reach no level." in report.verdict.sentences
    assert "Bronze is held back because not all tests were run." in report.verdict.sentences
    assert report.path.steps[0].reason == "only these were run: phase1"


def test_a_killed_run_shows_what_was_under_way(tmp_path: Path) -> None:
    run = runs.make(
        tmp_path / "run",
        requirements=[requirement("R")],
        vectors=[vector("R/a"), vector("R/b"), vector("R/c")],
        lines=[line("R/a", events=(0, 0))],
        events=[http(0, "R/a"), http(1, "R/b"), http(2, "R/b")],
        status="running",
        finishedAt=None,
    )
    with (run / "matrix.jsonl").open("ab") as matrix:
        matrix.write(b'{"vector": "R/b", "requi')
    with (run / "events.jsonl").open("ab") as events:
        events.write(b'{"seq": 3')
    report = build(run)
    under_way, never = case(report, "R/b"), case(report, "R/c")
    assert under_way.outcome is never.outcome is Outcome.NOT_TESTED
    assert under_way.justification == "the run ended while this test was under way"
    assert [exchange.event for exchange in under_way.exchanges] == [1, 2]
    assert (under_way.first_event, under_way.last_event) == (1, 2)
    assert never.justification == "the run ended before this test"
    assert "The last line of matrix.jsonl is cut off and was left out." in report.notes
    assert "The last line of events.jsonl is cut off and was left out." in report.notes


def test_a_run_that_died_before_its_plan_still_has_a_report(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "run.json").write_text("{}")
    report = build(folder)
    assert report.requirements == ()
    assert report.cases == ()
    assert report.verdict.achieved is Level.NONE
    assert (
        "Bronze is not reached because no compulsory requirement was in the run." in report.verdict.sentences
    )
    assert "matrix.jsonl is missing." in report.notes
    assert "vectors.json is missing or empty: the run ended before it had a plan." in report.notes


def test_no_claim_is_no_level(tmp_path: Path) -> None:
    report = build(runs.make(tmp_path / "run", level={"claimed": "none"}))
    assert report.verdict.headline == "No level was asked for"
    assert report.path.words == "No level was asked for."


def test_missing_and_changed_bodies_are_said_and_never_shown(ordinary: Path) -> None:
    changed = ordinary / "bodies" / sha256_hex(b"<script>alert(1)</script>")
    changed.write_bytes(b"something else")
    (ordinary / "bodies" / sha256_hex(b'{"version":"1.0.0"}')).unlink()
    report = build(ordinary)
    second = case(report, "DTC-P2-001/answers-200").exchanges[1]
    assert second.response is not None
    assert (second.response.shown, second.response.text) == ("altered", "")
    assert "Bodies that are not what was recorded (another SHA-256), not shown: 1." in report.notes
    assert "Recorded bodies that are not in the folder: 1; their digests are kept." in report.notes


def test_lines_nobody_expected_and_lines_given_twice_are_said(tmp_path: Path) -> None:
    run = runs.make(
        tmp_path / "run",
        requirements=[requirement("R")],
        vectors=[vector("R/a"), vector("X/other")],
        lines=[line("R/a", Outcome.FAILED), line("R/a"), *(line(f"R/z{number}") for number in range(7))],
    )
    for name in ("requirements.json", "vectors.json"):
        entries = json.loads((run / name).read_bytes())
        (run / name).write_text(json.dumps([*entries, entries[0]]))
    report = build(run)
    assert row(report, "R").outcome is Outcome.PASSED
    notes = " ".join(report.notes)
    assert "7 judged tests not among the expected ones, and counted for nothing: R/z0, R/z1" in notes
    assert "and 2 more" in notes
    assert "1 test judged again; the last counts: R/a." in notes
    assert "1 requirement listed more than once: R." in notes
    assert "1 vector listed more than once: R/a." in notes
    assert case(report, "X/other").clause == ""


def test_a_clock_that_is_off_and_programme_requirements_are_told(tmp_path: Path) -> None:
    run = runs.make(
        tmp_path / "run",
        requirements=[requirement("R", binds="programme")],
        clock={"source": "system", "monotonicMs": 5, "targetSkewMs": -61_500},
    )
    report = build(run)
    assert "The target's clock was 61.5 s behind the clock of the run." in report.notes
    assert (
        "Requirements that bind the certification programme are listed but hold no level back."
        in report.notes
    )
    ahead = runs.make(tmp_path / "ahead", clock={"targetSkewMs": 6000})
    assert "The target's clock was 6.0 s ahead of the clock of the run." in build(ahead).notes


def test_a_ring_of_blocks_and_a_block_by_something_that_passed_stand_alone(tmp_path: Path) -> None:
    blocked = {"justification": "waits", "finding": None}
    run = runs.make(
        tmp_path / "run",
        requirements=[requirement(name) for name in "ABCDE"],
        vectors=[vector(f"{name}/x") for name in "ABCDE"],
        lines=[
            line("A/x", Outcome.BLOCKED, blocked_by="B/x", **blocked),
            line("B/x", Outcome.BLOCKED, blocked_by="A/x", **blocked),
            line("C/x", Outcome.BLOCKED, blocked_by="D", **blocked),
            line("D/x"),
            line("E/x", Outcome.BLOCKED, blocked_by="A", **blocked),  # leads into the ring from outside
        ],
    )
    report = build(run)
    assert {r.id: r.root for r in report.requirements} == dict.fromkeys("ABCDE", "")
    [step] = report.path.steps
    assert {step.requirement, *step.also} == {"A", "B", "C", "E"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("run.json", "[]"),
        ("run.json", '{"target": 5}'),
        ("run.json", '{"level": {"claimed": "diamond"}}'),
        ("run.json", "{"),
        ("matrix.jsonl", "{}\n"),
        ("events.jsonl", "{}\n"),
        ("events.jsonl", "5\n"),
        ("events.jsonl", '{"seq": 1\n'),
        ("events.jsonl", '{"seq": 1e99}\n'),
        ("events.jsonl", '{"seq": 36893488147419103232}\n'),
        ("events.jsonl", '{"seq": 0, "reqHeaders": ["a"]}\n'),
        ("events.jsonl", "[" * 100_000 + "\n"),
        ("vectors.json", "{}"),
        ("requirements.json", '[{"id": 1}]'),
    ],
)
def test_damaged_files_are_one_clear_error(ordinary: Path, name: str, content: str) -> None:
    (ordinary / name).write_text(content)
    with pytest.raises(DtcError) as caught:
        build(ordinary)
    assert caught.value.code == "run-damaged"
    assert caught.value.where
    assert caught.value.why


def test_no_run_folder_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DtcError) as caught:
        build(tmp_path)
    assert caught.value.code == "not-a-run"


def test_lone_surrogates_are_spelt_out(ordinary: Path) -> None:
    facts = json.loads((ordinary / "run.json").read_text())
    facts["target"]["name"] = "Bu\ud800san"
    (ordinary / "run.json").write_text(json.dumps(facts))
    report = build(ordinary)
    assert report.subject.name == "Bu\\ud800san"
    assert msgspec.json.encode(report)


def test_a_part_counts_of_the_whole_level(tmp_path: Path) -> None:
    run = runs.make(
        tmp_path / "run",
        requirements=[requirement("R"), requirement("S")],
        vectors=[vector("R/a"), vector("S/a")],
        lines=[line("R/a"), line("S/a", Outcome.NOT_TESTED)],
        level={"claimed": "bronze"},
        selection={"complete": False, "expression": "R,S", "compulsory": {"bronze": 90}},
    )
    report = build(run)
    (bronze,) = report.levels
    assert (bronze.reached, bronze.words) == (False, "only a part, 1 judged: no level")
    assert (bronze.met, bronze.required) == (1, 90)
    assert report.verdict.headline == "A part of Bronze, which can reach no level"
    assert "was judged in a part of Bronze" in report.verdict.sentences[0]
