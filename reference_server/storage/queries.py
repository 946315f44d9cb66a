"""Questions to the object and sensor tables as SQL; every value travels as a bound parameter."""

import operator
import sqlite3
from typing import Any

import orjson

from reference_server import geometry
from reference_server.storage.properties import LONGEST, comparable, numeric, scalars, shortened
from reference_server.storage.protocol import Condition, ObjectQuery, Page, Row, SensorQuery
from reference_server.storage.transaction import ROW

OPERATORS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
MANY = 10_000
"""Matches that are too many to be sorted."""
COMPARED = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}

Clause = tuple[str, list[Any]]


def install(connection: sqlite3.Connection) -> None:
    """Teach a connection what SQL cannot say: intersection with a box, properties beyond the index."""

    def meets(body: str, x0: float, y0: float, x1: float, y1: float) -> int:
        return int(geometry.meets_box(orjson.loads(body)["geometry"], (x0, y0, x1, y1)))

    def has_property(body: str, path: str, sign: str, values: str) -> int:
        wanted = orjson.loads(values)
        found = [value for name, value in scalars(orjson.loads(body)["properties"]) if name == path]
        if sign == "=":
            return int(any(value in wanted for value in found))
        compared = COMPARED[sign]
        return int(any(isinstance(value, str) and compared(value, wanted[0]) for value in found))

    connection.create_function("meets_box", 5, meets, deterministic=True)
    connection.create_function("has_property", 4, has_property, deterministic=True)
    connection.create_function("shortened", 1, shortened, deterministic=True)


def objects(connection: sqlite3.Connection, query: ObjectQuery) -> Page:
    """A page of objects and the number of all that match."""
    where, values = object_conditions(query)
    total = _total(connection, query, where, values)
    if query.after is not None:
        where, values = f"{where} AND o.no > ?", [*values, query.after]
    if query.sort is None and total > MANY:
        # so many are met on the way in the order of creation; to sort all of them first would take longer
        where = where.replace("o.updated", "+o.updated")
    order, order_values = _order(query)
    rows = connection.execute(
        f"SELECT {ROW} FROM object o WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?",  # noqa: S608
        [*values, *order_values, query.limit, query.offset],
    )
    return Page([Row(*row) for row in rows], total)


def _total(connection: sqlite3.Connection, query: ObjectQuery, where: str, values: list[Any]) -> int:
    """How many match; of whole types it is known, whatever the size of the city."""
    unbounded = query.box is None and query.updated_after is None and query.updated_before is None
    if unbounded and not query.types and query.conditions and not any(map(_is_long, query.conditions)):
        return _counted_by_properties(connection, query)
    if not unbounded or query.conditions:
        found = connection.execute(f"SELECT count(*) FROM object o WHERE {where}", values)  # noqa: S608
        return int(found.fetchone()[0])
    return _counted(connection, query.city, "object", query.types)


def _counted_by_properties(connection: sqlite3.Connection, query: ObjectQuery) -> int:
    """How many meet conditions on properties alone: told by their index, no object is looked at."""
    meet = [_indexed(query.city, one) for one in query.conditions if one.op != "ne"]
    fail = [_indexed(query.city, one) for one in query.conditions if one.op == "ne"]
    if not meet:
        return _counted(connection, query.city, "object", ()) - _size(connection, fail, " UNION ", [])
    return _size(connection, meet, " INTERSECT ", fail)


def _size(connection: sqlite3.Connection, sets: list[Clause], joint: str, without: list[Clause]) -> int:
    every = joint.join(text for text, _ in sets) + "".join(f" EXCEPT {text}" for text, _ in without)
    values = [value for _, some in (*sets, *without) for value in some]
    found = connection.execute(f"SELECT count(*) FROM (SELECT DISTINCT object FROM ({every}))", values)  # noqa: S608
    return int(found.fetchone()[0])


def _counted(connection: sqlite3.Connection, city: int, kind: str, types: tuple[str, ...]) -> int:
    """How many objects or sensors of these types (none: of all) there are, by the counters."""
    wanted = f"name GLOB '{kind}:*'" if not types else f"name IN ({_marks(types)})"
    names = [f"{kind}:{one}" for one in types]
    counted = f"SELECT coalesce(sum(n), 0) FROM counter WHERE city = ? AND {wanted}"  # noqa: S608
    return int(connection.execute(counted, [city, *names]).fetchone()[0])


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
    text, values = _indexed(city, condition)
    if not _is_long(condition):
        return f"o.no {'NOT ' if condition.op == 'ne' else ''}IN ({text})", values
    # of a long text the index holds the beginning: what it finds is read
    if condition.op in OPERATORS:
        exact = _read(condition.path, OPERATORS[condition.op], [condition.values[0]])
    else:
        exact = _read(condition.path, "=", _wanted(condition))
    both = f"(o.no IN ({text}) AND {exact[0]})"
    return f"NOT {both}" if condition.op == "ne" else both, [*values, *exact[1]]


def _indexed(city: int, condition: Condition) -> Clause:
    """The objects that the index finds for a condition; for `ne`, those that do not meet it."""
    base = "SELECT object FROM object_property WHERE city = ? AND path = ? AND value"
    if condition.op not in OPERATORS:
        wanted = [shortened(value) for value in _wanted(condition)]
        return f"{base} IN ({_marks(wanted)})", [city, condition.path, *wanted]
    sign, bound = OPERATORS[condition.op], condition.values[0]
    number = numeric(bound)
    if number is not None:
        return f"{base} {sign} ? AND typeof(value) IN ('integer', 'real')", [city, condition.path, number]
    if _is_long(condition):
        sign = f"{sign[0]}="
        bound = shortened(bound) if condition.op in ("lt", "lte") else bound[:LONGEST]
    return f"{base} {sign} ? AND typeof(value) = 'text'", [city, condition.path, bound]


def _wanted(condition: Condition) -> list[Any]:
    return [value for text in condition.values for value in comparable(text)]


def _is_long(condition: Condition) -> bool:
    """Whether the index alone cannot tell who meets a condition."""
    return any(len(text) > LONGEST for text in condition.values)


def _read(path: str, sign: str, wanted: list[Any]) -> Clause:
    return "has_property(o.body, ?, ?, ?)", [path, sign, orjson.dumps(wanted).decode()]


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
    return _sorted(query.sort, query.descending)


def _sorted(field: str | None, descending: bool) -> tuple[str, list[Any]]:
    """The ORDER BY text for a member of what is stored in table `o`, and its values."""
    direction = "DESC" if descending else "ASC"
    if field is None:
        return f"o.no {direction}", []
    column = COLUMN_OF.get(field)
    if column is not None:
        return f"{column} {direction}, o.no", []
    path = "$" + "".join(f'."{part}"' for part in field.replace('"', "").split("."))
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
    if query.updated_after is not None:
        clauses.append(("updated > ?", [query.updated_after]))
    if query.updated_before is not None:
        clauses.append(("updated < ?", [query.updated_before]))
    where = " AND ".join(text for text, _ in clauses)
    values = [value for _, some in clauses for value in some]
    total = _total_of_sensors(connection, query, where, values)
    if query.after is not None:
        where, values = f"{where} AND no > ?", [*values, query.after]
    order, order_values = _sorted(query.sort, query.descending)
    rows = connection.execute(
        f"SELECT {ROW} FROM sensor o WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?",  # noqa: S608
        [*values, *order_values, query.limit, query.offset],
    )
    return Page([Row(*row) for row in rows], total)


def _total_of_sensors(
    connection: sqlite3.Connection, query: SensorQuery, where: str, values: list[Any]
) -> int:
    """How many match; of whole types it is known, whatever the size of the network."""
    whole = query.operational is None and query.attached is None
    if not whole or query.updated_after is not None or query.updated_before is not None:
        found = connection.execute(f"SELECT count(*) FROM sensor WHERE {where}", values)  # noqa: S608
        return int(found.fetchone()[0])
    return _counted(connection, query.city, "sensor", query.types)


def walk_sensors(connection: sqlite3.Connection, city: int, after: int, limit: int) -> list[Row]:
    """The sensors numbered above `after`, in order: a step of a walk over all of them."""
    rows = connection.execute(
        f"SELECT {ROW} FROM sensor WHERE city = ? AND no > ? ORDER BY no LIMIT ?",  # noqa: S608 - a constant
        (city, after, limit),
    )
    return [Row(*row) for row in rows]
