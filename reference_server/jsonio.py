"""Reading JSON strictly.

I-JSON (RFC 7493) within limits, so that what is stored can always be written again.
"""

import json
from typing import Any

import orjson

from reference_server.errors import ApiError
from reference_server.strictjson import MAX_DEPTH, BadJsonError, deeper_than, unique


def loads(raw: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        BadJsonError: not UTF-8, not JSON, NaN or infinite, a lone surrogate, a name given twice, nested
        too deeply.
    """
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as problem:
        raise BadJsonError(f"the text is not JSON: {problem.msg}") from problem
    if deeper_than(value, MAX_DEPTH):
        raise BadJsonError(f"the text is nested deeper than {MAX_DEPTH} levels")
    if raw.count(b"{") and b'"' in raw:
        json.loads(raw, object_pairs_hook=unique)
    return value


def body_object(raw: bytes) -> dict[str, Any]:
    """The JSON object of a request body.

    Raises:
        ApiError: MALFORMED_REQUEST when it is not JSON, VALIDATION_ERROR when it is another JSON value.
    """
    value = body_value(raw)
    if not isinstance(value, dict):
        raise ApiError("VALIDATION_ERROR", "the body must be a JSON object", {"rule": "ERR_INVALID_TYPE"})
    return value


def body_value(raw: bytes) -> Any:
    """The JSON value of a request body.

    Raises:
        ApiError: MALFORMED_REQUEST when it is not JSON.
    """
    try:
        return loads(raw)
    except BadJsonError as problem:
        raise ApiError("MALFORMED_REQUEST", str(problem)) from problem
