"""`python -m reference_server seed`: a generated city as a database file that a server can be started on."""

import argparse
import asyncio
import json
import os
import sqlite3
import sys
import time
from pathlib import Path

from reference_server import demo, instants
from reference_server.storage.lock import locked
from reference_server.storage.sqlite import SqliteStorage


def run(options: argparse.Namespace) -> int:
    """Make the database; 0, or 2 when the file is there already, cannot be made, or the instant is none."""
    now = instants.now_us() if options.at is None else instants.parse(options.at)
    if now is None:
        print(f"error: {options.at} is no RFC 3339 instant with a zone", file=sys.stderr)  # noqa: T201
        return 2
    path: Path = options.db
    began = time.monotonic()
    plan = demo.Plan(options.city, options.objects, options.sensors, options.days, options.seed)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path):
            if abandoned(path):
                discard(path)
            if path.exists():
                print(f"error: {path} exists; seed makes a new file", file=sys.stderr)  # noqa: T201
                return 2
            counts = _made(path, plan, now)
    except OSError as problem:
        print(f"error: cannot make {path}: {problem}", file=sys.stderr)  # noqa: T201
        return 2
    seconds = round(time.monotonic() - began, 2)
    print(json.dumps({"db": str(path), "city": options.city, **counts, "seconds": seconds}))  # noqa: T201
    return 0


def _made(path: Path, plan: demo.Plan, now: int) -> dict[str, int]:
    begin(path)
    try:
        asyncio.run(_fill(path, plan, now))
        counts = _settle(path)
    except BaseException:  # Ctrl-C, a full disk
        discard(path)
        raise
    complete(path)
    return counts


def discard(path: Path) -> None:
    """Remove a database that was not finished: half a city would pass for a whole one. The mark goes last."""
    for rest in (path, Path(f"{path}-wal"), Path(f"{path}-shm"), _mark(path)):
        rest.unlink(missing_ok=True)


def begin(path: Path) -> None:
    """Mark a database, before it is there, as unfinished; the mark outlives a process that is killed."""
    _mark(path).touch()


def complete(path: Path) -> None:
    """Its city is whole: take the mark away."""
    _mark(path).unlink(missing_ok=True)


def abandoned(path: Path) -> bool:
    """Whether the process that made this database was killed before its end."""
    return _mark(path).exists()


def _mark(path: Path) -> Path:
    return Path(f"{path}.unfinished")


async def _fill(path: Path, plan: demo.Plan, now: int) -> None:
    # nothing is promised to anybody before the end, so the file is flushed once, in `_settle`
    storage = SqliteStorage(path, durable=False)
    await storage.open()
    try:
        await demo.seed(storage, plan, now)
    finally:
        await storage.close()


def _settle(path: Path) -> dict[str, int]:
    """Put all of it on the disk; what there is."""
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        counts = {
            "objects": connection.execute("SELECT count(*) FROM object").fetchone()[0],
            "sensors": connection.execute("SELECT count(*) FROM sensor").fetchone()[0],
            "readings": connection.execute("SELECT coalesce(sum(n), 0) FROM rollup").fetchone()[0],
        }
    finally:
        connection.close()
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    return counts
