"""One hand on a migration at a time, and a city that goes away while it is written to."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dtc_cli.app import main
from dtc_cli.migrate import lock
from dtc_cli.migrate.twin import Twin
from tests.integration.migrate import made
from tests.integration.migrate.conftest import Run
from tests.integration.migrate.test_run import api
from tests.integration.migrate.test_stopped import LAYER, down, points

HOLD = "import sys; from pathlib import Path; from dtc_cli.migrate import lock\n"
HOLD += "with lock.held(Path(sys.argv[1]), 'sync'): print('held', flush=True); sys.stdin.read()"


def test_who_changes_a_migration_is_alone_and_named(
    tmp_path: Path, dtc: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    plan, out = made.plan(points(tmp_path, "1,a,127,37"), layer=LAYER), tmp_path / "o.ndjson"
    assert dtc("run", plan, "--to", out)[0] == 0
    folder = tmp_path / "p.migration"
    assert lock.holder(folder) is None
    with lock.held(folder, "run full"):
        changing: tuple[tuple[Any, ...], ...] = (
            ("run", plan, "--to", out), ("resume", plan), ("sync", plan), ("rollback", plan),
            ("quarantine", "retry", plan),
        )  # fmt: skip
        for command in changing:
            code, answer = dtc(*command)
            assert (code, answer["error"]["code"]) == (7, "migration-in-use"), command
            assert f"run full by process {os.getpid()} on " in answer["error"]["why"]
        assert answer["error"]["what"].startswith("retry has to wait")
        assert dtc("verify", plan)[1]["whole"]
        assert dtc("diff", plan)[0] == dtc("quarantine", "list", plan)[0] == 0
        told = dtc("status", plan)[1]
        assert (told["atWork"]["what"], told["atWork"]["pid"]) == ("run full", os.getpid())
        capfd.readouterr()
        main(["migrate", "status", str(plan)])
        assert f"at work: run full by process {os.getpid()}" in capfd.readouterr().out
    assert dtc("resume", plan)[0] == 0
    assert dtc("status", plan)[1]["atWork"] is None


def test_the_lock_dies_with_its_process(tmp_path: Path) -> None:
    with subprocess.Popen(
        (sys.executable, "-c", HOLD, str(tmp_path)), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"held\n"
        found = lock.holder(tmp_path)
        assert found is not None
        assert (found.what, found.pid) == ("sync", worker.pid)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    assert lock.holder(tmp_path) is None
    with lock.held(tmp_path, "rollback"):
        assert "rollback by process" in str(lock.holder(tmp_path))


def test_a_city_that_goes_away_is_a_lost_target(
    tmp_path: Path, dtc: Run, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No record is to blame for it: the run pauses, and what was sent waits."""
    plan = made.plan(points(tmp_path, "1,a,127,37", "2,b,127,38"), layer=LAYER, city={"id": "KR-AWAY-2025"})
    prepare = Twin.prepare

    def pulled(twin: Twin, **options: Any) -> bool:
        prepared = prepare(twin, **options)
        twin.delete_city()
        return prepared

    with monkeypatch.context() as patch:
        patch.setattr(Twin, "prepare", pulled)
        code, answer = dtc("run", plan, "--target", target)
    assert (code, answer["error"]["what"]) == (7, "the city KR-AWAY-2025 is gone from the target")
    assert f"dtc migrate resume {tmp_path / 'p.migration'} " in answer["error"]["try"]
    code, told = dtc("status", plan)
    assert (code, told["states"]) == (6, {"sent": 2})
    assert told["unfinished"]["why"] == "the city is gone from the target"
    assert dtc("resume", plan)[1]["states"] == {"loaded": 2}
    # With objects of this migration in it, a new city would lack them: nothing goes on as if nothing were.
    with api(target, "KR-AWAY-2025") as client:
        assert client.delete(str(client.base_url).rstrip("/")).status_code < 300
    for command in (("resume", plan), ("sync", plan)):
        code, answer = dtc(*command)
        assert (code, answer["error"]["why"]) == (7, "2 objects of this migration stood in it")
    with monkeypatch.context() as patch:
        patch.setattr(Twin, "exists", down)
        code, answer = dtc("rollback", plan)
    assert code in (2, 7)
    assert f"dtc migrate rollback {tmp_path / 'p.migration'} " in answer["error"]["try"]
    assert dtc("rollback", plan)[1]["already_gone"] == 2
    assert dtc("run", plan, "--target", target)[1]["states"] == {"loaded": 2}
    assert dtc("rollback", plan)[1]["deleted"] == 2
