"""The report in EARL 1.0 (W3C), as JSON-LD: an assertion per test.

warned is earl:passed, error earl:cantTell, not_applicable earl:inapplicable, not_tested and blocked
earl:untested; `dtc:outcome` has the outcome in our own words.
"""

import re
from datetime import datetime
from typing import Any
from urllib.parse import quote

from dtc_cli.core.model import Outcome
from dtc_cli.core.report import Report
from dtc_cli.reports import shown
from dtc_cli.reports.entries import Entry, document, entries

OUTCOMES = {
    Outcome.PASSED: "earl:passed",
    Outcome.WARNED: "earl:passed",
    Outcome.FAILED: "earl:failed",
    Outcome.ERROR: "earl:cantTell",
    Outcome.NOT_APPLICABLE: "earl:inapplicable",
    Outcome.NOT_TESTED: "earl:untested",
    Outcome.BLOCKED: "earl:untested",
}
CONTEXT = {
    "earl": "http://www.w3.org/ns/earl#",
    "dct": "http://purl.org/dc/terms/",
    "doap": "http://usefulinc.com/ns/doap#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "dtc": "urn:dtc:vocabulary:",
}


def render(report: Report) -> bytes:
    """The report as UTF-8 JSON-LD that needs no network to be read."""
    subject, maker = report.subject, report.maker
    run = f"urn:dtc:run:{_part(report.run_id)}"
    made = {
        "@context": CONTEXT,
        "@graph": [
            {
                "@id": f"{run}#assertor",
                "@type": ["earl:Assertor", "earl:Software"],
                "dct:title": maker.tool,
                "dct:hasVersion": maker.tool_version,
                "dtc:suite": maker.suite_digest,
                "dtc:catalogue": maker.catalogue_digest,
            },
            {
                "@id": f"{run}#subject",
                "@type": ["earl:TestSubject", "doap:Project"],
                "doap:name": subject.name,
                "dct:hasVersion": subject.version,
                "dct:creator": subject.vendor,
                "dtc:claimed": report.verdict.claimed.value,
                "dtc:achieved": report.verdict.achieved.value,
            },
            *(_assertion(entry, run) for entry in entries(report)),
        ],
    }
    return document(made)


def _assertion(entry: Entry, run: str) -> dict[str, Any]:
    result: dict[str, Any] = {
        "@type": "earl:TestResult",
        "earl:outcome": {"@id": OUTCOMES[entry.outcome]},
        "dtc:outcome": entry.outcome.value,
    }
    if entry.message:
        result["earl:info"] = shown.visible(entry.message)
    if entry.case and _is_instant(entry.case.started_at):
        result["dct:date"] = {"@type": "xsd:dateTime", "@value": entry.case.started_at}
    return {
        "@id": f"{run}#{_part(entry.name)}",
        "@type": "earl:Assertion",
        "earl:assertedBy": {"@id": f"{run}#assertor"},
        "earl:subject": {"@id": f"{run}#subject"},
        "earl:test": {
            "@id": f"urn:dtc:test:{_part(entry.name)}",
            "@type": "earl:TestCase" if entry.case else "earl:TestRequirement",
            "dct:title": shown.visible(
                entry.case.title if entry.case else entry.row.title if entry.row else ""
            ),
            "dct:isPartOf": {"@id": f"urn:dtc:requirement:{_part(entry.requirement)}"},
        },
        "earl:mode": {"@id": "earl:automatic"},
        "earl:result": result,
    }


def _part(identifier: str) -> str:
    """The identifier as a part of a URN."""
    return quote(shown.visible(identifier), safe="/") or "unknown"


def _is_instant(text: str) -> bool:
    if not re.match(r"\d{4}-\d\d-\d\dT", text):
        return False
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
