"""The load engine beside wrk: requests per CPU second, and whether rates and latencies agree.

usage: python benchmarks/load.py [PAIRS] [SECONDS]
nginx answers a constant. In each pair wrk runs first, in its closed loop with 64 connections; then the engine
offers a rate, and the CPU seconds of both generators are taken from the system. In the second part both go to
a server with a known latency of 20 ms: the engine offers nine tenths of wrk's rate; rates and medians are
compared.
"""

import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dtc_cli.load import fleet
from dtc_cli.load.schedule import Schedule
from dtc_cli.load.traffic import Request, Route, Traffic, encode, mix
from tests.support.load_server import serving
from tests.support.ports import free_ports, wait_for_port

CONNECTIONS = 64
OFFERED = 8000.0
CONFIGURATION = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 100000000;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{
    listen 127.0.0.1:{port};
    location / {{ default_type application/json; return 200 '{{"a": 1}}'; }}
  }}
}}
"""
UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


def main(arguments: Sequence[str]) -> int:
    """Measure and print; 0, or 2 without nginx and wrk."""
    pairs = int(arguments[0]) if arguments else 5
    seconds = float(arguments[1]) if len(arguments) > 1 else 5.0
    if not (shutil.which("nginx") and shutil.which("wrk")):
        sys.stderr.write("this benchmark needs nginx and wrk\n")
        return 2
    with nginx() as port:
        wrk, engine = [], []
        for _ in range(pairs):
            wrk.append(by_wrk(port, "/", seconds)[2])
            engine.append(by_engine(port, "/", OFFERED, seconds)[2])
    one, other = statistics.median(engine), statistics.median(wrk)
    say(f"requests per CPU second: engine {one:,.0f}, wrk {other:,.0f}, {one / other:.2f}x")
    with serving() as port:
        rates, medians = [], []
        for _ in range(pairs):
            rate, median, _ = by_wrk(port, "/wait/0.02", seconds)
            achieved, mine, _ = by_engine(port, "/wait/0.02", rate * 0.9, seconds)
            rates.append(achieved / (rate * 0.9))
            medians.append(mine / median)
    say(f"rate achieved of 90 % of wrk's: {statistics.median(rates):.3f}")
    say(f"median latency, engine over wrk: {statistics.median(medians):.3f}")
    return 0


def by_wrk(port: int, path: str, seconds: float) -> tuple[float, float, float]:
    """Requests per second, median in ms, requests per CPU second."""
    before = spent()
    done = subprocess.run(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "--latency", f"http://127.0.0.1:{port}{path}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    cpu = spent() - before
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    total = re.search(r"(\d+) requests in", done.stdout)
    median = re.search(r"50%\s+([\d.]+)(us|ms|s)", done.stdout)
    if not (rate and total and median):
        raise RuntimeError(done.stdout)
    return float(rate[1]), float(median[1]) * UNITS[median[2]], int(total[1]) / cpu


def by_engine(port: int, path: str, rate: float, seconds: float) -> tuple[float, float, float]:
    """Requests per second, median in ms, requests per CPU second."""
    made = fleet.run(
        fleet.Address("127.0.0.1", port), Schedule.constant(rate, seconds, warmup_s=1), traffic(port, path),
        workers=1, lanes=CONNECTIONS,
    )  # fmt: skip
    cpu = made.health.cpu_share * (seconds + 1)
    return made.achieved_per_s, made.total.at("p50") or 0.0, made.sent / cpu


def traffic(port: int, path: str) -> Traffic:
    """One request, again and again."""
    wire = encode("GET", path, f"127.0.0.1:{port}", {})
    return mix([Route("one", 1.0, (Request(0, wire),))], 0)


@contextmanager
def nginx() -> Iterator[int]:
    """One worker of nginx that answers a constant."""
    with tempfile.TemporaryDirectory() as folder:
        (port,) = free_ports(1)
        file = Path(folder) / "nginx.conf"
        file.write_text(CONFIGURATION.format(folder=folder, port=port), encoding="utf-8")
        with subprocess.Popen(["nginx", "-c", str(file), "-p", folder], stderr=subprocess.DEVNULL) as server:
            try:
                wait_for_port(port, server)
                yield port
            finally:
                server.terminate()
                server.wait()


def spent() -> float:
    """CPU seconds of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def say(text: str) -> None:
    """A line of the result."""
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
