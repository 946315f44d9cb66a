"""Holes in what is stored, asked for, shown and counted (DTC-SEC-008 to -017)."""

import re
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

from tests.support.hole_door import PAGE, After, Before, Door, Hole, failing, keyless, quoted, tidied
from tests.support.relay import Reply, Request


def _keep_member(name: str) -> Before:
    """What a client says of a member that the server sets itself is taken."""

    def before(door: Door, request: Request) -> None:
        body = request.json
        if request.method in ("POST", "PATCH") and isinstance(body, dict) and name in body:
            key = body.get("id") or request.path.rpartition("/")[2]
            door.state[str(key)] = body.pop(name)
            request.json = body

    return before


def _show_member(name: str, usual: str) -> After:
    def after(door: Door, request: Request, reply: Reply) -> None:
        body = reply.json
        if (
            re.fullmatch(r"/objects(/[^/]+)?", request.below)
            and isinstance(body, dict)
            and "geometry" in body
        ):
            reply.json = {**body, name: door.state.get(str(body.get("id")), usual)}

    return after


def _results(door: Door, request: Request, reply: Reply) -> None:
    sent, body = request.json, reply.json
    if request.method == "POST" and request.below == "/simulations" and isinstance(body, dict):
        if reply.status < 300 and isinstance(sent, dict):
            taken = {name: sent[name] for name in ("results", "status", "progress") if name in sent}
            door.state[str(body.get("id") or body.get("simulationId"))] = taken
            reply.json = {**body, **taken}
    elif request.below.startswith("/simulations/") and isinstance(body, dict) and reply.status == 200:
        reply.json = {**body, **door.state.get(request.below.rpartition("/")[2], {})}


def _operators(door: Door, request: Request) -> None:
    """`type[$ne]=x` is carried out."""
    for name, value in request.query:
        if name == "type[$ne]":
            door.state["not"] = value
    request.query = [pair for pair in request.query if pair[0] != "type[$ne]"]


def _without(door: Door, request: Request, reply: Reply) -> None:
    unwanted, body = door.state.pop("not", None), reply.json
    if unwanted and isinstance(body, dict) and "objects" in body:
        body["objects"] = [one for one in body["objects"] if one["type"] != unwanted]
        reply.json = body


def _sleepy(door: Door, request: Request) -> None:
    if "pg_sleep" in urllib.parse.unquote(request.path) and request.below.startswith("/sensors/"):
        time.sleep(6)


def _second_order(request: Request) -> bool:
    found = dict(request.query).get("properties.name", "")
    return request.method == "GET" and "O'" in found


def _deep(request: Request) -> bool:
    return request.body.count(b"[") > 900 or request.body.count(b"{") > 900


def _dollar(door: Door, request: Request) -> None:
    if request.below == "/objects" and request.method == "POST":
        body = request.json
        if isinstance(body, dict) and isinstance(body.get("properties"), dict):
            body["properties"] = {
                name: {k: v for k, v in value.items() if not k.startswith("$")}
                if isinstance(value, dict) else value
                for name, value in body["properties"].items()
            }  # fmt: skip
            request.json = body


def _visits(request: Request, text: str) -> None:
    for url in re.findall(r"https?://[^\s\"'<>&]+", text):
        try:
            with urllib.request.urlopen(url, timeout=3) as answer:  # noqa: S310 - http, which is the hole
                answer.read(100)
        except (OSError, ValueError):
            continue


def _visits_patches(door: Door, request: Request) -> None:
    if request.method == "PATCH" and door.role(request):
        _visits(request, request.body.decode("utf-8", "replace"))


def _visits_queries(door: Door, request: Request) -> None:
    if request.method == "GET" and door.role(request):
        for _, value in request.query:
            _visits(request, value)


def _page_of(test: Callable[[Request], Any]) -> After:
    """Browsers get what is stored as a page."""

    def after(door: Door, request: Request, reply: Reply) -> Reply | None:
        if reply.status == 200 and test(request):
            return Reply(200, dict(PAGE), b"<pre>" + reply.body + b"</pre>")
        return None

    return after


def _asks_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _suffixed(door: Door, request: Request) -> None:
    if request.path.endswith(".html"):
        request.path = request.path.removesuffix(".html")
        request.headers["accept"] = "text/html"


def _unsniffed(path: str) -> After:
    def after(door: Door, request: Request, reply: Reply) -> None:
        if re.fullmatch(path, request.below):
            reply.headers.pop("x-content-type-options", None)

    return after


def _body_page(door: Door, request: Request, reply: Reply) -> Reply | None:
    if reply.status in (400, 422) and request.body:
        return Reply(reply.status, dict(PAGE), b"<p>bad request: " + request.body[:4000] + b"</p>")
    return None


def _split_headers(door: Door, request: Request, reply: Reply) -> None:
    text = urllib.parse.unquote(request.path)
    for line in text.split("\r\n")[1:]:
        name, found, value = line.partition(":")
        if found and re.fullmatch(r"[A-Za-z-]+", name):
            reply.headers[name.lower()] = value.strip()


def _method_page(door: Door, request: Request, reply: Reply) -> Reply | None:
    if reply.status == 405:
        text = urllib.parse.unquote(request.path)
        return Reply(405, dict(PAGE), f"<p>{request.method} is not allowed at {text}</p>".encode())
    return None


def _key_cookie(door: Door, request: Request) -> None:
    found = re.search(r"(?i)(?:x-api-key|api_key|apikey)=([^;\s]+)", request.headers.get("cookie", ""))
    if keyless(request) and found:
        request.headers["x-api-key"] = found[1]


def _reflects(test: Callable[[Request], Any]) -> After:
    def after(door: Door, request: Request, reply: Reply) -> None:
        if "origin" in request.headers and test(request):
            reply.headers["access-control-allow-origin"] = request.headers["origin"]
            reply.headers["access-control-allow-credentials"] = "true"

    return after


def _form(path: str, kinds: str) -> Before:
    """An operation that takes other media types too."""

    def before(door: Door, request: Request) -> None:
        kind = request.headers.get("content-type", "").lower()
        if request.method == "POST" and re.fullmatch(path, request.below) and re.match(kinds, kind):
            request.headers["content-type"] = "application/json"
            if "multipart" in kind:
                request.body = request.body.partition(b"\r\n\r\n")[2].rpartition(b"\r\n--")[0]

    return before


def _unlimited(test: Callable[[Request], Any]) -> Before:
    """Some requests with the limited key count for nobody."""

    def before(door: Door, request: Request) -> None:
        if door.role(request) == "limited" and test(request):
            door.admit(request)
            request.path = tidied(request.path)
            request.path = re.sub("(?i)/cities/", "/cities/", request.path)

    return before


def _city_instant(door: Door, request: Request) -> None:
    if request.method == "PATCH" and request.below == "/" and door.role(request):
        body = request.json
        if isinstance(body, dict) and "lastUpdated" in body:
            door.state["lastUpdated"] = body["lastUpdated"]


def _shown_instant(door: Door, request: Request, reply: Reply) -> None:
    body = reply.json
    if (
        request.below == "/"
        and isinstance(body, dict)
        and "lastUpdated" in body
        and "lastUpdated" in door.state
    ):
        reply.json = {**body, "lastUpdated": door.state["lastUpdated"]}


CONTENT: tuple[Hole, ...] = (
    Hole("DTC-SEC-008", "clients say who created an object",
         _keep_member("createdBy"), _show_member("createdBy", "key-1")),
    Hole("DTC-SEC-008", "clients say whose it is", _keep_member("owner"), _show_member("owner", "city")),
    Hole("DTC-SEC-008", "clients say when an object was created, under another name",
         _keep_member("createdAt"), _show_member("createdAt", "2026-01-01T00:00:00Z")),
    Hole("DTC-SEC-008", "clients bring the results of a simulation", None, _results),
    Hole("DTC-SEC-008", "clients say when the city changed", _city_instant, _shown_instant),
    Hole("DTC-SEC-009", "operators in names of filters are carried out", _operators, _without),
    Hole("DTC-SEC-009", "a delay in a sensor's id is carried out", _sleepy),
    Hole("DTC-SEC-009", "a quote in the sorting reaches a query",
         failing(lambda r: "'" in dict(r.query).get("sort", ""))),
    Hole("DTC-SEC-009", "a quote in an instant reaches a query",
         failing(lambda r: "'" in dict(r.query).get("start", "") and r.below.endswith("/data"))),
    Hole("DTC-SEC-010", "a quote in a sensor reaches a query", failing(quoted("POST", "/sensors"))),
    Hole("DTC-SEC-010", "a quote in a change reaches a query", failing(quoted("PATCH", "/objects/.*"))),
    Hole("DTC-SEC-010", "a quote in a simulation reaches a query", failing(quoted("POST", "/simulations"))),
    Hole("DTC-SEC-010", "a quote in a reading reaches a query", failing(quoted("POST", "/sensors/.*/data"))),
    Hole("DTC-SEC-010", "a quote in a search reaches a query", failing(quoted("POST", "/spatial/nearby"))),
    Hole("DTC-SEC-010", "stored text is put into a later query", failing(_second_order)),
    Hole("DTC-SEC-010", "a deeply nested body makes the server fail", failing(_deep)),
    Hole("DTC-SEC-010", "members that look like operators are lost", _dollar),
    Hole("DTC-SEC-010", "addresses in a change are visited", _visits_patches),
    Hole("DTC-SEC-010", "addresses in a query are visited", _visits_queries),
    Hole("DTC-SEC-011", "browsers get lists as a page",
         None, _page_of(lambda r: _asks_page(r) and r.below == "/objects" and r.method == "GET")),
    Hole("DTC-SEC-011", "browsers get sensors as a page",
         None, _page_of(lambda r: _asks_page(r) and r.below.startswith("/sensors/") and r.method == "GET")),
    Hole("DTC-SEC-011", "a suffix makes a page of an object", _suffixed, _page_of(_asks_page)),
    Hole("DTC-SEC-011", "searches may be sniffed", None, _unsniffed("/spatial/nearby")),
    Hole("DTC-SEC-011", "lists of sensors may be sniffed", None, _unsniffed("/sensors")),
    Hole("DTC-SEC-012", "a refused body comes back in a page", None, _body_page),
    Hole("DTC-SEC-012", "line breaks in a path become headers", None, _split_headers),
    Hole("DTC-SEC-012", "a refused method comes back in a page with the path", None, _method_page),
    Hole("DTC-SEC-013", "a key is taken from a cookie", _key_cookie),
    Hole("DTC-SEC-014", "any origin may read lists with credentials",
         None, _reflects(lambda r: r.below.startswith("/objects"))),
    Hole("DTC-SEC-014", "the origin null may read with credentials",
         None, _reflects(lambda r: r.headers["origin"] == "null")),
    Hole("DTC-SEC-014", "any origin may search with credentials",
         None, _reflects(lambda r: r.method == "POST" or r.below.startswith("/spatial"))),
    Hole("DTC-SEC-015", "text is taken when it mentions JSON",
         _form("/objects", r"text/plain.*application/json")),
    Hole("DTC-SEC-015", "readings are taken as text", _form("/sensors/[^/]+/data", "text/plain")),
    Hole("DTC-SEC-015", "simulations are taken as forms", _form("/simulations", "multipart|.*urlencoded")),
    Hole("DTC-SEC-015", "sensors are taken as forms", _form("/sensors", ".*urlencoded")),
    Hole("DTC-SEC-017", "who claims to come from inside has no limit",
         _unlimited(lambda r: "127.0.0.1" in r.headers.get("x-forwarded-for", ""))),
    Hole("DTC-SEC-017", "another spelling of the path has a limit of its own",
         _unlimited(lambda r: r.path != tidied(r.path))),
    Hole("DTC-SEC-017", "a token beside the key has a limit of its own",
         _unlimited(lambda r: "authorization" in r.headers)),
    Hole("DTC-SEC-017", "each session has a limit of its own", _unlimited(lambda r: "cookie" in r.headers)),
)  # fmt: skip
