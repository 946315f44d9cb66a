"""The suites of cities, objects, queries, keys and errors: silent on a sound twin, loud on one defect.

Here stand some defects of each family; all of them are run by `dtc selftest`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dtc_cli.harness.reference import running
from tests.support.live_suites import judge, with_outcome

pytestmark = pytest.mark.usefixtures("untraced")

OBJECTS = ("create", "read", "update", "siblings", "delete", "refused")
QUERIES = ("type", "bounds", "properties", "sort", "time")
MODULES = {
    "objects": tuple(f"test_objects_{name}.py" for name in OBJECTS),
    "queries": ("test_paging.py", "test_paging_offset.py", *(f"test_queries_{name}.py" for name in QUERIES)),
    "city": ("test_cities.py", "test_statistics.py", "test_operations.py"),
    "doors": (
        "test_credentials.py",
        "test_credentials_rights.py",
        "test_tokens.py",
        "test_limits.py",
        "test_recovery.py",
    ),
    "forms": ("test_errors.py", "test_errors_internals.py", "test_errors_requests.py", "test_formats.py"),
}
JUDGED = [*range(1, 44), *range(86, 104), *range(105, 109)]
QUIET = ("failed", "error", "blocked", "not_tested")
DEFECTS = {
    "objects": ("DTC-P2-008", "DTC-P2-018.stored"),
    "queries": ("DTC-P2-028.boxes", "DTC-P2-037.order"),
    "city": ("DTC-P2-012", "DTC-P2-106"),
    "doors": ("DTC-P2-087", "DTC-P2-091.delete"),
    "forms": ("DTC-P2-093", "DTC-P2-100"),
}
CASES = [(family, fault) for family, faults in DEFECTS.items() for fault in faults]


@pytest.fixture(scope="module")
def twin() -> Iterator[Path]:
    """The target file of a running twin."""
    with running() as target:
        yield target


def below(*families: str) -> list[str]:
    return [f"phase2/{module}" for family in families for module in MODULES[family]]


def test_the_twin_passes(twin: Path, tmp_path: Path) -> None:
    verdicts = judge(twin, below(*MODULES), tmp_path)
    assert with_outcome(verdicts, *QUIET) == []
    assert set(verdicts) == {f"DTC-P2-{number:03}" for number in JUDGED}


@pytest.mark.parametrize(("family", "fault"), CASES, ids=[fault for _, fault in CASES])
def test_a_defect_is_blamed_on_its_requirement(family: str, fault: str, tmp_path: Path) -> None:
    with running(("--fault", fault)) as target:
        verdicts = judge(target, below(family), tmp_path)
    assert with_outcome(verdicts, "failed", "error") == [fault.partition(".")[0].removeprefix("DTC-")]
