"""Judging many targets in a row: the suites are collected once, and each judgement is a fork of that process.

Where a run judges one target, collecting the suites costs less than judging; a self-test judges hundreds with
a few vectors each. What a run writes is the same. `Judge` is this side, `python -m dtc_cli.harness.forked`
the other: a line of JSON on its standard input, `{"folder", "target"}`, is a job, and a line comes back when
it is done. Only suites without watches: a fork takes no threads with it, and watches of live doors are those.
"""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode
from dtc_cli.harness.runner import LOG, Run, child_environment
from dtc_cli.paths import SUITES

PARTS = ("phase1", "phase2")
PATIENCE_S = 60.0


class Judge:
    """A process that judges runs, one at a time; a context that ends it.

    Args:
        parts: the folders below `suites` that it has ready.

    Raises:
        DtcError: `suite-crashed` when it cannot collect the suites.
    """

    def __init__(self, parts: tuple[str, ...] = PARTS) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "dtc_cli.harness.forked", *parts],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=SUITES.parent,
            env=child_environment(),
            start_new_session=True,
        )
        self._read("the suites cannot be collected")

    def __enter__(self) -> "Judge":
        """The judge itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self._process.communicate(timeout=PATIENCE_S)

    def judge(self, run: Run) -> None:
        """Judge a run that has been prepared, and close its folder.

        Raises:
            DtcError: `suite-crashed` when there is no judgement.
        """
        job = {"folder": str(run.folder.resolve()), "target": str(Path(run.target.source).resolve())}
        assert self._process.stdin is not None  # noqa: S101 - PIPE was asked for
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        status = self._read(f"no judgement of {run.folder}")
        run.judged_elsewhere(complete=status == 0)
        if status != 0:
            raise _crashed(f"the judging process ended with {status}", run.folder / LOG)

    def _read(self, trouble: str) -> int:
        assert self._process.stdout is not None  # noqa: S101 - PIPE was asked for
        line = self._process.stdout.readline()
        if not line:
            raise _crashed(trouble, None)
        return int(json.loads(line)["status"])


def _crashed(why: str, log: Path | None) -> DtcError:
    return DtcError(
        "suite-crashed",
        "the process that runs the suites ended without a result",
        where=str(log or "python -m dtc_cli.harness.forked"),
        why=why,
        hint="this is a defect of dtc: report it with the log",
        exit_code=ExitCode.BUG,
    )


def main() -> int:
    """The other side: collect, then judge what is asked for."""
    import pytest
    from _pytest.main import pytest_runtestloop as run_all

    from dtc_cli.harness import plugin

    def judge(session: pytest.Session, folder: Path, target: Path) -> None:
        """In the fork: judge into the folder."""
        log = os.open(folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        run = plugin.RunSession(folder, target, progress=False)
        session.config.stash[plugin.SESSION] = run
        items = [item for item in session.items if item.stash[plugin.VECTOR].id in run.expected]
        session.items[:] = sorted(items, key=lambda item: item.get_closest_marker("late") is not None)
        run.watch(session.items)
        with contextlib.suppress(session.Failed):  # vectors that failed are a judgement
            run_all(session)
        run.close()

    class Loop:
        """Takes the place of the test loop."""

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtestloop(self, session: pytest.Session) -> bool:
            """Serve jobs until standard input ends."""
            print(json.dumps({"status": 0}), flush=True)  # noqa: T201 - the protocol
            for line in sys.stdin:
                job = json.loads(line)
                child = os.fork()
                if child == 0:
                    code = int(ExitCode.BUG)
                    try:
                        judge(session, Path(job["folder"]), Path(job["target"]))
                        code = 0
                    finally:
                        sys.stdout.flush()
                        os._exit(code)
                _, status = os.waitpid(child, 0)
                print(json.dumps({"status": os.waitstatus_to_exitcode(status)}), flush=True)  # noqa: T201
            return True

    sys.path.insert(0, str(SUITES.parent))
    options = ["-c", str(SUITES / "pytest.ini"), "--rootdir", str(SUITES), "-p", "no:terminal", "-s"]
    return int(pytest.main([*options, *(str(SUITES / part) for part in sys.argv[1:])], plugins=[Loop()]))


if __name__ == "__main__":
    sys.exit(main())
