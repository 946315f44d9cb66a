"""A proxy that stands before a real twin and changes single answers: a target with one defect."""

import http.client
import json
import re
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.spoilt import serving


class Exchange(NamedTuple):
    """A request on its way to the twin, or what came back for it."""

    method: str
    path: str
    """Below the city, without the query: `/sensors`."""
    query: dict[str, str]
    sent: Any
    """The JSON of the request; None without a body."""
    status: int = 0
    body: Any = None
    """The JSON of the answer; None without one."""


Meddle = Callable[[Exchange], Exchange]
"""Called with the answer; what it returns goes to the client."""


@contextmanager
def meddling(target: Path, meddle: Meddle, folder: Path) -> Iterator[Path]:
    """A target file whose base URL leads through the meddler to the twin of the given target file."""
    text = target.read_text(encoding="utf-8")
    twin = re.findall(r"http://([^/\"']+)/digital-twin-city/v1", text)[0]

    def handle(request: BaseHTTPRequestHandler) -> None:
        _answer(request, twin, meddle)

    with serving(handle) as origin:
        spoilt = folder / "target.yaml"
        spoilt.write_text(text.replace(f"http://{twin}/digital", f"{origin}/digital"), encoding="utf-8")
        yield spoilt


def _answer(request: BaseHTTPRequestHandler, twin: str, meddle: Meddle) -> None:
    sent = request.rfile.read(int(request.headers.get("Content-Length") or 0))
    link = http.client.HTTPConnection(twin, timeout=30)
    headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
    link.request(request.command, request.path, body=sent or None, headers=headers)
    reply = link.getresponse()
    content = reply.read()
    link.close()
    url = urllib.parse.urlsplit(request.path)
    below = url.path.split("/cities/", 1)[-1].partition("/")[2]
    came = Exchange(
        request.command,
        f"/{below}",
        dict(urllib.parse.parse_qsl(url.query)),
        json.loads(sent) if sent else None,
        reply.status,
        json.loads(content) if content else None,
    )
    changed = meddle(came)
    spoilt = b"" if changed.body is None else json.dumps(changed.body).encode()
    request.send_response(changed.status)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(spoilt)))
    request.end_headers()
    request.wfile.write(spoilt)
