"""One request and its answer, as handlers see them."""

import asyncio
import urllib.parse
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Any

import msgspec
import orjson
from starlette.types import Receive, Scope

from reference_server import jsonio
from reference_server.auth import Principal
from reference_server.errors import ApiError
from reference_server.services import json_patch, patches
from reference_server.services.cities import City
from reference_server.world import World

JSON = b"application/json"
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
MAX_QUERY = 16 * 1024
MAX_FIELDS = 200


class ClientGoneError(Exception):
    """The client hung up before its request was complete; nobody is left to answer."""


class Reply(msgspec.Struct, frozen=True):
    """An answer: status, body, further headers."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}
    media_type: bytes = JSON
    chunks: AsyncGenerator[bytes, None] | None = None
    """The body piece by piece, instead of `body`, for one that is not held in memory."""


def reply_json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """An answer with a JSON body."""
    return Reply(status, orjson.dumps(value), headers or {})


def _joined(raw: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Headers by name; one that comes twice is a list (RFC 9110 5.3), so two keys are no key."""
    headers = dict(raw)
    if len(headers) != len(raw):
        for name in headers:
            headers[name] = b", ".join(value for other, value in raw if other == name)
    return headers


class Call:
    """A request: path parameters, query, headers and body, with the caller and the city already found."""

    def __init__(self, world: World, scope: Scope, receive: Receive) -> None:
        self.world = world
        self.method: str = scope["method"]
        self.headers: dict[bytes, bytes] = _joined(scope["headers"])
        self.params: dict[str, str] = {}
        self.principal: Principal | None = None
        self.city_or_none: City | None = None
        self._query_string: bytes = scope["query_string"]
        self._receive = receive
        self._scope = scope
        self._body: bytes | None = None
        self.digest = b""
        """Of the request, where it carries an Idempotency-Key."""
        self.render: Callable[[Any], Reply] | None = None
        """Makes the answer from the result of the change, so that it can be kept in its transaction."""

    @property
    def city(self) -> City:
        """The city named in the path."""
        if self.city_or_none is None:
            raise LookupError("the route has no city")
        return self.city_or_none

    @property
    def actor(self) -> str:
        """The name under which the caller's changes are recorded."""
        return self.principal.name if self.principal is not None else "anonymous"

    @property
    def target(self) -> bytes:
        """Path and query as they were sent."""
        path: bytes = self._scope.get("raw_path", b"")
        return path + b"?" + self._query_string

    @property
    def origin(self) -> str:
        """Scheme and host as the caller reached them: what links start with."""
        return f"{self._scope.get('scheme', 'http')}://{self.header(b'host') or 'localhost'}"

    @property
    def client(self) -> str:
        """The network address of the caller."""
        peer = self._scope.get("client")
        return str(peer[0]) if peer else "unknown"

    @property
    def certificate(self) -> str | None:
        """Whom the client's certificate names (`tls.subject`); None without one."""
        found: str | None = self._scope.get("state", {}).get("certificate")
        return found

    def header(self, name: bytes) -> str | None:
        """A request header as text."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    def query(self) -> list[tuple[str, str]]:
        """The decoded query, in order.

        Raises:
            ApiError: URI_TOO_LONG, or MALFORMED_REQUEST for bad percent encoding or too many fields.
        """
        return decoded_query(self._query_string)

    async def raw(self) -> bytes:
        """The body.

        Raises:
            ApiError: PAYLOAD_TOO_LARGE, REQUEST_TIMEOUT.
            ClientGoneError: the client hung up.
        """
        if self._body is None:
            try:
                async with asyncio.timeout(self.world.settings.body_timeout_s):
                    self._body = await self._read()
            except TimeoutError as problem:
                # what may still come would be read as the next request
                headers = {"connection": "close"}
                raise ApiError(
                    "REQUEST_TIMEOUT", "the body did not arrive in time", headers=headers
                ) from problem
        return self._body

    async def _read(self) -> bytes:
        limit = self.world.settings.body_limit
        length = self.headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > limit:
            raise too_large(limit)
        chunks: list[bytes] = []
        size = 0
        async for chunk in self.chunks():
            size += len(chunk)
            if size > limit:
                raise too_large(limit)
            chunks.append(chunk)
        return b"".join(chunks)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes, for a handler that does not want it whole.

        Raises:
            ApiError: REQUEST_TIMEOUT when nothing comes for too long.
            ClientGoneError: the client hung up.
        """
        while True:
            try:
                async with asyncio.timeout(self.world.settings.body_timeout_s):
                    message = await self._receive()
            except TimeoutError as problem:
                raise ApiError(
                    "REQUEST_TIMEOUT", "the body did not arrive in time", headers={"connection": "close"}
                ) from problem
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            yield message.get("body", b"")
            if not message.get("more_body", False):
                return

    async def json_object(self, *media_types: str) -> dict[str, Any]:
        """The JSON object in the body.

        Raises:
            ApiError: UNSUPPORTED_MEDIA_TYPE, MALFORMED_REQUEST, VALIDATION_ERROR.
        """
        self.require_media_type("application/json", *media_types)
        return jsonio.body_object(await self.raw())

    async def change(self) -> patches.Change:
        """The partial update in the body: a merge patch (RFC 7396), or a JSON Patch (RFC 6902) if it says so.

        Raises:
            ApiError: UNSUPPORTED_MEDIA_TYPE, MALFORMED_REQUEST, VALIDATION_ERROR.
        """
        kind = self.require_media_type("application/json", MERGE_PATCH, JSON_PATCH)
        if kind != JSON_PATCH:
            return jsonio.body_object(await self.raw())
        operations = jsonio.body_value(await self.raw())
        return lambda document: json_patch.apply(document, operations)

    def require_media_type(self, *accepted: str) -> str:
        """The media type of the body, one of the accepted.

        Raises:
            ApiError: UNSUPPORTED_MEDIA_TYPE.
        """
        stated = (self.header(b"content-type") or "").lower()
        kind, _, parameters = (part.strip() for part in stated.partition(";"))
        charset = dict(p.strip().partition("=")[::2] for p in parameters.split(";")).get("charset", "utf-8")
        encoding = (self.header(b"content-encoding") or "identity").lower()
        if (
            kind not in accepted
            or charset.strip('"') not in ("utf-8", "utf8", "us-ascii")
            or encoding != "identity"
        ):
            details = {"accepted": list(accepted)}
            names = ", ".join(accepted)
            headers = {"accept-patch" if self.method == "PATCH" else "accept-post": names}
            raise ApiError("UNSUPPORTED_MEDIA_TYPE", f"the body must be {names}", details, headers=headers)
        return kind


def too_large(limit: int) -> ApiError:
    """The refusal of a body beyond a limit in bytes.

    The connection stays: what still comes of the body is thrown away, so that its sender gets to read this.
    """
    return ApiError("PAYLOAD_TOO_LARGE", f"a body may take {limit} bytes", {"limit": limit})


def decoded_query(raw: bytes) -> list[tuple[str, str]]:
    """A query string as pairs; see `Call.query`."""
    if len(raw) > MAX_QUERY:
        raise ApiError("URI_TOO_LONG", f"a query may take {MAX_QUERY} bytes")
    if not raw:
        return []
    fields = raw.split(b"&")
    if len(fields) > MAX_FIELDS:
        raise ApiError("INVALID_PARAMETERS", f"a query may have {MAX_FIELDS} parameters")
    pairs = []
    for field in fields:
        name, _, value = field.partition(b"=")
        if field:
            pairs.append((decoded(name.replace(b"+", b" ")), decoded(value.replace(b"+", b" "))))
    return pairs


def decoded(raw: bytes) -> str:
    """Percent-decoded UTF-8 text.

    Raises:
        ApiError: MALFORMED_REQUEST for a broken escape, bytes that are no UTF-8, or a NUL.
    """
    if b"%" not in raw:
        try:
            return raw.decode("ascii")
        except UnicodeDecodeError as problem:
            raise _bad_encoding() from problem
    parts = raw.split(b"%")
    if any(len(part) < 2 or not _is_hex(part[:2]) for part in parts[1:]):
        raise _bad_encoding()
    try:
        text = urllib.parse.unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError as problem:
        raise _bad_encoding() from problem
    if "\x00" in text:
        raise _bad_encoding()
    return text


def _is_hex(pair: bytes) -> bool:
    return all(byte in b"0123456789abcdefABCDEF" for byte in pair)


def _bad_encoding() -> ApiError:
    return ApiError("MALFORMED_REQUEST", "the address is not percent-encoded UTF-8")
