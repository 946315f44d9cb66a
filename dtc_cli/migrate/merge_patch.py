"""The RFC 7396 patch between two objects."""

from typing import Any


def merge_patch(now: Any, wanted: Any) -> dict[str, Any]:
    """The RFC 7396 patch that turns one object into another.

    Members that only the target knows, at the top and in `metadata`, stay; all else that is not wanted goes.
    """
    patch: dict[str, Any] = {}
    for name, value in wanted.items():
        old = now.get(name)
        if name == "id" or value == old:
            continue
        if isinstance(value, dict) and isinstance(old, dict):
            inner = _difference(old, value, remove=name != "metadata")
            if inner:
                patch[name] = inner
        else:
            patch[name] = value
    return patch


def _difference(old: dict[str, Any], new: dict[str, Any], *, remove: bool) -> dict[str, Any]:
    patch: dict[str, Any] = {name: None for name in old if name not in new} if remove else {}
    for name, value in new.items():
        before = old.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            inner = _difference(before, value, remove=True)
            if inner:
                patch[name] = inner
        elif value != before or name not in old:
            patch[name] = value
    return patch
