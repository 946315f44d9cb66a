"""Questions to the object and sensor tables as SQL; every value travels as a bound parameter."""

import sqlite3
from typing import Any

import orjson

from reference_server import geometry
from reference_server.storage.properties import comparable, numeric
from reference_server.storage.protocol import Condition, ObjectQuery, Page, Row, SensorQuery
from reference_server.storage.transaction import ROW

OPERATORS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}

Clause = tuple[str, list[Any]]


def install(connection: sqlite3.Connection) -> None:
    """Teach a connection the exact intersection of a stored geometry with a box."""

    def meets(body: str, x0: float, y0: float, x1: float, y1: float) -> int:
        return int(geometry.meets_box(orjson.loads(body)["geometry"], (x0, y0, x1, y1)))

    connection.create_function("meets_box", 5, meets, deterministic=True)


def objects(connection: sqlite3.Connection, query: ObjectQuery) -> Page:
    """A page of objects and the number of all that match."""
    where, values = object_conditions(query)
    total = _total(connection, query, where, values)
    if query.after is not None:
        where, values = f"{where} AND o.no > ?", [*values, query.after]
    order, order_values = _order(query)
    rows = connection.execute(
        f"SELECT {ROW} FROM object o WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?",  # noqa: S608
        [*values, *order_values, query.limit, query.offset],
    )
    return Page([Row(*row) for row in rows], total)


def _total(connection: sqlite3.Connection, query: ObjectQuery, where: str, values: list[Any]) -> int:
    """How many match; of whole types it is known, whatever the size of the city."""
    if query.box or query.conditions or query.updated_after is not None or query.updated_before is not None:
        found = connection.execute(f"SELECT count(*) FROM object o WHERE {where}", values)  # noqa: S608
    else:
        kinds = "name GLOB 'object:*'" if not query.types else f"name IN ({_marks(query.types)})"
        names = [f"object:{kind}" for kind in query.types]
        counted = f"SELECT coalesce(sum(n), 0) FROM counter WHERE city = ? AND {kinds}"  # noqa: S608
        found = connection.execute(counted, [query.city, *names])
    return int(found.fetchone()[0])


def object_conditions(query: ObjectQuery) -> tuple[str, list[Any]]:
    """The WHERE text for a query and its values."""
    # a place or a property selects better than city and type do; the sign keeps the planner from their index
    free = "+" if query.box is not None or any(one.op != "ne" for one in query.conditions) else ""
    clauses: list[Clause] = [(f"{free}o.city = ?", [query.city])]
    if query.types:
        clauses.append((f"{free}o.type IN ({_marks(query.types)})", list(query.types)))
    if query.box is not None:
        clauses.append(_in_box(query.box))
    if query.updated_after is not None:
        clauses.append(("o.updated > ?", [query.updated_after]))
    if query.updated_before is not None:
        clauses.append(("o.updated < ?", [query.updated_before]))
    clauses.extend(_condition(query.city, condition) for condition in query.conditions)
    return " AND ".join(text for text, _ in clauses), [value for _, values in clauses for value in values]


def _marks(values: object) -> str:
    return ",".join("?" for _ in values)  # type: ignore[attr-defined]


def _in_box(box: geometry.Box) -> Clause:
    """Boxes first, from the R*Tree; only a geometry that sticks out of the box is looked at itself."""
    x0, y0, x1, y1 = box
    text = (
        "o.no IN (SELECT no FROM object_box WHERE x1 >= ? AND x0 <= ? AND y1 >= ? AND y0 <= ?)"
        " AND ((o.x0 >= ? AND o.x1 <= ? AND o.y0 >= ? AND o.y1 <= ?)"
        " OR meets_box(o.body, ?, ?, ?, ?))"
    )
    return text, [x0, x1, y0, y1, x0, x1, y0, y1, x0, y0, x1, y1]


def _condition(city: int, condition: Condition) -> Clause:
    base = "SELECT object FROM object_property WHERE city = ? AND path = ?"
    if condition.op in OPERATORS:
        bound = condition.values[0]
        number = numeric(bound)
        kind = "IN ('integer', 'real')" if number is not None else "= 'text'"
        text = f"o.no IN ({base} AND value {OPERATORS[condition.op]} ? AND typeof(value) {kind})"
        return text, [city, condition.path, bound if number is None else number]
    wanted = [value for text in condition.values for value in comparable(text)]
    negated = "NOT " if condition.op == "ne" else ""
    text = f"o.no {negated}IN ({base} AND value IN ({_marks(wanted)}))"
    return text, [city, condition.path, *wanted]


COLUMN_OF = {
    "id": "o.id",
    "type": "o.type",
    "metadata.lastUpdated": "o.updated",
    "lastUpdated": "o.updated",
    "updated": "o.updated",
    "metadata.created": "o.no",
    "created": "o.no",
}
"""Sort fields that are columns; creation follows the numbers."""


def _order(query: ObjectQuery) -> tuple[str, list[Any]]:
    direction = "DESC" if query.descending else "ASC"
    if query.sort is None:
        return f"o.no {direction}", []
    column = COLUMN_OF.get(query.sort)
    if column is not None:
        return f"{column} {direction}, o.no", []
    path = "$" + "".join(f'."{part}"' for part in query.sort.replace('"', "").split("."))
    return f"json_extract(o.body, ?) IS NULL, json_extract(o.body, ?) {direction}, o.no", [path, path]


def near(connection: sqlite3.Connection, city: int, box: geometry.Box, types: tuple[str, ...]) -> list[Row]:
    """The objects whose box touches a box: candidates for an exact distance."""
    kinds = f" AND +type IN ({_marks(types)})" if types else ""
    rows = connection.execute(
        f"SELECT {ROW} FROM object WHERE +city = ?{kinds} AND no IN"  # noqa: S608
        " (SELECT no FROM object_box WHERE x1 >= ? AND x0 <= ? AND y1 >= ? AND y0 <= ?)",
        (city, *types, box[0], box[2], box[1], box[3]),
    )
    return [Row(*row) for row in rows]


def sensors(connection: sqlite3.Connection, query: SensorQuery) -> Page:
    """A page of sensors and the number of all that match."""
    clauses: list[Clause] = [("city = ?", [query.city])]
    if query.types:
        clauses.append((f"type IN ({_marks(query.types)})", list(query.types)))
    if query.operational is not None:
        clauses.append(("operational = ?", [int(query.operational)]))
    if query.attached is not None:
        clauses.append(("attached = ?", [query.attached]))
    where = " AND ".join(text for text, _ in clauses)
    values = [value for _, some in clauses for value in some]
    total = int(connection.execute(f"SELECT count(*) FROM sensor WHERE {where}", values).fetchone()[0])  # noqa: S608
    if query.after is not None:
        where, values = f"{where} AND no > ?", [*values, query.after]
    rows = connection.execute(
        f"SELECT {ROW} FROM sensor WHERE {where} ORDER BY no LIMIT ? OFFSET ?",  # noqa: S608
        [*values, query.limit, query.offset],
    )
    return Page([Row(*row) for row in rows], total)
