"""What a run creates is taken back, also when the run was killed."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from dtc_cli.core.target import load
from tests.e2e.conftest import Dtc


def objects(target: Path, tag: str) -> list[Any]:
    """The objects in the city that carry the run id."""
    parsed = load(target)
    key = (target.parent / parsed.api_keys["load"].value).read_text().strip()
    url = f"{parsed.base_url}/cities/{parsed.city}/objects"
    answer = httpx.get(url, params={"properties.dtcRun": tag, "limit": 1000}, headers={"X-API-Key": key})
    found: list[Any] = answer.json()["objects"]
    return found


def inventory(target: Path) -> dict[str, int]:
    """How much is in the target. A simulation that has ended is a record that nothing removes (C-46)."""
    parsed = load(target)
    key = (target.parent / parsed.api_keys["admin"].value).read_text().strip()
    with httpx.Client(base_url=str(parsed.base_url), headers={"X-API-Key": key}) as client:
        city = f"cities/{parsed.city}"
        found = {
            name: client.get(f"{city}/{name}").json()["total"] for name in ("objects", "sensors", "imports")
        }
        simulations = client.get(f"{city}/simulations", params={"limit": 1000}).json()["simulations"]
        found["cities"] = client.get("cities").json()["total"]
    return found | {
        "simulations": sum(one["status"] in ("pending", "queued", "running") for one in simulations)
    }


@pytest.fixture
def before(twin: Path) -> dict[str, int]:
    return inventory(twin)


@pytest.fixture
def killed(before: dict[str, int], environment: dict[str, str], twin: Path, tmp_path: Path) -> Path:
    """The folder of a run that was killed while things it had created were in the target."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dtc_cli", "test", str(twin), "--select", "phase:2", "--out", str(tmp_path)],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env=environment,
        start_new_session=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if re.match(r"\s+\d+/\d+ ", line):
            break
    (run,) = tmp_path.iterdir()
    # Both at once: a child that outlives its parent notices, and cleans up by itself.
    for pid in [process.pid, *children_of(run)]:
        os.kill(pid, signal.SIGKILL)
    process.communicate()
    return run


def children_of(run: Path) -> list[int]:
    """The processes that judge into this run folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if f"--dtc-run\0{run}".encode() in entry.read_bytes():
                found.append(int(entry.parent.name))
        except OSError:
            continue  # it ended while we looked
    return found


def test_a_killed_run_is_cleaned_up(dtc: Dtc, twin: Path, before: dict[str, int], killed: Path) -> None:
    run_id = json.loads((killed / "run.json").read_bytes())["runId"]
    created = len(objects(twin, run_id))
    assert created > 0
    # As if it had been killed between the last request and its answer: that one is in no journal.
    journal = killed / "journal.jsonl"
    planned = [line for line in journal.read_bytes().splitlines(True) if b'"planned"' in line]
    lost = next(line for line in reversed(planned) if b'"object ' in line)
    journal.write_bytes(b"".join(line for line in planned if line != lost))
    done = dtc("clean", twin, "--run", killed, "--json")
    assert done.code == 0, done.out + done.err
    assert len(done.json["removed"]) >= created
    assert objects(twin, run_id) == []
    assert inventory(twin) == before
    again = dtc("clean", twin, "--run", run_id, "--out", killed.parent)
    assert again.out == "0 things taken back, 0 left behind\n"


def test_another_target_is_not_touched(dtc: Dtc, twin: Path, killed: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:9", twin.read_text()))
    done = dtc("clean", other, "--run", killed)
    assert done.code == 2
    assert "another target" in done.err


def test_a_run_that_is_none(dtc: Dtc, twin: Path, tmp_path: Path) -> None:
    done = dtc("clean", twin, "--run", "no-such-run", "--out", tmp_path, "--json")
    assert done.code == 2
    assert done.json["error"]["code"] == "not-a-run"


def test_a_run_that_ends_in_order_leaves_nothing(
    dtc: Dtc, twin: Path, before: dict[str, int], tmp_path: Path
) -> None:
    """Nor what was created in a roundabout way: sent as a form, or as the means to see another answer."""
    select = "DTC-P2-013,DTC-P2-025,DTC-P2-098,DTC-P2-002"
    done = dtc("test", twin, "--select", select, "--out", tmp_path, "--json")
    run_id = json.loads((Path(done.json["run"]) / "run.json").read_bytes())["runId"]
    assert objects(twin, run_id) == []
    assert inventory(twin) == before
