"""The vectors of phase 1: our own judge agrees with every one, and the set is complete."""

from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dtc_cli.core import catalogue
from dtc_cli.core.model import Strength
from dtc_cli.core.records import NOT_BY_DOCUMENT, Severity, judge_text
from dtc_cli.core.records.cases import Case, load_cases
from dtc_cli.core.records.finding import SHOULD
from dtc_cli.errors import DtcError
from dtc_cli.paths import SUITES

NOW = datetime(2026, 7, 1, 12, 0, 30, 250_000, tzinfo=UTC)
FOLDER = SUITES / "phase1" / "vectors"
CASES = load_cases(FOLDER)


@pytest.mark.parametrize("case", CASES, ids=[case.vector for case in CASES])
def test_our_judge_agrees(case: Case) -> None:
    judgement = judge_text(case.document(NOW), now=NOW, fragment=case.fragment)
    blamed = {finding.requirement for finding in judgement.errors}
    if case.expect == "reject":
        own = set() if case.requirement in NOT_BY_DOCUMENT else {case.requirement}
        assert blamed == own | set(case.also)
    else:
        assert not blamed, judgement.errors
    if case.expect == "report":
        assert case.requirement in {finding.requirement for finding in judgement.findings}
    if case.expect == "accept" and not case.warns:
        # An accepted record without `warns` gives no cause to list anything but what the case tolerates.
        assert {finding.code for finding in judgement.warnings} <= set(case.tolerates)
    if case.at is not None:
        assert case.at in {finding.pointer for finding in judgement.findings}
    if case.expect == "reject" and case.wants:
        codes = {finding.code for finding in judgement.errors}
        assert all(not want.codes or codes & set(want.codes) for want in case.wants)


def test_every_must_has_a_vector_that_is_accepted_and_one_that_is_not() -> None:
    polarities: dict[str, set[str]] = defaultdict(set)
    for case in CASES:
        polarities[case.requirement].add("accept" if case.expect == "accept" else "refuse")
    nothing_to_refuse = {"DTC-P1-032"}
    for entry in catalogue.load().requirements.values():
        if entry.phase != 1 or entry.strength is not Strength.MUST:
            continue
        wanted = {"accept"} if entry.id in nothing_to_refuse else {"accept", "refuse"}
        assert polarities[entry.id] == wanted, entry.id


def test_every_case_belongs_to_a_requirement_of_the_catalogue_and_to_its_clause() -> None:
    known = catalogue.load()
    for case in CASES:
        entry = known.requirements[case.requirement]
        assert entry.clause in case.clause, case.requirement
        assert all(name in known.requirements for name in case.also)


def test_the_severity_of_each_requirement_is_that_of_the_catalogue() -> None:
    entries = [entry for entry in catalogue.load().requirements.values() if entry.phase == 1]
    assert {entry.id for entry in entries if entry.strength is Strength.SHOULD} == SHOULD


def test_only_a_requirement_of_strength_should_warns_where_a_validator_must_not_refuse() -> None:
    for case in CASES:
        judgement = judge_text(case.document(NOW), now=NOW, fragment=case.fragment)
        for finding in judgement.findings:
            if finding.requirement in SHOULD:
                assert finding.severity is Severity.WARNING


def test_the_same_clock_gives_the_same_bytes() -> None:
    assert [case.document(NOW) for case in CASES] == [case.document(NOW) for case in load_cases(FOLDER)]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("requirement: DTC-P1-002\nclause: x\ncases: []\n", "holds the cases of DTC-P1-002"),
        ("requirement: [\n", "expected"),
        ("requirement: DTC-P1-001\nclause: x\ncases: [{id: accept-a, expect: accept}]\n", "why"),
        (
            "requirement: DTC-P1-001\nclause: x\ncases: [{id: a, expect: accept, why: w, text: ''}]\n",
            "begins with it",
        ),
        (
            "requirement: DTC-P1-001\nclause: x\ncases: [{id: pass-a, expect: pass, why: w, text: ''}]\n",
            "accept",
        ),
        ("requirement: DTC-P1-001\nclause: x\ncases: [{id: accept-a, expect: accept, why: w}]\n", "either"),
        (
            "requirement: DTC-P1-001\nclause: x\ncases: [{id: accept-a, expect: accept, why: w, base: no}]\n",
            "str",
        ),
        (
            "requirement: DTC-P1-001\nclause: x\ncases: [{id: accept-a, expect: accept, why: w, base: b}]\n",
            "no base b",
        ),
        (
            "requirement: DTC-P1-001\nclause: x\ncases:\n"
            "- {id: accept-a, expect: accept, why: w, base: small, patch: [{op: remove, path: /b}]}\n",
            "/b leads nowhere",
        ),
        (
            "requirement: DTC-P1-001\nclause: x\ncases:\n"
            + "- {id: accept-a, expect: accept, why: w, text: ''}\n" * 2,
            "used twice",
        ),
    ],
)
def test_a_broken_vector_file_is_explained(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "small.json").write_text('{"a": 1}')
    (tmp_path / "DTC-P1-001.yaml").write_text(text)
    with pytest.raises(DtcError) as caught:
        load_cases(tmp_path)
    assert caught.value.code == "vectors-broken"
    assert why in caught.value.why
    assert "DTC-P1-001.yaml" in caught.value.where


def test_a_broken_base_is_explained(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "small.json").write_text("{")
    with pytest.raises(DtcError) as caught:
        load_cases(tmp_path)
    assert "small.json" in caught.value.where
