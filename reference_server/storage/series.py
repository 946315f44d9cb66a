"""Readings: an append-only series in monthly tables.

With the newest value and hourly rollups kept on write.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain
from typing import Any

import msgspec

from reference_server.instants import MICROS
from reference_server.storage.protocol import Bucket, Reading
from reference_server.storage.schema import READING_TABLE

FAHRENHEIT = "(SELECT no FROM term WHERE text = 'fahrenheit')"
BASE_VALUE = f"CASE WHEN unit = {FAHRENHEIT} THEN (value - 32) * 5.0 / 9 ELSE value END"
"""A value in the base unit of its parameter: what rollups and aggregates are taken of."""
HOUR_US = 3600 * MICROS
_DAY_US = 86_400 * MICROS
_YEAR_2000_US = 946_684_800 * MICROS
Values = tuple[int, int, float, int, int, float | None, int]
COLUMNS = "parameter, at, value, unit, quality, confidence, zone"
AT_ONCE = (128, 16, 1)
"""Rows of one INSERT: each statement lets go of the interpreter's lock, and waits to have it back."""


def month_of(at: int) -> str:
    """The partition of an instant, YYYYMM in UTC; all that is older than 2000 lies in one."""
    return "000000" if at < _YEAR_2000_US else _month_of_day(at // _DAY_US)


@lru_cache(maxsize=4096)
def _month_of_day(day: int) -> str:
    return datetime.fromtimestamp(day * 86_400, UTC).strftime("%Y%m")


@lru_cache(maxsize=64)
def _inserting(table: str, rows: int) -> str:
    """The statement that inserts so many rows of (sensor, COLUMNS) into a table of readings."""
    places = ", ".join(["(?, ?, ?, ?, ?, ?, ?, ?)"] * rows)
    return f"INSERT OR IGNORE INTO {table} (sensor, {COLUMNS}) VALUES {places}"  # noqa: S608 - our own names


def partitions(connection: sqlite3.Connection) -> list[str]:
    """The months that have a table, oldest first."""
    found = connection.execute(
        "SELECT name FROM sqlite_master WHERE name GLOB 'reading_[0-9]*' AND type = 'table'"
    )
    return sorted(str(row[0]).removeprefix("reading_") for row in found)


class SeriesWriter:
    """Adds readings to the series within the writer's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection
        self._terms: dict[str, int] = {}
        self._months: set[str] = set()

    def forget(self) -> None:
        """Drop what was remembered; a rollback may have taken it back."""
        self._terms.clear()
        self._months.clear()

    def add_all(self, batch: Sequence[tuple[int, Sequence[Reading]]]) -> list[tuple[int, int]]:
        """Store readings of many sensors, as `add` does for each in turn.

        All of them at once where none has been there before, which is what sensors do.
        """
        counts: list[tuple[int, int]] = []
        by_month: dict[str, list[tuple[int, Values]]] = {}
        day: int | None = None
        of_month: list[tuple[int, Values]] = []
        for sensor, readings in batch:
            own = [self._values(reading) for reading in readings]
            if len(own) > 1:  # the last one of an instant counts
                own = list({(values[0], values[1]): values for values in own}.values())
            for values in own:
                if values[1] // _DAY_US != day:
                    day = values[1] // _DAY_US
                    of_month = by_month.setdefault(month_of(values[1]), [])
                of_month.append((sensor, values))
            counts.append((len(own), 0))
        self._sql.execute("SAVEPOINT series")
        if all(self._append(month, found) for month, found in by_month.items()):
            self._sql.execute("RELEASE series")
            return counts
        self._sql.execute("ROLLBACK TO series")
        self._sql.execute("RELEASE series")
        self.forget()
        return [self.add(sensor, readings) for sensor, readings in batch]

    def _append(self, month: str, rows: list[tuple[int, Values]]) -> bool:
        """Insert rows of which none is there yet; False when one is, and then nothing is of use."""
        self._partition(month)
        if self._insert(f"reading_{month}", [(sensor, *row) for sensor, row in rows]) != len(rows):
            return False
        by_sensor: dict[int, list[Values]] = {}
        for sensor, row in rows:
            by_sensor.setdefault(sensor, []).append(row)
        for sensor, own in by_sensor.items():
            self._roll_up(sensor, own)
            self._keep_latest(sensor, own)
        return True

    def _insert(self, table: str, rows: Sequence[tuple[Any, ...]]) -> int:
        """Insert rows of (sensor, COLUMNS), those that are there already left out; how many were not."""
        before, done = self._sql.total_changes, 0
        for size in AT_ONCE:
            statement = _inserting(table, size)
            while len(rows) - done >= size:
                self._sql.execute(statement, list(chain.from_iterable(rows[done : done + size])))
                done += size
        return self._sql.total_changes - before

    def add(self, sensor: int, readings: Sequence[Reading]) -> tuple[int, int]:
        """Store readings; (new ones, ones that replaced another value of the same parameter and instant)."""
        by_month: dict[str, dict[tuple[int, int], Values]] = {}
        day: int | None = None
        rows_of_day: dict[tuple[int, int], Values] = {}
        for reading in readings:
            values = self._values(reading)
            at = values[1]
            if at // _DAY_US != day:  # readings of a batch mostly lie in one day
                day, rows_of_day = at // _DAY_US, by_month.setdefault(month_of(at), {})
            rows_of_day[values[0], at] = values
        new = replaced = 0
        for month, rows in by_month.items():
            fresh, changed = self._store(sensor, month, list(rows.values()))
            new, replaced = new + fresh, replaced + changed
        return new, replaced

    def _store(self, sensor: int, month: str, rows: list[Values]) -> tuple[int, int]:
        self._partition(month)
        table = f"reading_{month}"
        fresh, known = rows, list[Values]()
        if not self._insert_new(table, [(sensor, *row) for row in rows]):
            fresh = []
            for row in rows:
                (fresh if self._insert(table, [(sensor, *row)]) else known).append(row)
        if fresh:
            self._roll_up(sensor, fresh)
            self._keep_latest(sensor, fresh)
        return len(fresh), self._replace(sensor, table, known) if known else 0

    def _insert_new(self, table: str, rows: Sequence[tuple[Any, ...]]) -> bool:
        """Insert rows if none of them is there yet; whether that was so."""
        self._sql.execute("SAVEPOINT rows")
        new = self._insert(table, rows) == len(rows)
        if not new:
            self._sql.execute("ROLLBACK TO rows")
        self._sql.execute("RELEASE rows")
        return new

    def _replace(self, sensor: int, table: str, rows: list[Values]) -> int:
        """Each instant has a reading already. How many values changed; an equal one costs only a look.

        Who was cut off sends hundreds of readings again: the sums of an hour are made anew only for a change.
        """
        changed = [
            row
            for row in rows
            if self._sql.execute(
                f"UPDATE {table} SET value = ?, unit = ?, quality = ?, confidence = ?, zone = ?"  # noqa: S608
                " WHERE sensor = ? AND at = ? AND parameter = ? AND (value, unit, quality) IS NOT (?, ?, ?)",
                (*row[2:], sensor, row[1], row[0], *row[2:5]),
            ).rowcount
        ]
        for parameter, hour in {(row[0], row[1] // HOUR_US) for row in changed}:
            self._sql.execute(
                "DELETE FROM rollup WHERE sensor = ? AND parameter = ? AND hour = ?",
                (sensor, parameter, hour),
            )
            self._sql.execute(
                "INSERT INTO rollup SELECT sensor, parameter, ?, count(*), sum(base), min(base),"  # noqa: S608
                f" max(base) FROM (SELECT *, {BASE_VALUE} AS base FROM {table})"
                " WHERE sensor = ? AND at >= ? AND at < ? AND parameter = ?"
                " GROUP BY sensor, parameter",
                (hour, sensor, hour * HOUR_US, (hour + 1) * HOUR_US, parameter),
            )
        if changed:
            self._keep_latest(sensor, changed)
        return len(changed)

    def _roll_up(self, sensor: int, rows: list[Values]) -> None:
        groups: dict[tuple[int, int], list[float]] = {}
        fahrenheit = self._term("fahrenheit")
        for parameter, at, value, unit, *_ in rows:
            base = (value - 32) * 5 / 9 if unit == fahrenheit else value
            key = (parameter, at // HOUR_US)
            if key in groups:
                groups[key].append(base)
            else:
                groups[key] = [base]
        self._sql.executemany(
            "INSERT INTO rollup VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n,"
            " total = total + excluded.total, low = min(low, excluded.low), high = max(high, excluded.high)",
            [(sensor, *key, len(vals), sum(vals), min(vals), max(vals)) for key, vals in groups.items()],
        )

    def _keep_latest(self, sensor: int, rows: list[Values]) -> None:
        newest: dict[int, Values] = {}
        for row in rows:
            known = newest.get(row[0])
            if known is None or known[1] <= row[1]:
                newest[row[0]] = row
        self._sql.executemany(
            "INSERT INTO latest (sensor, parameter, at, value, unit, quality, confidence, zone)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " at = excluded.at, value = excluded.value,"
            " unit = excluded.unit, quality = excluded.quality, confidence = excluded.confidence,"
            " zone = excluded.zone WHERE excluded.at >= at",
            [(sensor, *row) for row in newest.values()],
        )

    def drop(self, sensor: int) -> None:
        """Remove all readings of a sensor."""
        for table in (*(f"reading_{month}" for month in partitions(self._sql)), "latest", "rollup"):
            self._sql.execute(f"DELETE FROM {table} WHERE sensor = ?", (sensor,))  # noqa: S608

    def _partition(self, month: str) -> None:
        if month not in self._months:
            self._sql.execute(READING_TABLE.format(month=month))
            self._months.add(month)

    def _values(self, reading: Reading) -> Values:
        parameter, value, unit, at, quality, confidence, zone = msgspec.structs.astuple(reading)
        terms = self._terms
        try:
            return terms[parameter], at, value, terms[unit], terms[quality], confidence, zone
        except KeyError:
            numbers = self._term(parameter), self._term(unit), self._term(quality)
            return numbers[0], at, value, numbers[1], numbers[2], confidence, zone

    def _term(self, text: str) -> int:
        number = self._terms.get(text)
        if number is None:
            self._sql.execute("INSERT OR IGNORE INTO term (text) VALUES (?)", (text,))
            number = int(self._sql.execute("SELECT no FROM term WHERE text = ?", (text,)).fetchone()[0])
            self._terms[text] = number
        return number


def _named(connection: sqlite3.Connection, rows: Iterable[Sequence[float]]) -> Iterator[tuple[int, Reading]]:
    """Rows of (sensor, COLUMNS) as readings; terms are looked up once each."""
    terms: dict[int, str] = {}

    def term(number: float) -> str:
        key = int(number)
        if key not in terms:
            terms[key] = str(connection.execute("SELECT text FROM term WHERE no = ?", (key,)).fetchone()[0])
        return terms[key]

    for sensor, parameter, at, value, unit, quality, confidence, zone in rows:
        yield (
            int(sensor),
            Reading(term(parameter), value, term(unit), int(at), term(quality), confidence, int(zone)),
        )


def latest(connection: sqlite3.Connection, sensors: Sequence[int]) -> dict[int, list[Reading]]:
    """The newest reading of each parameter, by sensor."""
    result: dict[int, list[Reading]] = {}
    for sensor in sensors:
        rows = connection.execute(
            f"SELECT sensor, {COLUMNS} FROM latest WHERE sensor = ? ORDER BY parameter",  # noqa: S608 - a constant
            (sensor,),
        )
        result[sensor] = [reading for _, reading in _named(connection, rows.fetchall())]
    return result


def between(
    connection: sqlite3.Connection,
    sensor: int,
    start: int,
    end: int,
    *,
    parameter: str | None,
    limit: int,
    newest: bool,
) -> list[Reading]:
    """Readings with start <= instant <= end.

    The oldest `limit` of them, or with `newest` the latest, in order.
    """
    months = [m for m in partitions(connection) if month_of(start) <= m <= month_of(end)]
    wanted = "" if parameter is None else " AND parameter = (SELECT no FROM term WHERE text = ?)"
    order = "DESC" if newest else "ASC"
    found: list[Reading] = []
    for month in reversed(months) if newest else months:
        rows = connection.execute(
            f"SELECT sensor, {COLUMNS} FROM reading_{month} WHERE sensor = ? AND at BETWEEN ? AND ?{wanted}"  # noqa: S608
            f" ORDER BY at {order}, parameter LIMIT ?",
            (sensor, start, end, *(() if parameter is None else (parameter,)), limit - len(found)),
        )
        found.extend(reading for _, reading in _named(connection, rows.fetchall()))
        if len(found) >= limit:
            break
    return sorted(found, key=lambda reading: reading.at) if newest else found


def latest_at(connection: sqlite3.Connection, sensors: Sequence[int], at: int) -> dict[int, list[Reading]]:
    """The newest reading of each parameter not after an instant, by sensor."""
    months = [month for month in partitions(connection) if month <= month_of(at)]
    result: dict[int, list[Reading]] = {}
    for sensor in sensors:
        best: dict[str, Reading] = {}
        for month in reversed(months):
            rows = connection.execute(
                "SELECT sensor, parameter, max(at), value, unit, quality, confidence, zone"  # noqa: S608
                f" FROM reading_{month}"
                " WHERE sensor = ? AND at <= ? GROUP BY parameter ORDER BY parameter",
                (sensor, at),
            )
            for _, reading in _named(connection, rows.fetchall()):
                best.setdefault(reading.parameter, reading)
        result[sensor] = list(best.values())
    return result


def buckets(
    connection: sqlite3.Connection,
    sensors: Sequence[int],
    parameter: str,
    start: int,
    end: int,
    interval: int,
) -> list[Bucket]:
    """Readings of several sensors folded per interval, aligned to 1970 UTC.

    Whole hours come from the rollups.
    """
    term = connection.execute("SELECT no FROM term WHERE text = ?", (parameter,)).fetchone()
    if term is None or not sensors:
        return []
    marks = ",".join("?" * len(sensors))
    folded: dict[int, Bucket] = {}
    cut = start
    if interval % HOUR_US == 0 and start % HOUR_US == 0:
        cut = max(start, (end + 1) // HOUR_US * HOUR_US)
        rows = connection.execute(
            f"SELECT hour * {HOUR_US} / ? * ?, sum(n), sum(total), min(low), max(high) FROM rollup"  # noqa: S608
            f" WHERE sensor IN ({marks}) AND parameter = ? AND hour >= ? AND hour < ? GROUP BY 1",
            (interval, interval, *sensors, term[0], start // HOUR_US, cut // HOUR_US),
        )
        _fold(folded, rows)
    for month in partitions(connection):
        if month_of(cut) <= month <= month_of(end):
            rows = connection.execute(
                "SELECT at / ? * ?, count(*), sum(base), min(base), max(base) FROM"  # noqa: S608
                f" (SELECT at, {BASE_VALUE} AS base FROM reading_{month}"
                f" WHERE sensor IN ({marks}) AND parameter = ? AND at BETWEEN ? AND ?) GROUP BY 1",
                (interval, interval, *sensors, term[0], cut, end),
            )
            _fold(folded, rows)
    return [folded[at] for at in sorted(folded)]


def _fold(folded: dict[int, Bucket], rows: Iterable[Sequence[float]]) -> None:
    for row in rows:
        one = Bucket(int(row[0]), int(row[1]), row[2], row[3], row[4])
        old = folded.get(one.at)
        folded[one.at] = one if old is None else _sum(old, one)


def _sum(a: Bucket, b: Bucket) -> Bucket:
    return Bucket(a.at, a.n + b.n, a.total + b.total, min(a.low, b.low), max(a.high, b.high))
