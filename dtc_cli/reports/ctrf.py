"""The report in the Common Test Report Format (CTRF 0.0.0), for dashboards that read it.

failed, error, not_tested and blocked count as failed, not_applicable as skipped, warned as passed; what was
not decided about something that holds no level back is skipped too. `rawStatus` has the outcome in our own
words.
"""

from datetime import datetime
from typing import Any

from dtc_cli.core.model import Outcome
from dtc_cli.core.report import Report
from dtc_cli.reports.entries import Entry, document, entries, story

STATUS = {
    Outcome.PASSED: "passed",
    Outcome.WARNED: "passed",
    Outcome.FAILED: "failed",
    Outcome.ERROR: "failed",
    Outcome.NOT_TESTED: "failed",
    Outcome.BLOCKED: "failed",
    Outcome.NOT_APPLICABLE: "skipped",
}
STATUSES = ("passed", "failed", "skipped", "pending", "other")


def render(report: Report) -> bytes:
    """The report as UTF-8 JSON."""
    tests = [_test(entry) for entry in entries(report)]
    made = {
        "reportFormat": "CTRF",
        "specVersion": "0.0.0",
        "generatedBy": f"{report.maker.tool} {report.maker.tool_version}",
        "results": {
            "tool": {"name": report.maker.tool or "dtc", "version": report.maker.tool_version},
            "summary": {
                "tests": len(tests),
                **{status: sum(test["status"] == status for test in tests) for status in STATUSES},
                "start": _epoch_ms(report.course.started_at),
                "stop": _epoch_ms(report.course.finished_at),
                "extra": {"requirements": report.totals.requirements, "vectors": report.totals.vectors},
            },
            "tests": tests,
            "environment": {
                "appName": report.subject.name,
                "appVersion": report.subject.version,
                "extra": {
                    "runId": report.run_id,
                    "claimed": report.verdict.claimed.value,
                    "achieved": report.verdict.achieved.value,
                    "verdict": report.verdict.headline,
                },
            },
        },
    }
    return document(made)


def _test(entry: Entry) -> dict[str, Any]:
    case, row = entry.case, entry.row
    made: dict[str, Any] = {
        "name": entry.name or "(no name)",
        "status": "skipped" if entry.undecided_freely else STATUS[entry.outcome],
        "rawStatus": entry.outcome.value,
        "duration": entry.duration_ms,
        "suite": list(entry.area),
        "extra": {"requirement": entry.requirement, "clause": case.clause if case else ""},
    }
    if row:
        made["tags"] = [row.strength.value, row.level.value]
    if entry.message:
        made["message"] = entry.message
    if case and entry.outcome is not Outcome.PASSED:
        made["trace"] = story(case)
    return made


def _epoch_ms(instant: str) -> int:
    """Milliseconds since 1970 of an RFC 3339 instant; 0 when it is unknown, which the format cannot say."""
    try:
        return int(datetime.fromisoformat(instant).timestamp() * 1000)
    except ValueError:
        return 0
