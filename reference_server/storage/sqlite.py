"""SQLite behind the `Storage` protocol.

Keyed reads run in the event loop (tens of microseconds each); scans run in a small pool of threads with
connections of their own; changes go to the one writer thread. WAL lets all of them work at the same time.
"""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import orjson

from reference_server import instants
from reference_server.geometry import Box
from reference_server.storage import along, queries, replay, series
from reference_server.storage.protocol import (
    Bucket,
    Change,
    CityRow,
    CityState,
    CredentialRow,
    Entry,
    Event,
    ImportRow,
    Measured,
    ObjectQuery,
    Page,
    Reading,
    Remembered,
    RetiredSecret,
    Row,
    RowFault,
    SensorQuery,
    Transaction,
)
from reference_server.storage.schema import PRAGMAS, SCHEMA_VERSION, TABLES, UPGRADES
from reference_server.storage.transaction import (
    DAY_US,
    ROW,
    read_city,
    read_credentials,
    read_entity,
    read_import,
    read_remembered,
    read_row,
)
from reference_server.storage.view import View
from reference_server.storage.writer import Writer

T = TypeVar("T")
SCAN_THREADS = 3


class SqliteStorage:
    """See `protocol.Storage`."""

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        """`durable` False leaves flushing to the system: for a file that is removed at the end anyway."""
        self._durable = durable
        self.path = path
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._pool = ThreadPoolExecutor(SCAN_THREADS, thread_name_prefix="storage-scan")
        self._writer = Writer(self._connect)
        self._cities: dict[str, tuple[int, CityRow]] = {}

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, cached_statements=512
        )
        for pragma in PRAGMAS:
            connection.execute(pragma)
        if not self._durable:
            connection.execute("PRAGMA synchronous = OFF")
        queries.install(connection)
        return connection

    async def open(self) -> None:
        """Create what is missing and start the writer.

        Raises:
            OSError: the file holds a newer schema than this program knows, or something else altogether.
        """
        self._keyed = self._connect()
        self._opened.append(self._keyed)
        self._upgrade(self._keyed)
        self._keyed.executescript(TABLES)
        self._keyed.execute("INSERT OR IGNORE INTO meta VALUES ('schema', ?)", (str(SCHEMA_VERSION),))
        self._writer.start()

    def _upgrade(self, connection: sqlite3.Connection) -> None:
        """Bring a database of an earlier version up to this one, a version at a time, each wholly or not."""
        tables = {str(name) for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        if tables and "meta" not in tables:
            raise OSError("the database belongs to another program")
        row = (
            connection.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone() if tables else None
        )
        if row is None:  # new, or not finished when it was made
            return
        found = int(row[0])
        if found > SCHEMA_VERSION:
            raise OSError(f"the database has schema {found}, this program knows {SCHEMA_VERSION}")
        for version in range(found, SCHEMA_VERSION):
            connection.execute("BEGIN IMMEDIATE")
            for statement in UPGRADES[version]:
                connection.execute(statement)
            connection.execute("UPDATE meta SET value = ? WHERE name = 'schema'", (str(version + 1),))
            connection.execute("COMMIT")

    async def close(self) -> None:
        """Write what is queued and close every connection."""
        await asyncio.to_thread(self._writer.stop)
        self._pool.shutdown()
        for connection in self._opened:
            connection.close()

    async def _scan(self, question: Callable[..., T], *values: Any) -> T:
        def run() -> T:
            connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
            if connection is None:
                connection = self._connect()
                self._local.connection = connection
                self._opened.append(connection)
            return question(connection, *values)

        return await asyncio.get_running_loop().run_in_executor(self._pool, run)

    async def write(self, actor: str, change: Callable[[Transaction], T], at: int | None = None) -> T:
        """Run a change in the writer thread; its result, once it is committed."""
        result: T = await self._writer.submit(actor, along.joined(change), at)
        return result

    def listen(self, listener: Callable[[Sequence[Change | Measured]], None]) -> None:
        """Tell somebody of what is committed from now on."""
        self._writer.listener = listener

    def city_numbered(self, city: int) -> str | None:
        """The id of the city of that number."""
        found = self._keyed.execute("SELECT id FROM city WHERE no = ?", (city,)).fetchone()
        return None if found is None else str(found[0])

    def sensor_numbered(self, sensor: int) -> tuple[int, Row] | None:
        """The city's number and the row of the sensor of that number."""
        query = f"SELECT city, {ROW} FROM sensor WHERE no = ?"  # noqa: S608 - a constant
        found = self._keyed.execute(query, (sensor,)).fetchone()
        return None if found is None else (int(found[0]), Row(*found[1:]))

    async def city(self, city_id: str) -> CityRow | None:
        """The city of that id; every request asks, so what was read is kept until a city changes."""
        now = self._writer.commits_of_cities
        kept = self._cities.get(city_id)
        if kept is not None and kept[0] == now:
            return kept[1]
        row = read_city(self._keyed, city_id)
        if row is not None:  # under the count before the read: a commit meanwhile makes it stale at once
            self._cities[city_id] = (now, row)
        return row

    async def cities(self) -> list[CityRow]:
        """All cities, oldest first."""
        rows = self._keyed.execute(
            "SELECT no, id, CAST(body AS BLOB), revision, created, updated FROM city ORDER BY no"
        )
        return [CityRow(*row) for row in rows]

    async def object(self, city: int, object_id: str) -> Row | None:
        """The object of that id."""
        return read_row(self._keyed, "object", city, object_id)

    async def objects(self, query: ObjectQuery) -> Page:
        """A page of objects."""
        return await self._scan(queries.objects, query)

    async def walk_objects(self, query: ObjectQuery, page: int = 500) -> AsyncIterator[Row]:
        """All matching objects in the order of creation, read page by page."""
        after = 0
        while True:
            step = msgspec.structs.replace(query, sort=None, limit=page, offset=0, after=after)
            rows = (await self.objects(step)).rows
            for row in rows:
                yield row
            if len(rows) < page:
                return
            after = rows[-1].no

    async def near(self, city: int, box: Box, types: tuple[str, ...]) -> list[Row]:
        """The objects whose box touches a box."""
        return await self._scan(queries.near, city, box, types)

    async def sensor(self, city: int, sensor_id: str) -> Row | None:
        """The sensor of that id."""
        return read_row(self._keyed, "sensor", city, sensor_id)

    async def sensors(self, query: SensorQuery) -> Page:
        """A page of sensors."""
        return await self._scan(queries.sensors, query)

    def next_sensors(self, city: int, after: int, limit: int) -> list[Row]:
        """The sensors of a city that are numbered above `after`, at most `limit`, at once."""
        return queries.walk_sensors(self._keyed, city, after, limit)

    async def walk_sensors(self, city: int, page: int = 2000) -> AsyncIterator[Row]:
        """All sensors of a city in the order of registration, read page by page."""
        after = 0
        while True:
            rows = await self._scan(queries.walk_sensors, city, after, page)
            for row in rows:
                yield row
            if len(rows) < page:
                return
            after = rows[-1].no

    async def entity(self, city: int, kind: str, entity_id: str) -> Row | None:
        """The simulation, service or aggregation of that id."""
        return read_entity(self._keyed, city, kind, entity_id)

    async def entities(self, city: int, kind: str, *, without: Sequence[str] = ()) -> list[Row]:
        """All entities of a kind, oldest first; those whose status is one of `without` are left out."""

        def ask(connection: sqlite3.Connection) -> list[Row]:
            rows = connection.execute(
                "SELECT no, id, type, CAST(body AS BLOB), revision, updated FROM entity"
                " WHERE city = ? AND kind = ?"
                " AND coalesce(status, '') NOT IN (SELECT value FROM json_each(?)) ORDER BY no",
                (city, kind, orjson.dumps(without).decode()),
            )
            return [Row(*row) for row in rows]

        return await self._scan(ask)

    async def readings(
        self, sensor: int, start: int, end: int, *, parameter: str | None, limit: int, newest: bool
    ) -> list[Reading]:
        """Readings of a sensor with start <= instant <= end, in order."""

        def ask(connection: sqlite3.Connection) -> list[Reading]:
            return series.between(
                connection, sensor, start, end, parameter=parameter, limit=limit, newest=newest
            )

        return await self._scan(ask)

    async def buckets(
        self, sensors: Sequence[int], parameter: str, start: int, end: int, interval: int
    ) -> list[Bucket]:
        """Readings folded per interval."""
        return await self._scan(series.buckets, sensors, parameter, start, end, interval)

    async def latest(self, sensors: Sequence[int]) -> dict[int, list[Reading]]:
        """The newest reading of each parameter, by sensor number."""
        return await self._scan(series.latest, sensors)

    async def counters(self, city: int) -> dict[str, float]:
        """The counts kept of a city, by name."""
        rows = self._keyed.execute("SELECT name, n FROM counter WHERE city = ?", (city,))
        return {str(name): float(n) for name, n in rows}

    async def history(
        self, city: int, kind: str, entity: str, start: int, end: int, limit: int
    ) -> list[Event]:
        """The changes of an entity in a range of time."""
        return await self._scan(replay.history, city, kind, entity, start, end, limit)

    async def state_at(self, city: int, at: int) -> CityState | None:
        """The city at an instant; None before it existed."""
        return await self._scan(replay.state_at, city, at)

    async def credentials(self) -> list[CredentialRow]:
        """All credentials."""
        return read_credentials(self._keyed)

    async def remembered(self, caller: str, key: str) -> Remembered | None:
        """What a request with this Idempotency-Key was answered, in the last 24 hours."""
        return read_remembered(self._keyed, caller, key, instants.now_us() - DAY_US)

    def view(self) -> View:
        """The database as it is now, to be read at leisure; its caller closes it."""
        return View(self._connect())

    async def import_job(self, import_id: str) -> ImportRow | None:
        """The import job of that id."""
        return read_import(self._keyed, import_id)

    async def import_jobs(self, city: int | None, statuses: Sequence[str] = ()) -> list[ImportRow]:
        """The import jobs of a city (None: of all) in one of the statuses (none: any), newest first."""
        rows = self._keyed.execute(
            "SELECT id, city, status, cursor, CAST(body AS BLOB) FROM import_job"
            " WHERE (?1 IS NULL OR city = ?1) AND (?2 = '[]' OR status IN (SELECT value FROM json_each(?2)))"
            " ORDER BY no DESC LIMIT 1000",
            (city, orjson.dumps(statuses).decode()),
        )
        return [ImportRow(*row) for row in rows]

    async def faults(self, import_id: str, limit: int, offset: int) -> tuple[list[RowFault], int]:
        """A page of the refused rows of an import in the order of its lines, and how many there are."""

        def ask(connection: sqlite3.Connection) -> tuple[list[RowFault], int]:
            rows = connection.execute(
                "SELECT line, pointer, id, code, message FROM import_error WHERE import = ?"
                " ORDER BY line, pointer LIMIT ? OFFSET ?",
                (import_id, limit, offset),
            )
            found = [RowFault(*row) for row in rows]
            counted = "SELECT count(*) FROM import_error WHERE import = ?"
            return found, int(connection.execute(counted, (import_id,)).fetchone()[0])

        return await self._scan(ask)

    async def retired(self) -> list[RetiredSecret]:
        """The secrets that were replaced."""
        return [RetiredSecret(*row) for row in self._keyed.execute("SELECT * FROM retired_secret")]

    async def log(self, city: int | None, *, kind: str | None, before: int | None, limit: int) -> list[Entry]:
        """Events of a city or of all, the newest first, numbered below `before`."""
        return await self._scan(replay.log, city, kind, before, limit)
