"""Judges a request to upgrade to a WebSocket (P3 4.1.1, 8.2; RFC 6455 4.2)."""

import http
import urllib.parse
from collections.abc import Iterable
from typing import TYPE_CHECKING

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from reference_server import auth
from reference_server.auth import Principal
from reference_server.errors import ApiError, envelope
from reference_server.settings import BASE_PATH

if TYPE_CHECKING:
    from reference_server.stream.door import Door

PATH = BASE_PATH + "/stream"
SUBPROTOCOL = "wia-dtc-v1"  # DTC-P3-003


def admit(door: "Door", request: Request, certificate: str | None) -> Principal | None:
    """The caller of an upgrade; None for a browser, which has to say who it is in CONNECT (C-85).

    Raises:
        ApiError: the request is refused before anything is upgraded.
    """
    headers = request.headers
    if request.path.split("?")[0] != PATH:
        raise ApiError("ROUTE_NOT_FOUND", "the stream is at " + PATH)
    if headers.get_all("Sec-WebSocket-Version") != ["13"]:
        raise ApiError(
            "UPGRADE_REQUIRED",
            "only version 13 of WebSocket is spoken",
            headers={"Sec-WebSocket-Version": "13"},
        )
    origins = headers.get_all("Origin")
    for origin in origins:
        if not origin_allowed(origin, headers.get_all("Host"), door.world.settings.allowed_origins):
            raise ApiError("FORBIDDEN", "pages of this origin may not connect", {"origin": origin[:200]})
    offered = [word.strip() for line in headers.get_all("Sec-WebSocket-Protocol") for word in line.split(",")]
    if SUBPROTOCOL not in offered:
        raise ApiError("MALFORMED_REQUEST", f"offer the subprotocol {SUBPROTOCOL}")
    raw = {name.lower().encode(): value.encode("latin-1", "replace") for name, value in headers.raw_items()}
    named = b"x-api-key" in raw or b"authorization" in raw or certificate is not None
    caller = None
    if named or not origins:
        caller = auth.authenticate(door.world.keyring, raw, certificate)
        standing = door.world.limiter.take(caller.name, caller.allowance, caller.window)
        if not standing.allowed:
            raise ApiError("RATE_LIMIT_EXCEEDED", "the allowance is used up", headers={"Retry-After": "1"})
    door.admit(caller)
    return caller


def origin_allowed(origin: str, hosts: Iterable[str], allowed: Iterable[str]) -> bool:
    """Whether a page of an origin may connect: one of this server, or one that was named at its start."""
    return origin in allowed or "*" in allowed or urllib.parse.urlsplit(origin).netloc in set(hosts)


def refusal(problem: ApiError) -> Response:
    """The HTTP answer to a refused upgrade, in the shape of P2 9.1."""
    body = envelope(problem.code, problem.message, problem.details)
    headers = Headers(
        {"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"}
    )
    if problem.status == 426:
        headers["Upgrade"] = "websocket"
    for name, value in problem.headers.items():
        headers[name] = value
    return Response(problem.status, http.HTTPStatus(problem.status).phrase, headers, body)
