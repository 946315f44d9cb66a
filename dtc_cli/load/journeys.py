"""Journeys on Locust: users that act like people and devices do, here or over many machines."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from dtc_cli.clients.rest import quote
from dtc_cli.core.target import Target
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode
from dtc_cli.load.health import Host
from dtc_cli.load.papers import Papers
from dtc_cli.load.traffic import Traffic

MIX: Mapping[str, int] = {"dashboard": 5, "gis": 3, "gateway": 4, "planner": 1}
"""Users of each kind, relative to each other."""
KINDS = (*MIX, "steady")
RESULT = "journeys.json"
PERCENTILES = (50.0, 95.0, 99.0)
Row = tuple[str, str, str, str]


class Brief(msgspec.Struct, frozen=True, kw_only=True):
    """What the users know; it holds the key, so it goes into a file that only its owner can read."""

    prefix: str
    headers: Mapping[str, str]
    papers: Papers
    mix: Mapping[str, int]
    places: Sequence[tuple[str, float, float]]
    sensors: Sequence[str]
    own: Sequence[str]
    """Sensors of the run, for which gateways speak."""
    steady: Sequence[Row] = ()
    """Route, method, path and body of the engine's requests in their order."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How many, how long, and who takes part."""

    users: int
    spawn_rate: float
    duration_s: float
    web: int | None = None
    """Port of Locust's own page, on this machine; None for headless."""
    master: int | None = None
    """This process leads: so many workers take part."""
    worker: str | None = None
    """This process works for the master on that host."""


class Journey(msgspec.Struct, frozen=True):
    """What came of one kind of request."""

    name: str
    requests: int
    failures: int
    mean_ms: float
    percentiles_ms: Mapping[str, float]
    """As exact as Locust rounds: to a millisecond below 100 ms, to two digits above."""


class Travelled(msgspec.Struct, frozen=True, kw_only=True):
    """What came of all of it."""

    users: int
    duration_s: float
    mix: Mapping[str, int]
    journeys: tuple[Journey, ...]
    total: Journey
    per_s: float
    host: Host


def mix(text: str | None) -> dict[str, int]:
    """Read `dashboard=5,gis=3`.

    Raises:
        DtcError: `usage` for another kind or a number that is none.
    """
    if text is None:
        return dict(MIX)
    found: dict[str, int] = {}
    for part in text.split(","):
        name, _, number = part.partition("=")
        if name not in KINDS or not number.isdecimal():
            raise DtcError(
                "usage",
                f"{part!r} names no kind of user with a number",
                where=f"--mix {text}",
                hint="for example dashboard=5,gis=3,gateway=4,planner=1",
            )
        found[name] = int(number)
    if not sum(found.values()):
        raise DtcError("usage", "there are no users in this mix", where=f"--mix {text}")
    return found


def prefix(target: Target) -> str:
    """The path of the city below its host."""
    return f"{urllib.parse.urlsplit(target.base_url or '').path}/cities/{quote(target.city)}"


def steady(traffic: Traffic, most: int = 4096) -> list[Row]:
    """The engine's requests, for users that send them."""
    rows = []
    for number in traffic.order[:most]:
        request = traffic.requests[number]
        head, _, body = request.wire.partition(b"\r\n\r\n")
        method, path, _ = head.split(b"\r\n", 1)[0].decode("ascii").split(" ")
        rows.append((traffic.routes[request.route], method, path, body.decode("utf-8")))
    return rows


def run(target: Target, brief: Brief, plan: Plan) -> Travelled | None:
    """Let the users travel; what came of it, None on a worker, whose master knows.

    Raises:
        DtcError: `extra-missing` without Locust; `load-worker` when it fails.
    """
    parts = urllib.parse.urlsplit(target.base_url or "")
    with _private(msgspec.json.encode(brief)) as (folder, file):
        stats = folder / "stats"
        command = [
            sys.executable, "-m", "locust", "-f", str(Path(__file__).with_name("locustfile.py")),
            "--host", f"{parts.scheme}://{parts.netloc}", "--loglevel", "WARNING",
            *_options(plan, brief.mix), *(() if plan.worker else ("--json-file", str(stats))),
        ]  # fmt: skip
        environment = {**os.environ, "DTC_JOURNEYS": str(file)}
        log = folder / "log.txt"
        with log.open("w", encoding="utf-8") as output:
            code = _wait(
                subprocess.Popen(  # noqa: S603 - our own interpreter
                    command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment
                )
            )
        made = stats.with_suffix(".json")
        if plan.worker is not None and code == 0:
            return None
        if not made.is_file():
            tail = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
            raise _failed(" | ".join(tail))
        return _told(json.loads(made.read_bytes()), plan, brief.mix, _there(folder))


def keep(folder: Path, made: Travelled) -> None:
    """Keep what came of it."""
    (folder / RESULT).write_bytes(msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n")


def _options(plan: Plan, mix_: Mapping[str, int]) -> list[str]:
    if plan.worker is not None:
        return ["--worker", "--master-host", plan.worker]
    options = ["-u", str(plan.users), "-r", str(plan.spawn_rate)]
    if plan.web is None:
        options += ["--headless", "--only-summary", "-t", f"{max(1, round(plan.duration_s))}s"]
    else:
        options += ["--web-host", "127.0.0.1", "--web-port", str(plan.web)]
    if plan.master is not None:
        options += ["--master", "--expect-workers", str(plan.master)]
    if mix_.get("steady"):
        options.append("--reset-stats")
    return options


def _wait(process: "subprocess.Popen[bytes]") -> int:
    """Until it ends; Ctrl-C ends it in order, so that it still writes its figures."""
    try:
        return process.wait()
    except KeyboardInterrupt:
        return process.wait(timeout=30)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


@contextlib.contextmanager
def _private(content: bytes) -> Iterator[tuple[Path, Path]]:
    with tempfile.TemporaryDirectory(prefix="dtc-journeys-") as name:
        file = Path(name) / "brief.json"
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(content)
        yield Path(name), file


def _failed(why: str) -> DtcError:
    if "No module named" in why and "locust" in why:
        return DtcError(
            "extra-missing",
            "journeys need an extra that is not installed",
            where="dtc load journeys",
            why=why,
            hint='pip install "dtc[journeys]"',
        )
    return DtcError(
        "load-worker",
        "Locust ended without figures",
        where="dtc load journeys",
        why=why or "it said nothing",
        hint="a master waits for its workers; a web port must be free",
        exit_code=ExitCode.CANNOT_DECIDE,
    )


def _there(folder: Path) -> float | None:
    """Seconds for which the users were there, None when Locust did not say."""
    try:
        begun, ended = (float((folder / name).read_text(encoding="ascii")) for name in ("begun", "ended"))
    except (OSError, ValueError):
        return None
    return ended - begun


def _told(
    rows: Sequence[Mapping[str, Any]], plan: Plan, mix_: Mapping[str, int], there: float | None
) -> Travelled:
    journeys = tuple(sorted((_journey(row["name"], [row]) for row in rows), key=lambda one: one.name))
    begins = min((row["start_time"] for row in rows), default=0.0)
    ends = max((row["last_request_timestamp"] or begins for row in rows), default=0.0)
    total = _journey("all", rows)
    # Users who wait before their first request, or after their last, are there all the same.
    lasted = max(0.001, ends - begins if there is None else there)
    return Travelled(
        users=plan.users,
        duration_s=round(lasted, 2),
        mix=dict(mix_),
        journeys=journeys,
        total=total,
        per_s=round(total.requests / lasted, 2),
        host=Host.here(),
    )


def _journey(name: str, rows: Sequence[Mapping[str, Any]]) -> Journey:
    times: dict[float, int] = {}
    for row in rows:
        for took, count in row["response_times"].items():
            times[float(took)] = times.get(float(took), 0) + count
    requests = sum(row["num_requests"] for row in rows)
    total = sum(row["total_response_time"] for row in rows)
    return Journey(
        name,
        requests,
        sum(row["num_failures"] for row in rows),
        round(total / requests, 2) if requests else 0.0,
        {f"p{point:g}": _percentile(times, point) for point in PERCENTILES},
    )


def _percentile(times: Mapping[float, int], point: float) -> float:
    wanted, seen = sum(times.values()) * point / 100, 0
    for took in sorted(times):
        seen += times[took]
        if seen >= wanted:
            return took
    return 0.0
