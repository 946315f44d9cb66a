"""Runs of every type and their results: DTC-P2-065, -070, -071."""

from typing import Any

import pytest

from dtc_cli.harness.suite import Answer, Blocked, NotApplicable, Tolerated, Twin, expect, verifies
from suites.phase2.support_live import answered, body, is_zoneless, moment, once
from suites.phase2.support_live_provoked import take_back, unfinished
from suites.phase2.support_live_runs import (
    KINDS,
    UNFINISHED,
    Run,
    all_started,
    all_watched,
    at,
    look,
    none_completed,
    watch,
)

CLAUSE = "P2 4.5"


@pytest.fixture(scope="module")
def completed(twin: Twin) -> list[Run]:
    """The runs that were completed, with their results."""
    runs = all_watched(twin)
    done = [run for run in runs if run.state == "completed" and run.results is not None]
    if not done:
        raise none_completed(runs)
    return done


@verifies("DTC-P2-065", negative=True, hazard="write")
@pytest.mark.parametrize("kind", KINDS)
def test_a_valid_run_does_not_fail(twin: Twin, kind: str) -> None:
    for run in all_watched(twin):
        if run.kind == kind:
            state = run.state or "running"
            expect.that(
                state != "failed",
                f"{kind} fails with valid parameters",
                actual=body(run.polls[-1]),
                clause="P2 7.1",
            )


@verifies("DTC-P2-070", hazard="write")
def test_results_answer_200(twin: Twin, completed: list[Run]) -> None:
    for run in completed:
        if run.results is not None:
            answered(twin, run.results, {200}, clause=CLAUSE)


@verifies("DTC-P2-070", hazard="write")
@pytest.mark.parametrize("member", ["simulationId", "type", "results", "confidence", "validUntil"])
def test_results_have(twin: Twin, completed: list[Run], member: str) -> None:
    for run, shown in told(completed):
        expect.members(shown, [member], what=f"the results of {run.kind}", clause=CLAUSE)
        value = shown[member]
        if member == "simulationId":
            expect.equal(value, run.id, "the id is not that of the path", clause=CLAUSE)
        if member == "type":
            expect.equal(value, run.kind, "the type is not that of the run", clause=CLAUSE)
        if member == "results":
            expect.that(
                isinstance(value, dict) and bool(value),
                "the results are empty",
                expected="an object with members",
                actual=value,
                clause=CLAUSE,
            )
        if member == "validUntil" and not is_zoneless(value):
            expect.that(moment(value) is not None, "validUntil is no instant", actual=value, clause=CLAUSE)


@verifies("DTC-P2-070", negative=True, hazard="write")
def test_no_confidence_is_outside_0_to_1(twin: Twin, completed: list[Run]) -> None:
    for run, shown in told(completed):
        value = shown.get("confidence")
        expect.that(
            isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1,
            f"the confidence of {run.kind} is no number in 0..1",
            expected="0..1",
            actual=value,
            clause=CLAUSE,
        )


@verifies("DTC-P2-070", negative=True, hazard="write")
def test_no_ratio_is_outside_0_to_1(twin: Twin, completed: list[Run]) -> None:
    for run, shown in told(completed):
        results = shown.get("results")
        ratio = results.get("congestionLevel", 0) if isinstance(results, dict) else 0
        expect.that(
            isinstance(ratio, int | float) and 0 <= ratio <= 1,
            f"congestionLevel of {run.kind} is no number in 0..1",
            expected="0..1",
            actual=ratio,
            clause=CLAUSE,
        )


def told(completed: list[Run]) -> list[tuple[Run, dict[str, Any]]]:
    """The results of completed runs as they were answered."""
    return [
        (run, expect.json_object(run.results, clause=CLAUSE)) for run in completed if run.results is not None
    ]


@verifies("DTC-P2-070", hazard="write")
def test_results_depend_on_what_is_simulated(twin: Twin, completed: list[Run]) -> None:
    small = next((run for run in completed if run.kind == "CrowdDynamics"), None)
    if small is None or small.results is None:
        raise NotApplicable("no CrowdDynamics run was completed")
    larger = {**small.sent["parameters"], "expectedAttendance": 200_000}
    answer = twin.scratch.post_simulation({"type": "CrowdDynamics", "parameters": larger})
    large = Run("CrowdDynamics", larger, answer)
    watch(twin, [large])
    if large.id is None or large.state != "completed":
        raise NotApplicable("the second run was not completed")
    results = [
        body(one).get("results") for one in (small.results, twin.rest.get(at(large.id, "/results"))) if one
    ]
    if expect.same_json(results[0], results[1]):
        raise Tolerated(
            "a crowd of 5,000 and one of 200,000 give the same results",
            expected="results that depend on the parameters",
            actual=expect.show(results[0]),
            clause="P2 7.1",
        )


def slow(twin: Twin) -> tuple[Run, Answer, Answer]:
    """An unfinished run: its results as asked for, and its status, still unfinished, asked for afterwards.

    Raises:
        NotApplicable: when no run is seen unfinished after its results were asked for.
    """

    def make() -> tuple[Run, Answer, Answer]:
        for run in all_started(twin).values():
            if run.early is not None and "slow_simulation" not in twin.target.provoke:
                return run, run.early, run.polls[0]
        one = unfinished(twin)
        if one is not None:
            results = twin.rest.get(at(str(one.id), "/results"))
            state = look(twin, one)
            take_back(twin, one)
            if state in UNFINISHED:
                return one, results, one.polls[-1]
        raise NotApplicable("no simulation stays unfinished long enough to be asked too early")

    return once(twin, "slow simulation", make)


@verifies("DTC-P2-071", negative=True, hazard="write")
def test_results_of_an_unfinished_run(twin: Twin) -> None:
    _, results, after = slow(twin)
    given = body(results).get("results")
    expect.that(
        not (results.ok and given) and results.status < 500,
        "a run that is not finished gives results",
        expected="409, 404, 425, or 202 with the status",
        actual=f"status {results.status}, body {results.excerpt()}; afterwards {after.excerpt(120)}",
        clause=CLAUSE,
    )


@verifies("DTC-P2-071", hazard="write")
def test_results_of_a_finished_run(twin: Twin, completed: list[Run]) -> None:
    slow(twin)
    if not any(run.results is not None and run.results.ok for run in completed):
        raise Blocked("DTC-P2-070", "no completed run gives results")
