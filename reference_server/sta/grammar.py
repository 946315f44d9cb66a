"""The expressions of $filter and $orderby (SensorThings 1.1 9.3.3.5; OData 4.01 11.2.6): text to a tree."""

import re
from typing import Any

import msgspec

from reference_server import instants
from reference_server.errors import ApiError
from reference_server.sta import geo

MAX_TOKENS = 500
MAX_DEPTH = 40


class Literal(msgspec.Struct, frozen=True):
    """A value that stands in the text."""

    value: Any


class Instant(msgspec.Struct, frozen=True):
    """A moment, in microseconds UTC."""

    at: int


class Path(msgspec.Struct, frozen=True):
    """A property, perhaps of a related entity: its names from the outside in."""

    parts: tuple[str, ...]


class Call(msgspec.Struct, frozen=True):
    """A function, or an operator by its word."""

    name: str
    arguments: tuple["Node", ...]


Node = Literal | Path | Call
COMPARISONS = ("eq", "ne", "gt", "ge", "lt", "le")
_LEVELS: tuple[tuple[str, ...], ...] = (("or",), ("and",), COMPARISONS, ("add", "sub"), ("mul", "div", "mod"))
_TIME = r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)"
_TOKEN = re.compile(
    rf"""\s*(?:(?P<geo>geography'[^']*')|(?P<time>{_TIME})|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    |(?P<text>'(?:[^']|'')*')|(?P<name>@?[A-Za-z_][\w.]*(?:/@?[A-Za-z_][\w.]*)*)|(?P<mark>[(),]))""",
    re.VERBOSE | re.ASCII,
)


def bad(message: str) -> ApiError:
    """The refusal of a query option."""
    return ApiError("INVALID_PARAMETERS", message)


def parse(text: str) -> Node:
    """The tree of an expression.

    Raises:
        ApiError: INVALID_PARAMETERS with the place where it stops to make sense.
    """
    parser = _Parser(text)
    found = parser.level(0, 0)
    parser.end()
    return found


class _Parser:
    """Recursive descent over the tokens, one method per kind of node."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, str]] = []
        place = 0
        stripped = text.rstrip()
        while place < len(stripped):
            match = _TOKEN.match(stripped, place)
            if match is None or match.lastgroup is None or len(self._tokens) >= MAX_TOKENS:
                raise bad(f"the expression makes no sense from {stripped[place : place + 30]!r} on")
            self._tokens.append((match.lastgroup, match[match.lastgroup]))
            place = match.end()
        self._next = 0

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._next] if self._next < len(self._tokens) else ("end", "")

    def _take(self) -> tuple[str, str]:
        token = self._peek()
        self._next += 1
        return token

    def _expect(self, mark: str) -> None:
        if self._take() != ("mark", mark):
            raise bad(f"a {mark} is missing in the expression")

    def end(self) -> None:
        """Nothing may follow."""
        if self._next < len(self._tokens):
            raise bad(f"the expression goes on with {self._peek()[1][:30]!r} where it should end")

    def level(self, level: int, depth: int) -> Node:
        """An expression of operators that bind as tight as `level` or tighter."""
        if depth > MAX_DEPTH:
            raise bad("the expression nests too deeply")
        if level == len(_LEVELS):
            return self._primary(depth)
        if level == 2 and self._peek() == ("name", "not"):
            self._take()
            return Call("not", (self.level(2, depth + 1),))
        left = self.level(level + 1, depth)
        while self._peek()[0] == "name" and self._peek()[1] in _LEVELS[level]:
            name = self._take()[1]
            left = Call(name, (left, self.level(level + 1, depth)))
        return left

    def _primary(self, depth: int) -> Node:
        kind, text = self._take()
        if kind == "mark" and text == "(":
            inner = self.level(0, depth + 1)
            self._expect(")")
            return inner
        if kind == "name":
            return self._named(text, depth)
        if kind == "number":
            return Literal(float(text) if re.search("[.eE]", text) else int(text))
        if kind == "text":
            return Literal(text[1:-1].replace("''", "'"))
        if kind == "geo":
            return Literal(geo.from_wkt(text[len("geography'") : -1]))
        if kind == "time":
            at = instants.parse(text)
            if at is not None:
                return Literal(Instant(at))
        raise bad(f"a value is missing in the expression at {text[:30]!r}")

    def _named(self, text: str, depth: int) -> Node:
        if text in ("true", "false", "null"):
            return Literal({"true": True, "false": False, "null": None}[text])
        if self._peek() != ("mark", "("):
            return Path(tuple(text.split("/")))
        self._take()
        arguments: list[Node] = []
        if self._peek() != ("mark", ")"):
            arguments.append(self.level(0, depth + 1))
            while self._peek() == ("mark", ","):
                self._take()
                arguments.append(self.level(0, depth + 1))
        self._expect(")")
        from reference_server.sta.functions import ARITY

        if text not in ARITY or len(arguments) not in ARITY[text]:
            raise bad(f"there is no function {text[:40]} of {len(arguments)} arguments")
        return Call(text, tuple(arguments))


def paths(node: Node) -> list[tuple[str, ...]]:
    """The paths in a tree."""
    if isinstance(node, Path):
        return [node.parts]
    return [path for part in node.arguments for path in paths(part)] if isinstance(node, Call) else []


def conjuncts(node: Node | None) -> list[Node]:
    """The parts of a tree that must all hold."""
    if isinstance(node, Call) and node.name == "and":
        return [part for argument in node.arguments for part in conjuncts(argument)]
    return [] if node is None else [node]
