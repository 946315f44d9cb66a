"""`dtc verify` as a person and as a script meet it."""

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dtc_cli.app import main
from dtc_cli.core import catalogue as catalogues
from dtc_cli.core.model import Outcome
from dtc_cli.exit_codes import ExitCode
from tests.support import packages, runs
from tests.support.packages import make, trust_file, unpack


@pytest.fixture(autouse=True)
def covered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The installed catalogue, as far as the command knows, has vectors for everything."""
    monkeypatch.setattr(catalogues, "load", packages.catalogue)
    monkeypatch.setenv("COLUMNS", "160")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package of a run that ended just now."""
    return make(tmp_path, finished=datetime.now(UTC).replace(microsecond=0))


def run(capfd: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main(["verify", *map(str, arguments)])
    out, err = capfd.readouterr()
    return code, out, err


def run_json(capfd: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, Any]:
    code, out, err = run(capfd, *arguments, "--json")
    assert err == ""
    return code, json.loads(out)


def test_a_good_package(capfd: pytest.CaptureFixture[str], package: Path, tmp_path: Path) -> None:
    code, out, err = run(capfd, package, "--trust", trust_file(tmp_path))
    assert (code, err) == (0, "")
    assert re.search(r"^1 +package\.readable +pass ", out, re.MULTILINE)
    assert out.endswith("AUTHENTIC:  yes\nCONFORMANT: bronze\n")


def test_json_is_one_object_with_every_check(
    capfd: pytest.CaptureFixture[str], package: Path, tmp_path: Path
) -> None:
    code, value = run_json(capfd, package, "--trust", trust_file(tmp_path))
    assert code == value["exitCode"] == 0
    assert (value["authentic"], value["trusted"], value["conformant"]) == (True, True, "bronze")
    assert value["statement"]["target"]["name"] == "Busan Twin"
    assert {check["status"] for check in value["checks"]} == {"pass", "not-required"}
    assert all(check["reason"] for check in value["checks"])


def test_without_trust_it_says_untrusted(capfd: pytest.CaptureFixture[str], package: Path) -> None:
    code, out, _ = run(capfd, package)
    assert code == ExitCode.UNTRUSTED
    assert "UNTRUSTED" in out
    assert re.search(r"^AUTHENTIC:  no   \(check \d+: UNTRUSTED", out, re.MULTILINE)
    assert out.endswith("CONFORMANT: no\n")


def test_a_failed_run(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    package = make(tmp_path, finished=now, outcomes={"DTC-P1-001/negative-case": Outcome.FAILED})
    code, out, _ = run(capfd, package, "--trust", trust_file(tmp_path))
    assert code == ExitCode.NOT_CONFORMANT
    assert re.search(r"AUTHENTIC:  yes\nCONFORMANT: no   \(check \d+: bronze is not reached", out)


def test_a_changed_package(capfd: pytest.CaptureFixture[str], package: Path, tmp_path: Path) -> None:
    spoilt = packages.changed(package, tmp_path, lambda c: c.update({"evidence/x": b""}))
    code, value = run_json(capfd, spoilt, "--trust", trust_file(tmp_path))
    assert code == value["exitCode"] == 3
    assert (value["authentic"], value["conformant"]) == (False, None)


def test_a_package_too_damaged_to_read(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(b"\x1f\x8bnonsense")
    code, value = run_json(capfd, tmp_path / "p")
    assert (code, value["level"], value["statement"]) == (3, None, {})
    code, out, _ = run(capfd, tmp_path / "p")
    assert "CONFORMANT: no" in out


def test_a_level_and_a_nonce_can_be_asked_for(
    capfd: pytest.CaptureFixture[str], package: Path, tmp_path: Path
) -> None:
    trust = trust_file(tmp_path)
    assert run_json(capfd, package, "--trust", trust, "--level", "silver")[0] == ExitCode.NOT_CONFORMANT
    assert run_json(capfd, package, "--trust", trust, "--nonce", runs.NONCE)[0] == 0
    assert run_json(capfd, package, "--trust", trust, "--nonce", "AAAA")[0] == ExitCode.STALE


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("nowhere.tar.gz",), "package-missing"),
        (("{package}", "--trust", "nowhere.pub"), "trust-file"),
        (("{package}", "--level", "diamond"), "usage"),
        (("{package}", "--nonce", "?"), "usage"),
        (("{package}", "--unknown"), "usage"),
        ((), "usage"),
    ],
)
def test_wrong_use_is_explained_in_five_fields(
    capfd: pytest.CaptureFixture[str], package: Path, arguments: tuple[str, ...], code: str
) -> None:
    given = [text.format(package=package) for text in arguments]
    status, value = run_json(capfd, *given)
    assert status == ExitCode.USAGE
    assert value["error"]["code"] == code
    assert set(value["error"]) == {"code", "what", "where", "why", "try"}


def test_a_run_folder_is_not_mistaken_for_a_package(capfd: pytest.CaptureFixture[str], package: Path) -> None:
    status, value = run_json(capfd, package.parent / "run")
    assert (status, value["error"]["code"]) == (ExitCode.USAGE, "not-a-package")


def test_hostile_names_do_not_reach_the_terminal(capfd: pytest.CaptureFixture[str], package: Path) -> None:
    from dtc_cli.signing import archive

    tar = bytearray(b"".join(archive._tar(unpack(package))))
    tar[0:10] = b"\x1b]0;owned\x07"
    path = package.parent / "escape.tar.gz"
    with path.open("wb") as stream:
        archive._Gzip(stream).write(iter([bytes(tar)]))
    code, out, _ = run(capfd, path)
    assert code == ExitCode.INTEGRITY
    assert "\x1b" not in out
    assert "\x07" not in out


def test_it_needs_no_network(package: Path, tmp_path: Path) -> None:
    """The real program in a process whose sockets are blocked; it carries another catalogue (7)."""
    blocker = (
        "import socket, sys\ndef no(*a, **k): raise OSError('network used')\nsocket.socket.connect = no\n"
    )
    script = blocker + "socket.getaddrinfo = no\nfrom dtc_cli.app import main\nsys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", script, "verify", package, "--trust", trust_file(tmp_path), "--json"],
        capture_output=True, text=True, check=False, env={**os.environ, "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == ExitCode.CANNOT_DECIDE, done.stderr
    assert json.loads(done.stdout)["authentic"] is True


def test_help_shows_examples_and_exit_codes(capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capfd, "--help")
    assert code == 0
    assert "Examples:" in out
    assert "dtc verify unpacked/ --trust busan-works.pub" in out
    assert "7 cannot be decided" in out
