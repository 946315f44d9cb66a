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
from reference_server.storage.sqlite import SqliteStorage


def run(options: argparse.Namespace) -> int:
    """Make the database; 0, or 2 when the file is there already or the instant is none."""
    now = instants.now_us() if options.at is None else instants.parse(options.at)
    if now is None:
        print(f"error: {options.at} is no RFC 3339 instant with a zone", file=sys.stderr)  # noqa: T201
        return 2
    path: Path = options.db
    if path.exists():
        print(f"error: {path} exists; seed makes a new file", file=sys.stderr)  # noqa: T201
        return 2
    path.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    plan = demo.Plan(options.city, options.objects, options.sensors, options.days, options.seed)
    try:
        asyncio.run(_make(path, plan, now))
    except BaseException:  # Ctrl-C, a full disk
        discard(path)
        raise
    counts = _settle(path)
    seconds = round(time.monotonic() - began, 2)
    print(json.dumps({"db": str(path), "city": options.city, **counts, "seconds": seconds}))  # noqa: T201
    return 0


def discard(path: Path) -> None:
    """Remove a database that was not finished: half a city would pass for a whole one."""
    for rest in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        rest.unlink(missing_ok=True)


async def _make(path: Path, plan: demo.Plan, now: int) -> None:
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
