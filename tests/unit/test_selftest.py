"""What `dtc selftest` makes of its attempts."""

from pathlib import Path

import msgspec
import pytest

from dtc_cli.commands.selftest import _line, matching
from dtc_cli.core.model import Outcome
from dtc_cli.errors import DtcError
from dtc_cli.harness.selftest import CLEAN, Attempt, Fault, as_json, attempts, matrix


def attempt(fault: str, outcome: Outcome | None, *also: str) -> Attempt:
    return Attempt(
        fault=fault,
        requirement="" if fault == CLEAN else fault.partition(".")[0],
        why="a | b",
        outcome=outcome,
        also=also,
        undecided=(),
    )


def test_a_fault_is_killed_by_its_own_requirement_only() -> None:
    assert attempt("DTC-P2-001", Outcome.FAILED).killed
    assert not attempt("DTC-P2-001", Outcome.PASSED, "DTC-P2-002").killed
    assert not attempt("DTC-P2-001", Outcome.BLOCKED).killed
    assert not attempt("DTC-P2-001", Outcome.FAILED, "DTC-P2-002").exact


def test_faults_are_chosen_by_every_pattern() -> None:
    known = [
        Fault(id=name, requirement=name[:10], why="") for name in ("DTC-P1-001", "DTC-P2-001", "DTC-P2-002")
    ]
    names = [one.id for one in matching(known, ["DTC-P2-*", "DTC-P1-001", "DTC-P2-002"])]
    assert names == ["DTC-P1-001", "DTC-P2-001", "DTC-P2-002"]
    assert matching(known, [CLEAN]) == []
    with pytest.raises(DtcError, match="DTC-P9"):
        matching(known, ["DTC-P1-001", "DTC-P9*"])


def test_the_clean_twin_must_be_quiet() -> None:
    assert attempt(CLEAN, None).killed
    assert not attempt(CLEAN, None, "DTC-P2-002").killed


def test_the_matrix_claims_only_what_was_judged() -> None:
    made = [
        attempt("DTC-P2-002.x", Outcome.PASSED),
        attempt("DTC-P2-001", Outcome.FAILED),
        attempt(CLEAN, None),
    ]
    text = matrix(made, "abc", full=False)
    assert "- 1 of 2 faults killed" in text
    assert "- a | b: 0 alarms in 1 runs" in text
    assert "nothing else blamed" not in text
    assert text.index("DTC-P2-001") < text.index("DTC-P2-002.x")
    assert "a / b" in text
    assert "1 of them with nothing else blamed" in matrix(made, "abc", full=True)
    assert as_json(made)["killed"] == 1


def test_parts_that_were_not_judged_stay_in_the_matrix() -> None:
    """Each part of the standard has a section with the commit that it was judged at."""
    first = matrix([attempt("DTC-P2-001", Outcome.FAILED), attempt(CLEAN, None)], "one", full=False)
    second = matrix([attempt("DTC-P3-001", Outcome.FAILED)], "two", full=False, earlier=first)
    assert [line for line in second.splitlines() if line.startswith("## ")] == [
        "## Phase 2",
        "## Phase 3",
        "## Without a fault",
    ]
    assert second.count("`one`") == 2
    assert second.count("`two`") == 1
    again = matrix([attempt("DTC-P2-001", Outcome.PASSED)], "three", full=False, earlier=second)
    assert "0 of 1 faults killed" in again
    assert again.count("DTC-P2-001") == second.count("DTC-P2-001")
    assert matrix([], "four", full=False, earlier=second) == second


def test_what_is_recorded_is_not_judged_again(tmp_path: Path) -> None:
    record = tmp_path / "record.jsonl"
    made = [attempt("DTC-P2-001", Outcome.FAILED), attempt(CLEAN, None), attempt(CLEAN, None)]
    names = ("DTC-P2-001", "none-silver-3", "none-silver-4")
    lines = [{"name": name, "attempt": one} for name, one in zip(names, made, strict=True)]
    record.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    chosen = [Fault("DTC-P2-001", "DTC-P2-001", "why"), None, None]
    assert list(attempts(chosen, full=False, seed=3, record=record)) == made


def test_a_fault_that_crashes_the_twin_is_told() -> None:
    made = attempt("DTC-P2-001", Outcome.FAILED)
    assert "status 500" not in _line(made)
    assert _line(msgspec.structs.replace(made, crashes=2)).endswith("2 answers with status 500")
