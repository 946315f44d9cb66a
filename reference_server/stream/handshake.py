"""Judges a request to upgrade to a WebSocket (P3 4.1.1, 8.2; RFC 6455 4.2)."""

import http
import urllib.parse
from collections.abc import Iterable
from typing import TYPE_CHECKING

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from reference_server.auth import Principal, authenticate
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
    if request.path.split("?")[0] != PATH:
        raise ApiError("ROUTE_NOT_FOUND", "the stream is at " + PATH)
    check_version(request)
    origins = request.headers.get_all("Origin")
    for origin in origins:
        hosts = request.headers.get_all("Host")
        if not origin_allowed(origin, hosts, door.world.settings.allowed_origins):
            raise ApiError("FORBIDDEN", "pages of this origin may not connect", {"origin": origin[:200]})
    check_subprotocol(request)
    raw = {
        name.lower().encode(): value.encode("latin-1", "replace")
        for name, value in request.headers.raw_items()
    }
    named = b"x-api-key" in raw or b"authorization" in raw or certificate is not None
    caller = None
    if named or not origins:
        caller = authenticate(door.world.keyring, raw, certificate)
        standing = door.world.limiter.take(caller.name, caller.allowance, caller.window)
        if not standing.allowed:
            raise ApiError("RATE_LIMIT_EXCEEDED", "the allowance is used up", headers={"Retry-After": "1"})
    door.admit(caller)
    return caller


def check_version(request: Request) -> None:
    """Judge the version of the protocol that is asked for.

    Raises:
        ApiError: UPGRADE_REQUIRED.
    """
    if request.headers.get_all("Sec-WebSocket-Version") != ["13"]:
        wanted = {"Sec-WebSocket-Version": "13"}
        raise ApiError("UPGRADE_REQUIRED", "only version 13 of WebSocket is spoken", headers=wanted)


def check_subprotocol(request: Request) -> None:
    """Judge the subprotocols that are offered (C-68).

    Raises:
        ApiError: MALFORMED_REQUEST when ours is not among them.
    """
    lines = request.headers.get_all("Sec-WebSocket-Protocol")
    if SUBPROTOCOL not in [word.strip() for line in lines for word in line.split(",")]:
        raise ApiError("MALFORMED_REQUEST", f"offer the subprotocol {SUBPROTOCOL}")


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
