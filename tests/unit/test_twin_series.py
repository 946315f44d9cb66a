"""Readings that come again: equal ones change nothing and cost little, others replace, new ones count."""

import sqlite3

from reference_server.storage.protocol import Reading
from reference_server.storage.schema import TABLES
from reference_server.storage.series import SeriesWriter

AT = 1_736_900_000_000_000


def reading(number: int, value: float = 20.0) -> Reading:
    return Reading("temperature", value, "celsius", AT + number, "good", None, 0)


def opened() -> tuple[sqlite3.Connection, SeriesWriter]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(TABLES)
    return connection, SeriesWriter(connection)


def hour(connection: sqlite3.Connection) -> tuple[int, float, float, float]:
    (row,) = connection.execute("SELECT n, total, low, high FROM rollup").fetchall()
    return int(row[0]), float(row[1]), float(row[2]), float(row[3])


def test_what_comes_again_is_counted_once_and_the_hour_is_not_summed_anew() -> None:
    connection, series = opened()
    assert series.add_all([(1, [reading(n)]) for n in range(300)]) == [(1, 0)] * 300
    asked: list[str] = []
    connection.set_trace_callback(asked.append)
    again = series.add_all([(1, [reading(n)]) for n in range(200, 400)])
    connection.set_trace_callback(None)
    assert again == [(0, 0)] * 100 + [(1, 0)] * 100
    assert not [one for one in asked if "INTO rollup SELECT" in one]
    assert hour(connection) == (400, 8000.0, 20.0, 20.0)
    assert connection.execute("SELECT count(*) FROM reading_202501").fetchone() == (400,)
    connection.close()


def test_new_changed_and_equal_readings_of_one_batch_are_told_apart() -> None:
    connection, series = opened()
    series.add(1, [reading(n) for n in range(4)])
    assert series.add(1, [reading(2), reading(3, 30.0), reading(4, 10.0), reading(4, 12.0)]) == (1, 1)
    assert hour(connection) == (5, 20.0 * 3 + 30.0 + 12.0, 12.0, 30.0)
    assert connection.execute("SELECT at, value FROM latest").fetchall() == [(AT + 4, 12.0)]
    assert series.add(1, [reading(3, 30.0)]) == (0, 0)
    assert series.add_all([(1, [reading(4, 13.0)]), (1, [reading(4, 14.0)])]) == [(0, 1), (0, 1)]
    assert connection.execute("SELECT value FROM latest").fetchone() == (14.0,)
    connection.close()
