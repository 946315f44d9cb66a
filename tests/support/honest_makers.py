"""Makers whose twins are as secure as the standard asks, each in its own way: no alarm may be raised.

Written from the catalogue alone, beside the holes: what is left open there is answered otherwise here.
"""

import re
import time
import urllib.parse
from typing import Any

from tests.support.hole_door import JSON, PAGE, Door, Hole, keyless, tidied
from tests.support.relay import Reply, Request

_HOSTILE = re.compile(
    r"'|--|\bUNION\b|\bSELECT\b|sleep|WAITFOR|\$where|\$ne|<script|<img|<svg|onmouseover|\.\./|\.\.;|/\./|%00",
    re.IGNORECASE,
)
_KNOWN = re.compile(
    r"limit|offset|type|bounds|properties\..*|updatedSince|start|end|parameter|function|interval|status|lod|sort"
)
_MEMBERS = {
    "id", "type", "geometry", "properties", "lod", "metadata", "relationships", "sensors", "name", "location",
    "specifications", "measurements", "radius", "parameters", "cityId", "status", "attachedTo",
}  # fmt: skip


def _problem(status: int, **headers: str) -> Reply:
    return Reply(status, {"content-type": "text/plain", **headers}, b"no")


def _is_hostile(request: Request) -> bool:
    text = urllib.parse.unquote(request.path) + "".join(f"{name}={value}" for name, value in request.query)
    return bool(_HOSTILE.search(text) or _HOSTILE.search(request.body.decode("utf-8", "replace")))


# --- a twin that hides what is not the caller's -------------------------------------------------------------


def _hiding(door: Door, request: Request) -> Reply | None:
    if request.path != tidied(request.path) and request.path.rstrip("/"):
        return Reply(308, {"location": tidied(request.path)}, b"")
    if request.method == "HEAD":
        return Reply(405, {"allow": "GET"}, b"")
    if request.method == "OPTIONS":
        return Reply(204, {"access-control-allow-origin": "*", "access-control-allow-headers": "x-api-key"})
    if request.method not in ("GET", "POST", "PATCH", "DELETE"):
        return _problem(501)
    return None


def _hidden(door: Door, request: Request, reply: Reply) -> Reply | None:
    if reply.status == 403 and request.city:
        error = {"code": "CITY_NOT_FOUND", "number": 1001, "message": "there is no such city"}
        return Reply(404, dict(JSON), b'{"error": %s}' % str(error).replace("'", '"').encode())
    if reply.status == 401:
        return Reply(401, {"www-authenticate": "ApiKey"}, b"")
    if "origin" in request.headers:
        reply.headers["access-control-allow-origin"] = "*"
    return None


# --- a firewall before the twin -----------------------------------------------------------------------------


def _walled(door: Door, request: Request) -> Reply | None:
    door.state["count"] = door.state.get("count", 0) + 1
    if _is_hostile(request):
        page = f"<html><h1>Request blocked</h1><p>Reference {door.state['count']}</p></html>"
        return Reply(403, dict(PAGE), page.encode())
    if any(not _KNOWN.fullmatch(name) for name, _ in request.query):
        return _problem(400)
    return None


def _balanced(door: Door, request: Request, reply: Reply) -> None:
    reply.headers.setdefault("set-cookie", "lb=a7; Path=/; HttpOnly; Secure; SameSite=Lax")


# --- a twin that washes what it stores ----------------------------------------------------------------------


def _washing(door: Door, request: Request) -> Reply | None:
    if request.path in ("/", "/docs") and request.method == "GET":
        return Reply(200, dict(PAGE), b"<!doctype html><title>City</title><h1>Welcome</h1>")
    body = request.json
    if request.method in ("POST", "PATCH") and isinstance(body, dict) and request.city:
        if request.below.startswith("/objects") and set(body) - _MEMBERS:
            return _problem(400)
        if request.method == "PATCH" and {"id", "cityId"} & set(body):
            return _problem(422)
        if "<" in request.body.decode("utf-8", "replace"):
            request.json = _washed(body)
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    if bearer in door.keys.values():
        request.headers.pop("authorization")
        request.headers["x-api-key"] = bearer
    return None


def _washed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _washed(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_washed(one) for one in value]
    return value.replace("<", "&lt;").replace(">", "&gt;") if isinstance(value, str) else value


def _owned(door: Door, request: Request, reply: Reply) -> None:
    if "origin" in request.headers:
        reply.headers["access-control-allow-origin"] = "https://dashboard.city.example"
        reply.headers["access-control-allow-credentials"] = "true"
    body = reply.json
    if isinstance(body, dict) and "geometry" in body and reply.status < 300:
        reply.json = {**body, "owner": "city", "createdBy": "key-1", "createdAt": "2026-01-01T00:00:00Z"}


# --- a twin that locks out who guesses ----------------------------------------------------------------------


def _locking(door: Door, request: Request) -> Reply | None:
    """Thirty wrong keys in five seconds, and nobody from there is answered for two."""
    now = time.monotonic()
    if now < door.state.get("until", 0.0):
        return _problem(429, **{"retry-after": "2"})
    if door.role(request) is None and not keyless(request) and "authorization" not in request.headers:
        recent = [at for at in door.state.get("wrong", []) if at > now - 5] + [now]
        door.state["wrong"] = recent
        if len(recent) >= 30:
            door.state["wrong"], door.state["until"] = [], now + 2
    return None


MAKERS: dict[str, Hole] = {
    "hiding": Hole("", "404 for what is another's, redirects to tidy paths, CORS for all", _hiding, _hidden),
    "walled": Hole(
        "", "a firewall answers 403 with a page, unknown parameters are refused", _walled, _balanced
    ),
    "washing": Hole("", "markup is escaped when it is stored, unknown members are refused", _washing, _owned),
    "locking": Hole("", "who guesses keys is locked out for two seconds", _locking),
}
