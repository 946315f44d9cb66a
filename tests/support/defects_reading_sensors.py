"""Defects read off the catalogue alone, before other lists and the suites were looked at: sensors."""

import json
import math
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.defects import (
    DATA,
    OBJECT,
    Defect,
    answer,
    error,
    member,
    query,
    sent,
)
from tests.support.defects_lists import (
    refusal,
)
from tests.support.defects_reading_tools import (
    SENSORS,
    Fields,
    code_at,
    unless_refused,
)
from tests.support.defects_tools import every_reading, replied
from tests.support.relay import Relay, Reply, Request


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
        after=code_at("POST", SENSORS, "OUT_OF_BOUNDS", "INVALID_GEOMETRY"),
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


def _far_east_or_west(body: Any) -> bool:
    place = (body.get("location") or {}).get("coordinates") or [0, 0]
    return bool(35.05 <= place[1] <= 35.31)


def _other_status(given: dict[str, str]) -> None:
    other = {"operational": "offline", "offline": "operational"}
    if given.get("status") in other:
        given["status"] = other[given["status"]]


def _called_data(body: Any) -> Any:
    body["data"] = body.pop("measurements")
    return body


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
        after=code_at("POST", DATA, "INVALID_MEASUREMENT", "VALIDATION_ERROR"),
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


READING_SENSORS = (*_sensors(), *_readings())
