"""Keyed reads over HTTP/2, sent by h2load of nghttp2, where it is installed.

h2load counts from the moment it sends, not from the instant a request was due: a standstill shows less than
it lasted. So its figures decide nothing of the standard; they tell what multiplexing brings or costs.
"""

import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode
from dtc_cli.load.health import Host
from dtc_cli.load.histogram import Histogram, Summary
from dtc_cli.load.readback import Site

RESULT = "http2.json"
GRACE_S = 60.0
MOST_ADDRESSES = 2000
SPOKEN = "Application protocol: "


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is offered."""

    rate: float
    """Requests per second, all connections together."""
    duration_s: float
    connections: int
    streams: int
    """Requests that may be under way on a connection at once."""


class Http2(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    plan: Plan
    generator: str
    requests: int
    answered_per_s: float
    """With status 200."""
    statuses: dict[str, int]
    """By status; `none` for those that got no answer."""
    latency: Summary
    """From the moment of sending."""
    host: Host


def program() -> str:
    """Where h2load is.

    Raises:
        DtcError: `extra-missing` when it is not installed.
    """
    found = shutil.which("h2load")
    if found is None:
        raise DtcError(
            "extra-missing",
            "HTTP/2 is offered by h2load, which is not installed",
            where="dtc load http2",
            hint="the Debian package nghttp2-client, or nghttp2 elsewhere",
        )
    return found


def run(site: Site, scheme: str, ids: Sequence[str], plan: Plan) -> Http2:
    """Send keyed reads at the rate of the plan.

    Args:
        site: the city's path, host and key.
        scheme: of the target.
        ids: encoded ids of objects.
        plan: what is offered.

    Raises:
        DtcError: `extra-missing` without h2load, `http2` when the target speaks no HTTP/2.
    """
    binary = program()
    with tempfile.TemporaryDirectory(prefix="dtc-http2-") as name:
        addresses, log = Path(name) / "addresses", Path(name) / "log"
        lines = [f"{scheme}://{site.host}{site.prefix}/objects/{one}" for one in ids[:MOST_ADDRESSES]]
        addresses.write_text("\n".join(lines) + "\n", encoding="utf-8")
        headers = [word for item in site.headers.items() for word in ("-H", ": ".join(item))]
        command = [
            binary, "-c", str(plan.connections), "-m", str(plan.streams), "-D", f"{plan.duration_s:g}s",
            "--warm-up-time=1s", f"--rps={plan.rate / plan.connections:g}", "--npn-list=h2", "-p", "h2c",
            *headers, f"--log-file={log}", "-i", str(addresses),
        ]  # fmt: skip
        done = subprocess.run(  # noqa: S603 - no shell
            command, capture_output=True, text=True, timeout=plan.duration_s + GRACE_S, check=False
        )
        rows = log.read_text(encoding="utf-8").splitlines() if log.is_file() else []
    spoken = done.stdout.partition(SPOKEN)[2].partition("\n")[0].strip()
    if not spoken.startswith("h2") or not rows:
        chosen = spoken and not spoken.startswith("h2")
        raise DtcError(
            "http2",
            "the target does not speak HTTP/2",
            where=f"{scheme}://{site.host}",
            why=f"it chose {spoken}" if chosen else "no answer of HTTP/2 came to h2load",
            hint="HTTP/2 is a SHOULD (DTC-P3-075); where a proxy offers it, name that as rest.base_url",
            exit_code=ExitCode.CANNOT_DECIDE,
        )
    version = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    return told(rows, plan, version.stdout.strip())


def told(rows: Sequence[str], plan: Plan, generator: str) -> Http2:
    """Read h2load's log: begin in microseconds, status (-1 without answer), microseconds it took."""
    latency, statuses = Histogram(), Counter[str]()
    for row in rows:
        _, status, took = row.split("\t")
        latency.record([int(took)])
        statuses["none" if status == "-1" else status] += 1
    return Http2(
        plan=plan,
        generator=generator,
        requests=len(rows),
        answered_per_s=round(statuses["200"] / plan.duration_s, 2),
        statuses=dict(sorted(statuses.items())),
        latency=latency.summary(),
        host=Host.here(),
    )
