"""Query parameters of the lists: paging, filters, order (P2 4.3, 4.4, 5.2)."""

import math
import re
from collections.abc import Collection
from typing import Any

from reference_server import instants
from reference_server.errors import ApiError
from reference_server.geometry import Box
from reference_server.rest import cursor
from reference_server.storage.protocol import Condition, ObjectQuery, SensorQuery

DEFAULT_LIMIT = 100  # P2 4.3
MAX_LIMIT = 1000  # P2 4.3
LARGEST = 2**53 - 1
"""Beyond it numbers of JSON lose their last digits (RFC 7493 2.2)."""
RESERVED = frozenset(
    {
        "type",
        "bounds",
        "limit",
        "offset",
        "sortBy",
        "sortOrder",
        "updatedAfter",
        "updatedBefore",
        "cursor",
        "f",
        "fields",
        "lod",
    }
)
OPERATORS = ("eq", "ne", "gt", "gte", "lt", "lte", "in")
_INTEGER = re.compile(r"\d{1,18}", re.ASCII)
_OPERATOR = re.compile(r"(.+)\[([^\[\]]*)\]")
DOTTED = r"[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+){0,7}"
_SORTABLE = re.compile(r"[A-Za-z_][\w-]*(\.[\w-]+){0,7}")

Query = list[tuple[str, str]]


def bad(name: str, message: str, value: object = None) -> ApiError:
    """The refusal of a query parameter."""
    details: dict[str, Any] = {"parameter": name}
    if value is not None:
        details["value"] = str(value)[:200]
    return ApiError("INVALID_PARAMETERS", message, details)


def one(query: Query, name: str) -> str | None:
    """The only value of a parameter, or None.

    Raises:
        ApiError: INVALID_PARAMETERS when it is given twice.
    """
    values = [value for key, value in query if key == name]
    if len(values) > 1:
        raise bad(name, f"{name} is given more than once")
    return values[0] if values else None


def choice(query: Query, name: str, words: Collection[str], default: str) -> str:
    """One of some words; an empty value is none of them.

    Raises:
        ApiError: INVALID_PARAMETERS.
    """
    text = one(query, name)
    if text is None:
        return default
    if text not in words:
        raise bad(name, f"{name} must be one of {', '.join(words)}", text)
    return text


def paging(query: Query) -> tuple[int, int]:
    """The limit (1..1000; more is 1000) and the offset.

    Raises:
        ApiError: INVALID_PARAMETERS.
    """
    limit = whole(query, "limit", DEFAULT_LIMIT)
    if limit < 1:
        raise bad("limit", "limit must be 1 or more", limit)
    return min(limit, MAX_LIMIT), whole(query, "offset", 0)


def whole(query: Query, name: str, default: int) -> int:
    """A whole number that is not negative.

    Raises:
        ApiError: INVALID_PARAMETERS.
    """
    text = one(query, name)
    if text is None:
        return default
    if not _INTEGER.fullmatch(text) or int(text) > LARGEST:
        raise bad(name, f"{name} must be a whole number that is not negative", text)
    return int(text)


def types(query: Query) -> tuple[str, ...]:
    """The wanted types: repeated, or with commas between."""
    return tuple(part for key, value in query if key == "type" for part in value.split(","))


def box(text: str) -> Box:
    """minLon,minLat,maxLon,maxLat.

    Raises:
        ApiError: INVALID_PARAMETERS unless these are four finite numbers in that order.
    """
    try:
        parts = [float(part) for part in text.split(",")]
    except ValueError as problem:
        raise bad("bounds", "bounds must be four numbers: minLon,minLat,maxLon,maxLat", text) from problem
    if len(parts) != 4 or not all(math.isfinite(part) for part in parts) or "_" in text:
        raise bad("bounds", "bounds must be four finite numbers: minLon,minLat,maxLon,maxLat", text)
    if parts[0] > parts[2] or parts[1] > parts[3]:
        raise bad("bounds", "in bounds the minimum comes before the maximum", text)
    return parts[0], parts[1], parts[2], parts[3]


def instant(query: Query, name: str) -> int | None:
    """A zoned instant among the parameters; a bare + that became a space is put back.

    Raises:
        ApiError: INVALID_PARAMETERS.
    """
    text = one(query, name)
    if text is None:
        return None
    found = instants.parse(instants.repair_plus(text))
    if found is None:
        raise bad(name, f"{name} must be an RFC 3339 instant with a zone", text)
    return found


def fields(query: Query) -> tuple[str, ...] | None:
    """The members that are asked for, as dotted names; None for all.

    Raises:
        ApiError: INVALID_PARAMETERS.
    """
    text = one(query, "fields")
    if text is None:
        return None
    names = tuple(text.split(","))
    if not all(_SORTABLE.fullmatch(name) for name in names):
        raise bad("fields", "fields must be dotted names of members with commas between", text)
    return names


def level(query: Query) -> str | None:
    """The wanted level of detail: 0 to 4, or auto.

    Raises:
        ApiError: INVALID_PARAMETERS.
    """
    text = one(query, "lod")
    if text not in (None, "auto", "0", "1", "2", "3", "4"):
        raise bad("lod", "lod must be 0 to 4, or auto", text)
    return text


def conditions(query: Query) -> tuple[Condition, ...]:
    """The property filters: every parameter that is not reserved, with or without the prefix `properties.`.

    Raises:
        ApiError: INVALID_PARAMETERS for an operator that is not known.
    """
    found = []
    for key, value in query:
        if key in RESERVED:
            continue
        match = _OPERATOR.fullmatch(key)
        name, op = (match[1], match[2]) if match else (key, "eq")
        if op not in OPERATORS:
            raise bad(key, f"the operator must be one of {', '.join(OPERATORS)}", op)
        path = name.removeprefix("properties.")
        if not path or name == "properties.":
            raise bad(key, "a property filter needs the name of a property")
        found.append(Condition(path, op, _wanted(op, value)))
    return tuple(found)


def _wanted(op: str, value: str) -> tuple[str, ...]:
    """The values of a filter; `A+` that was sent bare, and came as `A ` with a space, means both (C-40)."""
    values = tuple(value.split(",")) if op == "in" else (value,)
    if op not in ("eq", "in"):
        return values
    bare = tuple(one.rstrip(" ") + "+" * (len(one) - len(one.rstrip(" "))) for one in values)
    return values + tuple(one for one in bare if one not in values)


def ordering(query: Query) -> tuple[str | None, bool]:
    """The member to sort by (None: as created), and whether from the last to the first.

    Raises:
        ApiError: INVALID_PARAMETERS.
    """
    sort, order = one(query, "sortBy"), one(query, "sortOrder")
    if order not in (None, "asc", "desc"):
        raise bad("sortOrder", "sortOrder must be asc or desc", order)
    if sort is not None and not _SORTABLE.fullmatch(sort):
        raise bad("sortBy", "sortBy must be the dotted name of a member", sort)
    return sort, order == "desc"


def _mark(query: Query, offset: int) -> str | None:
    """The cursor among the parameters, which leaves no place for an offset.

    Raises:
        ApiError: INVALID_PARAMETERS beside an order or an offset.
    """
    mark = one(query, "cursor")
    ordered = one(query, "sortBy") is not None or one(query, "sortOrder") is not None
    if mark is not None and (ordered or offset):
        raise bad("cursor", "a cursor walks in the order of creation, without sortBy, sortOrder or offset")
    return mark


def object_query(query: Query, city: int) -> ObjectQuery:
    """The question to the objects of a city.

    Raises:
        ApiError: INVALID_PARAMETERS.
    """
    limit, offset = paging(query)
    bounds = one(query, "bounds")
    sort, descending = ordering(query)
    mark = _mark(query, offset)
    return ObjectQuery(
        city=city,
        types=types(query),
        box=None if bounds is None else box(bounds),
        conditions=conditions(query),
        updated_after=instant(query, "updatedAfter"),
        updated_before=instant(query, "updatedBefore"),
        sort=sort,
        descending=descending,
        limit=limit,
        offset=offset,
        after=None if mark is None else cursor.read(mark),
    )


def sensor_query(query: Query, city: int) -> SensorQuery:
    """The question to the sensors of a city.

    Raises:
        ApiError: INVALID_PARAMETERS.
    """
    limit, offset = paging(query)
    status = one(query, "status")
    if status not in (None, "operational", "offline"):
        raise bad("status", "status must be operational or offline", status)
    sort, descending = ordering(query)
    mark = _mark(query, offset)
    return SensorQuery(
        city=city,
        types=types(query),
        operational=None if status is None else status == "operational",
        attached=one(query, "attachedTo"),
        updated_after=instant(query, "updatedAfter"),
        updated_before=instant(query, "updatedBefore"),
        sort=sort,
        descending=descending,
        limit=limit,
        offset=offset,
        after=None if mark is None else cursor.read(mark),
    )
