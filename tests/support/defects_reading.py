"""Defects read off the catalogue alone, before other lists and the suites were looked at: cities, objects."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from tests.support.defects import (
    OBJECT,
    Defect,
    answer,
    error,
    member,
    sent,
)
from tests.support.defects_lists import (
    box_of,
    nested,
    positions,
    refusal,
    text_of,
)
from tests.support.defects_reading_tools import (
    CITY,
    OBJECTS,
    STATISTICS,
    Fields,
    coded,
    unless_refused,
)
from tests.support.defects_tools import UNKNOWN_CITY, in_properties, key_of, replied, status_of
from tests.support.other_makers import deep
from tests.support.relay import Relay, Reply, Request


def _elsewhere(path: str, method: str, status: int, body: Any) -> Any:
    """A request below a city that is not there is answered so."""

    def after(request: Request, reply: Reply, found: Any) -> Any:
        del found
        if request.city == UNKNOWN_CITY and reply.status == 404 and request.method == method:
            return replied(reply, status, body) if re.fullmatch(path, request.below) else None
        return None

    return after


def _blamed(code: str, status: int) -> Any:
    return json.loads(refusal(code, status).body)


def _cities() -> Iterator[Defect]:
    yield Defect(
        "DTC-P2-003", "the id is in small letters", after=answer("GET", CITY, member("cityId", by=str.lower))
    )
    yield Defect(
        "DTC-P2-005",
        "the object is missed before the city",
        after=_elsewhere(OBJECT, "GET", 404, _blamed("OBJECT_NOT_FOUND", 404)),
    )
    yield Defect(
        "DTC-P2-005",
        "/services knows every city",
        after=_elsewhere("/services", "GET", 200, {"services": []}),
    )
    yield Defect(
        "DTC-P2-005",
        "an unknown city has no past",
        after=_elsewhere("/snapshots/.*", "GET", 400, _blamed("INVALID_PARAMETERS", 400)),
    )
    yield Defect(
        "DTC-P2-005",
        "nobody may write to an unknown city",
        after=_elsewhere(OBJECTS, "POST", 403, _blamed("FORBIDDEN", 403)),
    )
    yield Defect(
        "DTC-P2-005",
        "a route in an unknown city is a bad one",
        after=_elsewhere("/spatial/route", "POST", 400, _blamed("INVALID_PARAMETERS", 400)),
    )
    yield Defect(
        "DTC-P2-007",
        "the description is not taken",
        sent("PATCH", CITY, lambda body: (body.get("metadata") or {}).pop("description", 0) and body),
    )
    yield Defect(
        "DTC-P2-009", "no total of objects", after=answer("GET", STATISTICS, member("cityObjects", "total"))
    )
    yield Defect("DTC-P2-010", "those offline operate as well", after=answer("GET", STATISTICS, _all_operate))
    yield Defect("DTC-P2-010", "a type has more than all", after=answer("GET", STATISTICS, _more_buildings))
    yield Defect(
        "DTC-P2-011",
        "a little more than whole",
        after=answer("GET", STATISTICS, member("dataQuality", "overall", to=1.04)),
    )
    yield Defect(
        "DTC-P2-011",
        "reliability may be negative",
        after=answer("GET", STATISTICS, member("dataQuality", "sensorReliability", to=-0.01)),
    )
    yield Defect("DTC-P2-012", "types never get fewer", after=answer("GET", STATISTICS, _growing_types()))
    yield Defect(
        "DTC-P2-012", "the total is that of the start", after=answer("GET", STATISTICS, _first_total())
    )


def _all_operate(body: Any) -> Any:
    body["sensors"]["operational"] = body["sensors"]["total"]
    body["sensors"]["offline"] = max(1, body["sensors"]["offline"])
    return body


def _more_buildings(body: Any) -> Any:
    body["cityObjects"]["byType"]["Building"] = body["cityObjects"]["total"] + 1
    return body


def _growing_types() -> Callable[[Any], Any]:
    most: dict[str, int] = {}

    def change(body: Any) -> Any:
        kinds = body["cityObjects"]["byType"]
        for name, count in kinds.items():
            most[name] = max(most.get(name, 0), count)
        body["cityObjects"]["byType"] = {**kinds, **most}
        body["cityObjects"]["total"] = max(body["cityObjects"]["total"], sum(most.values()))
        return body

    return change


def _first_total() -> Callable[[Any], Any]:
    kept: list[int] = []

    def change(body: Any) -> Any:
        kept.append(body["cityObjects"]["total"])
        body["cityObjects"]["total"] = kept[0]
        return body

    return change


def _creating() -> Iterator[Defect]:
    created = ("POST", OBJECTS)
    yield Defect("DTC-P2-013", "a create answers 200", after=status_of("POST", OBJECTS, 201, 200))
    yield Defect(
        "DTC-P2-013", "the type in small letters", after=answer(*created, member("type", by=str.lower), 201)
    )
    yield Defect("DTC-P2-014", "the id is made from the content", *_hashed())
    yield Defect("DTC-P2-014", "an id must be given", _id_wanted)
    yield Defect("DTC-P2-015", "flags are numbers", sent(*created, in_properties(lambda v: deep(v, _flag))))
    yield Defect("DTC-P2-015", "holes are filled", sent(*created, member("geometry", by=_filled)))
    yield Defect(
        "DTC-P2-015", "texts are escaped for HTML", sent(*created, in_properties(lambda v: deep(v, _escaped)))
    )
    yield Defect("DTC-P2-015", "texts end at 255", sent(*created, in_properties(lambda v: deep(v, _short))))
    yield Defect("DTC-P2-015", "numbers are texts", sent(*created, in_properties(_all_text)))
    yield Defect(
        "DTC-P2-015", "four levels are the deepest", sent(*created, in_properties(lambda v: _shallow(v, 3)))
    )
    yield Defect("DTC-P2-015", "the level of detail is lost", sent(*created, member("geometry", "lod")))
    yield Defect("DTC-P2-016", "no MultiPolygon", _refusing_kind("MultiPolygon"))
    yield Defect("DTC-P2-016", "a Utility is no type", _refusing_type("Utility"))
    yield Defect("DTC-P2-016", "a Landmark becomes a Building", sent(*created, _no_landmark))
    yield Defect("DTC-P2-017", "a duplicate is refused and stored", _stored_duplicate)
    yield Defect(
        "DTC-P2-017", "a duplicate is a conflict", after=error("DUPLICATE_OBJECT", coded("CONFLICT"))
    )
    for what, kind in (
        (
            "a line of one position",
            lambda g: g.get("type") == "LineString" and len(g.get("coordinates") or []) == 1,
        ),
        ("no coordinates at all", lambda g: g.get("coordinates") == []),
        ("latitudes beyond the pole", _beyond_pole),
        ("levels below zero", lambda g: g.get("lod") == -1),
        ("levels in words", lambda g: isinstance(g.get("lod"), str)),
        ("later parts are not looked at", lambda g: g.get("type") == "MultiPolygon"),
    ):
        yield Defect(
            "DTC-P2-018",
            what,
            after=unless_refused("POST", OBJECTS, "INVALID_GEOMETRY", _geometry_is(kind)),
        )
    yield Defect("DTC-P2-018", "a refused patch is half done", _half_patch)
    yield Defect("DTC-P2-018", "a refused object is kept", _kept_refused)
    yield Defect(
        "DTC-P2-018",
        "a bad geometry is bad data",
        after=error("INVALID_GEOMETRY", coded("INVALID_CITY_DATA")),
    )
    yield Defect("DTC-P2-019", "a patch may leave the city", after=_patched_away)
    for what, axis, least in (("west", 0, True), ("east", 0, False), ("south", 1, True), ("north", 1, False)):
        yield Defect(
            "DTC-P2-019",
            f"the {what} is open",
            after=unless_refused("POST", OBJECTS, "OUT_OF_BOUNDS", _only_beyond(axis, least=least)),
        )
    yield Defect("DTC-P2-019", "beyond is invalid", after=error("OUT_OF_BOUNDS", coded("INVALID_GEOMETRY")))
    yield Defect("DTC-P2-020", "without a type it is a Building", sent(*created, _with_type))
    yield Defect("DTC-P2-020", "without a geometry it breaks", _breaks_without("geometry"))


def _hashed() -> tuple[Any, Any]:
    last: dict[str, Any] = {}

    def before(_relay: Relay, request: Request) -> None:
        body = request.json
        last.pop("id", None)
        if (
            request.method == "POST"
            and request.below == OBJECTS
            and isinstance(body, dict)
            and "id" not in body
        ):
            last["id"] = str(uuid5(NAMESPACE_URL, json.dumps(body, sort_keys=True)))
            request.json = {**body, "id": last["id"]}

    def after(request: Request, reply: Reply, body: Any) -> Any:
        if request.method == "POST" and "DUPLICATE_OBJECT" in str(body) and last.get("id"):
            now = datetime.now(UTC).isoformat()
            return replied(reply, 201, {"id": last["id"], "type": request.json["type"], "created": now})
        return None

    return before, after


def _id_wanted(_relay: Relay, request: Request) -> Reply | None:
    body = request.json
    new = request.method == "POST" and request.below == OBJECTS
    if (
        new
        and isinstance(body, dict)
        and "id" not in body
        and {"type", "geometry", "properties"} <= set(body)
    ):
        return refusal("VALIDATION_ERROR", 400)
    return None


def _flag(value: Any) -> Any:
    return int(value) if isinstance(value, bool) else value


def _filled(geometry: Any) -> Any:
    if isinstance(geometry, dict) and geometry.get("type") == "Polygon" and geometry.get("coordinates"):
        return {**geometry, "coordinates": geometry["coordinates"][:1]}
    return geometry


def _escaped(value: Any) -> Any:
    return value.replace("&", "&amp;").replace("<", "&lt;") if isinstance(value, str) else value


def _short(value: Any) -> Any:
    return value[:255] if isinstance(value, str) else value


def _all_text(value: Any) -> Any:
    return deep(value, lambda v: str(v) if isinstance(v, int | float) and not isinstance(v, bool) else v)


def _shallow(value: Any, depth: int) -> Any:
    if isinstance(value, dict):
        return {k: _shallow(v, depth - 1) for k, v in value.items()} if depth > 0 else {}
    if isinstance(value, list):
        return [_shallow(one, depth - 1) for one in value] if depth > 0 else []
    return value


def _refusing(given: Callable[[Fields], bool], code: str) -> Any:
    def before(_relay: Relay, request: Request) -> Reply | None:
        body = request.json
        new = request.method == "POST" and request.below == OBJECTS
        return refusal(code, 400) if new and isinstance(body, dict) and given(body) else None

    return before


def _refusing_kind(kind: str) -> Any:
    return _refusing(
        lambda b: isinstance(b.get("geometry"), dict) and b["geometry"].get("type") == kind,
        "INVALID_GEOMETRY",
    )


def _refusing_type(kind: str) -> Any:
    return _refusing(lambda body: body.get("type") == kind, "VALIDATION_ERROR")


def _no_landmark(body: Any) -> Any:
    return {**body, "type": "Building"} if body.get("type") == "Landmark" else None


def _stored_duplicate(relay: Relay, request: Request) -> None:
    body = request.json
    new = request.method == "POST" and request.below == OBJECTS
    if (
        new
        and isinstance(body, dict)
        and isinstance(body.get("id"), str)
        and isinstance(body.get("properties"), dict)
    ):
        path, key = f"{request.path}/{body['id']}", {**key_of(request), "content-type": "application/json"}
        if relay.ask("GET", path, headers=key).status == 200:
            changed = json.dumps({"properties": body["properties"]}).encode()
            relay.ask("PATCH", path, body=changed, headers=key)


def _geometry_is(kind: Callable[[Fields], Any]) -> Callable[[Fields], bool]:
    return lambda body: isinstance(body.get("geometry"), dict) and bool(kind(body["geometry"]))


def _beyond_pole(geometry: Fields) -> bool:
    places = [one for one in positions(geometry) if len(one) > 1 and isinstance(one[1], int | float)]
    return (
        bool(places) and all(abs(one[0]) <= 180 for one in places) and any(abs(one[1]) > 90 for one in places)
    )


def _half_patch(relay: Relay, request: Request) -> None:
    """What stands beside a refused geometry is taken."""
    body = request.json
    if request.method == "PATCH" and re.fullmatch(OBJECT, request.below) and isinstance(body, dict):
        key = {**key_of(request), "content-type": "application/json"}
        rest = {name: value for name, value in body.items() if name != "geometry"}
        if "geometry" in body and rest and relay.ask("GET", request.path, headers=key).status == 200:
            relay.ask("PATCH", request.path, body=json.dumps(rest).encode(), headers=key)


def _kept_refused(relay: Relay, request: Request) -> Reply | None:
    """A refused object is stored, with a geometry of the last good one."""
    body = request.json
    if request.method != "POST" or request.below != OBJECTS or not isinstance(body, dict):
        return None
    key = {**key_of(request), "content-type": "application/json"}
    done = relay.ask("POST", request.path, body=request.body, headers=key)
    kept = relay.__dict__.setdefault("kept", {})
    if done.status == 201:
        kept["geometry"] = body["geometry"]
    elif "INVALID_GEOMETRY" in str(done.json) and kept:
        relay.ask("POST", request.path, body=json.dumps({**body, **kept}).encode(), headers=key)
    return done


def _patched_away(request: Request, reply: Reply, body: Any) -> Any:
    if request.method == "PATCH" and "OUT_OF_BOUNDS" in str(body):
        return replied(reply, 200, request.json)
    return None


def _only_beyond(axis: int, *, least: bool) -> Callable[[Fields], bool]:
    """Whether a geometry leaves the bundled city on this side."""
    west, south, east, north = 128.925, 35.05, 129.225, 35.31
    edge = ((west, south) if least else (east, north))[axis]

    def beyond(body: Fields) -> bool:
        places = [place[axis] for place in positions(body.get("geometry"))]
        return bool(places) and (min(places) < edge if least else max(places) > edge)

    return beyond


def _with_type(body: Any) -> Any:
    return {"type": "Building", **body}


def _breaks_without(name: str) -> Any:
    def before(_relay: Relay, request: Request) -> Reply | None:
        body = request.json
        if (
            request.method == "POST"
            and request.below == OBJECTS
            and isinstance(body, dict)
            and name not in body
        ):
            return refusal("INTERNAL_ERROR", 500)
        return None

    return before


def _changing() -> Iterator[Defect]:
    one = OBJECT
    yield Defect("DTC-P2-008", "an empty object empties", _emptied)
    yield Defect(
        "DTC-P2-021", "properties are lost where they are empty", after=answer("GET", one, _no_empty)
    )
    yield Defect("DTC-P2-022", "a second DELETE is fine", *_twice())
    yield Defect("DTC-P2-022", "what was deleted is gone for good", after=_gone_for_good())
    yield Defect(
        "DTC-P2-023", "a geometry cannot be patched", sent("PATCH", one, lambda b: b.pop("geometry", 0) and b)
    )
    yield Defect("DTC-P2-023", "only the first member is patched", sent("PATCH", one, _first_member))
    yield Defect("DTC-P2-023", "lastUpdated is that of the day", after=answer("GET", one, _midnight))
    yield Defect("DTC-P2-024", "the body shows the patched id", *_shown_id())
    yield Defect("DTC-P2-025", "the deleted are listed by type", *_listed_still(lambda q: "type" in q))
    yield Defect("DTC-P2-025", "the deleted are listed in bounds", *_listed_still(lambda q: "bounds" in q))
    yield Defect(
        "DTC-P2-025", "the deleted are listed", *_listed_still(lambda q: not {"type", "bounds"} & set(q))
    )


def _emptied(relay: Relay, request: Request) -> None:
    """`{}` in a patch replaces the member instead of leaving it as it is."""
    body = request.json
    if request.method == "PATCH" and re.fullmatch(OBJECT, request.below) and isinstance(body, dict):
        kept = relay.ask("GET", request.path, headers=key_of(request))
        given = body.get("properties")
        if kept.status == 200 and isinstance(given, dict):
            old = kept.json.get("properties", {})
            for name, value in given.items():
                if value == {} and isinstance(old.get(name), dict):
                    given[name] = dict.fromkeys(old[name])
            request.json = body


def _no_empty(body: Any) -> Any:
    if body.get("properties") == {}:
        del body["properties"]
    return body


def _twice() -> tuple[Any, Any]:
    done: set[str] = set()

    def before(_relay: Relay, request: Request) -> Reply | None:
        if request.method == "DELETE" and request.path in done and key_of(request):
            return Reply(204)
        return None

    def after(request: Request, reply: Reply, _body: Any) -> None:
        if request.method == "DELETE" and re.fullmatch(OBJECT, request.below) and reply.status == 204:
            done.add(request.path)

    return before, after


def _gone_for_good() -> Any:
    done: set[str] = set()

    def after(request: Request, reply: Reply, _body: Any) -> None:
        if request.method == "DELETE" and re.fullmatch(OBJECT, request.below) and reply.status == 204:
            done.add(request.path)
        elif request.path in done and reply.status == 404:
            reply.status = 410

    return after


def _first_member(body: Any) -> Any:
    given = body.get("properties")
    if isinstance(given, dict) and len(given) > 1:
        body["properties"] = dict([next(iter(given.items()))])
    return body


def _midnight(body: Any) -> Any:
    metadata = body.get("metadata") or {}
    if isinstance(metadata.get("lastUpdated"), str):
        metadata["lastUpdated"] = metadata["lastUpdated"][:10] + "T00:00:00Z"
    return body


def _shown_id() -> tuple[Any, Any]:
    ids: dict[str, Any] = {}

    def before(_relay: Relay, request: Request) -> None:
        body = request.json
        if request.method == "PATCH" and re.fullmatch(OBJECT, request.below) and isinstance(body, dict):
            if "id" in body:
                ids[request.path] = body.pop("id")
            request.json = body

    def after(request: Request, reply: Reply, body: Any) -> Any:
        if request.method == "GET" and request.path in ids and reply.status == 200:
            return {**body, "id": ids[request.path]}
        return None

    return before, after


def _listed_still(when: Callable[[dict[str, str]], bool]) -> tuple[Any, Any]:
    gone: list[Any] = []

    def before(relay: Relay, request: Request) -> None:
        if request.method == "DELETE" and re.fullmatch(OBJECT, request.below):
            kept = relay.ask("GET", request.path, headers=key_of(request))
            if kept.status == 200:
                gone.append(kept.json)

    def after(request: Request, reply: Reply, body: Any) -> Any:
        given = dict(request.query)
        if request.method != "GET" or request.below != OBJECTS or reply.status != 200 or not when(given):
            return None
        box = box_of(given)
        for one in gone:
            inside = box is None or any(
                box[0] <= x <= box[2] and box[1] <= y <= box[3] for x, y, *_ in positions(one["geometry"])
            )
            named = all(
                text_of(nested(one, k[11:])) == v for k, v in given.items() if k.startswith("properties.")
            )
            if inside and named and given.get("type", one["type"]) == one["type"]:
                body["objects"].append(one)
                body["count"] += 1
                body["total"] += 1
        return body

    return before, after


READING = (*_cities(), *_creating(), *_changing())
