"""Simulations under way.

A process each, a few at a time, with progress, a time limit and an end on request.
"""

import asyncio
import contextlib
import multiprocessing
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

import orjson

from reference_server import instants
from reference_server.errors import ApiError
from reference_server.simulation.case import Case
from reference_server.simulation.worker import work
from reference_server.storage.protocol import Storage, Transaction

SLOTS = 2
MAX_WAITING = 200
VALID_US = 24 * 3600 * instants.MICROS
"""How long results hold."""
POLL_S = 0.5


class Runs:
    """Starts the processes and writes their ends into the storage."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._slots = asyncio.Semaphore(SLOTS)
        self._progress: dict[str, int] = {}
        self._stopped: dict[str, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        # a helper forked from a small, single-threaded server: starts in milliseconds and inherits no
        # connection
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["reference_server.simulation.worker"])

    def admit(self) -> None:
        """Refuse further runs while too many wait.

        Raises:
            ApiError: SERVICE_UNAVAILABLE.
        """
        if len(self._tasks) >= MAX_WAITING:
            message = "too many simulations are waiting"
            raise ApiError("SERVICE_UNAVAILABLE", message, headers={"retry-after": "10"})

    def has_room(self) -> bool:
        """Whether a run would start at once."""
        return len(self._tasks) < SLOTS

    def progress(self, run_id: str, body: Mapping[str, Any]) -> int:
        """Percent done, below 100; what was noted last for a run that has ended otherwise."""
        return self._progress.get(run_id, int(body.get("progress", 0)))

    def begin(self, city: int, run_id: str, kind: str, case: Case, repetitions: int, limit_s: int) -> None:
        """Run as soon as a slot is free."""
        self._progress[run_id] = 0
        self._stopped[run_id] = asyncio.Event()
        task = asyncio.create_task(self._run(city, run_id, kind, case, repetitions, limit_s))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self, run_id: str) -> None:
        """End a run that is under way or waiting."""
        event = self._stopped.get(run_id)
        if event is not None:
            event.set()

    async def close(self) -> None:
        """End all runs."""
        for event in self._stopped.values():
            event.set()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _run(
        self, city: int, run_id: str, kind: str, case: Case, repetitions: int, limit_s: int
    ) -> None:
        stopped = self._stopped[run_id]
        try:
            async with self._slots:
                if not stopped.is_set():
                    await self._note_running(city, run_id)
                    end = await self._work(run_id, kind, case, repetitions, limit_s)
                    if end is not None:
                        await self.finish(city, run_id, end)
        finally:
            del self._stopped[run_id]
            self._progress.pop(run_id, None)

    async def _work(
        self, run_id: str, kind: str, case: Case, repetitions: int, limit_s: int
    ) -> dict[str, Any] | None:
        ours, theirs = self._context.Pipe(duplex=False)
        arguments = (theirs, kind, case, repetitions, limit_s, len(run_id))
        process = self._context.Process(target=work, args=arguments, daemon=True)
        await asyncio.to_thread(process.start)
        theirs.close()
        try:
            async with asyncio.timeout(limit_s):
                return await self._follow(run_id, ours)
        except TimeoutError:
            return {"status": "failed", "error": f"the time limit of {limit_s} s was reached"}
        finally:
            process.kill()
            await asyncio.to_thread(process.join)
            process.close()
            ours.close()

    async def _follow(self, run_id: str, pipe: Connection) -> dict[str, Any] | None:
        """Read what the process tells; the end of the run, or None when it was stopped."""
        stopped = self._stopped[run_id]
        ready = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(pipe.fileno(), ready.set)
        try:
            while not stopped.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(ready.wait(), POLL_S)
                ready.clear()
                while pipe.poll():
                    try:
                        message = pipe.recv()
                    except EOFError:
                        return {"status": "failed", "error": "the model ended without an answer"}
                    if message[0] == "done":
                        return _completed(message[1], message[2])
                    if message[0] == "failed":
                        return {"status": "failed", "error": message[1]}
                    self._progress[run_id] = max(self._progress[run_id], message[1])
            return None
        finally:
            loop.remove_reader(pipe.fileno())

    async def _note_running(self, city: int, run_id: str) -> None:
        def apply(tx: Transaction) -> None:
            row = tx.entity(city, "simulation", run_id)
            body = None if row is None else orjson.loads(row.body)
            if row is not None and body is not None and body["status"] == "pending":
                tx.put_entity(city, "simulation", {**body, "status": "running"}, row)

        await self._storage.write("simulation", apply)

    async def finish(self, city: int, run_id: str, end: Mapping[str, Any]) -> None:
        """Write the end of a run, unless it was cancelled meanwhile."""

        def apply(tx: Transaction) -> None:
            row = tx.entity(city, "simulation", run_id)
            body = None if row is None else orjson.loads(row.body)
            if row is None or body is None or body["status"] not in ("pending", "running"):
                return
            done = {**body, **end}
            if end["status"] == "completed":
                done["completed"] = instants.show(tx.at)
                done["progress"] = 100
                done["validUntil"] = instants.show(tx.at + VALID_US)
            else:
                done["progress"] = self.progress(run_id, body)
            tx.put_entity(city, "simulation", done, row)

        await self._storage.write("simulation", apply)


def _completed(results: dict[str, Any], confidence: float) -> dict[str, Any]:
    return {"status": "completed", "results": results, "confidence": confidence}
