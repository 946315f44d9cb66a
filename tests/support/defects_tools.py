"""What defects of other makers are put together from."""

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tests.support.defects import (
    member,
)
from tests.support.relay import Reply, Request

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


UNKNOWN_CITY = "ZZ-NOWHERE-2025"


def key_of(request: Request) -> dict[str, str]:
    """The caller's credentials."""
    return {k: v for k, v in request.headers.items() if k in ("x-api-key", "authorization")}


def in_properties(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Change the properties of a request or an answer."""
    return member("properties", by=change)


def replied(reply: Reply, status: int, body: Any) -> Any:
    """The reply becomes another one."""
    reply.status = status
    reply.headers["content-type"] = "application/json"
    return body


def without_nulls(value: Any) -> Any:
    """Members that are null are left out."""
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    return [without_nulls(one) for one in value] if isinstance(value, list) else value


def without_empties(value: Any) -> Any:
    """Members that are empty arrays or objects are left out."""
    if isinstance(value, dict):
        return {k: without_empties(v) for k, v in value.items() if v not in ([], {})}
    return [without_empties(one) for one in value] if isinstance(value, list) else value


def lower_names(value: Any) -> Any:
    """Names of members in small letters."""
    if isinstance(value, dict):
        return {k.lower() if k.isascii() and k.isupper() else k: lower_names(v) for k, v in value.items()}
    return [lower_names(one) for one in value] if isinstance(value, list) else value


def expanded(value: Any) -> Any:
    """Dotted names become nested objects."""
    if not isinstance(value, dict):
        return value
    found: dict[str, Any] = {}
    for name, inner in value.items():
        first, dot, rest = name.partition(".")
        if dot and first and rest:
            found[first] = {rest: inner}
        else:
            found[name] = expanded(inner)
    return found


def in_utc(value: Any) -> Any:
    """An instant in UTC."""
    if isinstance(value, str) and INSTANT.fullmatch(value):
        return datetime.fromisoformat(value).astimezone(UTC).isoformat()
    return value


def composed(value: Any) -> Any:
    """Text in Unicode's composed form."""
    return unicodedata.normalize("NFC", value) if isinstance(value, str) else value


def every_reading(change: Callable[[dict[str, Any]], object]) -> Callable[[Any], Any]:
    """Change each reading of a submission."""

    def apply(body: Any) -> Any:
        readings = body.get("measurements")
        for one in readings if isinstance(readings, list) else []:
            if isinstance(one, dict):
                change(one)
        return body

    return apply


def with_status(status: int) -> Callable[[Request, Reply, dict[str, Any]], None]:
    def change(_request: Request, reply: Reply, _found: dict[str, Any]) -> None:
        reply.status = status

    return change


def status_of(method: str, path: str, status: int, other: int) -> Callable[[Request, Reply, Any], Any]:
    def after(request: Request, reply: Reply, body: Any) -> Any:
        del body
        if request.method == method and re.fullmatch(path, request.below) and reply.status == status:
            reply.status = other
        return None

    return after
