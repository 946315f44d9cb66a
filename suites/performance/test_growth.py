"""Steps of load, 1x, 2x and 4x: what is true stays true, and more is answered (DTC-PERF-009)."""

from itertools import pairwise

import pytest

from dtc_cli.harness.suite import NotTested, Tolerated, Twin, Violation, verifies
from suites.performance.support.loads import GROWTH, STEP_ERRORS, STEPS, Loads, describe

pytestmark = pytest.mark.late

CLAUSE = "P4 8.3 phase 4, 10.3"


@verifies("DTC-PERF-009", hazard="load")
def test_no_step_makes_answers_wrong(twin: Twin, loads: Loads) -> None:
    told = []
    for share in STEPS:
        made = loads.step(share)
        loads.refused_by_limiter(made)
        errors, wrong = made.outcome.error_share, made.findings.wrong
        told.append(f"{made.outcome.offered_per_s:g}/s: {errors:.2%} errors, {wrong} wrong answers")
        if made.outcome.health.saturated and not wrong:
            raise NotTested(
                f"inconclusive: {'; '.join(made.outcome.health.reasons)}; {', '.join(told)}; {describe(made)}"
            )
        if errors > STEP_ERRORS or wrong:
            raise Violation(
                f"answers fail or are wrong at {made.outcome.offered_per_s:g} requests/s",
                expected=f"at most {STEP_ERRORS:.0%} errors and no wrong answer at each step",
                actual=f"{', '.join(told)}; {describe(made)}",
                clause=CLAUSE,
                hint="dtc load steps repeats it",
            )
    if loads.scaled:
        raise NotTested(f"{loads.scaled}; {', '.join(told)}")
    twin.remark = f"{', '.join(told)}; {describe(loads.step(STEPS[-1]))}"


@verifies("DTC-PERF-009", negative=True, hazard="load")
def test_more_requests_bring_more_answers(twin: Twin, loads: Loads) -> None:
    rates = []
    for share in STEPS:
        made = loads.step(share)
        loads.refused_by_limiter(made)
        if made.outcome.health.saturated:
            raise NotTested(f"inconclusive: {'; '.join(made.outcome.health.reasons)}")
        rates.append(made.outcome.achieved_per_s)
    words = " ".join(f"{rate:.0f}/s" for rate in rates)
    grown = [after / before if before else 0.0 for before, after in pairwise(rates)]
    if min(grown) < GROWTH:
        # That throughput grows is a SHOULD inside this MUST.
        raise Tolerated(
            "twice the requests do not bring 1.6 times the answers",
            expected="throughput that grows up to a declared limit",
            actual=words,
            clause=CLAUSE,
            hint="dtc load steps finds the knee",
        )
    if loads.scaled:
        raise NotTested(f"{loads.scaled}; {words}")
    twin.remark = words
