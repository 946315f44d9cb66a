"""Each fault of the bundled twin that breaks a MUST of phase 1 is blamed on exactly that requirement.

Two sides of each requirement are spoilt one at a time: what the twin produces (its snapshot), and what
its validator refuses. Each time the whole of phase 1 is judged, and only the spoilt requirement may fail.
"""

import json
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest

from dtc_cli.clients.credentials import API_KEY_HEADER
from dtc_cli.core.catalogue import load
from dtc_cli.core.model import Strength
from dtc_cli.core.records import Severity, judge_text
from dtc_cli.core.records.cases import judge_answer
from dtc_cli.core.target import load as load_target
from dtc_cli.harness.reference import running
from dtc_cli.harness.suite import NOT_BY_DOCUMENT, Twin
from suites.phase1.test_refused import CASES, first_failed

pytestmark = pytest.mark.usefixtures("untraced")

MUSTS = {
    entry.id for entry in load().requirements.values() if entry.phase == 1 and entry.strength is Strength.MUST
}
NOW = datetime.now(UTC)

# Judges many files in one process of the twin, as `python -m reference_server validate` judges one.
DRIVER = """
import json, sys
from pathlib import Path
from reference_server import validator
from reference_server.faults import table
table.install(sys.argv[2:])
for file in sorted(Path(sys.argv[1]).iterdir()):
    print(json.dumps({"file": file.name, **validator.judge_file(file, fragment=False, threshold=None)}))
"""


@cache
def faults() -> tuple[dict[str, str], ...]:
    listed = subprocess.run(
        [sys.executable, "-m", "reference_server", "faults"], capture_output=True, text=True, check=True
    )
    found: list[dict[str, str]] = json.loads(listed.stdout)
    return tuple(one for one in found if one["requirement"].startswith("DTC-P1-"))


def produced() -> list[str]:
    """Faults of documents. P1-045 is about the GeoJSON form, which a snapshot does not have."""
    shown = MUSTS - set(NOT_BY_DOCUMENT) - {"DTC-P1-045"}
    return [one["id"] for one in faults() if "." not in one["id"] and one["requirement"] in shown]


def refused() -> list[str]:
    return [one["id"] for one in faults() if one["id"].endswith(".refused")]


def snapshot(fault: str) -> bytes:
    import httpx

    with running(("--fault", fault)) as file:
        target = load_target(file)
        key = (file.parent / target.api_keys["admin"].value).read_text().strip()
        instant = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        url = f"{target.base_url}/cities/{target.city}/snapshots/{instant}"
        return httpx.get(url, headers={API_KEY_HEADER: key}).content


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("records")
    for index, case in enumerate(CASES):
        (folder / f"{index:04}").write_bytes(case.document(NOW))
    return folder


class Told:
    """A twin whose validator has given its answers already, and the lines of a run over them."""

    def __init__(self) -> None:
        self.own_run = self
        self.failures: list[str] = []

    def failed(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.failures))


def blamed_by_validator(records: Path, *fault: str) -> set[str]:
    """The MUSTs that the suite blames, in its order and with its rule for what is blocked by what."""
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(records), *fault], capture_output=True, text=True, check=True
    )
    answers: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(CASES)
    told = Told()
    for case, answer in zip(CASES, answers, strict=True):
        right = judge_answer(case, answer["valid"], answer["errors"]) is None
        if case.requirement in MUSTS and not right and first_failed(cast(Twin, told), case) is None:
            told.failures.append(case.requirement)
    return set(told.failures)


def test_every_must_has_a_fault_on_each_side_it_has() -> None:
    assert MUSTS - set(NOT_BY_DOCUMENT) - {"DTC-P1-045"} == set(produced())
    assert {name.removesuffix(".refused") for name in refused()} == MUSTS


def test_the_clean_twin_raises_no_alarm(records: Path) -> None:
    assert blamed_by_validator(records) == set()


@pytest.mark.parametrize("fault", produced())
def test_a_spoilt_document_is_blamed_on_its_requirement(fault: str) -> None:
    findings = judge_text(snapshot(fault), now=datetime.now(UTC)).findings
    assert {finding.requirement for finding in findings if finding.severity is Severity.ERROR} == {fault}


@pytest.mark.parametrize("fault", refused())
def test_a_spoilt_validator_is_blamed_on_its_requirement(fault: str, records: Path) -> None:
    assert blamed_by_validator(records, fault) == {fault.removesuffix(".refused")}
