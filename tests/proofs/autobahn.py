"""Autobahn's fuzzing client against the stack of the stream, with an echo in place of WIA messages.

`scripts/prove autobahn WSTEST [CASE...]`, where WSTEST is the program of an environment of Python 2.7::

    python2.7 -m pip install virtualenv==20.15.1
    python2.7 -m virtualenv v27
    v27/bin/pip install autobahntestsuite

Without it the proof is skipped. Cases may be patterns such as `1.*`; by default all are run.
"""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from dtc_cli import console

BAD = {"FAILED", "WRONG CODE", "UNCLEAN", "FAILED BY CLIENT"}
AGENT = "stream"


def main() -> int:
    """Run the cases; 1 when one failed."""
    arguments = sys.argv[1:]
    if not arguments or not Path(arguments[0]).is_file():
        console.out("skipped: give the path of wstest, a program for Python 2.7 (see docs/stream.md)")
        return 0
    program, cases = Path(arguments[0]).resolve(), arguments[1:] or ["*"]
    with (
        tempfile.TemporaryDirectory(prefix="dtc-autobahn-") as name,
        subprocess.Popen(
            [sys.executable, "-m", "tests.support.stream_echo"], stdout=subprocess.PIPE, text=True
        ) as echo,
    ):
        try:
            port = json.loads(echo.stdout.readline() if echo.stdout else "{}")["port"]
            folder = Path(name)
            spec = {
                "outdir": str(folder / "reports"),
                "servers": [{"agent": AGENT, "url": f"ws://127.0.0.1:{port}/stream"}],
                "cases": cases,
                "exclude-cases": [],
                "exclude-agent-cases": {},
            }
            (folder / "spec.json").write_text(json.dumps(spec))
            subprocess.run(
                [str(program), "-m", "fuzzingclient", "-s", "spec.json"],
                cwd=folder,
                stdout=subprocess.DEVNULL,
                check=True,
            )
            found = json.loads((folder / "reports" / "index.json").read_text())[AGENT]
        finally:
            echo.terminate()
    counts = Counter(f"{case['behavior']}, close {case['behaviorClose']}" for case in found.values())
    for words, count in counts.most_common():
        console.out(f"{count:4} {words}")
    bad = [name for name, case in found.items() if {case["behavior"], case["behaviorClose"]} & BAD]
    for name in sorted(bad):
        console.out(f"  {name}: {found[name]['behavior']}, close {found[name]['behaviorClose']}")
    console.out(f"{len(bad)} of {len(found)} cases failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
