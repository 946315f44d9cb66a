"""The past, from the events: a city at an instant, and the history of one entity."""

import sqlite3

import orjson

from reference_server.storage import series
from reference_server.storage.protocol import CityState, Entry, Event

LAST = """
SELECT entity, CAST(body AS BLOB), first FROM event JOIN (
    SELECT max(seq) AS last, min(seq) AS first FROM event
    WHERE city = ? AND kind = ? AND at <= ? GROUP BY entity
) ON seq = last WHERE body IS NOT NULL ORDER BY first
"""


def state_at(connection: sqlite3.Connection, city: int, at: int) -> CityState | None:
    """What the events up to an instant (included) amount to; None before the city existed."""
    connection.execute("BEGIN")  # one view of the database for all the questions below
    try:
        return _state(connection, city, at)
    finally:
        connection.execute("COMMIT")


def _state(connection: sqlite3.Connection, city: int, at: int) -> CityState | None:
    def last(kind: str) -> list[tuple[str, bytes]]:
        return [(row[0], row[1]) for row in connection.execute(LAST, (city, kind, at))]

    outline = last("city")
    if not outline:
        return None
    sensors = last("sensor")
    numbers = {
        row[0]: row[1] for row in connection.execute("SELECT no, id FROM sensor WHERE city = ?", (city,))
    }
    newest = series.latest_at(connection, list(numbers), at)
    return CityState(
        city=outline[0][1],
        objects=[body for _, body in last("object")],
        sensors=[body for _, body in sensors],
        readings={numbers[no]: found for no, found in newest.items()},
        aggregations=[body for _, body in last("aggregation")],
        simulations=[body for _, body in last("simulation")],
        services=[body for _, body in last("service")],
    )


def history(
    connection: sqlite3.Connection, city: int, kind: str, entity: str, start: int, end: int, limit: int
) -> list[Event]:
    """The changes of an entity with start <= instant <= end, oldest first."""
    # the sign keeps the planner from the index of instants: an entity has few events, a city many
    rows = connection.execute(
        "SELECT seq, kind, entity, action, at, actor, revision, CAST(body AS BLOB) FROM event"
        " WHERE city = ? AND kind = ? AND entity = ? AND +at BETWEEN ? AND ? ORDER BY seq LIMIT ?",
        (city, kind, entity, start, end, limit),
    )
    return [Event(*row) for row in rows]


def log(
    connection: sqlite3.Connection, city: int | None, kind: str | None, before: int | None, limit: int
) -> list[Entry]:
    """Events of a city or of all, the newest first, numbered below `before`."""
    clauses, values = ["e.seq < ?"], [2**62 if before is None else before]
    if city is not None:
        clauses, values = [*clauses, "e.city = ?"], [*values, city]
    wanted: list[str | int] = [*values]
    if kind is not None:
        clauses, wanted = [*clauses, "e.kind = ?"], [*wanted, kind]
    rows = connection.execute(
        "SELECT c.id, e.seq, e.kind, e.entity, e.action, e.at, e.actor, e.revision, CAST(e.body AS BLOB)"  # noqa: S608
        f" FROM event e LEFT JOIN city c ON c.no = e.city WHERE {' AND '.join(clauses)}"
        " ORDER BY e.seq DESC LIMIT ?",
        (*wanted, limit),
    )
    return [Entry(row[0], Event(*row[1:])) for row in rows]


def folded(events: list[Event]) -> dict[tuple[str, str], dict[str, object]]:
    """State as a plain fold of events: the meaning that `state_at` must agree with."""
    state: dict[tuple[str, str], dict[str, object]] = {}
    for event in events:
        if event.body is None:
            state.pop((event.kind, event.entity), None)
        else:
            state[event.kind, event.entity] = orjson.loads(event.body)
    return state
