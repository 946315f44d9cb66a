"""The ASGI application: who calls, within which allowance, to which handler.

And every refusal in one shape.
"""

import asyncio
import math
import re
import sys
import time
import traceback
from collections.abc import Mapping

from starlette.types import Receive, Scope, Send

from reference_server import auth, tls, trace
from reference_server.errors import ApiError, envelope
from reference_server.exchange import Exchange
from reference_server.limits import FailedLogins, Standing
from reference_server.rest import routes, streaming
from reference_server.rest.caching import NO_STORE, finished
from reference_server.rest.call import Call, ClientGoneError, Reply, decoded
from reference_server.rest.idempotency import once
from reference_server.rest.routes import Match, Route, Table
from reference_server.services import cities
from reference_server.settings import BASE_PATH
from reference_server.storage.protocol import StaleRevisionError
from reference_server.world import World

_KEYED = re.compile(re.escape(BASE_PATH).encode() + rb"/cities/[^/]+/(?:objects|sensors)/[^/]+")
_BASE = [part.encode() for part in BASE_PATH.strip("/").split("/")]
CORS = {
    "access-control-allow-origin": "*",  # legal, because no browser credentials are taken (P4 3.2.1)
    "access-control-expose-headers": (
        "ETag, Location, Retry-After, Traceparent, X-RateLimit-Limit, X-RateLimit-Remaining, "
        "X-RateLimit-Reset"
    ),
}
PREFLIGHT = {
    "access-control-allow-methods": "GET, POST, PATCH, PUT, DELETE, HEAD, OPTIONS",
    "access-control-allow-headers": (
        "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Traceparent, X-API-Key"
    ),
    "access-control-max-age": "600",
}


class Api:
    """Answers HTTP requests for a world; every answer below the base path is JSON."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._below = Table(routes.below_base())
        self._origin = Table(routes.at_origin())
        self._failures = FailedLogins()

    @staticmethod
    def is_prompt(method: str, path: bytes) -> bool:
        """Whether a request is answered by rows that are read at once, without waiting for anything."""
        return method == "GET" and _KEYED.fullmatch(path) is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        call = Call(self.world, scope, receive)
        extra: dict[str, str] = dict(CORS) if b"origin" in call.headers else {}
        parent = call.headers.get(b"traceparent")
        traced = None if parent is None else trace.passed_on(parent)
        if traced is not None:
            extra["traceparent"] = traced
        if scope["scheme"] == "https":
            extra["strict-transport-security"] = tls.HSTS
        try:
            reply = await self._answer(call, scope, extra)
        except ApiError as refusal:
            self.world.answers[scope["method"], refusal.code, refusal.status] += 1
            reply = refused(refusal)
        except StaleRevisionError as stale:
            message = "the entity has changed since; read it again"
            details = {"revision": stale.revision}
            reply = refused(ApiError("PRECONDITION_FAILED", message, details))
        except ClientGoneError:
            return
        except asyncio.CancelledError:
            raise
        except Exception:
            traceback.print_exc(file=sys.stderr)
            reply = refused(ApiError("INTERNAL_ERROR", "the server failed to answer"))
        await _send(send, reply, extra)
        if reply.chunks is not None:
            await streaming.sent(scope, receive, send, reply.chunks, self.world.settings.body_timeout_s)

    async def _answer(self, call: Call, scope: Scope, extra: dict[str, str]) -> Reply:
        if call.method == "OPTIONS" and b"access-control-request-method" in call.headers:
            return Reply(204, headers=PREFLIGHT)
        raw: bytes = scope.get("raw_path") or scope["path"].encode()
        segments = raw.split(b"?")[0].split(b"/")[1:]
        if segments[: len(_BASE)] != _BASE:
            if segments[:1] in ([b"ogc"], [b"sta"]):
                self._identify(call, extra)
            return await self._dispatch(call, self._origin.find(segments))
        below = segments[len(_BASE) :]
        if below[:1] in ([b"cities"], [b"audit"], [b"credentials"]):
            self._identify(call, extra)
        return await self._dispatch(call, self._below.find(below))

    def _identify(self, call: Call, extra: dict[str, str]) -> None:
        try:
            call.principal = auth.authenticate(self.world.keyring, call.headers, call.certificate)
        except ApiError as refusal:
            self._count_failure(call, refusal, extra)
            raise
        self._limit(call.principal, extra)

    def _count_failure(self, call: Call, refusal: ApiError, extra: dict[str, str]) -> None:
        """Too many failed logins of an address are told so; a valid key is served all the same."""
        standing = self._failures.failed(call.client)
        if refusal.status == 401 and not standing.allowed:
            extra["retry-after"] = str(max(1, math.ceil(standing.reset_s)))
            raise ApiError("RATE_LIMIT_EXCEEDED", "too many failed logins") from refusal

    def _limit(self, principal: auth.Principal, extra: dict[str, str]) -> None:
        standing = self.world.limiter.take(principal.name, principal.allowance, principal.window)
        extra.update(limit_headers(standing))
        if not standing.allowed:
            extra["retry-after"] = str(max(1, math.ceil(standing.reset_s)))
            raise ApiError(
                "RATE_LIMIT_EXCEEDED",
                "the allowance is used up; wait as Retry-After says",
                {"limit": standing.limit, "retryAfter": int(extra["retry-after"])},
            )

    async def _dispatch(self, call: Call, match: Match | None) -> Reply:
        if match is None:
            raise ApiError("ROUTE_NOT_FOUND", "there is nothing at this address; /docs shows what there is")
        route = match.routes.get("GET" if call.method == "HEAD" else call.method)
        if call.method == "OPTIONS":
            return Reply(204, headers={"allow": allowed(match)})
        if route is None:
            raise ApiError(
                "METHOD_NOT_ALLOWED",
                f"{call.method[:20]} is not served here",
                headers={"allow": allowed(match)},
            )
        for name, value in zip(routes.names(route), match.values, strict=True):
            call.params[name] = decoded(value)
        await self._authorize(call, route)
        answer = await once(call, route.handler, streams=route.streams)
        reply = finished(call, route.operation, answer)
        self.world.answers[call.method, route.operation, reply.status] += 1
        return reply

    async def _authorize(self, call: Call, route: Route) -> None:
        city_id = call.params.get("cityId")
        if city_id is not None:
            call.city_or_none = await cities.find(self.world, city_id)
        if route.right is None:
            return
        principal = call.principal
        listing = route.operation == "queryCities"  # shows only the caller's own cities
        if principal is None or not (listing or principal.may(route.right, city_id or "*")):
            raise ApiError("FORBIDDEN", "the caller lacks the right for this", {"right": route.right})


def allowed(match: Match) -> str:
    """The methods of an address, for Allow."""
    return ", ".join(sorted({*match.routes, "OPTIONS"} | ({"HEAD"} if "GET" in match.routes else set())))


def limit_headers(standing: Standing) -> dict[str, str]:
    """The allowance of a client, as every answer states it; Reset is in seconds since 1970."""
    return {
        "x-ratelimit-limit": str(standing.limit),
        "x-ratelimit-remaining": str(standing.remaining),
        "x-ratelimit-reset": str(math.ceil(time.time() + standing.reset_s)),
    }


def refused(refusal: ApiError) -> Reply:
    """A refusal as the envelope of P2 9.1."""
    headers = {**NO_STORE, **refusal.headers}
    return Reply(refusal.status, envelope(refusal.code, refusal.message, refusal.details), headers)


async def _send(send: Send, reply: Reply, extra: Mapping[str, str]) -> None:
    told = {"x-content-type-options": "nosniff"}
    if reply.status not in (204, 304):
        told["content-type"] = reply.media_type.decode()
    told.update(reply.headers)
    told.update(extra)
    exchange = getattr(send, "__self__", None)
    if reply.chunks is None and isinstance(exchange, Exchange) and exchange.is_open:
        exchange.answer(reply.status, reply.body, told)
        return
    headers = [(name.encode(), value.encode("latin-1")) for name, value in told.items()]
    if reply.chunks is None and reply.status not in (204, 304):
        headers.append((b"content-length", b"%d" % len(reply.body)))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    if reply.chunks is None:
        await send({"type": "http.response.body", "body": reply.body})
