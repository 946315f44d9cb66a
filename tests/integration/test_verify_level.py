"""Time, nonce and level: whether an authentic package still says something, and what."""

from datetime import timedelta
from pathlib import Path

import pytest

from dtc_cli.core.model import Level, Outcome
from dtc_cli.exit_codes import ExitCode
from tests.support import runs
from tests.support.packages import catalogue, check, failing, make, resigned, trust_file

FAILED, BLOCKED = "DTC-P1-001/negative-case", "DTC-P1-002/negative-case"


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cheat's public key: a reader who knows them trusts them."""
    return trust_file(tmp_path_factory.mktemp("trust"))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with one failed and one blocked vector."""
    outcomes = {FAILED: Outcome.FAILED, BLOCKED: Outcome.BLOCKED}
    return make(tmp_path_factory.mktemp("original"), outcomes=outcomes)


def test_evidence_gets_stale_after_92_days(original: Path, trust: Path) -> None:
    for age, code in (
        (timedelta(days=92), ExitCode.NOT_CONFORMANT),
        (timedelta(days=92, seconds=1), ExitCode.STALE),
    ):
        result = check(original, trust, now=runs.FINISHED + age)
        assert result.exit_code is code
        assert result.authentic


def test_evidence_from_the_future_is_refused(original: Path, trust: Path) -> None:
    assert (
        check(original, trust, now=runs.FINISHED - timedelta(minutes=9)).exit_code is ExitCode.NOT_CONFORMANT
    )
    assert check(original, trust, now=runs.FINISHED - timedelta(minutes=11)).exit_code is ExitCode.STALE


def test_clocks_that_differ_a_little_are_only_noted(trust: Path, tmp_path: Path) -> None:
    path = make(tmp_path, clock={"source": "system", "monotonicMs": 10_000, "targetSkewMs": None})
    result = check(path, trust)
    assert result.exit_code is ExitCode.OK
    assert "differ by 10000 ms" in next(c.reason for c in result.checks if c.name == "time.clock")


def test_the_nonce_that_was_asked_for(original: Path, trust: Path) -> None:
    assert "nonce.match" not in failing(check(original, trust, nonce=runs.NONCE))
    assert "nonce.match" not in failing(check(original, trust, nonce=runs.NONCE + "=="))
    replayed = check(original, trust, nonce="AAAA")
    assert "nonce.match" in failing(replayed)
    assert replayed.exit_code is ExitCode.STALE


def test_a_signed_nonce_that_is_none_matches_nothing(trust: Path, tmp_path: Path) -> None:
    odd = make(tmp_path, nonce="AAAA")
    path = resigned(
        odd, tmp_path, lambda c: None, tweak=lambda v: v["predicate"]["nonce"].update(value="AAAAA")
    )
    assert "nonce.match" in failing(check(path, trust, nonce=runs.NONCE))


# Level


def test_a_failed_run_is_authentic_and_not_conformant(original: Path, trust: Path) -> None:
    result = check(original, trust)
    assert (result.exit_code, result.authentic, result.conformant) == (ExitCode.NOT_CONFORMANT, True, None)
    assert failing(result) == ["level.reached"]
    assert "DTC-P1-001 failed" in next(c.reason for c in result.checks if c.name == "level.reached")


def test_an_undecided_run_is_incomplete(trust: Path, tmp_path: Path) -> None:
    for outcome in (Outcome.ERROR, Outcome.BLOCKED, Outcome.NOT_TESTED):
        result = check(make(tmp_path / outcome, outcomes={BLOCKED: outcome}), trust)
        assert (result.exit_code, result.authentic) == (ExitCode.INCOMPLETE, True)


def test_a_lower_level_of_a_failed_claim_stands(trust: Path, tmp_path: Path) -> None:
    silver = next(e.id for e in catalogue().for_level(Level.SILVER) if e.level is Level.SILVER)
    path = make(tmp_path, level=Level.SILVER, outcomes={f"{silver}/negative-case": Outcome.FAILED})
    assert check(path, trust).exit_code is ExitCode.NOT_CONFORMANT
    lower = check(path, trust, level=Level.BRONZE)
    assert (lower.exit_code, lower.conformant) == (ExitCode.OK, Level.BRONZE)
    higher = check(path, trust, level=Level.GOLD)
    assert higher.exit_code is ExitCode.NOT_CONFORMANT


def test_gold_is_not_believed_without_an_audit(trust: Path, tmp_path: Path) -> None:
    path = make(tmp_path, level=Level.GOLD)
    result = check(path, trust)
    assert (failing(result), result.exit_code) == (["audit.endorsed"], ExitCode.UNTRUSTED)
    assert result.authentic
    assert check(path, trust, level=Level.SILVER).conformant is Level.SILVER


def test_only_a_conditional_requirement_may_be_excluded(trust: Path, tmp_path: Path) -> None:
    entries = catalogue().for_level(Level.BRONZE)
    conditional = next(entry.id for entry in entries if entry.when is not None)
    plain = next(entry.id for entry in entries if entry.when is None and entry.strength == "must")
    assert check(make(tmp_path / "a", excluded={conditional: "not offered"}), trust).exit_code is ExitCode.OK
    refused = check(make(tmp_path / "b", excluded={plain: "we would rather not"}), trust)
    assert refused.exit_code is ExitCode.NOT_CONFORMANT
    assert "is excluded" in next(c.reason for c in refused.checks if c.name == "level.reached")
    blank = check(make(tmp_path / "c", excluded={conditional: " "}), trust)
    assert (failing(blank), blank.exit_code) == (["skips.justified"], ExitCode.INCOMPLETE)
