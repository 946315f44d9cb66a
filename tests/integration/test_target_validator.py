"""The port to a target's validator, against validators that misbehave."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dtc_cli.clients import validator as module
from dtc_cli.clients.recorder import Recorder
from dtc_cli.clients.redaction import Redactor
from dtc_cli.clients.validator import TargetValidator, ValidatorFailed
from dtc_cli.core.target import parse
from tests.support.spoilt import Handler, answer, serving

HEAD = "dtc: 1\ntarget: {name: a, vendor: b, version: c}\ncity: KR-BUSAN-2025\n"


@contextmanager
def port(folder: Path, line: str) -> Iterator[TargetValidator]:
    target = parse(f"{HEAD}validator: {line}\n", source="t", folder=folder)
    recorder = Recorder(folder, "0" * 64, Redactor())
    one = TargetValidator(target, recorder)
    try:
        yield one
    finally:
        one.close()
        recorder.close()


def command(code: str) -> str:
    """A validator that is a Python program; `sys.argv[1]` is the record."""
    words = [sys.executable, "-c", f"import sys, os, time; {code}", "{file}"]
    return "{command: " + repr(words) + "}"


def test_an_answer(tmp_path: Path) -> None:
    code = "import json; print(json.dumps({'valid': True, 'size': os.path.getsize(sys.argv[1])}))"
    with port(tmp_path, command(code)) as one:
        assert one.offered
        assert one.check(b"12345").json() == {"valid": True, "size": 5}


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("sys.exit(3)", "exit code 3"),
        ("os.kill(os.getpid(), 9)", "exit code -9"),
        ("[sys.stdout.write('x' * 100000) for _ in iter(int, 1)]", "longer than"),
        ("time.sleep(60)", "ran longer"),
        ("os.spawnlp(os.P_NOWAIT, 'sleep', 'sleep', '60'); time.sleep(60)", "ran longer"),
    ],
)
def test_no_answer_is_said_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, word: str
) -> None:
    monkeypatch.setattr(module, "TIMEOUT_S", 1.0)
    monkeypatch.setattr(module, "MAX_ANSWER_BYTES", 1_000_000)
    with port(tmp_path, command(code)) as one, pytest.raises(ValidatorFailed, match=word):
        one.check(b"{}")


def test_much_on_standard_error_does_not_stop_it(tmp_path: Path) -> None:
    code = "sys.stderr.write('x' * 1000000); print('{}')"
    with port(tmp_path, command(code)) as one:
        got = one.check(b"{}")
        assert got.json() == {}
        assert len(got.notes) == module.NOTES


def test_a_validator_that_never_answers_is_given_up(tmp_path: Path) -> None:
    with port(tmp_path, "{command: './not-there {file}'}") as one:
        for number in range(module.GONE_AFTER):
            with pytest.raises(ValidatorFailed, match="No such file"):
                one.check(b"%d" % number)
        with pytest.raises(ValidatorFailed, match="not asked again"):
            one.check(b"one more")


def test_closing_ends_what_runs(tmp_path: Path) -> None:
    started = time.monotonic()
    with port(tmp_path, command("open('started', 'w').close(); time.sleep(60)")) as one:
        one.prepare([b"1", b"2", b"3"])
        while not (tmp_path / "started").exists():
            assert time.monotonic() - started < 30
    assert time.monotonic() - started < 50


@pytest.mark.parametrize(("status", "good"), [(200, True), (500, False), (204, False)])
def test_a_url_answers_with_200(tmp_path: Path, status: int, good: bool) -> None:
    handle: Handler = lambda request: answer(request, status, {"valid": True, "errors": []})  # noqa: E731
    with serving(handle) as origin, port(tmp_path, f"{{url: '{origin}/check?token=s3cret-token'}}") as one:
        if good:
            assert one.check(b"{}").json() == {"valid": True, "errors": []}
        else:
            with pytest.raises(ValidatorFailed, match=str(status)):
                one.check(b"{}")
    assert b"s3cret-token" not in (tmp_path / "events.jsonl").read_bytes()
