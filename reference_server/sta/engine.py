"""Answers to requests: filtered, ordered, paged, relations shown in place (SensorThings 1.1 9.2, 9.3)."""

import urllib.parse
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from reference_server.errors import ApiError
from reference_server.sta import functions, grammar
from reference_server.sta.catalog import RELATIONS, Item
from reference_server.sta.grammar import Call, Instant, Literal, Node, Path, bad
from reference_server.sta.options import Expand, Options
from reference_server.sta.sources import Sources, Span

MAX_SCANNED = 200_000
"""Entities that one request may look at; a narrower question is asked for beyond it."""
MAX_SHOWN = 20_000
"""Entities in one answer, those in place included."""
TIMES = {("phenomenonTime",), ("resultTime",)}


class Engine:
    """Answers one request; counts what it costs."""

    def __init__(self, sources: Sources, base: str) -> None:
        self._sources = sources
        self._base = base
        self._scanned = self._shown = 0

    # --- reading the path

    def link(self, item: Item) -> str:
        """The address of an entity."""
        quoted = item.id.replace("'", "''")
        return f"{self._base}/{item.kind}('{urllib.parse.quote(quoted, safe=chr(39))}')"

    async def find(self, kind: str, name: str) -> Item:
        """The entity of that id.

        Raises:
            ApiError: ROUTE_NOT_FOUND.
        """
        found = await self._sources.one(kind, name)
        if found is None:
            raise ApiError("ROUTE_NOT_FOUND", f"there is no entity of this id in {kind}", {"id": name[:200]})
        return found

    async def target(self, item: Item, name: str) -> Item:
        """The entity behind a relation to one.

        Raises:
            ApiError: ROUTE_NOT_FOUND.
        """
        async for one in self._sources.related(item, name):
            return one
        raise ApiError("ROUTE_NOT_FOUND", f"the entity has no {name}")

    async def member(self, item: Item, name: str, wanted: str) -> Item:
        """The entity of an id among those behind a relation.

        Raises:
            ApiError: ROUTE_NOT_FOUND.
        """
        if RELATIONS[item.kind][name].kind == "Observations":
            one = await self.find("Observations", wanted)
            if one.body.get("id") == item.body.get("id") and one.parameter in (
                item.parameter or one.parameter,
            ):
                return one
        else:
            async for one in self._sources.related(item, name):
                self._look()
                if one.id == wanted:
                    return one
        raise ApiError("ROUTE_NOT_FOUND", f"there is no entity of this id in {name}", {"id": wanted[:200]})

    # --- showing

    def _look(self) -> None:
        self._scanned += 1
        if self._scanned > MAX_SCANNED:
            raise bad(f"the question looks at more than {MAX_SCANNED} entities; narrow it")

    async def entity(self, item: Item, options: Options) -> dict[str, Any]:
        """An entity in JSON.

        Raises:
            ApiError: INVALID_PARAMETERS for an unknown relation.
        """
        self._shown += 1
        if self._shown > MAX_SHOWN:
            raise bad(f"the answer would hold more than {MAX_SHOWN} entities; use a smaller $top")
        chosen = options.select
        here = self.link(item)
        shown: dict[str, Any] = {}
        if chosen is None or "id" in chosen or "@iot.id" in chosen:
            shown["@iot.id"] = item.id
        if chosen is None or "selfLink" in chosen or "@iot.selfLink" in chosen:
            shown["@iot.selfLink"] = here
        shown |= {name: value for name, value in item.shown.items() if chosen is None or name in chosen}
        for text in () if chosen is None else chosen:
            first, slash, _ = text.partition("/")
            if slash and first in item.shown:
                shown[first] = item.shown[first]
            elif first not in (
                *item.shown,
                *RELATIONS[item.kind],
                "id",
                "@iot.id",
                "selfLink",
                "@iot.selfLink",
            ):
                continue  # an optional property that this entity does not have
        opened = {one.name: one for one in options.expand}
        for name in opened:
            if name not in RELATIONS[item.kind]:
                raise bad(f"{item.kind} have no relation {name[:40]!r}")
        for name in RELATIONS[item.kind]:
            if name in opened:
                shown |= await self._opened(item, opened[name])
            elif chosen is None or name in chosen:
                shown[f"{name}@iot.navigationLink"] = f"{here}/{name}"
        return shown

    async def _opened(self, item: Item, expand: Expand) -> dict[str, Any]:
        relation = RELATIONS[item.kind][expand.name]
        if not relation.many:
            one = await self.target(item, expand.name)
            return {expand.name: await self.entity(one, expand.options)}
        page = await self.collection(relation.kind, expand.options, item, expand.name)
        shown = {expand.name: page["value"]}
        if "@iot.count" in page:
            shown[f"{expand.name}@iot.count"] = page["@iot.count"]
        if page.get("more"):
            following = expand.options.skip + expand.options.top
            query = urllib.parse.urlencode({"$top": expand.options.top, "$skip": following})
            shown[f"{expand.name}@iot.nextLink"] = f"{self.link(item)}/{expand.name}?{query}"
        return shown

    async def collection(
        self, kind: str, options: Options, parent: Item | None = None, name: str = ""
    ) -> dict[str, Any]:
        """A page of entities: `value`, `@iot.count` if wanted, and `more` when there is a page behind it."""
        found, total = await self._page(kind, options, parent, name)
        shown: dict[str, Any] = {} if total is None else {"@iot.count": total}
        chosen = found[: options.top]
        shown["value"] = [await self.entity(one, options) for one in chosen]
        shown["more"] = len(found) > options.top and options.top > 0
        return shown

    async def _page(
        self, kind: str, options: Options, parent: Item | None, name: str
    ) -> tuple[list[Item], int | None]:
        """The entities of the page and one more, and the number of all that match if it is wanted."""
        span, natural = _span(kind, options)
        source = self._source(kind, parent, name, span)
        alone = kind == "Observations" and parent is not None and parent.kind == "Datastreams"
        ordered = not options.orderby or (alone and natural)
        wanted = options.skip + options.top + 1
        total: int | None = None
        if options.count and alone and _only_span(options.filter):
            total = await self._sources.count(parent, span) if parent is not None else 0
        scan_all = not ordered or (options.count and total is None)
        kept: list[Item] = []
        matching = 0
        async for item in source:
            self._look()
            if options.filter is not None and not await self._holds(options.filter, item):
                continue
            matching += 1
            if not ordered or len(kept) < wanted:
                kept.append(item)
            elif not scan_all:
                break
        if not ordered:
            kept = await self._sorted(kept, options.orderby)
        if options.count and total is None:
            total = matching
        return kept[options.skip : wanted], total

    def _source(self, kind: str, parent: Item | None, name: str, span: Span) -> AsyncIterator[Item]:
        if parent is None:
            return self._sources.all(kind, span)
        return self._sources.related(parent, name, span)

    # --- expressions

    async def _holds(self, node: Node, item: Item) -> bool:
        await self._prepare(grammar.paths(node), item)
        return functions.holds(node, lambda parts: looked(item, parts))

    async def _prepare(self, paths: Sequence[tuple[str, ...]], item: Item) -> None:
        """Look up the related entities that paths lead through."""
        for path in paths:
            name = path[0]
            if len(path) < 2 or name not in RELATIONS[item.kind]:
                if name not in (*item.shown, *KNOWN[item.kind]):
                    raise bad(f"{item.kind} have no property {name[:40]!r}")
                continue
            if name not in item.near:
                item.near[name] = []
                async for one in self._sources.related(item, name):
                    self._look()
                    item.near[name].append(one)
            for one in item.near[name]:
                await self._prepare([path[1:]], one)

    async def _sorted(self, items: list[Item], orderby: Sequence[tuple[Node, bool]]) -> list[Item]:
        for node, descending in reversed(orderby):
            keys = []
            for item in items:
                await self._prepare(grammar.paths(node), item)
                keys.append(_rank(functions.value(node, lambda parts, one=item: looked(one, parts))))  # type: ignore[misc]
            order = sorted(range(len(items)), key=keys.__getitem__, reverse=descending)
            items = [items[i] for i in order]
        return items


KNOWN: dict[str, tuple[str, ...]] = {
    "Things": ("id", "@iot.id", "properties"),
    "Locations": ("id", "@iot.id", "properties"),
    "HistoricalLocations": ("id", "@iot.id"),
    "Sensors": ("id", "@iot.id", "properties"),
    "ObservedProperties": ("id", "@iot.id", "properties"),
    "Datastreams": ("id", "@iot.id", "observedArea", "phenomenonTime", "resultTime", "properties"),
    "Observations": ("id", "@iot.id", "validTime", "parameters", "resultQuality"),
    "FeaturesOfInterest": ("id", "@iot.id", "properties"),
}
"""Properties that may be asked for though an entity may lack them."""


def looked(item: Item, parts: tuple[str, ...]) -> list[Any]:
    """The values at a path of an entity."""
    if len(parts) > 1 and parts[0] in item.near:
        return [value for one in item.near[parts[0]] for value in looked(one, parts[1:])]
    if parts in (("id",), ("@iot.id",)):
        return [item.id]
    value: Any = item.shown
    for part in parts:
        value = value.get(part) if isinstance(value, dict) else None
    return [value]


def _rank(value: Any) -> tuple[int, Any]:
    """Values of different kinds in one order: nothing, truth, numbers, moments, text, the rest."""
    if isinstance(value, bool):
        return 1, value
    if isinstance(value, int | float):
        return 2, value
    if isinstance(value, Instant):
        return 3, value.at
    if isinstance(value, str):
        at = functions.moment(value)
        return (4, value) if at is None else (3, at)
    return (0, 0) if value is None else (5, str(value))


def _span(kind: str, options: Options) -> tuple[Span, bool]:
    """The time that a filter leaves to Observations, and whether the order asked for is that of time."""
    span = Span()
    if kind != "Observations":
        return span, False
    for part in grammar.conjuncts(options.filter):
        bound = _bound(part)
        if bound is not None:
            start, end = bound
            span = msgspec.structs.replace(span, start=max(span.start, start), end=min(span.end, end))
    natural = len(options.orderby) == 1 and grammar.paths(options.orderby[0][0])[:1] in [
        [one] for one in TIMES
    ]
    natural = natural and isinstance(options.orderby[0][0], Path)
    newest_first = natural and options.orderby[0][1]
    return msgspec.structs.replace(span, newest_first=newest_first), natural


def _bound(node: Node) -> tuple[int, int] | None:
    """The time that a comparison of an Observation's time with an instant leaves, first and last moment."""
    if not isinstance(node, Call) or node.name not in ("eq", "gt", "ge", "lt", "le"):
        return None
    left, right = node.arguments
    name = node.name
    if isinstance(right, Path):
        left, right = right, left
        name = {"gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}.get(name, name)
    moment = functions.moment(right.value) if isinstance(right, Literal) else None
    if not isinstance(left, Path) or left.parts not in TIMES or moment is None:
        return None
    span = Span()
    return {
        "eq": (moment, moment),
        "gt": (moment + 1, span.end),
        "ge": (moment, span.end),
        "lt": (span.start, moment - 1),
        "le": (span.start, moment),
    }[name]


def _only_span(node: Node | None) -> bool:
    return all(_bound(part) is not None for part in grammar.conjuncts(node))
