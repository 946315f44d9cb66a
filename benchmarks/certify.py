"""Time what a user waits for: `dtc --help`, and a Bronze and a Silver certification of the bundled twin.

Usage: python benchmarks/certify.py [ROUNDS]. Prints seconds (median of ROUNDS, default 3) and, beside
each, the ratio to starting a bare Python in the same round, which tells how fast the machine was.
"""

import statistics
import subprocess
import sys
import tempfile
import time

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "dtc --help": [sys.executable, "-m", "dtc_cli", "--help"],
    "dtc certify --reference --level bronze": ["certify", "bronze"],
    "dtc certify --reference --level silver": ["certify", "silver"],
}


def seconds(command: list[str], out: str) -> float:
    """Wall time of one call; a certification must reach its level, or the figure would mean nothing."""
    if command[0] == "certify":
        level = command[1]
        options = ["--reference", "--level", level, "--out", out, "--json"]
        command = [sys.executable, "-m", "dtc_cli", "certify", *options]
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as out:
        for _ in range(rounds):
            for name, command in COMMANDS.items():
                taken[name].append(seconds(command, out))
    bare = statistics.median(taken["python -c pass"])
    print(f"{'command':<42} {'median s':>9} {'min s':>9} {'x bare Python':>14}")
    for name, times in taken.items():
        median = statistics.median(times)
        print(f"{name:<42} {median:9.3f} {min(times):9.3f} {median / bare:14.0f}")


main()
