"""Defects of other makers: sensors and their readings."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.defects import (
    DATA,
    Defect,
    answer,
    each,
    later,
    member,
    naive,
    query,
    sent,
)
from tests.support.defects_lists import refusal
from tests.support.defects_tools import INSTANT, every_reading, replied, status_of
from tests.support.relay import Relay, Reply, Request


def _sensing() -> Iterator[Defect]:
    sensors = "/sensors"
    yield Defect("DTC-P2-044", "registering answers 200", after=status_of("POST", sensors, 201, 200))
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


SENSORS = tuple(_sensing())
