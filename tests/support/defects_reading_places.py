"""Defects read off the catalogue alone, before other lists and suites were looked at: runs, places, past."""

import math
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.defects import (
    HISTORY,
    RESULTS,
    RUN,
    SNAPSHOT,
    Defect,
    answer,
    each,
    later,
    member,
    query,
    sent,
)
from tests.support.defects_lists import (
    refusal,
)
from tests.support.defects_reading_tools import (
    NEARBY,
    ROUTE,
    SERVICES,
    SIMULATIONS,
    code_at,
    unless_refused,
)
from tests.support.defects_tools import key_of
from tests.support.relay import Relay, Reply, Request


def _runs() -> Iterator[Defect]:
    start = ("POST", SIMULATIONS)
    yield Defect("DTC-P2-064", "no instant of creation", after=answer(*start, member("created"), 202))
    yield Defect(
        "DTC-P2-064", "another type is started", after=answer(*start, member("type", to="Simulation"), 202)
    )
    for kind in ("EmergencyResponse", "CrowdDynamics", "AirQuality"):
        yield Defect("DTC-P2-065", f"no {kind}", _without_run(kind))
    yield Defect("DTC-P2-066", "an unknown type is TrafficFlow", sent(*start, _any_kind))
    yield Defect(
        "DTC-P2-066",
        "parameters may be a list",
        after=unless_refused(*start, "INVALID_PARAMETERS", lambda b: isinstance(b.get("parameters"), list)),
    )
    yield Defect("DTC-P2-067", "no progress", after=answer("GET", RUN, member("progress")))
    yield Defect(
        "DTC-P2-067",
        "it ended before it began",
        after=answer("GET", RUN, member("completed", by=lambda t: later(-48)(t) if t else t)),
    )
    yield Defect("DTC-P2-068", "it goes back once", after=answer("GET", RUN, _backward()))
    yield Defect(
        "DTC-P2-068",
        "101 percent",
        after=answer("GET", RUN, member("progress", by=lambda n: 101 if n == 100 else n)),
    )
    yield Defect(
        "DTC-P2-068", "it is 100 from the start", after=answer("GET", RUN, member("progress", to=100))
    )
    yield Defect(
        "DTC-P2-069",
        "states in capitals",
        after=answer("GET", RUN, member("status", by=lambda s: str(s).capitalize())),
    )
    yield Defect("DTC-P2-069", "it runs again after its end", after=answer("GET", RUN, _again()))
    yield Defect(
        "DTC-P2-070", "confidence below zero", after=answer("GET", RESULTS, member("confidence", to=-0.1))
    )
    yield Defect("DTC-P2-070", "results have no type", after=answer("GET", RESULTS, member("type")))
    yield Defect(
        "DTC-P2-070", "another run's id", after=answer("GET", RESULTS, member("simulationId", to="sim-1"))
    )
    yield Defect("DTC-P2-072", "an unknown run is cancelled", after=_cancelled_unknown)
    yield Defect(
        "DTC-P2-072",
        "an unknown run is an unknown object",
        after=code_at("GET", RUN, "SIMULATION_NOT_FOUND", "OBJECT_NOT_FOUND"),
    )
    yield Defect(
        "DTC-P2-074",
        "a cancelled run has failed",
        after=answer("GET", RUN, member("status", by=lambda s: "failed" if s == "cancelled" else s)),
    )


def _without_run(kind: str) -> Any:
    def before(_relay: Relay, request: Request) -> Reply | None:
        body = request.json
        new = request.method == "POST" and request.below == SIMULATIONS
        return (
            refusal("INVALID_PARAMETERS", 400)
            if new and isinstance(body, dict) and body.get("type") == kind
            else None
        )

    return before


def _any_kind(body: Any) -> Any:
    known = {
        "TrafficFlow",
        "EnergyConsumption",
        "AirQuality",
        "FloodRisk",
        "EmergencyResponse",
        "CrowdDynamics",
    }
    if isinstance(body.get("type"), str) and body["type"] not in known:
        now = datetime.now(UTC)
        span = {"start": now.isoformat(), "end": (now + timedelta(hours=1)).isoformat()}
        return {
            "type": "TrafficFlow",
            "parameters": {"timeRange": span, **(body.get("parameters") or {})},
        }
    return None


def _backward() -> Callable[[Any], Any]:
    looks: dict[str, int] = {}

    def change(body: Any) -> Any:
        if body.get("status") in ("running", "pending"):
            looks[body["id"]] = looks.get(body["id"], 0) + 1
            body["progress"] = 90 if looks[body["id"]] % 2 else 40
        return body

    return change


def _again() -> Callable[[Any], Any]:
    looks: dict[str, int] = {}

    def change(body: Any) -> Any:
        if body.get("status") in ("completed", "cancelled"):
            looks[body["id"]] = looks.get(body["id"], 0) + 1
            if looks[body["id"]] == 2:
                body |= {"status": "running", "progress": 50}
                body.pop("completed", None)
        return body

    return change


def _cancelled_unknown(request: Request, reply: Reply, body: Any) -> Any:
    if request.method == "DELETE" and "SIMULATION_NOT_FOUND" in str(body):
        reply.status, reply.body = 204, b""
    return None


def _places() -> Iterator[Defect]:
    yield Defect(
        "DTC-P2-075",
        "services have no status",
        after=answer("GET", SERVICES, each("services", member("status"))),
    )
    yield Defect(
        "DTC-P2-075", "services are a bare list", after=answer("GET", SERVICES, lambda body: body["services"])
    )
    yield Defect("DTC-P2-076", "the beginning of a category", before=_category(str.startswith))
    yield Defect("DTC-P2-076", "no service has a category", before=_category(lambda _own, _wanted: False))
    yield Defect(
        "DTC-P2-077",
        "a status of another",
        after=answer("GET", r"/services/[^/]+/status", member("id", to="service-other")),
    )
    yield Defect("DTC-P2-077", "an unknown service breaks it", after=_services_break)
    yield Defect(
        "DTC-P2-078",
        "count is at most one",
        after=answer("POST", NEARBY, member("count", by=lambda n: min(n, 1))),
    )
    yield Defect(
        "DTC-P2-078",
        "results have no place",
        after=answer("POST", NEARBY, each("results", member("location"))),
    )
    yield Defect("DTC-P2-078", "results are called items", after=answer("POST", NEARBY, _items))
    yield Defect(
        "DTC-P2-079",
        "distances are those of degrees at the equator",
        after=answer("POST", NEARBY, each("results", member("distance", by=lambda d: d * 1.05))),
    )
    yield Defect(
        "DTC-P2-079",
        "only half of the radius",
        sent(
            "POST",
            NEARBY,
            lambda b: (
                b.update(radius=b["radius"] / 2) or b
                if isinstance(b.get("radius"), int | float) and b["radius"] > 0
                else None
            ),
        ),
    )
    yield Defect(
        "DTC-P2-078",
        "nothing is near",
        after=answer("POST", NEARBY, lambda b: {**b, "results": [], "count": 0}),
    )
    yield Defect(
        "DTC-P2-080",
        "no place is the centre",
        sent("POST", NEARBY, lambda b: {"location": {"type": "Point", "coordinates": [129.075, 35.18]}, **b}),
    )
    yield Defect("DTC-P2-080", "a radius in words breaks it", after=_nearby_breaks)
    yield Defect("DTC-P2-081", "a little shorter than straight", after=answer("POST", ROUTE, _shortened))
    yield Defect("DTC-P2-081", "one position is a route", after=answer("POST", ROUTE, _one_position))
    yield Defect("DTC-P2-081", "the mode is not told", after=answer("POST", ROUTE, member("mode")))
    yield Defect("DTC-P2-081", "no instructions", after=answer("POST", ROUTE, member("instructions")))
    yield Defect(
        "DTC-P2-082",
        "without an end it goes round",
        sent("POST", ROUTE, lambda b: {"end": b.get("start"), **b}),
    )
    yield Defect("DTC-P2-082", "an unknown mode is not found", after=_route_not_found)


def _category(holds: Callable[[str, str], bool]) -> Any:
    """The relay filters all services by itself."""

    def before(relay: Relay, request: Request) -> Reply | None:
        wanted = dict(request.query).get("category")
        if request.method != "GET" or request.below != SERVICES or not wanted:
            return None
        reply = relay.ask("GET", request.path, headers=key_of(request))
        if reply.status == 200:
            services = [one for one in reply.json["services"] if holds(one["category"], wanted)]
            reply.json = {**reply.json, "services": services}
        return reply

    return before


def _services_break(request: Request, reply: Reply, _body: Any) -> None:
    if re.fullmatch(r"/services/[^/]+/status", request.below) and reply.status == 404:
        reply.status = 500


def _items(body: Any) -> Any:
    body["items"] = body.pop("results")
    return body


def _nearby_breaks(request: Request, reply: Reply, _body: Any) -> None:
    if (
        request.below == NEARBY
        and reply.status == 400
        and isinstance((request.json or {}).get("radius"), str)
    ):
        reply.status = 500


def _metres(a: Any, b: Any) -> float:
    x1, y1, x2, y2 = map(math.radians, (a[0], a[1], b[0], b[1]))
    h = math.sin((y2 - y1) / 2) ** 2 + math.cos(y1) * math.cos(y2) * math.sin((x2 - x1) / 2) ** 2
    return 2 * 6371008.8 * math.asin(math.sqrt(h))


def _line(body: Any) -> Any:
    route = body["route"]
    return route["coordinates"] if isinstance(route, dict) else route


def _shortened(body: Any) -> Any:
    line = _line(body)
    return {**body, "distance": 0.95 * _metres(line[0], line[-1])}


def _one_position(body: Any) -> Any:
    if isinstance(body["route"], dict):
        body["route"]["coordinates"] = body["route"]["coordinates"][:1]
    else:
        body["route"] = body["route"][:1]
    return body


def _route_not_found(request: Request, reply: Reply, _body: Any) -> None:
    if (
        request.below == ROUTE
        and reply.status == 400
        and isinstance(request.json, dict)
        and "mode" in request.json
    ):
        reply.status = 404


def _past() -> Iterator[Defect]:
    yield Defect(
        "DTC-P2-083",
        "the end is ignored",
        query(HISTORY, lambda q: q.update(end="2999-01-01T00:00:00Z") if _reasonable(q) else 0),
    )
    yield Defect("DTC-P2-083", "all happened at once", after=answer("GET", HISTORY, _at_once))
    yield Defect("DTC-P2-084", "properties of then, places of now", _geometry_of_now)
    yield Defect("DTC-P2-084", "what came later is there", _later_too)
    yield Defect("DTC-P2-084", "before the city there is an error", after=_no_beginning)
    yield Defect("DTC-P2-084", "a bad instant is not found", after=_bad_instant)


def _reasonable(given: dict[str, str]) -> bool:
    try:
        return datetime.fromisoformat(given["start"]) <= datetime.fromisoformat(given["end"])
    except (KeyError, ValueError, TypeError):
        return False


def _at_once(body: Any) -> Any:
    name = (
        next(
            (
                k
                for k, v in body["versions"][0].items()
                if isinstance(v, str) and re.match(r"\d{4}-\d\d-\d\dT", v)
            ),
            None,
        )
        if body["versions"]
        else None
    )
    for one in body["versions"]:
        if name in one:
            one[name] = body["versions"][0][name]
    return body


def _spoilt_snapshot(change: Callable[[Relay, Request, Any], Any]) -> Any:
    def before(relay: Relay, request: Request) -> Reply | None:
        if request.method != "GET" or not re.fullmatch(SNAPSHOT, request.below):
            return None
        reply = relay.ask("GET", request.path, headers=key_of(request))
        if reply.status == 200:
            reply.json = change(relay, request, reply.json)
        return reply

    return before


def _now(relay: Relay, request: Request) -> dict[str, Any]:
    found: dict[str, Any] = {}
    while True:
        path = f"{request.path.partition('/snapshots')[0]}/objects?limit=1000&offset={len(found)}"
        page = relay.ask("GET", path, headers=key_of(request)).json["objects"]
        found |= {one["id"]: one for one in page}
        if len(page) < 1000:
            return found


def _places_of_now(relay: Relay, request: Request, body: Any) -> Any:
    now = _now(relay, request)
    for one in body["cityObjects"]:
        if one["id"] in now:
            one["geometry"] = now[one["id"]]["geometry"]
    return body


_geometry_of_now = _spoilt_snapshot(_places_of_now)


def _with_later(relay: Relay, request: Request, body: Any) -> Any:
    known = {one["id"] for one in body["cityObjects"]}
    body["cityObjects"] += [one for key, one in _now(relay, request).items() if key not in known]
    return body


_later_too = _spoilt_snapshot(_with_later)


def _no_beginning(request: Request, reply: Reply, _body: Any) -> None:
    if (
        re.fullmatch(SNAPSHOT, request.below)
        and reply.status == 404
        and re.match("/snapshots/[01]", request.below)
    ):
        reply.status = 500


def _bad_instant(request: Request, reply: Reply, _body: Any) -> None:
    if re.fullmatch(SNAPSHOT, request.below) and reply.status == 400:
        reply.status = 404


READING_PLACES = (*_runs(), *_places(), *_past())
