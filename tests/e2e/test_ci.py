"""The jobs for build servers: they are well-formed, and the script that they call does what it says."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.e2e.conftest import Dtc

SCRIPT = "dtc-ci.sh"


@pytest.mark.parametrize(
    ("server", "file"),
    [
        ("github", ".github/workflows/dtc.yml"),
        ("gitlab", ".gitlab-ci.dtc.yml"),
        ("jenkins", "Jenkinsfile.dtc"),
    ],
)
def test_a_job_calls_the_script(dtc: Dtc, tmp_path: Path, server: str, file: str) -> None:
    done = dtc(
        "ci", "init", server, "--level", "silver", "--target", "twin/target.yaml", "--json", cwd=tmp_path
    )
    assert (done.code, done.json["files"]) == (0, [file, SCRIPT])
    text = (tmp_path / file).read_text()
    assert "bash dtc-ci.sh" in text
    assert "silver" in text
    assert "@" not in text.replace("@v", "")
    if server != "jenkins":
        job = yaml.safe_load(text)
        steps = job["jobs"]["certify"]["steps"] if server == "github" else job["dtc"]["script"]
        assert any("dtc-ci.sh" in str(step) for step in steps)
    script = tmp_path / SCRIPT
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    assert "target=${DTC_TARGET:-'twin/target.yaml'}" in script.read_text()
    again = dtc("ci", "init", server, "--json", cwd=tmp_path)
    assert (again.code, again.json["error"]["code"]) == (2, "file-exists")
    assert dtc("ci", "init", server, "--force", cwd=tmp_path).code == 0


def test_what_cannot_stand_in_a_script_is_refused(dtc: Dtc, tmp_path: Path) -> None:
    for arguments in (
        ("circle",),
        ("github", "--target", "a'b"),
        ("github", "--level", "tin"),
        ("gitlab", "--install", "x\ny"),
    ):
        done = dtc("ci", "init", *arguments, "--json", cwd=tmp_path)
        assert (done.code, done.json["error"]["code"]) == (2, "usage")
    assert list(tmp_path.iterdir()) == []


def test_the_pipeline_runs_as_on_a_server(
    dtc: Dtc, twin: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    """The example pipeline on the bundled twin, with the variables that GitHub sets."""
    assert dtc("ci", "init", "github", "--target", str(twin), cwd=tmp_path).code == 0
    program = tmp_path / "bin" / "dtc"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m dtc_cli "$@"\n')
    program.chmod(0o755)
    summary = tmp_path / "summary.md"
    done = subprocess.run(
        ["bash", SCRIPT],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={
            **environment,
            "PATH": f"{program.parent}:{os.environ['PATH']}",
            "GITHUB_ACTIONS": "true",
            "GITHUB_STEP_SUMMARY": str(summary),
        },
    )
    assert done.returncode == 0, done.stdout + done.stderr
    out = tmp_path / "dtc-out"
    assert {"junit.xml", "results.sarif", "report.md", "report.html"} <= {file.name for file in out.iterdir()}
    assert "::notice title=dtc::" in done.stdout
    assert summary.read_bytes() == (out / "report.md").read_bytes()
    (package,) = out.glob("*.dtcpack.tar.gz")
    public = tmp_path / "public.pem"
    assert dtc("keys", "export-public", "default", "--out", public).code == 0
    assert dtc("verify", package, "--trust", public).code == 0
    assert json.loads((out / "results.sarif").read_bytes())["version"] == "2.1.0"


def test_a_target_that_is_not_there_turns_the_job_red(
    dtc: Dtc, tmp_path: Path, environment: dict[str, str]
) -> None:
    assert dtc("ci", "init", "gitlab", "--target", "none.yaml", cwd=tmp_path).code == 0
    done = subprocess.run(
        ["bash", SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**environment, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert (done.returncode, "there is no target file" in done.stderr) == (2, True)
