"""The report in SARIF 2.1.0, for code scanning: findings only, because GitHub shows a pass as an alert too.

failed, error, not_tested and blocked are errors, warned is a warning. A finding points at the line of
the document it is about where there is one, else at its first line in the run's evidence. `render_full`
writes every outcome (with level none: kind pass, notApplicable, and open for what was not decided and holds
no level back); the outcome in our own words is the property `outcome`.
"""

import hashlib
from typing import Any
from urllib.parse import quote

from dtc_cli.core.model import Outcome, Strength
from dtc_cli.core.report import Report
from dtc_cli.core.report.model import Row
from dtc_cli.core.runfolder import EVENTS, MATRIX
from dtc_cli.reports import shown
from dtc_cli.reports.entries import Entry, document, entries

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
KINDS = {
    Outcome.PASSED: ("pass", "none"),
    Outcome.NOT_APPLICABLE: ("notApplicable", "none"),
    Outcome.WARNED: ("fail", "warning"),
    Outcome.FAILED: ("fail", "error"),
    Outcome.ERROR: ("fail", "error"),
    Outcome.NOT_TESTED: ("fail", "error"),
    Outcome.BLOCKED: ("fail", "error"),
}


def render(report: Report) -> bytes:
    """The findings as UTF-8 JSON."""
    return _document(report, [entry for entry in entries(report) if _kind(entry)[0] == "fail"])


def render_full(report: Report) -> bytes:
    """Every test as UTF-8 JSON."""
    return _document(report, list(entries(report)))


def _document(report: Report, chosen: list[Entry]) -> bytes:
    rules = {row.id: number for number, row in enumerate(report.requirements)}
    run = {
        "tool": {
            "driver": {
                "name": report.maker.tool or "dtc",
                "semanticVersion": report.maker.tool_version or "0.0.0",
                "rules": [_rule(row) for row in report.requirements],
            }
        },
        "automationDetails": {"id": f"dtc/{report.run_id}"},
        "columnKind": "unicodeCodePoints",
        "results": [_result(entry, rules) for entry in chosen],
        "properties": {
            "claimed": report.verdict.claimed.value,
            "achieved": report.verdict.achieved.value,
            "requirements": report.totals.requirements,
            "vectors": report.totals.vectors,
        },
    }
    made = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return document(made)


def _rule(row: Row) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.title,
        "shortDescription": {"text": row.title or row.id},
        "fullDescription": {"text": row.statement or row.id},
        "help": {"text": f"{row.statement}\n\nClause: {row.clause}"},
        "defaultConfiguration": {"level": "error" if row.strength is Strength.MUST else "warning"},
        "properties": {"clause": row.clause, "strength": row.strength.value, "level": row.level.value},
    }


def _kind(entry: Entry) -> tuple[str, str]:
    return ("open", "none") if entry.undecided_freely else KINDS[entry.outcome]


def _result(entry: Entry, rules: dict[str, int]) -> dict[str, Any]:
    kind, level = _kind(entry)
    case = entry.case
    made: dict[str, Any] = {
        "ruleId": entry.requirement,
        "kind": kind,
        "level": level,
        "message": {"text": _message(entry)},
        "locations": [_location(entry)],
        "partialFingerprints": {
            "dtc/v1": hashlib.sha256(f"{entry.name}\n{entry.outcome}".encode()).hexdigest()
        },
        "properties": {"outcome": entry.outcome.value, "test": case.vector if case else ""},
    }
    if entry.requirement in rules:
        made["ruleIndex"] = rules[entry.requirement]
    return made


def _message(entry: Entry) -> str:
    what = entry.message or shown.words(entry.outcome)
    parts = [f"{entry.name}: {what}"]
    if entry.case:
        labelled = (("expected", entry.case.expected), ("got", entry.case.got), ("hint", entry.case.hint))
        parts += [f"{label}: {text}" for label, text in labelled if text]
    return "\n".join(parts)


def _location(entry: Entry) -> dict[str, Any]:
    """The document that the target produced, else the line of the evidence (event 0 is line 1)."""
    case = entry.case
    file, line = MATRIX, 1
    if case and case.first_event is not None:
        file, line = EVENTS, case.first_event + 1
    if case:
        documents = [e.url for e in case.exchanges if e.kind == "document" and not e.url.startswith("http")]
        if documents:
            file, line = documents[0], 1
        if case.document:
            file, line = case.document, case.document_line or 1
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(file, safe="/")},
            "region": {"startLine": max(1, line)},
        },
        "logicalLocations": [{"fullyQualifiedName": entry.name, "kind": "member"}],
    }
