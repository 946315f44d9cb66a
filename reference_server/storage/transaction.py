"""One change to the SQLite state: every put and delete also appends the event that it is a projection of."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import orjson

from reference_server import geometry, instants
from reference_server.storage import bulk, series
from reference_server.storage.properties import indexed
from reference_server.storage.protocol import (
    Change,
    CityRow,
    CredentialRow,
    ImportRow,
    Measured,
    Prepared,
    Reading,
    Remembered,
    Row,
    RowFault,
)

DAY_US = 86_400 * instants.MICROS
ROW = "no, id, type, CAST(body AS BLOB), revision, updated"
KEYED = {
    table: f"SELECT {ROW} FROM {table} WHERE city = ? AND id = ?"  # noqa: S608 - constants
    for table in ("object", "sensor")
}


class SqliteTransaction:
    """See `protocol.Transaction`. Lives in the writer thread; `begin` starts the next change."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection
        self.actor = ""
        self.at = 0
        # instants grow with the numbers (see `begin`), so the last event has the last of both
        last = connection.execute("SELECT seq, at FROM event ORDER BY seq DESC LIMIT 1").fetchone()
        self._seq, self._last = (0, 0) if last is None else (int(last[0]), int(last[1]))
        self._series = series.SeriesWriter(connection)
        self.cities_touched = False
        """Whether a city was stored or deleted since this was last set to False."""
        self._changes: list[Change | Measured] = []

    def begin(self, actor: str, at: int | None) -> None:
        """Start a change at the present (or, for generated history, at `at`).

        Never before an earlier change.
        """
        self.actor = actor
        self._changes = []
        self.at = max(instants.now_us() if at is None else at, self._last + 1)
        self._last = self.at

    def changes(self) -> "list[Change | Measured]":
        """What this change did, for those who listen."""
        return self._changes

    def forget(self) -> None:
        """Drop what was remembered of a change that was rolled back; numbers and instants only ever grow."""
        self._series.forget()

    # --- cities

    def city(self, city_id: str) -> CityRow | None:
        """The city of that id."""
        return read_city(self._sql, city_id)

    def put_city(self, city_id: str, body: Mapping[str, Any], revision: int, action: str) -> None:
        """Store a city's body; `revision` 0 creates it."""
        self.cities_touched = True
        number = self._next()
        text = orjson.dumps(body).decode()
        self._sql.execute(
            "INSERT INTO city (id, body, revision, created, updated) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET body = excluded.body, revision = excluded.revision,"
            " updated = excluded.updated",
            (city_id, text, number, self.at, self.at),
        )
        row = self._sql.execute("SELECT no FROM city WHERE id = ?", (city_id,)).fetchone()
        self._event(int(row[0]), "city", city_id, action if revision else "created", number, text)

    def delete_city(self, city_no: int) -> None:
        """Remove a city and all that belongs to it; its number is never given again."""
        self.cities_touched = True
        sensors = [row[0] for row in self._sql.execute("SELECT no FROM sensor WHERE city = ?", (city_no,))]
        for sensor in sensors:
            self._series.drop(sensor)
        self._sql.execute(
            "DELETE FROM object_box WHERE no IN (SELECT no FROM object WHERE city = ?)", (city_no,)
        )
        self._sql.execute(
            "DELETE FROM import_error WHERE import IN (SELECT id FROM import_job WHERE city = ?)", (city_no,)
        )
        for table in (
            "object", "object_property", "object_sensor", "sensor", "entity", "event", "counter",
            "import_job",
        ):  # fmt: skip
            self._sql.execute(f"DELETE FROM {table} WHERE city = ?", (city_no,))  # noqa: S608 - names from above
        gone = self._sql.execute("DELETE FROM city WHERE no = ? RETURNING id", (city_no,)).fetchone()
        self.note(0, "city", str(gone[0]), "deleted", None)

    # --- objects

    def object(self, city: int, object_id: str) -> Row | None:
        """The object of that id."""
        return read_row(self._sql, "object", city, object_id)

    def put_object(
        self, city: int, item: Mapping[str, Any], old: Row | None, import_id: str | None = None
    ) -> int:
        """Store an object whose rules were checked.

        Sets its metadata instants and revision. Its new revision.
        """
        number = self._next()
        stored = dict(item)
        previous = orjson.loads(old.body) if old is not None else None
        stored["metadata"] = self._stamp(item.get("metadata"), previous, number)
        text = orjson.dumps(stored).decode()
        box = geometry.box_of(stored["geometry"])
        corners = box or (None, None, None, None)
        if old is None:
            cursor = self._sql.execute(
                "INSERT INTO object (city, id, type, body, revision, updated, x0, y0, x1, y1, import)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (city, stored["id"], stored["type"], text, number, self.at, *corners, import_id),
            )
            no = int(cursor.lastrowid or 0)
        else:
            no = old.no
            self._sql.execute(
                "UPDATE object SET type = ?, body = ?, revision = ?, updated = ?,"
                " x0 = ?, y0 = ?, x1 = ?, y1 = ?"
                " WHERE no = ?",
                (stored["type"], text, number, self.at, *corners, no),
            )
        if previous is not None:
            self._unindex(city, no, previous)
            self._count_object(city, previous, -1)
        self._index(city, no, stored, box)
        self._count_object(city, stored, +1)
        action = "created" if old is None else "updated"
        self._event(city, "object", stored["id"], action, number, text, stored["type"])
        return number

    def delete_object(self, city: int, row: Row) -> None:
        """Remove an object."""
        previous = orjson.loads(row.body)
        self._unindex(city, row.no, previous)
        self._sql.execute("DELETE FROM object WHERE no = ?", (row.no,))
        self._count_object(city, previous, -1)
        self._event(city, "object", row.id, "deleted", self._next(), None, row.type)

    def known(self, city: int, ids: Sequence[str]) -> dict[str, Row]:
        """The objects that have one of these ids."""
        query = f"SELECT {ROW} FROM object WHERE city = ? AND id IN (SELECT value FROM json_each(?))"  # noqa: S608
        found = self._sql.execute(query, (city, orjson.dumps(ids).decode()))
        return {row[1]: Row(*row) for row in found}

    def put_new_objects(self, city: int, items: Sequence[Prepared], import_id: str | None = None) -> None:
        """Store objects whose rules were checked and whose ids nobody has."""
        if not items:
            return
        seq = self._seq + 1
        self._seq += len(items)
        instant = instants.show(self.at)
        self._changes += bulk.insert(
            self._sql,
            city,
            items,
            seq=seq,
            at=self.at,
            instant=instant,
            actor=self.actor,
            import_id=import_id,
        )

    def outside(self, city: int, box: geometry.Box) -> Iterable[Row]:
        """The objects that do not lie wholly within a box."""
        found = self._sql.execute(
            f"SELECT {ROW} FROM object WHERE city = ? AND x0 IS NOT NULL"  # noqa: S608 - a constant
            " AND NOT (x0 >= ? AND y0 >= ? AND x1 <= ? AND y1 <= ?)",
            (city, *box),
        )
        return (Row(*values) for values in found)

    # --- sensors

    def sensor(self, city: int, sensor_id: str) -> Row | None:
        """The sensor of that id."""
        return read_row(self._sql, "sensor", city, sensor_id)

    def sensors_of(self, city: int, object_id: str) -> list[Row]:
        """The sensors attached to an object."""
        query = f"SELECT {ROW} FROM sensor WHERE city = ? AND attached = ? ORDER BY no"  # noqa: S608
        return [Row(*values) for values in self._sql.execute(query, (city, object_id))]

    def objects_with_sensor(self, city: int, sensor_id: str) -> list[Row]:
        """The objects that list a sensor."""
        query = (
            f"SELECT {ROW} FROM object WHERE no IN"  # noqa: S608 - a constant
            " (SELECT object FROM object_sensor WHERE city = ? AND sensor = ?) ORDER BY no"
        )
        return [Row(*values) for values in self._sql.execute(query, (city, sensor_id))]

    def put_sensor(
        self, city: int, item: Mapping[str, Any], old: Row | None, import_id: str | None = None
    ) -> int:
        """Store a sensor whose rules were checked. Its new revision."""
        number = self._next()
        stored = dict(item)
        previous = orjson.loads(old.body) if old is not None else None
        stored["metadata"] = self._stamp(item.get("metadata"), previous, number, keep=import_id is not None)
        text = orjson.dumps(stored).decode()
        values = (
            stored["type"],
            stored.get("attachedTo"),
            int(is_operational(stored)),
            text,
            number,
            self.at,
        )
        if old is None:
            self._sql.execute(
                "INSERT INTO sensor (type, attached, operational, body, revision, updated, city, id, import)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*values, city, stored["id"], import_id),
            )
        else:
            self._sql.execute(
                "UPDATE sensor SET type = ?, attached = ?, operational = ?, body = ?, revision = ?,"
                " updated = ? WHERE no = ?",
                (*values, old.no),
            )
        self._count_sensor(city, stored, +1)
        if previous is not None:
            self._count_sensor(city, previous, -1)
        self._event(city, "sensor", stored["id"], "created" if old is None else "updated", number, text)
        return number

    def delete_sensor(self, city: int, row: Row) -> None:
        """Remove a sensor and its readings."""
        self._series.drop(row.no)
        self._sql.execute("DELETE FROM sensor WHERE no = ?", (row.no,))
        self._count_sensor(city, orjson.loads(row.body), -1)
        self._event(city, "sensor", row.id, "deleted", self._next(), None)

    def add_readings(self, sensor: int, readings: Sequence[Reading], origin: Any = None) -> tuple[int, int]:
        """Append readings: how many are new.

        And how many replaced another value of the same instant (D-31).
        """
        new, replaced = self._series.add(sensor, readings)
        self._changes.append(Measured(sensor, readings, new + replaced, self.at, origin))
        return new, replaced

    def add_batch(self, batch: Sequence[tuple[int, Sequence[Reading], Any]]) -> list[tuple[int, int]]:
        """Append readings of many sensors, each with its origin; new ones and replaced ones of each."""
        done = self._series.add_all([(sensor, readings) for sensor, readings, _ in batch])
        for (sensor, readings, origin), (new, replaced) in zip(batch, done, strict=True):
            self._changes.append(Measured(sensor, readings, new + replaced, self.at, origin))
        return done

    def latest_of(self, sensor: int) -> list[Reading]:
        """The newest reading of each parameter of a sensor."""
        return series.latest(self._sql, [sensor]).get(sensor, [])

    # --- simulations, services, aggregations

    def entity(self, city: int, kind: str, entity_id: str) -> Row | None:
        """The entity of that kind and id."""
        return read_entity(self._sql, city, kind, entity_id)

    def put_entity(
        self, city: int, kind: str, item: Mapping[str, Any], old: Row | None, import_id: str | None = None
    ) -> int:
        """Store a simulation, service or aggregation. Its new revision."""
        number = self._next()
        text = orjson.dumps(item).decode()
        kind_type = item.get("category") if kind == "service" else item["type"]
        values = (str(kind_type), item.get("status"), text, number, self.at)
        if old is None:
            self._sql.execute(
                "INSERT INTO entity (type, status, body, revision, updated, city, kind, id, import)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*values, city, kind, item["id"], import_id),
            )
        else:
            self._sql.execute(
                "UPDATE entity SET type = ?, status = ?, body = ?, revision = ?, updated = ? WHERE no = ?",
                (*values, old.no),
            )
        self._event(city, kind, item["id"], "created" if old is None else "updated", number, text)
        return number

    def delete_entity(self, city: int, kind: str, row: Row) -> None:
        """Remove a simulation, service or aggregation."""
        self._sql.execute("DELETE FROM entity WHERE no = ?", (row.no,))
        self._event(city, kind, row.id, "deleted", self._next(), None)

    # --- imports

    def created_by(self, city: int, kind: str, import_id: str, limit: int) -> list[Row]:
        """What an import created and is still there."""
        table, further = (kind, "") if kind in ("object", "sensor") else ("entity", " AND kind = ?")
        query = f"SELECT {ROW} FROM {table} WHERE city = ? AND import = ?{further} ORDER BY no LIMIT ?"  # noqa: S608
        values = (city, import_id, *([kind] if further else []), limit)
        return [Row(*found) for found in self._sql.execute(query, values)]

    def put_import(self, job: ImportRow) -> None:
        """Store the state of an import job."""
        self._sql.execute(
            "INSERT INTO import_job (id, city, status, cursor, body) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET status = excluded.status, cursor = excluded.cursor,"
            " body = excluded.body",
            (job.id, job.city, job.status, job.cursor, job.body.decode()),
        )

    def import_job(self, import_id: str) -> ImportRow | None:
        """The import job of that id."""
        return read_import(self._sql, import_id)

    def add_faults(self, import_id: str, faults: Sequence[RowFault]) -> None:
        """Keep the reasons of refused rows."""
        self._sql.executemany(
            "INSERT OR IGNORE INTO import_error VALUES (?, ?, ?, ?, ?, ?)",
            [(import_id, one.line, one.pointer, one.id, one.code, one.message) for one in faults],
        )

    # --- answers and callers

    def remember(self, caller: str, key: str, answer: Remembered) -> None:
        """Keep an answer for the key of its request, for a day."""
        self._sql.execute("DELETE FROM idempotency WHERE at < ?", (self.at - DAY_US,))
        headers = orjson.dumps(answer.headers).decode()
        values = (caller, key, answer.digest, answer.status, headers, answer.body, self.at)
        self._sql.execute("INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def put_credential(self, credential: CredentialRow) -> None:
        """Store or replace a credential of that name."""
        cities = None if credential.cities is None else orjson.dumps(credential.cities).decode()
        self._sql.execute(
            "INSERT OR REPLACE INTO credential VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                credential.name,
                credential.kind,
                credential.digest,
                credential.role,
                cities,
                credential.allowance,
                credential.window,
                self.at,
            ),
        )

    def rotate(self, name: str, digest: bytes, until: int) -> CredentialRow | None:
        """Give a credential another secret; the old one holds until then."""
        found = next((row for row in read_credentials(self._sql) if row.name == name), None)
        if found is None:
            return None
        self._sql.execute("DELETE FROM retired_secret WHERE until <= ?", (self.at,))
        self._sql.execute("UPDATE retired_secret SET until = min(until, ?) WHERE name = ?", (until, name))
        if until > self.at:
            values = (found.digest, name, until)
            self._sql.execute("INSERT OR REPLACE INTO retired_secret VALUES (?, ?, ?)", values)
        self._sql.execute("UPDATE credential SET digest = ? WHERE name = ?", (digest, name))
        self._event(0, "credential", name, "rotated", self._next(), None)
        return msgspec.structs.replace(found, digest=digest)

    def note(self, city: int, kind: str, entity: str, action: str, body: Mapping[str, Any] | None) -> int:
        """Append an event that changes no state; its number."""
        number = self._next()
        text = None if body is None else orjson.dumps(body).decode()
        self._event(city, kind, entity, action, number, text)
        return number

    # --- projections

    def _next(self) -> int:
        self._seq += 1
        return self._seq

    def _event(
        self, city: int, kind: str, entity: str, action: str, seq: int, body: str | None, of_type: str = ""
    ) -> None:
        self._sql.execute(
            "INSERT INTO event (seq, city, kind, entity, action, at, actor, revision, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (seq, city, kind, entity, action, self.at, self.actor, seq, body),
        )
        self._changes.append(Change(city, kind, entity, action, self.at, seq, body, of_type))

    def _stamp(
        self, metadata: Any, previous: dict[str, Any] | None, revision: int, *, keep: bool = False
    ) -> dict[str, Any]:
        """Metadata with the server's own instants.

        `created` stays what it was; with `keep` a new entity may state its own.
        """
        stamped = dict(metadata) if isinstance(metadata, dict) else {}
        instant = instants.show(self.at)
        stated = stamped.get("created", instant) if keep else instant
        stamped["created"] = previous["metadata"]["created"] if previous else stated
        stamped["lastUpdated"] = instant
        stamped["revision"] = revision
        return stamped

    def _index(self, city: int, no: int, item: dict[str, Any], box: geometry.Box | None) -> None:
        if box is not None:
            self._sql.execute(
                "INSERT INTO object_box VALUES (?, ?, ?, ?, ?)", (no, box[0], box[2], box[1], box[3])
            )
        self._sql.executemany(
            "INSERT OR IGNORE INTO object_property VALUES (?, ?, ?, ?)",
            [(city, path, value, no) for path, value in indexed(item["properties"])],
        )
        self._sql.executemany(
            "INSERT OR IGNORE INTO object_sensor VALUES (?, ?, ?)",
            [(city, sensor, no) for sensor in item.get("sensors", ())],
        )

    def _unindex(self, city: int, no: int, item: dict[str, Any]) -> None:
        self._sql.execute("DELETE FROM object_box WHERE no = ?", (no,))
        self._sql.executemany(
            "DELETE FROM object_sensor WHERE city = ? AND sensor = ? AND object = ?",
            [(city, sensor, no) for sensor in item.get("sensors", ())],
        )
        self._sql.executemany(
            "DELETE FROM object_property WHERE city = ? AND path = ? AND value = ? AND object = ?",
            [(city, path, value, no) for path, value in indexed(item["properties"])],
        )

    def _count(self, city: int, name: str, n: float) -> None:
        self._sql.execute(
            "INSERT INTO counter VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n",
            (city, name, n),
        )

    def _count_object(self, city: int, item: dict[str, Any], sign: int) -> None:
        self._count(city, f"object:{item['type']}", sign)
        if item["type"] in bulk.ROADLIKE:
            self._count(city, "change:roads", 1)  # what the road graph is kept in step by
        accuracy = item["metadata"].get("accuracy")
        if isinstance(accuracy, int | float) and 0 <= accuracy <= 1:
            self._count(city, "accuracy:total", sign * accuracy)
            self._count(city, "accuracy:n", sign)

    def _count_sensor(self, city: int, item: dict[str, Any], sign: int) -> None:
        self._count(city, f"sensor:{item['type']}", sign)
        self._count(city, "sensors:operational" if is_operational(item) else "sensors:offline", sign)


def is_operational(sensor: Mapping[str, Any]) -> bool:
    """Whether a sensor counts as operational: unless its status says otherwise."""
    status = sensor.get("status")
    return not (isinstance(status, dict) and status.get("operational") is False)


def read_credentials(connection: sqlite3.Connection) -> list[CredentialRow]:
    """All credentials."""
    rows = connection.execute("SELECT name, kind, digest, role, cities, allowance, window FROM credential")
    return [
        CredentialRow(
            name, kind, digest, role, None if cities is None else tuple(orjson.loads(cities)), n, window
        )
        for name, kind, digest, role, cities, n, window in rows
    ]


def read_city(connection: sqlite3.Connection, city_id: str) -> CityRow | None:
    """The city of that id."""
    found = connection.execute(
        "SELECT no, id, CAST(body AS BLOB), revision, created, updated FROM city WHERE id = ?", (city_id,)
    ).fetchone()
    return None if found is None else CityRow(*found)


def read_row(connection: sqlite3.Connection, table: str, city: int, entity_id: str) -> Row | None:
    """The row of `object` or `sensor` with that id."""
    found = connection.execute(KEYED[table], (city, entity_id)).fetchone()
    return None if found is None else Row(*found)


def read_entity(connection: sqlite3.Connection, city: int, kind: str, entity_id: str) -> Row | None:
    """The entity of that kind and id."""
    query = f"SELECT {ROW} FROM entity WHERE city = ? AND kind = ? AND id = ?"  # noqa: S608 - a constant
    found = connection.execute(query, (city, kind, entity_id)).fetchone()
    return None if found is None else Row(*found)


def read_import(connection: sqlite3.Connection, import_id: str) -> ImportRow | None:
    """The import job of that id."""
    found = connection.execute(
        "SELECT id, city, status, cursor, CAST(body AS BLOB) FROM import_job WHERE id = ?", (import_id,)
    ).fetchone()
    return None if found is None else ImportRow(*found)


def read_remembered(connection: sqlite3.Connection, caller: str, key: str, since: int) -> Remembered | None:
    """What a request with this Idempotency-Key was answered after an instant."""
    row = connection.execute(
        "SELECT digest, status, headers, body FROM idempotency WHERE caller = ? AND key = ? AND at >= ?",
        (caller, key, since),
    ).fetchone()
    return None if row is None else Remembered(row[0], row[1], orjson.loads(row[2]), row[3])
