"""Defects of other makers' lists, filters and places: answers that a maker's own query engine gives wrongly.

`Engine` takes GET /objects over: it asks the twin for all objects and evaluates the query itself, as another
maker would; a defect is one of its steps done wrongly.
"""

import json
import math
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tests.support.defects import JSON, Defect, answer, member, query, sent
from tests.support.relay import Relay, Reply, Request

Item = dict[str, Any]
Keep = Callable[[Item, dict[str, str]], bool]
RESERVED = ("limit", "offset", "bounds", "type", "sortBy", "sortOrder", "updatedAfter", "updatedBefore")


def positions(geometry: Any) -> Iterator[Sequence[float]]:
    """Every position of a geometry."""
    if isinstance(geometry, dict):
        yield from positions(geometry.get("coordinates"))
    elif isinstance(geometry, list) and geometry and isinstance(geometry[0], int | float):
        yield geometry
    elif isinstance(geometry, list):
        for part in geometry:
            yield from positions(part)


def box_of(given: dict[str, str]) -> list[float] | None:
    """The four numbers of a sound bounds filter."""
    try:
        box = [float(part) for part in given.get("bounds", "").split(",")]
    except ValueError:
        return None
    return box if len(box) == 4 and box[0] <= box[2] and box[1] <= box[3] else None


def nested(item: Item, name: str) -> Any:
    """The property at a dotted name."""
    value: Any = item.get("properties")
    for step in name.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def text_of(value: Any) -> str:
    """A property value as a query would spell it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def engine(
    own: Callable[[dict[str, str]], bool],
    taken: Callable[[str], bool],
    keep: Keep,
    *,
    arrange: Callable[[list[Item]], list[Item]] | None = None,
    cap: int = 1000,
) -> Callable[[Relay, Request], Reply | None]:
    """Evaluate some queries here.

    Args:
        own: whether a query is evaluated here; others go to the twin as they are.
        taken: the parameters that the twin does not get.
        keep: whether an item is in the result.
        arrange: the order of the result.
        cap: the greatest page.
    """

    def before(relay: Relay, request: Request) -> Reply | None:
        given = dict(request.query)
        if request.method != "GET" or request.below != "/objects" or not own(given):
            return None
        plain = {"limit", "offset"}
        rest = [(name, value) for name, value in request.query if name not in plain and not taken(name)]
        headers = {k: v for k, v in request.headers.items() if k in ("x-api-key", "authorization")}
        items: list[Item] = []
        while True:
            pairs = [*rest, ("limit", "1000"), ("offset", str(len(items)))]
            path = request.path + "?" + "&".join(f"{k}={_quoted(v)}" for k, v in pairs)
            reply = relay.ask("GET", path, headers=headers)
            if reply.status != 200:
                return reply
            items += reply.json["objects"]
            if len(reply.json["objects"]) < 1000:
                break
        found = [one for one in items if keep(one, given)]
        found = arrange(found) if arrange else found
        limit, offset = given.get("limit", "100"), given.get("offset", "0")
        if not limit.isdigit() or not offset.isdigit() or limit == "0":
            return None
        shown = found[int(offset) : int(offset) + min(cap, int(limit))]
        body = {"objects": shown, "count": len(shown), "total": len(found)}
        body |= {"limit": min(cap, int(limit)), "offset": int(offset)}
        return Reply(200, dict(JSON), json.dumps(body).encode())

    return before


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")


def by_properties(equal: Callable[[Item, str, str], bool], *, any_of: bool = False) -> Any:
    """An engine whose comparison of properties is `equal`."""

    def is_filter(name: str) -> bool:
        return name.startswith("properties.") and "[" not in name

    def keep(item: Item, given: dict[str, str]) -> bool:
        wanted = [(name[11:], value) for name, value in given.items() if is_filter(name)]
        found = [
            equal(item, name, value) if "dtc" not in name else text_of(nested(item, name)) == value
            for name, value in wanted
        ]
        return any(found) if any_of else all(found)

    return engine(lambda given: any(map(is_filter, given)), is_filter, keep)


def _ignoring_case(item: Item, name: str, value: str) -> bool:
    return text_of(nested(item, name)).lower() == value.lower()


def _holding(item: Item, name: str, value: str) -> bool:
    return value in text_of(nested(item, name))


def _beginning(item: Item, name: str, value: str) -> bool:
    return text_of(nested(item, name)).startswith(value)


def _any_level(item: Item, name: str, value: str) -> bool:
    last = name.rpartition(".")[2]

    def search(part: Any) -> bool:
        if not isinstance(part, dict):
            return False
        return any((k == last and text_of(v) == value) or search(v) for k, v in part.items())

    return text_of(nested(item, name)) == value or search(item.get("properties"))


def _as_text(item: Item, name: str, value: str) -> bool:
    return str(nested(item, name)) == value


def _flat_only(item: Item, name: str, value: str) -> bool:
    return "." in name or text_of(nested(item, name)) == value


def _at_least(item: Item, name: str, value: str) -> bool:
    found = nested(item, name)
    if isinstance(found, int | float) and not isinstance(found, bool):
        try:
            return found >= float(value)
        except ValueError:
            return False
    return text_of(found) == value


def _inside(item: Item, given: dict[str, str]) -> bool:
    box = box_of(given)
    return box is None or all(
        box[0] <= x <= box[2] and box[1] <= y <= box[3] for x, y, *_ in positions(item["geometry"])
    )


def _touching_boxes(item: Item, given: dict[str, str]) -> bool:
    box = box_of(given)
    xs, ys = ([place[axis] for place in positions(item["geometry"])] for axis in (0, 1))
    return box is None or (
        min(xs) <= box[2] and max(xs) >= box[0] and min(ys) <= box[3] and max(ys) >= box[1]
    )


def _any_corner(item: Item, given: dict[str, str]) -> bool:
    box = box_of(given)
    return box is None or any(
        box[0] <= x <= box[2] and box[1] <= y <= box[3] for x, y, *_ in positions(item["geometry"])
    )


def _first_corner(item: Item, given: dict[str, str]) -> bool:
    box = box_of(given)
    x, y = next(iter(positions(item["geometry"])))[:2]
    return box is None or (box[0] <= x <= box[2] and box[1] <= y <= box[3])


def bounded(keep: Keep) -> Any:
    """An engine with another idea of what lies in a box."""
    return engine(lambda given: box_of(given) is not None, lambda name: name == "bounds", keep)


def whole(arrange: Callable[[list[Item]], list[Item]], cap: int = 1000) -> Any:
    """An engine that only pages."""
    return engine(
        lambda _given: True, lambda _name: False, lambda _item, _given: True, arrange=arrange, cap=cap
    )


def _shuffled(items: list[Item]) -> list[Item]:
    return random.sample(items, k=len(items))


def _lists() -> Iterator[Defect]:
    objects = "/objects"
    yield Defect("DTC-P2-026", "the list holds ids", after=answer("GET", objects, member("objects", by=_ids)))
    yield Defect("DTC-P2-026", "the newest is not listed", whole(lambda items: items[:-1]))
    yield Defect(
        "DTC-P2-027",
        "types are compared without case",
        query(objects, lambda q: q.update(type=q["type"].capitalize()) if q.get("type", "").isalpha() else 0),
    )
    yield Defect("DTC-P2-028", "only what lies wholly inside", bounded(_inside))
    yield Defect("DTC-P2-028", "boxes of geometries are compared", bounded(_touching_boxes))
    yield Defect("DTC-P2-028", "only corners count", bounded(_any_corner))
    yield Defect("DTC-P2-028", "only the first corner counts", bounded(_first_corner))
    yield Defect("DTC-P2-028", "latitudes do not count", query(objects, _any_latitude))
    yield Defect("DTC-P2-029", "reversed bounds are put in order", query(objects, _ordered))
    yield Defect("DTC-P2-029", "words count as zero", query(objects, _zeroed))
    yield Defect("DTC-P2-030", "properties are compared without case", by_properties(_ignoring_case))
    yield Defect("DTC-P2-030", "a part of the text is enough", by_properties(_holding))
    yield Defect("DTC-P2-030", "the beginning is enough", by_properties(_beginning))
    yield Defect("DTC-P2-030", "the last name counts at any level", by_properties(_any_level))
    yield Defect("DTC-P2-030", "values are compared as Python text", by_properties(_as_text))
    yield Defect("DTC-P2-030", "nested names are ignored", by_properties(_flat_only))
    yield Defect("DTC-P2-030", "numbers mean at least", by_properties(_at_least))
    yield Defect(
        "DTC-P2-032",
        "any of the properties is enough",
        by_properties(lambda item, name, value: text_of(nested(item, name)) == value, any_of=True),
    )
    yield Defect(
        "DTC-P2-032",
        "a type makes the properties forgotten",
        query(objects, lambda q: [q.pop(name) for name in list(q) if "type" in q and "properties." in name]),
    )
    yield Defect(
        "DTC-P2-033",
        "a limit does not count beside a filter",
        query(objects, lambda q: q.update(limit="1000") if "type" in q and q.get("limit") == "3" else 0),
    )
    yield Defect("DTC-P2-033", "one less than the limit", query(objects, _one_less))
    yield Defect(
        "DTC-P2-034", "the default is 1000", query(objects, lambda q: q.setdefault("limit", "1000") and None)
    )
    yield Defect("DTC-P2-035", "5000 are given", whole(lambda items: items, cap=5000))
    yield Defect(
        "DTC-P2-035",
        "1000 is too many",
        lambda _relay, request: (
            _refusal("INVALID_PARAMETERS") if dict(request.query).get("limit") == "1000" else None
        ),
    )
    yield Defect(
        "DTC-P2-036",
        "what comes after the number is cut",
        query(objects, lambda q: q.update(limit="10") if q.get("limit") == "10abc" else 0),
    )
    yield Defect("DTC-P2-037", "the order is another each time", whole(_shuffled))
    yield Defect("DTC-P2-037", "pages overlap by one", query(objects, _moved(-1)))
    yield Defect("DTC-P2-037", "one is skipped between pages", query(objects, _moved(1)))
    yield Defect(
        "DTC-P2-038",
        "past the end is not found",
        after=_late,
    )
    yield Defect(
        "DTC-P2-039",
        "text is no offset",
        query(objects, lambda q: q.pop("offset", 0) and 0 if q.get("offset", "0").isalpha() else 0),
    )


def _ids(items: list[Item]) -> list[str]:
    return [item["id"] for item in items]


def _any_latitude(given: dict[str, str]) -> None:
    parts = given.get("bounds", "").split(",")
    if box_of(given):
        given["bounds"] = ",".join([parts[0], "-90", parts[2], "90"])


def _ordered(given: dict[str, str]) -> None:
    try:
        a, b, c, d = [float(part) for part in given.get("bounds", "").split(",")]
    except ValueError:
        return
    if all(map(math.isfinite, (a, b, c, d))):
        given["bounds"] = f"{min(a, c)},{min(b, d)},{max(a, c)},{max(b, d)}"


def _zeroed(given: dict[str, str]) -> None:
    parts = given.get("bounds", "").split(",")
    if len(parts) == 4 and any(part.isalpha() and part.lower() not in ("nan", "inf") for part in parts):
        given["bounds"] = "0,0,180,90"


def _one_less(given: dict[str, str]) -> None:
    if given.get("limit", "").isdigit() and 1 < int(given["limit"]) <= 1000:
        given["limit"] = str(int(given["limit"]) - 1)


def _moved(by: int) -> Callable[[dict[str, str]], None]:
    def change(given: dict[str, str]) -> None:
        if given.get("offset", "").isdigit() and 0 < int(given["offset"]) < 10**6:
            given["offset"] = str(int(given["offset"]) + by)

    return change


def _late(request: Request, reply: Reply, body: Any) -> Any:
    moved = dict(request.query).get("offset", "0") != "0"
    if request.below == "/objects" and reply.status == 200 and moved and not body["objects"]:
        reply.status = 404
        return json.loads(_refusal("OBJECT_NOT_FOUND").body)
    return None


def _refusal(code: str, status: int = 400) -> Reply:
    from datetime import UTC, datetime

    now = datetime.now(UTC).isoformat()
    error = {"code": code, "message": "this is not taken", "details": {}, "timestamp": now}
    return Reply(status, dict(JSON), json.dumps({"error": error}).encode())


def refusal(code: str, status: int = 400) -> Reply:
    """An error envelope."""
    return _refusal(code, status)


def planar(one: Sequence[float], other: Sequence[float]) -> float:
    """Metres as if a degree of longitude were as long as one of latitude."""
    return math.dist(one[:2], other[:2]) * 111_195


class Remembered:
    """What was deleted, to be found nearby all the same."""

    def __init__(self) -> None:
        self.ghosts: dict[str, Item] = {}

    def before(self, relay: Relay, request: Request) -> None:
        """Look at an object before it goes."""
        if request.method == "DELETE" and request.below.startswith("/objects/"):
            key = {k: v for k, v in request.headers.items() if k in ("x-api-key", "authorization")}
            kept = relay.ask("GET", request.path, headers=key)
            if kept.status == 200:
                self.ghosts[kept.json["id"]] = kept.json

    def after(self, request: Request, reply: Reply, body: Any) -> Any:
        """Add what is gone to what is nearby."""
        if request.below != "/spatial/nearby" or reply.status != 200:
            return None
        sent_body = request.json
        here = sent_body["location"]["coordinates"]
        for name, ghost in self.ghosts.items():
            if ghost["geometry"]["type"] != "Point" or sent_body.get("type", ghost["type"]) != ghost["type"]:
                continue
            place = ghost["geometry"]["coordinates"]
            metres = _sphere(here, place)
            if metres <= sent_body["radius"]:
                body["results"].append({"id": name, "name": "ghost", "distance": metres, "location": place})
        body["count"] = len(body["results"])
        return body


def _sphere(one: Sequence[float], other: Sequence[float]) -> float:
    middle = math.radians((one[1] + other[1]) / 2)
    return 111_195 * math.hypot((other[0] - one[0]) * math.cos(middle), other[1] - one[1])


def _flat_distances(request: Request, reply: Reply, body: Any) -> Any:
    if request.below != "/spatial/nearby" or reply.status != 200:
        return None
    here = request.json["location"]["coordinates"]
    for one in body["results"]:
        place = one["location"]["coordinates"] if isinstance(one["location"], dict) else one["location"]
        one["distance"] = planar(here, place)
    return body


def _flat_search(request: Request, reply: Reply, body: Any) -> Any:
    if request.below != "/spatial/nearby" or reply.status != 200:
        return None
    here, radius = request.json["location"]["coordinates"], request.json["radius"]

    def place(one: Item) -> Sequence[float]:
        found: Sequence[float] = (
            one["location"]["coordinates"] if isinstance(one["location"], dict) else one["location"]
        )
        return found

    body["results"] = [one for one in body["results"] if planar(here, place(one)) <= radius]
    body["count"] = len(body["results"])
    return body


def _places() -> Iterator[Defect]:
    nearby, route = "/spatial/nearby", "/spatial/route"
    ghosts = Remembered()
    yield Defect("DTC-P2-025", "what is deleted stays nearby", ghosts.before, ghosts.after)
    yield Defect("DTC-P2-075", "services are called items", after=answer("GET", "/services", _as_items))
    yield Defect(
        "DTC-P2-076",
        "the category is ignored",
        query("/services", lambda q: q.pop("category", None) and None),
    )
    yield Defect("DTC-P2-077", "an unknown service runs", after=_runs_well)
    yield Defect("DTC-P2-078", "results have no name", after=answer("POST", nearby, _each("name")))
    yield Defect("DTC-P2-078", "the query is not told", after=answer("POST", nearby, member("query")))
    yield Defect("DTC-P2-079", "distances are those of a flat map", after=_flat_distances)
    yield Defect("DTC-P2-079", "the search is that of a flat map", after=_flat_search)
    yield Defect(
        "DTC-P2-079",
        "distances are rounded to kilometres",
        after=answer("POST", nearby, _scaled(lambda metres: round(metres / 1000) * 1000)),
    )
    yield Defect(
        "DTC-P2-080",
        "a negative radius is positive",
        sent("POST", nearby, member("radius", by=lambda r: abs(r) if isinstance(r, int | float) else r)),
    )
    yield Defect("DTC-P2-080", "positions are cut to the earth", sent("POST", nearby, _cut))
    yield Defect("DTC-P2-081", "it takes no time", after=answer("POST", route, member("duration", to=0)))
    yield Defect("DTC-P2-081", "all is driving", after=answer("POST", route, member("mode", to="driving")))
    yield Defect(
        "DTC-P2-081",
        "the instructions are text",
        after=answer("POST", route, member("instructions", to="go")),
    )
    yield Defect("DTC-P2-081", "longitude and latitude swapped", after=answer("POST", route, _turned))


def _as_items(body: Any) -> Any:
    return {"items": body["services"]}


def _each(name: str) -> Callable[[Any], Any]:
    def change(body: Any) -> Any:
        for one in body["results"]:
            one.pop(name, None)
        return body

    return change


def _scaled(by: Callable[[float], float]) -> Callable[[Any], Any]:
    def change(body: Any) -> Any:
        for one in body["results"]:
            one["distance"] = by(one["distance"])
        return body

    return change


def _runs_well(request: Request, reply: Reply, body: Any) -> Any:
    if reply.status == 404 and request.below.startswith("/services/") and "CITY" not in str(body):
        reply.status = 200
        return {"id": request.below.split("/")[2], "status": "operational"}
    return None


def _cut(body: Any) -> Any:
    location = body.get("location")
    if isinstance(location, dict) and isinstance(location.get("coordinates"), list):
        numbers = location["coordinates"]
        if len(numbers) == 2 and all(isinstance(one, int | float) for one in numbers):
            location["coordinates"] = [max(-180, min(180, numbers[0])), max(-90, min(90, numbers[1]))]
    return body


def _turned(body: Any) -> Any:
    body["route"]["coordinates"] = [[y, x, *more] for x, y, *more in body["route"]["coordinates"]]
    return body


LISTS = (*_lists(), *_places())
