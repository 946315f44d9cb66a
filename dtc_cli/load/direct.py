"""Connections and readings as commands: what the suites measure, in sizes of the user's choice."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from dtc_cli.clients.credentials import Credentials
from dtc_cli.clients.recorder import Recorder
from dtc_cli.clients.redaction import Redactor
from dtc_cli.clients.track import Track
from dtc_cli.core.target import Target
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode
from dtc_cli.load import crowd, ingestion, scenario
from dtc_cli.load.crowd import Crowded
from dtc_cli.load.ingestion import Ingested
from dtc_cli.load.limits import Limits
from dtc_cli.load.port import KEEP_ALIVE_S, Load
from dtc_cli.load.readback import PARAMETER
from dtc_cli.load.survey import answering, explored

CONNECTIONS, SENSORS, HOLD_S, INTERVAL_S = 100_000, 50_000, 60.0, 60.0  # P4 8.3, C-90
LOST = 0.001  # DTC-PERF-004
MEASUREMENT = {"parameter": PARAMETER, "unit": ingestion.UNIT, "quality": "good"}
Tell = Callable[[str], None]


class Stage(msgspec.Struct, frozen=True):
    """A target that is ready, and the folder of the result."""

    target: Target
    port: Load
    body: Mapping[str, Any]
    """A registration of a sensor."""
    folder: Path
    city: scenario.City


@contextmanager
def stage(target: Target, out: Path, kind: str) -> Iterator[Stage]:
    """Learn where sensors may stand; the folder of the run is made below `out`.

    Raises:
        DtcError: `target-unreachable`, `load-data` or `credential`.
    """
    run = f"{kind}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
    redactor = Redactor()
    credentials = Credentials(target, redactor)
    folder = out / run
    folder.mkdir(parents=True)
    recorder = Recorder(folder, "0" * 64, redactor)
    port = Load(target, credentials, Track("load", recorder))
    try:
        with answering(target):
            city = explored(target, credentials, recorder, mix="keyed")
            if not city.places:
                raise DtcError(
                    "load-data",
                    "the city shows no object with a position: there is no place for a sensor",
                    where=target.city,
                    hint="load data first; the bundled twin brings a demo city",
                    exit_code=ExitCode.CANNOT_DECIDE,
                )
            name, longitude, latitude = city.places[0]
            body = {
                "type": "EnvironmentalSensor",
                "location": {"type": "Point", "coordinates": [longitude, latitude]},
                "attachedTo": name,
                "specifications": {"manufacturer": "dtc load", "updateInterval": 60, "dtcRun": run},
            }
            yield Stage(target, port, body, folder, city)
    finally:
        recorder.close()


def limits(here: Stage, wanted: int, sources: tuple[str, ...]) -> Limits:
    """What this machine allows.

    Raises:
        DtcError: `target-file` when the target names no live door.
    """
    if not here.port.doors:
        raise DtcError(
            "target-file",
            "the target file names no stream and no broker",
            where=here.target.source,
            hint="stream: {url: wss://...}, mqtt: {url: mqtts://...}",
        )
    return here.port.limits(wanted, sources)


def hold(here: Stage, allowed: Limits, *, seconds: float, rate: float, tell: Tell) -> Crowded:
    """Open, hold, broadcast; the result is kept in the folder.

    Raises:
        DtcError: `load-data` when the target registers no sensor, whose readings are the broadcasts.
    """
    ids = here.port.register(here.body, 1)
    if not ids:
        raise DtcError(
            "load-data",
            "the target registers no sensor, whose readings would be the broadcasts",
            where="POST /cities/{cityId}/sensors",
            hint="dtc doctor says whether the key may write",
            exit_code=ExitCode.CANNOT_DECIDE,
        )
    try:
        made = crowd.run(
            here.port.entrances(ids[0]),
            allowed,
            hold_s=seconds,
            rate=rate,
            keep_alive_s=KEEP_ALIVE_S,
            broadcasts=[here.port.broadcast(ids[0], MEASUREMENT, number) for number in (1, 2)],
            tell=tell,
        )
    finally:
        here.port.clear()
    _keep(here, made)
    return made


def ingest(here: Stage, *, sensors: int, interval_s: float, rounds: int, tell: Tell) -> Ingested:
    """Register, submit, read back, remove; the result is kept in the folder."""
    try:
        made, ids = ingestion.run(
            here.port.site(),
            [here.body] * sensors,
            interval_s=interval_s,
            rounds=rounds,
            planned=lambda _name: None,
            tell=tell,
        )
        here.port.adopt(ids)
    finally:
        tell("removing the sensors")
        here.port.clear()
    _keep(here, made)
    return made


def judge_crowd(made: Crowded, seconds: float) -> tuple[str, str]:
    """Outcome (passed, failed, inconclusive, scaled) and why."""
    if made.opened and (
        made.lost_share > LOST or any(one.heard < one.alive * (1 - LOST) for one in made.broadcasts)
    ):
        return "failed", "connections were lost, or a broadcast did not reach them"
    if made.limits.possible < made.limits.wanted:
        return "inconclusive", f"this machine allows {made.limits.possible} of {made.limits.wanted}"
    if made.opened < made.limits.wanted * (1 - LOST):
        return "failed", f"only {made.opened} of {made.limits.wanted} connections were let in"
    if made.limits.wanted < CONNECTIONS or seconds < HOLD_S:
        return "scaled", f"the standard asks for {CONNECTIONS} connections (C-92)"
    return "passed", ""


def judge_ingested(made: Ingested) -> tuple[str, str]:
    """Outcome (passed, failed, inconclusive, scaled) and why."""
    wrong = [
        f"{count} {name}"
        for name, count in (
            ("lost", made.lost),
            ("doubled", made.doubled),
            ("changed", made.changed),
            ("foreign", made.foreign),
            ("sensors refused", made.sensors - made.registered),
            ("readings refused", sum(made.sent.values()) - made.taken),
        )
        if count
    ]
    if wrong:
        return "failed", ", ".join(wrong)
    if made.unreadable or made.reading:
        return "inconclusive", made.reading or f"{made.unreadable} sensors could not be read"
    if made.took_s > 1.1 * made.interval_s * made.rounds:
        if made.cpu_share > 0.9:
            return "inconclusive", f"the generator used {made.cpu_share:.0%} of a core"
        return "failed", f"the readings of {made.interval_s:g} s took {made.took_s:g} s"
    less = "" if made.sensors >= SENSORS else f"the standard asks for {SENSORS} sensors (C-90)"
    if made.interval_s > INTERVAL_S:
        less = f"a reading each {made.interval_s:g} s, not each {INTERVAL_S:g} s (C-90)"
    return ("scaled", less) if less else ("passed", "")


def _keep(here: Stage, made: Crowded | Ingested) -> None:
    content = msgspec.json.format(msgspec.json.encode(made), indent=1)
    (here.folder / "load.json").write_bytes(content + b"\n")
