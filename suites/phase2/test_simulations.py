"""Starting simulations, bad requests and unknown runs: DTC-P2-064, -065, -066, -072."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from dtc_cli.harness.suite import Answer, Blocked, NotApplicable, Twin, Violation, expect, quote, verifies
from suites.phase2.support.replies import BAD_REQUEST, refused
from suites.phase2.support_live import answered, body, is_zoneless, judged, moment, written
from suites.phase2.support_live_runs import (
    KINDS,
    RUNS,
    UNFINISHED,
    Run,
    accepted,
    ahead,
    all_started,
    at,
    past,
)

CLAUSE = "P2 4.5"
INVALID = {"INVALID_PARAMETERS"}


@pytest.fixture(scope="module")
def first(twin: Twin) -> Run:
    """A simulation that was accepted, for the vectors of DTC-P2-064, which others are blocked by."""
    twin.need_hazard("write")
    answer = all_started(twin)["TrafficFlow"].accepted
    if not answer.ok and all(not run.accepted.ok for run in all_started(twin).values()):
        answered(twin, answer, {202}, clause=CLAUSE)
    return judged("DTC-P2-064", lambda: accepted(twin))


@verifies("DTC-P2-064", hazard="write")
def test_starting_answers_202(twin: Twin, first: Run) -> None:
    expect.status(first.accepted, {202}, clause=CLAUSE)


@verifies("DTC-P2-064", hazard="write")
@pytest.mark.parametrize("member", ["id", "type", "status", "created", "estimatedCompletion"])
def test_the_answer_to_a_start_has(twin: Twin, first: Run, member: str) -> None:
    shown = expect.json_object(first.accepted, clause=CLAUSE)
    expect.members(shown, [member], what="the answer to a start", clause=CLAUSE)
    if member == "type":
        expect.equal(shown[member], first.sent["type"], "another type is answered", clause=CLAUSE)
    if member in ("created", "estimatedCompletion"):
        instant(shown, member)


@verifies("DTC-P2-064", hazard="write")
def test_the_status_of_a_start(twin: Twin, first: Run) -> None:
    status = body(first.accepted).get("status")
    at_once = status == "completed" and first.polls and body(first.polls[0]).get("status") == "completed"
    expect.that(
        status in UNFINISHED or bool(at_once),
        "a simulation does not start as running",
        expected="running (queued or pending accepted)",
        actual=status,
        clause="P2 4.5, C-46",
    )


@verifies("DTC-P2-064", negative=True, hazard="write")
def test_no_run_is_expected_to_end_before_it_began(twin: Twin, first: Run) -> None:
    for run in all_started(twin).values():
        shown = body(run.accepted)
        if run.id is not None and "created" in shown and "estimatedCompletion" in shown:
            expect.that(
                instant(shown, "created") <= instant(shown, "estimatedCompletion"),
                "estimatedCompletion lies before created",
                expected=f"not before {shown['created']}",
                actual=shown["estimatedCompletion"],
                clause=CLAUSE,
            )


@verifies("DTC-P2-064", negative=True, hazard="write")
def test_no_two_runs_share_an_id(twin: Twin, first: Run) -> None:
    given = [run.id for run in all_started(twin).values() if run.id is not None]
    expect.equal(len(set(given)), len(given), f"two runs have the same id: {given}", clause=CLAUSE)


def instant(shown: dict[str, Any], member: str) -> datetime:
    """The instant of a member; without a zone it is the finding of DTC-P2-107."""
    if is_zoneless(shown[member]):
        raise Blocked("DTC-P2-107", f"{member} has no zone: {shown[member]}")
    found = moment(shown[member])
    if found is None:
        raise Violation(
            f"{member} is no instant", expected="an instant", actual=expect.show(shown[member]), clause=CLAUSE
        )
    return found


@verifies("DTC-P2-065", hazard="write")
@pytest.mark.parametrize("kind", KINDS)
def test_accepts(twin: Twin, kind: str) -> None:
    accepted(twin)
    answered(twin, all_started(twin)[kind].accepted, clause="P2 7.1", message=f"{kind} is refused")


def start(twin: Twin, request: Any) -> Answer:
    """POST a request, after a valid one has been seen to be accepted."""
    accepted(twin)
    return twin.scratch.post_simulation(request)


@verifies("DTC-P2-066", hazard="write")
@pytest.mark.parametrize("case", ["future", "in-order-across-zones"])
def test_a_good_range_is_accepted(twin: Twin, case: str) -> None:
    run = all_started(twin)["TrafficFlow"]
    if run.id is None:
        raise Blocked("DTC-P2-065", "TrafficFlow is refused whatever its range")
    span = ahead(twin)
    if case == "in-order-across-zones":  # the text of start sorts after that of end
        begin = moment(span["start"])
        span = {**span, "start": written(begin, hours=9) if begin else ""}
    answer = start(twin, {"type": "TrafficFlow", "parameters": {**run.sent["parameters"], "timeRange": span}})
    answered(twin, answer, clause="C-48: simulated ranges lie in the future")


def reversed_range(twin: Twin, *, zones: bool = False) -> dict[str, str]:
    """A range whose end lies before its start, though not by its text when `zones`."""
    span = past(twin)
    begin = moment(span["end"])
    if not zones or begin is None:
        return {"start": span["end"], "end": span["start"]}
    return {"start": span["end"], "end": written(begin - timedelta(hours=1), hours=9)}


@verifies("DTC-P2-066", negative=True, hazard="write")
@pytest.mark.parametrize("case", ["unknown-type", "no-parameters", "reversed-range", "reversed-across-zones"])
def test_a_bad_request_is_refused(twin: Twin, case: str) -> None:
    plain = {"type": "TrafficFlow", "parameters": accepted(twin).sent["parameters"]}
    request: dict[str, Any] = {
        "unknown-type": {**plain, "type": "Weather"},
        "no-parameters": {"type": "TrafficFlow"},
        "reversed-range": {
            **plain,
            "parameters": {**plain["parameters"], "timeRange": reversed_range(twin)},
        },
        "reversed-across-zones": {
            **plain,
            "parameters": {**plain["parameters"], "timeRange": reversed_range(twin, zones=True)},
        },
    }[case]
    refused(start(twin, request), BAD_REQUEST, INVALID, clause="P2 9.2, C-33")


@verifies("DTC-P2-066", negative=True, hazard="write")
@pytest.mark.parametrize(
    "case",
    [
        "empty",
        "no-type",
        "type-a-number",
        "parameters-a-text",
        "parameters-a-list",
        "range-of-words",
    ],
)
def test_a_request_that_is_none_is_refused(twin: Twin, case: str) -> None:
    plain = {"type": "TrafficFlow", "parameters": accepted(twin).sent["parameters"]}
    request: dict[str, Any] = {
        "empty": {},
        "no-type": {"parameters": plain["parameters"]},
        "type-a-number": {**plain, "type": 7},
        "parameters-a-text": {**plain, "parameters": "all"},
        "parameters-a-list": {**plain, "parameters": [plain["parameters"]]},
        "range-of-words": {
            **plain,
            "parameters": {**plain["parameters"], "timeRange": {"start": "yesterday", "end": "now-ish"}},
        },
    }[case]
    refused(start(twin, request), BAD_REQUEST, clause="P2 9.2, C-33, C-34")


@verifies("DTC-P2-066", negative=True, hazard="write")
@pytest.mark.parametrize(
    ("kind", "left_out"),
    [("FloodRisk", "rainfall"), ("CrowdDynamics", "expectedAttendance")],
    ids=["rainfall", "expected-attendance"],
)
def test_a_listed_parameter_is_missing(twin: Twin, kind: str, left_out: str) -> None:
    accepted(twin)
    run = all_started(twin)[kind]
    if run.id is None:
        raise Blocked("DTC-P2-065", f"{kind} is refused whatever its parameters")
    fewer = {name: value for name, value in run.sent["parameters"].items() if name != left_out}
    answer = start(twin, {"type": kind, "parameters": fewer})
    if answer.ok:
        raise NotApplicable(
            f"{kind} runs without {left_out}: P2 7.1 does not say which of its parameters are compulsory"
        )
    refused(answer, BAD_REQUEST, clause="P2 7.1, 9.2")


@verifies("DTC-P2-072", hazard="write")
def test_a_known_simulation_is_found(twin: Twin) -> None:
    run = accepted(twin)
    answer = twin.rest.get(at(str(run.id)))
    if not answer.ok:
        raise Blocked("DTC-P2-067", f"the status of a simulation is not answered (status {answer.status})")
    answered(twin, answer, clause="P2 9.2")


@verifies("DTC-P2-072", negative=True, hazard="write")
@pytest.mark.parametrize("operation", ["status", "results", "cancel", "status-of-an-object"])
def test_an_unknown_simulation(twin: Twin, operation: str) -> None:
    accepted(twin)
    unknown = twin.scratch.object()[0] if operation == "status-of-an-object" else twin.scratch.new_id()
    if operation == "cancel":
        answer = twin.rest.delete(at(unknown))
    else:
        answer = twin.rest.get(at(unknown, "/results" if operation == "results" else ""))
    refused(answer, {404}, {"SIMULATION_NOT_FOUND"}, clause=f"P2 9.2: {RUNS}")


@verifies("DTC-P2-072", negative=True, hazard="write")
def test_a_simulation_of_another_city(twin: Twin) -> None:
    """Ids are scoped to their city (C-29): the run of one city is not found below another."""
    other = twin.target.other_city
    if other is None:
        raise NotApplicable("the target file names no second city (other_city)")
    run = str(accepted(twin).id)
    role = "other_city" if "other_city" in twin.credentials.roles else "admin"
    answer = twin.rest.get(f"/cities/{quote(other)}/simulations/{quote(run)}", as_=role)
    if answer.status in {401, 403}:
        raise NotApplicable(f"the key {role} may not read the second city")
    refused(answer, {404}, {"SIMULATION_NOT_FOUND"}, clause="C-29, P2 9.2")
