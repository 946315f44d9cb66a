"""More of them: sensors, runs, services, places, the past, callers, errors."""

import json
import math
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.defects import (
    DATA,
    HISTORY,
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
from tests.support.defects_lists import refusal
from tests.support.defects_reading import OBJECTS, SENSORS, _coded, _status_of, unless_refused
from tests.support.defects_tools import every_reading, key_of, replied
from tests.support.relay import Relay, Reply, Request

NEARBY, ROUTE, SERVICES, SIMULATIONS = "/spatial/nearby", "/spatial/route", "/services", "/simulations"
Fields = dict[str, Any]


def _sensors() -> Iterator[Defect]:
    new = ("POST", SENSORS)
    yield Defect(
        "DTC-P2-044",
        "without a type it measures the air",
        sent(*new, lambda b: {"type": "EnvironmentalSensor", **b}),
    )
    yield Defect("DTC-P2-044", "the id stands in a header only", after=answer(*new, lambda _b: {}, 201))
    yield Defect("DTC-P2-045", "what is deleted can be attached to", *_attached_to_gone())
    yield Defect("DTC-P2-045", "an unknown attachment is a conflict", after=_unattached(409))
    yield Defect(
        "DTC-P2-046",
        "outside is an invalid place",
        after=_code_at("POST", SENSORS, "OUT_OF_BOUNDS", "INVALID_GEOMETRY"),
    )
    yield Defect(
        "DTC-P2-046",
        "longitudes are not looked at",
        after=unless_refused(*new, "OUT_OF_BOUNDS", _far_east_or_west),
    )
    yield Defect(
        "DTC-P2-047",
        "a status alone is ignored",
        query(SENSORS, lambda q: q.pop("status", 0) if "type" not in q else 0),
    )
    yield Defect(
        "DTC-P2-047",
        "operational lists all",
        query(SENSORS, lambda q: q.pop("status", 0) if q.get("status") == "operational" else 0),
    )
    yield Defect("DTC-P2-047", "a type is ignored", query(SENSORS, lambda q: q.pop("type", 0)))
    yield Defect("DTC-P2-047", "offline and operational change places", query(SENSORS, _other_status))
    yield Defect(
        "DTC-P2-047",
        "a page is never the last",
        query(
            SENSORS,
            lambda q: (
                q.update(offset=str(max(0, int(q["offset"]) - 1))) if q.get("offset", "").isdigit() else 0
            ),
        ),
    )
    yield Defect("DTC-P2-049", "timeRange has no end", after=answer("GET", DATA, member("timeRange", "end")))
    yield Defect("DTC-P2-049", "measurements are called data", after=answer("GET", DATA, _called_data))
    yield Defect("DTC-P2-050", "fractions of a second are cut from the range", query(DATA, _whole_seconds))
    yield Defect("DTC-P2-050", "an instant is no range", after=_no_instant)
    yield Defect("DTC-P2-050", "a range echoes the readings", after=answer("GET", DATA, _range_of_readings))
    yield Defect("DTC-P2-052", "count is text", after=answer("GET", DATA, member("count", by=str)))
    yield Defect(
        "DTC-P2-052", "count is one at least", after=answer("GET", DATA, member("count", by=lambda n: n or 1))
    )
    yield Defect("DTC-P2-053", "a thirtieth of February breaks it", after=_broken_range)
    yield Defect("DTC-P2-053", "only the start is looked at", query(DATA, _zoned_end))


def _attached_to_gone() -> tuple[Any, Any]:
    gone: set[str] = set()

    def before(_relay: Relay, request: Request) -> None:
        body = request.json
        new = request.method == "POST" and request.below == SENSORS
        if new and isinstance(body, dict) and body.get("attachedTo") in gone:
            request.json = {name: value for name, value in body.items() if name != "attachedTo"}

    def after(request: Request, reply: Reply, _body: Any) -> None:
        if request.method == "DELETE" and re.fullmatch(OBJECT, request.below) and reply.status == 204:
            gone.add(request.below.rpartition("/")[2])

    return before, after


def _unattached(status: int) -> Any:
    def after(request: Request, reply: Reply, body: Any) -> None:
        if request.method == "POST" and request.below == SENSORS and "OBJECT_NOT_FOUND" in str(body):
            reply.status = status

    return after


def _code_at(method: str, path: str, code: str, other: str) -> Any:
    def change(request: Request, reply: Reply, found: Fields) -> None:
        if request.method == method and re.fullmatch(path, request.below):
            _coded(other)(request, reply, found)

    return error(code, change)


def _far_east_or_west(body: Any) -> bool:
    place = (body.get("location") or {}).get("coordinates") or [0, 0]
    return bool(34.98 <= place[1] <= 35.39)


def _other_status(given: dict[str, str]) -> None:
    other = {"operational": "offline", "offline": "operational"}
    if given.get("status") in other:
        given["status"] = other[given["status"]]


def _called_data(body: Any) -> Any:
    body["data"] = body.pop("measurements")
    return body


def _whole_seconds(given: dict[str, str]) -> None:
    for name in ("start", "end"):
        if name in given:
            given[name] = re.sub(r"(:\d\d)\.\d+", r"\1", given[name])


def _no_instant(request: Request, reply: Reply, _body: Any) -> Any:
    given = dict(request.query)
    if (
        re.fullmatch(DATA, request.below)
        and reply.status == 200
        and given.get("start") == given.get("end", "")
    ):
        return replied(reply, 400, json.loads(refusal("INVALID_PARAMETERS").body))
    return None


def _range_of_readings(body: Any) -> Any:
    taken = sorted((one["timestamp"] for one in body["measurements"]), key=datetime.fromisoformat)
    if taken:
        body["timeRange"] = {"start": taken[0], "end": taken[-1]}
    return body


def _broken_range(request: Request, reply: Reply, _body: Any) -> None:
    given = dict(request.query)
    odd = any(re.match(r"\d{4}-(02-3|1[3-9]|\d\d-3[2-9])", given.get(name, "")) for name in ("start", "end"))
    if re.fullmatch(DATA, request.below) and reply.status == 400 and odd:
        reply.status = 500


def _zoned_end(given: dict[str, str]) -> None:
    if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?", given.get("end", "")):
        given["end"] += "Z"


def _readings() -> Iterator[Defect]:
    put = ("POST", DATA)
    yield Defect("DTC-P2-055", "a later batch replaces the earlier", *_last_batch())
    yield Defect("DTC-P2-055", "one reading for an instant", *_one_for_an_instant())
    yield Defect("DTC-P2-055", "unknown parameters are left out", sent(*put, _known_only))
    yield Defect(
        "DTC-P2-055",
        "values are positive",
        sent(
            *put,
            every_reading(
                lambda r: (
                    r.update(value=abs(r["value"]))
                    if isinstance(r.get("value"), float)
                    and -40 <= r["value"] < 0
                    and r.get("parameter") == "temperature"
                    else 0
                )
            ),
        ),
    )
    yield Defect("DTC-P2-055", "the instant of arrival counts", sent(*put, every_reading(_arrived)))
    for name, low, high in (
        ("humidity", 0, 100),
        ("noise_level", 0, 120),
        ("air_quality", 0, 500),
        ("temperature", -40, 60),
    ):
        yield Defect(
            "DTC-P2-056",
            f"{name} is rounded first",
            sent(*put, every_reading(_clipped(name, low, high, 0.6))),
        )
    yield Defect(
        "DTC-P2-056",
        "traffic may be one more",
        sent(*put, every_reading(_clipped("traffic_volume", 0, 10000, 1))),
    )
    for name in ("energy_consumption", "water_flow", "occupancy", "traffic_volume"):
        yield Defect(
            "DTC-P2-056",
            f"{name} may be negative",
            sent(*put, every_reading(_clipped(name, 0, math.inf, math.inf))),
        )
    yield Defect(
        "DTC-P2-056",
        "null is zero",
        sent(*put, every_reading(lambda r: r.update(value=0) if r.get("value", 0) is None else 0)),
    )
    yield Defect(
        "DTC-P2-056",
        "a bad value is bad data",
        after=_code_at("POST", DATA, "INVALID_MEASUREMENT", "VALIDATION_ERROR"),
    )
    yield Defect("DTC-P2-057", "the future is compared as text", sent(*put, every_reading(_future_as_text)))
    yield Defect("DTC-P2-057", "ninety minutes ahead is now", sent(*put, every_reading(_soon)))
    yield Defect("DTC-P2-057", "the future is out of range", after=_future_code)
    yield Defect(
        "DTC-P2-058",
        "no parameter is temperature",
        sent(*put, every_reading(lambda r: r.setdefault("parameter", "temperature"))),
    )
    yield Defect(
        "DTC-P2-058", "no value is zero", sent(*put, every_reading(lambda r: r.setdefault("value", 0)))
    )
    yield Defect(
        "DTC-P2-058",
        "a quality of null is good",
        sent(*put, every_reading(lambda r: r.update(quality="good") if r.get("quality", "") is None else 0)),
    )
    yield Defect("DTC-P2-061", "an unknown sensor takes readings", after=_taken_by_nobody)
    yield Defect(
        "DTC-P2-061", "an unknown sensor is a bad request", after=error("SENSOR_NOT_FOUND", _at_status(400))
    )


def _at_status(status: int) -> Any:
    def change(_request: Request, reply: Reply, _found: Fields) -> None:
        reply.status = status

    return change


def _last_batch() -> tuple[Any, Any]:
    first: dict[str, set[str]] = {}
    last: dict[str, set[str]] = {}

    def before(_relay: Relay, request: Request) -> None:
        return None

    def after(request: Request, reply: Reply, body: Any) -> Any:
        if not re.fullmatch(DATA, request.below):
            return None
        if request.method == "POST" and reply.status == 201:
            first.setdefault(request.path, set()).update(last.get(request.path, ()))
            last[request.path] = {one["timestamp"] for one in request.json["measurements"]}
            first[request.path] -= last[request.path]
        if request.method == "GET" and reply.status == 200 and first.get(request.path):
            old = {datetime.fromisoformat(text) for text in first[request.path]}
            body["measurements"] = [
                one for one in body["measurements"] if datetime.fromisoformat(one["timestamp"]) not in old
            ]
            body["count"] = len(body["measurements"])
            return body
        return None

    return before, after


def _one_for_an_instant() -> tuple[Any, Any]:
    def after(_request: Request, _reply: Reply, body: Any) -> Any:
        return answer("GET", DATA, _single)(_request, _reply, body)

    return None, after


def _single(body: Any) -> Any:
    kept = {one["timestamp"]: one for one in body["measurements"]}
    return {**body, "measurements": list(kept.values()), "count": len(kept)}


STANDARD = {
    "temperature",
    "humidity",
    "air_quality",
    "noise_level",
    "traffic_volume",
    "occupancy",
    "energy_consumption",
    "water_flow",
}


def _known_only(body: Any) -> Any:
    readings = body.get("measurements")
    if isinstance(readings, list) and readings and all(isinstance(one, dict) for one in readings):
        body["measurements"] = [one for one in readings if one.get("parameter", "temperature") in STANDARD]
    return body


def _arrived(reading: Fields) -> None:
    try:
        taken = datetime.fromisoformat(str(reading.get("timestamp")))
    except ValueError:
        return
    if taken.tzinfo and taken < datetime.now(UTC):
        reading["timestamp"] = datetime.now(UTC).isoformat()


def _clipped(name: str, low: float, high: float, by: float) -> Callable[[Fields], None]:
    """A value that is out of range by no more than this is taken for the end of the range."""

    def change(reading: Fields) -> None:
        value = reading.get("value")
        if reading.get("parameter") != name or isinstance(value, bool) or not isinstance(value, int | float):
            return
        if low - by <= value < low:
            reading["value"] = low
        elif high < value <= high + by:
            reading["value"] = high

    return change


def _future_as_text(reading: Fields) -> None:
    text = str(reading.get("timestamp"))
    try:
        taken = datetime.fromisoformat(text)
    except ValueError:
        return
    now = datetime.now(UTC)
    if taken.tzinfo and taken > now and text[:19] <= now.isoformat()[:19]:
        reading["timestamp"] = now.isoformat()


def _soon(reading: Fields) -> None:
    try:
        taken = datetime.fromisoformat(str(reading.get("timestamp")))
    except ValueError:
        return
    now = datetime.now(UTC)
    if taken.tzinfo and now < taken < now + timedelta(minutes=90):
        reading["timestamp"] = now.isoformat()


def _future_code(request: Request, _reply: Reply, body: Any) -> Any:
    if (
        request.method != "POST"
        or not re.fullmatch(DATA, request.below)
        or "INVALID_MEASUREMENT" not in str(body)
    ):
        return None
    for one in (request.json or {}).get("measurements") or []:
        text = str(one.get("timestamp")) if isinstance(one, dict) else ""
        if re.match(r"\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:\d\d)$", text) and datetime.fromisoformat(
            text
        ) > datetime.now(UTC):
            body["error"]["code"] = "FUTURE_TIMESTAMP"
            body["error"].pop("number", None)
            return body
    return None


def _taken_by_nobody(request: Request, reply: Reply, body: Any) -> Any:
    if request.method == "POST" and "SENSOR_NOT_FOUND" in str(body):
        return replied(reply, 202, {"accepted": 1})
    return None


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
    yield Defect(
        "DTC-P2-066",
        "crowds need no place",
        after=unless_refused(*start, "INVALID_PARAMETERS", lambda b: b.get("type") == "CrowdDynamics"),
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
        after=_code_at("GET", RUN, "SIMULATION_NOT_FOUND", "OBJECT_NOT_FOUND"),
    )
    yield Defect("DTC-P2-074", "to cancel is not allowed", after=_status_of("DELETE", RUN, 204, 405))
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
            "parameters": {"timeRange": span, "area": "all", **(body.get("parameters") or {})},
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
    yield Defect("DTC-P2-076", "the beginning of a category", after=_category(str.startswith))
    yield Defect("DTC-P2-076", "no service has a category", after=_category(lambda _own, _wanted: False))
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
        "DTC-P2-079",
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
    def after(request: Request, reply: Reply, body: Any) -> Any:
        wanted = dict(request.query).get("category")
        if request.method != "GET" or request.below != SERVICES or reply.status != 200 or not wanted:
            return None
        return {**body, "services": [one for one in body["services"] if holds(one["category"], wanted)]}

    return after


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
    yield Defect(
        "DTC-P2-083",
        "the creation is missing",
        after=answer("GET", HISTORY, member("versions", by=lambda v: v[1:] if len(v) > 1 else v)),
    )
    yield Defect("DTC-P2-083", "all happened at once", after=answer("GET", HISTORY, _at_once))
    yield Defect("DTC-P2-083", "a range without zones is UTC", query(HISTORY, _utc_range))
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


def _utc_range(given: dict[str, str]) -> None:
    for name in ("start", "end"):
        if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?", given.get(name, "")):
            given[name] += "Z"


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


def _callers() -> Iterator[Defect]:
    yield Defect("DTC-P2-087", "anybody may create", _open("POST", OBJECTS))
    yield Defect("DTC-P2-087", "readings are open", _open("GET", DATA))
    yield Defect("DTC-P2-087", "runs are open", _open("GET", RUN + "|" + RESULTS))
    yield Defect("DTC-P2-087", "services are open", _open("GET", SERVICES))
    yield Defect("DTC-P2-087", "no credentials are no right", after=_nobody(403, "FORBIDDEN"))
    yield Defect("DTC-P2-087", "no credentials are no key", after=_nobody(401, "INVALID_API_KEY"))
    yield Defect("DTC-P2-087", "what is refused is shown", after=_shown_to_nobody())
    yield Defect("DTC-P2-088", "keys are compared without case", _similar_key(str.lower))
    yield Defect("DTC-P2-088", "the beginning of a key is enough", _similar_key(lambda text: text[:12]))
    yield Defect("DTC-P2-088", "an empty key is none to look at", _empty_key())
    yield Defect("DTC-P2-089", "signatures are not looked at", _similar_token(lambda parts: parts[:2]))
    yield Defect("DTC-P2-089", "the claims are not looked at", _similar_token(lambda parts: parts[2:]))
    yield Defect("DTC-P2-089", "a token is not good for writing", _token_reads_only)
    yield Defect("DTC-P2-089", "a bad token is forbidden", after=_token_status(403))
    yield Defect(
        "DTC-P2-090", "expires_in is text", after=_token(lambda b: {**b, "expires_in": str(b["expires_in"])})
    )
    yield Defect("DTC-P2-090", "the token is a MAC", after=_token(lambda b: {**b, "token_type": "mac"}))
    yield Defect(
        "DTC-P2-090",
        "nobody knows for how long",
        after=_token(lambda b: {k: v for k, v in b.items() if k != "expires_in"}),
    )
    yield Defect("DTC-P2-090", "any grant is fine", _any_grant)
    yield Defect("DTC-P2-090", "any secret is fine", _any_secret())
    for what, method, path in (
        ("register sensors", "POST", SENSORS),
        ("send readings", "POST", DATA),
        ("change objects", "PATCH", OBJECT),
    ):
        yield Defect("DTC-P2-091", f"a reader may {what}", _lent(method, path))


def _open(method: str, path: str) -> Any:
    seen: dict[str, str] = {}

    def before(_relay: Relay, request: Request) -> None:
        if request.method == method and re.fullmatch(path, request.below) and not key_of(request):
            request.headers.update(seen)
        elif "x-api-key" in request.headers and request.method == "POST" and request.below == OBJECTS:
            seen.setdefault("x-api-key", request.headers["x-api-key"])

    return before


def _nobody(status: int, code: str) -> Any:
    def after(request: Request, reply: Reply, body: Any) -> Any:
        if (
            reply.status == 401
            and not key_of(request)
            and isinstance(body, dict)
            and isinstance(body.get("error"), dict)
        ):
            reply.status = status
            body["error"]["code"] = code
            body["error"].pop("number", None)
            return body
        return None

    return after


def _shown_to_nobody() -> Any:
    kept: dict[str, Any] = {}

    def after(request: Request, reply: Reply, body: Any) -> Any:
        if request.method != "GET" or not isinstance(body, dict):
            return None
        if reply.status == 200 and request.below == "/":
            kept["city"] = body
        if reply.status == 401 and not key_of(request) and kept:
            return {**body, **kept["city"], "city": kept["city"]}
        return None

    return after


def _similar_key(shape: Callable[[str], str]) -> Any:
    good: dict[str, str] = {}

    def before(_relay: Relay, request: Request) -> None:
        key = request.headers.get("x-api-key", "")
        if key and shape(key) in good:
            request.headers["x-api-key"] = good[shape(key)]

    def learn(relay: Relay, request: Request) -> None:
        key = request.headers.get("x-api-key", "")
        if len(key) > 20 and shape(key) not in good:
            city = f"{request.path.partition('/cities/')[0]}/cities/{request.city}"
            if request.city and relay.ask("GET", city, headers={"x-api-key": key}).status == 200:
                good[shape(key)] = key
        before(relay, request)

    return learn


def _empty_key() -> Any:
    seen: dict[str, str] = {}

    def before(_relay: Relay, request: Request) -> None:
        key = request.headers.get("x-api-key")
        if key:
            if request.method == "POST" and request.below == OBJECTS:
                seen.setdefault("x-api-key", key)
        elif key == "":
            request.headers.update(seen)

    return before


def _similar_token(shape: Callable[[list[str]], list[str]]) -> Any:
    good: dict[str, str] = {}

    def before(relay: Relay, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        parts = token.split(".")
        if scheme != "Bearer" or len(parts) != 3 or not all(parts[:2]):
            return
        key = ".".join(shape(parts))
        if key in good:
            request.headers["authorization"] = f"Bearer {good[key]}"
        elif request.city:
            city = f"{request.path.partition('/cities/')[0]}/cities/{request.city}"
            if relay.ask("GET", city, headers={"authorization": f"Bearer {token}"}).status == 200:
                good[key] = token

    return before


def _token_reads_only(_relay: Relay, request: Request) -> Reply | None:
    if request.method != "GET" and "authorization" in request.headers and request.city:
        return refusal("FORBIDDEN", 403)
    return None


def _token_status(status: int) -> Any:
    def after(request: Request, reply: Reply, _body: Any) -> None:
        if reply.status == 401 and request.headers.get("authorization", "").startswith("Bearer"):
            reply.status = status

    return after


def _token(change: Callable[[Any], Any]) -> Any:
    def after(_request: Request, reply: Reply, body: Any) -> Any:
        return (
            change(body)
            if reply.status == 200 and isinstance(body, dict) and "access_token" in body
            else None
        )

    return after


def _any_grant(_relay: Relay, request: Request) -> None:
    if b"grant_type=" in request.body and request.path.endswith("token"):
        request.body = re.sub(rb"grant_type=[^&]*", b"grant_type=client_credentials", request.body)


def _any_secret() -> Any:
    kept: dict[str, Reply] = {}

    def before(relay: Relay, request: Request) -> Reply | None:
        if b"client_id=" not in request.body or b"grant_type=client_credentials" not in request.body:
            return None
        found = re.search(rb"client_id=([^&]*)", request.body)
        client = found.group(1).decode() if found else ""
        reply = relay.ask(
            "POST",
            request.path,
            body=request.body,
            headers={"content-type": request.headers.get("content-type", "")},
        )
        if reply.status == 200:
            kept[client] = reply
        return kept.get(client, reply) if "secret" in request.body.decode() else reply

    return before


def _lent(method: str, path: str) -> Any:
    first: list[str] = []

    def before(_relay: Relay, request: Request) -> None:
        key = request.headers.get("x-api-key", "")
        if request.method == method and re.fullmatch(path, request.below) and first and len(key) > 20:
            request.headers["x-api-key"] = first[0]
        elif request.method == "POST" and request.below == OBJECTS and len(key) > 20 and not first:
            first.append(key)

    return before


def _errors() -> Iterator[Defect]:
    yield Defect("DTC-P2-093", "too many requests have a flat body", after=_flat(429))
    yield Defect("DTC-P2-093", "no credentials have a flat body", after=_flat(401))
    yield Defect("DTC-P2-093", "conflicts say nothing", after=error("DUPLICATE_OBJECT", _message("")))
    yield Defect("DTC-P2-093", "a wrong media type is a page", after=_page(415))
    yield Defect("DTC-P2-094", "local time is called UTC", after=error(".*", _nine_hours_ahead))
    yield Defect(
        "DTC-P2-095",
        "a sensor's code is a number",
        after=error("SENSOR_NOT_FOUND", lambda _q, _r, e: e.update(code=3001)),
    )
    for code, number in (
        ("SIMULATION_NOT_FOUND", 4002),
        ("UNAUTHORIZED", 5003),
        ("DUPLICATE_OBJECT", 2002),
        ("FORBIDDEN", 5001),
    ):
        yield Defect("DTC-P2-096", f"{code} is {number}", after=error(code, _numbered(number)))
    yield Defect("DTC-P2-098", "a list breaks it", after=_breaks_on(lambda b: b.lstrip()[:1] == b"["))
    yield Defect("DTC-P2-098", "no body breaks it", after=_breaks_on(lambda b: not b.strip()))
    yield Defect("DTC-P2-098", "what is not UTF-8 breaks it", after=_breaks_on(_not_utf8))
    yield Defect("DTC-P2-098", "any media type is JSON", _any_media)
    yield Defect("DTC-P2-098", "bad JSON of readings is taken", after=_taken_anyway(DATA))
    yield Defect("DTC-P2-099", "unknown routes are empty", after=_unknown_route_is_empty)
    yield Defect("DTC-P2-099", "PUT is POST", after=_put_is_fine)
    for what, code, message in (
        (
            "a class of Java",
            "OBJECT_NOT_FOUND",
            "java.lang.NullPointerException at com.twin.Store.find(Store.java:71)",
        ),
        (
            "a module of Node",
            "INVALID_PARAMETERS",
            "TypeError: x is not a function at /app/node_modules/express/lib/router.js:47:9",
        ),
        (
            "a database's answer",
            "SENSOR_NOT_FOUND",
            'psycopg2.errors.UndefinedColumn: relation "sensors" does not exist',
        ),
        (
            "a panic of Go",
            "SIMULATION_NOT_FOUND",
            "panic: runtime error: invalid memory address goroutine 17 [running]: main.go:33",
        ),
        ("a share of Windows", "MALFORMED_REQUEST", "cannot read C:\\inetpub\\twin\\city.json"),
    ):
        yield Defect("DTC-P2-100", what, after=error(code, _message(message)))
    yield Defect("DTC-P2-100", "a trace in the details", after=error("INVALID_GEOMETRY", _traced))
    yield Defect("DTC-P2-106", "no snapshots", after=_routed(SNAPSHOT, "GET", 501))
    yield Defect("DTC-P2-106", "readings cannot be sent", after=_routed(DATA, "POST", 405))
    yield Defect(
        "DTC-P2-107",
        "an estimate has no zone",
        after=answer("POST", SIMULATIONS, member("estimatedCompletion", by=naive), 202),
    )
    yield Defect(
        "DTC-P2-107", "validUntil has no zone", after=answer("GET", RESULTS, member("validUntil", by=naive))
    )
    yield Defect(
        "DTC-P2-107",
        "the city's instant has no zone",
        after=answer("GET", "/", member("lastUpdated", by=naive)),
    )
    yield Defect(
        "DTC-P2-107",
        "listed objects' instants have no zone",
        after=answer("GET", OBJECTS, each("objects", member("metadata", "lastUpdated", by=naive))),
    )
    yield Defect("DTC-P2-108", "a battery of 130", after=answer("GET", SENSORS, each("sensors", _charged)))
    yield Defect(
        "DTC-P2-108",
        "confidence in percent",
        after=answer("GET", DATA, each("measurements", lambda r: {**r, "confidence": 92})),
    )
    yield Defect(
        "DTC-P2-108", "listed rings are open", after=answer("GET", OBJECTS, each("objects", _opened))
    )
    yield Defect(
        "DTC-P2-108",
        "listed levels of detail are text",
        after=answer("GET", OBJECTS, each("objects", member("geometry", "lod", by=str))),
    )


def _flat(status: int) -> Any:
    def after(_request: Request, reply: Reply, body: Any) -> Any:
        return (
            body["error"]
            if reply.status == status and isinstance(body, dict) and isinstance(body.get("error"), dict)
            else None
        )

    return after


def _message(text: str) -> Any:
    def change(_request: Request, _reply: Reply, found: Fields) -> None:
        found["message"] = text

    return change


def _traced(_request: Request, _reply: Reply, found: Fields) -> None:
    found["details"] = {
        "trace": 'Traceback (most recent call last):\n  File "/srv/twin/geometry.py", line 8, in check'
    }


def _page(status: int) -> Any:
    def after(_request: Request, reply: Reply, _body: Any) -> None:
        if reply.status == status:
            reply.headers["content-type"], reply.body = "text/html", b"<h1>refused</h1>"

    return after


def _nine_hours_ahead(_request: Request, _reply: Reply, found: Fields) -> None:
    found["timestamp"] = (datetime.now(UTC) + timedelta(hours=9)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _numbered(number: int) -> Any:
    def change(_request: Request, _reply: Reply, found: Fields) -> None:
        found["number"] = number

    return change


def _breaks_on(given: Callable[[bytes], bool]) -> Any:
    def after(request: Request, reply: Reply, _body: Any) -> None:
        wrong = request.method in ("POST", "PATCH") and 400 <= reply.status < 500 and key_of(request)
        if wrong and "json" in request.headers.get("content-type", "") and given(request.body):
            reply.status = 500

    return after


def _not_utf8(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


def _any_media(_relay: Relay, request: Request) -> None:
    if request.method in ("POST", "PATCH") and request.city:
        request.headers["content-type"] = "application/json"


def _taken_anyway(path: str) -> Any:
    def after(request: Request, reply: Reply, _body: Any) -> Any:
        if (
            re.fullmatch(path, request.below)
            and reply.status == 400
            and request.json is None
            and request.body
        ):
            return replied(reply, 202, {"accepted": 0})
        return None

    return after


def _unknown_route_is_empty(_request: Request, reply: Reply, body: Any) -> Any:
    return replied(reply, 200, {}) if "ROUTE_NOT_FOUND" in str(body) else None


def _put_is_fine(request: Request, reply: Reply, body: Any) -> Any:
    return replied(reply, 200, {}) if request.method == "PUT" and "METHOD_NOT_ALLOWED" in str(body) else None


def _routed(path: str, method: str, status: int) -> Any:
    def after(request: Request, reply: Reply, _body: Any) -> Any:
        if request.method == method and re.fullmatch(path, request.below) and key_of(request):
            return replied(reply, status, json.loads(refusal("METHOD_NOT_ALLOWED", status).body))
        return None

    return after


def _charged(one: Any) -> Any:
    return {**one, "status": {"operational": True, **(one.get("status") or {}), "battery": 130}}


def _opened(one: Any) -> Any:
    if one["geometry"]["type"] == "Polygon":
        one["geometry"]["coordinates"] = [ring[:-1] for ring in one["geometry"]["coordinates"]]
    return one


READING_MORE = (*_sensors(), *_readings(), *_runs(), *_places(), *_past(), *_callers(), *_errors())
