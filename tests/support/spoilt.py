"""Real HTTP servers on loopback that misbehave on purpose."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Handler = Callable[[BaseHTTPRequestHandler], None]

CITY = {
    "cityId": "KR-BUSAN-2025",
    "name": "Busan",
    "bounds": {"type": "Polygon", "coordinates": [[[129, 35], [130, 35], [130, 36], [129, 36], [129, 35]]]},
    "coordinateSystem": {"type": "WGS84", "epsg": 4326},
    "statistics": {"totalObjects": 0, "buildings": 0, "roads": 0, "sensors": 0},
    "lastUpdated": "2026-01-01T00:00:00Z",
}


def answer(
    handler: BaseHTTPRequestHandler,
    status: int,
    body: Any = None,
    *,
    media: str = "application/json",
    headers: dict[str, str] | None = None,
) -> None:
    """Read the request body and send one whole answer."""
    handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", media)
    handler.send_header("Content-Length", str(len(content)))
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(content)


@contextmanager
def serving(handle: Handler, *, certificate: tuple[Path, Path] | None = None) -> Iterator[str]:
    """Serve on a free port of loopback, with TLS when a certificate and key are given; yields the origin."""

    class Request(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def __getattr__(self, name: str) -> Callable[[], None]:
            if name.startswith("do_"):
                return lambda: handle(self)
            raise AttributeError(name)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: the test says what it saw."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that goes away is what some tests are about."""

    server = Server(("127.0.0.1", 0), Request)
    scheme = "http"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        scheme = "https"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"{scheme}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
