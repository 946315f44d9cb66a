"""The report model: a pure function of the files of a run, honest about what is missing in them."""

import json
import shutil
from pathlib import Path

import msgspec
import pytest

from dtc_cli.core.canonical import sha256_hex
from dtc_cli.core.model import Finding, Level, Outcome, Strength
from dtc_cli.core.report import build, summary
from dtc_cli.core.report.words import date_of
from tests.support import report_runs as runs
from tests.support.report_runs import case, line, requirement, row, vector


@pytest.fixture
def ordinary(tmp_path: Path) -> Path:
    return runs.ordinary(tmp_path / "run")


def test_says_who_what_when_and_where(ordinary: Path) -> None:
    report = build(ordinary)
    assert (report.subject.name, report.subject.vendor, report.subject.version) == (
        "Busan Twin",
        "Example Works",
        "4.2.0",
    )
    assert report.subject.addresses == {"REST": "https://twin.example/digital-twin-city/v1"}
    assert report.subject.fingerprint == {"TLS key (SHA-256 of SPKI)": "e" * 64, "server": "busan/4.2"}
    assert (report.maker.tool, report.maker.suite_digest, report.maker.suite_dirty) == (
        "dtc",
        "d" * 64,
        False,
    )
    assert (report.course.status, report.course.finished, report.course.seed) == ("complete", True, 42)
    assert report.course.declares == {"mtls": "false"}
    assert [check.detail for check in report.course.doctor] == ["answered in 12 ms"]
    assert report.run_id == runs.RUN_ID


def test_the_same_files_give_the_same_report_wherever_they_lie(ordinary: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(ordinary, tmp_path / "elsewhere")
    one, other = build(ordinary), build(copy)
    assert one != other  # only by the folder, which no format shows
    assert msgspec.structs.replace(one, folder="") == msgspec.structs.replace(other, folder="")


def test_level_table_and_verdict_of_a_half_reached_claim(ordinary: Path) -> None:
    report = build(ordinary)
    assert (report.verdict.claimed, report.verdict.achieved) == (Level.SILVER, Level.BRONZE)
    bronze, silver = report.levels
    assert (bronze.reached, bronze.required, bronze.met) == (True, 4, 4)
    assert (silver.reached, silver.required, silver.met) == (False, 9, 4)
    assert silver.failed == ("DTC-P2-001",)
    assert report.verdict.headline == "Silver not reached, Bronze reached"
    assert 2 <= len(report.verdict.sentences) <= 4
    assert '"A city can be read" (DTC-P2-001)' in report.verdict.sentences[1]


def test_totals_count_every_outcome_also_with_nothing(ordinary: Path) -> None:
    totals = build(ordinary).totals
    assert set(totals.requirements) == set(totals.vectors) == {outcome.value for outcome in Outcome}
    assert totals.requirements == {
        "passed": 3,
        "failed": 1,
        "warned": 1,
        "error": 1,
        "not_applicable": 1,
        "not_tested": 1,
        "blocked": 2,
    }
    assert sum(totals.vectors.values()) == 10


def test_blocked_rows_are_folded_under_their_root_cause(ordinary: Path) -> None:
    report = build(ordinary)
    assert [r.id for r in report.requirements][:3] == ["DTC-P2-001", "DTC-P2-002", "DTC-P2-003"]
    assert row(report, "DTC-P2-001").blocks == ("DTC-P2-002", "DTC-P2-003")
    # 003 is blocked by 002, which is itself only blocked: the root is 001.
    assert row(report, "DTC-P2-003").blocked_by == ("DTC-P2-002",)
    assert row(report, "DTC-P2-003").root == "DTC-P2-001"


def test_the_path_to_the_next_level_names_root_causes_and_what_they_free(ordinary: Path) -> None:
    path = build(ordinary).path
    assert path.level is Level.SILVER
    assert [(step.requirement, step.frees) for step in path.steps] == [
        ("DTC-P2-001", ("DTC-P2-002", "DTC-P2-003")),
        ("DTC-P2-004", ()),
        ("DTC-P2-005", ()),
    ]
    assert path.steps[0].reason == "The city answered 500 where 200 was due."


def test_a_case_has_what_was_expected_what_came_and_the_evidence(ordinary: Path) -> None:
    failed = case(build(ordinary), "DTC-P2-001/answers-200")
    assert (failed.expected, failed.got, failed.clause) == (
        "200 with the city",
        "500 with an HTML page",
        "P2 4.1",
    )
    assert (failed.first_event, failed.last_event) == (2, 3)
    assert failed.attempts == ("event 2, reason 429, waitedMs 1000",)
    first, second = failed.exchanges
    assert (first.number, first.status, second.number, second.status) == (1, 429, 2, 500)
    assert second.response is not None
    assert second.response.digest == sha256_hex(b"<script>alert(1)</script>")
    assert (second.response.shown, second.response.text) == ("whole", "<script>alert(1)</script>")
    assert failed.command == second.command
    assert '"x-api-key: $TWIN_ADMIN_KEY"' in failed.command


def test_documents_and_validators_can_be_repeated_too(ordinary: Path) -> None:
    report = build(ordinary)
    document = case(report, "DTC-P1-001/accepts-the-example").exchanges[0]
    assert document.command == "dtc validate bodies/" + sha256_hex(b'{"version":"1.0.0"}')


@pytest.mark.parametrize(
    ("how", "command"),
    [
        ("./check {file}", "./check bodies/DIGEST"),
        (
            "https://twin.example/check",
            "curl -i -X POST -H 'content-type: application/json' --data-binary @bodies/DIGEST "
            "https://twin.example/check",
        ),
        ("./check\n{file}", ""),
    ],
)
def test_a_validator_is_repeated_by_its_command_or_its_address(
    tmp_path: Path, how: str, command: str
) -> None:
    event = {"seq": 0, "tMonoUs": 0, "tUtc": "", "vector": "R/a", "kind": "validator", "method": "VALIDATE",
             "url": how, "sent": b"[]", "status": 0}  # fmt: skip
    run = runs.make(
        tmp_path / "run",
        requirements=[requirement("R")],
        vectors=[vector("R/a")],
        lines=[line("R/a")],
        events=[event],
    )
    assert case(build(run), "R/a").command == command.replace("DIGEST", sha256_hex(b"[]"))


def test_an_exclusion_that_costs_the_level_is_a_step_on_the_path(tmp_path: Path) -> None:
    run = runs.make(
        tmp_path / "run",
        requirements=[requirement("R-1"), requirement("R-2")],
        vectors=[vector("R-1/a"), vector("R-2/a")],
        lines=[line("R-1/a"), line("R-2/a")],
        profile={"excluded": {"R-1": "not our business", "R-9": "no such thing"}, "hazards": []},
    )
    report = build(run)
    assert report.verdict.achieved is Level.NONE
    assert report.levels[0].excluded == ("R-1",)
    one, unknown = report.exclusions
    assert (one.holds_back, one.note) == (True, "its tests passed all the same")
    assert unknown.note == "no requirement of this run's level has this id"
    assert [step.requirement for step in report.path.steps] == ["R-1"]
    assert row(report, "R-1").holds_back
    assert "1 requirement left out by the product" in report.verdict.sentences[1]


def test_an_excluded_test_that_was_not_run_is_not_applicable(tmp_path: Path) -> None:
    run = runs.make(
        tmp_path / "run",
        requirements=[requirement("R", when="declares.mtls")],
        vectors=[vector("R/a")],
        profile={"excluded": {"R": "no TLS"}},
    )
    report = build(run)
    assert case(report, "R/a").outcome is Outcome.NOT_APPLICABLE
    assert case(report, "R/a").justification == "excluded by the profile: no TLS"
    assert report.verdict.achieved is Level.BRONZE


def test_a_failed_recommendation_is_a_warning_also_in_the_test(tmp_path: Path) -> None:
    run = runs.make(
        tmp_path / "run",
        requirements=[requirement("M"), requirement("S", strength=Strength.SHOULD)],
        vectors=[vector("M/a"), vector("S/a")],
        lines=[line("M/a"), line("S/a", Outcome.FAILED, strength=Strength.SHOULD)],
    )
    report = build(run)
    assert case(report, "S/a").outcome is row(report, "S").outcome is Outcome.WARNED
    assert report.verdict.achieved is Level.BRONZE
    assert not row(report, "S").holds_back


@pytest.mark.parametrize(
    ("level", "headline", "says"),
    [
        ("bronze", "Bronze reached", "nobody independent watched"),
        (
            "gold",
            "Requirements of Gold met, self-assessed",
            "only when an independent audit stands beside it",
        ),
    ],
)
def test_a_reached_level_is_called_self_assessed(
    tmp_path: Path, level: str, headline: str, says: str
) -> None:
    run = runs.make(
        tmp_path / "run",
        requirements=[requirement("R")],
        vectors=[vector("R/a")],
        lines=[line("R/a")],
        level={"claimed": level},
    )
    verdict = build(run).verdict
    assert verdict.headline == headline
    assert says in verdict.sentences[-1]
    assert len(verdict.sentences) == 2


@pytest.mark.parametrize(
    ("level", "path"),
    [
        (
            "bronze",
            "This run did not look at Silver: dtc certify TARGET --level silver shows what is missing "
            "for it.",
        ),
        ("platinum", "There is no higher level."),
    ],
)
def test_the_path_beyond_a_reached_claim(tmp_path: Path, level: str, path: str) -> None:
    run = runs.make(
        tmp_path / "run",
        requirements=[requirement("R")],
        vectors=[vector("R/a")],
        lines=[line("R/a")],
        level={"claimed": level},
    )
    assert build(run).path.words == path


def test_another_mode_is_named(tmp_path: Path) -> None:
    assert "The mode of this run is lab." in build(runs.make(tmp_path / "run", mode="lab")).verdict.sentences


# Summary


def test_summary_is_the_contract_of_scripts(ordinary: Path) -> None:
    report = build(ordinary)
    made = summary(report, Path("out/busan.dtcpack.tar.gz"))
    assert list(made) == ["run", "package", "level", "requirements", "totals"]
    assert (made["run"], made["package"]) == (str(ordinary), "out/busan.dtcpack.tar.gz")
    assert made["level"] == {"claimed": "silver", "achieved": "bronze"}
    assert made["totals"] == report.totals.requirements
    assert made["requirements"]["DTC-P2-001"] == {
        "outcome": "failed",
        "strength": "must",
        "message": "The city answered 500 where 200 was due.",
    }
    assert summary(report)["package"] is None
    assert json.loads(json.dumps(made)) == made


def test_dates_are_words_and_odd_ones_stay() -> None:
    assert date_of("2026-01-02T03:04:05Z") == "2 January 2026"
    assert date_of("yesterday") == "yesterday"


def test_a_finding_is_cleaned_too(tmp_path: Path) -> None:
    finding = Finding(message="m", expected="e", actual="a", clause="P9", hint="h")
    run = runs.make(
        tmp_path / "run",
        requirements=[requirement("R")],
        vectors=[vector("R/a")],
        lines=[line("R/a", Outcome.FAILED, finding=finding)],
    )
    shown = case(build(run), "R/a")
    assert (shown.message, shown.expected, shown.got, shown.clause, shown.hint) == ("m", "e", "a", "P9", "h")


def test_what_is_conditional_only_in_part_cannot_be_left_out_for_nothing(tmp_path: Path) -> None:
    entry = requirement("R", when="provoke.alert", partly="the alert event")
    run = runs.make(
        tmp_path / "run",
        requirements=[entry],
        vectors=[vector("R/a")],
        profile={"excluded": {"R": "no alerts"}},
    )
    report = build(run)
    assert report.verdict.achieved is Level.NONE
    assert report.exclusions[0].holds_back
    assert (row(report, "R").when, row(report, "R").partly) == ("provoke.alert", "the alert event")


@pytest.mark.parametrize(
    ("level", "says"), [("bronze", "reach Bronze, judged"), ("silver", "nor any lower level")]
)
def test_no_level_at_all_is_said_plainly(tmp_path: Path, level: str, says: str) -> None:
    run = runs.make(
        tmp_path / "run",
        requirements=[requirement("R")],
        vectors=[vector("R/a")],
        lines=[line("R/a", Outcome.FAILED)],
        level={"claimed": level},
    )
    assert says in build(run).verdict.sentences[0]


def test_what_binds_the_programme_stands_last_and_asks_nothing(tmp_path: Path) -> None:
    run = runs.make(
        tmp_path / "run",
        requirements=[requirement("A", binds="programme"), requirement("B")],
        vectors=[vector("B/a")],
        lines=[line("B/a")],
    )
    report = build(run)
    assert [r.id for r in report.requirements] == ["B", "A"]
    assert report.verdict.achieved is Level.BRONZE


def test_what_only_waits_for_a_whole_run_is_one_step(tmp_path: Path) -> None:
    run = runs.make(
        tmp_path / "run",
        requirements=[requirement(name) for name in "ABCD"],
        vectors=[vector(f"{name}/x") for name in "ABC"],
        lines=[line("A/x", Outcome.FAILED)],
        status="interrupted",
        finishedAt=None,
    )
    steps = build(run).path.steps
    assert [(step.requirement, step.frees) for step in steps] == [("", ("B", "C")), ("A", ()), ("D", ())]
    assert steps[2].action == "Wait for a version of dtc that tests it"


def test_a_selection_of_an_unfinished_run_frees_its_requirements_once(tmp_path: Path) -> None:
    run = runs.make(
        tmp_path / "run",
        requirements=[requirement("A")],
        vectors=[vector("A/x")],
        status="interrupted",
        selection={"complete": False},
    )
    steps = build(run).path.steps
    assert [(step.action, step.frees) for step in steps] == [
        ("Let a run reach its end", ("A",)),
        ("Run all tests of the level", ()),
    ]


def test_what_is_undecided_for_one_reason_is_one_step_and_failures_stay_apart(tmp_path: Path) -> None:
    same = {"justification": "no second city in the target file", "finding": None}
    run = runs.make(
        tmp_path / "run",
        requirements=[requirement(name) for name in "ABCDE"],
        vectors=[vector(f"{name}/x") for name in "ABCDE"],
        lines=[
            line("A/x", Outcome.NOT_TESTED, **same),
            line("B/x", Outcome.NOT_TESTED, **same),
            line("C/x", Outcome.FAILED, finding=Finding(message="broken")),
            line("D/x", Outcome.FAILED, finding=Finding(message="broken")),
            line("E/x", Outcome.BLOCKED, blocked_by="B", justification="waits", finding=None),
        ],
    )
    steps = build(run).path.steps
    assert [(step.requirement, step.also, step.frees) for step in steps] == [
        ("B", ("A",), ("E",)),
        ("C", (), ()),
        ("D", (), ()),
    ]
