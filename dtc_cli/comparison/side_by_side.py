"""Targets by requirements as one HTML page without a network: who meets what."""

import base64
import hashlib
from collections.abc import Sequence

from dtc_cli.core.model import Outcome
from dtc_cli.core.report import Report
from dtc_cli.reports import shown
from dtc_cli.reports.html.markup import badge, table, text

STYLE = """
:root { color-scheme: light dark; --page: #fff; --ink: #1b2230; --line: #d5d9e0; --soft: #4d5768;
  --good: #176b35; --bad: #b3141e; --warn: #7d5200; --other: #3a4fb0; }
@media (prefers-color-scheme: dark) { :root {
  --page: #12161d; --ink: #e7ebf2; --line: #38414f; --soft: #b0bac9;
  --good: #7fd99a;
  --bad: #ff9a97; --warn: #f2c46b; --other: #aab8ff; } }
body { margin: 0 auto; max-width: 90rem; padding: 1rem 1.25rem; background: var(--page); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
.scroll { overflow-x: auto; }
.scroll:focus-visible { outline: 3px solid var(--other); }
table { border-collapse: collapse; }
caption { text-align: left; color: var(--soft); }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; vertical-align: top;
  border-bottom: 1px solid var(--line); }
tbody th { font-weight: 400; }
.badge { white-space: nowrap; font-weight: 600; }
.passed { color: var(--good); } .failed { color: var(--bad); } .warned { color: var(--warn); }
.error, .blocked, .not_tested { color: var(--other); } .not_applicable { color: var(--soft); }
"""


def page(reports: Sequence[Report]) -> bytes:
    """The matrix of the reports; each is a column, each requirement that any of them judged a row."""
    style = "sha256-" + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    names = [f"{report.subject.name} {report.subject.version}".strip() or "unnamed" for report in reports]
    columns = ["Requirement", *names]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src '{style}'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Matrix of {len(reports)} runs</title><style>{STYLE}</style></head><body><main>"
        f"<h1>Matrix of {len(reports)} runs</h1>"
        + "<h2>Levels</h2>"
        + table(
            "What each run claimed and reached.",
            ["Run", "Claimed", "Reached", "Ended"],
            _levels(reports, names),
        )
        + "<h2>Requirements</h2>"
        + table("Each requirement with its outcome in each run.", columns, _rows(reports))
        + "</main></body></html>\n"
    ).encode("utf-8")


def grid(reports: Sequence[Report]) -> dict[str, tuple[str, tuple[Outcome | None, ...]]]:
    """Requirement id to its title and its outcome in each report; None where a report does not have it."""
    titles: dict[str, str] = {}
    outcomes = []
    for report in reports:
        found = {row.id: row for row in report.requirements}
        outcomes.append({name: row.outcome for name, row in found.items()})
        for name, row in found.items():
            titles.setdefault(name, row.title)
    return {name: (titles[name], tuple(each.get(name) for each in outcomes)) for name in sorted(titles)}


def _levels(reports: Sequence[Report], names: Sequence[str]) -> str:
    rows = (
        f'<tr><th scope="row">{text(name)}</th><td>{report.verdict.claimed.value}</td>'
        f"<td>{report.verdict.achieved.value}</td><td>{text(report.course.finished_at)}</td></tr>"
        for report, name in zip(reports, names, strict=True)
    )
    return "<tbody>" + "".join(rows) + "</tbody>"


def _rows(reports: Sequence[Report]) -> str:
    rows = []
    for name, (title, outcomes) in grid(reports).items():
        cells = "".join(
            f"<td>{badge(outcome) if outcome else 'not in this run'}</td>" for outcome in outcomes
        )
        rows.append(f'<tr><th scope="row">{text(name)} {text(shown.visible(title))}</th>{cells}</tr>')
    return "<tbody>" + "\n".join(rows) + "</tbody>"
