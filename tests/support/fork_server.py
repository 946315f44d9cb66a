"""A pytest process that has collected the suites and judges one target after another in forks of itself.

A line of JSON on standard input, `{"folder", "target"}`, is a job; a line comes back when it is done.
"""

import contextlib
import json
import os
import sys
from pathlib import Path

import pytest
from _pytest.main import pytest_runtestloop as run_all

from dtc_cli.harness.plugin import SESSION, VECTOR, RunSession
from dtc_cli.paths import SUITES

PARTS = ("phase1", "phase2")


class Loop:
    """Takes the place of the test loop."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Serve jobs until standard input ends."""
        print(json.dumps({"collected": len(session.items)}), flush=True)  # noqa: T201 - the protocol
        for line in sys.stdin:
            job = json.loads(line)
            child = os.fork()
            if child == 0:
                _judge(session, Path(job["folder"]), Path(job["target"]))
            _, status = os.waitpid(child, 0)
            print(json.dumps({"status": os.waitstatus_to_exitcode(status)}), flush=True)  # noqa: T201
        return True


def _judge(session: pytest.Session, folder: Path, target: Path) -> None:
    """In the fork: judge into the folder, and end."""
    log = os.open(folder / "fork.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    code = 70
    try:
        run = RunSession(folder, target, progress=False)
        session.config.stash[SESSION] = run
        items = [item for item in session.items if item.stash[VECTOR].id in run.expected]
        session.items[:] = sorted(items, key=lambda item: item.get_closest_marker("late") is not None)
        run.watch(session.items)
        with contextlib.suppress(session.Failed):  # vectors that failed are a judgement
            run_all(session)
        run.close()
        code = 0
    finally:
        sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    sys.path.insert(0, str(SUITES.parent))
    options = ["-c", str(SUITES / "pytest.ini"), "--rootdir", str(SUITES), "-p", "no:terminal", "-s"]
    sys.exit(pytest.main([*options, *(str(SUITES / part) for part in PARTS)], plugins=[Loop()]))
