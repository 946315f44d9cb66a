"""What other tools say of the clean twin: sqlmap and wapiti find no hole, sslyze no weakness of TLS.

usage: scripts/prove second-opinion [sqlmap] [wapiti] [sslyze]
One that is not on PATH comes from the package index into an environment of its own; one that cannot be had
is skipped, with the reason. sqlmap tries an id in a path, filters of a list and a body; wapiti all operations
of the OpenAPI document, for injection, markup, files, commands, redirects, headers; sslyze is asked for
versions, suites, compression, renegotiation, the known attacks, and Mozilla's modern profile.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import venv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from dtc_cli.core.model import Level
from dtc_cli.harness.reference import running

LONGEST_S = 900
CLEAN = "all tested parameters do not appear to be injectable"
"""What sqlmap says at the end; of a single parameter it says so too where another one is injectable."""
MODULES = "sql,xss,permanentxss,exec,file,redirect,crlf"
"""Those that need no server of wapiti's own on the network."""
OF_THE_CHAIN = ("certificate", "chain", "lifespan", "trust", "curves")
"""Words of what Mozilla's profile says of a certificate for one run, and of curves stronger than it lists."""


def main(arguments: Sequence[str]) -> int:
    """Ask the chosen tools, all without arguments; 0 when none finds anything, or none can be had."""
    found = []
    with tempfile.TemporaryDirectory(prefix="dtc-second-") as name:
        for tool, package, level, ask in TOOLS:
            if arguments and tool not in arguments:
                continue
            folder = Path(name) / tool
            folder.mkdir()
            binaries = installed(tool, package, folder)
            if binaries is None:
                continue
            with running(level=level) as target:
                found += ask(binaries, target, folder)
    return int(bool(found))


def installed(tool: str, package: str, folder: Path) -> Path | None:
    """Where the tool's programs are; None when it cannot be had, which is said."""
    there = shutil.which(tool)
    if there is not None:
        return Path(there).parent
    venv.create(folder / "venv", with_pip=True)
    binaries = folder / "venv" / "bin"
    done = subprocess.run(
        [binaries / "pip", "install", "-q", package], capture_output=True, text=True, check=False
    )
    if done.returncode:
        say(f"{tool}: skipped, it cannot be installed: {done.stderr.strip()[-200:]}")
        return None
    return binaries


def key_of(target: dict[str, Any]) -> str:
    """The key of raised allowance."""
    return Path(target["auth"]["api_keys"]["load"].removeprefix("file:")).read_text(encoding="utf-8").strip()


def sqlmap(binaries: Path, file: Path, folder: Path) -> list[str]:
    """What sqlmap can inject into."""
    return injected(binaries, file, folder, effort="2", forms="BEUSTQ")


def injected(
    binaries: Path, file: Path, folder: Path, *, effort: str, forms: str, only: Sequence[str] = ()
) -> list[str]:
    """What sqlmap can inject into, of the places `only` or all.

    `effort` is its level and its risk, `forms` are its techniques by their initials.
    """
    target = yaml.safe_load(file.read_text(encoding="utf-8"))
    key = key_of(target)
    city = f"{target['rest']['base_url']}/cities/{target['city']}"
    nearby = json.dumps({"location": {"type": "Point", "coordinates": [129.06, 35.15]}, "radius": "10*"})
    asked: dict[str, Sequence[str]] = {
        "id": ("-u", f"{city}/objects/x*"),
        "filters": ("-u", f"{city}/objects?type=Building*&properties.name=x*&limit=5"),
        "body": ("-u", f"{city}/spatial/nearby", "--data", nearby),
    }
    found = []
    for name, options in asked.items():
        if only and name not in only:
            continue
        command: list[str | Path] = [
            binaries / "sqlmap", *options, "--batch",
            "--headers", f"X-API-Key: {key}\nContent-Type: application/json",
            "--level", effort, "--risk", effort, "--technique", forms, "--threads", "2",
            "--ignore-code", "400,404,422",
            "--flush-session", "--output-dir", folder / "sqlmap", "--disable-coloring",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_S, check=False)
        clean = CLEAN in done.stdout
        say(f"sqlmap, {name}: {'nothing injectable' if clean else done.stdout.strip()[-400:]}")
        if not clean:
            found.append(name)
    return found


def wapiti(binaries: Path, file: Path, folder: Path) -> list[str]:
    """What wapiti finds in the operations of the OpenAPI document."""
    target = yaml.safe_load(file.read_text(encoding="utf-8"))
    base, key = target["rest"]["base_url"], key_of(target)
    parts = urlsplit(base)
    described_at = f"{parts.scheme}://{parts.netloc}/openapi.json"
    asked = urllib.request.Request(described_at, headers={"X-API-Key": key})  # noqa: S310 - http
    with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310 - http
        document = json.load(answer)
    document["servers"] = [{"url": base}]
    described, out = folder / "openapi.json", folder / "wapiti.json"
    described.write_text(json.dumps(document), encoding="utf-8")
    command: list[str | Path] = [
        binaries / "wapiti", "-u", f"{parts.scheme}://{parts.netloc}/", "--swagger", described,
        "-H", f"X-API-Key: {key}", "-m", MODULES, "-f", "json", "-o", out, "--scope", "domain",
        "--flush-session", "--no-bugreport", "--max-scan-time", str(LONGEST_S // 2), "-v", "0",
        "--store-session", folder / "session",
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_S, check=False)
    except subprocess.TimeoutExpired:
        say(f"wapiti: not done after {LONGEST_S} s, so it says nothing")
        return ["wapiti"]
    if not out.is_file():
        say(f"wapiti: no report: {(done.stderr or done.stdout).strip()[-400:]}")
        return ["wapiti"]
    told = json.loads(out.read_bytes())
    holes = {name: rows for name, rows in told["vulnerabilities"].items() if rows}
    pages = told.get("infos", {}).get("crawled_pages_nbr", "?")
    for name, rows in holes.items():
        first = " ".join(str(rows[0].get(member)) for member in ("method", "path", "info"))
        say(f"wapiti: {name}, {len(rows)} times: {first}")
    say(f"wapiti: {'nothing' if not holes else f'{len(holes)} kinds of holes'} in {pages} requests described")
    return sorted(holes)


def sslyze(binaries: Path, file: Path, folder: Path) -> list[str]:
    """What sslyze finds weak."""
    target = yaml.safe_load(file.read_text(encoding="utf-8"))
    place = urlsplit(target["rest"]["base_url"]).netloc
    out = folder / "sslyze.json"
    done = subprocess.run(
        [binaries / "sslyze", "--mozilla_config=modern", f"--json_out={out}", place],
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
    said = done.stdout.partition("COMPLIANCE AGAINST")[2]
    issues = [line.strip(" *") for line in said.splitlines() if line.lstrip().startswith("* ")]
    say(f"sslyze, Mozilla's modern profile: {'; '.join(issues) or 'compliant'}")
    weak += [line for line in issues if not any(word in line.lower() for word in OF_THE_CHAIN)]
    return weak


TOOLS: tuple[tuple[str, str, Level, Callable[[Path, Path, Path], list[str]]], ...] = (
    ("sqlmap", "sqlmap", Level.SILVER, sqlmap),
    ("wapiti", "wapiti3", Level.SILVER, wapiti),
    ("sslyze", "sslyze", Level.PLATINUM, sslyze),
)
"""Name, package, what the twin is started for, and how it is asked."""


def say(text: str) -> None:
    """A line of the result."""
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
