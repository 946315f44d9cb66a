"""`dtc test --baseline`, `--update-baseline` and `--fail-fast` with a spoilt twin."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dtc_cli.core import baseline_file
from dtc_cli.harness.reference import running
from tests.e2e.conftest import Dtc

PART = "DTC-P1-060,DTC-P1-061"


@pytest.fixture(scope="module")
def spoilt() -> Iterator[Path]:
    with running(("--fault", "DTC-P1-061")) as target:
        yield target


def test_known_failures_are_not_red_and_change_no_verdict(dtc: Dtc, spoilt: Path, tmp_path: Path) -> None:
    known = tmp_path / "known.yaml"
    common = ("test", spoilt, "--select", PART, "--out", tmp_path / "runs")

    written = dtc(*common, "--update-baseline", known)
    assert written.code == 0, written.err + written.out
    entries = baseline_file.parse(known.read_text(encoding="utf-8"), "known.yaml")
    assert {entry.vector.partition("/")[0] for entry in entries} == {"DTC-P1-061"}
    assert f"added    {entries[0].vector}" in written.out

    quiet = dtc(*common, "--baseline", known, "--json")
    assert quiet.code == 0, quiet.err
    assert quiet.json["requirements"]["DTC-P1-061"]["outcome"] == "failed"
    assert {case["kind"] for case in quiet.json["baseline"]["cases"]} == {"known failure"}

    known.write_text(known.read_text(encoding="utf-8").replace(entries[0].fingerprint, "0" * 12))
    other = dtc(*common, "--baseline", known)
    assert other.code == 1
    assert f"RED  another failure: {entries[0].vector}" in other.out


def test_stale_entries_are_red(dtc: Dtc, twin: Path, tmp_path: Path) -> None:
    known = tmp_path / "known.yaml"
    known.write_text(
        '- {vector: DTC-P1-060/none, fingerprint: 0123456789ab, owner: me, reason: r, link: "", '
        "expires: 2999-01-01}\n"
    )
    result = dtc("test", twin, "--select", PART, "--out", tmp_path / "runs", "--baseline", known)
    assert result.code == 1
    assert "RED  entry of no vector: DTC-P1-060/none (line 1)" in result.out
    assert "the nearest is DTC-P1-060/" in result.out


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("- vektor: x\n", ("--baseline",), "known.yaml:1  vektor"),
        (None, ("--baseline",), "known.yaml cannot be read"),
        ("", ("--fail-fast", "--update-baseline"), "does not go with --fail-fast"),
    ],
)
def test_what_is_refused_is_refused_before_the_run(
    dtc: Dtc, twin: Path, tmp_path: Path, text: str | None, options: tuple[str, ...], said: str
) -> None:
    known = tmp_path / "known.yaml"
    if text is not None:
        known.write_text(text)
    result = dtc("test", twin, "--select", PART, "--out", tmp_path / "runs", *options, known)
    assert result.code == 2
    assert said in result.err
    assert not (tmp_path / "runs").exists()


def test_fail_fast_stops_and_the_report_says_so(dtc: Dtc, spoilt: Path, tmp_path: Path) -> None:
    common = ("test", spoilt, "--select", PART, "--out", tmp_path / "runs", "--fail-fast")
    result = dtc(*common, "--json")
    assert result.code == 1, result.err
    run = Path(result.json["run"])
    lines = [json.loads(line) for line in (run / "matrix.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["outcome"] for line in lines].count("failed") == 1
    assert lines[-1]["outcome"] == "failed"
    assert len(lines) < len(json.loads((run / "vectors.json").read_bytes()))
    assert f"stopped after the first failed MUST: {lines[-1]['vector']}" in result.err
    document = json.loads((run / "run.json").read_bytes())
    assert document["status"] == "interrupted"
    assert document["events"] is not None
    again = dtc("report", run)
    assert "was interrupted" in again.out

    known = tmp_path / "known.yaml"
    dtc("test", spoilt, "--select", PART, "--out", tmp_path / "runs", "--update-baseline", known)
    past = dtc(*common, "--baseline", known, "--json")
    assert past.code == 0, past.err
    assert json.loads((Path(past.json["run"]) / "run.json").read_bytes())["status"] == "complete"


def test_fail_fast_of_a_clean_part_runs_to_its_end(dtc: Dtc, twin: Path, tmp_path: Path) -> None:
    result = dtc("test", twin, "--select", PART, "--out", tmp_path / "runs", "--fail-fast", "--json")
    assert result.code == 0, result.err
    assert json.loads((Path(result.json["run"]) / "run.json").read_bytes())["status"] == "complete"
