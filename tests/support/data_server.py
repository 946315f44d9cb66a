"""A loopback server for readers of services: a function answers, requests are kept to look at."""

import threading
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson

Answer = tuple[int, Any, dict[str, str]] | Any
"""A value for JSON, bytes, or (status, value, headers)."""


class Requests(list[tuple[str, str, dict[str, str], dict[str, str]]]):
    """Method, path, parameters and headers of what was asked."""

    base = ""


@contextmanager
def serving(answer: Callable[[str, dict[str, str], dict[str, str]], Answer]) -> Iterator[Requests]:
    """Serve on a free port of 127.0.0.1; `answer(path, parameters, headers)` gives the answers."""
    asked = Requests()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer("")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())

        def _answer(self, form: str) -> None:
            parts = urllib.parse.urlsplit(self.path)
            given = dict(urllib.parse.parse_qsl(parts.query) + urllib.parse.parse_qsl(form))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked.append((self.command, parts.path, given, headers))
            said = answer(parts.path, given, headers)
            status, value, more = said if isinstance(said, tuple) else (200, said, {})
            body = value if isinstance(value, bytes) else orjson.dumps(value)
            self.send_response(status)
            for name, text in {"Content-Type": "application/json", **more}.items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    asked.base = f"http://127.0.0.1:{server.server_port}"
    try:
        yield asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
