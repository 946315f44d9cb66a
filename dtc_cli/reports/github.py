"""The report as workflow commands of GitHub Actions: each finding becomes an annotation of the run.

GitHub shows at most ten of a kind per step; requirements come in reading order, what to mend first is first.
"""

from dtc_cli.core.model import Outcome
from dtc_cli.core.report import Report
from dtc_cli.core.report.model import Row
from dtc_cli.reports import shown

KINDS = {Outcome.FAILED: "error", Outcome.ERROR: "warning", Outcome.WARNED: "warning"}
"""Outcomes that are annotated; blocked ones are folded under their cause, untested ones are counted."""


def render(report: Report) -> bytes:
    """One line per finding, and the verdict as a notice."""
    places: dict[str, str] = {}
    for case in report.cases:
        if case.document:
            where = f"file={_property(case.document)},line={case.document_line or 1},"
            places.setdefault(case.requirement, where)
    lines = [
        _line(KINDS[row.outcome], row, places.get(row.id, ""))
        for row in report.requirements
        if row.outcome in KINDS
    ]
    open_ = sum(report.totals.requirements[name] for name in ("blocked", "not_tested"))
    more = f"; {open_} requirements blocked or not tested" if open_ else ""
    lines.append(f"::notice title=dtc::{_data(report.verdict.headline + more)}")
    return ("\n".join(lines) + "\n").encode()


def _line(kind: str, row: Row, where: str) -> str:
    level = "warning" if kind == "error" and not row.holds_back else kind
    text = row.message or shown.MEANINGS[row.outcome]
    title = _property(f"{row.id} {row.title}")
    return f"::{level} {where}title={title}::{_data(f'{row.outcome.value}, {row.clause}: {text}')}"


def _data(text: str) -> str:
    return shown.visible(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
