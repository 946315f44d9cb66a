"""No false alarm at a broker that nobody here wrote: the twin behind Mosquitto, judged by all of phase 3.

Mosquitto knows one password for a user, so the target file names the key of the administrator alone:
what other roles and tokens may do is not judged here. Skipped where Mosquitto is not installed.

usage: scripts/prove mosquitto [SELECTION]   default phase:3
"""

import sys
import tempfile
import time
from pathlib import Path

import yaml

from dtc_cli import console
from dtc_cli.core.model import Level
from dtc_cli.harness.reference import running
from tests.proofs.other_makers import ALARMS, QUIET, judged
from tests.support.brokers import PROGRAM, free_port, mosquitto

PATIENCE_S = 60.0


def main() -> int:
    """Judge it; print what is not passed."""
    if PROGRAM is None:
        console.out("skipped: mosquitto is not installed")
        return 0
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="dtc-mosquitto-") as name:
        folder = Path(name)
        login = folder / "login"
        login.write_text("twin:a-secret-of-the-twin")
        login.chmod(0o600)
        options = ("--mqtt-broker", f"mqtt://127.0.0.1:{port}", "--mqtt-broker-login", str(login))
        with running(options, Level.SILVER) as written:
            told = yaml.safe_load(written.read_text(encoding="utf-8"))
            place = told["auth"]["api_keys"]["admin"].removeprefix("file:")
            key = Path(place).read_text(encoding="utf-8").strip()
            with mosquitto(folder, key, port=port, others={"twin": "a-secret-of-the-twin"}) as url:
                told["auth"] = {"api_keys": {"admin": f"file:{place}"}}
                told["mqtt"] = {"url": url}
                told.pop("client")
                file = folder / "target.yaml"
                file.write_text(yaml.safe_dump(told), encoding="utf-8")
                await_the_twin(folder / "mosquitto.log")
                found = judged(file, folder / "runs", sys.argv[1] if len(sys.argv) > 1 else "phase:3")
    if "requirements" not in found:
        sys.exit(f"no run: {found['error']}")
    rows = found["requirements"]
    raised = {key: row for key, row in rows.items() if row["outcome"] in ALARMS}
    others = {key: row for key, row in rows.items() if row["outcome"] in QUIET}
    console.out(f"mosquitto: {len(rows)} requirements, {len(raised)} alarms")
    for key, row in {**raised, **others}.items():
        console.out(f"  {key} {row['outcome']}: {row['message']}")
    return 1 if raised else 0


def await_the_twin(log: Path) -> None:
    """Wait until the broker has let the twin in, which tries again after 1, 2, 4 ... s."""
    deadline = time.monotonic() + PATIENCE_S
    while b"u'twin'" not in log.read_bytes():
        if time.monotonic() > deadline:
            sys.exit(f"the twin did not come: {log.read_text(encoding='utf-8')[-2000:]}")
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
