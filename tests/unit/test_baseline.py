"""The baseline: what is red beside it, what it never changes, and how its file is read and written."""

from collections.abc import Mapping
from datetime import date, timedelta

import msgspec
import pytest

from dtc_cli.core import baseline_file
from dtc_cli.core.baseline import Comparison, Entry, Kind, compare, fingerprint, known, normalised
from dtc_cli.core.model import Finding, Level, MatrixLine, Outcome, Requirement, Strength, Vector
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode

TODAY = date(2026, 11, 21)
MESSAGE = "GET /cities/KR-BUSAN-2025/objects/dtc-1a2b-7 answered 500"


def requirement(number: int, strength: Strength = Strength.MUST) -> Requirement:
    return Requirement(
        id=f"DTC-P2-{number:03}",
        phase=2,
        clause="P2 4.3",
        title="a title",
        statement="a statement",
        strength=strength,
        level=Level.SILVER,
        check="API/Reading",
        method="test",
        positive="p",
        negative="n",
    )


REQUIREMENTS = (requirement(1), requirement(2), requirement(3, Strength.SHOULD))
VECTORS = tuple(
    Vector(id=f"{entry.id}/case", requirement=entry.id, polarity="positive", hazard="read", title="t")
    for entry in REQUIREMENTS
)
ONE, TWO, THREE = (vector.id for vector in VECTORS)


def line(vector: str, outcome: Outcome, message: str = MESSAGE, blocked_by: str | None = None) -> MatrixLine:
    strength = next(entry.strength for entry in REQUIREMENTS if entry.id == vector.partition("/")[0])
    undecided = outcome in (Outcome.BLOCKED, Outcome.NOT_TESTED, Outcome.NOT_APPLICABLE)
    return MatrixLine(
        vector=vector,
        requirement=vector.partition("/")[0],
        level=Level.SILVER,
        strength=strength,
        outcome=outcome,
        justification="a reason" if undecided else None,
        blocked_by=blocked_by,
        started_at="2026-11-21T08:00:00Z",
        duration_ms=1,
        attempts=(),
        seed=1,
        events=(0, -1),
        request_digest=None,
        response_digest=None,
        finding=None if undecided or outcome is Outcome.PASSED else Finding(message=message),
    )


def entry(vector: str, message: str = MESSAGE, *, days: int = 5) -> Entry:
    return Entry(
        vector=vector,
        fingerprint=fingerprint(message),
        owner="api team",
        reason="rewritten in spring",
        link="https://tracker.example/7",
        expires=TODAY + timedelta(days=days),
    )


def beside(*entries: Entry, **outcomes: Outcome) -> Comparison:
    """The run of vectors ONE and TWO (names `one`, `two`); what is not named passed."""
    lines = [line(ONE, outcomes.get("one", Outcome.PASSED)), line(TWO, outcomes.get("two", Outcome.PASSED))]
    return against(lines, *entries)


def against(lines: list[MatrixLine], *entries: Entry) -> Comparison:
    return compare(entries, REQUIREMENTS[:2], VECTORS[:2], lines, excluded={}, today=TODAY)


def kinds(comparison: Comparison) -> Mapping[str, Kind]:
    return {case.vector: case.kind for case in comparison.cases}


def test_a_failure_that_is_known_is_not_red() -> None:
    found = beside(entry(ONE), one=Outcome.FAILED)
    assert kinds(found) == {ONE: Kind.KNOWN}
    assert found.exit_code is ExitCode.OK
    assert "rewritten in spring" in found.cases[0].text
    assert "api team" in found.cases[0].text


def test_a_failure_that_is_not_listed_is_red() -> None:
    found = beside(entry(ONE), one=Outcome.FAILED, two=Outcome.FAILED)
    assert kinds(found) == {ONE: Kind.KNOWN, TWO: Kind.NEW}
    assert found.exit_code is ExitCode.NOT_CONFORMANT


def test_another_failure_in_a_listed_vector_is_red() -> None:
    found = beside(entry(ONE, "the body is not a JSON object"), one=Outcome.FAILED)
    assert kinds(found) == {ONE: Kind.CHANGED}
    assert fingerprint(MESSAGE) in found.cases[0].text
    assert found.exit_code is ExitCode.NOT_CONFORMANT


@pytest.mark.parametrize("outcome", [Outcome.PASSED, Outcome.NOT_APPLICABLE, Outcome.WARNED])
def test_a_listed_vector_that_no_longer_fails_is_red(outcome: Outcome) -> None:
    found = beside(entry(ONE), one=outcome)
    assert kinds(found) == {ONE: Kind.NO_LONGER}
    assert found.exit_code is ExitCode.NOT_CONFORMANT


def test_an_entry_of_no_vector_is_red_and_names_the_nearest() -> None:
    found = beside(entry("DTC-P2-001/casse"))
    assert kinds(found) == {"DTC-P2-001/casse": Kind.UNUSED}
    assert f"the nearest is {ONE}" in found.cases[0].text
    assert found.exit_code is ExitCode.NOT_CONFORMANT


def test_an_entry_holds_through_its_last_day() -> None:
    assert kinds(beside(entry(ONE, days=0), one=Outcome.FAILED)) == {ONE: Kind.KNOWN}
    late = beside(entry(ONE, days=-1), one=Outcome.FAILED)
    assert kinds(late) == {ONE: Kind.EXPIRED}
    assert late.exit_code is ExitCode.NOT_CONFORMANT
    assert kinds(beside(entry(ONE, days=-1), one=Outcome.ERROR)) == {ONE: Kind.EXPIRED}


@pytest.mark.parametrize("outcome", [Outcome.ERROR, Outcome.BLOCKED, Outcome.NOT_TESTED])
def test_an_undecided_vector_stays_undecided(outcome: Outcome) -> None:
    found = beside(entry(ONE), one=outcome)
    assert kinds(found) == {ONE: Kind.OPEN}
    assert found.undecided == ("DTC-P2-001",)
    assert found.exit_code is ExitCode.INCOMPLETE


def test_a_known_failure_does_not_hide_what_is_undecided_beside_it() -> None:
    found = beside(entry(ONE), one=Outcome.FAILED, two=Outcome.NOT_TESTED)
    assert found.undecided == ("DTC-P2-002",)
    assert found.exit_code is ExitCode.INCOMPLETE


def test_what_a_known_failure_blocks_follows_from_it() -> None:
    lines = [line(ONE, Outcome.FAILED), line(TWO, Outcome.BLOCKED, blocked_by="DTC-P2-001")]
    found = against(lines, entry(ONE))
    assert kinds(found) == {ONE: Kind.KNOWN, TWO: Kind.FOLLOWS}
    assert found.exit_code is ExitCode.OK
    assert against(lines).undecided == ("DTC-P2-002",)


def test_a_recommendation_may_be_listed_and_is_never_new() -> None:
    lines = [line(THREE, Outcome.WARNED)]
    listed = compare((entry(THREE),), REQUIREMENTS, VECTORS[2:], lines, excluded={}, today=TODAY)
    unlisted = compare((), REQUIREMENTS[2:], VECTORS[2:], lines, excluded={}, today=TODAY)
    assert kinds(listed) == {THREE: Kind.KNOWN}
    assert unlisted.cases == ()
    assert unlisted.exit_code is ExitCode.OK


def test_fail_fast_runs_past_what_is_known_only() -> None:
    failed = line(ONE, Outcome.FAILED)
    assert known((entry(ONE),), failed, TODAY)
    assert not known((entry(ONE, days=-1),), failed, TODAY)
    assert not known((entry(ONE, "another"),), failed, TODAY)
    assert not known((entry(ONE),), line(ONE, Outcome.PASSED), TODAY)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("GET /objects/dtc-1a2b-7 answered 500", "GET /objects/dtc-99ff-12 answered 500"),
        ("took 12.5 s", "took 3 s"),
        ("at 2026-11-21T08:00:00Z it was 4", "at 2025-01-01T00:00:00.123+09:00 it was -17"),
        ("http://127.0.0.1:5512/v1/x says no", "http://127.0.0.1:80/v1/y says no"),
        (
            "object 0190a1b2-0000-7000-8000-000000000001 is gone",
            "object ffffffff-0000-7000-8000-000000000002 is gone",
        ),
    ],
)
def test_two_runs_of_the_same_failure_have_one_fingerprint(left: str, right: str) -> None:
    assert normalised(left) == normalised(right)
    assert fingerprint(left) == fingerprint(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("GET /objects answered 500", "GET /objects answered 404"),
        ("status 500 with an error inside", "status 200 with an error inside"),
        ("the frame breaks DTC-P1-031", "the frame breaks DTC-P1-044"),
        ("the body lacks id", "the body lacks type"),
    ],
)
def test_different_failures_have_different_fingerprints(left: str, right: str) -> None:
    assert fingerprint(left) != fingerprint(right)


def test_what_is_written_is_read_back() -> None:
    odd = msgspec.structs.replace(entry(TWO), fingerprint="123456789012", reason="a: 'b'\n# é", link="")
    text = baseline_file.render([odd, entry(ONE)])
    read = baseline_file.parse(text, "known.yaml")
    assert [msgspec.structs.replace(one, line=0) for one in read] == [entry(ONE), odd]
    assert text.splitlines()[read[1].line - 1].startswith(f"- vector: {TWO}")


GOOD = """\
- vector: DTC-P2-001/case
  fingerprint: 0123456789ab
  owner: me
  reason: known
  link: ""
  expires: 2026-12-31
"""


@pytest.mark.parametrize(
    ("text", "line_number", "said"),
    [
        ("a: [", 1, "not YAML"),
        ("vector: x\n", 1, "not a list"),
        ("- text\n", 1, "not a mapping"),
        (GOOD + "- vector: DTC-P2-002/case\n", 7, "lacks fingerprint, owner, reason, link, expires"),
        (GOOD.replace("owner:", "ownr:"), 3, "unknown key ownr"),
        (GOOD.replace("reason: known", "owner: you"), 4, "given twice"),
        (GOOD.replace("0123456789ab", "0123"), 2, "fingerprint is not valid"),
        (GOOD.replace("2026-12-31", "2026-02-30"), 6, "expires is not valid"),
        (GOOD.replace("2026-12-31", "[2026]"), 6, "expires is not valid"),
        (GOOD.replace("owner: me", "owner:"), 3, "owner is not valid"),
        (GOOD.replace("DTC-P2-001/case", "P2-001"), 1, "vector is not valid"),
        (GOOD + GOOD, 7, "listed twice"),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, line_number: int, said: str) -> None:
    with pytest.raises(DtcError) as caught:
        baseline_file.parse(text, "known.yaml")
    assert caught.value.code == "baseline-file"
    assert said in caught.value.what
    assert caught.value.where.split()[0] == f"known.yaml:{line_number}"


def test_the_nearest_key_is_offered() -> None:
    with pytest.raises(DtcError) as caught:
        baseline_file.parse(GOOD.replace("expires:", "expire:"), "known.yaml")
    assert caught.value.hint.startswith("did you mean expires? ")


def test_an_empty_file_has_no_entries() -> None:
    assert baseline_file.parse("# nothing is known\n", "known.yaml") == ()


def updated(lines: list[MatrixLine], *entries: Entry) -> tuple[dict[str, Entry], str]:
    update = baseline_file.update(entries, VECTORS, lines, TODAY)
    return {one.vector: one for one in update.entries}, "\n".join(update.words)


def test_an_update_lists_what_fails_now() -> None:
    entries, words = updated([line(ONE, Outcome.FAILED), line(TWO, Outcome.PASSED)])
    assert set(entries) == {ONE}
    assert (entries[ONE].owner, entries[ONE].reason) == ("to be filled in", "to be filled in")
    assert entries[ONE].expires == TODAY + timedelta(days=30)
    assert entries[ONE].fingerprint == fingerprint(MESSAGE)
    assert f"added    {ONE}" in words


def test_an_update_keeps_the_entries_of_others() -> None:
    old, elsewhere = entry(ONE, days=-3), entry("DTC-P1-001/elsewhere")
    entries, words = updated(
        [line(ONE, Outcome.FAILED), line(TWO, Outcome.BLOCKED)], old, entry(TWO), elsewhere
    )
    assert entries == {ONE: old, TWO: entry(TWO), elsewhere.vector: elsewhere}
    assert "extend it by hand" in words
    assert f"{TWO}: it was not decided" in words
    assert f"{elsewhere.vector}: it is no vector of this run" in words


def test_an_update_drops_what_passes_and_renews_what_fails_otherwise() -> None:
    entries, words = updated(
        [line(ONE, Outcome.PASSED), line(TWO, Outcome.FAILED, "the body is not a JSON object")],
        entry(ONE),
        entry(TWO),
    )
    assert set(entries) == {TWO}
    assert entries[TWO].owner == "api team"
    assert entries[TWO].reason == "to be filled in"
    assert f"dropped  {ONE}: passed" in words
    assert "its reason was 'rewritten in spring'" in words


def test_an_update_says_what_it_leaves_out() -> None:
    entries, words = updated([line(ONE, Outcome.ERROR)])
    assert not entries
    assert f"left out {ONE}: error is no failure" in words
