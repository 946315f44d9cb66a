"""One process at a time for a database file."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def locked(db: Path) -> Iterator[None]:
    """Keep other processes from the same database: each that writes relies on being the only one.

    Raises:
        OSError: another one has it.
    """
    with db.with_name(f"{db.name}.lock").open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as problem:
            raise OSError("another server uses it") from problem
        yield
