"""Defects read off the catalogue alone, before other lists and the suites were looked at: lists."""

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlencode

from tests.support.defects import (
    Defect,
    answer,
    member,
    query,
)
from tests.support.defects_lists import (
    bounded,
    box_of,
    by_properties,
    engine,
    nested,
    positions,
    refusal,
    text_of,
    whole,
)
from tests.support.defects_reading_tools import (
    OBJECTS,
)
from tests.support.defects_tools import key_of
from tests.support.relay import Relay, Reply, Request


def _lists() -> Iterator[Defect]:
    yield Defect(
        "DTC-P2-026", "a list is keyed by id", after=answer("GET", OBJECTS, member("objects", by=_keyed))
    )
    yield Defect("DTC-P2-027", "a type counts on the first page only", query(OBJECTS, _second_page_free))
    yield Defect(
        "DTC-P2-027", "the type is looked at after paging", _after_paging("type", lambda o, v: o["type"] == v)
    )
    yield Defect("DTC-P2-028", "the box is looked at after paging", _after_paging("bounds", _in_box))
    yield Defect("DTC-P2-028", "only points are in boxes", bounded(_points_only))
    for what, change in (
        ("three bounds are completed", lambda parts: [*parts, "90"] if len(parts) == 3 else parts),
        (
            "an empty bound is zero",
            lambda parts: [part or "0" for part in parts] if len(parts) == 4 else parts,
        ),
        ("infinity is a bound", lambda parts: ["180" if "inf" in p.lower() else p for p in parts]),
        ("latitudes are put in order", _latitudes_in_order),
    ):
        yield Defect("DTC-P2-029", what, query(OBJECTS, _parts(change)))
    yield Defect("DTC-P2-030", "what is missing is false", by_properties(_missing_is_false))
    yield Defect(
        "DTC-P2-030", "a comma means or", by_properties(lambda o, n, v: text_of(nested(o, n)) in v.split(","))
    )
    yield Defect("DTC-P2-030", "numbers are rounded", by_properties(_rounded))
    yield Defect("DTC-P2-032", "a box makes the properties forgotten", query(OBJECTS, _box_alone))
    yield Defect("DTC-P2-032", "a third filter is forgotten", query(OBJECTS, _two_filters))
    yield Defect("DTC-P2-033", "a limit does not count beside a box", query(OBJECTS, _free_in_box))
    yield Defect(
        "DTC-P2-033",
        "one is two",
        query(OBJECTS, lambda q: q.update(limit="2") if q.get("limit") == "1" else 0),
    )
    yield Defect("DTC-P2-034", "filtered lists are whole", query(OBJECTS, _whole_when_filtered))
    yield Defect(
        "DTC-P2-036",
        "zero is everything",
        query(OBJECTS, lambda q: q.update(limit="1000") if q.get("limit") == "0" else 0),
    )
    yield Defect("DTC-P2-035", "a great number breaks it", _breaks_at("limit"))
    yield Defect(
        "DTC-P2-036",
        "words are the default",
        query(
            OBJECTS, lambda q: q.pop("limit") if not re.fullmatch(r"-?[\d.e]+", q.get("limit", "1")) else 0
        ),
    )
    yield Defect("DTC-P2-037", "filtered pages overlap", query(OBJECTS, _overlapping))
    yield Defect(
        "DTC-P2-037",
        "offsets go by tens",
        query(
            OBJECTS,
            lambda q: (
                q.update(offset=str(int(q["offset"]) // 10 * 10)) if q.get("offset", "").isdigit() else 0
            ),
        ),
    )
    yield Defect("DTC-P2-037", "a short last page is left out", after=answer("GET", OBJECTS, _no_short_page))
    yield Defect("DTC-P2-037", "the order follows the limit", _by_limit)
    yield Defect("DTC-P2-038", "the last comes again", _last_again)
    yield Defect("DTC-P2-038", "a great offset breaks it", _breaks_at("offset"))
    yield Defect(
        "DTC-P2-039",
        "a fraction is cut",
        query(
            OBJECTS, lambda q: q.update(offset=q["offset"].split(".")[0]) if "." in q.get("offset", "") else 0
        ),
    )
    yield Defect("DTC-P2-039", "a bad offset breaks it", after=_broken_offset)


def _keyed(entries: Any) -> Any:
    return {one["id"]: one for one in entries}


def _second_page_free(given: dict[str, str]) -> None:
    if "type" in given and given.get("offset", "0") not in ("0", ""):
        del given["type"]


def _after_paging(name: str, holds: Callable[[Any, str], bool]) -> Any:
    """The page is cut first, and what does not match is left out of it then."""

    def before(relay: Relay, request: Request) -> Reply | None:
        given = dict(request.query)
        if request.method != "GET" or request.below != OBJECTS or name not in given:
            return None
        if not given.get("limit", "100").isdigit() or (name == "bounds" and box_of(given) is None):
            return None
        pairs = [(k, v) for k, v in request.query if k != name]
        reply = relay.ask(
            "GET", f"{request.path}?{urlencode(pairs, quote_via=quote)}", headers=key_of(request)
        )
        if reply.status != 200:
            return None
        found = [one for one in reply.json["objects"] if holds(one, given[name])]
        reply.json = {**reply.json, "objects": found, "count": len(found)}
        return reply

    return before


def _in_box(one: Any, text: str) -> bool:
    west, south, east, north = (float(part) for part in text.split(","))
    return any(west <= x <= east and south <= y <= north for x, y, *_ in positions(one["geometry"]))


def _points_only(item: Any, given: dict[str, str]) -> bool:
    return item["geometry"]["type"] == "Point" and _in_box(item, given["bounds"])


def _parts(change: Callable[[list[str]], list[str]]) -> Callable[[dict[str, str]], None]:
    def apply(given: dict[str, str]) -> None:
        if "bounds" in given:
            given["bounds"] = ",".join(change(given["bounds"].split(",")))

    return apply


def _latitudes_in_order(parts: list[str]) -> list[str]:
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        return parts
    if len(numbers) == 4 and numbers[0] <= numbers[2] and numbers[1] > numbers[3]:
        return [parts[0], parts[3], parts[2], parts[1]]
    return parts


def _missing_is_false(item: Any, name: str, value: str) -> bool:
    found = nested(item, name)
    return text_of(False if found is None else found) == value


def _rounded(item: Any, name: str, value: str) -> bool:
    found = nested(item, name)
    try:
        return (isinstance(found, float) and round(found) == round(float(value))) or text_of(found) == value
    except ValueError:
        return text_of(found) == value


def _names(given: dict[str, str]) -> list[str]:
    return [name for name in given if name.startswith("properties.")]


def _box_alone(given: dict[str, str]) -> None:
    if "bounds" in given:
        for name in _names(given):
            del given[name]


def _two_filters(given: dict[str, str]) -> None:
    filters = [name for name in given if name in ("type", "bounds") or name.startswith("properties.")]
    for name in filters[2:]:
        del given[name]


def _free_in_box(given: dict[str, str]) -> None:
    if "bounds" in given and given.get("limit", "").isdigit() and given["limit"] != "0":
        given["limit"] = "1000"


def _whole_when_filtered(given: dict[str, str]) -> None:
    if "type" in given or _names(given):
        given.setdefault("limit", "1000")


def _breaks_at(name: str) -> Any:
    def before(_relay: Relay, request: Request) -> Reply | None:
        value = dict(request.query).get(name, "")
        great = request.method == "GET" and value.isdigit() and int(value) >= 2**63
        return refusal("INTERNAL_ERROR", 500) if great and request.below == OBJECTS else None

    return before


def _overlapping(given: dict[str, str]) -> None:
    filtered = "type" in given or _names(given)
    if filtered and given.get("offset", "").isdigit() and given["offset"] != "0":
        given["offset"] = str(int(given["offset"]) - 1)


def _no_short_page(body: Any) -> Any:
    if body["offset"] > 0 and 0 < body["count"] < body["limit"]:
        return {**body, "objects": [], "count": 0}
    return None


def _by_limit(relay: Relay, request: Request) -> Reply | None:
    limit = dict(request.query).get("limit", "100")
    odd = limit.isdigit() and int(limit) % 2 == 1
    return whole(lambda items: items[::-1] if odd else items)(relay, request)  # type: ignore[no-any-return]


def _last_again(relay: Relay, request: Request) -> Reply | None:
    given = dict(request.query)
    if request.method != "GET" or request.below != OBJECTS or not given.get("offset", "").isdigit():
        return None

    def keep(_item: Any, _given: dict[str, str]) -> bool:
        return True

    found = engine(lambda _given: True, lambda _name: False, keep)(relay, request)
    total = found.json.get("total", 0) if found and found.status == 200 else 0
    if found is not None and total and int(given["offset"]) >= total:
        request.query = [(k, str(total - 1) if k == "offset" else v) for k, v in request.query]
        return engine(lambda _given: True, lambda _name: False, keep)(relay, request)
    return None


def _broken_offset(request: Request, reply: Reply, _body: Any) -> None:
    offset = dict(request.query).get("offset", "0")
    if request.below == OBJECTS and reply.status == 400 and not re.fullmatch(r"-?\d+", offset):
        reply.status = 500


READING_LISTS = (*_lists(),)
