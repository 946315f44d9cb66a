"""The report as a flat list: one entry per test, and one for each requirement that has no test at all."""

from collections.abc import Iterator
from typing import Any

import msgspec

from dtc_cli.core.model import Outcome, Strength
from dtc_cli.core.report import Report
from dtc_cli.core.report.model import UNDECIDED, Case, Row
from dtc_cli.reports import shown


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a machine format. Exactly the requirements without a test have no case."""

    name: str
    """Vector id, or the requirement's own id where it has no test."""
    outcome: Outcome
    message: str
    row: Row | None
    case: Case | None

    @property
    def requirement(self) -> str:
        """The id of the requirement that it belongs to."""
        return self.case.requirement if self.case else self.name

    @property
    def area(self) -> tuple[str, ...]:
        """Phase and check of the requirement, outermost first."""
        return tuple(self.row.check.split("/")) if self.row else ("outside the catalogue of this run",)

    @property
    def undecided_freely(self) -> bool:
        """Nothing was decided about what holds no level back: a SHOULD, or what binds the programme (D-06).

        It is skipped in formats that colour a build, because nobody could turn it green.
        """
        row = self.row
        free = row is not None and (row.strength is not Strength.MUST or row.binds != "target")
        return free and self.outcome in UNDECIDED

    @property
    def duration_ms(self) -> int:
        """How long the test took."""
        return self.case.duration_ms if self.case else 0


def entries(report: Report) -> Iterator[Entry]:
    """Every test in the order of the report, then the requirements without one."""
    rows = {row.id: row for row in report.requirements}
    for case in report.cases:
        yield Entry(
            name=case.vector,
            outcome=case.outcome,
            message=shown.reason(case),
            row=rows.get(case.requirement),
            case=case,
        )
    for row in report.requirements:
        if not row.vectors:
            yield Entry(name=row.id, outcome=row.outcome, message=row.message, row=row, case=None)


def story(case: Case) -> str:
    """The case as a person reads it: what was sent, expected and got, and the line that repeats it."""
    lines = [
        f"{exchange.number}. {shown.heading(exchange)} -> {shown.answer(exchange)}"
        for exchange in case.exchanges
    ]
    labelled = (
        ("expected", case.expected),
        ("got", case.got),
        ("clause", case.clause),
        ("hint", case.hint),
        ("evidence", shown.events(case)),
        ("repeat", case.command),
    )
    return "\n".join([*lines, *(f"{label}: {text}" for label, text in labelled if text)])


def document(value: Any) -> bytes:
    """An exported JSON document: two spaces of indentation, hidden characters in every string spelt out."""
    return msgspec.json.format(msgspec.json.encode(_visible(value)), indent=2) + b"\n"


def _visible(value: Any) -> Any:
    if isinstance(value, str):
        return shown.visible(value)
    if isinstance(value, dict):
        return {_visible(key): _visible(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_visible(item) for item in value]
    return value
