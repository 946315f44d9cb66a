"""Each fault of the stream shows in a conversation, which is the same each time without one (D-33)."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from reference_server.faults.phase3_stream import faults
from reference_server.faults.table import FAULTS

ROOT = Path(__file__).resolve().parents[3]


def test_every_fault_changes_what_is_said() -> None:
    names = [one.id for one in faults()]
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.stream_transcript", *names],
        cwd=ROOT,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown.pop("") is True, "two conversations without a fault differ"
    assert set(shown) == set(names)
    assert [name for name, differs in shown.items() if not differs] == []


def test_every_must_of_phase_3_has_a_fault() -> None:
    catalogue: list[dict[str, Any]] = yaml.safe_load(
        (ROOT / "dtc_cli" / "spec" / "requirements" / "phase3.yaml").read_text()
    )
    musts = {one["id"] for one in catalogue if one["strength"] == "must"}
    assert musts - {one.requirement for one in FAULTS.values()} == set()


@pytest.mark.parametrize("fault", ["DTC-P3-028.none", "DTC-P2-104"])
def test_a_started_twin_takes_a_fault(start: Any, fault: str) -> None:
    from tests.integration.test_twin.test_stream import TOPIC, body, stream

    twin = start("--fault", fault)
    assert twin.settings["client"]["command"][-2:] == ["--fault", fault]
    with stream(twin) as client:
        client.subscribe(TOPIC, qos=0)
        client.say("PUBLISH", body(9.5), topic=TOPIC, qos=1)
        heard = client.hear("PUBLISH")
        assert heard["event"] == ("sensor.data" if fault == "DTC-P2-104" else "sensor:data")
        if fault == "DTC-P3-028.none":
            assert client.quiet() == []
        else:
            client.hear("PUBACK")
