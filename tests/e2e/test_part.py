"""`dtc test`: a part of a level, without a certificate."""

from pathlib import Path

from dtc_cli.harness.reference import running
from tests.e2e.conftest import Dtc


def test_a_part_of_phase_1(dtc: Dtc, twin: Path, tmp_path: Path) -> None:
    # Options that a user keeps for their own pytest are not for the judge.
    own = {"PYTEST_ADDOPTS": "-vv --no-such-option"}
    result = dtc("test", twin, "--select", "DTC-P1-060,DTC-P1-061", "--out", tmp_path, "--json", **own)
    assert result.code == 0, result.err
    assert set(result.json["requirements"]) == {"DTC-P1-060", "DTC-P1-061"}
    # A part reaches no level and is not signed.
    assert result.json["level"]["achieved"] == "none"
    assert result.json["package"] is None
    assert not list(tmp_path.glob("*.tar.gz"))


def test_a_selector_that_selects_nothing(dtc: Dtc, twin: Path, tmp_path: Path) -> None:
    result = dtc("test", twin, "--select", "check:Paginaton", "--out", tmp_path / "runs")
    assert result.code == 2
    assert "did you mean" in result.err
    assert not (tmp_path / "runs").exists()


def test_what_failed_is_run_again(dtc: Dtc, tmp_path: Path) -> None:
    with running(("--fault", "DTC-P1-061")) as spoilt:
        first = dtc("test", spoilt, "--select", "DTC-P1-060,DTC-P1-061", "--out", tmp_path, "--json")
        assert first.code == 1
        again = dtc("test", spoilt, "--select", f"failed:{first.json['run']}", "--out", tmp_path, "--json")
    assert again.code == 1
    assert set(again.json["requirements"]) == {"DTC-P1-061"}
