"""The contract of the process: one line, a ready target file, private keys, a clean end."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from reference_server import demo, seeding
from reference_server.__main__ import main

ROOT = Path(__file__).resolve().parents[3]


def test_the_first_line_announces_the_address_and_no_secret(twin: Any) -> None:
    assert set(twin.announced) == {"ready", "rest", "stream", "mqtt", "target", "pid"}
    assert twin.announced["ready"] is True
    assert twin.rest.endswith("/digital-twin-city/v1")
    assert twin.announced["pid"] == twin.process.pid
    for role in twin.settings["auth"]["api_keys"]:
        assert twin.key(role) not in twin.line


def test_the_target_file_is_complete_and_private(twin: Any) -> None:
    assert twin.settings["dtc"] == 1
    assert twin.settings["rest"]["base_url"] == twin.rest
    keys = twin.settings["auth"]["api_keys"]
    assert set(keys) == {"admin", "operator", "viewer", "device", "other_city", "limited", "load"}
    for reference in [*keys.values(), twin.settings["auth"]["oauth"]["client_secret"]]:
        assert stat.S_IMODE(os.stat(reference.removeprefix("file:")).st_mode) == 0o600


def test_the_validator_of_the_target_file_runs_from_anywhere(twin: Any, tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    record.write_text('{"version": "1.0"}')
    command = [word.replace("{file}", str(record)) for word in twin.settings["validator"]["command"]]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    verdict = json.loads(done.stdout)
    assert verdict["valid"] is False
    assert {error["code"] for error in verdict["errors"]} == {"ERR_MISSING_FIELD", "ERR_INVALID_VALUE"}


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_ends_it_cleanly(start: Callable[..., Any], name: str) -> None:
    twin = start()
    twin.process.send_signal(getattr(signal, name))
    assert twin.process.wait(timeout=20) == 0
    with pytest.raises(httpx.ConnectError):
        twin.http.get(f"{twin.origin}/health")


def test_it_ends_with_its_stdin(start: Callable[..., Any]) -> None:
    assert start().stop() == 0


def test_a_state_outlives_the_process(start: Callable[..., Any], tmp_path: Path) -> None:
    db = str(tmp_path / "city.db")
    first = start("--db", db)
    created = first.create()
    first.stop()
    second = start("--db", db)
    assert second.get(f"/objects/{created['id']}")["properties"]["name"] == "Test House"


def test_a_taken_port_is_said_so() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "reference_server", "--port", port],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert "cannot listen" in done.stderr
    assert "Traceback" not in done.stderr


def test_bad_usage_is_one_line() -> None:
    for arguments in (["--city", "busan"], ["--port", "70000"], ["--fault", "DTC-P1-999"], ["validate"]):
        done = subprocess.run(
            [sys.executable, "-m", "reference_server", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert "Traceback" not in done.stderr


BAD_VALUES = [
    (["--objects", "-5"], "--objects"),
    (["--sensors", "-1"], "--sensors"),
    (["--days", "nan"], "--days"),
    (["--quality-threshold", "2"], "--quality-threshold"),
    (["--heartbeat", "0"], "--heartbeat"),
    (["--body-timeout", "-1"], "--body-timeout"),
    (["--alert-threshold", "x"], "air_quality=100"),
    (["--alert-threshold", "x=nan"], "air_quality=100"),
    (["--mqtt-port", "70000"], "must be a port"),
]


@pytest.mark.parametrize(("arguments", "said"), BAD_VALUES)
def test_a_value_that_cannot_be_meant_is_refused(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_a_seed_that_is_stopped_leaves_no_half_city(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "seed", stopped)
    assert main(["seed", "--db", str(tmp_path / "a.db")]) == 130
    assert capsys.readouterr().err == "stopped before it was done\n"
    assert [left.name for left in tmp_path.iterdir()] == ["a.db.lock"]


def test_a_seed_that_was_killed_is_begun_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    db = tmp_path / "a.db"
    command = [sys.executable, "-m", "reference_server", "seed", "--db", str(db), "--objects", "500000"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while not (db.exists() and db.stat().st_size):
            assert process.poll() is None
        process.kill()
    assert main(["seed", "--db", str(db), "--objects", "40", "--sensors", "2", "--days", "0.1"]) == 0
    assert json.loads(capsys.readouterr().out)["objects"] == 40
    assert sorted(left.name for left in tmp_path.iterdir()) == ["a.db", "a.db.lock"]


def test_a_city_whose_making_was_killed_is_not_served(tmp_path: Path, start: Callable[..., Any]) -> None:
    db = tmp_path / "a.db"
    assert main(["seed", "--db", str(db), "--objects", "40", "--sensors", "2", "--days", "0.1"]) == 0
    seeding.begin(db)  # what a killed process leaves
    twin = start("--db", str(db), "--objects", "60")
    assert twin.get("/objects?limit=1")["total"] == 60
    assert not seeding.abandoned(db)


def test_a_server_that_is_stopped_while_it_makes_its_city_keeps_no_half_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "seed", stopped)
    db, old = tmp_path / "a.db", tmp_path / "old.db"
    assert main(["--mqtt-port", "none", "--db", str(db)]) == 130
    assert capsys.readouterr().err == "stopped before it was done\n"
    assert not db.exists()
    old.touch()
    assert main(["--mqtt-port", "none", "--db", str(old)]) == 130
    assert old.exists()


def test_health_and_readiness_are_open(twin: Any) -> None:
    for path in ("/health", "/ready"):
        answer = twin.http.get(twin.origin + path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
def test_it_serves_on_ipv6(start: Callable[..., Any]) -> None:
    twin = start("--host", "::1")
    assert twin.rest.startswith("http://[::1]:")
    assert twin.settings["rest"]["base_url"] == twin.rest
    links = twin.get(f"{twin.origin}/ogc/KR-BUSAN-2025")["links"]
    assert links[0]["href"] == f"{twin.origin}/ogc/KR-BUSAN-2025"
    assert twin.call("GET", f"{twin.origin}/ready").json() == {"ready": True}
