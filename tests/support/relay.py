"""A relay before a real twin that may change each request and each answer, headers and framing included."""

import gzip
import http.client
import json
import re
import threading
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from tests.support.spoilt import serving

_HOP = {"host", "connection", "content-length", "transfer-encoding", "keep-alive"}
NOTHING: Any = None


@dataclass
class Request:
    """A request on its way to the twin."""

    method: str
    path: str
    """With the base, percent-encoded, without the query."""
    query: list[tuple[str, str]]
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def below(self) -> str:
        """The path below the city, decoded: `/objects/x`; the whole path when it leads to no city."""
        _, found, rest = self.path.partition("/cities/")
        return "/" + urllib.parse.unquote(rest.partition("/")[2]) if found else self.path

    @property
    def city(self) -> str:
        """The city in the path, empty for none."""
        return self.path.partition("/cities/")[2].partition("/")[0]

    @property
    def json(self) -> Any:
        """The body as JSON; None when it is none."""
        return _parsed(self.body)

    @json.setter
    def json(self, value: Any) -> None:
        self.body = json.dumps(value).encode()


@dataclass
class Reply:
    """What goes back to the client."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    """Names in lower case."""
    body: bytes = b""
    chunked: bool = False
    """Send the body in chunks, without a length."""

    @property
    def json(self) -> Any:
        """The body as JSON; None when it is none."""
        return _parsed(self.body)

    @json.setter
    def json(self, value: Any) -> None:
        self.body = json.dumps(value, ensure_ascii=False).encode()


class Relay:
    """Passes all through as it is; a subclass changes what it wants to."""

    def __init__(self) -> None:
        self.twin = ""
        self.keys: dict[str, str] = {}
        """The keys of the target file by role."""
        self.lock = threading.RLock()

    def before(self, request: Request) -> Reply | None:
        """Change the request in place; a reply given here never reaches the twin."""

    def after(self, request: Request, reply: Reply) -> Reply:
        """Change the reply."""
        return reply

    def ask(
        self, method: str, path: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Ask the twin itself."""
        link = http.client.HTTPConnection(self.twin, timeout=30)
        try:
            link.request(method, path, body=body or None, headers=dict(headers or {}))
            answer = link.getresponse()
            content = answer.read()
            found = {name.lower(): value for name, value in answer.getheaders() if name.lower() not in _HOP}
        finally:
            link.close()
        return Reply(answer.status, found, content)

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        """Relay one exchange."""
        path, _, query = handler.path.partition("?")
        request = Request(
            handler.command,
            path,
            urllib.parse.parse_qsl(query, keep_blank_values=True) if "+" not in query else [("", query)],
            {name.lower(): value for name, value in handler.headers.items()},
            handler.rfile.read(int(handler.headers.get("Content-Length") or 0)),
        )
        reply = self.before(request)
        if reply is None:
            sent = {name: value for name, value in request.headers.items() if name not in _HOP}
            sent["accept-encoding"] = "identity"
            raw = query if request.query[:1] and request.query[0][0] == "" else _query(request.query)
            full = request.path + (f"?{raw}" if raw else "")
            reply = self.ask(request.method, full, body=request.body, headers=sent)
        reply = self.after(request, reply)
        _send(handler, reply)


@contextmanager
def relayed(target: Path, relay: Relay, folder: Path) -> Iterator[Path]:
    """A target file whose base URL leads through the relay to the twin of the given target file."""
    text = target.read_text(encoding="utf-8")
    relay.twin = re.findall(r"http://([^/\"']+)/digital-twin-city/v1", text)[0]
    found = re.findall(r'"(\w+)": "file:([^"]+)"', text)
    relay.keys = {role: Path(file).read_text(encoding="utf-8").strip() for role, file in found}
    with serving(relay.handle) as origin:
        other = folder / "relayed.yaml"
        other.write_text(text.replace(f"http://{relay.twin}", origin), encoding="utf-8")
        yield other


def zipped(reply: Reply) -> Reply:
    """The reply with its body in gzip."""
    reply.body = gzip.compress(reply.body)
    reply.headers["content-encoding"] = "gzip"
    return reply


def _query(pairs: list[tuple[str, str]]) -> str:
    return urllib.parse.urlencode(pairs, quote_via=urllib.parse.quote)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except (ValueError, RecursionError):
        return None


def _send(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    handler.send_response_only(reply.status)  # with the twin's own Date and Server
    for name, value in reply.headers.items():
        handler.send_header(name, value)
    if reply.status == 204:
        handler.end_headers()
        return
    if reply.chunked:
        handler.send_header("transfer-encoding", "chunked")
        handler.end_headers()
        for at in range(0, len(reply.body), 700):
            part = reply.body[at : at + 700]
            handler.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        handler.wfile.write(b"0\r\n\r\n")
        return
    handler.send_header("content-length", str(len(reply.body)))
    handler.end_headers()
    handler.wfile.write(reply.body)
