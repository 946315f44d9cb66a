"""The report as GitHub-flavoured Markdown for a pull request or a wiki: short, failures folded.

What a target said stands in `<code>`, where no mention, reference or link of the host comes alive.
"""

from collections.abc import Iterable

from dtc_cli.core.model import Outcome
from dtc_cli.core.report import Report
from dtc_cli.core.report.model import READING_ORDER, Case, Row
from dtc_cli.core.report.words import name_of
from dtc_cli.reports import shown

MOST_ROWS = 30
MOST_CASES = 20
LONGEST = 400
"""Characters of a quoted text. A comment on GitHub holds 65,536 in all."""
_MARKS = {ord(mark): f"&#{ord(mark)};" for mark in "&<>\\`*_[]#+!|~@$"}
ATTENTION = (Outcome.FAILED, Outcome.ERROR, Outcome.BLOCKED, Outcome.NOT_TESTED, Outcome.WARNED)


def render(report: Report) -> bytes:
    """The report as UTF-8 Markdown."""
    subject = report.subject
    name = " ".join(part for part in (subject.name, subject.version) if part) or "Unnamed target"
    blocks = [
        f"## {_plain(name)}: {_plain(report.verdict.headline)}",
        *(_plain(sentence) for sentence in report.verdict.sentences),
        _levels(report),
        _totals(report),
        _attention(
            [row for row in report.requirements if row.outcome in ATTENTION and row.binds == "target"]
        ),
        *_cases([case for case in report.cases if case.outcome in {Outcome.FAILED, Outcome.ERROR}]),
        *(f"> {_plain(note)}" for note in report.notes),
        f"Run {_code(report.run_id)}, {_plain(report.maker.tool)} {_plain(report.maker.tool_version)}, suite "
        f"{_code(report.maker.suite_digest[:12])}. The proof is the signed package, not this text.",
    ]
    return ("\n\n".join(block for block in blocks if block) + "\n").encode("utf-8")


def _levels(report: Report) -> str:
    rows = [
        f"| {name_of(row.level)} | {row.words} | {row.met:,} of {row.required:,} |" for row in report.levels
    ]
    return "\n".join(["| Level | Result | Compulsory requirements met |", "|---|---|--:|", *rows])


def _totals(report: Report) -> str:
    totals = report.totals
    rows = [
        f"| {shown.SYMBOLS[outcome]} {shown.words(outcome)} | {totals.requirements[outcome.value]:,} "
        f"| {totals.vectors[outcome.value]:,} |"
        for outcome in READING_ORDER
    ]
    return "\n".join(["| Outcome | Requirements | Tests |", "|---|--:|--:|", *rows])


def _attention(rows: list[Row]) -> str:
    if not rows:
        return ""
    lines = [
        f"| {shown.SYMBOLS[row.outcome]} {shown.words(row.outcome)} | {_code(row.id)} | {_plain(row.title)} "
        f"| {row.strength.value.upper()} | {_code(row.message)} |"
        for row in rows[:MOST_ROWS]
    ]
    more = [f"\n…and {len(rows) - MOST_ROWS:,} more."] if len(rows) > MOST_ROWS else []
    heads = ["### What needs attention", "", "| Outcome | Requirement | Title | Strength | What happened |"]
    return "\n".join([*heads, "|---|---|---|---|---|", *lines, *more])


def _cases(cases: list[Case]) -> Iterable[str]:
    for case in cases[:MOST_CASES]:
        labelled = (
            ("expected", case.expected),
            ("got", case.got),
            ("clause", case.clause),
            ("hint", case.hint),
            ("evidence", shown.events(case)),
            # Half a command would be worse than none.
            ("repeat", case.command if len(case.command) <= LONGEST else ""),
        )
        inner = "".join(f"<li>{label}: {_code(text)}</li>" for label, text in labelled if text)
        yield (
            f"<details><summary>{shown.words(case.outcome)}: {_code(case.vector)}</summary>"
            f"<p>{_code(shown.reason(case))}</p><ul>{inner}</ul></details>"
        )
    if len(cases) > MOST_CASES:
        yield f"…and {len(cases) - MOST_CASES:,} more tests; the HTML report has them all."


def _code(text: str) -> str:
    return f"<code>{_plain(text)}</code>" if text else ""


def _plain(text: str) -> str:
    """On one line, with every mark of HTML and of Markdown as a character reference."""
    short = " ".join(shown.visible(text).split())
    whole = short if len(short) <= LONGEST else short[:LONGEST] + "…"
    # An address would be made a link, wherever it leads.
    return whole.translate(_MARKS).replace("://", "&#58;//")
