"""What the target produces: every rule of phase 1 on every document.

One vector per requirement that a document can show. A rule that nothing in the documents exercises is
left to the target's validator where there is one, else it is not tested.
"""

import pytest

from dtc_cli.harness.suite import (
    NOT_BY_DOCUMENT,
    NotApplicable,
    NotTested,
    Tolerated,
    Twin,
    Violation,
    catalogue,
    verifies,
)
from suites.phase1.missing import is_seeded, needed

REQUIREMENTS = [
    entry
    for entry in catalogue().requirements.values()
    if entry.phase == 1 and entry.id not in NOT_BY_DOCUMENT
]


@pytest.mark.parametrize(
    "requirement", [pytest.param(entry.id, marks=verifies(entry.id), id=entry.id) for entry in REQUIREMENTS]
)
def test_documents(twin: Twin, requirement: str) -> None:
    documents = twin.judged_documents
    if not documents:
        raise NotTested("the target gave no document: " + twin.why_no_documents)
    exercised = 0
    for document, judgement in documents:
        exercised += judgement.exercised.get(requirement, 0)
        broken = [finding for finding in judgement.findings if finding.requirement == requirement]
        if broken:
            first = broken[0]
            more = f" (and {len(broken) - 1} more places)" if len(broken) > 1 else ""
            tolerated = all(finding.severity == "warning" for finding in broken)
            # A warning about a MUST is a tolerated form; about a SHOULD it is the violation itself.
            raise (Tolerated if tolerated else Violation)(
                f"{document.name} at {first.pointer or 'its top'}: {first.message}{more}",
                expected=catalogue().requirements[requirement].statement,
                actual=f"{first.code} at {first.pointer}",
                clause=catalogue().requirements[requirement].clause,
                hint="dtc validate FILE shows every place",
            )
    if not exercised:
        reason = f"nothing in the target's documents puts this to the test: {needed(requirement)} is missing"
        if twin.validator.offered:
            raise NotApplicable(f"{reason}; it is judged through the validator")
        raise NotTested(f"{reason}, and the target file names no validator{offer(twin, requirement)}")


def offer(twin: Twin, requirement: str) -> str:
    """A way to have such data, where there is one."""
    if not is_seeded(requirement) or not twin.has_rest:
        return ""
    if "write" not in twin.target.hazards:
        return "; `dtc seed` can write such data once the target file allows the hazard write"
    return "; `dtc seed` writes such data into the target, `dtc clean` takes it back"
