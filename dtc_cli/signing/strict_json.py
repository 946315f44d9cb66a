"""JSON that has one meaning: no duplicate keys, no NaN, no lone surrogates, no bottomless nesting."""

import json
import math
import re
from typing import Any

import orjson

from dtc_cli.core.canonical import canonical_json
from dtc_cli.signing.refusal import Refusal

MAX_DEPTH = 64
# Sorted keys, integers up to 53 bits: for ASCII without fractions that is RFC 8785 form, 30 times faster.
_FRACTION = re.compile(rb"[:,\[]-?[0-9]+(?:\.[0-9]+(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)[,}\]]")
"""Every member or item with a point or an exponent in a text without blanks; seldom some text in a string,
never an instant."""
CANONICAL = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER


def parse(data: bytes, name: str) -> Any:
    """The value of a JSON text in UTF-8.

    Args:
        data: the bytes of the file.
        name: the file's name, for the message.

    Raises:
        Refusal: when two readers could understand the text differently, or not at all.
    """
    return _parse(data, name, [])


def _parse(data: bytes, name: str, fractions: list[float]) -> Any:
    """As `parse`; gathers the numbers that are written with a point or an exponent."""

    def fraction(text: str) -> float:
        fractions.append(_finite(text))
        return fractions[-1]

    try:
        text = data.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=fraction)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode("utf-8")  # a lone surrogate cannot be encoded
    except (ValueError, RecursionError) as problem:
        raise Refusal(f"{name} is not strict JSON: {_short(problem)}") from problem
    if text.count("{") + text.count("[") > MAX_DEPTH and _deeper(value, MAX_DEPTH):
        raise Refusal(f"{name} is not strict JSON: nested deeper than {MAX_DEPTH}")
    return value


def parse_canonical(data: bytes, name: str) -> Any:
    """The value of a text that is its own RFC 8785 form: one value, one sequence of bytes.

    Raises:
        Refusal: for every other text.
    """
    quick = _quick(data)
    if quick is not None:
        return quick
    fractions: list[float] = []
    value = _parse(data, name, fractions)
    try:
        if fractions or not data.isascii():
            same = canonical_json(value) == data
        else:
            same = orjson.dumps(value, option=CANONICAL) == data
    except (ValueError, orjson.JSONEncodeError, RecursionError) as problem:
        raise Refusal(f"{name} has no RFC 8785 form: {_short(problem)}") from problem
    if not same:
        raise Refusal(f"{name} is not in RFC 8785 form")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice!a} stands twice in one object")
    return members


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON value")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:20]} is too large")
    return number


def _quick(data: bytes) -> Any | None:
    """The value of an ordinary line, or None for whatever needs a closer look.

    A text that comes out of its own value byte for byte has no duplicate keys, no blanks, no odd spelling and
    no integer beyond 2^53; fractions, which the two libraries write differently, are looked for apart.
    """
    if data[:1] not in (b"{", b"[") or not data.isascii() or data.count(b"{") + data.count(b"[") > MAX_DEPTH:
        return None
    if _FRACTION.search(data):
        return None
    try:
        value = orjson.loads(data)
        same = orjson.dumps(value, option=CANONICAL) == data
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None
    return value if same else None


def _deeper(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return True


def _short(problem: BaseException) -> str:
    if isinstance(problem, UnicodeDecodeError):
        return f"byte {problem.start} is not UTF-8"
    if isinstance(problem, UnicodeEncodeError):
        return "a lone surrogate"
    if isinstance(problem, RecursionError):
        return "nested too deeply"
    return str(problem)[:200]
