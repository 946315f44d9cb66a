"""The tests in detail: per requirement its words, per test what was sent, expected, got, and the evidence."""

from collections.abc import Iterable, Mapping

from dtc_cli.core.model import Outcome
from dtc_cli.core.report import Report
from dtc_cli.core.report.model import Body, Case, Exchange, Row
from dtc_cli.core.report.words import name_of
from dtc_cli.reports import shown
from dtc_cli.reports.html.markup import anchor, badge, code, facts, links, text

MOST_COMMANDS = 6
OPEN_AT_FIRST = 10
"""Failed tests that are unfolded when the file is opened."""


def cases_section(report: Report) -> str:
    """One article per requirement, its tests folded inside."""
    of_requirement: dict[str, list[Case]] = {}
    for case in report.cases:
        of_requirement.setdefault(case.requirement, []).append(case)
    failed = [case.vector for case in report.cases if case.outcome is Outcome.FAILED]
    unfolded = frozenset(failed[:OPEN_AT_FIRST])
    known = {row.id for row in report.requirements}
    pieces = [
        '<section class="new-page" aria-labelledby="cases"><h2 id="cases">Tests in detail</h2>\n'
        "<p>Secrets were taken out of everything below when it was recorded. In the command lines a variable "
        "such as <code>$TWIN_ADMIN_KEY</code> stands for a key: set it to your own. Run them in the run "
        "folder; longer bodies are read from its <code>bodies/</code>.</p>\n"
    ]
    pieces += [_article(row, of_requirement.get(row.id, ()), unfolded) for row in report.requirements]
    pieces += [
        f'<article id="{anchor(name)}" aria-labelledby="h-{anchor(name)}">'
        f'<h3 id="h-{anchor(name)}">{text(name)}</h3><p>Not in the catalogue of this run.</p>'
        f"{''.join(_case(case, unfolded) for case in cases)}</article>\n"
        for name, cases in of_requirement.items()
        if name not in known
    ]
    return "".join([*pieces, "</section>\n"])


def _article(row: Row, cases: Iterable[Case], unfolded: frozenset[str]) -> str:
    about = f"{row.strength.value.upper()}, {name_of(row.level)}, {row.clause}, {row.check}"
    brief = [case for case in cases if case.outcome is Outcome.PASSED and case.omitted]
    full = [case for case in cases if not (case.outcome is Outcome.PASSED and case.omitted)]
    inner = "".join(_case(case, unfolded) for case in full)
    if brief:
        inner += f'<ul class="brief">{"".join(_brief(case) for case in brief)}</ul>'
    return (
        f'<article id="{anchor(row.id)}" aria-labelledby="h-{anchor(row.id)}">'
        f'<h3 id="h-{anchor(row.id)}">{badge(row.outcome)} {text(row.id)} {text(row.title)}</h3>\n'
        f'<p class="statement">{text(row.statement)} <span class="soft">({text(about)})</span></p>\n'
        + facts(_row_facts(row))
        + (inner or "<p>No test of this requirement was in the run.</p>")
        + "</article>\n"
    )


def _row_facts(row: Row) -> list[tuple[str, str]]:
    return [
        ("What happened", text(row.message)),
        ("Applies when", text(row.when)),
        ("This goes for", text(row.partly)),
        ("Error code", code(row.error_code)),
        ("Reading of the standard", text(row.ambiguity or ", ".join(row.interpretations))),
        ("Blocked by", links(row.blocked_by)),
        ("Blocks", links(row.blocks)),
        ("Binds", "the certification programme, not the product" if row.binds != "target" else ""),
    ]


def _brief(case: Case) -> str:
    """A passed test of a large run in one line."""
    evidence = f", {shown.events(case)}" if shown.events(case) else ""
    return (
        f'<li id="{anchor(case.vector)}" data-case="{case.outcome.value}">{badge(case.outcome)} '
        f"{code(case.vector)} {shown.duration(case.duration_ms)}{evidence}</li>\n"
    )


def _case(case: Case, unfolded: frozenset[str]) -> str:
    is_open = " open" if case.vector in unfolded else ""
    prints = "" if case.outcome in {Outcome.PASSED, Outcome.NOT_APPLICABLE} else " data-print"
    reason = shown.reason(case)
    return (
        f'<details class="case" id="{anchor(case.vector)}" data-case="{case.outcome.value}"{prints}{is_open}>'
        f"<summary>{badge(case.outcome)} {code(case.vector)} {text(case.title)} "
        f'<span class="soft">{shown.duration(case.duration_ms)}</span></summary><div>'
        + (f"<p>{text(reason)}</p>" if reason else "")
        + _compare(case)
        + "".join(_exchange(exchange) for exchange in case.exchanges)
        + _repeat(case)
        + facts(_evidence(case))
        + "</div></details>\n"
    )


def _repeat(case: Case) -> str:
    """The lines that repeat the case: all of a short one, so that a chain of requests can be walked."""
    lines = [exchange.command for exchange in case.exchanges if exchange.command]
    shown_lines = lines if len(lines) <= MOST_COMMANDS else [case.command]
    return f"<h4>Repeat it</h4><pre>{text(chr(10).join(shown_lines))}</pre>" if lines else ""


def _compare(case: Case) -> str:
    if not (case.expected or case.got):
        return ""
    expected, got = text(case.expected) or "not said", text(case.got) or "not said"
    return (
        f'<div class="compare"><div><h4>Expected (by the standard)</h4>{expected}</div>'
        f"<div><h4>Got (from the product)</h4>{got}</div></div>"
    )


def _evidence(case: Case) -> list[tuple[str, str]]:
    attempts = "; ".join(text(attempt) for attempt in case.attempts)
    omitted = f"{case.omitted:,} exchanges are left out here" if case.omitted else ""
    polarity = {"positive": "a conforming product does this", "negative": "a conforming product refuses this"}
    return [
        ("Clause", text(case.clause)),
        ("Hint", text(case.hint)),
        ("Why not judged", text(case.justification) if case.message else ""),
        ("Blocked by", links((case.blocked_by,)) if case.blocked_by else ""),
        ("Kind of test", text(f"{polarity.get(case.polarity, case.polarity)} ({case.hazard})")),
        ("Started", text(case.started_at)),
        ("Repeated attempts", attempts),
        ("Evidence", text(", ".join(part for part in (shown.events(case), omitted) if part))),
        ("Digest of requests", code(case.request_digest)),
        ("Digest of answers", code(case.response_digest)),
        ("Seed of the case", str(case.seed) if case.seed else ""),
    ]


def _exchange(exchange: Exchange) -> str:
    request = _side("Sent", exchange.request_headers, exchange.request)
    response = _side("Received", exchange.response_headers, exchange.response)
    return (
        f'<div class="exchange"><h4>{exchange.number}. {text(shown.heading(exchange))} '
        f'<span aria-hidden="true">→</span> {text(shown.answer(exchange))} '
        f'<span class="soft">(event {exchange.event})</span></h4>'
        f'<div class="sides">{request}{response}</div></div>\n'
    )


def _side(label: str, headers: Mapping[str, str], body: Body | None) -> str:
    if not headers and body is None:
        return ""
    lines = "\n".join(f"{name}: {value}" for name, value in headers.items())
    shown_headers = f"<pre>{text(lines)}</pre>" if lines else ""
    return f"<div><p class='soft small'>{label}</p>{shown_headers}{_body(body)}</div>"


def _body(body: Body | None) -> str:
    if body is None:
        return '<p class="soft small">empty body</p>'
    note = shown.body_note(body)
    return (
        (f"<pre>{text(shown.indented(body))}</pre>" if body.text else "")
        + (f'<p class="soft small">{text(note)}</p>' if note else "")
        + f'<p class="soft small">body {code(body.digest)}</p>'
    )
