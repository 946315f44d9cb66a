"""Values that can be read in two ways, day and month, decimal and thousands mark: they are asked about."""

import re
from collections.abc import Iterator, Sequence

from dtc_cli.migrate.profile import FieldProfile

_DAY = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})(?:[ T].*)?")
_MARK = re.compile(r"[+-]?[1-9]\d{0,2}[,.]\d{3}")
LEAST = 0.8
"""Share of the texts that must look so."""


def day_pattern(texts: Sequence[str]) -> tuple[str | None, str]:
    """The pattern of days written with the year last, and what is known: `sure`, `ambiguous`, `mixed`, ``."""
    found = [match for text in texts if (match := _DAY.fullmatch(text.strip()))]
    if not texts or len(found) < LEAST * len(texts):
        return None, ""
    mark = found[0][2]
    year = "%Y" if len(found[0][4]) == 4 else "%y"
    day_first = any(int(match[1]) > 12 for match in found)
    month_first = any(int(match[3]) > 12 for match in found)
    if day_first and month_first:
        return None, "mixed"
    if not day_first and not month_first:
        # With points it is written by those only who put the day first (ISO 8601 has none).
        return (f"%d.%m.{year}", "sure") if mark == "." else (f"%d{mark}%m{mark}{year}", "ambiguous")
    order = ("%d", "%m") if day_first else ("%m", "%d")
    return f"{order[0]}{mark}{order[1]}{mark}{year}", "sure"


def questions(fields: Sequence[FieldProfile]) -> Iterator[tuple[str, str]]:
    """What a person has to decide about the fields of a layer: (text, remedy)."""
    for field in fields:
        texts = [text for text, _ in field.common] + field.examples
        pattern, known = day_pattern(field.dated or texts)
        if known == "mixed":
            yield (
                f"{field.name} has days before months and months before days",
                "ask its owner; a pattern: fits one of them, the rest is counted and left out",
            )
        elif known == "ambiguous":
            yield (
                f"the days of {field.name} can be read in two ways, as {(field.dated or texts)[0]}: "
                "nothing tells day from month",
                f"ask its owner, then pattern: {pattern!r} or {_other(pattern or '')!r}",
            )
        marked = [text for text in texts if _MARK.fullmatch(text)]
        if texts and field.kind == "text" and len(marked) >= LEAST * len(texts) and "," in marked[0]:
            yield (
                f"the numbers of {field.name} can be read in two ways, as {marked[0]}",
                "the comma counts as decimal mark; an expr: that strips it decides otherwise",
            )


def _other(pattern: str) -> str:
    return pattern.replace("%d", "%?").replace("%m", "%d").replace("%?", "%m")
