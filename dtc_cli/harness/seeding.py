"""A little valid data in a target, so that rules which its own data does not exercise can be judged."""

import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from dtc_cli.clients.answer import TargetMisbehaves, TargetUnreachable
from dtc_cli.clients.rest import quote
from dtc_cli.core.model import Level
from dtc_cli.core.target import Target
from dtc_cli.errors import DtcError, as_word
from dtc_cli.exit_codes import ExitCode
from dtc_cli.harness.clock import rfc3339
from dtc_cli.harness.journal import Journal
from dtc_cli.harness.outcomes import Blocked
from dtc_cli.harness.own_records import SEED_TAG
from dtc_cli.harness.runner import Run
from dtc_cli.harness.scratch import Scratch, object_id
from dtc_cli.harness.twin import Twin

SENSORS: tuple[tuple[str, tuple[tuple[str, float, str], ...]], ...] = (
    (
        "EnvironmentalSensor",
        (
            ("temperature", 21.5, "celsius"),
            ("humidity", 48.0, "percent"),
            ("air_quality", 42, "aqi"),
            ("noise_level", 55.5, "decibel"),
        ),
    ),
    ("TrafficSensor", (("traffic_volume", 900, "vehicles/hour"),)),
    ("OccupancySensor", (("occupancy", 25, "count"),)),
    ("EnergySensor", (("energy_consumption", 12.5, "kWh"),)),
    ("UtilitySensor", (("water_flow", 30.5, "liters/min"),)),
)
"""A sensor of each kind, with one measurement of each standard parameter (P1 5.2)."""
OBJECTS = ("Building", "Road", "Park", "Landmark")
SIMULATED_S = 20.0
"""So long the simulation is waited for: a record holds one with its results only once it has ended."""
ENDS = ("completed", "failed", "cancelled")


class Seeded(msgspec.Struct, frozen=True):
    """What was written."""

    run: str
    folder: str
    written: tuple[str, ...]
    refused: tuple[str, ...]
    """What the target would not take, and why."""


def seed(target: Target, out: Path) -> Seeded:
    """Write the data; it carries a run id, and is in the journal of a run folder before it is sent.

    Raises:
        DtcError: `hazard` when the target file does not allow writing, `target-unreachable`, `run-folder`.
    """
    if target.base_url is None or "write" not in target.hazards:
        lacking = "names no rest.base_url" if target.base_url is None else "does not allow the hazard write"
        raise DtcError(
            "hazard",
            f"nothing may be written: the target file {lacking}",
            where=target.where("hazards"),
            hint="add write to hazards: if test data may be written there",
        )
    # Its folder is one of a run that judged nothing: `dtc clean` finds in it what to take back.
    run = Run(target, Level.BRONZE, out=out, seed=0, select="phase:1", mode="seed")
    written: list[str] = []
    refused: list[str] = []
    try:
        with tempfile.TemporaryDirectory(prefix="dtc-seed-") as recording:
            twin, journal = Twin(target, run.facts, Path(recording)), Journal(run.folder)
            try:
                for what, write in _steps(twin, journal):
                    try:
                        written.append(write())
                    except (Blocked, TargetMisbehaves) as problem:
                        refused.append(f"{what}: {problem}")
            finally:
                journal.close()
                twin.close()
    except TargetUnreachable as problem:
        raise DtcError(
            "target-unreachable",
            f"the target cannot be reached: {problem}",
            where=target.where("rest.base_url"),
            why=f"{len(written)} things had been written",
            hint=f"dtc doctor {as_word(target.source)}; "
            f"then dtc clean {as_word(target.source)} --run {as_word(run.folder)}",
            exit_code=ExitCode.CANNOT_DECIDE,
        ) from problem
    finally:
        run.judged_elsewhere(complete=False)
    return Seeded(run.id, str(run.folder), tuple(written), tuple(refused))


def _steps(twin: Twin, journal: Journal) -> Iterator[tuple[str, Callable[[], str]]]:
    """What to write, in words and as a step."""
    scratch = Scratch(twin.rest, journal, twin.run_id, city=lambda: twin.city, random=lambda: twin.random)
    for kind in OBJECTS:
        yield f"a {kind}", lambda kind=kind: _object(scratch, kind)  # type: ignore[misc]
    now = twin.clock.now()
    for kind, readings in SENSORS:
        yield f"a {kind}", lambda kind=kind, readings=readings: _sensor(scratch, kind, readings, now)  # type: ignore[misc]
    yield "a simulation", lambda: _simulation(twin, scratch, now)


def _object(scratch: Scratch, kind: str) -> str:
    body = scratch.body(kind, **{SEED_TAG: True})
    if kind == "Building":
        body["geometry"]["lod"] = 0
        body["properties"] |= {
            "height": 24.5,
            "constructionYear": 2021,
            "floors": {"above": 6, "below": 1},
            "occupancy": {"current": 120, "capacity": 400},
        }
    return f"object {scratch.object(body)[0]}"


def _sensor(scratch: Scratch, kind: str, readings: tuple[tuple[str, float, str], ...], now: datetime) -> str:
    """A registered sensor with measurements of the last minutes."""
    facts: dict[str, Any] = {"installDate": "2025-01-15", "calibrationDate": "2025-06-01", "accuracy": 0.97}
    created, _ = scratch.sensor(scratch.sensor_body(kind, **facts, **{SEED_TAG: True}))
    measured: list[dict[str, Any]] = [
        {
            "parameter": parameter,
            "value": value,
            "unit": unit,
            "timestamp": rfc3339(now - timedelta(minutes=5 - number)),
            "quality": "excellent",
            "confidence": 0.97,
        }
        for number, (parameter, value, unit) in enumerate(readings)
    ]
    scratch.readings(created, measured)
    return f"sensor {created} with {len(measured)} measurements"


def _simulation(twin: Twin, scratch: Scratch, now: datetime) -> str:
    """A simulation of the next hour, waited for as long as it may take."""
    span = {"start": rfc3339(now), "end": rfc3339(now + timedelta(hours=1))}
    sent = {"type": "TrafficFlow", "parameters": {"timeRange": span, "weatherConditions": "clear"}}
    answer = scratch.post_simulation(sent)
    created = object_id(answer)
    if created is None:
        raise Blocked(
            "DTC-P2-064", f"no simulation could be started (status {answer.status}: {answer.excerpt(120)})"
        )
    state, wait, end = "started", 0.1, twin.clock.now() + timedelta(seconds=SIMULATED_S)
    while state not in ENDS and twin.clock.now() < end:
        twin.clock.wait(wait)
        wait = min(1.0, wait * 1.5)
        look = twin.rest.get(f"/cities/{{city}}/simulations/{quote(created)}")
        found = look.json() if look.is_json else None
        state = str(found.get("status", state)) if isinstance(found, dict) else state
    return f"simulation {created} {state}"
