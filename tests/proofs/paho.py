"""Eclipse Paho's MQTT 5 test suite against the endpoint: no worse than Mosquitto in the same run.

usage: scripts/prove paho [FOLDER]   FOLDER, or PAHO_TESTING, is a checkout of eclipse-paho/paho.mqtt.testing
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dtc_cli import console
from tests.support.ports import free_ports, wait_for_port

LIMIT_S = 75.0
"""One of the tests never ends against Mosquitto."""
SUITE = "client_test5.py"


def suite() -> Path | None:
    """The folder of the suite, if there is one."""
    given = sys.argv[1:2] or [os.environ.get("PAHO_TESTING", "")]
    for folder in (Path(given[0]), Path(given[0]) / "interoperability"):
        if given[0] and (folder / SUITE).exists():
            return folder
    return None


def run(folder: Path, port: int) -> dict[str, str]:
    """Every test by itself: passed, failed or stuck."""
    names = re.findall(r"^    def (test_\w+)", (folder / SUITE).read_text(encoding="utf-8"), re.MULTILINE)
    outcomes: dict[str, str] = {}
    for name in names:
        command = [sys.executable, SUITE, "-p", str(port), f"Test.{name}"]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, timeout=LIMIT_S, check=False)
        except subprocess.TimeoutExpired:
            outcomes[name] = "stuck"
        else:
            outcomes[name] = "passed" if done.returncode == 0 else "failed"
    return outcomes


def with_mosquitto(folder: Path, work: Path) -> dict[str, str]:
    """The suite against Mosquitto."""
    (port,) = free_ports(1)
    config = work / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_dest none\n", encoding="utf-8")
    program = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin")
    assert program is not None
    with subprocess.Popen([program, "-c", str(config)], stderr=subprocess.DEVNULL) as process:
        try:
            wait_for_port(port, process)
            return run(folder, port)
        finally:
            process.terminate()


def with_endpoint(folder: Path, work: Path) -> dict[str, str]:
    """The suite against the twin's endpoint, with every topic free: it brings topics of its own."""
    command = [sys.executable, "-m", "tests.support.lone_broker"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            return run(folder, int(json.loads(process.stdout.readline())["port"]))
        finally:
            process.terminate()


def main() -> int:
    """Run both at the same time and compare."""
    folder = suite()
    if folder is None or shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin") is None:
        missing = "mosquitto" if folder else "the suite (eclipse-paho/paho.mqtt.testing)"
        console.out(f"skipped: {missing} is not here")
        return 0
    both: tuple[Callable[[Path, Path], dict[str, str]], ...] = (with_mosquitto, with_endpoint)
    with tempfile.TemporaryDirectory(prefix="dtc-paho-") as work, ThreadPoolExecutor(2) as pool:
        # each gets a copy: the suite writes files of its own
        copies = [shutil.copytree(folder, Path(work) / str(i) / "suite") for i in range(2)]
        jobs = [pool.submit(one, copy, copy.parent) for one, copy in zip(both, copies, strict=True)]
        mosquitto, endpoint = (job.result() for job in jobs)
    worse = []
    for name, ours in endpoint.items():
        theirs = mosquitto[name]
        if ours != "passed" and theirs == "passed":
            worse.append(name)
        console.out(f"{name:34} mosquitto {theirs:8} endpoint {ours}")
    counts = [sum(one == "passed" for one in both.values()) for both in (mosquitto, endpoint)]
    console.out(f"passed: mosquitto {counts[0]}, endpoint {counts[1]} of {len(endpoint)}")
    console.out(f"worse than mosquitto: {', '.join(worse) or 'nothing'}")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
