"""JSON values as the rules see them: what is a number, an integer, an id; how messages show a value."""

import json
import math
from typing import Any, TypeGuard

_SHOWN = 60
_DOUBLE_MAX = 1.7976931348623157e308


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value is a finite JSON number; true and false are none."""
    # The exact types of a JSON parser, so that a bool, which Python counts as an int, is none.
    return (type(value) is float and math.isfinite(value)) or type(value) is int


def is_integral(value: object) -> TypeGuard[int | float]:
    """Whether a value is a JSON number without a fraction: 2 and 2.0 are the same number (C-20)."""
    return is_number(value) and (isinstance(value, int) or value.is_integer())


def is_ratio(value: object) -> TypeGuard[int | float]:
    """Whether a value is a number in 0..1, ends included."""
    return is_number(value) and 0 <= value <= 1


def is_id(value: object) -> TypeGuard[str]:
    """Whether a value can be an id: any string but the empty one (C-24)."""
    return isinstance(value, str) and value != ""


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether a value is a JSON object."""
    return isinstance(value, dict)


def as_float(value: float) -> float:
    """A JSON number as a double; an integer too large for one becomes the largest double of its sign."""
    try:
        return float(value)
    except OverflowError:
        return math.copysign(_DOUBLE_MAX, 1 if value > 0 else -1)


def show(value: object) -> str:
    """A value for a message: scalars as short JSON in ASCII, arrays and objects by kind and size only."""
    if isinstance(value, list):
        return f"an array of {len(value)}"
    if isinstance(value, dict):
        return f"an object of {len(value)} members"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**_SHOWN:
        return "an integer of more than 60 digits"
    try:
        text = json.dumps(value)
    except (TypeError, ValueError):
        text = type(value).__name__
    return text if len(text) <= _SHOWN else text[: _SHOWN - 4] + "..." + text[-1]


def kind(value: object) -> str:
    """The JSON type name of a value, as JSON Schema calls it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    names = {dict: "object", list: "array", str: "string", int: "number", float: "number"}
    return names.get(type(value), type(value).__name__)
