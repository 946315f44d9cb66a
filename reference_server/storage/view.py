"""A city as it was at one moment, read at leisure: every question is answered from the same commit."""

import sqlite3
from collections.abc import Iterator, Sequence

from reference_server import instants
from reference_server.storage import series
from reference_server.storage.protocol import CityRow, Reading, Row
from reference_server.storage.transaction import ROW, read_city

PAGE = 500
READINGS = 5000
_EVER = (instants.EARLIEST_US, 253_402_300_799 * instants.MICROS)
"""The years 1 to 9999."""


class View:
    """One read transaction on a connection of its own; close it soon, for the log grows until then."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection
        self._sql.execute("BEGIN")
        self._sql.execute("SELECT 1 FROM meta").fetchone()  # the transaction begins with its first read

    def close(self) -> None:
        """End the transaction."""
        self._sql.close()

    def city(self, city_id: str) -> CityRow | None:
        """The city of that id."""
        return read_city(self._sql, city_id)

    def rows(self, table: str, city: int) -> Iterator[Row]:
        """All rows of `object` or `sensor`, in the order of creation, read page by page."""
        query = f"SELECT {ROW} FROM {table} WHERE city = ? AND no > ? ORDER BY no LIMIT {PAGE}"  # noqa: S608
        after = 0
        while True:
            found = [Row(*values) for values in self._sql.execute(query, (city, after))]
            yield from found
            if len(found) < PAGE:
                return
            after = found[-1].no

    def objects_of(self, city: int, types: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """The ids and bodies of all objects of some types, read page by page.

        No cursor stays open in between: who stops half way may close the view.
        """
        query = (
            "SELECT no, id, CAST(body AS BLOB) FROM object WHERE city = ? AND type = ? AND no > ?"
            " ORDER BY no LIMIT ?"
        )
        for kind in types:
            after: int | None = 0
            while after is not None:
                found = self._sql.execute(query, (city, kind, after, PAGE)).fetchall()
                yield from ((name, body) for _, name, body in found)
                after = found[-1][0] if len(found) == PAGE else None

    def objects_changed(
        self, city: int, after: int, types: Sequence[str], limit: int
    ) -> list[tuple[str, bytes | None]] | None:
        """The objects that changed behind an event: id, and body where it is there and of some types.

        None where more than `limit` events followed.
        """
        if self.last_event() - after > limit:
            return None
        marks = ",".join("?" for _ in types)
        query = (
            f"SELECT DISTINCT e.entity, CASE WHEN o.type IN ({marks}) THEN CAST(o.body AS BLOB) END"  # noqa: S608
            " FROM event e LEFT JOIN object o ON o.city = e.city AND o.id = e.entity"
            " WHERE e.seq > ? AND +e.city = ? AND +e.kind = 'object'"
        )
        return [(name, body) for name, body in self._sql.execute(query, (*types, after, city))]

    def last_event(self) -> int:
        """The number of the newest event of all cities; 0 before the first."""
        return int(self._sql.execute("SELECT coalesce(max(seq), 0) FROM event").fetchone()[0])

    def entities(self, city: int, kind: str) -> Iterator[Row]:
        """All simulations, services or aggregations, oldest first."""
        query = f"SELECT {ROW} FROM entity WHERE city = ? AND kind = ? ORDER BY no"  # noqa: S608 - a constant
        return (Row(*values) for values in self._sql.execute(query, (city, kind)))

    def counters(self, city: int) -> dict[str, float]:
        """The counts kept of a city, by name."""
        rows = self._sql.execute("SELECT name, n FROM counter WHERE city = ?", (city,))
        return {str(name): float(n) for name, n in rows}

    def latest(self, sensor: int) -> list[Reading]:
        """The newest reading of each parameter of a sensor."""
        return series.latest(self._sql, [sensor])[sensor]

    def readings(self, sensor: int) -> Iterator[list[Reading]]:
        """All readings of a sensor, oldest first, in pages; readings of one instant stand in one page."""
        start, end = _EVER
        size = READINGS
        while True:
            page = series.between(self._sql, sensor, start, end, parameter=None, limit=size, newest=False)
            if len(page) < size:
                if page:
                    yield page
                return
            last = page[-1].at
            whole = [one for one in page if one.at < last]  # the rest of the last instant may be missing
            if whole:
                yield whole
                start, size = last, READINGS
            else:
                size *= 2
