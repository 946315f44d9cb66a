"""Defects of other makers: cities and objects."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

from tests.support.defects import (
    JSON,
    OBJECT,
    Defect,
    answer,
    error,
    member,
    sent,
)
from tests.support.defects_lists import positions, refusal
from tests.support.defects_tools import (
    UNKNOWN_CITY,
    composed,
    expanded,
    in_properties,
    in_utc,
    key_of,
    lower_names,
    replied,
    with_status,
    without_empties,
    without_nulls,
)
from tests.support.other_makers import deep
from tests.support.relay import Relay, Reply, Request


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
        "DTC-P2-017", "a duplicate is unprocessable", after=error("DUPLICATE_OBJECT", with_status(422))
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
    yield Defect("DTC-P2-022", "an unknown object is gone", after=error("OBJECT_NOT_FOUND", with_status(410)))
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


OBJECTS = (*_cities(), *_objects())
