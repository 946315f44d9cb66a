"""Expressions of a plan: a small part of Python, compiled once, that reaches the record alone (D-42)."""

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from dtc_cli.migrate.trouble import plan_error

LONGEST = 500
"""Characters; a longer rule belongs into a code table or before the migration."""
LARGEST_POWER = 16
LONGEST_TEXT = 100_000

Getter = Callable[[Mapping[str, Any]], Any]


def _number(value: Any) -> float | int | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float):
        return value
    text = str(value).strip().replace(" ", "")
    number = float(text.replace(",", ".") if text.count(",") == 1 and "." not in text else text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a finite number")
    return int(number) if re.fullmatch(r"[+-]?\d+", text) else number


def _text(value: Any) -> str:
    return "" if value is None else str(value)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "number": _number,
    "text": _text,
    "lower": lambda value: _text(value).lower(),
    "upper": lambda value: _text(value).upper(),
    "strip": lambda value: _text(value).strip(),
    "replace": lambda value, old, new: _text(value).replace(_text(old), _text(new)),
    "part": lambda value, separator, index: [*_text(value).split(_text(separator)), *[""] * 100][int(index)],
    "coalesce": lambda *values: next((value for value in values if value not in (None, "")), None),
    "round": lambda value, digits=0: None if value is None else round(value, int(digits)),
    "floor": lambda value: None if value is None else math.floor(value),
    "ceil": lambda value: None if value is None else math.ceil(value),
    "abs": lambda value: None if value is None else abs(value),
    "min": lambda *values: min((value for value in values if value is not None), default=None),
    "max": lambda *values: max((value for value in values if value is not None), default=None),
    "length": lambda value: len(_text(value)),
    "startswith": lambda value, start: _text(value).startswith(_text(start)),
    "contains": lambda value, part: _text(part) in _text(value),
}
_OPERATORS: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_COMPARISONS: Mapping[type, Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}


def compile_expression(text: str, *, where: str = "") -> Getter:
    """A function from a record's fields to the value of the expression.

    Names are fields; `field("any name")` reaches a field whose name is no identifier. An operator with a
    null in it gives null. Allowed: literals, + - * / // % **, comparisons, and/or/not, `a if b else c`,
    and the functions of FUNCTIONS.

    Raises:
        DtcError: `migration-plan` for anything else, before a record is read.
    """
    if len(text) > LONGEST:
        raise _refused(text[:40] + "...", where, f"it has more than {LONGEST} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as problem:
        raise _refused(text, where, str(problem)) from problem
    return _build(tree.body, text, where)


def _refused(text: str, where: str, why: str) -> Exception:
    return plan_error(
        f"the expression {text!r} cannot be used",
        where=where,
        why=why,
        hint="fields, literals, + - * / // % **, comparisons, and or not, if-else, "
        + ", ".join(sorted(FUNCTIONS)),
    )


def _build(node: ast.expr, text: str, where: str) -> Getter:  # noqa: PLR0911 - one arm per kind of node
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float | bool | None):
        value = node.value
        return lambda _row: value
    if isinstance(node, ast.Name):
        name = node.id
        return lambda row: row.get(name)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _binary(node, text, where)
    if isinstance(node, ast.UnaryOp):
        return _unary(node, text, where)
    if isinstance(node, ast.BoolOp):
        parts = [_build(one, text, where) for one in node.values]
        return _any_of(parts) if isinstance(node.op, ast.Or) else _all_of(parts)
    if isinstance(node, ast.Compare):
        return _comparison(node, text, where)
    if isinstance(node, ast.IfExp):
        test, yes, no = (_build(one, text, where) for one in (node.test, node.body, node.orelse))
        return lambda row: yes(row) if test(row) else no(row)
    if isinstance(node, ast.List | ast.Tuple):
        items = [_build(one, text, where) for one in node.elts]
        return lambda row: [item(row) for item in items]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        return _call(node.func.id, [_build(one, text, where) for one in node.args], text, where)
    raise _refused(text, where, f"{type(node).__name__} is not part of the language")


def _binary(node: ast.BinOp, text: str, where: str) -> Getter:
    left, right, kind = _build(node.left, text, where), _build(node.right, text, where), type(node.op)
    apply = _OPERATORS[kind]

    def value(row: Mapping[str, Any]) -> Any:
        a, b = left(row), right(row)
        if a is None or b is None:
            return None
        if kind is ast.Pow and (abs(b) > LARGEST_POWER or abs(a) > 1e12):
            raise ValueError("the power is too large")
        if kind is ast.Mult and (isinstance(a, str | list) or isinstance(b, str | list)):
            raise ValueError("only numbers can be multiplied")
        if kind is ast.Mod and isinstance(a, str):
            raise ValueError("only numbers have a remainder")
        result = apply(a, b)
        if isinstance(result, str) and len(result) > LONGEST_TEXT:
            raise ValueError("the text grows too long")
        return result

    return value


def _unary(node: ast.UnaryOp, text: str, where: str) -> Getter:
    inner = _build(node.operand, text, where)
    if isinstance(node.op, ast.Not):
        return lambda row: not inner(row)
    if isinstance(node.op, ast.USub):
        return lambda row: None if (value := inner(row)) is None else -value
    raise _refused(text, where, f"{type(node.op).__name__} is not part of the language")


def _any_of(parts: list[Getter]) -> Getter:
    def value(row: Mapping[str, Any]) -> Any:
        last = None
        for part in parts:
            last = part(row)
            if last:
                return last
        return last

    return value


def _all_of(parts: list[Getter]) -> Getter:
    def value(row: Mapping[str, Any]) -> Any:
        last = None
        for part in parts:
            last = part(row)
            if not last:
                return last
        return last

    return value


def _comparison(node: ast.Compare, text: str, where: str) -> Getter:
    unknown = next((op for op in node.ops if type(op) not in _COMPARISONS), None)
    if unknown is not None or len(node.ops) != 1:
        raise _refused(text, where, "one comparison at a time: == != < <= > >= in, not in")
    left, right = _build(node.left, text, where), _build(node.comparators[0], text, where)
    compare, order = (
        _COMPARISONS[type(node.ops[0])],
        isinstance(node.ops[0], ast.Lt | ast.LtE | ast.Gt | ast.GtE),
    )

    def value(row: Mapping[str, Any]) -> bool:
        a, b = left(row), right(row)
        if order and (a is None or b is None):
            return False
        return compare(a, b)

    return value


def _call(name: str, arguments: list[Getter], text: str, where: str) -> Getter:
    if name == "field":
        if len(arguments) != 1:
            raise _refused(text, where, 'field takes one name: field("NAME OF FIELD")')
        return lambda row: row.get(arguments[0](row))
    if name not in FUNCTIONS:
        raise _refused(text, where, f"there is no function {name}")
    function = FUNCTIONS[name]
    return lambda row: function(*(argument(row) for argument in arguments))
