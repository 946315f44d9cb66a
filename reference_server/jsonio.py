"""Reading JSON strictly.

I-JSON (RFC 7493) within limits, so that what is stored can always be written again.
"""

import json
import re
from typing import Any

import orjson

from reference_server.errors import ApiError
from reference_server.strictjson import MAX_DEPTH, BadJsonError, deeper_than, unique

_MAY_END = (b'":', b'" ', b'"\n', b'"\t', b'"\r')
_NAME_END = re.compile(rb'"[ \t\r\n]*:')


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
    # what opens fewer containers cannot nest deeper; most texts are not looked at twice
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and deeper_than(value, MAX_DEPTH):
        raise BadJsonError(f"the text is nested deeper than {MAX_DEPTH} levels")
    if not _plainly_unique(raw, value):
        json.loads(raw, object_pairs_hook=unique)
    return value


def _plainly_unique(raw: bytes, value: Any) -> bool:
    """Whether no name is given twice, as far as counting can tell; False when a slower look is needed.

    In a text without escapes every name ends with a quote and a colon, perhaps with blanks between them. The
    same value written again has as many such ends as it has members (and strings that begin with a colon,
    which the text has too): when that is as many as the text has, no member was overwritten.
    """
    if b"\\" in raw:
        return False
    kept = orjson.dumps(value).count(b'":')
    # a quote with a blank behind it may be the end of a name: counting them all is the quicker upper bound
    return kept == sum(map(raw.count, _MAY_END)) or kept == len(_NAME_END.findall(raw))


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
