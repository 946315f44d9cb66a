"""Time what a user waits for: `dtc --help`, and certifications of the bundled twin.

Usage: python benchmarks/certify.py [ROUNDS] [WORD...]. Prints seconds (median of ROUNDS, default 3) and,
beside each, the ratio to starting a bare Python in the same round, which tells how fast the machine was. WORD
chooses rows by a part of their name; `gold-all` only runs when it is named: the ten retries of the twin's own
client (P3 6.5) last up to five minutes.
"""

import statistics
import subprocess
import sys
import tempfile
import time

from dtc_cli.core.model import Level
from dtc_cli.harness.reference import running

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "dtc --help": [sys.executable, "-m", "dtc_cli", "--help"],
    "dtc certify --reference --level bronze": ["certify", "bronze"],
    "dtc certify --reference --level silver": ["certify", "silver"],
    "gold: a target without a client of its own": ["clientless", "gold"],
    "gold-all: dtc certify --reference --level gold": ["certify", "gold"],
}
ONLY_NAMED = "gold-all"


def seconds(command: list[str], out: str) -> float:
    """Wall time of one call; a certification must reach its level, or the figure would mean nothing."""
    started = time.perf_counter()
    if command[0] == "clientless":
        _clientless(command[1], out)
    elif command[0] == "certify":
        _certify(["--reference"], command[1], out)
    else:
        subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def _certify(target: list[str], level: str, out: str) -> None:
    options = [*target, "--level", level, "--out", out, "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "dtc_cli", "certify", *options], check=False, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{level} was not reached: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def _clientless(level: str, out: str) -> None:
    """The bundled twin as a target that names no client; its start is part of the time."""
    with running(level=Level(level)) as target:
        lines = target.read_text(encoding="utf-8").splitlines()
        target.write_text("\n".join(line for line in lines if not line.startswith('"client"')) + "\n")
        _certify([str(target)], level, out)


def main() -> None:
    words = sys.argv[1:]
    rounds = int(words.pop(0)) if words and words[0].isdigit() else 3
    chosen = {
        name: command
        for name, command in COMMANDS.items()
        if name == "python -c pass"
        or (any(word in name for word in words) if words else ONLY_NAMED not in name)
    }
    taken: dict[str, list[float]] = {name: [] for name in chosen}
    with tempfile.TemporaryDirectory() as out:
        for _ in range(rounds):
            for name, command in chosen.items():
                taken[name].append(seconds(command, out))
    bare = statistics.median(taken["python -c pass"])
    print(f"{'command':<48} {'median s':>9} {'min s':>9} {'x bare Python':>14}")
    for name, times in taken.items():
        median = statistics.median(times)
        print(f"{name:<48} {median:9.3f} {min(times):9.3f} {median / bare:14.0f}")


main()
