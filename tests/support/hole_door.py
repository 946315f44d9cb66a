"""A door before the bundled twin that does one thing wrong: what holes of other makers are made of."""

import json
import posixpath
import re
import urllib.parse
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.support.relay import Relay, Reply, Request

BASE = "/digital-twin-city/v1"


PAGE = {"content-type": "text/html; charset=utf-8"}


JSON = {"content-type": "application/json"}


class Door(Relay):
    """A relay that knows the twin's keys, and sees requests as they were sent."""

    def __init__(self, hole: "Hole", target: Path) -> None:
        super().__init__()
        kept = yaml.safe_load(target.read_text(encoding="utf-8"))
        self.keys = {
            role: Path(place.removeprefix("file:")).read_text(encoding="utf-8").strip()
            for role, place in kept["auth"]["api_keys"].items()
        }
        self.city, self.other = kept["city"], kept["other_city"]["id"]
        self.state: dict[str, Any] = {}
        self._hole = hole

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        """As sent: the library would join slashes at the beginning."""
        handler.path = handler.requestline.split(" ")[1]
        self.link = handler
        with self.lock:
            super().handle(handler)

    def before(self, request: Request) -> Reply | None:
        twice = self.link.headers.get_all("x-api-key") or []
        if len(twice) > 1:
            request.headers["x-api-key"] = ", ".join(twice)
        return self._hole.before(self, request) if self._hole.before else None

    def after(self, request: Request, reply: Reply) -> Reply:
        return (self._hole.after(self, request, reply) or reply) if self._hole.after else reply

    def role(self, request: Request) -> str | None:
        """Whose key comes with the request; None for nobody's."""
        given = request.headers.get("x-api-key")
        return next((role for role, key in self.keys.items() if key == given), None)

    def admit(self, request: Request, role: str = "admin") -> None:
        """Let the request in as somebody else."""
        request.headers.pop("authorization", None)
        request.headers["x-api-key"] = self.keys[role]


Before = Callable[[Door, Request], Reply | None]


After = Callable[[Door, Request, Reply], Reply | None]


class Hole(NamedTuple):
    """One hole and the requirement that must be blamed for it."""

    requirement: str
    what: str
    before: Before | None = None
    after: After | None = None


def keyless(request: Request) -> bool:
    """No credential where credentials belong."""
    return "x-api-key" not in request.headers and "authorization" not in request.headers


def when(test: Callable[[Door, Request], Any], role: str = "admin", tidy: bool = False) -> Before:
    """Let in what passes the test; `tidy`: by the path that a lenient router makes of it."""

    def before(door: Door, request: Request) -> None:
        if test(door, request):
            door.admit(request, role)
            if tidy:
                request.path = tidied(request.path)

    return before


def tidied(path: str) -> str:
    """The path as a lenient router reads it."""
    text = re.sub(r";[^/]*", "", urllib.parse.unquote(urllib.parse.unquote(path)))
    return urllib.parse.quote(posixpath.normpath(re.sub(r"/+", "/", text)))


def failing(test: Callable[[Request], Any]) -> Before:
    """A text that reaches a query makes the server fail."""

    def before(door: Door, request: Request) -> Reply | None:
        if test(request) and door.role(request):
            error = {"code": "INTERNAL_ERROR", "number": 9001, "message": "something went wrong"}
            return Reply(500, dict(JSON), json.dumps({"error": error}).encode())
        return None

    return before


def quoted(method: str, path: str) -> Callable[[Request], bool]:
    """A quote somewhere in the body of an operation."""
    return lambda request: (
        request.method == method and re.fullmatch(path, request.below) is not None and b"'" in request.body
    )
