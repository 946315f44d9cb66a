"""Two runs, several targets, a series of runs: what is told about them."""

import json
import re
from pathlib import Path

import msgspec
import pytest

from dtc_cli.comparison import over_time, side_by_side
from dtc_cli.comparison.pair import RANK, compare, median_ratio
from dtc_cli.core.model import Outcome
from dtc_cli.core.report import Report, build
from tests.support import report_runs


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return build(report_runs.ordinary(tmp_path_factory.mktemp("runs") / "run"))


def altered(report: Report, run_id: str, **outcomes: Outcome) -> Report:
    """The report with other outcomes; names of vectors with `_` for `-` and `__` for `/`."""
    wanted = {name.replace("__", "/").replace("_", "-"): outcome for name, outcome in outcomes.items()}
    cases = tuple(
        msgspec.structs.replace(case, outcome=wanted.get(case.vector, case.outcome)) for case in report.cases
    )
    assert set(wanted) <= {case.vector for case in cases}
    return msgspec.structs.replace(report, run_id=run_id, cases=cases)


def test_a_run_compared_with_itself_shows_nothing(report: Report) -> None:
    found = compare(report, report)
    assert (found.regressions, found.fixes, found.other, found.new, found.lost) == ((), (), (), (), ())
    assert (found.worse, found.same) == (False, len(report.cases))


@pytest.mark.parametrize("before", Outcome)
@pytest.mark.parametrize("after", Outcome)
def test_each_pair_of_outcomes_is_filed_once(report: Report, before: Outcome, after: Outcome) -> None:
    one = altered(report, "one", DTC_P1_001__accepts_the_example=before)
    two = altered(report, "two", DTC_P1_001__accepts_the_example=after)
    found = compare(one, two)
    filed = (len(found.regressions), len(found.fixes), len(found.other))
    step = RANK[after] - RANK[before]
    assert filed == ((0, 0, 0) if before is after else (int(step > 0), int(step < 0), int(step == 0)))
    assert found.worse == (step > 0)


def test_a_lost_vector_is_worse_unless_other_tests_explain_it(report: Report) -> None:
    fewer = msgspec.structs.replace(report, cases=report.cases[1:])
    assert compare(report, fewer).worse
    assert compare(fewer, report).new == (report.cases[0].vector,)
    assert not compare(fewer, report).worse
    maker = msgspec.structs.replace(report.maker, catalogue_digest="0" * 64)
    found = compare(report, msgspec.structs.replace(fewer, maker=maker))
    assert (found.worse, len(found.lost)) == (False, 1)
    assert "two catalogues" in found.notes[0]


def test_the_interval_of_a_median_is_that_of_the_books() -> None:
    """Order statistics at 95 %: ranks 1 and 6 of 6, 2 and 9 of 10, 6 and 15 of 20, 40 and 61 of 100."""
    assert median_ratio("x", [1.0] * 5) is None
    for count, low, high in ((6, 1, 6), (10, 2, 9), (20, 6, 15), (100, 40, 61)):
        pace = median_ratio("x", [float(n) for n in range(count, 0, -1)])
        assert pace is not None
        assert (pace.low, pace.high) == (low, high), count
    many = median_ratio("x", [1.1] * 20_000)
    assert many is not None
    assert (many.low, many.words) == (1.1, "slower")


def test_slower_is_said_only_when_the_interval_says_so(report: Report) -> None:
    def timed(milliseconds: list[int]) -> Report:
        first = report.cases[0]
        cases = tuple(
            msgspec.structs.replace(first, vector=f"DTC-P1-001/c{n}", duration_ms=ms, outcome=Outcome.PASSED)
            for n, ms in enumerate(milliseconds)
        )
        return msgspec.structs.replace(report, cases=cases)

    slow = compare(timed([10] * 20), timed([15] * 20)).paces[0]
    assert (slow.part, slow.pairs, slow.ratio, slow.words) == ("all", 20, 1.5, "slower")
    even = compare(timed([10] * 20), timed([8, 12] * 10)).paces[0]
    assert even.words == "no difference shown"
    assert compare(timed([10] * 20), timed([5] * 20)).paces[0].words == "faster"
    assert compare(timed([1] * 20), timed([1] * 20)).paces == ()


def test_the_matrix_shows_each_requirement_of_each_run(report: Report) -> None:
    other = msgspec.structs.replace(
        report,
        subject=msgspec.structs.replace(report.subject, name="<b>Ulsan</b>"),
        requirements=report.requirements[1:],
    )
    page = side_by_side.page([report, other]).decode()
    assert "<b>Ulsan" not in page
    assert "&lt;b&gt;Ulsan" in page
    assert page.count('<tr><th scope="row">DTC-') == len(report.requirements)
    assert page.count("not in this run") == 1
    assert not re.search(r"(src|href)=", page)


def test_a_trend_orders_runs_and_names_what_is_restless(report: Report) -> None:
    flip = {"DTC_P1_001__accepts_the_example": Outcome.FAILED}
    runs = [
        msgspec.structs.replace(
            each, course=msgspec.structs.replace(each.course, started_at=f"2026-0{n}-01T00:00:00Z")
        )
        for n, each in ((3, report), (1, altered(report, "one")), (2, altered(report, "two", **flip)))
    ]
    (found,) = over_time.trends([*runs, runs[0]])
    assert [point.run for point in found.points] == ["one", "two", report.run_id]
    assert [(each.vector, each.outcomes) for each in found.restless] == [
        ("DTC-P1-001/accepts-the-example", ("passed", "failed", "passed"))
    ]


def test_the_commands_read_folders_and_packages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dtc_cli.app import main
    from dtc_cli.core.model import Outcome
    from tests.support import packages, runs

    monkeypatch.chdir(tmp_path)
    good = packages.make(tmp_path / "good")
    bad = runs.make(
        tmp_path / "bad",
        packages.catalogue(),
        number=2,
        outcomes={"DTC-P1-001/negative-case": Outcome.FAILED},
    )
    assert main(["compare", str(good), str(bad), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert [each["vector"] for each in said["regressions"]] == ["DTC-P1-001/negative-case"]
    assert main(["compare", str(bad), str(good)]) == 0
    assert "1 fixes" in capsys.readouterr().out
    assert main(["trend", str(good), str(bad)]) == 0
    assert "Busan Twin" in capsys.readouterr().out
    assert main(["trend", str(good), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["trends"][0]["points"]) == 1
    assert main(["matrix", str(good), str(bad), "--out", str(tmp_path / "m.html")]) == 0
    assert (tmp_path / "m.html").read_text().startswith("<!doctype html>")
    assert main(["matrix", str(good), str(bad), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["requirements"]["DTC-P1-001"] == ["passed", "failed"]
    assert main(["compare", str(good), str(tmp_path / "none"), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "not-a-run"
    broken = tmp_path / "broken.tar.gz"
    broken.write_bytes(good.read_bytes()[:-5])
    assert main(["compare", str(broken), str(good)]) == 3
