"""JSON Patch (RFC 6902) over JSON Pointer (RFC 6901), with bounds on what a few operations may build."""

import re
from typing import Any

import orjson

from reference_server.errors import ApiError
from reference_server.strictjson import MAX_DEPTH, deeper_than

MAX_OPERATIONS = 1000
MAX_COPIED = 1024 * 1024
"""Bytes that the copies of one patch may add up to; without it each of a few could double a document."""
NEEDS = {
    "add": ("value",),
    "remove": (),
    "replace": ("value",),
    "move": ("from",),
    "copy": ("from",),
    "test": ("value",),
}

_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
Pointer = tuple[str, ...]


class _NoPlaceError(Exception):
    """The document has nothing at the pointer."""


def apply(document: Any, operations: Any) -> Any:
    """The document after all operations, in order; the one that is given is not changed.

    Raises:
        ApiError: VALIDATION_ERROR for what is no patch, CONFLICT when a `test` fails or a path leads nowhere,
            PAYLOAD_TOO_LARGE when copies outgrow their bound.
    """
    if not isinstance(operations, list):
        raise _invalid("a JSON Patch is an array of operations", "")
    if len(operations) > MAX_OPERATIONS:
        raise _invalid(f"a JSON Patch may have {MAX_OPERATIONS} operations", "")
    result = orjson.loads(orjson.dumps(document))
    copied = 0
    for number, operation in enumerate(operations):
        name, path = _read(operation, f"/{number}")
        try:
            if name == "copy":
                text = _text(_at(result, pointer(operation["from"], f"/{number}/from")), number)
                copied += len(text)
                if copied > MAX_COPIED:
                    raise ApiError("PAYLOAD_TOO_LARGE", f"copies may add up to {MAX_COPIED} bytes")
                result = _added(result, path, orjson.loads(text))
            else:
                result = _step(result, name, path, operation, number)
        except _NoPlaceError as problem:
            raise _conflict("the document has nothing at this path", number, operation) from problem
    if deeper_than(result, MAX_DEPTH):
        raise _too_deep("")
    return result


def _text(value: Any, number: int) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as problem:  # some hundred levels, by copies into copies
        raise _too_deep(f"/{number}") from problem


def _too_deep(at: str) -> ApiError:
    return _invalid(f"the result nests deeper than {MAX_DEPTH} levels", at)


def _step(result: Any, name: str, path: Pointer, operation: dict[str, Any], number: int) -> Any:
    """The document after one operation that copies nothing."""
    if name == "test":
        if not equal(_at(result, path), operation["value"]):
            raise _conflict("the value at this path is another", number, operation)
        return result
    if name == "move":
        source = pointer(operation["from"], f"/{number}/from")
        if path[: len(source)] == source and path != source:
            raise _invalid("a value cannot be moved into itself", f"/{number}/from")
        value = _at(result, source)
        return _added(_removed(result, source), path, value)
    if name == "remove":
        return _removed(result, path)
    put = _added if name == "add" else _replaced
    return put(result, path, operation["value"])


def _read(operation: Any, at: str) -> tuple[str, Pointer]:
    if not isinstance(operation, dict):
        raise _invalid("an operation is an object", at)
    name = operation.get("op")
    if not isinstance(name, str) or name not in NEEDS:
        raise _invalid(f"op must be one of {', '.join(NEEDS)}", f"{at}/op")
    for member in ("path", *NEEDS[name]):
        if member not in operation:
            raise _invalid(f"{name} needs the member {member}", f"{at}/{member}")
    return name, pointer(operation["path"], f"{at}/path")


def pointer(text: Any, at: str) -> Pointer:
    """The tokens of a JSON Pointer; the empty one is the whole document.

    Raises:
        ApiError: VALIDATION_ERROR for text that is none.
    """
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise _invalid("a path is a JSON Pointer: empty, or starting with a slash", at)
    tokens = text.split("/")[1:]
    if any(part.replace("~0", "").replace("~1", "").count("~") for part in tokens):
        raise _invalid("in a JSON Pointer ~ stands only before 0 and 1", at)
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in tokens)


def equal(a: Any, b: Any) -> bool:
    """Whether two JSON values are the same: 1 and 1.0 are, 1 and true are not (RFC 6902 4.6)."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(equal(value, b[name]) for name, value in a.items())
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(equal(one, other) for one, other in zip(a, b, strict=True))
    return bool(a == b)


def _index(items: list[Any], token: str, *, end: bool) -> int:
    """The index that a token names; with `end` also the place behind the last item, which is `-` too."""
    if end and token == "-":  # noqa: S105 - a token of a pointer
        return len(items)
    if not _INDEX.fullmatch(token) or int(token) >= len(items) + end:
        raise _NoPlaceError
    return int(token)


def _at(value: Any, path: Pointer) -> Any:
    for token in path:
        if isinstance(value, dict) and token in value:
            value = value[token]
        elif isinstance(value, list):
            value = value[_index(value, token, end=False)]
        else:
            raise _NoPlaceError
    return value


def _added(document: Any, path: Pointer, value: Any) -> Any:
    if not path:
        return value
    holder = _at(document, path[:-1])
    if isinstance(holder, dict):
        holder[path[-1]] = value
    elif isinstance(holder, list):
        holder.insert(_index(holder, path[-1], end=True), value)
    else:
        raise _NoPlaceError
    return document


def _replaced(document: Any, path: Pointer, value: Any) -> Any:
    if not path:
        return value
    _at(document, path)
    holder = _at(document, path[:-1])
    holder[path[-1] if isinstance(holder, dict) else int(path[-1])] = value
    return document


def _removed(document: Any, path: Pointer) -> Any:
    if not path:
        return None
    _at(document, path)
    holder = _at(document, path[:-1])
    del holder[path[-1] if isinstance(holder, dict) else int(path[-1])]
    return document


def _invalid(message: str, at: str) -> ApiError:
    return ApiError("VALIDATION_ERROR", message, {"rule": "JSON_PATCH", "pointer": at})


def _conflict(message: str, number: int, operation: dict[str, Any]) -> ApiError:
    details = {"operation": number, "op": operation["op"], "path": str(operation["path"])[:200]}
    return ApiError("CONFLICT", message, details)
