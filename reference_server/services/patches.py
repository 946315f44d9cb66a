"""Partial updates: JSON Merge Patch (RFC 7396), and what all kinds of patch have in common."""

from collections.abc import Callable
from typing import Any

from reference_server.errors import ApiError

Change = dict[str, Any] | Callable[[dict[str, Any]], Any]
"""A partial update: a merge patch, or a function from the document as it is read to the one wanted."""


def merge(target: Any, patch: Any) -> Any:
    """The target with the patch applied.

    Neither is changed. null removes a member, an array replaces the old one.
    """
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge(result.get(name), value)
    return result


def changed(change: Change, document: dict[str, Any]) -> dict[str, Any]:
    """The document after a change, without the members that only answers have.

    Raises:
        ApiError: VALIDATION_ERROR when it is no object any more; what the change raises.
    """
    result = merge(document, change) if isinstance(change, dict) else change(document)
    if not isinstance(result, dict):
        raise ApiError("VALIDATION_ERROR", "the result must be a JSON object", {"rule": "ERR_INVALID_TYPE"})
    return stored(result)


SHOWN_ONLY = ("_links", "binaryId")
"""What answers add and nobody stores."""


def stored(body: dict[str, Any]) -> dict[str, Any]:
    """A body as a client sent it, without what this server adds when it answers."""
    return {name: value for name, value in body.items() if name not in SHOWN_ONLY}
