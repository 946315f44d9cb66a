"""The rules that bind the programme: this harness judges itself, on the very run that it makes (D-04).

They never hold a target's level back.
"""

import pytest

from dtc_cli.harness.suite import Outcome, Twin, expect, verifies

pytestmark = pytest.mark.late

SKIPPED = {Outcome.NOT_APPLICABLE, Outcome.NOT_TESTED, Outcome.BLOCKED}


@verifies("DTC-P4-039")
def test_a_flawless_run_reaches_its_level(twin: Twin) -> None:
    reached = twin.own_run.achieved(twin.own_run.flawless())
    open_ones = twin.own_run.without_vectors()
    expect.that(
        (reached is twin.own_run.claimed) == (not open_ones),
        "the level does not follow from the outcomes",
        expected=f"{twin.own_run.claimed}, unless a MUST is not tested ({len(open_ones)} are not)",
        actual=reached,
        clause="P4 8.1",
    )


@verifies("DTC-P4-039", negative=True)
def test_one_failed_must_takes_the_level_away(twin: Twin) -> None:
    requirement, lines = twin.own_run.spoilt(twin.random, Outcome.FAILED)
    reached = twin.own_run.achieved(lines)
    expect.that(
        reached.rank < requirement.level.rank,
        f"{requirement.id} failed and its level is granted",
        expected=f"a level below {requirement.level}",
        actual=reached,
        clause="P4 8.1",
    )


@verifies("DTC-P4-044")
def test_every_skip_of_this_run_has_a_reason(twin: Twin) -> None:
    silent = [
        line.vector for line in twin.own_run.lines() if line.outcome in SKIPPED and not line.justification
    ]
    expect.that(
        not silent,
        "vectors were left out without a reason",
        expected="a justification in each line",
        actual=silent[:5],
        clause="Annex G",
    )


@verifies("DTC-P4-044", negative=True)
def test_a_skip_without_a_reason_is_no_pass(twin: Twin) -> None:
    requirement, lines = twin.own_run.spoilt(twin.random, Outcome.NOT_APPLICABLE)
    reached = twin.own_run.achieved(lines)
    expect.that(
        reached.rank < requirement.level.rank,
        f"{requirement.id} was left out without a reason and its level is granted",
        expected=f"a level below {requirement.level}",
        actual=reached,
        clause="Annex G",
    )
