"""Imports as jobs: taken in whole, judged apart, written batch by batch, resumed after a crash.

Jobs come into the city in the order in which they were taken in; one is judged while another is written.

A job's state and the rows that it wrote are committed together, so a job that was interrupted anywhere goes
on where its last commit left it.
"""

import asyncio
import contextlib
import multiprocessing
import os
import sys
import traceback
import uuid
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from reference_server import instants
from reference_server.bulk import apply, worker
from reference_server.bulk.work import Judged, Work
from reference_server.errors import ApiError
from reference_server.services import cities
from reference_server.services.cities import City
from reference_server.services.import_job import COUNTS, ENDED, GONE, OPEN, Job, shown
from reference_server.storage.protocol import ImportRow, RowFault, Storage, Transaction

BATCH = 1000
BATCH_BYTES = 1024 * 1024
"""What one change takes in: some ten milliseconds, so that other changes get in between."""
MAX_WAITING = 100


class Imports:
    """Runs the jobs of a server in the order in which they came: one is written at a time, and one judged."""

    def __init__(self, storage: Storage, folder: Path, threshold: float | None) -> None:
        self.storage = storage
        self.folder = folder
        self._threshold = threshold
        self._jobs: dict[str, Job] = {}
        self._judging, self._writing = asyncio.Lock(), asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(
            ["reference_server.simulation.worker", "reference_server.bulk.worker"]
        )

    # --- taking in

    def admit(self) -> None:
        """Refuse further imports while too many wait.

        Raises:
            ApiError: SERVICE_UNAVAILABLE.
        """
        if len(self._tasks) >= MAX_WAITING:
            raise ApiError(
                "SERVICE_UNAVAILABLE", "too many imports are waiting", headers={"retry-after": "30"}
            )

    def spool(self, import_id: str) -> Path:
        """Where the body of an import lies."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.folder / f"{import_id}.body"

    async def accept(self, city: City, import_id: str, actor: str, facts: dict[str, Any]) -> ImportRow:
        """Store a job whose body lies in its place, and begin; `facts`: lines, mode, bytes, mediaType."""

        def store(tx: Transaction) -> ImportRow:
            body = {
                **facts,
                "actor": actor,
                "created": instants.show(tx.at),
                "counts": dict.fromkeys(COUNTS, 0),
            }
            row = ImportRow(import_id, city.no, "pending", 0, orjson.dumps(body))
            tx.put_import(row)
            return row

        row = await self.storage.write(actor, store)
        self._begin(row, city.id)
        return row

    async def recover(self) -> None:
        """Go on with the jobs that an earlier process left, and clear away bodies of none."""
        rows = await self.storage.import_jobs(None, OPEN)
        ids = {row.id for row in rows}
        if self.folder.is_dir():
            for path in self.folder.iterdir():
                if path.name.split(".")[0] not in ids:
                    path.unlink(missing_ok=True)
        names = {city.no: city.id for city in await self.storage.cities()}
        for row in reversed(rows):
            self._begin(row, names[row.city])

    def _begin(self, row: ImportRow, city_id: str) -> None:
        job = self._jobs[row.id] = Job(row)
        task = asyncio.create_task(self._run(job, city_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Stop after the batch under way; the jobs go on when the server is started again."""
        self._closing = True
        for job in self._jobs.values():
            job.stopped.set()
        if self._tasks:
            await asyncio.wait(self._tasks)

    # --- asking and stopping

    async def find(self, city: City, import_id: str) -> ImportRow:
        """The job of that id.

        Raises:
            ApiError: JOB_NOT_FOUND.
        """
        row = await self.storage.import_job(import_id)
        if row is None or row.city != city.no or row.status == GONE:
            raise absent(city, import_id)
        return row

    async def listing(self, city: City) -> list[ImportRow]:
        """The jobs of a city, newest first."""
        return await self.storage.import_jobs(city.no, (*OPEN, *ENDED))

    def shown(self, row: ImportRow, faults: Sequence[RowFault], total: int) -> dict[str, Any]:
        """A job as it is answered, with the first of its refused rows and how many there are."""
        job = self._jobs.get(row.id)
        return shown(row, 0 if job is None else job.read, faults, total)

    async def cancel(self, city: City, import_id: str, actor: str) -> ImportRow:
        """Stop a job; what it wrote stays, and can be removed by its id.

        Raises:
            ApiError: JOB_NOT_FOUND, CONFLICT for one that has ended.
        """
        row = await self.find(city, import_id)
        if row.status not in ("pending", "running"):
            raise ApiError("CONFLICT", f"the import is {row.status}", {"importId": import_id})

        def mark(tx: Transaction) -> ImportRow:
            found = tx.import_job(import_id)
            if found is None or found.status not in ("pending", "running"):
                raise ApiError("CONFLICT", "the import has ended", {"importId": import_id})
            body = {**orjson.loads(found.body), "completed": instants.show(tx.at)}
            marked = ImportRow(found.id, found.city, "cancelled", found.cursor, orjson.dumps(body))
            tx.put_import(marked)
            return marked

        marked = await self.storage.write(actor, mark)
        job = self._jobs.get(import_id)
        if job is not None:
            job.stopped.set()
        return marked

    async def remove(self, city: City, import_id: str, actor: str) -> ImportRow:
        """Forget an import and remove what it created and is still there; the job that does so.

        One that is under way is stopped first.

        Raises:
            ApiError: JOB_NOT_FOUND, CONFLICT for a removal.
        """
        await self.find(city, import_id)
        removal_id = f"removal-{uuid.uuid4().hex}"

        def start(tx: Transaction) -> ImportRow:
            found = tx.import_job(import_id)
            if found is None or found.status == GONE:
                raise absent(city, import_id)
            body = orjson.loads(found.body)
            if "removes" in body:
                raise ApiError("CONFLICT", "a removal cannot be taken back", {"importId": import_id})
            tx.put_import(ImportRow(found.id, found.city, GONE, found.cursor, found.body))
            facts = {
                "removes": import_id,
                "actor": actor,
                "created": instants.show(tx.at),
                "total": body["counts"]["created"],
                "counts": dict.fromkeys(COUNTS, 0),
            }
            row = ImportRow(removal_id, city.no, "pending", 0, orjson.dumps(facts))
            tx.put_import(row)
            return row

        row = await self.storage.write(actor, start)
        job = self._jobs.get(import_id)
        if job is not None:
            job.stopped.set()
        self._begin(row, city.id)  # its turn to write comes when a run that was stopped has ended
        return row

    # --- running

    async def _run(self, job: Job, city_id: str) -> None:
        async with Turn(self._judging, self._writing) as turn:
            latest = None if self._closing else await self.storage.import_job(job.id)
            if self._closing:
                return
            if latest is None or latest.status not in OPEN:
                self._clear(job)
                return
            job.row = latest
            job.body = orjson.loads(latest.body)
            try:
                if job.removes is not None:
                    await turn.to_write()
                    await self._remove(job, job.removes, city_id)
                else:
                    await self._import(job, city_id, turn)
            except (ApiError, OSError) as problem:
                await self._end(job, "failed", error=str(problem))
            except Exception:
                traceback.print_exc(file=sys.stderr)
                await self._end(job, "failed", error="the server failed to import this")
            if not self._closing:
                self._clear(job)

    async def _import(self, job: Job, city_id: str, turn: "Turn") -> None:
        row = await self.storage.city(city_id)
        if row is None:
            return
        city = cities.decoded(row)
        if not job.body.get("judged"):
            name = f"{job.id}.{uuid.uuid4().hex[:8]}.rows"
            if not await self._judge(job, city, self.folder / name, turn):
                return
        await turn.to_write()
        await self._write(job, city)

    async def _judge(self, job: Job, city: City, path: Path, turn: "Turn") -> bool:
        """Have the body judged; False when that failed or was stopped."""
        ours, theirs = self._context.Pipe()
        task = worker.Task(
            self.spool(job.id),
            path,
            self.storage.path,
            city.row,
            bool(job.body["lines"]),
            self._threshold,
        )
        process = self._context.Process(target=worker.run, args=(theirs, task), daemon=True)
        await asyncio.to_thread(process.start)
        theirs.close()
        await self._store(job, status="running")
        try:
            end = await self._follow(job, ours)
            if end == worker.ASKS:  # it names entities that the jobs before it may bring
                await turn.to_write()
                ours.send(worker.ASKS)
                end = await self._follow(job, ours)
        except BrokenPipeError:
            end = ("failed", "INTERNAL_ERROR", "the reading ended without an answer")
        finally:
            process.kill()
            await asyncio.to_thread(process.join)
            process.close()
            ours.close()
        if end is None:
            return False
        if end[0] == "failed":
            await self._end(job, "failed", error=end[2], code=end[1])
            return False
        await self._store(job, judged=path.name, total=end[1])
        return True

    async def _follow(self, job: Job, pipe: Any) -> Any:
        """What the process tells at its end, or when it waits; None when the job was stopped."""
        ready = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(pipe.fileno(), ready.set)
        stopped = asyncio.create_task(job.stopped.wait())
        try:
            while not job.stopped.is_set():
                arrived = asyncio.create_task(ready.wait())
                await asyncio.wait({arrived, stopped}, return_when=asyncio.FIRST_COMPLETED)
                arrived.cancel()
                ready.clear()
                while pipe.poll():
                    try:
                        message = pipe.recv()
                    except EOFError:
                        return ("failed", "INTERNAL_ERROR", "the reading ended without an answer")
                    if message[0] != "read":
                        return message
                    job.read = message[1]
            return None
        finally:
            stopped.cancel()
            loop.remove_reader(pipe.fileno())

    async def _write(self, job: Job, city: City) -> None:
        work = await asyncio.to_thread(Work, self.folder / job.body["judged"], fresh=False)
        try:
            rows = await asyncio.to_thread(work.after, job.row.cursor, BATCH, BATCH_BYTES)
            while rows and not job.stopped.is_set():
                change = asyncio.ensure_future(self.storage.write(job.body["actor"], _batch(job, city, rows)))
                rows = await asyncio.to_thread(work.after, rows[-1].key, BATCH, BATCH_BYTES)
                written = await change
                if written is None:  # stopped, or the city is gone
                    return
                job.row = written
                job.body = orjson.loads(written.body)
            if not job.stopped.is_set():
                await self._end(job, "completed")
        finally:
            work.close()

    async def _remove(self, job: Job, import_id: str, city_id: str) -> None:
        row = await self.storage.city(city_id)
        if row is None:
            return
        city = cities.decoded(row)

        def change(tx: Transaction) -> ImportRow | None:
            found = tx.import_job(job.id)
            if found is None or found.status not in OPEN:
                return None
            count = apply.remove_created(tx, city, import_id, BATCH)
            body = orjson.loads(found.body)
            body["counts"]["deleted"] += count
            row = ImportRow(found.id, found.city, "running", found.cursor + count, orjson.dumps(body))
            tx.put_import(row)
            return row

        while not job.stopped.is_set():
            before = job.row.cursor
            written = await self.storage.write(job.body["actor"], change)
            if written is None:  # cancelled
                return
            job.row = written
            job.body = orjson.loads(written.body)
            if written.cursor == before:
                await self._end(job, "completed")
                return

    async def _store(self, job: Job, status: str | None = None, **changes: Any) -> None:
        """Write the state of a job, unless somebody has ended it meanwhile."""

        def put(tx: Transaction) -> ImportRow | None:
            found = tx.import_job(job.id)
            if found is None or found.status not in OPEN:
                return None
            row = job.stored(status, **changes)
            tx.put_import(row)
            return row

        written = await self.storage.write("import", put)
        if written is not None:
            job.row = written

    async def _end(self, job: Job, status: str, **changes: Any) -> None:
        await self._store(job, status, completed=instants.show(instants.now_us()), **changes)

    def _clear(self, job: Job) -> None:
        self._jobs.pop(job.id, None)
        if self.folder.is_dir():
            for path in self.folder.glob(f"{job.id}.*"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)


class Turn:
    """The place of a job in the queue: first it is judged, then written, each beside one other job at most.

    The turn to judge is given up only once that to write was gained, so nobody overtakes.
    """

    def __init__(self, judging: asyncio.Lock, writing: asyncio.Lock) -> None:
        self._judging, self._writing = judging, writing
        self._writes = False

    async def __aenter__(self) -> "Turn":
        """Wait for the turn to judge."""
        await self._judging.acquire()
        return self

    async def to_write(self) -> None:
        """Wait until the job before has ended; the next one may be judged then."""
        if not self._writes:
            await self._writing.acquire()
            self._writes = True
            self._judging.release()

    async def __aexit__(self, *_: object) -> None:
        """Make way."""
        (self._writing if self._writes else self._judging).release()


def absent(city: City, import_id: str) -> ApiError:
    """The refusal for a job that is not there."""
    details = {"cityId": city.id, "importId": import_id[:200]}
    return ApiError("JOB_NOT_FOUND", "there is no such import", details)


def _batch(job: Job, city: City, rows: Sequence[Judged]) -> Any:
    """The change that writes rows and moves the job's cursor behind them."""

    def change(tx: Transaction) -> ImportRow | None:
        found = tx.import_job(job.id)
        if found is None or found.status != "running":
            return None
        now = tx.city(city.id)
        if now is None or now.no != city.no:
            return None
        batch = apply.Batch(tx, cities.decoded(now) if now.revision != city.row.revision else city, job.id,
                            job.body["mode"])  # fmt: skip
        applied = batch.apply(rows)
        body = orjson.loads(found.body)
        body["counts"] = dict(Counter(body["counts"]) + applied.counts)
        for name in COUNTS:
            body["counts"].setdefault(name, 0)
        row = ImportRow(found.id, found.city, "running", rows[-1].key, orjson.dumps(body))
        tx.put_import(row)
        return row

    return change
