"""The report as plain text for a terminal or a mail: no markup, no colour, at most 100 columns."""

import textwrap
from collections.abc import Iterable, Sequence
from contextvars import ContextVar

from dtc_cli.core.model import Outcome
from dtc_cli.core.report import Report
from dtc_cli.core.report.model import UNDECIDED, Case, LevelRow, Row, Step
from dtc_cli.core.report.words import counts_in_words, name_of
from dtc_cli.reports import shown

WIDTH = 100
NARROWEST = 40
_columns = ContextVar("_columns", default=WIDTH)
MOST_STEPS = 15
MOST_UNDECIDED = 20
"""Requirements without a finding that are listed one by one."""
MOST_CASES = 5
"""Tests shown per requirement; the other formats have them all."""
DETAILED = (Outcome.FAILED, Outcome.ERROR, Outcome.WARNED)


def render(report: Report) -> bytes:
    """The report as UTF-8 text, 100 columns wide."""
    return render_narrow(report, WIDTH)


def render_narrow(report: Report, columns: int) -> bytes:
    """The report for a terminal of so many columns: from 40 to 100; commands to copy are never wrapped."""
    token = _columns.set(max(NARROWEST, min(columns, WIDTH)))
    try:
        return _render(report)
    finally:
        _columns.reset(token)


def _render(report: Report) -> bytes:
    cases: dict[str, list[Case]] = {}
    for case in report.cases:
        cases.setdefault(case.requirement, []).append(case)
    blocks = [
        _title(report),
        _verdict(report),
        _levels(report.levels),
        _path(report),
        _attention(report.requirements, cases),
        _left_out(report),
        _totals(report),
        _who(report),
        _listed("To know about this run", [*report.notes, *_where_bodies_are(report)]),
    ]
    lines = [line for block in blocks if block for line in (*block, "")]
    return shown.visible("\n".join(lines)).encode("utf-8")


def _where_bodies_are(report: Report) -> list[str]:
    """Where the lines to copy find the bodies that they name."""
    named = any("bodies/" in case.command for case in report.cases if case.outcome in DETAILED)
    return ["Lines that name a file in bodies/ are for a shell in the run folder."] if named else []


def _title(report: Report) -> list[str]:
    subject = report.subject
    name = " ".join(part for part in (subject.name, subject.version) if part) or "Unnamed target"
    by = f" by {subject.vendor}" if subject.vendor else ""
    return [" ".join(f"{name}{by}".split()), report.verdict.headline]


def _verdict(report: Report) -> list[str]:
    return _wrapped(" ".join(report.verdict.sentences), "  ")


def _levels(levels: Sequence[LevelRow]) -> list[str]:
    rows = [f"{name_of(row.level):<9} {row.words:<42} {row.met:,} of {row.required:,} met" for row in levels]
    return ["Levels", *(line for row in rows for line in _fitted(row, "  ", " " * 12))]


def _path(report: Report) -> list[str]:
    lines = _wrapped(f"Next: {report.path.words}", "")
    for number, step in enumerate(report.path.steps[:MOST_STEPS], start=1):
        lines += _step(number, step)
    if len(report.path.steps) > MOST_STEPS:
        lines.append(f"  and {len(report.path.steps) - MOST_STEPS:,} more steps")
    return lines


def _step(number: int, step: Step) -> list[str]:
    what = f"{step.requirement} {step.title}".strip()
    lines = _wrapped(f"{number}. {step.action}" + (f": {what}" if what else ""), "  ", "     ")
    lines += _wrapped(step.reason, "     ")
    if step.also:
        lines += _wrapped(f"likewise {_some(step.also)}", "     ")
    if step.frees:
        lines += _wrapped(f"also frees {_some(step.frees)}", "     ")
    return lines


def _some(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def _attention(rows: Iterable[Row], cases: dict[str, list[Case]]) -> list[str]:
    lines: list[str] = []
    programme, listed = [], 0
    for row in rows:
        if row.outcome in {Outcome.PASSED, Outcome.NOT_APPLICABLE} or row.root:
            continue
        if row.binds != "target" and row.outcome in UNDECIDED:
            programme.append(row.id)
            continue
        if row.outcome not in DETAILED:
            listed += 1
            if listed > MOST_UNDECIDED:
                continue
        lines += _row(row)
        if row.outcome in DETAILED:
            worth = [case for case in cases.get(row.id, ()) if case.outcome in DETAILED]
            for case in worth[:MOST_CASES]:
                lines += _case(case)
            if len(worth) > MOST_CASES:
                lines.append(f"    and {len(worth) - MOST_CASES:,} more tests of {row.id}")
    if listed > MOST_UNDECIDED:
        lines.append(f"  and {listed - MOST_UNDECIDED:,} more that were not decided")
    if programme:
        about = "Not decided, but binding the certification programme and not the product: "
        lines += _wrapped(about + _some(programme), "  ", "    ")
    return ["What needs attention", *lines] if lines else []


def _row(row: Row) -> list[str]:
    facts = f"({row.strength.value.upper()}, {name_of(row.level)}, {row.clause})"
    lines = _wrapped(f"{shown.words(row.outcome).upper()} {row.id} {row.title} {facts}", "  ", "    ")
    if row.outcome not in DETAILED:
        lines += _wrapped(row.message, "    ")
    if row.blocks:
        lines += _wrapped(f"blocks {_some(row.blocks)}", "    ")
    return lines


def _case(case: Case) -> list[str]:
    lines = _wrapped(f"{shown.words(case.outcome)}: {case.vector}", "    ", "      ")
    lines += _wrapped(shown.reason(case), "      ")
    for exchange in case.exchanges:
        if exchange.event == case.decisive:
            lines += _labelled("sent", shown.heading(exchange))
            lines += _labelled("answer", shown.answer(exchange))
    for label, text in (
        ("expected", case.expected),
        ("got", case.got),
        ("clause", case.clause),
        ("hint", case.hint),
        ("evidence", shown.events(case)),
    ):
        lines += _labelled(label, text)
    if case.command:
        # Never wrapped: it is there to be copied.
        lines.append(f"      {'repeat':<9} {case.command}")
    return lines


def _labelled(label: str, text: str) -> list[str]:
    return _wrapped(text, f"      {label:<9} ", " " * 16) if text else []


def _left_out(report: Report) -> list[str]:
    return _listed(
        "Left out by the product",
        [
            f"{entry.requirement} {entry.title}: {entry.reason}"
            + (" (holds the level back)" if entry.holds_back else "")
            + (f" ({entry.note})" if entry.note else "")
            for entry in report.exclusions
        ],
    )


def _totals(report: Report) -> list[str]:
    totals = report.totals
    lines = [
        f"{label:<13} {sum(counts.values()):,}: {counts_in_words(counts)}"
        for label, counts in (("Requirements", totals.requirements), ("Tests", totals.vectors))
    ]
    return [part for line in lines for part in _fitted(line, "", " " * 14)]


def _who(report: Report) -> list[str]:
    maker, course = report.maker, report.course
    took = f", {shown.duration(course.duration_ms)}" if course.duration_ms is not None else ""
    lines = [
        f"Run           {report.run_id} ({course.status}, {course.mode})",
        f"When          {course.started_at or 'unknown'}{took}",
        f"Where         {', '.join(report.subject.addresses.values()) or 'files only'}",
        f"Judged by     {maker.tool} {maker.tool_version}, suite {maker.suite_digest[:12]}"
        + (" (changed)" if maker.suite_dirty else "")
        + f", {maker.standard} {maker.standard_version}, seed {course.seed}",
    ]
    return [part for line in lines for part in _fitted(line, "", " " * 14)]


def _listed(title: str, entries: Sequence[str]) -> list[str]:
    if not entries:
        return []
    return [title, *(line for entry in entries for line in _wrapped(entry, "  - ", "    "))]


def _fitted(line: str, first: str, rest: str) -> list[str]:
    """A line that stays whole where there is room for the usual width, addresses included."""
    if _columns.get() == WIDTH or len(first + line) <= _columns.get():
        return [first + line]
    return _wrapped(" ".join(line.split()) if "  " in line.strip() and first else line, first, rest)


def _wrapped(text: str, first: str, rest: str | None = None) -> list[str]:
    if not text:
        return []
    return textwrap.wrap(
        shown.visible(text),
        _columns.get(),
        initial_indent=first,
        subsequent_indent=first if rest is None else rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
