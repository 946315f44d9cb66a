"""The report as JUnit XML, in the dialect that GitLab, GitHub and Jenkins agree on.

One test case per test (`classname` is the area, `name` the vector id), and one for each requirement that
has no test at all, so that it is not lost. failed: failure; error: error; not_tested and blocked: failure
of type not-run and blocked; not_applicable: skipped; warned: passed with a property. What was not decided
about a SHOULD, or about what binds the programme, is skipped: it holds no level back, and a build must not be
red for it. The outcome in our own words stands in each case as the property `dtc.outcome`.
"""

from collections.abc import Iterable, Sequence
from html import escape

from dtc_cli.core.model import Outcome
from dtc_cli.core.report import Report
from dtc_cli.reports import shown
from dtc_cli.reports.entries import Entry, entries, story

FAILURE_TYPES = {Outcome.FAILED: "failed", Outcome.NOT_TESTED: "not-run", Outcome.BLOCKED: "blocked"}
LONGEST_OUTPUT = 6000
"""Characters of the text of a case; the HTML report has the rest."""


def render(report: Report) -> bytes:
    """The report as UTF-8 XML 1.0, one `testsuite` per area."""
    suites: dict[str, list[Entry]] = {}
    for entry in entries(report):
        suites.setdefault(_area(entry), []).append(entry)
    every = [entry for suite in suites.values() for entry in suite]
    name = " ".join(part for part in (report.subject.name, report.subject.version) if part) or "dtc"
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<testsuites{_attributes(name=name, **_counts(every))}>",
    ]
    for number, area in enumerate(sorted(suites)):
        timestamp = report.course.started_at.removesuffix("Z")
        about = _attributes(name=area, **_counts(suites[area]), timestamp=timestamp)
        lines.append(f"  <testsuite{about}>")
        if number == 0:
            lines += _properties(_facts(report), "    ")
        lines += [_case(entry) for entry in suites[area]]
        lines.append("  </testsuite>")
    lines.append("</testsuites>")
    return ("\n".join(lines) + "\n").encode("utf-8")


def _area(entry: Entry) -> str:
    return ".".join(entry.area)


def _counts(suite: Sequence[Entry]) -> dict[str, str]:
    tags = [_tag(entry) for entry in suite]
    return {
        "tests": str(len(tags)),
        "failures": str(tags.count("failure")),
        "errors": str(tags.count("error")),
        "skipped": str(tags.count("skipped")),
        "time": _seconds(sum(entry.duration_ms for entry in suite)),
    }


def _tag(entry: Entry) -> str:
    """The element that JUnit has for the outcome; empty for a pass."""
    if entry.outcome is Outcome.NOT_APPLICABLE or entry.undecided_freely:
        return "skipped"
    if entry.outcome is Outcome.ERROR:
        return "error"
    return "failure" if entry.outcome in FAILURE_TYPES else ""


def _facts(report: Report) -> list[tuple[str, str]]:
    verdict, totals = report.verdict, report.totals
    return [
        ("dtc.run", report.run_id),
        ("dtc.status", report.course.status),
        ("dtc.version", report.maker.tool_version),
        ("dtc.suite", report.maker.suite_digest),
        ("dtc.catalogue", report.maker.catalogue_digest),
        ("dtc.level.claimed", verdict.claimed.value),
        ("dtc.level.achieved", verdict.achieved.value),
        ("dtc.verdict", verdict.headline),
        *((f"dtc.requirements.{name}", str(number)) for name, number in totals.requirements.items()),
        *((f"dtc.vectors.{name}", str(number)) for name, number in totals.vectors.items()),
    ]


def _case(entry: Entry) -> str:
    row, case, outcome = entry.row, entry.case, entry.outcome
    facts = [
        ("dtc.outcome", outcome.value),
        ("dtc.requirement", entry.requirement),
        ("dtc.clause", case.clause if case else ""),
        ("dtc.strength", row.strength.value if row else ""),
        ("dtc.level", row.level.value if row else ""),
        ("dtc.warning", entry.message if outcome is Outcome.WARNED else ""),
        ("dtc.untested", "" if case else "true"),
    ]
    place = {"file": case.document, "line": str(case.document_line or 1)} if case and case.document else {}
    about = _attributes(classname=_area(entry), name=entry.name, time=_seconds(entry.duration_ms), **place)
    lines = [f"    <testcase{about}>", *_properties([fact for fact in facts if fact[1]], "      ")]
    inner = ""
    if case and outcome is not Outcome.PASSED:
        inner = escape(shown.visible(story(case)[:LONGEST_OUTPUT]), quote=False)
    tag = _tag(entry)
    if tag == "skipped":
        words = "" if outcome is Outcome.NOT_APPLICABLE else f"{shown.words(outcome)}: "
        lines.append(f"      <skipped{_attributes(message=words + entry.message)}/>")
    elif tag:
        kind = _attributes(message=entry.message, type=FAILURE_TYPES.get(outcome, "undecided"))
        lines.append(f"      <{tag}{kind}>{inner}</{tag}>")
    elif inner:
        lines.append(f"      <system-out>{inner}</system-out>")
    return "\n".join([*lines, "    </testcase>"])


def _properties(facts: Iterable[tuple[str, str]], indent: str) -> list[str]:
    inner = [f"{indent}  <property{_attributes(name=name, value=value)}/>" for name, value in facts]
    return [f"{indent}<properties>", *inner, f"{indent}</properties>"]


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.3f}"


def _attributes(**values: str) -> str:
    return "".join(f" {name}={_quoted(value)}" for name, value in values.items())


def _quoted(value: str) -> str:
    # A raw line feed or tab in an attribute would be read back as a space.
    return '"' + escape(shown.visible(value)).replace("\n", "&#10;").replace("\t", "&#9;") + '"'
