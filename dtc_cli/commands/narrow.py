"""Tables that a narrow terminal cannot hold, as lines: no number is ever broken over two of them."""

import shutil
from collections.abc import Sequence

from dtc_cli import console

BETWEEN = 1
"""Blanks between two columns of a table."""


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table where it fits the terminal; else each row as its first cell with the others below."""
    from rich.cells import cell_len

    shown = [[console.printable(cell) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(columns, *shown, strict=True)]
    if sum(widths) + BETWEEN * (len(widths) - 1) <= shutil.get_terminal_size((120, 24)).columns:
        console.table(columns, rows)
        return
    aside = max(map(cell_len, columns[1:]))
    for first, *others in rows:
        console.out(first)
        for name, cell in zip(columns[1:], others, strict=True):
            console.out(f"  {name:<{aside}}  {cell}")
