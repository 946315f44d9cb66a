"""The roll-up from vectors to requirements to levels, and the exit code."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtc_cli.core.levels import achieved, exit_code, judge_levels
from dtc_cli.core.model import Finding, Level, MatrixLine, Outcome, Requirement, Strength, Vector
from dtc_cli.core.verdicts import PRECEDENCE, roll_up
from dtc_cli.exit_codes import ExitCode

OUTCOMES = st.sampled_from(list(Outcome))


def requirement(
    number: int = 1,
    *,
    strength: Strength = Strength.MUST,
    level: Level = Level.BRONZE,
    when: str | None = None,
    binds: str = "target",
) -> Requirement:
    return Requirement(
        id=f"DTC-P1-{number:03}",
        phase=1,
        clause="P1 1",
        title="title",
        statement="statement",
        strength=strength,
        level=level,
        check="check",
        method="static-document",
        positive="yes",
        negative="no",
        when=when,
        binds=binds,
    )


def vector(entry: Requirement, name: str) -> Vector:
    return Vector(
        id=f"{entry.id}/{name}", requirement=entry.id, polarity="positive", hazard="read", title=name
    )


def line(of: Vector, outcome: Outcome, message: str = "") -> MatrixLine:
    undecided = outcome in (Outcome.NOT_APPLICABLE, Outcome.NOT_TESTED, Outcome.BLOCKED)
    return MatrixLine(
        vector=of.id,
        requirement=of.requirement,
        level=Level.BRONZE,
        strength=Strength.MUST,
        outcome=outcome,
        justification=(message or "because") if undecided else None,
        blocked_by=None,
        started_at="2026-01-01T00:00:00.000Z",
        duration_ms=1,
        attempts=(),
        seed=0,
        events=(0, -1),
        request_digest=None,
        response_digest=None,
        finding=Finding(message=message) if not undecided and outcome is not Outcome.PASSED else None,
    )


def outcome_of(entry: Requirement, *outcomes: Outcome) -> Outcome:
    vectors = [vector(entry, f"v{index}") for index, _ in enumerate(outcomes)]
    lines = [line(one, outcome) for one, outcome in zip(vectors, outcomes, strict=True)]
    return roll_up([entry], vectors, lines, {})[0].outcome


class TestRollUp:
    @pytest.mark.parametrize(
        ("outcomes", "expected"),
        [
            ([Outcome.PASSED], Outcome.PASSED),
            ([Outcome.PASSED, Outcome.FAILED, Outcome.ERROR], Outcome.FAILED),
            ([Outcome.PASSED, Outcome.ERROR, Outcome.BLOCKED], Outcome.ERROR),
            ([Outcome.PASSED, Outcome.BLOCKED, Outcome.NOT_TESTED], Outcome.BLOCKED),
            ([Outcome.PASSED, Outcome.NOT_TESTED], Outcome.NOT_TESTED),
            ([Outcome.PASSED, Outcome.WARNED], Outcome.WARNED),
            ([Outcome.PASSED, Outcome.NOT_APPLICABLE], Outcome.PASSED),
            # No hollow pass: a MUST without a condition cannot be argued away.
            ([Outcome.NOT_APPLICABLE], Outcome.NOT_TESTED),
        ],
    )
    def test_the_worst_vector_decides(self, outcomes: list[Outcome], expected: Outcome) -> None:
        assert outcome_of(requirement(), *outcomes) is expected

    def test_a_conditional_must_may_be_not_applicable(self) -> None:
        entry = requirement(when="declares.mtls")
        assert outcome_of(entry, Outcome.NOT_APPLICABLE) is Outcome.NOT_APPLICABLE

    @pytest.mark.parametrize("strength", [Strength.SHOULD, Strength.MAY])
    def test_only_a_must_fails(self, strength: Strength) -> None:
        assert outcome_of(requirement(strength=strength), Outcome.FAILED) is Outcome.WARNED

    def test_a_vector_that_was_not_run_leaves_the_requirement_open(self) -> None:
        entry = requirement()
        vectors = [vector(entry, "a"), vector(entry, "b")]
        verdict = roll_up([entry], vectors, [line(vectors[0], Outcome.PASSED)], {})[0]
        assert verdict.outcome is Outcome.NOT_TESTED
        assert verdict.message == "DTC-P1-001/b was not run"

    def test_a_requirement_without_vectors_is_not_tested(self) -> None:
        assert roll_up([requirement()], [], [], {})[0].outcome is Outcome.NOT_TESTED

    def test_an_excluded_requirement_keeps_its_reason(self) -> None:
        verdict = roll_up([requirement()], [], [], {"DTC-P1-001": "no such part"})[0]
        assert verdict.outcome is Outcome.NOT_APPLICABLE
        assert "no such part" in verdict.message

    def test_a_line_nobody_expected_changes_nothing(self) -> None:
        entry = requirement()
        known, stranger = vector(entry, "a"), vector(entry, "stranger")
        lines = [line(known, Outcome.PASSED), line(stranger, Outcome.FAILED)]
        assert roll_up([entry], [known], lines, {})[0].outcome is Outcome.PASSED

    @given(st.lists(OUTCOMES, min_size=1, max_size=6))
    def test_the_order_of_vectors_does_not_matter(self, outcomes: list[Outcome]) -> None:
        orders = itertools.islice(itertools.permutations(outcomes), 12)
        assert len({outcome_of(requirement(), *order) for order in orders}) == 1

    @given(st.lists(OUTCOMES, min_size=1, max_size=6))
    def test_passed_means_that_nothing_worse_is_there(self, outcomes: list[Outcome]) -> None:
        if outcome_of(requirement(), *outcomes) is Outcome.PASSED:
            assert set(outcomes) <= {Outcome.PASSED, Outcome.NOT_APPLICABLE}
            assert Outcome.PASSED in outcomes

    def test_every_outcome_has_a_rank(self) -> None:
        assert sorted(PRECEDENCE) == sorted(Outcome)


def levels(
    entries: list[tuple[Requirement, Outcome]],
    claimed: Level = Level.SILVER,
    excluded: dict[str, str] | None = None,
) -> tuple[Level, ExitCode]:
    requirements = {entry.id: entry for entry, _ in entries}
    vectors = [vector(entry, "v") for entry, _ in entries]
    lines = [line(one, outcome) for one, (_, outcome) in zip(vectors, entries, strict=True)]
    given = excluded or {}
    kept = [one for one in vectors if one.requirement not in given]
    verdicts = roll_up(requirements.values(), kept, lines, given)
    results = judge_levels(verdicts, requirements, claimed, given)
    return achieved(results), exit_code(results)


SILVER = requirement(2, level=Level.SILVER)


class TestLevels:
    def test_all_passed(self) -> None:
        reached = levels([(requirement(), Outcome.PASSED), (SILVER, Outcome.PASSED)])
        assert reached == (Level.SILVER, ExitCode.OK)

    def test_a_level_needs_all_below_it(self) -> None:
        reached = levels([(requirement(), Outcome.FAILED), (SILVER, Outcome.PASSED)])
        assert reached == (Level.NONE, ExitCode.NOT_CONFORMANT)

    def test_the_level_below_is_kept(self) -> None:
        reached = levels([(requirement(), Outcome.PASSED), (SILVER, Outcome.FAILED)])
        assert reached == (Level.BRONZE, ExitCode.NOT_CONFORMANT)

    @pytest.mark.parametrize("outcome", [Outcome.ERROR, Outcome.BLOCKED, Outcome.NOT_TESTED])
    def test_undecided_is_incomplete(self, outcome: Outcome) -> None:
        reached = levels([(requirement(), Outcome.PASSED), (SILVER, outcome)])
        assert reached == (Level.BRONZE, ExitCode.INCOMPLETE)

    def test_a_failed_must_decides_before_an_undecided_one(self) -> None:
        reached = levels([(requirement(), Outcome.NOT_TESTED), (SILVER, Outcome.FAILED)])
        assert reached == (Level.NONE, ExitCode.NOT_CONFORMANT)

    def test_a_warning_blocks_nothing(self) -> None:
        should = requirement(3, strength=Strength.SHOULD)
        reached = levels(
            [(requirement(), Outcome.WARNED), (SILVER, Outcome.PASSED), (should, Outcome.FAILED)]
        )
        assert reached == (Level.SILVER, ExitCode.OK)

    def test_what_binds_the_programme_does_not_hold_a_target_back(self) -> None:
        programme = requirement(3, binds="programme")
        reached = levels(
            [(requirement(), Outcome.PASSED), (SILVER, Outcome.PASSED), (programme, Outcome.NOT_TESTED)]
        )
        assert reached == (Level.SILVER, ExitCode.OK)

    def test_an_excluded_must_holds_the_level_back(self) -> None:
        reached = levels(
            [(requirement(), Outcome.PASSED), (SILVER, Outcome.PASSED)],
            excluded={SILVER.id: "we left it out"},
        )
        assert reached == (Level.BRONZE, ExitCode.NOT_CONFORMANT)

    def test_an_excluded_conditional_must_does_not(self) -> None:
        entry = requirement(2, level=Level.SILVER, when="declares.mtls")
        reached = levels(
            [(requirement(), Outcome.PASSED), (entry, Outcome.PASSED)], excluded={entry.id: "no mutual TLS"}
        )
        assert reached == (Level.SILVER, ExitCode.OK)

    def test_nothing_at_all_reaches_nothing(self) -> None:
        assert levels([], Level.BRONZE) == (Level.NONE, ExitCode.NOT_CONFORMANT)
