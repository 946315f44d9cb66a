"""Defects of other makers: the bundled twin behind a relay that does one thing wrong, in its own way.

None of them is among the faults of the bundled twin; they estimate how the suites do on what nobody here
had in mind when the suites were written.
"""

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from tests.support.other_makers import deep
from tests.support.relay import Relay, Reply, Request

Before = Callable[[Relay, Request], Reply | None]
After = Callable[[Request, Reply, Any], Any]
"""Gets the body as JSON; what it returns is the new body, None leaves it."""
JSON = {"content-type": "application/json"}


class Defect(NamedTuple):
    """One defect and the requirement that must be blamed for it."""

    requirement: str
    what: str
    before: Before | None = None
    after: After | None = None


class Spoilt(Relay):
    """The relay with one defect."""

    def __init__(self, defect: Defect) -> None:
        super().__init__()
        self._defect = defect

    def before(self, request: Request) -> Reply | None:
        return self._defect.before(self, request) if self._defect.before else None

    def after(self, request: Request, reply: Reply) -> Reply:
        if self._defect.after is not None:
            found = self._defect.after(request, reply, reply.json)
            if found is not None:
                reply.json = found
        return reply


def answer(method: str, path: str, change: Callable[[Any], Any], status: int = 200) -> After:
    """Change the JSON of answers to a method below a path (a regular expression) with a status."""

    def after(request: Request, reply: Reply, body: Any) -> Any:
        if request.method == method and re.fullmatch(path, request.below) and reply.status == status:
            return change(body)
        return None

    return after


def error(code: str, change: Callable[[Request, Reply, dict[str, Any]], None]) -> After:
    """Change the envelope of refusals with a code."""

    def after(request: Request, reply: Reply, body: Any) -> Any:
        found = body.get("error") if reply.status >= 400 and isinstance(body, dict) else None
        if isinstance(found, dict) and re.fullmatch(code, str(found.get("code"))):
            change(request, reply, found)
            return body
        return None

    return after


def query(path: str, change: Callable[[dict[str, str]], object]) -> Before:
    """Change the query of GET requests."""

    def before(_relay: Relay, request: Request) -> None:
        if request.method == "GET" and re.fullmatch(path, request.below):
            given = dict(request.query)
            change(given)
            request.query = list(given.items())

    return before


def sent(method: str, path: str, change: Callable[[Any], Any]) -> Before:
    """Change the JSON of requests."""

    def before(_relay: Relay, request: Request) -> None:
        if request.method == method and re.fullmatch(path, request.below):
            body = request.json
            if isinstance(body, dict):
                found = change(body)
                if found is not None:
                    request.json = found

    return before


def member(*path: str, to: Any = ..., by: Callable[[Any], Any] | None = None) -> Callable[[Any], Any]:
    """Set a nested member, change it, or without either remove it."""

    def change(body: Any) -> Any:
        inner = body
        for step in path[:-1]:
            inner = inner.get(step) if isinstance(inner, dict) else None
        if isinstance(inner, dict) and path[-1] in inner:
            if by is not None:
                inner[path[-1]] = by(inner[path[-1]])
            elif to is ...:
                inner.pop(path[-1])
            else:
                inner[path[-1]] = to
        return body

    return change


def each(name: str, change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Change each entry of an array member."""
    return member(name, by=lambda entries: [change(entry) for entry in entries])


def later(hours: float) -> Callable[[Any], Any]:
    """An instant moved."""
    return lambda text: (datetime.fromisoformat(text) + timedelta(hours=hours)).isoformat()


def naive(text: Any) -> Any:
    """An instant without its zone."""
    return re.sub(r"(Z|[+-]\d\d:\d\d)$", "", text) if isinstance(text, str) else text


def _naive_instants(value: Any) -> Any:
    return naive(value) if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\dT", value) else value


def served_without_key(path: str) -> Before:
    """Serve a resource to anybody, with the first key that was seen."""
    seen: dict[str, str] = {}

    def before(_relay: Relay, request: Request) -> None:
        if "x-api-key" in request.headers and request.method == "GET":
            seen.setdefault("x-api-key", request.headers["x-api-key"])
        elif re.fullmatch(path, request.below) and "authorization" not in request.headers:
            request.headers.update(seen)

    return before


def _known_id(relay: Relay, request: Request) -> Reply | None:
    """A POST with a known id changes the object."""
    body = request.json
    if request.method == "POST" and request.below == "/objects" and isinstance(body, dict) and body.get("id"):
        path = f"{request.path}/{body['id']}"
        headers = {k: v for k, v in request.headers.items() if k in ("x-api-key", "content-type")}
        if relay.ask("GET", path, headers=headers).status == 200:
            changed = json.dumps({"properties": body.get("properties", {})}).encode()
            relay.ask("PATCH", path, body=changed, headers=headers)
            done = {"id": body["id"], "type": body.get("type"), "created": "2026-01-01T00:00:00Z"}
            return Reply(201, dict(JSON), json.dumps(done).encode())
    return None


def _arrays_grow(relay: Relay, request: Request) -> None:
    """A PATCH appends to arrays."""
    body = request.json
    if request.method == "PATCH" and request.below.startswith("/objects/") and isinstance(body, dict):
        key = {k: v for k, v in request.headers.items() if k == "x-api-key"}
        kept = relay.ask("GET", request.path, headers=key).json
        old = kept.get("properties", {}) if isinstance(kept, dict) else {}
        for name, value in (body.get("properties") or {}).items():
            if isinstance(value, list) and isinstance(old.get(name), list):
                body["properties"][name] = old[name] + value
        request.json = body


def _viewer_deletes(_relay: Relay, request: Request) -> None:
    keys = _viewer_deletes.__dict__.setdefault("keys", [])
    if request.method == "DELETE" and "/objects/" in request.path and keys:
        request.headers["x-api-key"] = keys[0]
    elif request.method == "POST" and request.below == "/objects" and "x-api-key" in request.headers:
        keys.append(request.headers["x-api-key"])


def _first_reading(body: Any) -> Any:
    if isinstance(body.get("measurements"), list):
        body["measurements"] = body["measurements"][:1]
    return body


def _limit(change: Callable[[str], str]) -> Callable[[dict[str, str]], None]:
    def apply(given: dict[str, str]) -> None:
        if "limit" in given:
            given["limit"] = change(given["limit"])

    return apply


def _status(status: int) -> Callable[[Request, Reply, dict[str, Any]], None]:
    def change(_request: Request, reply: Reply, _error: dict[str, Any]) -> None:
        reply.status = status

    return change


def _set(**members: Any) -> Callable[[Request, Reply, dict[str, Any]], None]:
    def change(_request: Request, _reply: Reply, found: dict[str, Any]) -> None:
        found.update(members)

    return change


def _only(method: str, path: str, code: str) -> Callable[[Request, Reply, dict[str, Any]], None]:
    def change(request: Request, _reply: Reply, found: dict[str, Any]) -> None:
        if request.method == method and re.fullmatch(path, request.below):
            found["code"] = code

    return change


def _swap_bounds(given: dict[str, str]) -> None:
    parts = given.get("bounds", "").split(",")
    if len(parts) == 4:
        given["bounds"] = ",".join([parts[1], parts[0], parts[3], parts[2]])


def _drop_with_type(given: dict[str, str]) -> None:
    if "type" in given:
        given.pop("bounds", None)


def _only_first_property(given: dict[str, str]) -> None:
    names = [name for name in given if name.startswith("properties.") and "dtc" not in name]
    for name in names[1:]:
        del given[name]


def _page_number(given: dict[str, str]) -> None:
    if given.get("offset", "").isdigit() and given.get("limit", "").isdigit():
        given["offset"] = str(int(given["offset"]) * int(given["limit"]))


def _wrap(given: dict[str, str]) -> None:
    if given.get("offset", "").isdigit() and int(given["offset"]) > 200:
        given["offset"] = "0"


def _zoned(given: dict[str, str]) -> None:
    for name in ("start", "end"):
        if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", given.get(name, "")):
            given[name] += "Z"


def _no_zone(given: dict[str, str]) -> None:
    for name in ("start", "end"):
        if name in given and re.search(r"[+-]\d\d:\d\d$", given[name]):
            given[name] = naive(given[name]) + "Z"


def _in_order(body: Any) -> Any:
    span = body.get("parameters", {}).get("timeRange") if isinstance(body.get("parameters"), dict) else None
    if isinstance(span, dict) and {"start", "end"} <= set(span):
        span["start"], span["end"] = sorted([span["start"], span["end"]], key=datetime.fromisoformat)
    return body


def _dry(body: Any) -> Any:
    for one in body.get("measurements") or []:
        if isinstance(one, dict) and one.get("parameter") == "humidity" and one.get("value") == 100.5:
            one["value"] = 100
    return body


def _yes(body: Any) -> Any:
    for one in body.get("measurements") or []:
        if isinstance(one, dict) and isinstance(one.get("value"), bool):
            one["value"] = 1
    return body


def _soon(body: Any) -> Any:
    for one in body.get("measurements") or []:
        if isinstance(one, dict) and isinstance(one.get("timestamp"), str):
            try:
                taken = datetime.fromisoformat(one["timestamp"])
            except ValueError:
                continue
            if taken.tzinfo and timedelta(0) < taken - datetime.now(taken.tzinfo) < timedelta(hours=2):
                one["timestamp"] = datetime.now(taken.tzinfo).isoformat()
    return body


def _unit(body: Any) -> Any:
    for one in body.get("measurements") or []:
        if isinstance(one, dict):
            one.setdefault("unit", "celsius")
    return body


def _hole(body: Any) -> Any:
    geometry = body.get("geometry")
    if isinstance(geometry, dict) and geometry.get("type") == "Polygon":
        rings = geometry.get("coordinates")
        if isinstance(rings, list) and len(rings) > 1:
            geometry["coordinates"] = rings[:1]
    return body


def _lod(body: Any) -> Any:
    if isinstance(body.get("geometry"), dict):
        body["geometry"].pop("lod", None)
    return body


def _flat(value: Any) -> Any:
    if isinstance(value, list) and len(value) == 3 and all(isinstance(one, int | float) for one in value):
        return value[:2]
    return [_flat(one) for one in value] if isinstance(value, list) else value


def _trim(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _no_more(reply_status: int) -> After:
    def after(request: Request, reply: Reply, body: Any) -> Any:
        if reply.status == 404 and request.method == "DELETE" and "/objects/" in request.path:
            reply.status, reply.body = reply_status, b""
        del body

    return after


def _html(request: Request, reply: Reply, body: Any) -> None:
    del body
    if reply.status == 404 and "no-such-route" in request.path:
        reply.headers["content-type"], reply.body = "text/html", b"<h1>Not Found</h1>"


def _plain(request: Request, reply: Reply, body: Any) -> None:
    del request, body
    if reply.status == 404:
        reply.headers["content-type"] = "text/plain"


def _no_allow(request: Request, reply: Reply, body: Any) -> None:
    del request, body
    reply.headers.pop("allow", None)


def _shift(path: str, change: Callable[[dict[str, Any]], None]) -> After:
    """Change the simulation's status once it is completed."""

    def alter(body: Any) -> Any:
        if isinstance(body, dict) and body.get("status") == "completed":
            change(body)
        return body

    return answer("GET", path, alter)


def _no_location(request: Request, reply: Reply, body: Any) -> Any:
    """Neither the sensor nor the list of sensors tells where it is."""
    if request.method != "GET" or reply.status != 200 or not re.match(r"/sensors(/[^/]+)?$", request.below):
        return None
    for one in body.get("sensors", [body]):
        one.pop("location", None)
    return body


RUN, RESULTS, DATA = r"/simulations/[^/]+", r"/simulations/[^/]+/results", r"/sensors/[^/]+/data"
OBJECT, HISTORY, SNAPSHOT = r"/objects/[^/]+", r"/objects/[^/]+/history", r"/snapshots/[^/]+"


def _cities() -> Iterator[Defect]:
    city = "/"
    yield Defect(
        "DTC-P2-003", "lastUpdated is null", after=answer("GET", city, member("lastUpdated", to=None))
    )
    yield Defect(
        "DTC-P2-003",
        "the bounds are not closed",
        after=answer("GET", city, member("bounds", "coordinates", by=lambda rings: [rings[0][:-1]])),
    )
    yield Defect("DTC-P2-003", "no epsg", after=answer("GET", city, member("coordinateSystem", "epsg")))
    yield Defect(
        "DTC-P2-004",
        "a fraction of an object",
        after=answer("GET", city, member("statistics", "totalObjects", to=12.5)),
    )
    yield Defect(
        "DTC-P2-007",
        "the update frequency is not taken",
        sent("PATCH", city, lambda body: (body.get("metadata") or {}).pop("updateFrequency", 0) and body),
    )
    yield Defect(
        "DTC-P2-008",
        "a patch of the description resets the frequency",
        sent(
            "PATCH",
            city,
            lambda body: (
                body["metadata"].setdefault("updateFrequency", "1day") and body
                if "metadata" in body
                else None
            ),
        ),
    )
    stats = "/statistics"
    yield Defect("DTC-P2-009", "no types of sensors", after=answer("GET", stats, member("sensors", "byType")))
    yield Defect(
        "DTC-P2-009", "the quality is one number", after=answer("GET", stats, member("dataQuality", to=0.9))
    )
    yield Defect(
        "DTC-P2-010",
        "one more is offline",
        after=answer("GET", stats, member("sensors", "offline", by=lambda n: n + 1)),
    )
    yield Defect(
        "DTC-P2-011",
        "no accuracy",
        after=answer("GET", stats, member("dataQuality", "geometryAccuracy", to=None)),
    )
    high = {"n": 0}

    def grow(body: Any) -> Any:
        total = body["cityObjects"]["total"]
        high["n"] = max(high["n"], total)
        body["cityObjects"]["total"] = high["n"] + 7
        high["n"] += 7
        return body

    yield Defect("DTC-P2-012", "the total grows with each look", after=answer("GET", stats, grow))


def _writes() -> Iterator[Defect]:
    new = "/objects"
    yield Defect(
        "DTC-P2-013",
        "created is an hour late",
        after=answer("POST", new, member("created", by=later(1)), 201),
    )
    yield Defect("DTC-P2-013", "no type in the answer", after=answer("POST", new, member("type"), 201))
    yield Defect(
        "DTC-P2-015",
        "altitudes are dropped",
        after=answer("GET", OBJECT, member("geometry", "coordinates", by=_flat)),
    )
    yield Defect(
        "DTC-P2-015",
        "texts are trimmed",
        after=answer("GET", OBJECT, member("properties", by=lambda value: deep(value, _trim))),
    )
    yield Defect(
        "DTC-P2-015",
        "numbers have six digits",
        after=answer(
            "GET",
            OBJECT,
            member(
                "properties",
                by=lambda value: deep(value, lambda v: float(f"{v:.6g}") if isinstance(v, float) else v),
            ),
        ),
    )
    yield Defect(
        "DTC-P2-016",
        "a TransportHub is taken for a Blob",
        sent(
            "POST",
            new,
            lambda body: (
                {**body, "geometry": {"type": "Blob"}} if body.get("type") == "TransportHub" else None
            ),
        ),
    )
    yield Defect("DTC-P2-017", "a known id changes the object", _known_id)
    yield Defect("DTC-P2-018", "holes are not looked at", sent("POST", new, _hole))
    yield Defect("DTC-P2-018", "the level of detail is not looked at in a patch", sent("PATCH", OBJECT, _lod))
    yield Defect(
        "DTC-P2-020",
        "properties are optional",
        sent("POST", new, lambda body: {"properties": {}, **body} if "geometry" in body else None),
    )
    yield Defect(
        "DTC-P2-021", "no instant of creation", after=answer("GET", OBJECT, member("metadata", "created"))
    )
    yield Defect("DTC-P2-022", "an unknown object is deleted", after=_no_more(204))
    yield Defect(
        "DTC-P2-022",
        "a patch calls it an unknown city",
        after=error("OBJECT_NOT_FOUND", _only("PATCH", OBJECT, "CITY_NOT_FOUND")),
    )
    yield Defect("DTC-P2-023", "arrays grow", _arrays_grow)
    yield Defect(
        "DTC-P2-023",
        "lastUpdated is the instant of creation",
        after=answer(
            "GET",
            OBJECT,
            lambda body: member("metadata", "lastUpdated", to=(body.get("metadata") or {}).get("created"))(
                body
            ),
        ),
    )
    yield Defect(
        "DTC-P2-107",
        "an object's instants lack their zone",
        after=answer("GET", OBJECT, member("metadata", by=lambda m: deep(m, _naive_instants))),
    )


def _lists() -> Iterator[Defect]:
    objects = "/objects"
    yield Defect(
        "DTC-P2-026", "an item has no id", after=answer("GET", objects, each("objects", member("id")))
    )
    yield Defect("DTC-P2-028", "longitude and latitude are swapped", query(objects, _swap_bounds))
    yield Defect("DTC-P2-032", "bounds do not count beside a type", query(objects, _drop_with_type))
    yield Defect("DTC-P2-032", "only the first property counts", query(objects, _only_first_property))
    yield Defect(
        "DTC-P2-029",
        "a fifth bound is ignored",
        query(
            objects,
            lambda q: q.update(bounds=",".join(q["bounds"].split(",")[:4])) if "bounds" in q else None,
        ),
    )
    yield Defect(
        "DTC-P2-033",
        "one more than the limit",
        query(objects, _limit(lambda n: str(int(n) + 1) if n.isdigit() and 0 < int(n) < 900 else n)),
    )
    yield Defect(
        "DTC-P2-034", "the default is 101", query(objects, lambda q: q.setdefault("limit", "101") and None)
    )
    yield Defect(
        "DTC-P2-036", "minus one is the default", query(objects, _limit(lambda n: "100" if n == "-1" else n))
    )
    yield Defect(
        "DTC-P2-036", "fractions are cut", query(objects, _limit(lambda n: n.partition(".")[0] or n))
    )
    yield Defect("DTC-P2-037", "the offset counts pages", query(objects, _page_number))
    yield Defect("DTC-P2-038", "past the end it begins again", query(objects, _wrap))
    yield Defect(
        "DTC-P2-039",
        "a negative offset is none",
        query(objects, lambda q: q.update(offset="0") if q.get("offset", "").startswith("-") else None),
    )
    yield Defect(
        "DTC-P2-108",
        "listed objects have no properties",
        after=answer("GET", objects, each("objects", member("properties"))),
    )


def _sensing() -> Iterator[Defect]:
    yield Defect(
        "DTC-P2-047",
        "offline lists all",
        query("/sensors", lambda q: q.pop("status", None) and None if q.get("status") == "offline" else None),
    )
    yield Defect("DTC-P2-049", "no units", after=answer("GET", DATA, each("measurements", member("unit"))))
    yield Defect(
        "DTC-P2-049", "timeRange has no start", after=answer("GET", DATA, member("timeRange", "start"))
    )
    yield Defect("DTC-P2-050", "the zone of a range is ignored", query(DATA, _no_zone))
    yield Defect(
        "DTC-P2-052", "count is doubled", after=answer("GET", DATA, member("count", by=lambda n: 2 * n))
    )
    yield Defect("DTC-P2-053", "a missing zone is UTC", query(DATA, _zoned))
    yield Defect(
        "DTC-P2-055",
        "values have one decimal",
        after=answer("GET", DATA, each("measurements", member("value", by=lambda v: round(v, 1)))),
    )
    yield Defect(
        "DTC-P2-055",
        "all is good",
        after=answer("GET", DATA, each("measurements", member("quality", to="good"))),
    )
    yield Defect("DTC-P2-055", "only the first reading is kept", sent("POST", DATA, _first_reading))
    yield Defect("DTC-P2-056", "a humidity of 100.5 is 100", sent("POST", DATA, _dry))
    yield Defect("DTC-P2-056", "true is 1", sent("POST", DATA, _yes))
    yield Defect("DTC-P2-057", "two hours ahead is now", sent("POST", DATA, _soon))
    yield Defect("DTC-P2-058", "no unit is celsius", sent("POST", DATA, _unit))
    yield Defect(
        "DTC-P2-061",
        "a POST calls it an unknown object",
        after=error("SENSOR_NOT_FOUND", _only("POST", DATA, "OBJECT_NOT_FOUND")),
    )
    yield Defect("DTC-P2-044", "the location is lost", after=_no_location)
    yield Defect(
        "DTC-P2-108",
        "a quality of ok",
        after=answer("GET", DATA, each("measurements", member("quality", to="ok"))),
    )


def _runs() -> Iterator[Defect]:
    start = "/simulations"
    yield Defect("DTC-P2-064", "no estimate", after=answer("POST", start, member("estimatedCompletion"), 202))
    yield Defect(
        "DTC-P2-064", "it has started", after=answer("POST", start, member("status", to="started"), 202)
    )
    yield Defect("DTC-P2-066", "ranges are put in order", sent("POST", start, _in_order))
    yield Defect("DTC-P2-067", "created moves", after=answer("GET", RUN, member("created", by=later(-1))))
    yield Defect("DTC-P2-068", "progress is text", after=answer("GET", RUN, member("progress", by=str)))
    yield Defect("DTC-P2-068", "it ends at 99", after=_shift(RUN, lambda body: body.update(progress=99)))
    yield Defect("DTC-P2-069", "it is done", after=_shift(RUN, lambda body: body.update(status="done")))
    yield Defect("DTC-P2-070", "too confident", after=answer("GET", RESULTS, member("confidence", to=1.2)))
    yield Defect("DTC-P2-070", "no results inside", after=answer("GET", RESULTS, member("results", to={})))
    yield Defect(
        "DTC-P2-070",
        "validUntil is a number",
        after=answer("GET", RESULTS, member("validUntil", to=1700000000)),
    )
    yield Defect(
        "DTC-P2-072", "unknown results are forbidden", after=error("SIMULATION_NOT_FOUND", _status(403))
    )


def _places() -> Iterator[Defect]:
    nearby, route = "/spatial/nearby", "/spatial/route"
    yield Defect(
        "DTC-P2-075",
        "a service without category",
        after=answer("GET", "/services", each("services", member("category"))),
    )
    yield Defect(
        "DTC-P2-077",
        "a status without status",
        after=answer("GET", r"/services/[^/]+/status", member("status")),
    )
    yield Defect(
        "DTC-P2-078",
        "count is one less",
        after=answer("POST", nearby, member("count", by=lambda n: max(0, n - 1))),
    )
    yield Defect(
        "DTC-P2-079",
        "kilometres",
        after=answer("POST", nearby, each("results", member("distance", by=lambda d: d / 1000))),
    )
    yield Defect(
        "DTC-P2-079",
        "twice the radius",
        sent(
            "POST",
            nearby,
            member("radius", by=lambda r: r * 2 if isinstance(r, int | float) and r > 0 else r),
        ),
        answer("POST", nearby, member("query", "radius", by=lambda r: r / 2)),
    )
    yield Defect(
        "DTC-P2-079", "the type is ignored", sent("POST", nearby, lambda body: body.pop("type", 0) and body)
    )
    yield Defect(
        "DTC-P2-080",
        "500m is 500",
        sent("POST", nearby, member("radius", by=lambda r: 500 if r == "500m" else r)),
    )
    yield Defect(
        "DTC-P2-081", "minutes", after=answer("POST", route, member("duration", by=lambda d: d / 60000))
    )
    yield Defect(
        "DTC-P2-081",
        "kilometres on the road",
        after=answer("POST", route, member("distance", by=lambda d: d / 1000)),
    )
    yield Defect(
        "DTC-P2-081",
        "the way back",
        after=answer("POST", route, member("route", "coordinates", by=lambda line: line[::-1])),
    )
    yield Defect(
        "DTC-P2-082",
        "teleport is driving",
        sent("POST", route, member("mode", by=lambda m: "driving" if m == "teleport" else m)),
    )
    yield Defect(
        "DTC-P2-083",
        "the start is ignored",
        query(
            HISTORY,
            lambda q: (
                q.update(start="2001-01-01T00:00:00Z") if q.get("start", "9") < q.get("end", "") else None
            ),
        ),
    )
    yield Defect(
        "DTC-P2-083",
        "an unknown history is empty",
        after=_empty,
    )

    def now(_relay: Relay, request: Request) -> None:
        if re.fullmatch(SNAPSHOT, request.below) and re.search(r"/20\d\d-[01]\d-[012]", request.path):
            head = request.path.rpartition("/")[0]
            request.path = f"{head}/{datetime.now().astimezone().isoformat().replace('+', '%2B')}"

    yield Defect("DTC-P2-084", "every snapshot is of now", now)


def _empty(request: Request, reply: Reply, body: Any) -> Any:
    if (
        reply.status == 404
        and request.below.endswith("/history")
        and body["error"]["code"] == "OBJECT_NOT_FOUND"
    ):
        reply.status = 200
        return {"versions": []}
    return None


def _callers() -> Iterator[Defect]:
    yield Defect("DTC-P2-087", "statistics are open", served_without_key("/statistics"))
    yield Defect("DTC-P2-088", "an unknown key is forbidden", after=error("INVALID_API_KEY", _status(403)))
    yield Defect("DTC-P2-091", "a reader may delete", _viewer_deletes)
    yield Defect("DTC-P2-091", "a missing right is unauthorized", after=error("FORBIDDEN", _status(401)))
    yield Defect(
        "DTC-P2-005",
        "an unknown city is a bad one",
        after=error("CITY_NOT_FOUND", _set(code="INVALID_CITY_DATA")),
    )
    yield Defect("DTC-P2-093", "a page for an unknown route", after=_html)
    yield Defect(
        "DTC-P2-093", "no message for unknown sensors", after=error("SENSOR_NOT_FOUND", _set(message=""))
    )
    yield Defect(
        "DTC-P2-094",
        "yesterday's instant",
        after=error(".*NOT_FOUND", lambda q, r, e: e.update(timestamp=later(-24)(e["timestamp"]))),
    )
    yield Defect(
        "DTC-P2-095", "small letters", after=error("DUPLICATE_OBJECT", _set(code="duplicate_object"))
    )
    yield Defect("DTC-P2-096", "another's number", after=error("OUT_OF_BOUNDS", _set(number=2002)))
    yield Defect(
        "DTC-P2-096", "another's number for readings", after=error("INVALID_MEASUREMENT", _set(number=3001))
    )
    yield Defect("DTC-P2-099", "no Allow", after=_no_allow)
    yield Defect(
        "DTC-P2-100",
        "a query in the message",
        after=error("OBJECT_NOT_FOUND", _set(message="SELECT * FROM objects WHERE id = 1: no rows")),
    )
    yield Defect("DTC-P2-002", "unknown things are plain text", after=_plain)
    yield Defect(
        "DTC-P2-101",
        "too many is TOO_MANY_REQUESTS",
        after=error("RATE_LIMIT_EXCEEDED", _set(code="TOO_MANY_REQUESTS")),
    )
    yield Defect("DTC-P2-098", "broken JSON is unprocessable", after=error("MALFORMED_REQUEST", _status(500)))


DEFECTS = tuple(
    defect for part in (_cities, _writes, _lists, _sensing, _runs, _places, _callers) for defect in part()
)
