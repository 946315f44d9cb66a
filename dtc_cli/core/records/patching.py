"""The part of JSON Patch (RFC 6902) that vectors need: add, remove, replace and copy at RFC 6901 pointers."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any


class PatchError(ValueError):
    """An operation that cannot be done; the text says which and why."""


def apply(document: Any, operations: Iterable[Mapping[str, Any]]) -> Any:
    """The document after all operations, in order; it is changed in place where it can be.

    Raises:
        PatchError: for an unknown operation, a pointer that leads nowhere, or a missing value.
    """
    for operation in operations:
        document = _apply_one(document, operation)
    return document


def lookup(document: Any, pointer: str) -> Any:
    """The value at an RFC 6901 pointer.

    Raises:
        PatchError: if there is none.
    """
    value = document
    for step in _steps(pointer):
        value = _child(value, step, pointer)
    return value


def _apply_one(document: Any, operation: Mapping[str, Any]) -> Any:
    kind, pointer = operation.get("op"), operation.get("path")
    if not isinstance(pointer, str):
        raise PatchError(f"an operation without a path: {dict(operation)}")
    if kind == "remove":
        parent, last = _parent(document, pointer)
        _child(parent, last, pointer)
        del parent[_index(last, len(parent), pointer) if isinstance(parent, list) else last]
        return document
    if kind == "copy":
        value = deepcopy(lookup(document, str(operation.get("from"))))
    elif kind in {"add", "replace"} and "value" in operation:
        value = deepcopy(operation["value"])
    else:
        raise PatchError(f"{kind} at {pointer}: not an add or replace with a value, a copy or a remove")
    if pointer == "":
        return value
    parent, last = _parent(document, pointer)
    if kind == "replace":
        _child(parent, last, pointer)
    if isinstance(parent, list):
        _put(parent, last, value, pointer, replace=kind == "replace")
    elif isinstance(parent, dict):
        parent[last] = value
    else:
        raise PatchError(f"{pointer}: the parent is neither an array nor an object")
    return document


def _put(parent: list[Any], last: str, value: Any, pointer: str, *, replace: bool) -> None:
    if last == "-" and not replace:
        parent.append(value)
    elif replace:
        parent[_index(last, len(parent), pointer)] = value
    else:
        parent.insert(_index(last, len(parent) + 1, pointer), value)


def _parent(document: Any, pointer: str) -> tuple[Any, str]:
    *before, last = _steps(pointer)
    value = document
    for step in before:
        value = _child(value, step, pointer)
    return value, last


def _child(value: Any, step: str, pointer: str) -> Any:
    if isinstance(value, list):
        return value[_index(step, len(value), pointer)]
    if isinstance(value, dict) and step in value:
        return value[step]
    raise PatchError(f"{pointer} leads nowhere at {step!r}")


def _index(step: str, length: int, pointer: str) -> int:
    if not step.isdecimal() or int(step) >= length:
        raise PatchError(f"{pointer} leads nowhere: {step!r} is no index below {length}")
    return int(step)


def _steps(pointer: str) -> list[str]:
    if pointer == "":
        return []
    if not pointer.startswith("/"):
        raise PatchError(f"{pointer!r} is not a JSON pointer")
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer[1:].split("/")]
