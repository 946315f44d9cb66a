"""The report as CSV (RFC 4180, UTF-8, CRLF): one line per test, and one per requirement without a test.

A cell that a spreadsheet would take for a formula gets an apostrophe in front.
"""

import csv
import io

from dtc_cli.core.report import Report
from dtc_cli.reports import shown
from dtc_cli.reports.entries import Entry, entries

COLUMNS = (
    "requirement",
    "title",
    "clause",
    "strength",
    "level",
    "requirement_outcome",
    "test",
    "outcome",
    "message",
    "expected",
    "got",
    "duration_ms",
    "first_event",
    "last_event",
    "command",
)
"""`test` is empty for a requirement without a test."""


def render(report: Report) -> bytes:
    """The report with a line of headings."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows([_cell(value) for value in _values(entry)] for entry in entries(report))
    return out.getvalue().encode("utf-8")


def _values(entry: Entry) -> tuple[str | int | None, ...]:
    row, case = entry.row, entry.case
    return (
        entry.requirement,
        row.title if row else "",
        case.clause if case else row.clause if row else "",
        row.strength.value if row else "",
        row.level.value if row else "",
        row.outcome.value if row else "",
        case.vector if case else "",
        entry.outcome.value,
        entry.message,
        case.expected if case else "",
        case.got if case else "",
        entry.duration_ms,
        case.first_event if case else None,
        case.last_event if case else None,
        case.command if case else "",
    )


def _cell(value: str | int | None) -> str | int:
    if value is None:
        return ""
    if isinstance(value, int):
        return value
    text = shown.visible(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t")) else text
