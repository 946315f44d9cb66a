"""`dtc report` as a program: formats, files, errors, colours, packages that were unpacked or packed."""

import json
import os
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

import pytest

from dtc_cli.core.report import build
from dtc_cli.reports import FILE_NAMES, FORMATS
from dtc_cli.signing import keys
from dtc_cli.signing import package as packing
from tests.support import report_runs as runs

Done = subprocess.CompletedProcess[str]


def dtc(*arguments: str | Path, **environment: str) -> Done:
    clean: Mapping[str, str] = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **environment}
    done = subprocess.run(
        [sys.executable, "-m", "dtc_cli", *map(str, arguments)],
        capture_output=True,
        env=dict(clean),
        check=False,
    )
    # Decoded here and not by subprocess, which would change line ends.
    return Done(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return runs.ordinary(tmp_path / "run")


@pytest.fixture
def package(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run, packed and signed with a throw-away key."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    key, _ = keys.default_or_make()
    return packing.build(run, tmp_path / "packages", {"report.html": b"<p>somebody else's</p>"}, key)


def test_text_goes_to_stdout_without_colour_when_it_is_no_terminal(run: Path) -> None:
    done = dtc("report", run)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Busan Twin 4.2.0 by Example Works\nSilver not reached, Bronze reached\n")
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_printed_is_what_a_file_gets(run: Path, tmp_path: Path, name: str) -> None:
    file = tmp_path / "deep" / "er" / "report"
    printed, written = dtc("report", run, "--to", name), dtc("report", run, "--to", name, "--out", file)
    assert (printed.returncode, written.returncode, written.stdout) == (0, 0, "")
    assert f"wrote {file}" in written.stderr
    assert file.read_bytes() == printed.stdout.encode() == FORMATS[name](build(run))


def test_several_formats_go_into_a_folder(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "reports"
    done = dtc("report", run, "--to", "html,junit", "--to", "json", "--out", out)
    assert done.returncode == 0
    assert {file.name for file in out.iterdir()} == {"report.html", "junit.xml", "report.json"}
    assert ET.parse(out / "junit.xml").getroot().tag == "testsuites"  # noqa: S314 - our own output


def test_one_format_goes_into_a_folder_that_ends_in_a_slash(run: Path, tmp_path: Path) -> None:
    assert dtc("report", run, "--to", "html", "--out", f"{tmp_path}/new/").returncode == 0
    assert (tmp_path / "new" / FILE_NAMES["html"]).is_file()


def test_json_prints_the_contract_object_and_may_write_a_file_too(run: Path, tmp_path: Path) -> None:
    done = dtc("report", run, "--json", "--to", "html", "--out", tmp_path / "r.html")
    made = json.loads(done.stdout)
    assert made["run"] == str(run)
    assert made["package"] is None
    assert made["level"] == {"claimed": "silver", "achieved": "bronze"}
    assert (tmp_path / "r.html").is_file()


@pytest.mark.parametrize("unpacked", [False, True])
def test_a_package_gives_the_same_report_as_its_run(
    run: Path, package: Path, tmp_path: Path, unpacked: bool
) -> None:
    place = package
    if unpacked:
        place = tmp_path / "unpacked"
        with tarfile.open(package) as packed:
            packed.extractall(place, filter="data")
    for name in FORMATS:
        assert dtc("report", place, "--to", name).stdout == dtc("report", run, "--to", name).stdout
    made = json.loads(dtc("report", place, "--json").stdout)
    assert (made["run"], made["package"]) == (None, str(place))


def test_a_damaged_package_is_refused_with_its_own_exit_code(package: Path) -> None:
    package.write_bytes(package.read_bytes()[:-20])
    done = dtc("report", package)
    assert done.returncode == 3
    assert done.stderr.startswith("error[package-refused]")


def test_a_killed_run_still_has_a_report(run: Path) -> None:
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(
        json.dumps({**facts, "status": "running", "finishedAt": None, "events": None})
    )
    log = (run / "matrix.jsonl").read_bytes()
    (run / "matrix.jsonl").write_bytes(log[: len(log) // 2])
    done = dtc("report", run)
    assert done.returncode == 0
    assert "The run was killed, or is still going on" in " ".join(done.stdout.split())
    assert "The last line of matrix.jsonl is cut off" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--to", "jnuit"], "unknown-format", "--to junit"),
        (["--to", "xyz"], "unknown-format", "known formats: text, json, html, junit"),
        (["--to", "html,text"], "usage", "--out FOLDER/"),
        (["--to", "json", "--json"], "usage", "--out FILE"),
        (["--out", "/proc/nowhere/report"], "cannot-write", "/proc/nowhere"),
    ],
)
def test_bad_options_are_five_field_errors(run: Path, arguments: list[str], code: str, says: str) -> None:
    done = dtc("report", run, *arguments)
    assert done.returncode == 2
    shown = json.loads(done.stdout)["error"]["code"] if "--json" in arguments else done.stderr
    assert code in shown
    assert says in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_what_is_no_run_is_said_so(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nothing"):
        done = dtc("report", place)
        assert done.returncode == 2
        assert done.stderr.startswith("error[not-a-run]")
    other = tmp_path / "notes.txt"
    other.write_text("hello")
    done = dtc("report", other)
    assert done.returncode == 3
    assert "it does not begin like one" in done.stderr


def test_help_has_examples_and_exit_codes() -> None:
    done = dtc("report", "--help")
    assert done.returncode == 0
    assert "Examples:" in done.stdout
    assert "Exit codes:" in done.stdout


def _on_a_terminal(command: list[str], **environment: str) -> str:
    """What a command prints when its stdout is a terminal."""
    ours, theirs = os.openpty()
    with subprocess.Popen(
        command,
        stdout=theirs,
        stderr=theirs,
        env={"PATH": os.environ["PATH"], "TERM": "xterm", **environment},
    ) as child:
        os.close(theirs)
        pieces = []
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # EIO: the other side is closed, which is how a terminal ends
                break
            if not piece:
                break
            pieces.append(piece)
        child.wait()
    os.close(ours)
    return b"".join(pieces).decode()


def test_a_terminal_gets_colours_unless_it_wants_none(run: Path) -> None:
    command = [sys.executable, "-m", "dtc_cli", "report", str(run)]
    assert "\x1b[31m\x1b[1mFAILED\x1b[0m DTC-P2-001" in _on_a_terminal(command)
    assert "\x1b" not in _on_a_terminal(command, NO_COLOR="1")
    assert "\x1b" not in _on_a_terminal(command, TERM="dumb")
