"""Defects of lists: filters, paging, order (P2 4.3, 5.2)."""

from collections.abc import Callable
from typing import Any

import msgspec

from reference_server.errors import ApiError
from reference_server.faults.fault import wrap
from reference_server.faults.tools import body, member
from reference_server.rest import filters
from reference_server.rest import objects as rest
from reference_server.storage import queries
from reference_server.storage.protocol import ObjectQuery

Ask = Callable[..., Any]


def _asked(change: Callable[[ObjectQuery], ObjectQuery]) -> Callable[[Ask], Ask]:
    """Lists that answer another question than the one asked."""

    def make(objects: Ask) -> Ask:
        return lambda connection, query: objects(connection, change(query))

    return make


def _set(**changes: Any) -> Callable[[ObjectQuery], ObjectQuery]:
    return lambda query: msgspec.structs.replace(query, **changes)


def _plain_only(query: ObjectQuery) -> ObjectQuery:
    kept = tuple(one for one in query.conditions if "." not in one.path)
    return msgspec.structs.replace(query, conditions=kept)


def _last_filter_only(query: ObjectQuery) -> ObjectQuery:
    if query.conditions:
        return msgspec.structs.replace(query, types=(), box=None, conditions=query.conditions[-1:])
    return query


def _overlapping(query: ObjectQuery) -> ObjectQuery:
    return msgspec.structs.replace(query, offset=max(0, query.offset - 1))


def _past_the_end(objects: Ask) -> Ask:
    def strict(connection: Any, query: ObjectQuery) -> Any:
        page = objects(connection, query)
        if query.offset and query.offset >= page.total:
            raise ApiError("INVALID_PARAMETERS", "there is no such page", status=404)
        return page

    return strict


def _lax(parameter: str) -> Callable[[Ask], Ask]:
    """Reading a query that falls back to a value where it should refuse."""

    def make(paging: Ask) -> Ask:
        def read(query: Any) -> Any:
            try:
                return paging(query)
            except ApiError as problem:
                if problem.details.get("parameter") != parameter:
                    raise
                return paging([pair for pair in query if pair[0] != parameter])

        return read

    return make


def _crash(paging: Ask) -> Ask:
    def read(query: Any) -> Any:
        text = filters.one(query, "limit")
        if text is not None:
            int(text)
        return paging(query)

    return read


def _any_box(box: Ask) -> Ask:
    def read(text: str) -> Any:
        try:
            return box(text)
        except ApiError:
            return (-180.0, -90.0, 180.0, 90.0)

    return read


def _boxes_only(_: Ask) -> Ask:
    return lambda box: (
        "o.no IN (SELECT no FROM object_box WHERE x1 >= ? AND x0 <= ? AND y1 >= ? AND y0 <= ?)",
        [box[0], box[2], box[1], box[3]],
    )


def _contained(_: Ask) -> Ask:
    return lambda box: (
        "(o.x0 >= ? AND o.x1 <= ? AND o.y0 >= ? AND o.y1 <= ?)",
        [box[0], box[2], box[1], box[3]],
    )


TABLE: tuple[tuple[str, str, Callable[[], None]], ...] = (
    (
        "026",
        "the list is a single object",
        body(rest, "listing", lambda shown: (shown["objects"] or [{}])[0]),
    ),
    ("027", "the type filter is ignored", wrap(queries, "objects", _asked(_set(types=())))),
    ("028", "the bounds filter is ignored", wrap(queries, "objects", _asked(_set(box=None)))),
    ("028.boxes", "bounds compares boxes, not geometries", wrap(queries, "_in_box", _boxes_only)),
    ("028.contained", "bounds wants objects wholly inside", wrap(queries, "_in_box", _contained)),
    ("029", "malformed bounds are ignored", wrap(filters, "box", _any_box)),
    ("030", "property filters are ignored", wrap(queries, "objects", _asked(_set(conditions=())))),
    ("030.nested", "dotted property names are ignored", wrap(queries, "objects", _asked(_plain_only))),
    ("032", "only the last filter counts", wrap(queries, "objects", _asked(_last_filter_only))),
    ("033", "limit is ignored", wrap(queries, "objects", _asked(_set(limit=100)))),
    ("034", "the default limit is 1000", wrap(filters, "DEFAULT_LIMIT", lambda _: 1000)),
    ("035", "up to 5000 objects are returned", wrap(filters, "MAX_LIMIT", lambda _: 5000)),
    ("036", "a bad limit is ignored", wrap(filters, "paging", _lax("limit"))),
    ("036.crash", "a limit that is no number breaks the server", wrap(filters, "paging", _crash)),
    ("037", "neighbouring pages overlap", wrap(queries, "objects", _asked(_overlapping))),
    ("037.order", "the order is random", wrap(queries, "_order", lambda _: lambda query: ("random()", []))),
    ("038", "an offset past the end is not found", wrap(queries, "objects", _past_the_end)),
    ("039", "a bad offset is ignored", wrap(filters, "paging", _lax("offset"))),
    ("040", "the number of matches is not told", body(rest, "listing", member("total", drop=True))),
    ("041", "sortOrder is ignored", wrap(queries, "objects", _asked(_set(descending=False)))),
    ("042", "updatedAfter is ignored", wrap(queries, "objects", _asked(_set(updated_after=None)))),
)
