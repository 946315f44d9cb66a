"""Small pieces of HTML. Everything that comes out of a report passes through `text` or `anchor` here."""

import re
from collections.abc import Iterable, Sequence
from html import escape

from dtc_cli.core.model import Outcome
from dtc_cli.reports import shown


def text(value: str) -> str:
    """The text, escaped for element content and for quoted attributes; hidden characters are spelt out."""
    return escape(shown.visible(value), quote=True)


def anchor(identifier: str) -> str:
    """An `id` (and fragment) for a requirement or a vector: letters, digits and `-_./` only."""
    return re.sub(r"[^A-Za-z0-9_./-]", "_", identifier) or "_"


def link(identifier: str, label: str = "") -> str:
    """A link to the place of a requirement or a vector in this file."""
    return f'<a href="#{anchor(identifier)}">{text(label or identifier)}</a>'


def links(identifiers: Sequence[str], most: int = 12) -> str:
    """Links with commas; beyond the first ones only the number."""
    more = f" and {len(identifiers) - most:,} more" if len(identifiers) > most else ""
    return ", ".join(link(name) for name in identifiers[:most]) + more


def badge(outcome: Outcome) -> str:
    """The outcome as symbol and word in its colour."""
    return (
        f'<span class="badge {outcome.value}"><span aria-hidden="true">{shown.SYMBOLS[outcome]}</span> '
        f"{shown.words(outcome)}</span>"
    )


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """A definition list of label and ready HTML; empty values are left out."""
    inner = "".join(f"<dt>{text(label)}</dt><dd>{value}</dd>" for label, value in pairs if value)
    return f'<dl class="facts">{inner}</dl>\n' if inner else ""


def code(value: str) -> str:
    """A short piece of code; nothing for an empty one."""
    return f"<code>{text(value)}</code>" if value else ""


def table(caption: str, columns: Sequence[str], bodies: str, *, identifier: str = "") -> str:
    """A table in a region of its own, which a narrow screen scrolls (also by keyboard).

    Args:
        caption: what the table holds, in words; it names the region too.
        columns: the headings; one that starts with `#` stands over numbers.
        bodies: ready `tbody` elements.
        identifier: the `id` of the table.
    """
    heads = "".join(
        f'<th scope="col" class="number">{text(column[1:])}</th>'
        if column.startswith("#")
        else f'<th scope="col">{text(column)}</th>'
        for column in columns
    )
    named = f' id="{identifier}"' if identifier else ""
    return (
        f'<div class="scroll" role="region" aria-label="{text(caption)}" tabindex="0"><table{named}>'
        f"<caption>{text(caption)}</caption><thead><tr>{heads}</tr></thead>\n{bodies}</table></div>\n"
    )
