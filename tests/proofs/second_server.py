"""A second, unlike server: a mock without a state must fail what needs one and pass what is a shape (D-23).

What is expected of each requirement of phase 2 stands in tests/integration/second_server_expected.yaml, with
the reason; the run must equal it.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from dtc_cli import console
from dtc_cli.harness.reference import running
from dtc_cli.paths import PACKAGE
from tests.support.mock_document import document
from tests.support.prism import PrismUnavailableError, installed, mocking

EXPECTED = PACKAGE.parent / "tests" / "integration" / "second_server_expected.yaml"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
TOOLS = CACHE / "dtc" / "second-server"
"""Where npm installs the mock server, once."""
UNDECIDED = ("not_tested", "not_applicable", "error")


def target_text(origin: str, base_path: str) -> str:
    """The target file: keys of every role (the mock takes any), nothing that it cannot have."""
    roles = ("admin", "operator", "viewer", "device", "other_city")
    return json.dumps(
        {
            "dtc": 1,
            "target": {"name": "Second server", "vendor": "another maker", "version": "1"},
            "city": "KR-BUSAN-2025",
            "other_city": {"id": "KR-ULSAN-2025"},
            "rest": {"base_url": origin + base_path, "timeout_s": 10},
            "auth": {
                "api_keys": {role: f"any-key-{role}" for role in roles},
                "oauth": {
                    "token_url": f"{origin}/oauth/token",
                    "client_id": "any-client",
                    "client_secret": "any-secret",
                },
            },
            "hazards": ["read", "write"],
            "declares": {"cache_s": 0},
        }
    )


def judged(folder: Path) -> dict[str, dict[str, str]]:
    """Requirement to its verdict, of a run of the real program against the mock."""
    with running() as twin:
        api, base_path = document(twin)
    file = folder / "openapi.json"
    file.write_text(json.dumps(api), encoding="utf-8")
    with mocking(installed(TOOLS), file) as origin:
        target = folder / "target.yaml"
        target.write_text(target_text(origin, base_path), encoding="utf-8")
        done = subprocess.run(
            [
                sys.executable, "-m", "dtc_cli", "test", str(target), "--select", "phase:2", "--seed", "7",
                "--out", str(folder / "runs"), "--json",
            ],
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
    result: dict[str, Any] = json.loads(done.stdout or "{}")
    if "requirements" not in result:
        sys.exit(f"the run gave no result (exit {done.returncode}): {result}\n{done.stderr}")
    verdicts: dict[str, dict[str, str]] = result["requirements"]
    return verdicts


def word(verdict: dict[str, str]) -> str:
    """The verdict in the words of the table: a MUST that is warned holds, a SHOULD does not."""
    outcome = verdict["outcome"]
    if outcome in UNDECIDED:
        return "undecided"
    holds = outcome == "passed" or (outcome == "warned" and verdict["strength"] == "must")
    return "pass" if holds else "fail"


def main() -> int:
    """Run, compare, say what differs; an argument names a folder to keep the run in."""
    expected: dict[str, dict[str, str]] = yaml.safe_load(EXPECTED.read_text(encoding="utf-8"))
    try:
        if len(sys.argv) > 1:
            folder = Path(sys.argv[1])
            folder.mkdir(parents=True, exist_ok=True)
            found = judged(folder)
        else:
            with tempfile.TemporaryDirectory(prefix="dtc-second-") as name:
                found = judged(Path(name))
    except PrismUnavailableError as problem:
        console.out(f"SKIPPED: {problem}")
        return 0
    wrong = 0
    for requirement in sorted({*expected, *found}):
        verdict, row = found.get(requirement), expected.get(requirement)
        if verdict and row and word(verdict) == row["expect"]:
            continue
        wrong += 1
        saw = f"{verdict['outcome']}: {verdict['message']}" if verdict else "not in the run"
        wanted = f"{row['expect']} ({row['because']})" if row else "nothing"
        console.out(f"{requirement}  expected {wanted}\n            saw {saw}")
    console.out(f"{len(expected) - wrong} of {len(expected)} requirements as expected, {wrong} otherwise")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
