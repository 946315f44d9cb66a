"""`dtc keys` as a person and as a script meet it; no secret ever shows."""

import io
import json
import os
import pty
import select
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

import pytest

from dtc_cli.app import main
from dtc_cli.exit_codes import ExitCode
from dtc_cli.signing import keys


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration folder of its own for each test."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "dtc" / "keys"


def run(capfd: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main(["keys", *map(str, arguments)])
    out, err = capfd.readouterr()
    return code, out, err


def run_json(capfd: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, Any]:
    code, out, _ = run(capfd, *arguments, "--json")
    return code, json.loads(out)


def test_generate_show_and_export(capfd: pytest.CaptureFixture[str], home: Path, tmp_path: Path) -> None:
    code, out, _ = run(capfd, "generate", "busan-works", "--role", "lab", "--no-passphrase")
    keyid = keys.load("busan-works").keyid
    assert code == 0
    assert keyid in out
    private = (home / "busan-works.pem").read_text().splitlines()[1]
    assert private not in out
    code, out, _ = run(capfd, "show")
    assert (code, "busan-works" in out, keyid in out.replace("\n", ""), private in out) == (
        0,
        True,
        True,
        False,
    )
    code, out, _ = run(capfd, "export-public", "busan-works")
    assert out.encode() == (home / "busan-works.pub").read_bytes()
    code, out, _ = run(capfd, "export-public", "busan-works", "--out", tmp_path / "x.pub")
    assert (code, out) == (0, "")
    assert (tmp_path / "x.pub").read_bytes() == (home / "busan-works.pub").read_bytes()


def test_json_objects(capfd: pytest.CaptureFixture[str], home: Path) -> None:
    code, made = run_json(capfd, "generate", "--no-passphrase")
    assert (code, made["name"], made["role"]) == (0, "default", "vendor")
    code, shown = run_json(capfd, "show")
    (listed,) = shown["keys"]
    assert listed["keyid"] == made["keyid"]
    assert listed["encrypted"] is False
    assert shown["folder"] == str(home)
    assert "PRIVATE" not in json.dumps(shown)


def test_an_empty_folder_says_what_to_do(capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capfd, "show")
    assert code == 0
    assert "dtc keys generate" in out
    assert run_json(capfd, "show")[1]["keys"] == []


def test_a_passphrase_from_a_file_or_a_variable(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "phrase").write_text("secret-one\n")
    monkeypatch.setenv("PHRASE", "secret-two")
    code, out, err = run(capfd, "generate", "a", "--passphrase-file", tmp_path / "phrase")
    assert (code, "secret-one" in out + err) == (0, False)
    code, out, err = run(capfd, "generate", "b", "--passphrase-env", "PHRASE")
    assert (code, "secret-two" in out + err) == (0, False)
    assert keys.load("a", lambda: b"secret-one").name == "a"
    assert keys.load("b", lambda: b"secret-two").name == "b"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("generate",), "usage"),
        (("generate", "--no-passphrase", "--passphrase-env", "X"), "usage"),
        (("generate", "--passphrase-env", "X", "--passphrase-file", "x"), "usage"),
        (("generate", "--passphrase-env", "DTC_TEST_UNSET"), "passphrase"),
        (("generate", "--passphrase-file", "/nonexistent/x"), "passphrase"),
        (("generate", "../x", "--no-passphrase"), "key-name"),
        (("generate", "--role", "king", "--no-passphrase"), "usage"),
        (("export-public", "nobody"), "key-missing"),
        (("export-public", "here", "--out", "/nonexistent/x"), "not-written"),
        (("generate", "here", "--no-passphrase"), "key-exists"),
        (("nonsense",), "usage"),
    ],
)
def test_wrong_use_is_explained(
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: str,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())  # nobody is there to ask
    keys.generate("here")
    status, _, err = run(capfd, *arguments)
    assert status == ExitCode.USAGE
    assert err.startswith(f"error[{code}]")


def test_force_replaces(capfd: pytest.CaptureFixture[str]) -> None:
    first = keys.generate().keyid
    assert run(capfd, "generate", "--no-passphrase", "--force")[0] == 0
    assert keys.load("default").keyid != first


def type_unseen(terminal: int, text: bytes) -> bytes:
    """Type a line as soon as the program has switched the echo off; returns what it showed until then."""
    shown, deadline = b"", time.monotonic() + 20
    while termios.tcgetattr(terminal)[3] & termios.ECHO:
        assert time.monotonic() < deadline, shown
        if select.select([terminal], [], [], 0.02)[0]:
            shown += os.read(terminal, 1000)
    os.write(terminal, text)
    # The program ends the line that was not echoed; the echo is back then, and perhaps the next prompt there.
    while b"\n" not in shown:
        assert select.select([terminal], [], [], 20)[0], shown
        shown += os.read(terminal, 1000)
    return shown


def test_a_person_is_asked_twice_and_nothing_is_echoed(home: Path) -> None:
    """The real program at a pseudo-terminal."""
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "dtc_cli", "keys", "generate"],
        stdin=follower, stdout=subprocess.PIPE, stderr=follower, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            os.close(follower)
            shown = type_unseen(leader, b"s3cret-phrase\n") + type_unseen(leader, b"s3cret-phrase\n")
            out, _ = process.communicate(timeout=20)
        finally:
            process.kill()
            os.close(leader)
    assert process.returncode == 0
    assert b"passphrase" in shown
    assert b"s3cret-phrase" not in shown + out
    assert keys.load("default", lambda: b"s3cret-phrase").name == "default"


def test_every_help_has_examples(capfd: pytest.CaptureFixture[str]) -> None:
    for command in ("generate", "show", "export-public"):
        code, out, _ = run(capfd, command, "--help")
        assert (code, "Examples:" in out) == (0, True)
