"""Defects read off the catalogue alone, before other lists and the suites were looked at: callers, errors."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.defects import (
    DATA,
    OBJECT,
    RESULTS,
    RUN,
    SNAPSHOT,
    Defect,
    answer,
    each,
    error,
    member,
    naive,
)
from tests.support.defects_lists import (
    refusal,
)
from tests.support.defects_reading_tools import (
    OBJECTS,
    SENSORS,
    SERVICES,
    SIMULATIONS,
    Fields,
)
from tests.support.defects_tools import key_of, replied
from tests.support.relay import Relay, Reply, Request


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
    yield Defect("DTC-P2-088", "an empty key is none to look at", _empty_key)
    yield Defect("DTC-P2-089", "signatures are not looked at", _similar_token(lambda parts: parts[:2]))
    yield Defect("DTC-P2-089", "the claims are not looked at", _similar_token(lambda parts: parts[2:]))
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
    def before(relay: Relay, request: Request) -> None:
        if request.method == method and re.fullmatch(path, request.below) and not key_of(request):
            request.headers["x-api-key"] = relay.keys["admin"]

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
    def before(relay: Relay, request: Request) -> None:
        given = request.headers.get("x-api-key", "")
        known = [key for key in relay.keys.values() if given and shape(key) == shape(given)]
        if known and given not in relay.keys.values():
            request.headers["x-api-key"] = known[0]

    return before


def _empty_key(relay: Relay, request: Request) -> None:
    if request.headers.get("x-api-key") == "":
        request.headers["x-api-key"] = relay.keys["admin"]


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
    """Whoever is known may do it."""

    def before(relay: Relay, request: Request) -> None:
        key = request.headers.get("x-api-key", "")
        if request.method == method and re.fullmatch(path, request.below) and key in relay.keys.values():
            request.headers["x-api-key"] = relay.keys["admin"]

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
        media = request.headers.get("content-type", "json")
        if wrong and "json" in media and given(request.body):
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


READING_CALLERS = (*_callers(), *_errors())
