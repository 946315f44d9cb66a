"""Strict JSON with the standard library alone.

The validator is a short-lived process: it must not spend its time on loading faster parsers.
"""

import json
from typing import Any, NoReturn

MAX_DEPTH = 64
"""Levels of nesting that a body may have; a GeoJSON GeometryCollection of collections stays far below."""


class BadJsonError(ValueError):
    """Text that is not JSON as this server reads it; the message is fit for the caller."""


def loads(raw: bytes) -> Any:
    """The value of a JSON text, as I-JSON (RFC 7493) within limits.

    Raises:
        BadJsonError: not UTF-8, not JSON, NaN or infinite, a lone surrogate, a name given twice, nested
        too deeply.
    """
    try:
        value = json.loads(raw.decode(), object_pairs_hook=unique, parse_constant=refuse_constant)
        # What cannot be written again (an overflown number, half a surrogate pair) was no JSON to begin with.
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except BadJsonError:
        raise
    except RecursionError as problem:
        raise BadJsonError(f"the text is nested deeper than {MAX_DEPTH} levels") from problem
    except ValueError as problem:
        raise BadJsonError(f"the text is not JSON: {problem}") from problem
    if deeper_than(value, MAX_DEPTH):
        raise BadJsonError(f"the text is nested deeper than {MAX_DEPTH} levels")
    return value


def refuse_constant(constant: str) -> NoReturn:
    """Refuse NaN and the infinities.

    Raises:
        BadJsonError: always.
    """
    raise BadJsonError(f"{constant} is not JSON")


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these members.

    Raises:
        BadJsonError: when a name is given twice.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadJsonError(f"the member {twice[:60]!r} is given twice in one object")
    return found


def deeper_than(value: Any, levels: int) -> bool:
    """Whether containers nest deeper than `levels`; breadth first, so that depth costs no stack."""
    layer = [value]
    for _ in range(levels):
        below: list[Any] = []
        for item in layer:
            for child in item.values() if isinstance(item, dict) else item if isinstance(item, list) else ():
                kind = type(child)
                if kind is dict or kind is list:
                    below.append(child)
        if not below:
            return False
        layer = below
    return True
