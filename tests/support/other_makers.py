"""Other makers' twins: the bundled one behind relays that answer otherwise, and no less legally.

Each class collects ways in which the standard leaves a maker free. The suites must raise no alarm at any.
"""

import re
import time
import urllib.parse
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, ClassVar

from tests.support.relay import Relay, Reply, Request, zipped

SEOUL = timezone(timedelta(hours=9))
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_CLIENTS = frozenset({"properties", "specifications", "parameters", "query", "details"})
"""Members whose content belongs to the client."""
_LISTS = {"/objects": "objects", "/sensors": "sensors"}


def deep(value: Any, change: Callable[[Any], Any], skip: frozenset[str] = frozenset()) -> Any:
    """The JSON value with each plain value changed, except below the members in `skip`."""
    if isinstance(value, dict):
        return {k: v if k in skip else deep(v, change, skip) for k, v in value.items()}
    if isinstance(value, list):
        return [deep(entry, change, skip) for entry in value]
    return change(value)


def is_list(request: Request, reply: Reply) -> str | None:
    """The name of the list that this answer holds, None when it holds none."""
    if request.method == "GET" and reply.status == 200:
        return _LISTS.get(request.below)
    return None


class Terse(Relay):
    """Bare arrays and counts in headers, 204 and 202 where it may, 422 for bad data, chunks and gzip."""

    def after(self, request: Request, reply: Reply) -> Reply:
        reply = self._bare(request, self._laconic(request, reply))
        if reply.body and "json" in reply.headers.get("content-type", ""):
            reply.headers["content-type"] = "Application/JSON; Charset=UTF-8"
        for name in ("www-authenticate", "etag"):
            reply.headers.pop(name, None)
        for name in [name for name in reply.headers if name.startswith("x-ratelimit")]:
            reply.headers.pop(name)
        if "gzip" in request.headers.get("accept-encoding", "") and reply.body:
            reply = zipped(reply)
        reply.chunked = bool(reply.body)
        return reply

    def _bare(self, request: Request, reply: Reply) -> Reply:
        """Lists without a frame, places as Points."""
        body = reply.json
        if (name := is_list(request, reply)) and isinstance(body, dict):
            reply.headers["x-total-count"] = str(body["total"])
            reply.headers["x-limit"], reply.headers["x-offset"] = str(body["limit"]), str(body["offset"])
            reply.json = body[name]
        if request.below.endswith("/history") and reply.status == 200 and isinstance(body, dict):
            reply.json = body["versions"]
        if request.below == "/spatial/nearby" and reply.status == 200 and isinstance(body, dict):
            for one in body["results"]:
                one["location"] = {"type": "Point", "coordinates": one["location"]}
            reply.json = body
        return reply

    def _laconic(self, request: Request, reply: Reply) -> Reply:
        """Answers without content, 422 for bad data, 404 for wrong methods."""
        body = reply.json
        if request.method == "PATCH" and reply.status == 200:
            return Reply(204, _without_media(reply))
        if request.method == "DELETE" and reply.status == 204:
            reply = Reply(200, {"content-type": "application/json"}, b"{}")
        if request.method == "POST" and request.below.endswith("/data") and reply.status == 201:
            reply = Reply(202, _without_media(reply))
        if reply.status == 400 and request.below != "/" and isinstance(body, dict) and "error" in body:
            if isinstance(body["error"], dict):
                body["error"].pop("details", None)
            if request.json is not None or request.query:
                reply.status = 422
            reply.json = body
        if reply.status == 405:
            reply.status = 404
            reply.headers.pop("allow", None)
        return reply


class Talkative(Relay):
    """Extra members everywhere, times in its own zone, whole numbers written as fractions, weak ETags.

    Lists under `items`, pages of at most 60, 40 by default; unknown services as any unknown thing.
    """

    PAGE = 60
    DEFAULT = 40

    def before(self, request: Request) -> Reply | None:
        if request.method == "GET" and request.below in _LISTS:
            given = dict(request.query)
            limit = given.get("limit", "")
            if not limit:
                request.query.append(("limit", str(self.DEFAULT)))
            elif limit.isdigit() and int(limit) > self.PAGE:
                request.query = [(k, str(self.PAGE) if k == "limit" else v) for k, v in request.query]
        return None

    def after(self, request: Request, reply: Reply) -> Reply:
        body = reply.json
        if reply.status == 404 and body is not None and body["error"].get("code") == "SERVICE_NOT_FOUND":
            body["error"]["code"] = "ROUTE_NOT_FOUND"
        if reply.status == 404 and body is not None and body["error"].get("code") == "ROUTE_NOT_FOUND":
            body["error"]["message"] = "there is no such thing"
        if (name := is_list(request, reply)) and isinstance(body, dict):
            body = {
                "items": body[name],
                "page": {"total_items": body["total"], "limit": body["limit"], "offset": body["offset"]},
                "links": [{"rel": "self"}],
            }
        if body is not None and "oauth" not in request.path:
            body = deep(body, _as_fraction, _CLIENTS)
            body = deep(body, self._in_zone, _CLIENTS | {"timeRange"})
            reply.json = self._more(body)
        if reply.status == 200:
            reply.headers["etag"] = f'W/"{time.monotonic_ns()}"'
        return reply

    def _in_zone(self, value: Any) -> Any:
        if isinstance(value, str) and _INSTANT.fullmatch(value):
            return datetime.fromisoformat(value).astimezone(SEOUL).isoformat(timespec="microseconds")
        return value

    def _more(self, body: Any) -> Any:
        if isinstance(body, dict):
            extra = {"_links": {"self": {"href": "here"}}, "requestId": str(time.monotonic_ns())}
            inner = {k: [self._more(v) for v in vs] if k == "items" else vs for k, vs in body.items()}
            return {**inner, **extra}
        return body


class Leisurely(Relay):
    """Carries out a DELETE later, lists what is new and counts it later, shows readings a moment later."""

    LATE_S = 0.7

    def __init__(self) -> None:
        super().__init__()
        self._doomed: dict[str, tuple[float, dict[str, str]]] = {}
        self._born: dict[str, float] = {}
        self._counts: tuple[float, Reply] | None = None
        self._readings: dict[str, float] = {}

    def before(self, request: Request) -> Reply | None:
        with self.lock:
            now = time.monotonic()
            for path, (due, headers) in list(self._doomed.items()):
                if due <= now:
                    del self._doomed[path]
                    self.ask("DELETE", path, headers=headers)
            if request.method == "DELETE" and "/objects/" in request.path and "x-api-key" in request.headers:
                key = {"x-api-key": request.headers["x-api-key"]}
                known = self.ask("GET", request.path, headers=key).status == 200
                if known and request.path not in self._doomed and self._may_delete(request):
                    self._doomed[request.path] = (now + self.LATE_S, key)
                    return Reply(202, {"content-type": "application/json"}, b"{}")
            if request.method == "POST" and request.below.endswith("/data"):
                self._readings[request.path] = now
            early = now - self._readings.get(request.path, 0.0) < self.LATE_S / 2
            span = dict(request.query)
            if request.method == "GET" and request.below.endswith("/data") and early and _sound(span):
                request.query = [("start", "2001-01-01T00:00:00Z"), ("end", "2001-01-01T00:00:01Z")]
        return None

    def _may_delete(self, request: Request) -> bool:
        probe = {"x-api-key": request.headers["x-api-key"], "content-type": "application/json"}
        return self.ask("PATCH", request.path, body=b"{}", headers=probe).status != 403

    def after(self, request: Request, reply: Reply) -> Reply:
        now = time.monotonic()
        body = reply.json
        with self.lock:
            if request.method == "POST" and request.below == "/objects" and reply.status == 201:
                self._born[body["id"]] = now
            if request.method == "GET" and request.below == "/statistics" and reply.status == 200:
                if self._counts is None or now - self._counts[0] > self.LATE_S:
                    self._counts = (now, reply)
                return self._counts[1]
            if request.method == "GET" and request.below == "/objects" and reply.status == 200:
                young = {name for name, at in self._born.items() if now - at < self.LATE_S}
                kept = [one for one in body["objects"] if one["id"] not in young]
                if len(kept) < len(body["objects"]) and "limit" in dict(request.query):
                    body["objects"] = kept
                    reply.json = body
        return reply


class Strict(Relay):
    """Refuses what it may: a type with a geometry that does not fit it, limits above 1000, odd words.

    One sensor cannot be asked for, lists cannot be sorted, the optional operations are not there, the city
    has no services.
    """

    FITS: ClassVar = {
        "Building": {"Polygon", "MultiPolygon"},
        "Road": {"LineString"},
        "Bridge": {"LineString"},
        "Park": {"Polygon", "MultiPolygon"},
        "Utility": {"Point"},
        "Landmark": {"Point"},
        "TransportHub": {"Point"},
        "WaterBody": {"Polygon", "MultiPolygon"},
    }

    def before(self, request: Request) -> Reply | None:
        key: dict[str, str] = {
            k: request.headers[k] for k in ("x-api-key", "authorization") if k in request.headers
        }
        nowhere = f"{request.path.partition('/cities/')[0]}/cities/{request.city}/no-such-thing"
        below = request.below
        if re.fullmatch(r"/sensors/(aggregate|[^/]+)", below) and request.city:
            return self.ask("GET", nowhere, headers=key)
        if below in ("/export", "/snapshots/compare", "/spatial/accessibility"):
            return self.ask("GET", nowhere, headers=key)
        if "openapi" in request.path or "api-docs" in request.path:
            return self.ask("GET", nowhere, headers=key)
        if below.startswith("/services/"):
            door = self.ask("GET", request.path.partition("/services")[0], headers=key)
            return door if door.status != 200 else self.ask("GET", nowhere, headers=key)
        if request.method == "GET" and below == "/objects":
            request.query = [(k, v) for k, v in request.query if k not in ("sortBy", "sortOrder")]
            limit = dict(request.query).get("limit", "")
            if limit.isdigit() and int(limit) > 1000:
                request.query = [(k, "-1" if k == "limit" else v) for k, v in request.query]
        body = request.json
        if isinstance(body, dict) and isinstance(body.get("geometry"), dict) and below.startswith("/objects"):
            kind = body.get("type")
            if kind is None and request.method == "PATCH":
                kept = self.ask("GET", request.path, headers=key).json
                kind = kept.get("type") if isinstance(kept, dict) else None
            shape = body["geometry"].get("type")
            known = any(shape in shapes for shapes in self.FITS.values())
            if isinstance(kind, str) and known and shape not in self.FITS.get(kind, {shape}):
                body["geometry"] = {"type": "Blob"}
                request.json = body
        return None

    def after(self, request: Request, reply: Reply) -> Reply:
        if request.below == "/services" and reply.status == 200:
            reply.json = {"services": []}
        return reply


class Naming(Relay):
    """Ids of its own: long, with spaces, colons and letters of other scripts."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: dict[str, str] = {}
        self._real: dict[str, str] = {}

    def before(self, request: Request) -> Reply | None:
        base, found, below = request.path.partition("/cities/")
        if found:
            parts = [urllib.parse.unquote(part) for part in below.split("/")]
            real = [self._real.get(part, part) for part in parts]
            request.path = base + found + "/".join(urllib.parse.quote(part, safe="") for part in real)
        if self._real and request.json is not None:
            request.json = deep(request.json, self._to_real)
        return None

    def after(self, request: Request, reply: Reply) -> Reply:
        body = reply.json
        if body is None:
            return reply
        sent = request.json
        given = (isinstance(sent, dict) and "id" in sent) or request.below.endswith("/data")
        made = body.get("id") if isinstance(body, dict) and reply.status in (201, 202) else None
        if request.method == "POST" and isinstance(made, str) and not given:
            with self.lock:
                shown = f"객체 #{len(self._shown) + 1}:{made}"
                self._shown[made], self._real[shown] = shown, made
        reply.json = deep(
            body, lambda value: self._shown.get(value, value) if isinstance(value, str) else value
        )
        return reply

    def _to_real(self, value: Any) -> Any:
        return self._real.get(value, value) if isinstance(value, str) else value


MAKERS: dict[str, type[Relay]] = {
    "terse": Terse,
    "talkative": Talkative,
    "leisurely": Leisurely,
    "strict": Strict,
    "naming": Naming,
}


def _without_media(reply: Reply) -> dict[str, str]:
    return {name: value for name, value in reply.headers.items() if name != "content-type"}


def _as_fraction(value: Any) -> Any:
    """A whole number as a number with a fraction of zero: JSON knows one kind of number."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**50:
        return float(value)
    return value


def _sound(span: dict[str, str]) -> bool:
    """Whether both ends of a range are instants with a zone, in order."""
    ends = [span.get(name, "") for name in ("start", "end")]
    if not all(_INSTANT.fullmatch(end) for end in ends):
        return False
    try:
        start, end = map(datetime.fromisoformat, ends)
    except ValueError:
        return False
    return start <= end
