"""One thread that writes: changes are taken from a queue and committed in groups.

A caller's future is resolved after the commit that holds its change, so an answer never promises what a crash
could take back; under load many changes share one flush to disk.
"""

import asyncio
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any

from reference_server.errors import ApiError
from reference_server.storage.protocol import Change, Measured
from reference_server.storage.transaction import SqliteTransaction

LOG = logging.getLogger(__name__)
GROUP_LIMIT = 512
"""Changes in one commit, at most."""
GROUP_TIME_S = 0.02
"""How long a commit collects changes that are already waiting, at most."""

Changes = list[Change | Measured]
Listener = Callable[[Changes], None]
Done = tuple["asyncio.Future[Any]", Any, BaseException | None, Changes]
Job = tuple[str, Callable[[Any], Any], int | None, "asyncio.Future[Any]"]


class Writer:
    """Owns the only connection that changes the database."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="storage-writer", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.listener: Listener | None = None
        """Hears of committed changes, in the event loop, before their callers do."""
        self.commits_of_cities = 0
        """Goes up after each commit that may have changed a city: what was read of one before is stale."""

    def start(self) -> None:
        """Begin to write for the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def submit(self, actor: str, change: Callable[[Any], Any], at: int | None) -> "asyncio.Future[Any]":
        """Queue a change; the future holds its result after the commit, or what it raised."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._jobs.put((actor, change, at, future))
        return future

    def stop(self) -> None:
        """Write what is queued, then end the thread."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        connection = self._connect()
        transaction = SqliteTransaction(connection)
        running = True
        while running:
            group: list[Job] = []
            job = self._jobs.get()
            deadline = time.monotonic() + GROUP_TIME_S
            done: list[Done] = []
            connection.execute("BEGIN IMMEDIATE")
            while job is not None:
                group.append(job)
                done.append(self._apply(connection, transaction, job))
                if len(group) >= GROUP_LIMIT or time.monotonic() > deadline:
                    break
                try:
                    job = self._jobs.get_nowait()
                except queue.Empty:
                    break
            running = job is not None
            self._finish(connection, transaction, done)
        connection.close()

    def _apply(self, connection: sqlite3.Connection, transaction: SqliteTransaction, job: Job) -> Done:
        actor, change, at, future = job
        connection.execute("SAVEPOINT change")
        try:
            transaction.begin(actor, at)
            result = change(transaction)
        except Exception as problem:
            connection.execute("ROLLBACK TO change")
            connection.execute("RELEASE change")
            transaction.forget()
            return future, None, problem, []
        connection.execute("RELEASE change")
        return future, result, None, transaction.changes()

    def _finish(
        self,
        connection: sqlite3.Connection,
        transaction: SqliteTransaction,
        done: list[Done],
    ) -> None:
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as problem:
            connection.execute("ROLLBACK")
            transaction.forget()
            failure = ApiError("SERVICE_UNAVAILABLE", "the change could not be stored")
            failure.__cause__ = problem
            done = [(future, None, error or failure, []) for future, _, error, _ in done]
        if transaction.cities_touched:
            transaction.cities_touched = False
            self.commits_of_cities += 1
        if done and self._loop is not None:
            self._loop.call_soon_threadsafe(_resolve, done, self.listener)


def _resolve(done: list[Done], listener: Listener | None) -> None:
    for future, result, problem, changes in done:
        if listener is not None and changes:
            try:
                listener(changes)
            except Exception:  # what is committed is committed: its caller, and those behind it, hear so
                LOG.exception("a listener failed on a committed change")
        if future.done():  # the caller went away; what it asked for is written all the same
            continue
        if problem is not None:
            future.set_exception(problem)
        else:
            future.set_result(result)
