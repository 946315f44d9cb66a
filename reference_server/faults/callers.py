"""Defects of callers, limits and errors (P2 4.1, 8, 9)."""

from collections.abc import Callable
from typing import Any

import msgspec
import orjson

from reference_server import app, auth, jsonio, limits
from reference_server.errors import ApiError
from reference_server.faults.fault import wrap
from reference_server.faults.tools import body, renamed
from reference_server.rest import openapi
from reference_server.rest.call import Call, Reply
from reference_server.rest.routes import Table

Make = Callable[..., Any]
VIEWER = auth.Principal("anonymous", "viewer", auth.ROLES["viewer"], None, 1000, 60.0)


def _plain_text(send: Make) -> Make:
    async def wrong(sender: Any, reply: Reply, extra: Any) -> None:
        await send(sender, msgspec.structs.replace(reply, media_type=b"text/plain"), extra)

    return wrong


def _on(code: str, instead: Callable[[ApiError], Any]) -> Callable[[Make], Make]:
    """Authentication that deals otherwise with one refusal."""

    def make(authenticate: Make) -> Make:
        def wrong(keyring: Any, headers: Any, certificate: Any = None) -> Any:
            try:
                return authenticate(keyring, headers, certificate)
            except ApiError as problem:
                if problem.code != code:
                    raise
                result = instead(problem)
                if isinstance(result, ApiError):
                    raise result from problem
                return result

        return wrong

    return make


def _no_keys(authenticate: Make) -> Make:
    def wrong(keyring: Any, headers: Any, certificate: Any = None) -> Any:
        if b"x-api-key" in headers:
            raise ApiError("UNAUTHORIZED", "API keys are not accepted", headers=auth.CHALLENGE)
        return authenticate(keyring, headers, certificate)

    return wrong


def _rights(**more: str) -> Callable[[], None]:
    def make(roles: Any) -> Any:
        return {role: rights | {more[role]} if role in more else rights for role, rights in roles.items()}

    return wrap(auth, "ROLES", make)


def _anywhere(may: Make) -> Make:
    return lambda self, right, city: right in self.rights


def _error(change: Callable[[dict[str, Any]], Any]) -> Callable[[], None]:
    def make(envelope: Make) -> Make:
        def wrong(code: str, message: str, details: Any) -> bytes:
            shown = orjson.loads(envelope(code, message, details))
            result = change(shown)
            return orjson.dumps(shown if result is None else result)

        return wrong

    return wrap(app, "envelope", make)


def _flat(shown: dict[str, Any]) -> dict[str, Any]:
    return {"message": shown["error"]["message"]}


def _put(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(shown: dict[str, Any]) -> None:
        shown["error"][name] = value

    return change


def _number_as_code(shown: dict[str, Any]) -> None:
    shown["error"]["code"] = shown["error"].pop("number", 9999)


def _wrong_number(shown: dict[str, Any]) -> None:
    if "number" in shown["error"]:
        shown["error"]["number"] += 1


def _internals(shown: dict[str, Any]) -> None:
    shown["error"]["message"] += ' Traceback (most recent call last): File "/srv/app.py" SELECT * FROM object'


def _forgiving(value: Make) -> Make:
    def wrong(raw: bytes) -> Any:
        try:
            return value(raw)
        except ApiError:
            return {
                "type": "Building",
                "properties": {},
                "geometry": {"type": "Point", "coordinates": [129.075, 35.18]},
            }

    return wrong


def _unlimited(take: Make) -> Make:
    return lambda self, now: msgspec.structs.replace(take(self, now), allowed=True)


def _limit_forbidden(limit: Make) -> Make:
    def wrong(self: Any, principal: Any, extra: Any) -> None:
        try:
            limit(self, principal, extra)
        except ApiError as problem:
            raise renamed("FORBIDDEN", 403)(problem) from problem

    return wrong


def _shared(take: Make) -> Make:
    return lambda self, client, limit, seconds: take(self, "everybody", min(limit, 20), seconds)


def _never_again(take: Make) -> Make:
    empty: set[int] = set()

    def wrong(self: Any, now: float) -> Any:
        standing = take(self, now)
        if not standing.allowed:
            empty.add(id(self))
        return msgspec.structs.replace(standing, allowed=standing.allowed and id(self) not in empty)

    return wrong


def _dispatch(change: Callable[[ApiError], ApiError], *codes: str) -> Callable[[], None]:
    def make(dispatch: Make) -> Make:
        async def wrong(self: Any, call: Call, match: Any) -> Reply:
            try:
                reply: Reply = await dispatch(self, call, match)
            except ApiError as problem:
                if problem.code not in codes:
                    raise
                raise change(problem) from problem
            return reply

        return wrong

    return wrap(app.Api, "_dispatch", make)


def _lacking(shown: Any) -> None:
    del shown["paths"]["/digital-twin-city/v1/cities/{cityId}/objects"]


def _unrouted(find: Make) -> Make:
    """One operation of the standard is not served."""

    def wrong(self: Any, segments: Any) -> Any:
        match = find(self, segments)
        if match is not None and any(
            route.operation == "getCityStatistics" for route in match.routes.values()
        ):
            raise ApiError("SERVICE_UNAVAILABLE", "not implemented", status=501)
        return match

    return wrong


TABLE: tuple[tuple[str, str, Callable[[], None]], ...] = (
    ("002", "answers are labelled text/plain", wrap(app, "_send", _plain_text)),
    ("086", "API keys are not accepted", wrap(auth, "authenticate", _no_keys)),
    (
        "087",
        "a caller without credentials may read",
        wrap(auth, "authenticate", _on("UNAUTHORIZED", lambda _: VIEWER)),
    ),
    (
        "087.status",
        "missing credentials are answered with 403",
        wrap(auth, "authenticate", _on("UNAUTHORIZED", renamed("FORBIDDEN", 403))),
    ),
    ("088", "an unknown key may read", wrap(auth, "authenticate", _on("INVALID_API_KEY", lambda _: VIEWER))),
    (
        "088.code",
        "an unknown key is forbidden",
        wrap(auth, "authenticate", _on("INVALID_API_KEY", renamed("FORBIDDEN", 403))),
    ),
    ("091", "a viewer may write", _rights(viewer=auth.WRITE)),
    ("091.delete", "a viewer may delete", _rights(viewer=auth.DELETE)),
    ("091.city", "rights in one city hold in all", wrap(auth.Principal, "may", _anywhere)),
    (
        "091.code",
        "a missing right is called unauthorized",
        _dispatch(renamed("UNAUTHORIZED", 401), "FORBIDDEN"),
    ),
    ("092", "a 401 names no scheme", wrap(auth, "CHALLENGE", lambda _: {})),
    ("093", "errors have no envelope", _error(_flat)),
    ("093.code", "errors have an empty code", _error(_put("code", ""))),
    ("093.message", "errors have no message", _error(_put("message", None))),
    ("094", "the instant of an error is a number", _error(_put("timestamp", 1736904600))),
    (
        "094.zone",
        "the instant of an error has no zone",
        _error(lambda s: _put("timestamp", s["error"]["timestamp"][:19])(s)),
    ),
    (
        "094.old",
        "the instant of an error is long past",
        _error(_put("timestamp", "2025-01-15T10:30:00+09:00")),
    ),
    ("095", "the code of an error is a number", _error(_number_as_code)),
    (
        "095.case",
        "the code of an error is in small letters",
        _error(lambda s: _put("code", s["error"]["code"].lower())(s)),
    ),
    ("096", "the number of an error is another one's", _error(_wrong_number)),
    ("097", "errors name no ids", _error(_put("details", {}))),
    ("098", "text that is not JSON is taken as an empty request", wrap(jsonio, "body_value", _forgiving)),
    (
        "098.media",
        "any media type is read as JSON",
        wrap(Call, "require_media_type", lambda _: lambda self, *kinds: kinds[0]),
    ),
    (
        "099",
        "a wrong method is a bad request",
        _dispatch(renamed("VALIDATION_ERROR", 400), "METHOD_NOT_ALLOWED"),
    ),
    (
        "099.allow",
        "a 405 does not say what is allowed",
        _dispatch(renamed("METHOD_NOT_ALLOWED"), "METHOD_NOT_ALLOWED"),
    ),
    (
        "099.route",
        "an unknown address is a bad request",
        _dispatch(renamed("VALIDATION_ERROR", 400), "ROUTE_NOT_FOUND"),
    ),
    ("100", "errors show the inside", _error(_internals)),
    ("101", "nobody is limited", wrap(limits.Window, "take", _unlimited)),
    ("101.code", "a used up allowance is called forbidden", wrap(app.Api, "_limit", _limit_forbidden)),
    ("102", "allowances are not advertised", wrap(app, "limit_headers", lambda _: lambda standing: {})),
    ("103", "all clients share one allowance", wrap(limits.Limiter, "take", _shared)),
    ("103.recover", "a limited client is never served again", wrap(limits.Window, "take", _never_again)),
    ("105", "the description lacks an operation that is served", body(openapi, "read", _lacking)),
    ("106", "an operation of the standard is not implemented", wrap(Table, "find", _unrouted)),
)
