"""What a person sees: results on stdout, status on stderr, colour only where it means something."""

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any
from unicodedata import category

import orjson

OUTCOME_STYLES = {
    "passed": "green",
    "failed": "bold red",
    "warned": "yellow",
    "error": "magenta",
    "not_applicable": "dim",
    "not_tested": "cyan",
    "blocked": "blue",
}


def colour_wanted(stream: Any) -> bool:
    """Whether to colour: a terminal, `NO_COLOR` unset or empty, `TERM` not dumb."""
    return bool(stream.isatty()) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def out(text: str = "") -> None:
    """Print a line of the result to stdout, without markup and without wrapping."""
    sys.stdout.write(printable(text) + "\n")


def printable(text: str) -> str:
    """The text with control characters, bidi marks and lone surrogates shown as escapes."""
    if text.isascii() and text.isprintable():
        return text
    safe = "".join(_escaped(c) if c not in "\n\t" and category(c) in ("Cc", "Cf") else c for c in text)
    return safe.encode("utf-8", "backslashreplace").decode("utf-8")


def _escaped(character: str) -> str:
    return f"\\x{ord(character):02x}" if ord(character) < 256 else f"\\u{ord(character):04x}"


def status(text: str) -> None:
    """Print a line about what is going on to stderr."""
    sys.stderr.write(printable(text) + "\n")
    sys.stderr.flush()


def emit_json(value: Any) -> None:
    """Print exactly one JSON object on stdout."""
    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS))
    sys.stdout.buffer.write(b"\n")
    sys.stdout.flush()


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str = "") -> None:
    """Print a table on stdout; cells equal to an outcome name get that outcome's colour."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    coloured = colour_wanted(sys.stdout)
    width = shutil.get_terminal_size((120, 24)).columns
    console = Console(no_color=not coloured, highlight=False, width=width, soft_wrap=False)
    grid = Table(title=title or None, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        grid.add_column(column, overflow="fold")
    for row in rows:
        grid.add_row(*(Text(printable(cell), style=OUTCOME_STYLES.get(cell, "")) for cell in row))
    console.print(grid)
