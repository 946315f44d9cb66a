"""The SensorThings 1.1 facade over HTTP: the path below /sta/{cityId}/v1.1 read step by step (9.2)."""

import re
import urllib.parse
from typing import Any

from reference_server.errors import ApiError
from reference_server.rest.call import Call, Reply, decoded, reply_json
from reference_server.rest.ogc import require_degrees
from reference_server.sta import options as queries
from reference_server.sta.catalog import RELATIONS, Item
from reference_server.sta.engine import Engine
from reference_server.sta.options import Options
from reference_server.sta.sources import Sources

MAX_STEPS = 12
_STEP = re.compile(r"([A-Za-z]+)(?:\((.*)\))?", re.DOTALL)
CLASSES = [
    f"http://www.opengis.net/spec/iot_sensing/1.1/req/{name}"
    for name in (
        "datamodel",
        "resource-path/resource-path-to-entities",
        "request-data/order",
        "request-data/expand",
        "request-data/select",
        "request-data/status-code",
        "request-data/query-status-code",
        "request-data/orderby",
        "request-data/top",
        "request-data/skip",
        "request-data/count",
        "request-data/filter",
        "request-data/built-in-filter-operations",
        "request-data/pagination",
    )
]


def base(call: Call) -> str:
    """The absolute address of the facade, as the caller reached it."""
    return f"{call.origin}/sta/{urllib.parse.quote(call.city.id, safe='')}/v1.1"


async def service(call: Call) -> Reply:
    """GET /sta/{cityId}/v1.1: the entity sets, and what is conformed to."""
    require_degrees(call)
    here = base(call)
    sets = [{"name": kind, "url": f"{here}/{kind}"} for kind in RELATIONS]
    return reply_json({"value": sets, "serverSettings": {"conformance": CLASSES}})


class _Place:
    """Where a path has led to: a collection, an entity, or a value of one."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.parent: Item | None = None
        self.relation = ""
        self.item: Item | None = None


async def read(call: Call) -> Reply:
    """GET /sta/{cityId}/v1.1/...: a collection, an entity, a property, a value, or references."""
    require_degrees(call)
    engine = Engine(Sources(call.world, call.city), base(call))
    raw = call.target.partition(b"?")[0].split(b"/")[4:]  # an id may hold a slash as %2F: split, then decode
    steps = [decoded(part) for part in raw]
    if len(steps) > MAX_STEPS:
        raise ApiError("ROUTE_NOT_FOUND", f"a path may have {MAX_STEPS} steps")
    options = queries.parse(call.query())
    place = await _entered(engine, steps[0])
    for number, step in enumerate(steps[1:], start=1):
        rest = steps[number:]
        if step == "$ref" and len(rest) == 1:
            return await _references(call, engine, place, options)
        if step == "$count" and place.item is None and len(rest) == 1:
            return await _counted(engine, place, options)
        if place.item is not None and step not in RELATIONS[place.kind] and "(" not in step:
            return _property(place.item, rest)
        place = await _followed(engine, place, step)
    if place.item is not None:
        return reply_json(await engine.entity(place.item, options))
    return await _page(call, engine, place, options)


async def _entered(engine: Engine, step: str) -> _Place:
    kind, name = _read(step)
    if kind not in RELATIONS:
        raise ApiError("ROUTE_NOT_FOUND", f"there is no entity set {kind[:40]!r}")
    place = _Place(kind)
    if name is not None:
        place.item = await engine.find(kind, name)
    return place


async def _followed(engine: Engine, place: _Place, step: str) -> _Place:
    name, wanted = _read(step)
    if place.item is None or name not in RELATIONS[place.kind]:
        raise ApiError("ROUTE_NOT_FOUND", f"from here nothing leads to {name[:40]!r}")
    relation = RELATIONS[place.kind][name]
    found = _Place(relation.kind)
    if not relation.many:
        if wanted is not None:
            raise ApiError("ROUTE_NOT_FOUND", f"{name} is one entity and takes no id")
        found.item = await engine.target(place.item, name)
    elif wanted is not None:
        found.item = await engine.member(place.item, name, wanted)
    else:
        found.parent, found.relation = place.item, name
    return found


def _read(step: str) -> tuple[str, str | None]:
    """The name of a step and the id in its brackets: a quoted text, or a bare number."""
    match = _STEP.fullmatch(step)
    if match is None:
        raise ApiError("ROUTE_NOT_FOUND", f"{step[:40]!r} is no step of a path")
    name, key = match[1], match[2]
    if key is None:
        return name, None
    if len(key) >= 2 and key[0] == key[-1] == "'" and "'" not in key[1:-1].replace("''", ""):
        return name, key[1:-1].replace("''", "'")
    if key.isascii() and key.lstrip("-").isdigit():
        return name, key
    raise ApiError("ROUTE_NOT_FOUND", "an id stands in single quotes")


def _property(item: Item, steps: list[str]) -> Reply:
    """A property of an entity: as `{name: value}`, or with $value as it is."""
    raw = steps[-1] == "$value"
    names = steps[:-1] if raw else steps
    value: Any = {**item.shown, "id": item.id, "@iot.id": item.id}
    for name in names:
        if not isinstance(value, dict) or name not in value:
            raise ApiError("ROUTE_NOT_FOUND", f"there is nothing called {name[:40]!r} here")
        value = value[name]
    if not names:
        raise ApiError("ROUTE_NOT_FOUND", "$value stands behind a property")
    if not raw:
        return reply_json({names[-1]: value})
    if isinstance(value, dict | list):
        return reply_json(value)
    text = value if isinstance(value, str) else "" if value is None else reply_json(value).body.decode()
    return Reply(200, text.encode(), media_type=b"text/plain; charset=utf-8")


async def _references(call: Call, engine: Engine, place: _Place, options: Options) -> Reply:
    if place.item is not None:
        return reply_json({"@iot.selfLink": engine.link(place.item)})
    chosen = Options(
        filter=options.filter,
        orderby=options.orderby,
        top=options.top,
        skip=options.skip,
        count=options.count,
        select=("selfLink",),
    )
    return await _page(call, engine, place, chosen)


async def _counted(engine: Engine, place: _Place, options: Options) -> Reply:
    wanted = Options(filter=options.filter, top=0, count=True)
    page = await engine.collection(place.kind, wanted, place.parent, place.relation)
    return Reply(200, str(page["@iot.count"]).encode(), media_type=b"text/plain; charset=utf-8")


async def _page(call: Call, engine: Engine, place: _Place, options: Options) -> Reply:
    page = await engine.collection(place.kind, options, place.parent, place.relation)
    if page.pop("more"):
        kept = [pair for pair in call.query() if pair[0] != "$skip"]
        following = urllib.parse.urlencode([*kept, ("$skip", options.skip + options.top)], safe="$,()'/:;")
        path = call.target.partition(b"?")[0].decode("ascii")
        page = {"@iot.nextLink": f"{call.origin}{path}?{following}", **page}
    return reply_json(page)
