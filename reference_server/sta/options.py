"""The query options of SensorThings 1.1 (9.3), nested ones included: text to a frozen form."""

import re

import msgspec

from reference_server.sta import functions, grammar
from reference_server.sta.grammar import Node, bad

DEFAULT_TOP = 100
MAX_TOP = 1000
LARGEST = 2**53 - 1
MAX_SKIP = 10_000_000
MAX_EXPANDS = 30
_NAME = re.compile(r"@?[A-Za-z_][\w.]*(/[\w.@]+)*", re.ASCII)


class Expand(msgspec.Struct, frozen=True):
    """A relation whose entities are shown in place."""

    name: str
    options: "Options"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a request asks of a collection or an entity."""

    filter: Node | None = None
    expand: tuple[Expand, ...] = ()
    select: tuple[str, ...] | None = None
    orderby: tuple[tuple[Node, bool], ...] = ()
    """Expressions, each with whether it descends."""
    top: int = DEFAULT_TOP
    skip: int = 0
    count: bool = False


def split(text: str, mark: str) -> list[str]:
    """The parts between marks that stand outside of brackets and quotes.

    Raises:
        ApiError: INVALID_PARAMETERS for unbalanced text.
    """
    parts, depth, quoted, start = [], 0, False, 0
    for place, char in enumerate(text):
        if char == "'":
            quoted = not quoted
        elif not quoted:
            depth += (char == "(") - (char == ")")
            if depth < 0:
                break
            if char == mark and depth == 0:
                parts.append(text[start:place])
                start = place + 1
    if depth or quoted:
        raise bad("brackets or quotes of a query option do not match")
    return [*parts, text[start:]]


def parse(pairs: list[tuple[str, str]]) -> Options:
    """The options of a request.

    Raises:
        ApiError: INVALID_PARAMETERS for an unknown option, one given twice, or a value that makes no sense.
    """
    given: dict[str, str] = {}
    for name, text in pairs:
        if name not in (
            "$filter",
            "$expand",
            "$select",
            "$orderby",
            "$top",
            "$skip",
            "$count",
            "$resultFormat",
        ):
            raise bad(f"there is no query option {name[:40]!r}")
        if name in given:
            raise bad(f"{name} is given more than once")
        given[name] = text
    if given.get("$resultFormat", "default") != "default":
        raise bad("$resultFormat: only the default is offered")
    wanted = None if "$filter" not in given else grammar.parse(given["$filter"])
    if wanted is not None:
        functions.require_truth(wanted)
    return Options(
        filter=wanted,
        expand=expands(given["$expand"]) if "$expand" in given else (),
        select=_names(given["$select"]) if "$select" in given else None,
        orderby=tuple(_order(part) for part in split(given.get("$orderby", ""), ",") if part.strip()),
        top=min(_whole(given, "$top", DEFAULT_TOP), MAX_TOP),
        skip=_whole(given, "$skip", 0),
        count=_truth(given.get("$count", "false")),
    )


def expands(text: str) -> tuple[Expand, ...]:
    """The relations to show; `A/B` is A with B in it."""
    found: dict[str, Expand] = {}
    for part in split(text, ","):
        name, bracket, inner = part.strip().partition("(")
        if bracket and not inner.endswith(")"):
            raise bad("an $expand goes on behind its bracket")
        first, _, rest = name.partition("/")
        if not _NAME.fullmatch(name):
            raise bad(f"$expand: {name[:40]!r} is no relation")
        pairs = [tuple(one.strip().partition("=")[::2]) for one in split(inner[:-1], ";")] if bracket else []
        nested = parse([(key, value) for key, value in pairs if key])
        options = Options(expand=(Expand(rest, nested),)) if rest else nested
        if first in found:
            old = found[first].options
            options = msgspec.structs.replace(old, expand=(*old.expand, *options.expand))
        found[first] = Expand(first, options)
    if len(found) > MAX_EXPANDS:
        raise bad("too many relations in $expand")
    return tuple(found.values())


def _names(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(","))
    if not all(_NAME.fullmatch(name) for name in names):
        raise bad("$select is a list of names")
    return names


def _order(text: str) -> tuple[Node, bool]:
    words = text.strip().rsplit(None, 1)
    if len(words) == 2 and words[1] in ("asc", "desc"):
        return grammar.parse(words[0]), words[1] == "desc"
    return grammar.parse(text), False


def _whole(given: dict[str, str], name: str, default: int) -> int:
    text = given.get(name)
    if text is None:
        return default
    if (
        not (text.isascii() and text.isdigit())
        or len(text) > 18
        or int(text) > (MAX_SKIP if name == "$skip" else LARGEST)
    ):
        raise bad(f"{name} must be a whole number that is not negative")
    return int(text)


def _truth(text: str) -> bool:
    if text not in ("true", "false"):
        raise bad("$count must be true or false")
    return text == "true"
