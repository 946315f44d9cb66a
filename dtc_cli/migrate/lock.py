"""One hand on a migration at a time: who changes it holds its lock, and is named to who comes meanwhile."""

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import msgspec

from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode

FILE = "lock"
TRIES, BETWEEN_S = 5, 0.05
"""A glance of a status holds the lock for an instant, and who has just taken it still writes its name."""


class Holder(msgspec.Struct, kw_only=True):
    """Who works on a migration."""

    what: str
    """`run full`, `sync`, `retry`, `rollback`."""
    pid: int
    host: str
    since: str

    def __str__(self) -> str:
        return f"{self.what} by process {self.pid} on {self.host}, since {self.since}"


@contextmanager
def held(folder: Path, what: str) -> Iterator[None]:
    """Be the only one that changes a migration. The lock ends with the process, however that ends.

    Args:
        folder: the folder of the journal.
        what: what is about to be done, for others to read.

    Raises:
        DtcError: `migration-in-use` when somebody else is at work; the file system may know no locks.
    """
    path = folder / FILE
    try:
        file = path.open("a+b")
    except OSError as problem:
        raise _unusable(path, problem) from problem
    with file:
        for attempt in range(TRIES):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as problem:
                if attempt == TRIES - 1:
                    raise _in_use(folder, what, _named(file)) from problem
                time.sleep(BETWEEN_S)
            except OSError as problem:
                raise _unusable(path, problem) from problem
        now = datetime.now(UTC).isoformat(timespec="seconds")
        _write(
            file,
            msgspec.json.encode(Holder(what=what, pid=os.getpid(), host=socket.gethostname(), since=now)),
        )
        try:
            yield
        finally:
            _write(file, b"")


def holder(folder: Path) -> Holder | None:
    """Who changes a migration now, or None; what a killed process left in the file counts for nothing."""
    try:
        with (folder / FILE).open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _named(file)
    except OSError:
        pass  # there is no such file: nobody ever changed it; or no locks, and nothing can be told
    return None


def _named(file: IO[bytes]) -> Holder | None:
    file.seek(0)
    with suppress(msgspec.DecodeError):
        return msgspec.json.decode(file.read(), type=Holder)
    return None


def _write(file: IO[bytes], text: bytes) -> None:
    with suppress(OSError):  # a full disk: the lock holds without a name
        file.truncate(0)
        file.write(text)
        file.flush()


def _in_use(folder: Path, what: str, who: Holder | None) -> DtcError:
    return DtcError(
        "migration-in-use",
        f"{what} has to wait: another dtc is at work with this migration",
        where=str(folder),
        why="" if who is None else str(who),
        hint="repeat this when it has ended"
        + ("" if who is None else f", or stop it first: kill -INT {who.pid}   on {who.host}")
        + "; status, verify, diff and quarantine list go on",
        exit_code=ExitCode.CANNOT_DECIDE,
    )


def _unusable(path: Path, problem: OSError) -> DtcError:
    return DtcError(
        "migration-plan",
        f"the lock {path} cannot be taken",
        where=str(path),
        why=problem.strerror or str(problem),
        hint="the journal must lie where you may write, on a file system with locks; see --journal FOLDER",
    )
