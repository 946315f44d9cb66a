"""Failed and cancelled simulations: DTC-P2-073, -074."""

from datetime import datetime, timedelta
from typing import NamedTuple

import pytest

from dtc_cli.harness.suite import Answer, Blocked, NotApplicable, NotTested, Twin, expect, verifies
from suites.phase2.support.replies import code_of, refused
from suites.phase2.support_live import answered, body, eventually, once
from suites.phase2.support_live_provoked import provoked, unfinished
from suites.phase2.support_live_runs import Run, all_started, all_watched, at, look, watch

CLAUSE = "P2 4.5"
GONE = (404, 410)


@pytest.fixture(scope="module")
def failed(twin: Twin) -> Run:
    """A run that failed: the target file's provocation, or one of the runs."""
    given = twin.target.provoke.get("failed_simulation")
    if given is None:
        for run in all_watched(twin):
            if run.state == "failed":
                return run
        raise NotApplicable("the target file names no simulation that fails, and none failed")
    run = provoked(twin, given, "failed_simulation")
    watch(twin, [run])
    if run.state != "failed":
        raise NotTested(f"the simulation of provoke.failed_simulation ended as {run.state}")
    return run


@verifies("DTC-P2-073", negative=True, hazard="write")
def test_results_of_a_failed_run(twin: Twin, failed: Run) -> None:
    answer = twin.rest.get(at(str(failed.id), "/results"))
    refused(answer, {409, 422, 500}, {"SIMULATION_FAILED"}, clause="P2 9.2, C-33")


@verifies("DTC-P2-073", hazard="write")
def test_results_of_a_run_that_did_not_fail(twin: Twin, failed: Run) -> None:
    done = [run for run in all_watched(twin) if run.state == "completed" and run.results is not None]
    wrong = [run.id for run in done if run.results and code_of(run.results) == "SIMULATION_FAILED"]
    expect.equal(wrong, [], "a completed run is answered as a failed one", clause="P2 9.2")


class Cancelled(NamedTuple):
    """A run that was seen running and then cancelled."""

    run: Run
    answer: Answer
    """The answer to the DELETE."""
    over: datetime
    """When the run would have been completed, as far as that is waited for."""


@pytest.fixture
def cancelled(twin: Twin) -> Cancelled:
    """The run that is cancelled, once for all vectors, some of which come much later."""
    return once(twin, "cancelled simulation", lambda: _cancel(twin))


def _cancel(twin: Twin) -> Cancelled:
    run = unfinished(twin)
    if run is None:
        raise NotApplicable("no simulation stays unfinished long enough to be cancelled")
    answer = twin.rest.delete(at(str(run.id)))
    if look(twin, run) == "completed" and not answer.ok:
        raise NotApplicable("the simulation ended before it could be cancelled")
    now = twin.clock.now()
    over = min(run.until() or now, now + timedelta(seconds=3)) + timedelta(seconds=0.5)
    return Cancelled(run, answer, over)


@verifies("DTC-P2-074", hazard="write")
def test_cancelling_stops_a_run(twin: Twin, cancelled: Cancelled) -> None:
    run, answer, _ = cancelled
    answered(twin, answer, {200, 202, 204}, clause=CLAUSE)

    def stopped() -> bool:
        return look(twin, run) == "cancelled" or run.polls[-1].status in GONE

    expect.that(
        bool(eventually(twin, stopped)),
        "a cancelled run is neither cancelled nor gone",
        expected="status cancelled, or 404",
        actual=run.polls[-1].excerpt(),
        clause="P2 4.5, C-46",
    )


@pytest.mark.late  # so that the time in which it might be completed has passed by then
@verifies("DTC-P2-074", negative=True, hazard="write")
def test_a_cancelled_run_does_not_complete(twin: Twin, cancelled: Cancelled) -> None:
    run = cancelled.run
    while look(twin, run) != "completed" and twin.clock.now() < cancelled.over:
        twin.clock.wait(0.25)
    expect.that(
        run.state != "completed" and "completed" not in run.states,
        "a run completes although it was cancelled",
        expected="cancelled, or gone",
        actual=run.states,
        clause=CLAUSE,
    )
    results = twin.rest.get(at(str(run.id), "/results"))
    early = [one.early for one in all_started(twin).values() if one.early is not None]
    if any(answer.ok and body(answer).get("results") for answer in early):
        raise Blocked("DTC-P2-071", "runs give results before they are finished")
    expect.that(
        not (results.ok and body(results).get("results")),
        "a cancelled run gives results",
        expected="no results",
        actual=results.excerpt(),
        clause=CLAUSE,
    )
