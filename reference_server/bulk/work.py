"""The judged rows of an import on disk: sound ones in the order of writing, refused ones with their reasons.

A file of its own beside the city's database. It can be made again from the body at any time, so it is not
flushed while it grows; it counts only after `finish`.
"""

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import msgspec

from reference_server.storage.protocol import RowFault

KINDS = ("fault", "delete", "object", "sensor", "aggregation", "simulation", "service", "readings")
"""Rows are written in this order: what is deleted first, objects before the sensors on them."""
_SHIFT = 40
_REFERS = {"object": "sensors", "sensor": "attachedTo", "readings": "sensorId"}
NUMBERED = "\n"
"""Stands in the name of a row of readings between its sensor and what tells it from others; ids have none."""
TABLES = """
CREATE TABLE row (key INTEGER PRIMARY KEY, line INTEGER, pointer TEXT, body BLOB);
CREATE TABLE name (kind INTEGER, id TEXT, key INTEGER, PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE TABLE ref (key INTEGER, kind INTEGER, id TEXT);
"""
FLUSH = 1000
_FAULT = msgspec.msgpack.Encoder()
_FAULTS = msgspec.msgpack.Decoder(RowFault)


class Judged(msgspec.Struct, frozen=True):
    """A sound row on its way into the city."""

    key: int
    kind: str
    line: int
    pointer: str
    body: bytes


class Work:
    """The file of one attempt at an import."""

    def __init__(self, path: Path, *, fresh: bool) -> None:
        if fresh:
            path.unlink(missing_ok=True)
        self.path = path
        self._sql = sqlite3.connect(
            path.absolute().as_uri(), uri=True, isolation_level=None, check_same_thread=False
        )
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -65536"):
            self._sql.execute(f"PRAGMA {pragma}")
        if fresh:
            self._sql.execute("PRAGMA page_size = 16384")
            self._sql.executescript(TABLES)
            self._sql.execute("BEGIN")
        self._number = 0
        self.refers = False
        """Whether a row names another entity."""
        self._rows: list[tuple[int, int, str, bytes]] = []
        self._names: list[tuple[int, str, int]] = []
        self._refs: list[tuple[int, int, str]] = []

    def close(self) -> None:
        """Let go of the file."""
        self._sql.close()

    # --- while judging

    def add(
        self,
        kind: str,
        entity: str,
        line: int,
        pointer: str,
        body: bytes,
        refs: Sequence[tuple[str, str]] = (),
    ) -> None:
        """A sound row; `refs` are the entities (kind, id) that it names and that must be there."""
        key = self._key(kind)
        self._rows.append((key, line, pointer, body))
        named = "object" if kind == "delete" else kind
        self._names.append((KINDS.index(named), entity, key))
        if refs:
            self.refers = True
            self._refs.extend((key, KINDS.index(wanted), name) for wanted, name in refs)
        if len(self._rows) >= FLUSH:
            self.flush()

    def fault(self, fault: RowFault) -> None:
        """A refused row."""
        self._rows.append((self._key("fault"), fault.line, fault.pointer, _FAULT.encode(fault)))

    def _key(self, kind: str) -> int:
        self._number += 1
        return (KINDS.index(kind) << _SHIFT) + self._number

    def flush(self) -> None:
        """Write what was added; a row whose id an earlier one has becomes a fault (P1 7.2 BUS-001)."""
        before = self._sql.total_changes
        self._sql.executemany("INSERT OR IGNORE INTO name VALUES (?, ?, ?)", self._names)
        twice = set()
        if self._sql.total_changes - before < len(self._names):
            twice = {key for kind, name, key in self._names if self._owner(kind, name) != key}
            by_key = {key: name for _, name, key in self._names if key in twice}
            for key, line, pointer, _ in [row for row in self._rows if row[0] in twice]:
                name = by_key[key]
                message = f"the id {name[:80]!r} is given twice"
                self.fault(RowFault(line, f"{pointer}/id", name, "ERR_DUPLICATE_ID", message))
        self._sql.executemany(
            "INSERT INTO row VALUES (?, ?, ?, ?)", [row for row in self._rows if row[0] not in twice]
        )
        refs = [ref for ref in self._refs if ref[0] not in twice]
        self._sql.executemany("INSERT INTO ref VALUES (?, ?, ?)", refs)
        self._rows, self._names, self._refs = [], [], []

    def _owner(self, kind: int, name: str) -> int:
        found = self._sql.execute("SELECT key FROM name WHERE kind = ? AND id = ?", (kind, name)).fetchone()
        return int(found[0])

    def settle(self, database: Path, city: int) -> None:
        """Turn rows that name what is neither in the import nor in the city into faults.

        P1 7.2 BUS-005: the end is reached when no row names a refused one.
        """
        self.flush()
        if not self.refers:
            return
        self._sql.execute("COMMIT")
        self._sql.execute("ATTACH ? AS city", (f"{database.absolute().as_uri()}?mode=ro",))
        self._sql.execute("BEGIN")
        deleted, objects, sensors = (KINDS.index(kind) for kind in ("delete", "object", "sensor"))
        lost = f"""
            SELECT ref.key, min(ref.id), row.line, row.pointer, name.id FROM ref JOIN row ON row.key = ref.key
            JOIN name ON name.key = ref.key AND name.kind = ref.key >> {_SHIFT} WHERE
            NOT EXISTS (SELECT 1 FROM name n WHERE n.kind = ref.kind AND n.id = ref.id
                        AND n.key >> {_SHIFT} != {deleted})
            AND NOT EXISTS (SELECT 1 FROM city.object o WHERE ref.kind = {objects} AND o.city = ?1
                            AND o.id = ref.id)
            AND NOT EXISTS (SELECT 1 FROM city.sensor s WHERE ref.kind = {sensors} AND s.city = ?1
                            AND s.id = ref.id)
            GROUP BY ref.key LIMIT 10000"""  # noqa: S608 - numbers of this module
        self._sql.execute("CREATE INDEX name_by_key ON name (key)")
        while found := self._sql.execute(lost, (city,)).fetchall():
            for key, wanted, line, pointer, named in found:
                member = _REFERS[KINDS[key >> _SHIFT]]
                name = named.partition(NUMBERED)[0]
                message = f"{member} names {wanted[:80]!r}, which is not there"
                self._drop(key)
                self.fault(RowFault(line, f"{pointer}/{member}", name, "ERR_MISSING_REFERENCE", message))
            self.flush()
        self._sql.execute("COMMIT")
        self._sql.execute("DETACH city")
        self._sql.execute("BEGIN")

    def _drop(self, key: int) -> None:
        for table in ("row", "ref", "name"):
            self._sql.execute(f"DELETE FROM {table} WHERE key = ?", (key,))  # noqa: S608 - names from above

    def finish(self) -> int:
        """Put all of it on the disk; the number of rows, faults included."""
        self.flush()
        self._sql.execute("COMMIT")
        descriptor = os.open(self.path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
        return self.count()

    # --- while writing

    def count(self) -> int:
        """How many rows there are, faults included."""
        return int(self._sql.execute("SELECT count(*) FROM row").fetchone()[0])

    def after(self, key: int, limit: int, size: int) -> list[Judged]:
        """The next rows of one kind after a key, at most `limit` and about `size` bytes of them."""
        rows = self._sql.execute(
            "SELECT key, line, pointer, body FROM row WHERE key > ? ORDER BY key LIMIT ?", (key, limit)
        )
        found: list[Judged] = []
        total = 0
        for number, line, pointer, body in rows:
            kind = KINDS[number >> _SHIFT]
            total += len(body)
            if found and (kind != found[0].kind or total > size):
                break
            found.append(Judged(number, kind, line, pointer, body))
        return found


def decoded_fault(row: Judged) -> RowFault:
    """The fault that a row of kind `fault` holds."""
    return _FAULTS.decode(row.body)
