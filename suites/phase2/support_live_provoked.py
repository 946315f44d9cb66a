"""Simulations that a target file provokes: slow ones and failing ones."""

import json
import shlex
import subprocess
from typing import Any

from dtc_cli.harness.suite import Blocked, NotTested, Twin
from suites.phase2.support_live_runs import KINDS, RUNS, UNFINISHED, Run, at, look, started


def unfinished(twin: Twin, *, tries: int = 2) -> Run | None:
    """A run that was seen unfinished just now; by the target file's provocation where there is one.

    Raises:
        NotTested: when that provocation gives no run, or one that had ended at the first look.
        Blocked: by DTC-P2-064 when no simulation can be started.
    """
    given = twin.target.provoke.get("slow_simulation")
    for _ in range(1 if given else tries):
        run = provoked(twin, given, "slow_simulation") if given else started(twin, "TrafficFlow")
        if run.id is None:
            raise Blocked("DTC-P2-064", f"no simulation could be started (status {run.accepted.status})")
        if look(twin, run) in UNFINISHED:
            return run
    if given:
        raise NotTested("the simulation of provoke.slow_simulation had ended at the first look")
    return None


def take_back(twin: Twin, run: Run) -> None:
    """Cancel a run that has shown what it was started for, so that none behind it waits for it.

    Whether cancelling works is judged by DTC-P2-074.
    """
    twin.rest.delete(at(str(run.id)))


def provoked(twin: Twin, given: Any, name: str) -> Run:
    """The run that a provocation of the target file starts.

    A request starts it by its answer. A command prints a JSON object with the id of the run, or prepares the
    target, and then a plain TrafficFlow run is started.

    Raises:
        NotTested: when the provocation does not work.
        Blocked: by DTC-P2-065 when it asks for a simulation of the standard, and that is refused.
    """
    twin.need_hazard("write")
    request = given.get("request") if isinstance(given, dict) else None
    if request:
        path = request["path"].replace(f"/cities/{twin.target.city}/", "/cities/{city}/")
        if request["method"] == "POST" and path == RUNS:
            answer = twin.scratch.post_simulation(request.get("body", {}))
        else:
            answer = twin.rest.request(request["method"], path, json=request.get("body", {}))
        sent = request.get("body")
        run = Run(name, sent if isinstance(sent, dict) else {}, answer)
        if run.id is None and run.sent.get("type") in KINDS and answer.status in (400, 422):
            raise Blocked("DTC-P2-065", f"the request of provoke.{name} is refused: {answer.excerpt(120)}")
        if run.id is None:
            raise NotTested(f"the request of provoke.{name} starts no simulation: {answer.excerpt(120)}")
        return run
    told = _command(given.get("command") if isinstance(given, dict) else given, name)
    if isinstance(told.get("id"), str):
        return Run(name, {}, twin.rest.get(at(told["id"])))
    return started(twin, "TrafficFlow")


def _command(command: Any, name: str) -> dict[str, Any]:
    """The JSON object that a command of the target file prints, empty when it prints something else."""
    argv = shlex.split(command) if isinstance(command, str) else list(command or ())
    try:
        done = subprocess.run(argv, capture_output=True, timeout=60, check=True)  # noqa: S603 - the user's own
    except (OSError, ValueError, subprocess.SubprocessError) as problem:
        raise NotTested(f"the command of provoke.{name} failed: {problem}") from problem
    try:
        told = json.loads(done.stdout)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
