"""`dtc load journeys` as a user runs it."""

from pathlib import Path

import pytest

from tests.e2e.conftest import Dtc

SHORT = ("--users", "6", "--duration", "4", "--json")


def test_users_travel_and_nothing_is_left(dtc: Dtc, twin: Path, tmp_path: Path) -> None:
    done = dtc(
        "load", "journeys", twin, "--mix", "dashboard=1,gis=1,gateway=1", *SHORT, "--out", tmp_path
    )  # fmt: skip
    assert done.code == 0, done.err
    names = {one["name"] for one in done.json["journeys"]}
    assert {"dashboard: city", "gateway: reading"} <= names
    assert any(name.startswith("gis: ") for name in names)
    assert done.json["total"]["failures"] == 0
    # The rate is that of the time for which the users were there, not of that between their requests.
    lasted = done.json["total"]["requests"] / done.json["per_s"]
    assert lasted == pytest.approx(done.json["duration_s"], rel=0.01)
    assert (Path(done.json["run"]) / "journeys.json").is_file()
    key = Path(str(twin).replace(".yaml", ".load.key")).read_bytes().strip()
    assert not any(key in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_a_mix_that_is_none(dtc: Dtc, twin: Path, tmp_path: Path) -> None:
    for wrong in ("dashboard", "pirates=3", "gis=0"):
        done = dtc("load", "journeys", twin, "--mix", wrong, "--out", tmp_path)
        assert (done.code, "--mix" in done.err) == (2, True), done.err
