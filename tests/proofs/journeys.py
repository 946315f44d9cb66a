"""Locust and the engine agree within 20 % at equal load.

usage: scripts/prove journeys [REQUESTS-PER-SECOND] [SECONDS]
The same requests go to the same server at the same rate, from the engine and from as many users of Locust
that send one a second; throughput, p50 and p95 are compared, the median of three runs. The server has a
known latency: 60 ms, and every fifth answer 150 ms.
"""

import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from dtc_cli.core import target as target_file
from dtc_cli.load import fleet, journeys
from dtc_cli.load.journeys import Brief, Plan
from dtc_cli.load.papers import Papers
from dtc_cli.load.schedule import Schedule
from dtc_cli.load.traffic import Request, Route, Traffic, encode, mix
from tests.support.load_server import serving

AGREES = 0.2
RUNS = 3
ROUTES = {"steady": (4.0, "/wait/0.06"), "slow": (1.0, "/wait/0.15")}
TARGET = """\
dtc: 1
target: {{name: stub, vendor: dtc, version: "1"}}
city: KR-BUSAN-2025
rest: {{base_url: "http://127.0.0.1:{port}/v1"}}
"""
Figures = dict[str, float]


def main(arguments: Sequence[str]) -> int:
    """Compare; 0 when they agree."""
    rate = int(arguments[0]) if arguments else 40
    seconds = float(arguments[1]) if len(arguments) > 1 else 15.0
    with serving() as port:
        traffic = requests(port)
        engine = medians([by_engine(port, traffic, rate, seconds) for _ in range(RUNS)])
        locust = medians([by_locust(port, traffic, rate, seconds) for _ in range(RUNS)])
    apart = {name: abs(locust[name] / engine[name] - 1) for name in engine}
    for name, share in apart.items():
        sys.stdout.write(
            f"{name:12} engine {engine[name]:8.1f}  locust {locust[name]:8.1f}  {share:6.1%} apart\n"
        )
    return int(max(apart.values()) > AGREES)


def requests(port: int) -> Traffic:
    """The same for both."""
    routes = [
        Route(name, weight, (Request(0, encode("GET", path, f"127.0.0.1:{port}", {})),))
        for name, (weight, path) in ROUTES.items()
    ]
    return mix(routes, 1)


def by_engine(port: int, traffic: Traffic, rate: int, seconds: float) -> Figures:
    """Figures of the engine."""
    schedule = Schedule.constant(rate, seconds, warmup_s=2)
    made = fleet.run(fleet.Address("127.0.0.1", port), schedule, traffic, workers=1)
    total = made.total
    return {
        "requests/s": made.achieved_per_s,
        "p50 ms": total.at("p50") or 0.0,
        "p95 ms": total.at("p95") or 0.0,
    }


def by_locust(port: int, traffic: Traffic, rate: int, seconds: float) -> Figures:
    """Figures of Locust: so many users, each a request a second."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "target.yaml"
        file.write_text(TARGET.format(port=port), encoding="utf-8")
        target = target_file.load(file)
    brief = Brief(
        prefix="", headers={}, papers=Papers(), mix={"steady": 1}, places=(), sensors=(), own=(),
        steady=journeys.steady(traffic),
    )  # fmt: skip
    plan = Plan(users=rate, spawn_rate=rate, duration_s=seconds + 2)
    made = journeys.run(target, msgspec.structs.replace(brief), plan)
    assert made is not None
    assert not made.total.failures, made
    return {
        "requests/s": made.per_s,
        "p50 ms": made.total.percentiles_ms["p50"],
        "p95 ms": made.total.percentiles_ms["p95"],
    }


def medians(runs: Sequence[Figures]) -> Figures:
    """The median of each figure."""
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
