"""A run that was cut off is taken up again: nothing judged twice, the chain whole, the certificate valid."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dtc_cli.core.runfolder import read
from dtc_cli.harness.reference import running
from tests.e2e.conftest import Dtc


@pytest.fixture(scope="module")
def target() -> Iterator[Path]:
    """The bundled twin, for the whole module."""
    with running() as file:
        yield file


@pytest.fixture(scope="module")
def cut_off(target: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a Bronze run that was killed, child and all, after some fifty vectors."""
    out = tmp_path_factory.mktemp("cut-off")
    command = [sys.executable, "-m", "dtc_cli", "certify", str(target), "--seed", "3", "--out", str(out)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            found = list(out.glob("*/matrix.jsonl"))
            if found and found[0].read_bytes().count(b"\n") >= 50:
                process.send_signal(signal.SIGKILL)
                break
    folder = next(out.glob("*/run.json")).parent
    _child_ends(folder)
    return folder


def _child_ends(folder: Path) -> None:
    """The child sees that nobody reads its progress and ends by itself; wait until it has."""
    while not (folder / "end.json").exists():
        signal.sigtimedwait([], 0.05)


def test_the_rest_is_judged_once(dtc: Dtc, target: Path, cut_off: Path, tmp_path: Path) -> None:
    folder = tmp_path / cut_off.name
    shutil.copytree(cut_off, folder)
    before = read(folder)
    judged = {line.vector for line in before.lines if line.justification != "the run was interrupted"}
    assert len(judged) < len(before.vectors)
    done = dtc("certify", target, "--resume", folder, "--json")
    assert done.code == 0, done.out + done.err
    after = read(folder)
    assert after.run["status"] == "complete"
    assert sorted(line.vector for line in after.lines) == sorted(vector.id for vector in after.vectors)
    assert after.run["seed"] == 3
    again = [event for event in after.events() if "resumed" in event]
    assert len(again) == 1
    replayed = dtc("replay", folder, "--json")
    assert (replayed.code, replayed.json["differences"]) == (0, [])
    package = next(tmp_path.glob("*.tar.gz"))
    verified = dtc("verify", package, "--json")
    assert verified.code in (0, 4), verified.out + verified.err  # 4: nobody trusts the key of this test
    replayed = dtc("replay", package, "--json")
    assert (replayed.code, replayed.json["differences"]) == (0, [])
    refused = dtc("certify", target, "--resume", folder, "--json")
    assert refused.json["error"]["code"] == "not-to-be-resumed"


@pytest.mark.parametrize(
    ("file", "old", "new", "code"),
    [
        ("run.json", '"digest": "', '"digest": "0', "not-to-be-resumed"),
        ("run.json", '"city": "', '"city": "X', "not-this-target"),
        ("events.jsonl", '"status":200', '"status":201', "evidence-changed"),
    ],
    ids=["suites", "target", "evidence"],
)
def test_a_changed_run_is_refused(
    dtc: Dtc, target: Path, cut_off: Path, tmp_path: Path, file: str, old: str, new: str, code: str
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(cut_off, folder)
    changed = folder / file
    text = changed.read_text(encoding="utf-8")
    if code == "not-to-be-resumed":
        document = json.loads(text)
        document["suite"]["digest"] = "0" * 64
        changed.write_text(json.dumps(document), encoding="utf-8")
    else:
        assert old in text
        changed.write_text(text.replace(old, new, 1), encoding="utf-8")
    done = dtc("certify", target, "--resume", folder, "--json")
    assert done.json["error"]["code"] == code
    assert done.code == (3 if code == "evidence-changed" else 2)
    assert all(done.json["error"][name] for name in ("what", "where", "why", "try"))


def test_a_run_keeps_its_seed(dtc: Dtc, target: Path, cut_off: Path) -> None:
    done = dtc("certify", target, "--resume", cut_off, "--seed", "4", "--json")
    assert (done.code, done.json["error"]["code"]) == (2, "usage")


def test_another_level_beside_it_is_refused(dtc: Dtc, target: Path, cut_off: Path) -> None:
    done = dtc("certify", target, "--resume", cut_off, "--level", "silver", "--json")
    assert (done.code, done.json["error"]["code"]) == (2, "not-to-be-resumed")
    assert "bronze, not for silver" in done.json["error"]["why"]


def test_a_part_is_taken_up_by_what_began_it(dtc: Dtc, target: Path, tmp_path: Path) -> None:
    """As an interrupted run leaves its folder: some lines, no end."""
    begun = dtc("test", target, "--select", "DTC-P1-00*", "--out", tmp_path, "--json")
    folder = Path(begun.json["run"])
    document = json.loads((folder / "run.json").read_bytes()) | {"status": "interrupted", "events": None}
    (folder / "run.json").write_text(json.dumps(document))
    matrix = folder / "matrix.jsonl"
    lines = matrix.read_bytes().splitlines(keepends=True)
    matrix.write_bytes(b"".join(lines[: len(lines) // 2]))
    refused = dtc("certify", target, "--resume", folder, "--json")
    assert (refused.code, refused.json["error"]["try"]) == (2, f"dtc test TARGET --resume {folder}")
    assert dtc("test", target, "--resume", folder, "--select", "phase:1").code == 2
    done = dtc("test", target, "--resume", folder, "--json")
    assert (done.code, done.json["package"]) == (0, None), done.out + done.err
    after = read(folder)
    assert sorted(line.vector for line in after.lines) == sorted(vector.id for vector in after.vectors)


def test_a_whole_level_is_no_part(dtc: Dtc, target: Path, cut_off: Path) -> None:
    refused = dtc("test", target, "--resume", cut_off, "--json")
    assert (refused.code, refused.json["error"]["try"]) == (2, f"dtc certify TARGET --resume {cut_off}")
