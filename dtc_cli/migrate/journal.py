"""The journal of a migration: one SQLite file in which each source record ends in exactly one state."""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import orjson

from dtc_cli.migrate import sensing
from dtc_cli.migrate.trouble import plan_error, target_error

FINAL = ("loaded", "repaired", "unchanged", "quarantined", "deleted")
"""The states in which a record may end. `repaired` means repaired and loaded."""
SENT = "sent"
"""Written before a record goes to the target; what is still so after a crash is sent again."""

_TABLES = """
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS layer (
  source TEXT, layer TEXT, epoch INTEGER, count INTEGER, read INTEGER NOT NULL DEFAULT 0,
  done INTEGER NOT NULL DEFAULT 0, facts TEXT NOT NULL DEFAULT '{}', PRIMARY KEY (source, layer, epoch)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS record (
  epoch INTEGER, layer TEXT, n INTEGER, key TEXT, id TEXT, type TEXT, state TEXT NOT NULL,
  code TEXT, detail TEXT, hash TEXT, repair TEXT, raw BLOB,
  PRIMARY KEY (epoch, layer, n)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS object (
  id TEXT PRIMARY KEY, layer TEXT, key TEXT, type TEXT, hash TEXT, state TEXT NOT NULL, created INTEGER,
  etag TEXT, prior BLOB, epoch INTEGER
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS prior (id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS happened (at TEXT, what TEXT, detail TEXT);
CREATE INDEX IF NOT EXISTS record_state ON record (state) WHERE state IN ('quarantined', 'sent');
"""


class Written(msgspec.Struct, frozen=True):
    """What became of an object that was sent: `created`, `updated`, `unchanged`, `refused`.

    `prior` is the object as it was before an update, `etag` its tag after the write.
    """

    outcome: str
    etag: str | None = None
    code: str = ""
    detail: str = ""
    prior: bytes | None = None


class Row(msgspec.Struct, frozen=True):
    """A record of the journal."""

    layer: str
    n: int
    key: str
    id: str
    type: str
    state: str
    code: str
    detail: str
    repair: str
    raw: bytes | None


class Journal:
    """The journal in a folder. Every write is one transaction that is on disk when the call returns."""

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        path = folder / "journal.sqlite"
        if not create and not path.exists():
            raise plan_error(
                f"there is no migration in {folder}",
                where=str(folder),
                why="journal.sqlite is missing",
                hint="nothing was written for it; dtc migrate run PLAN --journal FOLDER   begins one",
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise plan_error(
                f"the folder {folder} for the journal cannot be made",
                where=str(folder),
                why=problem.strerror or str(problem),
                hint="--journal FOLDER names another, where you may write",
            ) from problem
        self.folder = folder
        self._lock = threading.RLock()
        self._touched: list[tuple[int, str]] = []
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=5)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute("PRAGMA cache_size=-16000")
            self._db.executescript(_TABLES)
        except sqlite3.DatabaseError as problem:
            raise plan_error(
                f"the journal in {folder} cannot be used",
                where=str(path),
                why=str(problem),
                hint="another process may be at work with it; a damaged journal cannot be mended",
            ) from problem

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One transaction."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield self._db
                except BaseException:
                    if self._db.in_transaction:  # a full disk has ended it already
                        self._db.execute("ROLLBACK")
                    raise
                self._db.execute("COMMIT")
            except sqlite3.OperationalError as problem:
                raise target_error(
                    "the journal cannot be written",
                    where=str(self.folder),
                    why=str(problem),
                    hint="is the disk full? make room; dtc migrate status names the command that goes on",
                ) from problem

    # facts of the migration

    def fact(self, name: str) -> Any:
        """A fact of the migration, or None."""
        row = self._db.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        return None if row is None else orjson.loads(row[0])

    def set_fact(self, name: str, value: Any) -> None:
        """Keep a fact."""
        with self.transaction() as db:
            db.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, orjson.dumps(value).decode()))

    def is_blank(self) -> bool:
        """Whether nothing was read or written yet."""
        rows = self._db.execute("SELECT EXISTS (SELECT 1 FROM record), EXISTS (SELECT 1 FROM object)")
        return bool(rows.fetchone() == (0, 0))

    def holds_nothing(self) -> bool:
        """Whether nothing of this migration stands in the target, nor may: all that was sent was answered."""
        rows = self._db.execute(
            "SELECT EXISTS (SELECT 1 FROM object WHERE state != 'gone'), "
            "EXISTS (SELECT 1 FROM record WHERE state = 'sent')"
        )
        return bool(rows.fetchone() == (0, 0))

    def forget(self) -> None:
        """Forget all but the migration's id, its history, and that it made the city."""
        with self.transaction() as db:
            for table in ("layer", "record", "object", "prior"):
                db.execute(f"DELETE FROM {table}")  # noqa: S608 - names of our own
            db.execute("DELETE FROM fact WHERE name NOT IN ('migration', 'cityMade')")

    def note(self, at: str, what: str, detail: Mapping[str, Any]) -> None:
        """Add to the history of the migration."""
        with self.transaction() as db:
            db.execute("INSERT INTO happened VALUES (?, ?, ?)", (at, what, orjson.dumps(detail).decode()))

    def history(self) -> list[dict[str, Any]]:
        """What happened, oldest first."""
        rows = self._db.execute("SELECT at, what, detail FROM happened ORDER BY rowid").fetchall()
        return [{"at": at, "what": what, **orjson.loads(detail)} for at, what, detail in rows]

    # layers

    def begin_layer(self, epoch: int, source: str, layer: str) -> None:
        """Note that a layer is worked on."""
        with self.transaction() as db:
            db.execute(
                "INSERT OR IGNORE INTO layer (source, layer, epoch) VALUES (?, ?, ?)", (source, layer, epoch)
            )

    def note_count(self, epoch: int, source: str, layer: str, count: int) -> None:
        """Note how many records the source says a layer has, for who asks before it is read."""
        with self.transaction() as db:
            db.execute(
                "UPDATE layer SET count = ? WHERE source = ? AND layer = ? AND epoch = ?",
                (count, source, layer, epoch),
            )

    def end_layer(
        self, epoch: int, source: str, layer: str, *, count: int | None, read: int, done: bool, facts: Any
    ) -> None:
        """Note how much of a layer was read, and whether to its end."""
        with self.transaction() as db:
            db.execute(
                "UPDATE layer SET count = ?, read = ?, done = ?, facts = ? "
                "WHERE source = ? AND layer = ? AND epoch = ?",
                (count, read, int(done), orjson.dumps(facts).decode(), source, layer, epoch),
            )

    def layers(self, epoch: int) -> list[dict[str, Any]]:
        """The layers of an epoch with count, read and done."""
        rows = self._db.execute(
            "SELECT source, layer, count, read, done, facts FROM layer WHERE epoch = ? "
            "ORDER BY source, layer",
            (epoch,),
        ).fetchall()
        return [
            {"source": s, "layer": la, "count": c, "read": r, "done": bool(d), "facts": orjson.loads(f)}
            for s, la, c, r, d, f in rows
        ]

    def next_ordinal(self, epoch: int, layer: str) -> int:
        """Where reading goes on: one after the last record that is in the journal."""
        row = self._db.execute(
            "SELECT MAX(n) FROM record WHERE epoch = ? AND layer = ?", (epoch, layer)
        ).fetchone()
        return 0 if row[0] is None else int(row[0]) + 1

    def rewind(self, epoch: int, layer: str) -> int:
        """Forget records that were sent and never acknowledged; the ordinal from which to read."""
        with self.transaction() as db:
            row = db.execute(
                "SELECT MIN(n) FROM record WHERE epoch = ? AND layer = ? AND state = 'sent'", (epoch, layer)
            ).fetchone()
            if row[0] is not None:
                # What is read again must not be taken for a second record of its id.
                db.execute(
                    "UPDATE object SET epoch = ?1 - 1 WHERE epoch = ?1 AND id IN (SELECT id FROM record "
                    "WHERE epoch = ?1 AND layer = ?2 AND n >= ?3 AND state = 'unchanged' "
                    "AND code IS NOT 'duplicate-identical')",
                    (epoch, layer, row[0]),
                )
                db.execute(
                    "DELETE FROM record WHERE epoch = ? AND layer = ? AND n >= ?", (epoch, layer, row[0])
                )
        return self.next_ordinal(epoch, layer)

    def touch(self, identifier: str, epoch: int) -> None:
        """Note that the source still has an object; kept with the next page."""
        self._touched.append((epoch, identifier))

    def keys_in(self, epoch: int, layer: str, state: str) -> set[str]:
        """The keys of the records in a state."""
        rows = self._db.execute(
            "SELECT key FROM record WHERE epoch = ? AND layer = ? AND state = ?", (epoch, layer, state)
        )
        return {row[0] for row in rows}

    # records

    def put(self, epoch: int, layer: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert or replace records: (n, key, id, type, state, code, detail, hash, repair, raw)."""
        with self.transaction() as db:
            self._insert(db, epoch, layer, rows)

    def _insert(
        self, db: sqlite3.Connection, epoch: int, layer: str, rows: Sequence[tuple[Any, ...]]
    ) -> None:
        db.executemany(
            "INSERT OR REPLACE INTO record "  # noqa: S608 - marks only
            "(epoch, layer, n, key, id, type, state, code, detail, hash, repair, raw) "
            f"VALUES ({', '.join('?' * 12)})",
            ((epoch, layer, *row) for row in rows),
        )
        db.executemany("UPDATE object SET epoch = ? WHERE id = ?", self._touched)
        self._touched = []

    def settle(
        self,
        epoch: int,
        layer: str,
        states: Sequence[tuple[str, str, str, bytes | None, int]],
        objects: Sequence[tuple[Any, ...]],
        place: Any = None,
        *,
        rows: Sequence[tuple[Any, ...]] = (),
    ) -> None:
        """Give records their final state and keep what was done at the target, in one transaction.

        Args:
            epoch: the epoch.
            layer: `source/layer`.
            states: (state, code, detail, raw, n).
            objects: (id, layer, key, type, hash, state, created, etag, prior, epoch). Of an object known
                before, the first `prior` and `created` stay: they are what a rollback needs.
            place: checkpoint of the target, from which it goes on after a crash.
            rows: records as for `put`, that were not put before.
        """
        with self.transaction() as db:
            self._insert(db, epoch, layer, rows)
            if place is not None:
                db.execute(
                    "INSERT OR REPLACE INTO fact VALUES ('sinkPlace', ?)", (orjson.dumps(place).decode(),)
                )
            db.executemany(
                f"UPDATE record SET state = ?, code = ?, detail = ?, raw = ? WHERE epoch = {int(epoch)} "  # noqa: S608
                "AND layer = ? AND n = ?",
                ((state, code, detail, raw, layer, n) for state, code, detail, raw, n in states),
            )
            db.executemany(
                "INSERT INTO object VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
                "layer = excluded.layer, key = excluded.key, type = excluded.type, hash = excluded.hash, "
                "state = excluded.state, etag = excluded.etag, epoch = excluded.epoch",
                objects,
            )

    def keep_priors(self, priors: Sequence[tuple[str, bytes]]) -> None:
        """Keep objects as they stand before they are changed; of several versions the first counts."""
        if priors:
            with self.transaction() as db:
                db.executemany("INSERT OR IGNORE INTO prior VALUES (?, ?)", priors)

    def priors(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Of these ids those that were kept: id to the object as it stood."""
        found: dict[str, bytes] = {}
        for one in ids:
            row = self._db.execute("SELECT body FROM prior WHERE id = ?", (one,)).fetchone()
            if row is not None:
                found[one] = row[0]
        return found

    def unanswered(self) -> dict[str, tuple[str, str]]:
        """What was sent and never acknowledged: id to (hash, key)."""
        rows = self._db.execute("SELECT id, hash, key FROM record WHERE state = 'sent'").fetchall()
        return {row[0]: (row[1], row[2]) for row in rows}

    def readings(self, epoch: int) -> dict[str, int]:
        """Judged readings of sensors: how many are good, and how many there are.

        A value that is no number and a time that is none are bad readings, though they could not be loaded.
        """
        rows = self._db.execute(
            "SELECT code, COUNT(*) FROM record WHERE epoch = ? AND code IN "
            "('reading-good', 'reading-bad', 'bad-value', 'bad-time') GROUP BY code",
            (epoch,),
        ).fetchall()
        counts = dict(rows)
        judged = sum(counts.values())
        return {"good": counts.get("reading-good", 0), "judged": judged} if judged else {}

    def objects(self, ids: Iterable[str]) -> dict[str, tuple[str, str, str, int, str]]:
        """Of these ids those known: id to (hash, state, etag, epoch, layer+key)."""
        found: dict[str, tuple[str, str, str, int, str]] = {}
        wanted = list(ids)
        for first in range(0, len(wanted), 500):
            part = wanted[first : first + 500]
            marks = ",".join("?" * len(part))
            rows = self._db.execute(
                "SELECT id, hash, state, etag, epoch, layer || char(10) || key "  # noqa: S608
                f"FROM object WHERE id IN ({marks})",
                part,
            )
            found.update({one[0]: (one[1], one[2], one[3], one[4], one[5]) for one in rows})
        return found

    def counts(self, epoch: int) -> dict[str, int]:
        """Records by state."""
        rows = self._db.execute(
            "SELECT state, COUNT(*) FROM record WHERE epoch = ? GROUP BY state", (epoch,)
        ).fetchall()
        return dict(rows)

    def counts_by_layer(self, epoch: int) -> dict[str, dict[str, int]]:
        """Layer to its records by state."""
        found: dict[str, dict[str, int]] = {}
        for layer, state, count in self._db.execute(
            "SELECT layer, state, COUNT(*) FROM record WHERE epoch = ? GROUP BY layer, state", (epoch,)
        ):
            found.setdefault(layer, {})[state] = count
        return found

    def reasons(self, epoch: int) -> dict[str, int]:
        """Quarantined records by their code, most first."""
        rows = self._db.execute(
            "SELECT code, COUNT(*) AS times FROM record WHERE epoch = ? AND state = 'quarantined' "
            "GROUP BY code ORDER BY times DESC, code",
            (epoch,),
        ).fetchall()
        return dict(rows)

    def records(self, epoch: int, state: str, *, layer: str | None = None) -> Iterator[Row]:
        """Records in a state, in order."""
        query = (
            "SELECT layer, n, key, id, type, state, code, detail, repair, raw FROM record "
            "WHERE epoch = ? AND state = ?"
        )
        values: tuple[Any, ...] = (epoch, state)
        if layer is not None:
            query, values = query + " AND layer = ?", (*values, layer)
        last: tuple[str, int] = ("", -1)
        while rows := self._db.execute(
            query + " AND (layer, n) > (?, ?) ORDER BY layer, n LIMIT 1000", (*values, *last)
        ).fetchall():
            for row in rows:
                key, identifier, kind, found, code, detail, repair = (value or "" for value in row[2:9])
                yield Row(row[0], row[1], key, identifier, kind, found, code, detail, repair, row[9])
            last = (rows[-1][0], rows[-1][1])

    def live_objects(self, *, layer: str | None = None) -> Iterator[dict[str, Any]]:
        """Objects that stand in the target by this migration, in the order of their ids."""
        last = ""
        more = " AND layer = ?" if layer is not None else ""
        while rows := self._db.execute(
            "SELECT id, layer, key, type, hash, created, etag, prior, epoch, state FROM object "  # noqa: S608
            f"WHERE state != 'gone' AND id > ?{more} ORDER BY id LIMIT 1000",
            (last, layer) if layer is not None else (last,),
        ).fetchall():
            for row in rows:
                yield dict(
                    zip(
                        ("id", "layer", "key", "type", "hash", "created", "etag", "prior", "epoch", "state"),
                        row, strict=True,
                    )
                )  # fmt: skip
            last = rows[-1][0]

    def outdated(self, epoch: int) -> list[dict[str, Any]]:
        """Objects that stand in the target though the source, as last read, does not give them so.

        Either their record is in quarantine now (`quarantined`), or the source has it no longer. Layers that
        were not read to their end say nothing; readings stay, as tables of them are windows that move on.
        """
        done = {f"{one['source']}/{one['layer']}" for one in self.layers(epoch) if one["done"]}
        rows = self._db.execute(
            "SELECT id, layer, key FROM object WHERE state != 'gone' AND epoch < ? ORDER BY id", (epoch,)
        )
        found = [
            {"id": identifier, "layer": layer, "key": key}
            for identifier, layer, key in rows
            if layer in done and sensing.family(identifier) != "readings"
        ]
        held = {name: self.keys_in(epoch, name, "quarantined") for name in {one["layer"] for one in found}}
        return [{**one, "quarantined": one["key"] in held[one["layer"]]} for one in found]

    def ordinals(self, epoch: int, ids: set[str]) -> dict[str, list[int]]:
        """Where the records of some objects stand in the source: layer to ordinals, in order."""
        found: dict[str, list[int]] = {}
        rows = self._db.execute(
            "SELECT layer, n, id FROM record WHERE epoch = ? "
            "AND state IN ('loaded', 'repaired', 'unchanged') ORDER BY layer, n",
            (epoch,),
        ).fetchall()
        for layer, n, identifier in rows:
            if identifier in ids:
                found.setdefault(layer, []).append(n)
        return found

    def repaired(self) -> set[str]:
        """Ids of objects whose geometry was mended."""
        return {row[0] for row in self._db.execute("SELECT id FROM record WHERE state = 'repaired'")}

    def reading_spans(self) -> Iterator[tuple[str, str, str]]:
        """Sensors whose readings this migration wrote, each with its first and last instant in UTC."""
        sensor, first, last = "", "", ""
        # Ids of sensors and readings begin so, and 0 follows / in the order of texts.
        for (identifier,) in self._db.execute(
            "SELECT id FROM object WHERE id >= 'sensors/' AND id < 'sensors0' AND state != 'gone' ORDER BY id"
        ):
            if sensing.family(identifier) != "readings":
                continue
            name, at = sensing.sensor_id(identifier), sensing.instant_of(identifier)
            if name != sensor:
                if sensor:
                    yield sensor, first, last
                sensor, first, last = name, at, at
            first, last = min(first, at), max(last, at)
        if sensor:
            yield sensor, first, last

    def mark_objects(self, ids: Sequence[str], state: str) -> None:
        """Set the state of objects: `live`, or `gone` when they were taken back."""
        with self.transaction() as db:
            db.executemany("UPDATE object SET state = ? WHERE id = ?", ((state, one) for one in ids))

    def object_count(self) -> int:
        """How many objects stand in the target by this migration."""
        return int(self._db.execute("SELECT COUNT(*) FROM object WHERE state != 'gone'").fetchone()[0])
