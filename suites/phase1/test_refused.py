"""What the target's validator accepts and refuses: the record vectors of `vectors/`, one file at a time.

A defect is blamed on the requirement that it breaks. Some records cannot help breaking a second rule, or
need all rules at once; when such a vector fails and the other requirement has failed already, it is blocked
by that one. Hence the order: what a validator must tolerate, then the rules, then the rules about all rules.
"""

import json
from collections.abc import Iterable
from typing import Any

import pytest

from dtc_cli.harness.suite import (
    NOT_BY_DOCUMENT,
    RECORD_VECTORS,
    Blocked,
    Case,
    NotApplicable,
    NotTested,
    Tolerated,
    Twin,
    Violation,
    judge_answer,
    load_cases,
    verifies,
)

TOLERANCE = ("DTC-P1-020", "DTC-P1-032", "DTC-P1-043", "DTC-P1-069")
"""Things that every ordinary record has and a validator must not mind."""
ALL_RULES = ("DTC-P1-001", "DTC-P1-090", "DTC-P1-091")
"""Requirements about whole records: any broken rule breaks their vectors too."""


def order(case: Case) -> int:
    """The place of a case in the order of blame; equal places keep the order of ids."""
    if case.requirement in ALL_RULES:
        return 2
    return 0 if case.requirement in TOLERANCE and case.expect == "accept" else 1


def vector(case: Case) -> Any:
    """The case as a parameter that carries its requirement."""
    marks = verifies(case.requirement, negative=case.expect != "accept", title=case.why)
    return pytest.param(case, marks=marks, id=f"{case.requirement}/{case.id}")


PLACES = "DTC-P1-090"
"""The report of all violations: here it is seen whether each has its place."""
FEATURES = "DTC-P1-045"
"""City objects as GeoJSON. A validator of records need not know that form: then only documents show it."""
CASES = sorted(load_cases(RECORD_VECTORS), key=order)


@pytest.mark.late
@pytest.mark.parametrize("case", [vector(case) for case in CASES])
def test_validator(twin: Twin, case: Case) -> None:
    if not twin.validator.offered:
        reason = "the target file names no validator"
        raise (NotTested if case.requirement in NOT_BY_DOCUMENT else NotApplicable)(reason)
    answer = twin.validator.check(twin.case_document(case)).json()
    given = answer if isinstance(answer, dict) else {}
    finding = judge_answer(case, given.get("valid"), given.get("errors"))
    if finding is None:
        if case.requirement == PLACES:
            judge_places(given.get("errors"))
        return
    culprit = first_failed(twin, case)
    if case.requirement == FEATURES and reads_no_features(twin):
        raise Tolerated(
            "the validator does not read the Feature form: it accepts one of no known geometry",
            expected="a Feature judged by P1 6.2, or refused as no record",
            actual=finding.actual,
            clause="P1 6.2; C-07",
        )
    if culprit is not None:
        raise Blocked(culprit, f"{finding.message}; that requirement failed before")
    raise Violation(
        finding.message,
        expected=finding.expected,
        actual=finding.actual,
        clause=finding.clause,
        hint=case.why,
    )


def reads_no_features(twin: Twin) -> bool:
    """Whether a Feature of no known geometry is waved through, an object without a part to judge (C-07)."""
    feature = json.loads((RECORD_VECTORS / "base" / "feature.json").read_bytes())
    feature["geometry"]["type"] = "Circle"
    answer = twin.validator.check(json.dumps(feature).encode()).json()
    return isinstance(answer, dict) and answer.get("valid") is True


def judge_places(errors: Any) -> None:
    """Each error of a report says where it is."""
    lacking = [one for one in errors if not isinstance(one.get("pointer"), str)]
    if lacking:
        raise Tolerated(
            "the validator's errors do not say where they are",
            expected="a pointer in each error",
            actual=", ".join(sorted({str(one.get("code")) for one in lacking})),
            clause="P1 8.2",
        )


def first_failed(twin: Twin, case: Case) -> str | None:
    """The requirement whose defect explains why this case failed, if one has failed before."""
    failed = [
        name for name in twin.own_run.failed() if name.startswith("DTC-P1-") and name != case.requirement
    ]
    return next((name for name in failed if name in suspects(case, failed)), None)


def suspects(case: Case, failed: Iterable[str]) -> Iterable[str]:
    """The requirements that this case depends on beside its own."""
    if case.requirement in ALL_RULES:
        return failed
    return TOLERANCE if case.expect == "accept" else case.also
