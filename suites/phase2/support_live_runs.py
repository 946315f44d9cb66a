"""Simulations for the live suites: started together once per run, then watched together to their ends."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from dtc_cli.harness.suite import Answer, Blocked, NotTested, Twin, quote
from suites.phase2.support_live import body, moment, once, written

RUNS = "/cities/{city}/simulations"
KINDS = (
    "TrafficFlow",
    "EnergyConsumption",
    "AirQuality",
    "FloodRisk",
    "EmergencyResponse",
    "CrowdDynamics",
)
FINAL = ("completed", "failed", "cancelled")
UNFINISHED = ("pending", "running", "queued")
"""C-46; queued is accepted for pending (DTC-P2-064)."""
LONGEST_WAIT_S = 90.0
STRANGE_LOOKS = 15
"""Looks at a run whose state is none of the standard's."""
SHORTEST_WAIT_S = 15.0
CLOSELY_S = 5.0


class Run:
    """One simulation of the run: what was sent and every answer about it, in order."""

    def __init__(self, kind: str, sent: Mapping[str, Any], accepted: Answer) -> None:
        self.kind = kind
        self.sent = sent
        self.accepted = accepted
        self.polls: list[Answer] = []
        self.early: Answer | None = None
        """The results as asked for at once, when the run was still unfinished afterwards."""
        self.results: Answer | None = None

    @property
    def id(self) -> str | None:
        """The id of the run, None when it was not accepted with one."""
        found = body(self.accepted).get("id") if self.accepted.ok else None
        return found if isinstance(found, str) and found else None

    @property
    def states(self) -> list[str]:
        """The states seen by GET, in order; what is no text is left out."""
        told = [body(answer).get("status") for answer in self.polls if answer.ok]
        return [state for state in told if isinstance(state, str)]

    @property
    def state(self) -> str | None:
        """The last state seen by GET."""
        last = [body(answer).get("status") for answer in self.polls if answer.ok][-1:]
        return last[0] if last and isinstance(last[0], str) else None

    def until(self) -> datetime | None:
        """The instant at which it is expected to end."""
        return moment(body(self.accepted).get("estimatedCompletion"))


def at(run_id: str, below: str = "") -> str:
    """The path of a simulation, or of its results."""
    return f"{RUNS}/{quote(run_id)}{below}"


def ahead(twin: Twin) -> dict[str, str]:
    """A time range of two hours that lies in the future (C-48)."""
    start = once(twin, "simulated", lambda: twin.clock.now().replace(microsecond=0) + timedelta(days=1))
    return {"start": written(start), "end": written(start + timedelta(hours=2))}


def bodies(twin: Twin, kind: str) -> list[dict[str, Any]]:
    """Valid requests for a type: the forms that its parameters may take, likeliest first.

    The standard names the parameters (P2 7.1) and prints the values of TrafficFlow only.
    """
    here = twin.scratch.geometry("Point")
    weather = {"temperature": 5, "humidity": 40}
    forms: dict[str, list[dict[str, Any]]] = {
        "TrafficFlow": [
            {"weatherConditions": "clear", "resolution": "5min", "focusAreas": [f"dtc-{twin.run_id[-12:]}"]}
        ],
        "EnergyConsumption": [{"weatherData": weather}, {"weatherData": "cold"}, {"weatherData": [weather]}],
        "AirQuality": [{}, {"weatherConditions": "clear", "weatherData": weather, "location": here}],
        "FloodRisk": [
            {"rainfall": 50, "waterLevels": 2.5, "terrain": "flat"},
            {"rainfall": 50, "waterLevels": {"river": 2.5}, "terrain": {"type": "flat"}},
            {"rainfall": {"value": 50, "unit": "mm"}, "waterLevels": [], "terrain": {}},
        ],
        "EmergencyResponse": [
            {"location": here},
            {"location": here["coordinates"], "incident": "fire", "type": "fire", "severity": "high"},
        ],
        "CrowdDynamics": [
            {"event": "concert", "location": here, "expectedAttendance": 5000},
            {"event": {"name": "concert"}, "location": here["coordinates"], "expectedAttendance": 5000},
            {"event": "concert", "location": "stadium", "expectedAttendance": 5000},
        ],
    }
    requests = [{"type": kind, "parameters": {"timeRange": ahead(twin), **form}} for form in forms[kind]]
    # That a range may lie in the future is the matter of DTC-P2-066: others do with a past one.
    requests.append({"type": kind, "parameters": {"timeRange": past(twin), **forms[kind][0]}})
    return requests


def past(twin: Twin) -> dict[str, str]:
    """A time range of two hours that has passed."""
    end = once(twin, "simulated before", lambda: twin.clock.now().replace(microsecond=0) - timedelta(days=1))
    return {"start": written(end - timedelta(hours=2)), "end": written(end)}


def started(twin: Twin, kind: str) -> Run:
    """A run of that type, or what was said to the last of the valid requests for it."""
    twin.need_hazard("write")
    run: Run | None = None
    for request in bodies(twin, kind):
        run = Run(kind, request, twin.scratch.post_simulation(request))
        if run.accepted.status not in (400, 422):
            break
    assert run is not None  # noqa: S101 - every type has a form
    return run


def all_started(twin: Twin) -> dict[str, Run]:
    """One run of each type, started one after the other without waiting, once per run of the suites."""

    def make() -> dict[str, Run]:
        runs = {kind: started(twin, kind) for kind in KINDS}
        for run in runs.values():
            if run.id is not None:
                results = twin.rest.get(at(run.id, "/results"))
                run.early = results if look(twin, run) in UNFINISHED else None
                if run.early is not None:
                    look(twin, run)  # two looks at once show a progress that falls, however short the run
        return runs

    return once(twin, "simulations", make)


def accepted(twin: Twin) -> Run:
    """A run that was accepted with an id.

    Raises:
        Blocked: by DTC-P2-064 when there is none.
    """
    runs = all_started(twin)
    for run in runs.values():
        if run.id is not None:
            return run
    answer = runs["TrafficFlow"].accepted
    raise Blocked(
        "DTC-P2-064", f"no simulation could be started (status {answer.status}: {answer.excerpt(120)})"
    )


def all_watched(twin: Twin) -> list[Run]:
    """The runs that were accepted, watched to their ends; results of the completed ones, and looks after.

    Raises:
        Blocked: by DTC-P2-064 when there is none, or two share an id.
    """

    def make() -> list[Run]:
        accepted(twin)
        runs = [run for run in all_started(twin).values() if run.id is not None]
        if len({run.id for run in runs}) < len(runs):
            raise Blocked("DTC-P2-064", "two runs were given the same id")
        watch(twin, runs)
        if not any(run.states.count("running") > 1 for run in runs):
            runs += closely_watched(twin)
        for run in runs:
            if run.id is not None and run.state in ("completed", "failed"):
                run.results = twin.rest.get(at(run.id, "/results"))
                look(twin, run)
                look(twin, run)
        return runs

    return once(twin, "watched simulations", make)


def closely_watched(twin: Twin) -> list[Run]:
    """One more run, looked at from its start: short runs were over, or had not begun, at each look before."""
    run = started(twin, "TrafficFlow")
    end = twin.clock.now() + timedelta(seconds=CLOSELY_S)
    while run.id is not None and goes_on(twin, run) and twin.clock.now() < end:
        twin.clock.wait(0.15)
    watch(twin, [run])
    return [run] if run.id is not None else []


def look(twin: Twin, run: Run) -> str | None:
    """Ask for the status once more; the state."""
    if run.id is not None:
        run.polls.append(twin.rest.get(at(run.id)))
    return run.state


def watch(twin: Twin, runs: list[Run]) -> None:
    """Poll runs together until all have ended, or the time that they themselves gave is over.

    A run that still waits for its turn behind others is given time anew: a short queue is no defect.
    """
    expected = [until for run in runs if (until := run.until())]
    now = twin.clock.now()
    patience = max([SHORTEST_WAIT_S, *((until - now).total_seconds() + 5 for until in expected)])
    last = now + timedelta(seconds=LONGEST_WAIT_S)
    end, wait = min(now + timedelta(seconds=patience), last), 0.1
    going = [run for run in runs if run.id is not None]
    while going and twin.clock.now() < end:
        going = [run for run in going if goes_on(twin, run)]
        if any(run.state == "pending" for run in going):
            end = min(last, max(end, twin.clock.now() + timedelta(seconds=SHORTEST_WAIT_S)))
        if going:
            twin.clock.wait(wait)
            wait = min(1.0, wait * 1.3)


def goes_on(twin: Twin, run: Run) -> bool:
    """Whether a run, looked at once more, is still under way; a state that nobody knows is not waited for."""
    state = look(twin, run)
    if not run.polls[-1].ok or state is None or state in FINAL:
        return False
    return state in UNFINISHED or len(run.polls) < STRANGE_LOOKS


def none_completed(runs: list[Run]) -> Blocked | NotTested:
    """Why there is no completed run to judge by."""
    if not any(run.polls and run.polls[-1].ok for run in runs):
        return Blocked("DTC-P2-067", "the status of no simulation can be read")
    if strange := [run.state for run in runs if run.state not in (None, *FINAL, *UNFINISHED)]:
        return Blocked("DTC-P2-069", f"simulations end in a state that nobody knows: {strange[0]}")
    return NotTested("no simulation was completed within the time it gave itself")
