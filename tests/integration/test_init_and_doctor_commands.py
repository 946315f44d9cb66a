"""`dtc init` and `dtc doctor` as a user runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dtc_cli.app import main
from dtc_cli.harness.reference import running


def dtc(*arguments: object, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "dtc_cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "100"},
    )


class TestInit:
    def test_it_writes_a_file_that_doctor_can_read(self, tmp_path: Path) -> None:
        done = dtc("init", "t.yaml", "--name", 'The "Twin"', "--city", "KR-ULSAN-2026", cwd=tmp_path)
        assert done.returncode == 0
        assert done.stdout == "wrote t.yaml: fill in address and keys, then  dtc doctor t.yaml\n"
        checked = dtc("doctor", "t.yaml", cwd=tmp_path)
        assert checked.returncode == 7
        assert "TWIN_ADMIN_KEY is not set" in checked.stderr

    def test_it_does_not_overwrite(self, tmp_path: Path) -> None:
        file = tmp_path / "t.yaml"
        file.write_text("mine")
        done = dtc("init", file, cwd=tmp_path)
        assert done.returncode == 2
        assert "exists already" in done.stderr
        assert file.read_text() == "mine"
        assert dtc("init", file, "--force", cwd=tmp_path).returncode == 0

    @pytest.mark.parametrize("city", ["busan", "KR-BUSAN", "", "KR-BUSAN-2025\nx: y"])
    def test_a_city_id_that_is_none(self, tmp_path: Path, city: str) -> None:
        done = dtc("init", "t.yaml", "--city", city, cwd=tmp_path)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        done = dtc("init", "no/such/t.yaml", "--json", cwd=tmp_path)
        assert done.returncode == 2
        assert json.loads(done.stdout)["error"]["code"] == "file-write"
        assert json.loads(done.stdout)["error"]["where"] == "no/such"

    @pytest.mark.parametrize(("option", "text"), [("--city", "busan"), ("--name", ""), ("--vendor", "")])
    def test_an_option_is_blamed_and_no_file(self, tmp_path: Path, option: str, text: str) -> None:
        error = json.loads(dtc("init", "t.yaml", option, text, "--json", cwd=tmp_path).stdout)["error"]
        assert (error["code"], error["where"]) == ("usage", f"{option} {text!r}")
        assert "t.yaml" not in json.dumps(error)

    def test_a_folder_is_no_file(self, tmp_path: Path) -> None:
        for more in ([], ["--force"]):
            error = json.loads(dtc("init", tmp_path, "--json", *more, cwd=tmp_path).stdout)["error"]
            assert error["what"] == f"{tmp_path} is a folder"


@pytest.mark.parametrize(
    ("arguments", "label"),
    [
        (("init", ""), "FILE"),
        (("validate", "", "a.json"), "FILES"),
        (("verify", ""), "PACKAGE"),
        (("report", ""), "RUN"),
        (("seed", "t.yaml", "--out="), "--out"),
        (("test", "--reference", "--out", ""), "--out"),
    ],
)
def test_an_empty_path_is_refused_in_words(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], label: str
) -> None:
    assert main([*arguments, "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], error["what"]) == ("usage", f"{label} is empty")


class TestDoctor:
    def test_a_twin_in_order(self, tmp_path: Path) -> None:
        with running() as target:
            done = dtc("doctor", target, "--level", "silver", cwd=tmp_path)
            as_json = dtc("doctor", target, "--json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("ready for a silver run")
        assert "  ok    write: created and deleted\n" in done.stderr
        value = json.loads(as_json.stdout)
        assert value["ok"] is True
        assert {check["status"] for check in value["checks"]} <= {"ok", "warn", "skipped"}

    def test_red_says_where_and_what_to_try(self, tmp_path: Path) -> None:
        file = tmp_path / "t.yaml"
        file.write_text(
            "dtc: 1\ntarget: {name: a, vendor: b, version: c}\ncity: KR-BUSAN-2025\n"
            "rest: {base_url: 'http://127.0.0.1:1/digital-twin-city/v1', timeout_s: 1}\n"
            "auth: {api_keys: {admin: some-key-1234}}\n"
        )
        done = dtc("doctor", "t.yaml", cwd=tmp_path)
        assert done.returncode == 7
        assert done.stdout == ""
        assert "FAIL  target-unreachable" in done.stderr
        assert "where  t.yaml:4  rest.base_url" in done.stderr
        assert "try  nothing listens there" in done.stderr

    def test_a_file_that_is_not_valid(self, tmp_path: Path) -> None:
        file = tmp_path / "t.yaml"
        file.write_text("dtc: 1\n")
        done = dtc("doctor", "t.yaml", "--json", cwd=tmp_path)
        assert done.returncode == 2
        assert json.loads(done.stdout)["error"]["what"] == "the top level lacks target, city"
