"""What the twin answers when it refuses.

One exception, one envelope (P2 9.1), one table of codes (P2 9.2).
"""

from collections.abc import Mapping
from typing import Any

import orjson

from reference_server import instants

NUMBERS: Mapping[str, int] = {  # P2 9.2
    "CITY_NOT_FOUND": 1001,
    "INVALID_CITY_DATA": 1002,
    "OBJECT_NOT_FOUND": 2001,
    "INVALID_GEOMETRY": 2002,
    "OUT_OF_BOUNDS": 2003,
    "DUPLICATE_OBJECT": 2004,
    "SENSOR_NOT_FOUND": 3001,
    "SENSOR_OFFLINE": 3002,
    "INVALID_MEASUREMENT": 3003,
    "DATA_QUALITY_LOW": 3004,
    "SIMULATION_NOT_FOUND": 4001,
    "SIMULATION_FAILED": 4002,
    "INVALID_PARAMETERS": 4003,
    "UNAUTHORIZED": 5001,
    "FORBIDDEN": 5002,
    "INVALID_API_KEY": 5003,
    "RATE_LIMIT_EXCEEDED": 6001,
}

STATUS: Mapping[str, int] = {
    "CITY_NOT_FOUND": 404,
    "INVALID_CITY_DATA": 400,
    "OBJECT_NOT_FOUND": 404,
    "INVALID_GEOMETRY": 400,
    "OUT_OF_BOUNDS": 400,
    "DUPLICATE_OBJECT": 409,
    "SENSOR_NOT_FOUND": 404,
    "SENSOR_OFFLINE": 503,
    "INVALID_MEASUREMENT": 400,
    "DATA_QUALITY_LOW": 422,
    "SIMULATION_NOT_FOUND": 404,
    "SIMULATION_FAILED": 409,
    "INVALID_PARAMETERS": 400,
    "UNAUTHORIZED": 401,
    "FORBIDDEN": 403,
    "INVALID_API_KEY": 401,
    "RATE_LIMIT_EXCEEDED": 429,
    # additive codes, for what the standard has no name for
    "VALIDATION_ERROR": 400,
    "MALFORMED_REQUEST": 400,
    "ROUTE_NOT_FOUND": 404,
    "METHOD_NOT_ALLOWED": 405,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "PAYLOAD_TOO_LARGE": 413,
    "REQUEST_TIMEOUT": 408,
    "URI_TOO_LONG": 414,
    "HEADERS_TOO_LARGE": 431,
    "SERVICE_NOT_FOUND": 404,
    "INVALID_TOPIC": 400,
    "SIGNATURE_INVALID": 401,
    "UPGRADE_REQUIRED": 426,
    "MESSAGES_DROPPED": 429,
    "SIMULATION_NOT_READY": 409,
    "SIMULATION_NOT_RUNNING": 409,
    "JOB_NOT_FOUND": 404,
    "PRECONDITION_FAILED": 412,
    "PRECONDITION_REQUIRED": 428,
    "IDEMPOTENCY_CONFLICT": 409,
    "CONFLICT": 409,
    "SNAPSHOT_NOT_FOUND": 404,
    "ROUTE_UNREACHABLE": 404,
    "SERVICE_UNAVAILABLE": 503,
    "INTERNAL_ERROR": 500,
}


class ApiError(Exception):
    """A refusal with the standard's code; `status` is the code's own unless another is given."""

    def __init__(
        self,
        code: str,
        message: str,
        details: Mapping[str, Any] | None = None,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details: Mapping[str, Any] = details or {}
        self.status = status or STATUS[code]
        self.headers: Mapping[str, str] = headers or {}


def envelope(code: str, message: str, details: Mapping[str, Any]) -> bytes:
    """The body of an error answer; `number` stands beside the symbol where the standard lists one."""
    error: dict[str, Any] = {
        "code": code,
        "message": message,
        "details": dict(details),
        "timestamp": instants.show(instants.now_us()),
    }
    if code in NUMBERS:
        error["number"] = NUMBERS[code]
    return orjson.dumps({"error": error})
