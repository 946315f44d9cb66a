"""Defects of other makers: credentials, errors and the form of answers."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from tests.support.defects import (
    DATA,
    HISTORY,
    RUN,
    Defect,
    answer,
    each,
    error,
    member,
    naive,
)
from tests.support.defects_lists import refusal
from tests.support.defects_tools import key_of, replied, with_status
from tests.support.relay import Relay, Reply, Request


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
    yield Defect("DTC-P2-098", "XML is not found", after=error("UNSUPPORTED_MEDIA_TYPE", with_status(404)))
    yield Defect(
        "DTC-P2-099", "an unknown route is a bad request", after=error("ROUTE_NOT_FOUND", with_status(400))
    )
    yield Defect(
        "DTC-P2-099", "a wrong method is a bad request", after=error("METHOD_NOT_ALLOWED", with_status(400))
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
        "DTC-P2-101", "too many is unavailable", after=error("RATE_LIMIT_EXCEEDED", with_status(503))
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


CALLERS = tuple(_callers())
