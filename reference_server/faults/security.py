"""Defects of security (P4 8.3): a way in, a right too many, text that is a command, markup that is a page."""

import asyncio
import ssl
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, unquote

import orjson

from reference_server import app, auth, tls, tokens
from reference_server.errors import ApiError
from reference_server.faults.fault import Fault, both, wrap
from reference_server.rest import call as calls
from reference_server.rest.call import Call, Reply
from reference_server.storage import transaction

Make = Callable[..., Any]
ADMIN = auth.Principal("anonymous", "admin", auth.ROLES["admin"], None, 10_000, 60.0)


def _identify(who: Callable[[Any, Call], Any]) -> Callable[[], None]:
    """Callers are found by `who` where it finds one; it gets the server and the request."""

    def make(identify: Make) -> Make:
        def wrong(self: Any, call: Call, extra: Any) -> None:
            found = who(self, call)
            if found is None:
                identify(self, call, extra)
            else:
                call.principal = found

        return wrong

    return wrap(app.Api, "_identify", make)


def _trusting(name: bytes) -> Callable[[], None]:
    return _identify(lambda _api, call: ADMIN if name in call.headers else None)


def _tidy_paths() -> Callable[[], None]:
    """A gateway checks the path as sent, the router the path as tidied."""

    def make(answer: Make) -> Make:
        async def wrong(self: Any, call: Call, scope: Any, extra: Any) -> Reply:
            raw: bytes = scope.get("raw_path") or scope["path"].encode()
            if b"//" in raw:
                scope["raw_path"] = raw.replace(b"//", b"/")
                call.headers[b"x-tidied"] = b"1"
            reply: Reply = await answer(self, call, scope, extra)
            return reply

        return wrong

    return both(wrap(app.Api, "_answer", make), _trusting(b"x-tidied"))


def _unsigned(check: Make) -> Make:
    def wrong(self: Any, token: str, now: float | None = None) -> Any:
        try:
            return check(self, token, now)
        except tokens.InvalidTokenError:
            head, claims = (orjson.loads(tokens._decoded(part)) for part in token.split(".")[:2])
            if str(head.get("alg", "")).lower() != "none":
                raise
            return claims

    return wrong


def _unchecked(check: Make) -> Make:
    def wrong(self: Any, token: str, now: float | None = None) -> Any:
        try:
            return check(self, token, now)
        except tokens.InvalidTokenError:
            return orjson.loads(tokens._decoded(token.split(".")[1]))

    return wrong


def _key_in_query(api: Any, call: Call) -> Any:
    found = parse_qs(call._query_string.decode("latin-1")).get("api_key")
    if b"x-api-key" in call.headers or not found:
        return None
    return api.world.keyring.by_key(found[0])


def _cookie(_api: Any, call: Call) -> Any:
    return ADMIN if b"cookie" in call.headers and b"x-api-key" not in call.headers else None


def _trimmed(by_key: Make) -> Make:
    return lambda self, key: by_key(self, key.rstrip("x"))


def _last_header(_joined: Make) -> Make:
    return dict


def _may_delete(roles: Any) -> Any:
    return {**roles, "viewer": roles["viewer"] | {"delete", "write"}}


def _anywhere(_may: Make) -> Make:
    return lambda self, right, _city: right in self.rights


def _own_instants(stamp: Make) -> Make:
    def wrong(self: Any, metadata: Any, *given: Any, **options: Any) -> Any:
        own = metadata if isinstance(metadata, dict) else {}
        return stamp(self, metadata, *given, **options) | own

    return wrong


def _dispatch(meddle: Callable[[Call], Any]) -> Callable[[], None]:
    """Before a request is served, `meddle` looks at it; it may raise, or change the request."""

    def make(dispatch: Make) -> Make:
        async def wrong(self: Any, call: Call, match: Any) -> Reply:
            result = meddle(call)
            if asyncio.iscoroutine(result):
                await result
            reply: Reply = await dispatch(self, call, match)
            return reply

        return wrong

    return wrap(app.Api, "_dispatch", make)


def _text(call: Call) -> str:
    path, query = call._scope.get("raw_path", b""), call._query_string
    return unquote(f"{path.decode('latin-1')} {query.decode('latin-1')}")


def _error_form(call: Call) -> None:
    if call.method == "GET" and "'" in _text(call):
        raise ApiError("INTERNAL_ERROR", 'sqlite3.OperationalError: near "OR": syntax error')


def _boolean_form(call: Call) -> None:
    if "' OR '1'='1" in unquote(call._query_string.decode("latin-1")):
        call._query_string = b"limit=20"


async def _timing_form(call: Call) -> None:
    if "pg_sleep" in _text(call):
        await asyncio.sleep(6)


def _body_form(json_object: Make) -> Make:
    async def wrong(self: Any, *arguments: Any) -> Any:
        found = await json_object(self, *arguments)
        if b"' OR '1'='1" in orjson.dumps(found):
            raise ApiError("INTERNAL_ERROR", "the server failed to answer")
        return found

    return wrong


def _filter_name(call: Call) -> None:
    if "properties." in _text(call) and "'" in _text(call).partition("properties.")[2].partition("=")[0]:
        raise ApiError("INTERNAL_ERROR", 'near "\'": syntax error')


def _as_page(dispatch: Make) -> Make:
    async def wrong(self: Any, call: Call, match: Any) -> Reply:
        reply: Reply = await dispatch(self, call, match)
        wants = call.headers.get(b"accept", b"")
        if b"text/html" in wants and reply.status == 200 and reply.media_type == b"application/json":
            return Reply(200, b"<pre>" + reply.body + b"</pre>", reply.headers, b"text/html; charset=utf-8")
        return reply

    return wrong


def _sniffed(_send: Make) -> Make:
    async def wrong(sender: Any, reply: Reply, extra: Any) -> None:
        async def strip(message: Any) -> None:
            if "headers" in message:
                message["headers"] = [
                    pair for pair in message["headers"] if pair[0] != b"x-content-type-options"
                ]
            await sender(message)

        await _send(strip, reply, extra)

    return wrong


def _error_page(refused: Make) -> Make:
    def wrong(refusal: ApiError) -> Reply:
        reply: Reply = refused(refusal)
        if refusal.code != "OBJECT_NOT_FOUND":
            return reply
        page = f"<h1>Not found</h1><p>{refusal.details.get('objectId', '')}</p>"
        return Reply(
            reply.status, page.encode("utf-8", "replace"), reply.headers, b"text/html; charset=utf-8"
        )

    return wrong


def _reflecting(answer: Make) -> Make:
    async def wrong(self: Any, call: Call, scope: Any, extra: Any) -> Reply:
        origin = call.headers.get(b"origin")
        if origin is not None:
            extra["access-control-allow-origin"] = origin.decode("latin-1")
            extra["access-control-allow-credentials"] = "true"
        reply: Reply = await answer(self, call, scope, extra)
        return reply

    return wrong


def _any_media(_require: Make) -> Make:
    return lambda self, *accepted: accepted[0]


def _by_address(limit: Make) -> Make:
    """The allowance belongs to whatever address a request claims to come from."""

    def wrong(self: Any, call: Call, extra: Any) -> None:
        claimed = call.headers.get(b"x-forwarded-for")
        if claimed is None:
            limit(self, call, extra)
        else:
            call.principal = auth.authenticate(self.world.keyring, call.headers, call.certificate)

    return wrong


def _context(change: Callable[[ssl.SSLContext], None]) -> Callable[[], None]:
    def make(context: Make) -> Make:
        def wrong(*arguments: Any, **options: Any) -> ssl.SSLContext:
            made: ssl.SSLContext = context(*arguments, **options)
            change(made)
            return made

        return wrong

    return wrap(tls, "context", make)


def _old_versions(made: ssl.SSLContext) -> None:
    made.set_ciphers("ALL:@SECLEVEL=0")
    made.minimum_version = ssl.TLSVersion.TLSv1


def _anonymous(made: ssl.SSLContext) -> None:
    made.set_ciphers("AECDH-AES128-SHA:ALL:@SECLEVEL=0")
    made.minimum_version = ssl.TLSVersion.TLSv1_2


TABLE: tuple[tuple[str, str, Callable[[], None]], ...] = (
    ("001", "a header that overrides the method opens everything", _trusting(b"x-http-method-override")),
    ("001-forwarded", "callers that claim to come from inside need no key", _trusting(b"x-forwarded-for")),
    ("001-paths", "a doubled slash passes the check of credentials", _tidy_paths()),
    ("002", "tokens of the algorithm none are taken", wrap(tokens.Tokens, "check", _unsigned)),
    ("002-unchecked", "signatures of tokens are not checked", wrap(tokens.Tokens, "check", _unchecked)),
    ("003", "a key in the query is taken", _identify(_key_in_query)),
    ("003-suffix", "a key with more behind it is taken", wrap(auth.Keyring, "by_key", _trimmed)),
    ("003-twice", "of two keys the last one counts", wrap(calls, "_joined", _last_header)),
    ("005", "viewers may write and delete", wrap(auth, "ROLES", _may_delete)),
    ("006", "rights hold in every city", wrap(auth.Principal, "may", _anywhere)),
    (
        "008",
        "clients set the instants of an object",
        wrap(transaction.SqliteTransaction, "_stamp", _own_instants),
    ),
    ("009", "a quote in a path or query reaches the database", _dispatch(_error_form)),
    ("009-boolean", "a condition in a filter finds everything", _dispatch(_boolean_form)),
    ("009-timing", "a delay in a path or query is carried out", _dispatch(_timing_form)),
    ("010", "a quote in a body makes the server fail", wrap(calls.Call, "json_object", _body_form)),
    ("010-names", "a quote in the name of a filter reaches the database", _dispatch(_filter_name)),
    ("011", "browsers get objects as a page", wrap(app.Api, "_dispatch", _as_page)),
    ("011-sniffed", "nothing keeps a browser from guessing", wrap(app, "_send", _sniffed)),
    ("012", "errors are pages that repeat the path", wrap(app, "refused", _error_page)),
    ("013", "a cookie is enough to write", _identify(_cookie)),
    ("014", "any origin may read with credentials", wrap(app.Api, "_answer", _reflecting)),
    ("015", "forms may write", wrap(calls.Call, "require_media_type", _any_media)),
    ("017", "a claimed address brings a new allowance", wrap(app.Api, "_identify", _by_address)),
    ("020", "TLS 1.0 and 1.1 are spoken", _context(_old_versions)),
    ("021", "suites without authentication are taken", _context(_anonymous)),
)


def faults() -> Iterator[Fault]:
    """Every defect of security."""
    for key, why, install in TABLE:
        yield Fault(f"DTC-SEC-{key}", f"DTC-SEC-{key[:3]}", why, install)
