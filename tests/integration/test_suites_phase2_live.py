"""The live suites of phase 2: nothing to say against the bundled twin, and single defects blamed rightly.

Each defect is made by a proxy that changes answers of the real twin, so that the suites meet a whole server.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dtc_cli.harness.reference import running
from tests.support.live_suites import judge, with_outcome
from tests.support.meddling import Exchange, meddling

pytestmark = pytest.mark.usefixtures("untraced")

SENSORS = ("test_sensors.py", "test_sensors_list.py", "test_sensors_one.py")
DATA = (
    "test_sensor_data.py",
    "test_sensor_data_range.py",
    "test_sensor_data_refused.py",
    "test_sensor_readings.py",
)
RUNS = (
    "test_simulations.py",
    "test_simulations_status.py",
    "test_simulations_results.py",
    "test_simulations_ends.py",
)
PLACES = ("test_services.py", "test_nearby.py", "test_route.py")
PAST = ("test_history.py", "test_snapshots.py")
OTHERS = ("test_aggregate.py", "test_optional.py", "test_events.py")


@pytest.fixture(scope="module")
def twin() -> Iterator[Path]:
    """The target file of a running twin."""
    with running() as target:
        yield target


def below(modules: tuple[str, ...]) -> list[str]:
    return [f"phase2/{module}" for module in modules]


def test_the_twin_passes(twin: Path, tmp_path: Path) -> None:
    verdicts = judge(twin, below(SENSORS + DATA + RUNS + PLACES + PAST + OTHERS), tmp_path)
    assert with_outcome(verdicts, "failed", "error", "blocked", "not_tested", "warned") == []
    judged = {f"DTC-P2-{number:03}" for number in [*range(44, 86), 104]}
    assert set(verdicts) == judged


def on(came: Exchange, method: str, end: str) -> bool:
    """Whether this is the answer to a served request whose path ends so."""
    return came.method == method and came.path.endswith(end) and 200 <= came.status < 300


def accepted(came: Exchange) -> Exchange:
    return came._replace(status=201, body={"id": "accepted-wrongly", "accepted": 1})


def unlocated(came: Exchange) -> Exchange:
    if on(came, "GET", "/sensors"):
        return came._replace(body={**came.body, "sensors": [hidden(one) for one in came.body["sensors"]]})
    alone = came.path.startswith("/sensors/") and came.path.count("/") == 2
    return came._replace(body=hidden(came.body)) if alone and on(came, "GET", "") else came


def hidden(sensor: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in sensor.items() if name != "location"}


def attached_anywhere(came: Exchange) -> Exchange:
    refused = came.path == "/sensors" and came.method == "POST" and came.status >= 400
    return accepted(came) if refused and came.body["error"]["code"] == "OBJECT_NOT_FOUND" else came


def open_end(came: Exchange) -> Exchange:
    if not on(came, "GET", "/data") or "end" not in came.query:
        return came
    end = datetime.fromisoformat(came.query["end"])
    kept = [one for one in came.body["measurements"] if datetime.fromisoformat(one["timestamp"]) < end]
    return came._replace(body={**came.body, "measurements": kept, "count": len(kept)})


def count_of_more(came: Exchange) -> Exchange:
    return came._replace(body={**came.body, "count": 288}) if on(came, "GET", "/data") else came


def hot(came: Exchange) -> Exchange:
    given = came.sent["measurements"] if came.path.endswith("/data") and came.method == "POST" else None
    warm = isinstance(given, list) and [isinstance(one, dict) and one.get("value") for one in given] == [60.5]
    return accepted(came) if warm and came.status == 400 else came


def ends_at_80(came: Exchange) -> Exchange:
    done = "/simulations/" in came.path and isinstance(came.body, dict) and "progress" in came.body
    ended = done and came.body["status"] == "completed"
    return came._replace(body={**came.body, "progress": 80}) if ended else came


def backwards(came: Exchange) -> Exchange:
    if not on(came, "POST", "/simulations"):
        return came
    early = datetime.fromisoformat(came.body["created"]) - timedelta(minutes=1)
    return came._replace(body={**came.body, "estimatedCompletion": early.isoformat()})


def in_kilometres(came: Exchange) -> Exchange:
    if not on(came, "POST", "/spatial/nearby"):
        return came
    results = [{**one, "distance": one["distance"] / 1000} for one in came.body["results"]]
    return came._replace(body={**came.body, "results": results})


def as_the_crow_never_flew(came: Exchange) -> Exchange:
    route = on(came, "POST", "/spatial/route")
    return came._replace(body={**came.body, "distance": came.body["distance"] / 1000}) if route else came


def without_the_last(came: Exchange) -> Exchange:
    if not on(came, "GET", "/history"):
        return came
    name = next(name for name, value in came.body.items() if isinstance(value, list))
    return came._replace(body={**came.body, name: came.body[name][:1]})


def empty(came: Exchange) -> Exchange:
    snapshot = came.path.startswith("/snapshots/") and came.status == 200
    return came._replace(body={**came.body, "cityObjects": []}) if snapshot else came


@pytest.mark.parametrize(
    ("requirement", "meddle", "modules"),
    [
        ("P2-044", unlocated, ("test_sensors.py", "test_sensors_one.py")),
        ("P2-045", attached_anywhere, ("test_sensors.py",)),
        ("P2-050", open_end, ("test_sensor_data.py", "test_sensor_data_range.py")),
        ("P2-052", count_of_more, ("test_sensor_data.py", "test_sensor_data_range.py")),
        ("P2-056", hot, ("test_sensor_data_refused.py",)),
        ("P2-064", backwards, ("test_simulations.py",)),
        ("P2-068", ends_at_80, ("test_simulations_status.py",)),
        ("P2-079", in_kilometres, ("test_nearby.py",)),
        ("P2-081", as_the_crow_never_flew, ("test_route.py",)),
        ("P2-083", without_the_last, ("test_history.py",)),
        ("P2-084", empty, ("test_snapshots.py",)),
    ],
)
def test_a_defect_is_blamed_on_its_requirement(
    twin: Path, tmp_path: Path, requirement: str, meddle: Any, modules: tuple[str, ...]
) -> None:
    with meddling(twin, meddle, tmp_path) as target:
        verdicts = judge(target, below(modules), tmp_path)
    assert with_outcome(verdicts, "failed") == [requirement]
    assert with_outcome(verdicts, "error") == []


def bare_and_late(came: Exchange) -> Exchange:
    """Lists as bare arrays, no status for readings, a run that is pending at first: all of it legal."""
    if on(came, "GET", "/sensors"):
        return came._replace(body=came.body["sensors"])
    if on(came, "POST", "/data"):
        return came._replace(status=204, body=None)
    if on(came, "POST", "/simulations"):
        return came._replace(body={**came.body, "status": "queued"})
    return came


def test_legal_variants_pass(twin: Path, tmp_path: Path) -> None:
    with meddling(twin, bare_and_late, tmp_path) as target:
        verdicts = judge(target, below((*SENSORS, "test_sensor_data.py", "test_simulations.py")), tmp_path)
    assert with_outcome(verdicts, "failed", "error", "blocked", "warned") == []
