"""Page one: the verdict in plain words, the levels, the path to the next one, scope, who, limits."""

from dtc_cli.core.model import Level
from dtc_cli.core.report import Report
from dtc_cli.core.report.model import LevelRow, Step
from dtc_cli.core.report.words import name_of
from dtc_cli.reports import shown
from dtc_cli.reports.html.markup import code, facts, link, links, table, text

MOST_STEPS = 10
"""Steps to the next level that are shown at once; the rest is folded."""


def header(report: Report) -> str:
    """The banner with the name of the product and the way through the file."""
    subject, maker = report.subject, report.maker
    name = " ".join(part for part in (subject.name, subject.version) if part) or "Unnamed target"
    by = " · ".join(part for part in (subject.vendor, subject.city) if part)
    standard = text(f"{maker.standard} {maker.standard_version}")
    return (
        '<header class="top"><div class="wrap">\n'
        f'<p class="kicker">Certification report · {standard}</p>\n'
        f"<h1>{text(name)}</h1>\n<p>{text(by)}</p>\n"
        '<nav aria-label="Parts of this report"><ul>'
        '<li><a href="#verdict">Verdict</a></li><li><a href="#next">Next level</a></li>'
        '<li><a href="#scope">Scope</a></li><li><a href="#requirements">Requirements</a></li>'
        '<li><a href="#cases">Tests in detail</a></li></ul></nav>\n'
        "</div></header>\n"
    )


def first_page(report: Report) -> str:
    """Everything a buyer needs."""
    return (
        _verdict(report)
        + _levels(report)
        + '<div class="columns">\n'
        + f"<div>{_path(report)}</div>\n<div>{_limits(report)}</div>\n</div>\n"
        + _scope(report)
        + _exclusions(report)
        + _notes(report)
    )


def footer(report: Report) -> str:
    """What this file is, and what it is not."""
    return (
        '<footer><div class="wrap">'
        f"<p>Made by {text(report.maker.tool)} {text(report.maker.tool_version)} from run "
        f"{code(report.run_id)}. This file is a picture of the result, not the proof of it: "
        "the proof is the signed package, which <code>dtc verify</code> checks.</p></div></footer>\n"
    )


def _verdict(report: Report) -> str:
    verdict = report.verdict
    if verdict.achieved is verdict.claimed and verdict.claimed is not Level.NONE:
        kind, mark = "yes", "✓"
    elif verdict.achieved is Level.NONE:
        kind, mark = "no", "✗"
    else:
        kind, mark = "partly", "!"
    sentences = "".join(f"<p>{text(sentence)}</p>" for sentence in verdict.sentences)
    return (
        f'<section id="verdict" class="verdict {kind}" aria-labelledby="verdict-words">'
        f'<span class="mark" aria-hidden="true">{mark}</span>'
        f'<div><h2 id="verdict-words">{text(verdict.headline)}</h2>{sentences}</div></section>\n'
    )


def _levels(report: Report) -> str:
    rows = "".join(_level(row) for row in report.levels)
    return (
        '<section aria-labelledby="levels"><h2 id="levels">Levels</h2>\n'
        + table(
            "Each level includes those below it. Only compulsory requirements (MUST) count.",
            ("Level", "Result", "Compulsory requirements met", "What holds it back"),
            f"<tbody>{rows}</tbody>",
        )
        + "</section>\n"
    )


def _level(row: LevelRow) -> str:
    kind, mark = ("passed", "✓") if row.reached else ("failed", "✗")
    back = "; ".join(
        f"{label}: {links(names)}"
        for label, names in (
            ("not met", row.failed),
            ("not decided", row.undecided),
            ("left out", row.excluded),
        )
        if names
    )
    return (
        f'<tr><th scope="row">{name_of(row.level)}</th>'
        f'<td><span class="badge {kind}"><span aria-hidden="true">{mark}</span> {text(row.words)}</span></td>'
        f'<td><progress aria-hidden="true" max="{max(1, row.required)}" value="{row.met}"></progress> '
        f"{row.met:,} of {row.required:,}</td>"
        f"<td>{back or ('nothing' if row.reached else 'see the verdict')}</td></tr>"
    )


def _path(report: Report) -> str:
    steps = "".join(_step(step) for step in report.path.steps[:MOST_STEPS])
    rest = "".join(_step(step) for step in report.path.steps[MOST_STEPS:])
    more = (
        f'<details class="case"><summary>{len(report.path.steps) - MOST_STEPS:,} more steps</summary><div>'
        f'<ol class="path" start="{MOST_STEPS + 1}">{rest}</ol></div></details>'
        if rest
        else ""
    )
    return (
        '<section aria-labelledby="next"><h2 id="next">Shortest path to the next level</h2>\n'
        f"<p>{text(report.path.words)}</p>\n"
        + (f'<ol class="path">{steps}</ol>' if steps else "")
        + more
        + "</section>"
    )


def _step(step: Step) -> str:
    what = f": {link(step.requirement)} {text(step.title)}" if step.requirement else ""
    reason = f'<br><span class="soft message">{text(step.reason)}</span>' if step.reason else ""
    also = f'<br><span class="small">Likewise {links(step.also)}.</span>' if step.also else ""
    frees = f'<br><span class="small">Also frees {links(step.frees)}.</span>' if step.frees else ""
    return f"<li>{text(step.action)}{what}.{reason}{also}{frees}</li>"


def _limits(report: Report) -> str:
    entries = "".join(f"<li>{text(limit)}</li>" for limit in report.verdict.limits)
    return (
        '<section aria-labelledby="limits"><h2 id="limits">What this does not prove</h2>\n'
        f'<ul class="plain">{entries}</ul></section>'
    )


def _scope(report: Report) -> str:
    subject, maker, course = report.subject, report.maker, report.course
    took = f" ({shown.duration(course.duration_ms)})" if course.duration_ms is not None else ""
    doctor = "".join(
        f"<li>{text(': '.join(part for part in (check.status, check.check, check.detail) if part))}</li>"
        for check in course.doctor
    )
    what = facts(
        [
            ("Product", text(f"{subject.name} {subject.version}".strip())),
            ("Vendor", text(subject.vendor)),
            ("City", text(subject.city)),
            *((label, code(address)) for label, address in subject.addresses.items()),
            ("Documents", ", ".join(code(pattern) for pattern in subject.documents)),
            ("Own validator", "yes" if subject.validator else "no"),
            *((label, code(value)) for label, value in subject.fingerprint.items()),
        ]
    )
    who = facts(
        [
            ("Mode", text(course.mode)),
            ("Run", code(report.run_id)),
            ("State", text(course.status)),
            ("Started", text(course.started_at)),
            ("Finished", text(course.finished_at or "never") + took),
            ("Clock of the target", _skew(course.clock_skew_ms)),
            ("Allowed to", text(", ".join(course.hazards))),
            (
                "Tests chosen",
                text("all of the level" if course.selection_complete else course.selection or "a part"),
            ),
            ("Seed", str(course.seed)),
            ("Nonce", code(course.nonce)),
            ("Declared", text(", ".join(f"{name}: {value}" for name, value in course.declares.items()))),
        ]
    )
    judge = facts(
        [
            ("Tool", text(f"{maker.tool} {maker.tool_version}")),
            ("Standard", text(f"{maker.standard} {maker.standard_version}")),
            ("Catalogue", code(maker.catalogue_digest)),
            ("Suite", text(maker.suite_version) + (" (changed locally)" if maker.suite_dirty else "")),
            ("Suite digest", code(maker.suite_digest)),
            ("Event chain", code(course.chain_head)),
            ("Machine", text(", ".join(p for p in (maker.platform, f"Python {maker.python}") if p))),
        ]
    )
    checks = f"<h3>Checked before the run</h3><ul>{doctor}</ul>\n" if doctor else ""
    return (
        '<section aria-labelledby="scope"><h2 id="scope">Scope: what was judged, by whom, when</h2>\n'
        f'<div class="columns"><div><h3>The product</h3>{what}</div><div><h3>The run</h3>{who}</div>'
        f"<div><h3>The judge</h3>{judge}</div><div>{checks}</div></div></section>\n"
    )


def _skew(milliseconds: int | None) -> str:
    if milliseconds is None:
        return "unknown"
    return f"{abs(milliseconds):,} ms {'ahead of' if milliseconds >= 0 else 'behind'} that of the run"


def _exclusions(report: Report) -> str:
    if not report.exclusions:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{link(entry.requirement)}</th><td>{text(entry.title)}</td>'
        f"<td>{text(entry.reason)}{f' ({text(entry.note)})' if entry.note else ''}</td>"
        f"<td>{'yes' if entry.holds_back else 'no, the standard allows it'}</td></tr>"
        for entry in report.exclusions
    )
    return (
        '<section aria-labelledby="left-out"><h2 id="left-out">Left out by the product</h2>\n'
        + table(
            "Requirements that the profile excludes, with the vendor's reason.",
            ("Requirement", "Title", "Reason given", "Holds the level back"),
            f"<tbody>{rows}</tbody>",
        )
        + "</section>\n"
    )


def _notes(report: Report) -> str:
    if not report.notes:
        return ""
    entries = "".join(f"<li>{text(note)}</li>" for note in report.notes)
    return (
        '<section aria-labelledby="notes"><h2 id="notes">To know about this run</h2>\n'
        f'<ul class="plain">{entries}</ul></section>\n'
    )
