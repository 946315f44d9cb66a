"""Our own evaluation of the filters of P2 4.3, to hold against what a target returns.

Each evaluation is True (the object matches), False (it does not) or None: both readings are sane, and the
object is judged by neither.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from suites.phase2.support.shapes import Box, meets

Verdict = bool | None
Judge = Callable[[Mapping[str, Any]], Verdict]

_MISSING = object()
_LOOKS_TYPED = re.compile(r"-?[0-9.]+|true|false|null")


def of_type(kind: str) -> Judge:
    """`?type=`: the type, letter by letter."""
    return lambda item: item.get("type") == kind


def of_property(name: str, text: str) -> Judge:
    """`?properties.<name>=<text>`: equal by value; dots lead to nested members."""

    def judge(item: Mapping[str, Any]) -> Verdict:
        return equals(_lookup(item.get("properties"), name), text)

    return judge


def in_box(box: Box, slack: float) -> Judge:
    """`?bounds=`: the geometry intersects the box; None within `slack` of its edge (C-17)."""
    return lambda item: meets(item.get("geometry"), box, slack)


def every(*judges: Judge) -> Judge:
    """All of them (DTC-P2-032)."""

    def judge(item: Mapping[str, Any]) -> Verdict:
        verdicts = [one(item) for one in judges]
        if False in verdicts:
            return False
        return None if None in verdicts else True

    return judge


def equals(value: object, text: str) -> Verdict:
    """Whether a property value equals the text of a query."""
    if value is _MISSING or isinstance(value, dict):
        return False
    if isinstance(value, str):
        # Text that looks like a number or a flag may be read as one before it is compared with strings.
        return (None if _LOOKS_TYPED.fullmatch(text) else True) if value == text else False
    if isinstance(value, bool):
        return _equals_flag(value, text)
    if isinstance(value, int | float):
        return _equals_number(value, text)
    if isinstance(value, list):
        return None if any(equals(entry, text) is not False for entry in value) else False
    return None if text in {"null", ""} else False


def _equals_flag(value: bool, text: str) -> Verdict:
    if text in {"true", "false"}:
        return value is (text == "true")
    return None if text.lower() in {"true", "false", "1", "0"} else False


def _equals_number(value: float, text: str) -> Verdict:
    if text in {"true", "false"} and value in {0, 1}:
        return None
    try:
        wanted = float(text)
    except ValueError:
        return False
    if wanted != value:
        return False
    plain = text.removeprefix("-")
    return None if plain != plain.strip("+ ") or "e" in text.lower() or plain.startswith("00") else True


def _lookup(properties: object, name: str) -> object:
    """The value at a dotted name; a member whose own name has the dots counts as well."""
    if isinstance(properties, dict) and name in properties:
        return properties[name]
    value = properties
    for step in name.split("."):
        if not isinstance(value, dict) or step not in value:
            return _MISSING
        value = value[step]
    return value
