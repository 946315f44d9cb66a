"""Validators of other makers, each wrong in one way that nobody here invented a fault for.

A right validator judges the records of phase 1 once; its answers are spoilt one way after another, and the
suite must blame the requirement that is broken.
"""

import json
import subprocess
import sys
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dtc_cli.core.records.cases import judge_answer
from dtc_cli.harness.suite import Tolerated, Twin
from suites.phase1.test_refused import CASES, first_failed, judge_places, reads_no_features
from tests.integration.test_faults_phase1 import DRIVER, MUSTS, NOW, Told
from tests.support.defects_records import RECORDS, Defect

pytestmark = pytest.mark.usefixtures("untraced")

ALSO = {
    "holes may be open",
    "a confidence up to 100",
    "temperatures are rounded",
    "fahrenheit is not converted",
    "ranges are compared as text",
    "only WGS84 has bounds",
}
"""Defects that break a second requirement, too."""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("records")
    for index, case in enumerate(CASES):
        (folder / f"{index:04}").write_bytes(case.document(NOW))
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(folder)], capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def records() -> list[Any]:
    return [parsed(case.document(NOW)) for case in CASES]


def parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return None


def test_errors_without_a_place_are_told_once() -> None:
    judge_places([{"code": "ERR_MISSING_FIELD", "pointer": ""}])
    with pytest.raises(Tolerated, match="do not say where"):
        judge_places([{"code": "ERR_MISSING_FIELD", "message": "no cityId"}])


@pytest.mark.parametrize(("valid", "unread"), [(True, True), (False, False)])
def test_only_who_accepts_a_feature_of_no_geometry_does_not_read_features(valid: bool, unread: bool) -> None:
    answer = SimpleNamespace(json=lambda: {"valid": valid, "errors": []})
    seen: list[bytes] = []

    def check(record: bytes) -> SimpleNamespace:
        seen.append(record)
        return answer

    validator = SimpleNamespace(check=check)
    assert reads_no_features(cast(Twin, SimpleNamespace(validator=validator))) is unread
    assert b'"Circle"' in seen[0]


@pytest.mark.parametrize("defect", RECORDS, ids=[f"{one.requirement} {one.what}" for one in RECORDS])
def test_a_defect_is_blamed_on_its_requirement(
    defect: Defect, answers: list[dict[str, Any]], records: list[Any]
) -> None:
    told = Told()
    for case, record, answer in zip(CASES, records, answers, strict=True):
        right = {"valid": answer["valid"], "errors": list(answer["errors"])}
        given = defect.spoil(record, right)
        wrong = judge_answer(case, given["valid"], given["errors"]) is not None
        if case.requirement in MUSTS and wrong and first_failed(cast(Twin, told), case) is None:
            told.failures.append(case.requirement)
    blamed = set(told.failures)
    own = f"DTC-P1-{defect.requirement}"
    assert own in blamed if defect.what in ALSO else blamed == {own}
