"""The scalar properties of an object as (path, value) pairs.

What the property index holds and filters compare.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

Scalar = str | int | float
LONGEST = 100
"""Characters of a text that the index holds: enough to find it, and no copy of every description."""
MORE = "\U0010ffff"
"""Stands in the index for what was cut off; sorts behind every text that goes on otherwise."""
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,30})(\.\d{1,30})?([eE][+-]?\d{1,3})?", re.ASCII)
_INTEGER_LIMIT = 2**63


def scalars(properties: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Scalar]]:
    """Each scalar under its dotted path. true and false count as text.

    Null and arrays have no value to compare.
    """
    for name, value in properties.items():
        path = f"{prefix}{name}"
        if isinstance(value, bool):
            yield path, "true" if value else "false"
        elif isinstance(value, int) and not -_INTEGER_LIMIT <= value < _INTEGER_LIMIT:
            yield path, float(value)
        elif isinstance(value, str | int | float):
            yield path, value
        elif isinstance(value, dict):
            yield from scalars(value, f"{path}.")


def indexed(properties: Mapping[str, Any]) -> Iterator[tuple[str, Scalar]]:
    """The pairs of `scalars` as the index holds them."""
    for path, value in scalars(properties):
        yield path, shortened(value)


def shortened(value: Any) -> Any:
    """A value as the index holds it: of a long text its beginning."""
    return value[:LONGEST] + MORE if isinstance(value, str) and len(value) > LONGEST else value


def comparable(text: str) -> list[Scalar]:
    """The values that a query's text stands for: the text itself, and the number it spells."""
    number = numeric(text)
    return [text] if number is None else [text, number]


def numeric(text: str) -> int | float | None:
    """The number a text spells in JSON's notation, or None."""
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    whole = int(text) if text.lstrip("-").isdigit() else None
    return whole if whole is not None and abs(whole) < _INTEGER_LIMIT else value
