"""What other tools say of the clean twin: sqlmap finds no injection, sslyze no weakness of TLS.

usage: scripts/prove second-opinion
Both come from the package index into an environment of their own; without them it is skipped, and says why.
sqlmap tries an id in a path, filters of a list and a body; sslyze is asked for versions, suites, compression,
renegotiation and the known attacks.
"""

import json
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from dtc_cli.core.model import Level
from dtc_cli.harness.reference import running

TOOLS = ("sqlmap", "sslyze")
LONGEST_S = 900
CLEAN = ("do not appear to be injectable", "does not seem to be injectable")


def main() -> int:
    """Ask both; 0 when neither finds anything, or when they cannot be had."""
    with tempfile.TemporaryDirectory(prefix="dtc-second-") as name:
        folder = Path(name)
        venv.create(folder / "env", with_pip=True)
        binaries = folder / "env" / "bin"
        done = subprocess.run(
            [binaries / "pip", "install", "-q", *TOOLS], capture_output=True, text=True, check=False
        )
        if done.returncode:
            say(f"skipped: {', '.join(TOOLS)} cannot be installed: {done.stderr.strip()[-200:]}")
            return 0
        with running() as target:
            injectable = sqlmap(binaries, target, folder)
        with running(level=Level.PLATINUM) as target:
            weak = sslyze(binaries, target, folder)
    return int(bool(injectable or weak))


def sqlmap(binaries: Path, file: Path, folder: Path) -> list[str]:
    """What sqlmap can inject into."""
    target = yaml.safe_load(file.read_text(encoding="utf-8"))
    key = Path(target["auth"]["api_keys"]["load"].removeprefix("file:")).read_text(encoding="utf-8").strip()
    city = f"{target['rest']['base_url']}/cities/{target['city']}"
    nearby = json.dumps({"location": {"type": "Point", "coordinates": [129.06, 35.15]}, "radius": "10*"})
    asked: dict[str, Sequence[str]] = {
        "id": ("-u", f"{city}/objects/x*"),
        "filters": ("-u", f"{city}/objects?type=Building*&properties.name=x*&limit=5"),
        "body": ("-u", f"{city}/spatial/nearby", "--data", nearby),
    }
    found = []
    for name, options in asked.items():
        command: list[str | Path] = [
            binaries / "sqlmap", *options, "--batch",
            "--headers", f"X-API-Key: {key}\nContent-Type: application/json",
            "--level", "2", "--risk", "2", "--ignore-code", "400,404,422", "--threads", "2",
            "--flush-session", "--output-dir", folder / "sqlmap", "--disable-coloring",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_S, check=False)
        clean = any(words in done.stdout for words in CLEAN)
        say(f"sqlmap, {name}: {'nothing injectable' if clean else done.stdout.strip()[-400:]}")
        if not clean:
            found.append(name)
    return found


def sslyze(binaries: Path, file: Path, folder: Path) -> list[str]:
    """What sslyze finds weak."""
    target = yaml.safe_load(file.read_text(encoding="utf-8"))
    place = urlsplit(target["rest"]["base_url"]).netloc
    out = folder / "sslyze.json"
    subprocess.run(
        [binaries / "sslyze", "--mozilla_config=disable", f"--json_out={out}", place],
        capture_output=True, text=True, timeout=LONGEST_S, check=False,
    )  # fmt: skip
    (scan,) = json.loads(out.read_bytes())["server_scan_results"]
    result = scan["scan_result"]
    weak = [
        name
        for name in ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1")
        if result[f"{name}_cipher_suites"]["result"]["accepted_cipher_suites"]
    ]
    for name, key in (
        ("heartbleed", "is_vulnerable_to_heartbleed"),
        ("openssl_ccs_injection", "is_vulnerable_to_ccs_injection"),
        ("tls_compression", "supports_compression"),
        ("session_renegotiation", "is_vulnerable_to_client_renegotiation_dos"),
    ):
        if (result[name]["result"] or {}).get(key):
            weak.append(name)
    say(f"sslyze: {', '.join(weak) or 'nothing weak'}")
    return weak


def say(text: str) -> None:
    """A line of the result."""
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
