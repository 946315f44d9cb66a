"""The status of simulations over time: DTC-P2-067, -068, -069."""

from collections.abc import Iterator
from typing import Any

import pytest

from dtc_cli.harness.suite import (
    Answer,
    Blocked,
    NotApplicable,
    NotTested,
    Twin,
    Violation,
    expect,
    verifies,
)
from suites.phase2.support_live import answered, body, is_zoneless, moment, once
from suites.phase2.support_live_provoked import take_back, unfinished
from suites.phase2.support_live_runs import FINAL, UNFINISHED, Run, all_watched, at, look, none_completed

CLAUSE = "P2 4.5"
VOCABULARY = {"pending", "running", "completed", "failed", "cancelled", "queued"}
"""C-46; queued is accepted for pending, as in DTC-P2-064."""


@pytest.fixture(scope="module")
def runs(twin: Twin) -> list[Run]:
    """The runs, watched to their ends."""
    return all_watched(twin)


def lasting(twin: Twin) -> list[Run]:
    """The run of the target file's provocation, looked at a few times while it goes on; none without one.

    Other runs may end before anybody looks.
    """

    def make() -> list[Run]:
        if "slow_simulation" not in twin.target.provoke:
            return []
        try:
            run = unfinished(twin)
        except (Blocked, NotTested):
            return []  # DTC-P2-071 and -074 say so
        if run is None:
            return []
        for _ in range(3):
            twin.clock.wait(0.1)
            look(twin, run)
        take_back(twin, run)
        return [run]

    return once(twin, "lasting simulation", make)


def shown(runs: list[Run]) -> Iterator[tuple[Run, Answer, dict[str, Any]]]:
    """Every status answer of every run."""
    for run in runs:
        for answer in run.polls:
            yield run, answer, body(answer)


@verifies("DTC-P2-067", hazard="write")
def test_the_status_answers_200(twin: Twin, runs: list[Run]) -> None:
    for _, answer, _ in shown(runs):
        answered(twin, answer, {200}, clause=CLAUSE)


@verifies("DTC-P2-067", hazard="write")
@pytest.mark.parametrize("member", ["id", "type", "status", "created", "progress"])
def test_the_status_has(twin: Twin, runs: list[Run], member: str) -> None:
    for run, answer, status in shown(runs):
        if not answer.ok:
            continue
        expect.members(status, [member], what="the status of a simulation", clause=CLAUSE)
        if member == "id":
            expect.equal(status[member], run.id, "the id is not that of the path", clause=CLAUSE)
        if member == "type":
            expect.equal(status[member], run.kind, "the type is not that of the run", clause=CLAUSE)
        if member == "created":
            same_creation(status[member], body(run.accepted).get("created"))


def same_creation(now: object, then: object) -> None:
    """`created` is the instant that the start was answered with, to the second."""
    instants = moment(now), moment(then)
    if instants[0] is None and not is_zoneless(now):
        raise Violation(
            "created is no instant", expected="an instant", actual=expect.show(now), clause=CLAUSE
        )
    if instants[0] and instants[1]:
        expect.that(
            abs((instants[0] - instants[1]).total_seconds()) <= 1,
            "created is not the instant that the start was answered with",
            expected=then,
            actual=now,
            clause=CLAUSE,
        )


@verifies("DTC-P2-067", negative=True, hazard="write")
def test_no_run_is_completed_without_an_instant(twin: Twin, runs: list[Run]) -> None:
    ended = [(run, status) for run, _, status in shown(runs) if status.get("status") == "completed"]
    if not ended:
        raise none_completed(runs)
    for run, status in ended:
        if is_zoneless(status.get("completed")):
            raise Blocked("DTC-P2-107", f"completed has no zone: {status['completed']}")
        end, begin = moment(status.get("completed")), moment(body(run.accepted).get("created"))
        expect.that(
            end is not None,
            "a completed run has no instant of completion",
            expected="completed: an instant",
            actual=status,
            clause=CLAUSE,
        )
        expect.that(
            end is None or begin is None or end >= begin,
            "a run was completed before it was created",
            expected=f"not before {begin}",
            actual=status.get("completed"),
            clause=CLAUSE,
        )


@verifies("DTC-P2-068", hazard="write")
def test_progress_is_a_number_from_0_to_100(twin: Twin, runs: list[Run]) -> None:
    for _, value, _ in progress(runs):
        expect.that(
            isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 100,
            "progress is no number from 0 to 100",
            expected="0..100",
            actual=value,
            clause=CLAUSE,
        )


@verifies("DTC-P2-068", negative=True, hazard="write")
def test_progress_never_decreases(twin: Twin, runs: list[Run]) -> None:
    for run in (*runs, *lasting(twin)):
        if any(state in FINAL for state in run.states) and run.state not in FINAL:
            raise Blocked("DTC-P2-069", f"a run that had ended goes on: {run.states}")
        values = [value for one, value, _ in progress([run]) if isinstance(value, int | float) and one]
        expect.equal(values, sorted(values), "progress decreases", clause=CLAUSE)


@verifies("DTC-P2-068", hazard="write")
def test_a_completed_run_is_at_100(twin: Twin, runs: list[Run]) -> None:
    values = [value for _, value, state in progress(runs) if state == "completed"]
    if not values:
        raise none_completed(runs)
    expect.equal(
        [value for value in values if value != 100], [], "a completed run is not at 100", clause=CLAUSE
    )


@verifies("DTC-P2-068", negative=True, hazard="write")
def test_an_unfinished_run_is_not_at_100(twin: Twin, runs: list[Run]) -> None:
    values = [value for _, value, state in progress([*runs, *lasting(twin)]) if state in UNFINISHED]
    if not values:
        raise NotApplicable("no simulation was seen unfinished")
    wrong = [value for value in values if isinstance(value, int | float) and value >= 100]
    expect.equal(wrong, [], "an unfinished run is at 100", clause=CLAUSE)


def progress(runs: list[Run]) -> Iterator[tuple[Run, Any, Any]]:
    """Run, progress and state of every status answer.

    Raises:
        Blocked: by DTC-P2-067 when one has no progress.
    """
    for run, answer, status in shown(runs):
        if not answer.ok or "progress" not in status:
            raise Blocked("DTC-P2-067", f"a status without progress: {answer.excerpt(120)}")
        yield run, status["progress"], status.get("status")


@verifies("DTC-P2-069", hazard="write")
def test_states_are_those_of_the_vocabulary(twin: Twin, runs: list[Run]) -> None:
    if not any("status" in status for _, _, status in shown(runs)):
        raise Blocked("DTC-P2-067", "no answer tells a status")
    strange = [
        status["status"] for _, _, status in shown(runs) if status.get("status", "running") not in VOCABULARY
    ]
    expect.equal(strange[:3], [], "a status is none of the five", clause="P2 4.5, C-46")


@verifies("DTC-P2-069", negative=True, hazard="write")
def test_an_ended_run_stays_ended(twin: Twin, runs: list[Run]) -> None:
    ended = [run for run in runs if any(state in FINAL for state in run.states)]
    for run in ended:
        look(twin, run)
        look(twin, run)
        states = run.states
        first = next((number for number, state in enumerate(states) if state in FINAL), len(states))
        expect.that(
            len(set(states[first:])) <= 1,
            "a run that has ended changes its state",
            expected=f"{states[first]} for ever",
            actual=states,
            clause="C-46",
        )
    if not ended:
        raise none_completed(runs)


@verifies("DTC-P2-069", negative=True, hazard="write")
def test_no_run_goes_back_to_pending(twin: Twin, runs: list[Run]) -> None:
    for run in runs:
        order = [0 if state in ("pending", "queued") else 1 for state in run.states]
        expect.equal(order, sorted(order), f"a run goes back to pending: {run.states}", clause="C-46")


@verifies("DTC-P2-069", negative=True, hazard="write")
def test_a_completed_run_cannot_be_cancelled(twin: Twin, runs: list[Run]) -> None:
    done = [run for run in runs if run.state == "completed"]
    if not done:
        raise none_completed(runs)
    path = at(str(done[-1].id))
    answer = twin.rest.delete(path)
    after = twin.rest.get(path)
    if after.status in (404, 410):
        return  # DELETE removed the record: cancel or delete is not settled (C-46)
    expect.equal(
        body(after).get("status"),
        "completed",
        f"a completed run changes its state when it is cancelled (status {answer.status})",
        clause="C-46",
    )
