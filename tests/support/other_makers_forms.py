"""Twins of other makers whose form, haste or reticence is their own, each within the standard."""

import json
import math
import re
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from typing import Any
from uuid import uuid4

from tests.support.defects_lists import refusal
from tests.support.other_makers import deep
from tests.support.relay import Relay, Reply, Request

_INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)")
_CLIENTS = frozenset({"properties", "specifications", "parameters", "query", "details"})
_SPHERE = 6_371_000.0
"""Metres of a round earth, as many makers take it."""


class Oldfashioned(Relay):
    """Few requests for a connection, an early idle end, old header forms, indented ASCII in reverse order.

    Instants have nine digits and `+00:00`, numbers an exponent, Retry-After is a date, cookies come along.
    """

    IDLE = 1.0
    EACH = 9
    """Requests for one connection."""

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        handler.connection.settimeout(self.IDLE)
        served = handler.__dict__["served"] = handler.__dict__.get("served", 0) + 1
        handler.close_connection = served >= self.EACH
        super().handle(handler)

    def after(self, request: Request, reply: Reply) -> Reply:
        body = reply.json
        if body is not None:
            shown = json.dumps(_reversed(deep(body, _nanoseconds, _CLIENTS)), indent=2)
            reply.body = shown.encode("ascii")
        if reply.headers.get("content-type", "").startswith("application/json"):
            reply.headers["content-type"] = 'application/json;charset="utf-8"'
        if "retry-after" in reply.headers:
            due = datetime.now(UTC) + timedelta(seconds=float(reply.headers["retry-after"]))
            reply.headers["retry-after"] = format_datetime(due, usegmt=True)
        reply.headers |= {"set-cookie": "lb=7f; Path=/; HttpOnly", "pragma": "no-cache", "vary": "*"}
        reply.headers = {name.upper(): value for name, value in reply.headers.items()}
        return reply


def _reversed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _reversed(value[name]) for name in reversed(value)}
    return [_reversed(one) for one in value] if isinstance(value, list) else value


def _nanoseconds(value: Any) -> Any:
    found = _INSTANT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return value
    zone = "+00:00" if found.group(3) == "Z" else found.group(3)
    return f"{found.group(1)}.{(found.group(2) or '').ljust(9, '0')}{zone}"


class Busy(Relay):
    """Others use the same allowance: now and then a request is one too many, and a connection is cut."""

    def __init__(self) -> None:
        super().__init__()
        self._seen = 0

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        with self.lock:
            self._seen += 1
            cut = self._seen % 61 == 0 and handler.command == "GET"
        if cut:
            handler.close_connection = True
            return
        super().handle(handler)

    def before(self, request: Request) -> Reply | None:
        if self._seen % 43 == 0 and request.city:
            reply = refusal("RATE_LIMIT_EXCEEDED", 429)
            reply.headers["retry-after"] = "1"
            return reply
        return None


class Taciturn(Relay):
    """Says no more than it must: no totals, no echo of pages, no details that are not asked for.

    Ids that it assigns are numbers in text; history comes newest first and ends with the object; a snapshot
    holds what phase 1 requires.
    """

    HEADERS = ("content-type", "date", "retry-after", "allow")

    def __init__(self) -> None:
        super().__init__()
        self._next = 1_000_000
        self._gone: set[str] = set()

    def before(self, request: Request) -> Reply | None:
        body = request.json
        if (
            request.method == "POST"
            and request.below == "/objects"
            and isinstance(body, dict)
            and "id" not in body
        ):
            with self.lock:
                self._next += 1
                request.json = {**body, "id": str(self._next)}
        history = re.fullmatch(r"/objects/([^/]+)/history", request.below)
        if history and history.group(1) in self._gone:
            reply = refusal("OBJECT_NOT_FOUND", 404)
            told = reply.json
            told["error"]["details"] = {"cityId": request.city, "objectId": history.group(1)}
            reply.json = told
            return reply
        return None

    def after(self, request: Request, reply: Reply) -> Reply:
        body = reply.json
        if request.method == "DELETE" and reply.status == 204 and request.below.startswith("/objects/"):
            self._gone.add(request.below.split("/")[2])
        for name in [
            name for name in reply.headers if name not in ("content-type", "retry-after", "date", "allow")
        ]:
            reply.headers.pop(name)
        if not isinstance(body, dict):
            return reply
        error = body.get("error")
        if reply.status >= 400 and isinstance(error, dict) and reply.status != 404:
            error.pop("details", None)
            error.pop("number", None)
        if request.method == "GET" and request.below in ("/objects", "/sensors") and reply.status == 200:
            name = request.below[1:]
            body = {name: body[name]}
        elif request.below.endswith("/history") and reply.status == 200:
            body["versions"] = body["versions"][::-1]
        elif request.below.startswith("/snapshots/20") and reply.status == 200:
            kept = ("version", "cityId", "timestamp", "bounds", "coordinateSystem", "cityObjects")
            body = {name: body[name] for name in kept}
        reply.json = body
        return reply


class Watchful(Relay):
    """A sensor is operational from its first reading on; runs take a while, without saying how far they are.

    Distances are those on a round earth, tokens are opaque and short, routes are straight.
    """

    RUNS = 3.0
    TOKENS = 4.0
    """Seconds for which a token is good."""

    def __init__(self) -> None:
        super().__init__()
        self._silent: set[str] = set()
        self._started: dict[str, float] = {}
        self._tokens: dict[str, tuple[str, float]] = {}

    def before(self, request: Request) -> Reply | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token in self._tokens:
            real, until = self._tokens[token]
            request.headers["authorization"] = (
                f"Bearer {real}" if time.monotonic() < until else "Bearer x.y.z"
            )
        run = request.path.partition("/results")[0]
        if request.below.endswith("/results") and self._under_way(run):
            key = {k: v for k, v in request.headers.items() if k in ("x-api-key", "authorization")}
            status = (self.ask("GET", run, headers=key).json or {}).get("status")
            return refusal("SIMULATION_NOT_READY", 409) if status in ("running", "completed") else None
        status = dict(request.query).get("status")
        if request.below == "/sensors" and request.method == "GET" and status in ("operational", "offline"):
            return self._by_status(request, status)
        return None

    def _under_way(self, run: str) -> bool:
        return time.monotonic() < self._started.get(run, 0.0) + self.RUNS

    def _by_status(self, request: Request, status: str) -> Reply | None:
        given = dict(request.query)
        limit, offset = given.get("limit", "100"), given.get("offset", "0")
        if not limit.isdigit() or not offset.isdigit() or limit == "0":
            return None
        key = {k: v for k, v in request.headers.items() if k in ("x-api-key", "authorization")}
        kind = f"&type={given['type']}" if "type" in given else ""
        found: list[dict[str, Any]] = []
        while True:
            page = self.ask("GET", f"{request.path}?limit=1000&offset={len(found)}{kind}", headers=key)
            if page.status != 200:
                return page
            found += page.json["sensors"]
            if len(page.json["sensors"]) < 1000:
                break
        running = [
            one["id"] not in self._silent and (one.get("status") or {}).get("operational", True)
            for one in found
        ]
        chosen = [one for one, runs in zip(found, running, strict=True) if runs == (status == "operational")]
        shown = chosen[int(offset) : int(offset) + min(1000, int(limit))]
        reply = Reply(200, {"content-type": "application/json"})
        reply.json = {
            "sensors": shown,
            "count": len(shown),
            "total": len(chosen),
            "limit": int(limit),
            "offset": int(offset),
        }
        return reply

    def after(self, request: Request, reply: Reply) -> Reply:
        body = reply.json
        if not isinstance(body, dict) or reply.status >= 400:
            return reply
        if "access_token" in body:
            opaque = uuid4().hex
            self._tokens[opaque] = (body["access_token"], time.monotonic() + self.TOKENS)
            body |= {
                "access_token": opaque,
                "token_type": "bearer",
                "expires_in": int(self.TOKENS),
                "scope": "twin",
            }
        elif request.method == "POST" and request.below == "/sensors":
            self._silent.add(body["id"])
        elif request.method == "POST" and request.below.endswith("/data"):
            self._silent.discard(request.below.split("/")[2])
        elif request.below == "/statistics":
            body["sensors"] = self._counted(request, body["sensors"])
        elif request.method == "POST" and request.below == "/simulations":
            self._started[f"{request.path}/{body['id']}"] = time.monotonic()
        elif re.fullmatch(r"/simulations/[^/]+", request.below) and self._under_way(request.path):
            if body.get("status") == "completed":
                body |= {"status": "running", "progress": 0}
                body.pop("completed", None)
            elif body.get("status") == "running":
                body["progress"] = 0
        elif request.below == "/spatial/nearby":
            centre = _place(request.json["location"])
            for one in body["results"]:
                one["distance"] = one["distance"] * _SPHERE / 6_378_137.0 if centre else one["distance"]
        elif request.below == "/spatial/route" and "route" in body:
            start, end = _place(request.json["start"]), _place(request.json["end"])
            body["route"] = {"type": "LineString", "coordinates": [start, end]}
            body |= {"distance": metres(start, end), "duration": metres(start, end) / 8, "instructions": []}
        reply.json = body
        return reply

    def _counted(self, request: Request, sensors: dict[str, Any]) -> dict[str, Any]:
        query = Request(
            "GET",
            request.path.replace("/statistics", "/sensors"),
            [("status", "operational"), ("limit", "1")],
            request.headers,
            b"",
        )
        found = self._by_status(query, "operational")
        total = sensors["total"]
        running = found.json["total"] if found is not None and found.status == 200 else sensors["operational"]
        return {**sensors, "operational": running, "offline": total - running}


def _place(value: Any) -> list[float]:
    return list(value["coordinates"] if isinstance(value, dict) else value)[:2]


def metres(start: list[float], end: list[float]) -> float:
    """The way on a round earth."""
    x1, y1, x2, y2 = map(math.radians, (*start, *end))
    h = math.sin((y2 - y1) / 2) ** 2 + math.cos(y1) * math.cos(y2) * math.sin((x2 - x1) / 2) ** 2
    return 2 * _SPHERE * math.asin(math.sqrt(h))


FORM_MAKERS: dict[str, type[Relay]] = {
    "oldfashioned": Oldfashioned,
    "busy": Busy,
    "taciturn": Taciturn,
    "watchful": Watchful,
}
