"""Simulations over HTTP (P2 4.5, 7.1)."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reference_server import instants
from reference_server.rules import record

PARAMETERS: dict[str, dict[str, Any]] = {
    "TrafficFlow": {
        "timeRange": {"start": "2027-01-16T07:00:00+09:00", "end": "2027-01-16T09:00:00+09:00"},
        "weatherConditions": "clear",
        "resolution": "5min",
        "focusAreas": ["district"],
    },
    "EnergyConsumption": {"weatherData": {"temperature": -3}},
    "AirQuality": {"pollutants": ["PM2.5"]},
    "FloodRisk": {"rainfall": 90, "waterLevels": {"river": 4}, "terrain": "urban"},
    "EmergencyResponse": {"incidentType": "fire"},
    "CrowdDynamics": {
        "event": "concert",
        "location": {"type": "Point", "coordinates": [129.07, 35.18]},
        "expectedAttendance": 20000,
    },
}
SLOW = {"type": "CrowdDynamics", "parameters": {"expectedAttendance": 5, "repetitions": 10_000_000}}
WAIT_S = 30


def begin(twin: Any, kind: str, parameters: dict[str, Any]) -> str:
    answer = twin.call("POST", "/simulations", json={"type": kind, "parameters": parameters})
    assert answer.status_code == 202, answer.text
    started = answer.json()
    assert started["status"] in ("running", "pending")
    begun, expected = (instants.parse(started[name]) for name in ("created", "estimatedCompletion"))
    assert begun is not None
    assert expected is not None
    assert begun <= expected
    return str(started["id"])


def follow(twin: Any, run: str) -> dict[str, Any]:
    """The last state of a run; its progress never falls."""
    told = 0
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        state: dict[str, Any] = twin.get(f"/simulations/{run}")
        assert told <= state["progress"] <= 100
        assert (state["progress"] == 100) == (state["status"] == "completed")
        told = state["progress"]
        if state["status"] in ("completed", "failed", "cancelled"):
            return state
    raise AssertionError(f"the run has not ended in {WAIT_S} s")


@pytest.mark.parametrize("kind", sorted(PARAMETERS))
def test_every_type_runs_to_its_results(twin: Any, kind: str) -> None:
    run = begin(twin, kind, PARAMETERS[kind])
    state = follow(twin, run)
    assert state["status"] == "completed"
    assert instants.parse(state["completed"]) is not None
    shown = twin.get(f"/simulations/{run}/results")
    assert (shown["simulationId"], shown["type"]) == (run, kind)
    assert shown["results"]
    assert 0 <= shown["confidence"] <= 1
    assert instants.parse(shown["validUntil"]) is not None
    stored = twin.get(f"/snapshots/{instants.show(instants.now_us())}")
    found = record.judge(stored, now_us=instants.now_us())
    assert [item for item in found if not item.warning] == []
    assert run in [one["id"] for one in stored["simulations"]]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"type": "Weather", "parameters": {"x": 1}},
        {"type": "TrafficFlow"},
        {"type": "TrafficFlow", "parameters": {}},
        {"type": "TrafficFlow", "parameters": 5},
        {"type": "TrafficFlow", "parameters": {"timeRange": {"start": "2027-01-16T07:00:00Z"}}},
        {"type": "TrafficFlow", "parameters": {"timeRange": {"start": "2027-01-16", "end": "2027-01-17"}}},
        {
            "type": "TrafficFlow",
            "parameters": {"timeRange": {"start": "2027-01-17T07:00:00Z", "end": "2027-01-16T07:00:00Z"}},
        },
        {"type": "FloodRisk", "parameters": {"rainfall": "much"}},
        {"type": "FloodRisk", "parameters": {"rainfall": -4}},
        {"type": "CrowdDynamics", "parameters": {"expectedAttendance": True}},
        {"type": "CrowdDynamics", "parameters": {"expectedAttendance": 5, "repetitions": -1}},
        {"type": "CrowdDynamics", "parameters": {"expectedAttendance": 5, "timeLimit": "soon"}},
        {"type": ["TrafficFlow"], "parameters": {"a": 1}},
    ],
)
def test_a_bad_request_is_refused(twin: Any, body: dict[str, Any]) -> None:
    answer = twin.call("POST", "/simulations", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_PARAMETERS")


def test_odd_parameters_end_in_a_final_state(twin: Any) -> None:
    for kind, parameters in (
        ("FloodRisk", {"rainfall": 1e308, "curveNumber": 0, "bankLevel": 0}),
        ("CrowdDynamics", {"expectedAttendance": 10**30, "area": 0}),
        ("AirQuality", {"windSpeed": 0, "stackHeight": 1e300, "stability": "Z"}),
        ("EmergencyResponse", {"stations": [[129.07, 35.18], {"coordinates": "x"}, None]}),
        (
            "TrafficFlow",
            {"demandFactor": [1, {"value": 2}], "specialEvents": "x", "weatherConditions": "ash"},
        ),
        ("EnergyConsumption", {"weatherData": None, "temperature": {"a": "b"}}),
    ):
        assert follow(twin, begin(twin, kind, parameters))["status"] in ("completed", "failed")


def test_a_running_simulation_is_cancelled(twin: Any) -> None:
    run = begin(twin, SLOW["type"], SLOW["parameters"])  # type: ignore[arg-type]
    early = twin.call("GET", f"/simulations/{run}/results")
    assert (early.status_code, early.json()["error"]["code"]) == (409, "SIMULATION_NOT_READY")
    assert twin.call("DELETE", f"/simulations/{run}").status_code == 204
    assert twin.get(f"/simulations/{run}")["status"] == "cancelled"
    assert twin.call("DELETE", f"/simulations/{run}").status_code == 409
    assert twin.call("GET", f"/simulations/{run}/results").status_code == 409


def test_a_run_beyond_its_time_fails(twin: Any) -> None:
    run = begin(twin, "CrowdDynamics", {**SLOW["parameters"], "timeLimit": "1s"})  # type: ignore[dict-item]
    state = follow(twin, run)
    assert state["status"] == "failed"
    answer = twin.call("GET", f"/simulations/{run}/results")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "SIMULATION_FAILED")
    assert answer.json()["error"]["number"] == 4002


def test_unknown_simulations(twin: Any) -> None:
    for method, path in (("GET", ""), ("GET", "/results"), ("DELETE", "")):
        answer = twin.call(method, f"/simulations/sim-none{path}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "SIMULATION_NOT_FOUND")


def test_runs_are_listed(twin: Any) -> None:
    shown = twin.get("/simulations?type=FloodRisk&status=completed&limit=5")
    assert {one["type"] for one in shown["simulations"]} == {"FloodRisk"}


def children(pid: int) -> list[int]:
    """The processes below a process."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found += [int(entry.parent.name), *children(int(entry.parent.name))]
    return found


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="children are counted in /proc")
def test_nothing_is_left_behind_when_the_server_is_killed(start: Callable[..., Any], tmp_path: Path) -> None:
    db = str(tmp_path / "city.db")
    twin = start("--db", db)
    run = begin(twin, SLOW["type"], {**SLOW["parameters"], "timeLimit": "2s"})  # type: ignore[arg-type,dict-item]
    deadline = time.monotonic() + WAIT_S
    # the helper that forks, the one that cleans up after it, and the run itself
    while len(below := children(twin.process.pid)) < 3:
        assert time.monotonic() < deadline
    twin.process.kill()
    twin.process.wait()
    while any(os.path.exists(f"/proc/{pid}") for pid in below):
        assert time.monotonic() < deadline
    again = start("--db", db)
    assert again.get(f"/simulations/{run}")["status"] == "failed"
