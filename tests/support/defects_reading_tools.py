"""What defects written from the catalogue are put together from."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tests.support.defects import (
    error,
)
from tests.support.defects_tools import replied
from tests.support.relay import Reply, Request

OBJECTS, SENSORS, CITY, STATISTICS = "/objects", "/sensors", "/", "/statistics"
NEARBY, ROUTE, SERVICES, SIMULATIONS = "/spatial/nearby", "/spatial/route", "/services", "/simulations"
Fields = dict[str, Any]


def unless_refused(method: str, path: str, code: str, given: Callable[[Any], bool]) -> Any:
    """What the twin refuses with the code is taken after all where the request's body is such."""

    def after(request: Request, reply: Reply, body: Any) -> Any:
        refused = reply.status >= 400 and isinstance(body, dict) and body.get("error", {}).get("code") == code
        if not refused or request.method != method or not re.fullmatch(path, request.below):
            return None
        sent_body = request.json
        if not isinstance(sent_body, dict) or not given(sent_body):
            return None
        now = datetime.now(UTC).isoformat()
        done = {"id": sent_body.get("id", "made-up"), "type": sent_body.get("type"), "created": now}
        return replied(reply, 201 if method == "POST" else 200, done)

    return after


def coded(code: str) -> Callable[[Request, Reply, Fields], None]:
    def change(_request: Request, _reply: Reply, found: Fields) -> None:
        found["code"] = code
        found.pop("number", None)

    return change


def code_at(method: str, path: str, code: str, other: str) -> Any:
    def change(request: Request, reply: Reply, found: Fields) -> None:
        if request.method == method and re.fullmatch(path, request.below):
            coded(other)(request, reply, found)

    return error(code, change)
