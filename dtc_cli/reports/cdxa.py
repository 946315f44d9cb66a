"""The report as CycloneDX attestations (1.6): what the standard asks, what is claimed, and how it came out.

passed and warned are conformance 1, failed is 0, not_applicable is 1 with its reason; an undecided one has no
conformance, only a confidence of 0. `dtc:outcome` has the outcome in our own words.
"""

import re
from typing import Any

from dtc_cli.core.model import Outcome
from dtc_cli.core.report import Report
from dtc_cli.core.report.model import Row
from dtc_cli.reports import shown
from dtc_cli.reports.entries import document

SCORES = {
    Outcome.PASSED: 1,
    Outcome.WARNED: 1,
    Outcome.NOT_APPLICABLE: 1,
    Outcome.FAILED: 0,
}
"""Those that are not here are undecided."""
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def render(report: Report) -> bytes:
    """The report as CycloneDX 1.6 JSON; it is unsigned, the package that it lies in is signed."""
    maker, subject = report.maker, report.subject
    made: dict[str, Any] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": "target",
                "name": subject.name or "target",
                "version": subject.version,
                "supplier": {"name": subject.vendor},
            },
            "tools": {
                "components": [{"type": "application", "name": maker.tool, "version": maker.tool_version}]
            },
        },
        "definitions": {"standards": [_standard(report)]},
        "declarations": {
            "assessors": [
                {
                    "bom-ref": "assessor",
                    "thirdParty": report.course.mode != "self-assessment",
                    "organization": {"name": subject.vendor if _own(report) else "somebody else"},
                }
            ],
            "attestations": [
                {
                    "summary": report.verdict.headline,
                    "assessor": "assessor",
                    "map": [_mapped(row) for row in report.requirements],
                }
            ],
            "claims": [_claim(row) for row in report.requirements],
            "evidence": [_evidence(report, row) for row in report.requirements if row.vectors],
            "targets": {
                "components": [{"type": "application", "bom-ref": "judged", "name": subject.name or "target"}]
            },
        },
        "properties": [
            {"name": "dtc:run", "value": report.run_id},
            {"name": "dtc:level:claimed", "value": report.verdict.claimed.value},
            {"name": "dtc:level:achieved", "value": report.verdict.achieved.value},
        ],
    }
    if _UUID.fullmatch(report.run_id):
        made["serialNumber"] = f"urn:uuid:{report.run_id}"
    return document(made)


def _own(report: Report) -> bool:
    return report.course.mode == "self-assessment"


def _standard(report: Report) -> dict[str, Any]:
    rows = sorted(report.requirements, key=lambda row: row.id)
    return {
        "bom-ref": "standard",
        "name": report.maker.standard,
        "version": report.maker.standard_version,
        "requirements": [
            {"bom-ref": row.id, "identifier": row.id, "title": row.title, "text": f"see {row.clause}"}
            for row in rows
        ],
        "levels": [
            {
                "bom-ref": f"level-{level.level.value}",
                "identifier": level.level.value,
                "title": level.level.value.capitalize(),
                "requirements": [row.id for row in rows if row.level.rank <= level.level.rank],
            }
            for level in report.levels
        ],
    }


def _mapped(row: Row) -> dict[str, Any]:
    entry: dict[str, Any] = {"requirement": row.id}
    reason = shown.visible(row.message) or shown.words(row.outcome)
    if row.outcome in SCORES:
        score = SCORES[row.outcome]
        entry["claims" if score else "counterClaims"] = [f"claim-{row.id}"]
        entry["conformance"] = {"score": score, "rationale": reason}
    else:
        entry["confidence"] = {"score": 0, "rationale": reason}
    return entry


def _claim(row: Row) -> dict[str, Any]:
    return {
        "bom-ref": f"claim-{row.id}",
        "target": "judged",
        "predicate": f"{row.id}: {row.outcome.value}",
        "reasoning": shown.visible(row.message) or shown.MEANINGS[row.outcome],
        **({"evidence": [f"evidence-{row.id}"]} if row.vectors else {}),
    }


def _evidence(report: Report, row: Row) -> dict[str, Any]:
    return {
        "bom-ref": f"evidence-{row.id}",
        "propertyName": "dtc:outcome",
        "description": row.outcome.value,
        "data": [{"name": "vectors", "contents": {"attachment": {"content": ", ".join(row.vectors)}}}],
    }
