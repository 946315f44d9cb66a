"""The values of expressions for an entity; null is neither true nor false, as in OData."""

import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from reference_server import instants
from reference_server.sta import geo
from reference_server.sta.grammar import COMPARISONS, Call, Instant, Literal, Node, bad

Look = Callable[[tuple[str, ...]], list[Any]]
"""The values at a path of an entity: one, or several through a relation to many."""
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
_COUNT: Mapping[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "mod": math.fmod,
}


def holds(node: Node, look: Look) -> bool:
    """Whether a filter is true of an entity."""
    return value(node, look) is True


def value(node: Node, look: Look) -> Any:
    """The value of an expression; None where a part is missing or of another kind.

    Raises:
        ApiError: INVALID_PARAMETERS for a question that no value could answer.
    """
    if isinstance(node, Literal):
        return node.value
    if not isinstance(node, Call):
        found = look(node.parts)
        return found[0] if found else None
    known = _LOGIC.get(node.name)
    return _called(node, look) if known is None else known(node, look)


def _called(node: Call, look: Look) -> Any:
    given = [value(argument, look) for argument in node.arguments]
    if node.name in _COUNT:
        return _counted(node.name, given)
    if any(one is None for one in given):
        return None
    try:
        return FUNCTIONS[node.name](*given)
    except (TypeError, ValueError, AttributeError, KeyError, IndexError, OverflowError):
        return None  # of another kind than the function takes


def _logic(node: Call, look: Look) -> bool | None:
    given = [value(argument, look) for argument in node.arguments]
    known = [one if isinstance(one, bool) else None for one in given]
    if node.name == "not":
        return None if known[0] is None else not known[0]
    settles = node.name == "or"
    if settles in known:
        return settles
    return None if None in known else not settles


def _compared(node: Call, look: Look) -> bool | None:
    """A comparison; with several values on a side it holds when it holds for one of them."""
    sides = [
        look(side.parts) or [None] if not isinstance(side, Literal | Call) else [value(side, look)]
        for side in node.arguments
    ]
    found = [_pair(node.name, a, b) for a in sides[0] for b in sides[1]]
    return True if True in found else (False if False in found else None)


def _pair(name: str, a: Any, b: Any) -> bool | None:
    if a is None or b is None:
        return _COMPARE[name](a, b) if name in ("eq", "ne") else None
    if isinstance(a, Instant) or isinstance(b, Instant):
        first, second = moment(a), moment(b)
        return None if first is None or second is None else _COMPARE[name](first, second)
    if _kind(a) != _kind(b):
        return name == "ne" if name in ("eq", "ne") else None
    if _kind(a) not in ("text", "number") and name not in ("eq", "ne"):
        return None
    return _COMPARE[name](a, b)


def moment(given: Any) -> int | None:
    """Microseconds of an instant or of text that is one; of an interval its start."""
    if isinstance(given, Instant):
        return given.at
    return instants.parse(given.partition("/")[0]) if isinstance(given, str) else None


def _kind(given: Any) -> str:
    if isinstance(given, bool):
        return "truth"
    if isinstance(given, int | float):
        return "number"
    return "text" if isinstance(given, str) else "other"


def _counted(name: str, given: list[Any]) -> Any:
    if any(_kind(one) != "number" for one in given) or (name in ("div", "mod") and given[1] == 0):
        return None
    try:
        found = _COUNT[name](*given)
    except (OverflowError, ValueError):
        return None
    return found if math.isfinite(found) else None


def _part(index: int, width: int) -> Callable[[Any], int]:
    """A number out of the text of a moment in UTC."""

    def cut(given: Any) -> int:
        at = moment(given)
        if at is None:
            raise ValueError
        return int(instants.show(at)[index : index + width])

    return cut


def _micros(given: Any) -> float:
    at = moment(given)
    if at is None:
        raise ValueError
    return (at % instants.MICROS) / instants.MICROS


def _offset(given: Any) -> int:
    if isinstance(given, Instant):
        return 0
    found = instants.parse_with_offset(given)
    if found is None:
        raise ValueError
    return found[1]


def _text_time(start: int, end: int) -> Callable[[Any], str]:
    def cut(given: Any) -> str:
        at = moment(given)
        if at is None:
            raise ValueError
        return instants.show(at)[start:end]

    return cut


def _substring(text: str, start: int, count: int | None = None) -> str:
    if start < 0 or (count is not None and count < 0):
        raise ValueError
    return text[start:] if count is None else text[start : start + count]


def _rounded(number: float) -> int:
    return math.floor(number + 0.5) if number >= 0 else math.ceil(number - 0.5)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "substringof": lambda part, text: str.__contains__(text, part),
    "contains": str.__contains__,
    "startswith": str.startswith,
    "endswith": str.endswith,
    "length": lambda text: len(re.sub("", "", text)),
    "indexof": str.find,
    "substring": _substring,
    "tolower": str.lower,
    "toupper": str.upper,
    "trim": str.strip,
    "concat": str.__add__,
    "year": _part(0, 4),
    "month": _part(5, 2),
    "day": _part(8, 2),
    "hour": _part(11, 2),
    "minute": _part(14, 2),
    "second": _part(17, 2),
    "fractionalseconds": _micros,
    "date": _text_time(0, 10),
    "time": _text_time(11, 19),
    "totaloffsetminutes": _offset,
    "now": lambda: Instant(instants.now_us()),
    "mindatetime": lambda: Instant(instants.EARLIEST_US),
    "maxdatetime": lambda: Instant(253_402_300_799 * instants.MICROS),
    "round": _rounded,
    "floor": math.floor,
    "ceiling": math.ceil,
    "geo.distance": geo.distance,
    "geo.length": geo.length,
    "geo.intersects": geo.intersects,
    "st_intersects": geo.intersects,
    "st_disjoint": lambda a, b: not geo.intersects(a, b),
    "st_within": geo.within,
    "st_contains": lambda a, b: geo.within(b, a),
    "st_equals": lambda a, b: geo.within(a, b) and geo.within(b, a),
}
_LOGIC: Mapping[str, Callable[[Call, Look], bool | None]] = {
    **dict.fromkeys(("and", "or", "not"), _logic),
    **dict.fromkeys(COMPARISONS, _compared),
}
ARITY: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(FUNCTIONS, (1,)),
    **dict.fromkeys(("now", "mindatetime", "maxdatetime"), (0,)),
    **dict.fromkeys(
        (
            *("substringof", "contains", "startswith", "endswith", "indexof", "concat", "geo.distance"),
            *("geo.intersects", "st_intersects", "st_disjoint", "st_within", "st_contains", "st_equals"),
        ),
        (2,),
    ),
    "substring": (2, 3),
}


def require_truth(node: Node) -> None:
    """A filter must be able to be true.

    Raises:
        ApiError: INVALID_PARAMETERS for a bare value.
    """
    if isinstance(node, Literal) and not isinstance(node.value, bool):
        raise bad("a filter must be a comparison or a condition")
