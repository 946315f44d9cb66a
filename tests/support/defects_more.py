"""More defects of other makers: cities, objects, sensors, simulations, the past, callers and errors."""

import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from tests.support.defects import (
    DATA,
    HISTORY,
    JSON,
    OBJECT,
    RESULTS,
    RUN,
    SNAPSHOT,
    Defect,
    answer,
    each,
    error,
    later,
    member,
    naive,
    query,
    sent,
)
from tests.support.defects_lists import positions, refusal
from tests.support.other_makers import deep
from tests.support.relay import Relay, Reply, Request

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
UNKNOWN_CITY = "ZZ-NOWHERE-2025"


def key_of(request: Request) -> dict[str, str]:
    """The caller's credentials."""
    return {k: v for k, v in request.headers.items() if k in ("x-api-key", "authorization")}


def in_properties(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Change the properties of a request or an answer."""
    return member("properties", by=change)


def replied(reply: Reply, status: int, body: Any) -> Any:
    """The reply becomes another one."""
    reply.status = status
    reply.headers["content-type"] = "application/json"
    return body


def without_nulls(value: Any) -> Any:
    """Members that are null are left out."""
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    return [without_nulls(one) for one in value] if isinstance(value, list) else value


def without_empties(value: Any) -> Any:
    """Members that are empty arrays or objects are left out."""
    if isinstance(value, dict):
        return {k: without_empties(v) for k, v in value.items() if v not in ([], {})}
    return [without_empties(one) for one in value] if isinstance(value, list) else value


def lower_names(value: Any) -> Any:
    """Names of members in small letters."""
    if isinstance(value, dict):
        return {k.lower() if k.isascii() and k.isupper() else k: lower_names(v) for k, v in value.items()}
    return [lower_names(one) for one in value] if isinstance(value, list) else value


def expanded(value: Any) -> Any:
    """Dotted names become nested objects."""
    if not isinstance(value, dict):
        return value
    found: dict[str, Any] = {}
    for name, inner in value.items():
        first, dot, rest = name.partition(".")
        if dot and first and rest:
            found[first] = {rest: inner}
        else:
            found[name] = expanded(inner)
    return found


def in_utc(value: Any) -> Any:
    """An instant in UTC."""
    if isinstance(value, str) and INSTANT.fullmatch(value):
        return datetime.fromisoformat(value).astimezone(UTC).isoformat()
    return value


def composed(value: Any) -> Any:
    """Text in Unicode's composed form."""
    return unicodedata.normalize("NFC", value) if isinstance(value, str) else value


def every_reading(change: Callable[[dict[str, Any]], object]) -> Callable[[Any], Any]:
    """Change each reading of a submission."""

    def apply(body: Any) -> Any:
        readings = body.get("measurements")
        for one in readings if isinstance(readings, list) else []:
            if isinstance(one, dict):
                change(one)
        return body

    return apply


def _cities() -> Iterator[Defect]:
    city, stats = "/", "/statistics"
    yield Defect("DTC-P2-003", "the name is null", after=answer("GET", city, member("name", to=None)))
    yield Defect(
        "DTC-P2-003", "bounds are a box", after=answer("GET", city, member("bounds", to=[129, 35, 130, 36]))
    )
    yield Defect(
        "DTC-P2-003",
        "the system is a text",
        after=answer("GET", city, member("coordinateSystem", to="WGS84")),
    )
    yield Defect(
        "DTC-P2-004", "roads are null", after=answer("GET", city, member("statistics", "roads", to=None))
    )
    for path, empty in (("/spatial/nearby", "results"), ("/sensors", "sensors"), ("/simulations", "id")):
        yield Defect("DTC-P2-005", f"{path} knows every city", after=_every_city(path, empty))
    yield Defect("DTC-P2-007", "a cityId is left out of a patch", sent("PATCH", city, _no_city))
    yield Defect("DTC-P2-007", "null stays", sent("PATCH", city, member("metadata", by=_without)))
    yield Defect(
        "DTC-P2-009", "types are a list", after=answer("GET", stats, member("cityObjects", "byType", by=list))
    )
    yield Defect("DTC-P2-009", "no quality", after=answer("GET", stats, member("dataQuality")))
    yield Defect("DTC-P2-010", "types of sensors are doubled", after=answer("GET", stats, _doubled))
    yield Defect(
        "DTC-P2-011", "a score is text", after=answer("GET", stats, member("dataQuality", "overall", by=str))
    )
    yield Defect("DTC-P2-012", "what is deleted counts", after=_never_less())
    yield Defect("DTC-P2-012", "types are those of the start", after=answer("GET", stats, _first_types()))


def _every_city(path: str, empty: str) -> Callable[[Request, Reply, Any], Any]:
    def after(request: Request, reply: Reply, body: Any) -> Any:
        del body
        if request.city != UNKNOWN_CITY or request.below != path or reply.status != 404:
            return None
        if empty == "id":
            return replied(reply, 202, {"id": "x", "type": "TrafficFlow", "status": "running"})
        return replied(reply, 200, {empty: [], "count": 0, "total": 0, "query": {}})

    return after


def _no_city(body: Any) -> Any:
    body.pop("cityId", None)
    return body


def _without(metadata: Any) -> Any:
    return {k: v for k, v in metadata.items() if v is not None} if isinstance(metadata, dict) else metadata


def _doubled(body: Any) -> Any:
    types = body["sensors"]["byType"]
    body["sensors"]["byType"] = {name: 2 * count for name, count in types.items()}
    return body


def _never_less() -> Callable[[Request, Reply, Any], Any]:
    deleted = {"n": 0}

    def after(request: Request, reply: Reply, body: Any) -> Any:
        if request.method == "DELETE" and re.fullmatch(OBJECT, request.below) and reply.status == 204:
            deleted["n"] += 1
        if request.method == "GET" and request.below == "/statistics" and reply.status == 200:
            body["cityObjects"]["total"] += deleted["n"]
            return body
        return None

    return after


def _first_types() -> Callable[[Any], Any]:
    kept: dict[str, Any] = {}

    def change(body: Any) -> Any:
        body["cityObjects"]["byType"] = kept.setdefault("types", body["cityObjects"]["byType"])
        return body

    return change


def _objects() -> Iterator[Defect]:
    new = "/objects"
    yield Defect("DTC-P2-013", "the answer has no body", after=_no_body("POST", new, 201))
    yield Defect(
        "DTC-P2-013",
        "created is a number",
        after=answer("POST", new, member("created", to=int(datetime.now(UTC).timestamp())), 201),
    )
    yield Defect("DTC-P2-013", "the id is a number", after=answer("POST", new, member("id", to=17), 201))
    yield Defect("DTC-P2-015", "nulls are dropped", sent("POST", new, in_properties(without_nulls)))
    yield Defect("DTC-P2-015", "what is empty is dropped", sent("POST", new, in_properties(without_empties)))
    yield Defect("DTC-P2-015", "names are in small letters", sent("POST", new, in_properties(lower_names)))
    yield Defect("DTC-P2-015", "dotted names are nested", sent("POST", new, in_properties(expanded)))
    for what, change in (("instants are in UTC", in_utc), ("text is composed", composed)):
        yield Defect("DTC-P2-015", what, sent("POST", new, in_properties(partial(deep, change=change))))
    yield Defect("DTC-P2-015", "six decimals", sent("POST", new, member("geometry", by=_six_decimals)))
    yield Defect("DTC-P2-015", "one part only", sent("POST", new, member("geometry", by=_one_part)))
    yield Defect(
        "DTC-P2-015",
        "numbers in text are numbers",
        sent("POST", new, in_properties(lambda v: deep(v, _number))),
    )
    yield Defect("DTC-P2-015", "arrays are sorted", after=answer("GET", OBJECT, in_properties(_sorted)))
    yield Defect("DTC-P2-017", "the same content is no duplicate", *_idempotent())
    yield Defect(
        "DTC-P2-017", "a duplicate is unprocessable", after=error("DUPLICATE_OBJECT", _with_status(422))
    )
    yield Defect(
        "DTC-P2-018", "five is a level of detail", sent("POST", new, member("geometry", by=_lod_five))
    )
    yield Defect("DTC-P2-018", "a fourth number is cut", sent("POST", new, member("geometry", by=_three)))
    yield Defect("DTC-P2-018", "rings close in the plane", sent("POST", new, member("geometry", by=_closed)))
    yield Defect("DTC-P2-018", "true is one", sent("POST", new, member("geometry", by=_numbers)))
    yield Defect("DTC-P2-018", "a patch with a bad geometry fails", after=_patch_fails)
    yield Defect("DTC-P2-020", "a geometry of null is a point", *_null_geometry())
    yield Defect("DTC-P2-019", "lines may leave the city", after=_lines_may_leave)
    yield Defect("DTC-P2-019", "the box around the city counts double", after=_wide_city)
    yield Defect("DTC-P2-020", "properties may be anything", sent("POST", new, _any_properties))
    yield Defect("DTC-P2-020", "a type may be a number", sent("POST", new, _any_type))
    yield Defect("DTC-P2-020", "the member is not named", after=_unnamed)
    yield Defect(
        "DTC-P2-021", "the id is in capitals", after=answer("GET", OBJECT, member("id", by=str.upper))
    )
    yield Defect("DTC-P2-022", "ids are compared without case", _small_letters)
    yield Defect("DTC-P2-022", "a patch creates", _upsert)
    yield Defect(
        "DTC-P2-022", "an unknown object is gone", after=error("OBJECT_NOT_FOUND", _with_status(410))
    )
    yield Defect("DTC-P2-023", "null is kept", *_null_kept())
    yield Defect(
        "DTC-P2-023", "the type stays", sent("PATCH", OBJECT, lambda body: body.pop("type", 0) and body)
    )
    yield Defect("DTC-P2-023", "zero and false are nothing", sent("PATCH", OBJECT, in_properties(_truthy)))
    yield Defect("DTC-P2-008", "nested objects are replaced", _replaced)
    yield Defect("DTC-P2-008", "created moves with a patch", after=answer("GET", OBJECT, _moving_created))
    yield Defect("DTC-P2-024", "a patch with an id fails", _id_fails)


def _no_body(method: str, path: str, status: int) -> Callable[[Request, Reply, Any], Any]:
    def after(request: Request, reply: Reply, body: Any) -> Any:
        del body
        if request.method == method and request.below == path and reply.status == status:
            reply.body = b""
        return None

    return after


def _geometry_part(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def apply(geometry: Any) -> Any:
        if isinstance(geometry, dict) and isinstance(geometry.get("coordinates"), list):
            return {**geometry, "coordinates": change(geometry["coordinates"])}
        return geometry

    return apply


def _each_position(change: Callable[[list[Any]], list[Any]]) -> Callable[[Any], Any]:
    def walk(part: Any) -> Any:
        if isinstance(part, list) and part and not any(isinstance(one, list) for one in part):
            return change(part)
        return [walk(one) for one in part] if isinstance(part, list) else part

    return _geometry_part(walk)


_six_decimals = _each_position(lambda p: [round(x, 6) if isinstance(x, float) else x for x in p])
_three = _each_position(lambda p: p[:3])
_numbers = _each_position(lambda p: [(35.2, 129.075)[x] if isinstance(x, bool) else x for x in p])


def _one_part(geometry: Any) -> Any:
    if isinstance(geometry, dict) and geometry.get("type") == "MultiPolygon":
        return {**geometry, "coordinates": geometry["coordinates"][:1]}
    return geometry


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and re.fullmatch(r"\d{1,9}", value) else value


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _sorted(v) for k, v in value.items()}
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return sorted(value)
    return value


def _idempotent() -> tuple[Any, Any]:
    known: dict[str, tuple[str, dict[str, Any]]] = {}

    def before(_relay: Relay, request: Request) -> Reply | None:
        body = request.json
        if request.method == "POST" and request.below == "/objects" and isinstance(body, dict):
            kept = known.get(str(body.get("id")))
            if kept and kept[0] == json.dumps({k: v for k, v in body.items() if k != "id"}, sort_keys=True):
                return Reply(201, dict(JSON), json.dumps(kept[1]).encode())
        return None

    def after(request: Request, reply: Reply, body: Any) -> Any:
        sent_body = request.json
        if request.method == "POST" and request.below == "/objects" and reply.status == 201:
            plain = {k: v for k, v in sent_body.items() if k != "id"}
            known[body["id"]] = (json.dumps(plain, sort_keys=True), body)
        return None

    return before, after


def _with_status(status: int) -> Callable[[Request, Reply, dict[str, Any]], None]:
    def change(_request: Request, reply: Reply, _found: dict[str, Any]) -> None:
        reply.status = status

    return change


def _lod_five(geometry: Any) -> Any:
    if isinstance(geometry, dict) and geometry.get("lod") == 5:
        return {**geometry, "lod": 4}
    return geometry


def _closed(geometry: Any) -> Any:
    if isinstance(geometry, dict) and geometry.get("type") == "Polygon":
        for ring in geometry.get("coordinates") or []:
            if (
                isinstance(ring, list)
                and len(ring) > 3
                and isinstance(ring[0], list)
                and ring[0][:2] == ring[-1][:2]
            ):
                ring[-1] = ring[0]
    return geometry


def _patch_fails(request: Request, reply: Reply, body: Any) -> Any:
    if request.method == "PATCH" and "INVALID_GEOMETRY" in str(body):
        reply.status = 500
    return None


def _null_geometry() -> tuple[Any, Any]:
    last: dict[str, Any] = {}

    def before(_relay: Relay, request: Request) -> None:
        body = request.json
        if request.method == "POST" and request.below == "/objects" and isinstance(body, dict):
            if isinstance(body.get("geometry"), dict):
                last.setdefault("geometry", body["geometry"])
            elif "geometry" in body and body["geometry"] is None and last:
                request.json = {**body, "geometry": last["geometry"]}

    return before, None


def _made(request: Request, reply: Reply) -> Any:
    body = request.json
    done = {
        "id": body.get("id", "made-up"),
        "type": body.get("type"),
        "created": datetime.now(UTC).isoformat(),
    }
    return replied(reply, 201, done)


def _lines_may_leave(request: Request, reply: Reply, body: Any) -> Any:
    sent_body = request.json
    outside = request.method == "POST" and "OUT_OF_BOUNDS" in str(body) and request.below == "/objects"
    return _made(request, reply) if outside and sent_body["geometry"]["type"] == "LineString" else None


def _wide_city(request: Request, reply: Reply, body: Any) -> Any:
    """Whatever lies less than half a city beside the bounds is inside."""
    sent_body = request.json
    if request.method == "POST" and "OUT_OF_BOUNDS" in str(body) and request.below == "/objects":
        xs = [place[0] for place in positions(sent_body["geometry"])]
        ys = [place[1] for place in positions(sent_body["geometry"])]
        if min(xs) > 128.5 and max(xs) < 129.6 and min(ys) > 34.6 and max(ys) < 35.7:
            return _made(request, reply)
    return None


def _any_properties(body: Any) -> Any:
    if "properties" in body and not isinstance(body["properties"], dict):
        body["properties"] = {}
    return body


def _any_type(body: Any) -> Any:
    if "type" in body and not isinstance(body["type"], str):
        body["type"] = "Building"
    return body


def _unnamed(request: Request, reply: Reply, body: Any) -> Any:
    created = request.method == "POST" and request.below == "/objects"
    if created and reply.status in (400, 422) and body["error"]["code"] == "VALIDATION_ERROR":
        body["error"] |= {"message": "the request is incomplete", "details": {}}
        return body
    return None


def _small_letters(_relay: Relay, request: Request) -> None:
    if re.fullmatch(OBJECT, request.below):
        head, slash, last = request.path.rpartition("/")
        request.path = head + slash + last.lower()


def _upsert(relay: Relay, request: Request) -> None:
    if request.method == "PATCH" and re.fullmatch(OBJECT, request.below) and isinstance(request.json, dict):
        key = {**key_of(request), "content-type": "application/json"}
        if relay.ask("GET", request.path, headers=key).status == 404:
            body = {**request.json, "id": request.below.rpartition("/")[2]}
            relay.ask("POST", request.path.rpartition("/")[0], body=json.dumps(body).encode(), headers=key)


def _null_kept() -> tuple[Any, Any]:
    nulls: dict[str, set[str]] = {}

    def before(_relay: Relay, request: Request) -> None:
        body = request.json
        if request.method == "PATCH" and re.fullmatch(OBJECT, request.below) and isinstance(body, dict):
            given = body.get("properties")
            for name, value in given.items() if isinstance(given, dict) else ():
                (
                    nulls.setdefault(request.path, set()).add
                    if value is None
                    else nulls.get(request.path, set()).discard
                )(name)

    def after(request: Request, reply: Reply, body: Any) -> Any:
        if request.method == "GET" and reply.status == 200 and request.path in nulls:
            body["properties"] |= dict.fromkeys(nulls[request.path])
            return body
        return None

    return before, after


def _truthy(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: v for k, v in value.items() if v or v is None or isinstance(v, dict)}
    return value


def _replaced(relay: Relay, request: Request) -> None:
    body = request.json
    if request.method != "PATCH" or not re.fullmatch(OBJECT, request.below) or not isinstance(body, dict):
        return
    kept = relay.ask("GET", request.path, headers=key_of(request))
    old = kept.json.get("properties", {}) if kept.status == 200 else {}
    given = body.get("properties")
    if isinstance(given, dict):
        for name, value in given.items():
            if isinstance(value, dict) and isinstance(old.get(name), dict):
                given[name] = dict.fromkeys(old[name]) | value
    request.json = body


def _moving_created(body: Any) -> Any:
    metadata = body.get("metadata") or {}
    metadata["created"] = metadata.get("lastUpdated")
    return body


def _id_fails(_relay: Relay, request: Request) -> Reply | None:
    body = request.json
    if (
        request.method == "PATCH"
        and re.fullmatch(OBJECT, request.below)
        and isinstance(body, dict)
        and "id" in body
    ):
        return refusal("INTERNAL_ERROR", 500)
    return None


def _sensing() -> Iterator[Defect]:
    sensors = "/sensors"
    yield Defect("DTC-P2-044", "registering answers 200", after=_status_of("POST", sensors, 201, 200))
    yield Defect("DTC-P2-044", "the attachment is not shown", after=_not_shown("attachedTo"))
    yield Defect("DTC-P2-044", "the specifications are not shown", after=_not_shown("specifications"))
    yield Defect("DTC-P2-045", "an unknown attachment is left out", after=_no_attachment)
    yield Defect("DTC-P2-046", "latitudes are not looked at", after=_outside_is_fine)
    yield Defect(
        "DTC-P2-047",
        "a type makes the status forgotten",
        query(sensors, lambda q: q.pop("status", None) and None if "type" in q else None),
    )
    yield Defect(
        "DTC-P2-047", "the limit is ignored", query(sensors, lambda q: q.pop("limit", None) and None)
    )
    yield Defect(
        "DTC-P2-047", "the offset is ignored", query(sensors, lambda q: q.pop("offset", None) and None)
    )
    yield Defect("DTC-P2-047", "a bad limit is none", query(sensors, _bad_is_none("limit")))
    yield Defect("DTC-P2-049", "the sensor is not named", after=answer("GET", DATA, member("sensorId")))
    yield Defect(
        "DTC-P2-049", "no quality", after=answer("GET", DATA, each("measurements", member("quality")))
    )
    yield Defect("DTC-P2-050", "the end is not in the range", after=_edge("end"))
    yield Defect("DTC-P2-050", "the start is not in the range", after=_edge("start"))
    yield Defect("DTC-P2-050", "the range is echoed by the day", after=answer("GET", DATA, _by_day))
    yield Defect("DTC-P2-050", "a minute later counts too", query(DATA, _minute_later))
    yield Defect(
        "DTC-P2-052",
        "count is that of all readings",
        after=answer("GET", DATA, member("count", by=lambda n: n + 3)),
    )
    yield Defect("DTC-P2-053", "a date is its midnight", query(DATA, _midnight))
    yield Defect("DTC-P2-053", "a reversed range is empty", after=_empty_range)
    yield Defect("DTC-P2-055", "zones are dropped", sent("POST", DATA, every_reading(_zone_dropped)))
    yield Defect("DTC-P2-055", "each reading comes twice", after=answer("GET", DATA, _twice))
    yield Defect("DTC-P2-055", "whole numbers only", sent("POST", DATA, every_reading(_whole)))
    yield Defect("DTC-P2-055", "a body without readings is fine", after=_no_readings)
    yield Defect("DTC-P2-056", "only the first of a batch is looked at", sent("POST", DATA, _first_looked_at))
    yield Defect("DTC-P2-056", "fahrenheit is taken for celsius", _fahrenheit)
    yield Defect("DTC-P2-056", "the ends are out of range", _ends)
    yield Defect(
        "DTC-P2-056", "text that looks like a number is one", sent("POST", DATA, every_reading(_parsed))
    )
    yield Defect("DTC-P2-056", "any unit is fine", sent("POST", DATA, every_reading(_any_unit)))
    yield Defect(
        "DTC-P2-058", "qualities are compared without case", sent("POST", DATA, every_reading(_quality))
    )
    yield Defect(
        "DTC-P2-058",
        "no quality is good",
        sent("POST", DATA, every_reading(lambda r: r.setdefault("quality", "good"))),
    )
    yield Defect("DTC-P2-058", "no instant is now", sent("POST", DATA, every_reading(_now)))
    yield Defect("DTC-P2-061", "an unknown sensor has no data", after=_no_data)


def _status_of(method: str, path: str, status: int, other: int) -> Callable[[Request, Reply, Any], Any]:
    def after(request: Request, reply: Reply, body: Any) -> Any:
        del body
        if request.method == method and re.fullmatch(path, request.below) and reply.status == status:
            reply.status = other
        return None

    return after


def _not_shown(name: str) -> Callable[[Request, Reply, Any], Any]:
    def after(request: Request, reply: Reply, body: Any) -> Any:
        if (
            request.method == "GET"
            and reply.status == 200
            and re.fullmatch(r"/sensors(/[^/]+)?", request.below)
        ):
            for one in body.get("sensors", [body]):
                one.pop(name, None)
            return body
        return None

    return after


def _sensor_made(reply: Reply) -> Any:
    return replied(reply, 201, {"id": "made-up", "created": datetime.now(UTC).isoformat()})


def _no_attachment(request: Request, reply: Reply, body: Any) -> Any:
    if request.method == "POST" and request.below == "/sensors" and "OBJECT_NOT_FOUND" in str(body):
        return _sensor_made(reply)
    return None


def _outside_is_fine(request: Request, reply: Reply, body: Any) -> Any:
    outside = request.method == "POST" and request.below == "/sensors" and "OUT_OF_BOUNDS" in str(body)
    if outside and 128.9 < request.json["location"]["coordinates"][0] < 129.3:
        return _sensor_made(reply)
    return None


def _bad_is_none(name: str) -> Callable[[dict[str, str]], None]:
    def change(given: dict[str, str]) -> None:
        if not given.get(name, "1").isdigit():
            del given[name]

    return change


def _edge(name: str) -> Callable[[Request, Reply, Any], Any]:
    def after(request: Request, reply: Reply, body: Any) -> Any:
        given = dict(request.query).get(name)
        if request.method == "GET" and re.fullmatch(DATA, request.below) and reply.status == 200 and given:
            edge = datetime.fromisoformat(given)
            body["measurements"] = [
                one for one in body["measurements"] if datetime.fromisoformat(one["timestamp"]) != edge
            ]
            body["count"] = len(body["measurements"])
            return body
        return None

    return after


def _by_day(body: Any) -> Any:
    body["timeRange"] = {k: v[:10] + "T00:00:00Z" for k, v in body["timeRange"].items()}
    return body


def _minute_later(given: dict[str, str]) -> None:
    if INSTANT.fullmatch(given.get("end", "")) and given.get("start", "9") < given["end"]:
        given["end"] = later(1 / 60)(given["end"])


def _midnight(given: dict[str, str]) -> None:
    for name in ("start", "end"):
        if re.fullmatch(r"\d{4}-\d\d-\d\d", given.get(name, "")):
            given[name] += "T00:00:00Z" if name == "start" else "T23:59:59Z"


def _empty_range(request: Request, reply: Reply, body: Any) -> Any:
    del body
    given = dict(request.query)
    if reply.status == 400 and re.fullmatch(DATA, request.below):
        ends = [given.get(name, "") for name in ("start", "end")]
        if all(INSTANT.fullmatch(end) for end in ends):
            span = {"start": ends[0], "end": ends[1]}
            sensor = request.below.split("/")[2]
            return replied(
                reply, 200, {"sensorId": sensor, "timeRange": span, "measurements": [], "count": 0}
            )
    return None


def _zone_dropped(one: dict[str, Any]) -> None:
    taken = one.get("timestamp")
    if isinstance(taken, str) and re.search(r"\+(0[1-9]):00$", taken):
        one["timestamp"] = (datetime.fromisoformat(naive(taken) + "+00:00") - timedelta(hours=10)).isoformat()


def _twice(body: Any) -> Any:
    body["measurements"] = [one for one in body["measurements"] for _ in range(2)]
    body["count"] = len(body["measurements"])
    return body


def _whole(one: dict[str, Any]) -> None:
    if isinstance(one.get("value"), float) and 0 < abs(one["value"]) < 60:
        one["value"] = round(one["value"])


def _no_readings(request: Request, reply: Reply, body: Any) -> Any:
    del body
    if request.method == "POST" and re.fullmatch(DATA, request.below) and request.json == {}:
        return replied(reply, 201, {"accepted": 0})
    return None


def _first_looked_at(body: Any) -> Any:
    readings = body.get("measurements")
    for one in readings[1:] if isinstance(readings, list) else []:
        if isinstance(one, dict) and isinstance(one.get("value"), int | float):
            one["value"] = max(-40, min(60, one["value"]))
    return body


def _fahrenheit(_relay: Relay, request: Request) -> Reply | None:
    body = request.json
    if request.method == "POST" and re.fullmatch(DATA, request.below) and isinstance(body, dict):
        for one in body.get("measurements") or []:
            if isinstance(one, dict) and one.get("unit") == "fahrenheit" and one["value"] > 60:
                return refusal("INVALID_MEASUREMENT")
    return None


def _ends(_relay: Relay, request: Request) -> Reply | None:
    body = request.json
    ends = {"humidity": (0, 100), "air_quality": (0, 500), "noise_level": (0, 120)}
    if request.method == "POST" and re.fullmatch(DATA, request.below) and isinstance(body, dict):
        for one in body.get("measurements") or []:
            if isinstance(one, dict) and one.get("value") in ends.get(str(one.get("parameter")), ()):
                return refusal("INVALID_MEASUREMENT")
    return None


def _parsed(one: dict[str, Any]) -> None:
    if isinstance(one.get("value"), str) and one["value"].isdigit():
        one["value"] = int(one["value"])


def _any_unit(one: dict[str, Any]) -> None:
    units = {"humidity": "percent", "temperature": "celsius", "traffic_volume": "vehicles/hour"}
    if isinstance(one.get("unit"), str) and one["unit"] != "fahrenheit":
        one["unit"] = units.get(str(one.get("parameter")), one["unit"])


def _quality(one: dict[str, Any]) -> None:
    if isinstance(one.get("quality"), str):
        one["quality"] = one["quality"].lower()


def _now(one: dict[str, Any]) -> None:
    one.setdefault("timestamp", datetime.now(UTC).isoformat())


def _no_data(request: Request, reply: Reply, body: Any) -> Any:
    if request.method == "GET" and re.fullmatch(DATA, request.below) and "SENSOR_NOT_FOUND" in str(body):
        given = dict(request.query)
        span = {"start": given.get("start"), "end": given.get("end")}
        sensor = request.below.split("/")[2]
        return replied(reply, 200, {"sensorId": sensor, "timeRange": span, "measurements": [], "count": 0})
    return None


def _runs() -> Iterator[Defect]:
    start = "/simulations"
    yield Defect("DTC-P2-064", "a start answers 201", after=_status_of("POST", start, 202, 201))
    yield Defect(
        "DTC-P2-064",
        "the end lies before the start",
        after=answer("POST", start, member("estimatedCompletion", by=later(-1)), 202),
    )
    yield Defect("DTC-P2-065", "no FloodRisk", after=_no_kind("FloodRisk"))
    yield Defect("DTC-P2-066", "another code", after=error("INVALID_PARAMETERS", _run_code))
    yield Defect("DTC-P2-066", "parameters are optional", sent("POST", start, _with_parameters))
    yield Defect("DTC-P2-066", "a range of words is none", sent("POST", start, _word_range))
    yield Defect("DTC-P2-067", "no instant of completion", after=answer("GET", RUN, member("completed")))
    yield Defect("DTC-P2-067", "another type", after=answer("GET", RUN, member("type", to="traffic")))
    yield Defect(
        "DTC-P2-068",
        "progress is a share",
        after=answer("GET", RUN, member("progress", by=lambda n: n / 100)),
    )
    yield Defect("DTC-P2-069", "a finished run can be cancelled", *_cancelled_late())
    yield Defect("DTC-P2-070", "results are called data", after=answer("GET", RESULTS, _renamed))
    yield Defect("DTC-P2-070", "the run is not named", after=answer("GET", RESULTS, member("simulationId")))
    yield Defect(
        "DTC-P2-070", "nobody knows until when", after=answer("GET", RESULTS, member("validUntil", to="soon"))
    )
    yield Defect("DTC-P2-071", "a part of the results comes early", after=_early)
    yield Defect("DTC-P2-072", "unknown results are an unknown object", after=_results_code)
    yield Defect("DTC-P2-074", "a cancelled run goes on", _goes_on)


def _no_kind(kind: str) -> Callable[[Request, Reply, Any], Any]:
    def after(request: Request, reply: Reply, body: Any) -> Any:
        del body
        sent_body = request.json
        started = request.method == "POST" and request.below == "/simulations" and reply.status == 202
        if started and sent_body.get("type") == kind:
            return replied(reply, 400, json.loads(refusal("INVALID_PARAMETERS").body))
        return None

    return after


def _run_code(request: Request, _reply: Reply, found: dict[str, Any]) -> None:
    if request.below == "/simulations":
        found["code"] = "VALIDATION_ERROR"
        found.pop("number", None)


def _with_parameters(body: Any) -> Any:
    if body.get("type") == "TrafficFlow" and "parameters" not in body:
        body["parameters"] = {"timeRange": {"start": "2025-01-15T00:00:00Z", "end": "2025-01-15T01:00:00Z"}}
    return body


def _word_range(body: Any) -> Any:
    parameters = body.get("parameters")
    span = parameters.get("timeRange") if isinstance(parameters, dict) else None
    if isinstance(span, dict) and not all(INSTANT.fullmatch(str(end)) for end in span.values()):
        parameters["timeRange"] = {"start": "2025-01-15T00:00:00Z", "end": "2025-01-15T01:00:00Z"}
    return body


def _cancelled_late() -> tuple[Any, Any]:
    gone: set[str] = set()

    def before(relay: Relay, request: Request) -> Reply | None:
        if request.method == "DELETE" and re.fullmatch(RUN, request.below):
            kept = relay.ask("GET", request.path, headers=key_of(request))
            if kept.status == 200 and kept.json.get("status") == "completed":
                gone.add(request.path)
                return Reply(204)
        return None

    def after(request: Request, reply: Reply, body: Any) -> Any:
        if request.method == "GET" and request.path in gone and reply.status == 200:
            body["status"] = "cancelled"
            return body
        return None

    return before, after


def _renamed(body: Any) -> Any:
    body["data"] = body.pop("results")
    return body


def _early(request: Request, reply: Reply, body: Any) -> Any:
    if re.fullmatch(RESULTS, request.below) and reply.status == 409 and "FAILED" not in str(body):
        run = request.below.split("/")[2]
        until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        shown = {"simulationId": run, "type": "TrafficFlow", "results": {"partial": 1}}
        return replied(reply, 200, shown | {"confidence": 0.1, "validUntil": until})
    return None


def _results_code(request: Request, reply: Reply, body: Any) -> Any:
    if re.fullmatch(RESULTS, request.below) and reply.status == 404 and "SIMULATION_NOT_FOUND" in str(body):
        body["error"]["code"] = "OBJECT_NOT_FOUND"
        body["error"].pop("number", None)
        return body
    return None


def _goes_on(relay: Relay, request: Request) -> Reply | None:
    if request.method == "DELETE" and re.fullmatch(RUN, request.below):
        kept = relay.ask("GET", request.path, headers=key_of(request))
        if kept.status == 200 and kept.json.get("status") in ("running", "pending"):
            return Reply(204)
    return None


def _past() -> Iterator[Defect]:
    yield Defect("DTC-P2-083", "the last change is missing", after=answer("GET", HISTORY, _all_but_last))
    yield Defect("DTC-P2-083", "every version shows the present", *_present_versions())
    yield Defect("DTC-P2-083", "entries have no instant", after=answer("GET", HISTORY, _no_instants))
    yield Defect("DTC-P2-083", "the range is ignored", query(HISTORY, _wide))
    yield Defect("DTC-P2-083", "a reversed range is put in order", query(HISTORY, _in_order))
    yield Defect("DTC-P2-084", "what was deleted later is missing", *_only_present())
    yield Defect("DTC-P2-084", "the zone of the instant is ignored", _no_zone)
    yield Defect("DTC-P2-084", "before the city it was empty", after=_before_the_city)
    yield Defect("DTC-P2-084", "words are now", _words_are_now)


def _all_but_last(body: Any) -> Any:
    body["versions"] = body["versions"][:-1] if len(body["versions"]) > 1 else []
    return body


def _present_versions() -> tuple[Any, Any]:
    shown: dict[str, Any] = {}

    def before(relay: Relay, request: Request) -> None:
        if re.fullmatch(HISTORY, request.below):
            kept = relay.ask("GET", request.path.rpartition("/")[0], headers=key_of(request))
            shown[request.path] = kept.json if kept.status == 200 else None

    def after(request: Request, reply: Reply, body: Any) -> Any:
        now = shown.get(request.path)
        if reply.status != 200 or not now:
            return None
        for version in body["versions"]:
            for name, value in list(version.items()):
                if isinstance(value, dict) and "properties" in value:
                    version[name] = {**value, "properties": now["properties"]}
            if "properties" in version:
                version["properties"] = now["properties"]
        return body

    return before, after


def _no_instants(body: Any) -> Any:
    body["versions"] = [
        {k: v for k, v in one.items() if not (isinstance(v, str) and INSTANT.fullmatch(v))}
        for one in body["versions"]
    ]
    for one in body["versions"]:
        for part in one.values():
            if isinstance(part, dict):
                part.pop("metadata", None)
        one.pop("metadata", None)
    return body


def _wide(given: dict[str, str]) -> None:
    if given.get("start", "9") < given.get("end", ""):
        given |= {"start": "2001-01-01T00:00:00Z", "end": datetime.now(UTC).isoformat()}


def _in_order(given: dict[str, str]) -> None:
    if {"start", "end"} <= set(given):
        given["start"], given["end"] = sorted([given["start"], given["end"]])


def _only_present() -> tuple[Any, Any]:
    known: dict[str, bool] = {}

    def before(relay: Relay, request: Request) -> None:
        if re.fullmatch(SNAPSHOT, request.below):
            path = request.path.partition("/snapshots")[0] + "/objects?limit=1000"
            listed = relay.ask("GET", path, headers=key_of(request))
            if listed.status == 200:
                known.clear()
                known.update((one["id"], True) for one in listed.json["objects"])

    def after(request: Request, reply: Reply, body: Any) -> Any:
        if re.fullmatch(SNAPSHOT, request.below) and reply.status == 200 and "cityObjects" in body:
            body["cityObjects"] = [one for one in body["cityObjects"] if one["id"] in known]
            return body
        return None

    return before, after


def _no_zone(_relay: Relay, request: Request) -> None:
    if re.fullmatch(SNAPSHOT, request.below):
        request.path = re.sub(r"(%2B|\+)09(%3A|:)00$", "Z", request.path)


def _before_the_city(request: Request, reply: Reply, body: Any) -> Any:
    del body
    if reply.status == 404 and request.below.startswith("/snapshots/1900"):
        return replied(reply, 200, {"cityObjects": []})
    return None


def _words_are_now(_relay: Relay, request: Request) -> None:
    if re.fullmatch(SNAPSHOT, request.below) and not re.search(r"/\d{4}-", request.below):
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        request.path = f"{request.path.rpartition('/')[0]}/{now}"


def _callers() -> Iterator[Defect]:
    yield Defect("DTC-P2-087", "nearby is open", _open("POST", "/spatial/nearby"))
    yield Defect("DTC-P2-087", "the history is open", _open("GET", HISTORY))
    yield Defect(
        "DTC-P2-088",
        "an unknown key is called forbidden",
        after=error("INVALID_API_KEY", _set_code("FORBIDDEN")),
    )
    yield Defect("DTC-P2-089", "a bad token is an unknown key", after=error("UNAUTHORIZED", _token_code))
    yield Defect("DTC-P2-089", "the scheme does not matter", _any_scheme)
    yield Defect("DTC-P2-091", "a reader may start simulations", _borrowed("POST", "/simulations"))
    yield Defect("DTC-P2-091", "a reader may change the city", _borrowed("PATCH", "/"))
    yield Defect("DTC-P2-093", "refusals are lists of errors", after=_error_lists)
    yield Defect("DTC-P2-093", "a wrong method has no body", after=_bodiless(405))
    yield Defect("DTC-P2-094", "an error's instant has no zone", after=error(".*", _naive_stamp))
    yield Defect("DTC-P2-094", "an error's instant is a number", after=error(".*", _number_stamp))
    yield Defect("DTC-P2-095", "codes have spaces", after=error(".*NOT_FOUND", _spaced))
    yield Defect("DTC-P2-095", "codes have hyphens", after=error("INVALID_.*", _hyphened))
    yield Defect(
        "DTC-P2-096", "a city has an object's number", after=error("CITY_NOT_FOUND", _numbered(2001))
    )
    yield Defect("DTC-P2-098", "NaN is a number", _nan)
    yield Defect("DTC-P2-098", "a comma may trail", _trailing)
    yield Defect("DTC-P2-098", "an unreadable patch of the city fails", after=_city_patch_fails)
    yield Defect("DTC-P2-098", "XML is not found", after=error("UNSUPPORTED_MEDIA_TYPE", _with_status(404)))
    yield Defect(
        "DTC-P2-099", "an unknown route is a bad request", after=error("ROUTE_NOT_FOUND", _with_status(400))
    )
    yield Defect(
        "DTC-P2-099", "a wrong method is a bad request", after=error("METHOD_NOT_ALLOWED", _with_status(400))
    )
    yield Defect(
        "DTC-P2-100",
        "a file in the message",
        after=error("INVALID_GEOMETRY", _told("bad ring in /srv/twin/geometry.py:88")),
    )
    yield Defect(
        "DTC-P2-100",
        "an exception in the message",
        after=error("MALFORMED_REQUEST", _told("json.decoder.JSONDecodeError: Expecting value")),
    )
    yield Defect(
        "DTC-P2-101", "too many is unavailable", after=error("RATE_LIMIT_EXCEEDED", _with_status(503))
    )
    yield Defect("DTC-P2-103", "one client's limit is everybody's", *_shared_limit())
    yield Defect("DTC-P2-106", "no history", after=_not_there(HISTORY))
    yield Defect("DTC-P2-106", "no patch of the city", after=_not_there("/", "PATCH"))
    yield Defect(
        "DTC-P2-107",
        "readings have no zone",
        after=answer("GET", DATA, each("measurements", member("timestamp", by=naive))),
    )
    yield Defect("DTC-P2-107", "a run has no zone", after=answer("GET", RUN, member("created", by=naive)))
    yield Defect(
        "DTC-P2-107",
        "the answer to a create has no zone",
        after=answer("POST", "/objects", member("created", by=naive), 201),
    )
    yield Defect(
        "DTC-P2-108",
        "listed positions are swapped",
        after=answer("GET", "/objects", each("objects", _swapped)),
    )
    yield Defect(
        "DTC-P2-108", "a sensor is at lat and lon", after=answer("GET", "/sensors", each("sensors", _lat_lon))
    )
    yield Defect(
        "DTC-P2-108",
        "values are text",
        after=answer("GET", DATA, each("measurements", member("value", by=str))),
    )
    yield Defect(
        "DTC-P2-002", "created objects are labelled as text", after=_labelled("POST", "/objects", "text/html")
    )
    yield Defect(
        "DTC-P2-002",
        "statistics are an octet stream",
        after=_labelled("GET", "/statistics", "application/octet-stream"),
    )


def _open(method: str, path: str) -> Callable[[Relay, Request], None]:
    seen: dict[str, str] = {}

    def before(_relay: Relay, request: Request) -> None:
        if request.method == method and re.fullmatch(path, request.below):
            if not key_of(request):
                request.headers.update(seen)
        elif "x-api-key" in request.headers and request.method == "GET":
            seen.setdefault("x-api-key", request.headers["x-api-key"])

    return before


def _set_code(code: str) -> Callable[[Request, Reply, dict[str, Any]], None]:
    def change(_request: Request, _reply: Reply, found: dict[str, Any]) -> None:
        found["code"] = code
        found.pop("number", None)

    return change


def _token_code(request: Request, _reply: Reply, found: dict[str, Any]) -> None:
    if request.headers.get("authorization", "").startswith("Bearer"):
        found["code"] = "INVALID_API_KEY"
        found.pop("number", None)


def _any_scheme(_relay: Relay, request: Request) -> None:
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    if scheme == "Basic":
        request.headers["authorization"] = f"Bearer {rest}"


def _borrowed(method: str, path: str) -> Callable[[Relay, Request], None]:
    """Whoever is known may do it: with the key of the first who created an object."""
    first: list[str] = []

    def before(_relay: Relay, request: Request) -> None:
        key = request.headers.get("x-api-key", "")
        if request.method == method and request.below == path and first and len(key) > 20:
            request.headers["x-api-key"] = first[0]
        elif request.method == "POST" and request.below == "/objects" and key and not first:
            first.append(key)

    return before


def _error_lists(request: Request, reply: Reply, body: Any) -> Any:
    del request
    if reply.status in (400, 422) and isinstance(body, dict) and isinstance(body.get("error"), dict):
        return {"errors": [body["error"]]}
    return None


def _bodiless(status: int) -> Callable[[Request, Reply, Any], Any]:
    def after(_request: Request, reply: Reply, _body: Any) -> Any:
        if reply.status == status:
            reply.body = b""

    return after


def _naive_stamp(_request: Request, _reply: Reply, found: dict[str, Any]) -> None:
    found["timestamp"] = naive(found.get("timestamp"))


def _number_stamp(_request: Request, _reply: Reply, found: dict[str, Any]) -> None:
    found["timestamp"] = datetime.now(UTC).timestamp()


def _spaced(_request: Request, _reply: Reply, found: dict[str, Any]) -> None:
    found["code"] = found["code"].replace("_", " ").capitalize()


def _hyphened(_request: Request, _reply: Reply, found: dict[str, Any]) -> None:
    found["code"] = found["code"].replace("_", "-")


def _numbered(number: int) -> Callable[[Request, Reply, dict[str, Any]], None]:
    def change(_request: Request, _reply: Reply, found: dict[str, Any]) -> None:
        found["number"] = number

    return change


def _nan(_relay: Relay, request: Request) -> None:
    if request.method in ("POST", "PATCH"):
        request.body = re.sub(rb":\s*(NaN|-?Infinity)\b", b": 0", request.body)


def _trailing(_relay: Relay, request: Request) -> None:
    if request.method in ("POST", "PATCH"):
        request.body = re.sub(rb",\s*([}\]])", rb"\1", request.body)


def _city_patch_fails(request: Request, reply: Reply, body: Any) -> Any:
    del body
    if request.method == "PATCH" and request.below == "/" and request.json is None and reply.status == 400:
        reply.status = 500
    return None


def _told(message: str) -> Callable[[Request, Reply, dict[str, Any]], None]:
    def change(_request: Request, _reply: Reply, found: dict[str, Any]) -> None:
        found["message"] = message

    return change


def _shared_limit() -> tuple[Any, Any]:
    state = {"limited": 0}

    def before(_relay: Relay, request: Request) -> Reply | None:
        if state["limited"] > 0 and key_of(request):
            state["limited"] -= 1
            return refusal("RATE_LIMIT_EXCEEDED", 429)
        return None

    def after(_request: Request, reply: Reply, body: Any) -> Any:
        if reply.status == 429 and body["error"]["message"] != "this is not taken":
            state["limited"] = 1
        return None

    return before, after


def _not_there(path: str, method: str = "GET") -> Callable[[Request, Reply, Any], Any]:
    def after(request: Request, reply: Reply, body: Any) -> Any:
        if request.method == method and re.fullmatch(path, request.below) and key_of(request):
            unknown = json.loads(refusal("ROUTE_NOT_FOUND", 404).body)
            unknown["error"]["message"] = "no such route"
            return replied(reply, 404, unknown)
        if reply.status == 404 and "ROUTE_NOT_FOUND" in str(body):
            body["error"]["message"] = "no such route"
            return body
        return None

    return after


def _swapped(one: Any) -> Any:
    geometry = one["geometry"]
    if geometry["type"] == "Point":
        x, y, *more = geometry["coordinates"]
        geometry["coordinates"] = [y, x, *more]
    return one


def _lat_lon(one: Any) -> Any:
    if isinstance(one.get("location"), dict):
        x, y, *_ = one["location"]["coordinates"]
        one["location"] = {"lat": y, "lon": x}
    return one


def _labelled(method: str, path: str, media: str) -> Callable[[Request, Reply, Any], Any]:
    def after(request: Request, reply: Reply, body: Any) -> Any:
        del body
        if request.method == method and request.below == path and reply.status < 300:
            reply.headers["content-type"] = media
        return None

    return after


MORE = tuple(defect for part in (_cities, _objects, _sensing, _runs, _past, _callers) for defect in part())
