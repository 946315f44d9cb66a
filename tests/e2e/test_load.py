"""`dtc load` as a user runs it, against the bundled twin."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dtc_cli.load import result
from tests.e2e.conftest import Dtc, Result

Loaded = tuple[Result, Path]


@pytest.fixture(scope="module")
def target(twin: Path) -> Path:
    """The twin's target file allows every hazard."""
    return twin


def changed(twin: Path, to: Path, **keys: Any) -> Path:
    """A copy of a target file with other values, beside the original, so that its paths hold."""
    kept = yaml.safe_load(twin.read_text(encoding="utf-8"))
    copy = twin.parent / f"{to.name}.yaml"
    copy.write_text(yaml.safe_dump({**kept, **keys}), encoding="utf-8")
    return copy


@pytest.fixture(scope="module")
def loaded(dtc: Dtc, target: Path, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    out = tmp_path_factory.mktemp("loads")
    done = dtc(
        "load", "run", target, "--profile", "dtn", "--rate", "60", "--duration", "3", "--warmup", "1",
        "--out", out, "--json",
    )  # fmt: skip
    return done, out


def test_a_small_load_is_kept_and_never_passes_what_it_was_scaled_down_from(loaded: Loaded) -> None:
    done, out = loaded
    assert done.code in (0, 6), done.err
    kept = done.json
    assert Path(kept["run"]).parent == out
    assert kept["terms"]["scaled"]
    assert {verdict["outcome"] for verdict in kept["verdicts"]} <= {"scaled", "inconclusive"}
    assert kept["outcome"]["errors"] == {}
    assert set(kept["outcome"]["routes"]) == {"keyed", "list", "nearby", "series"}
    assert kept["findings"]["checked"] > 100
    assert kept["findings"]["wrong"] == 0
    assert "answered" in done.err


def test_no_secret_is_kept(loaded: Loaded, target: Path) -> None:
    keys = [path.read_bytes().strip() for path in target.parent.rglob("*.key")]
    assert keys
    for path in loaded[1].rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not any(key in content for key in keys), path


def test_the_page_is_whole(loaded: Loaded) -> None:
    (page,) = loaded[1].rglob("load.html")
    text = page.read_text(encoding="utf-8")
    assert text.count("<svg") == 3
    assert "open loop" in text
    assert "http" not in text.replace("http-equiv", "")


def test_a_report_judges_again_from_the_files(dtc: Dtc, loaded: Loaded, tmp_path: Path) -> None:
    (folder,) = loaded[1].iterdir()
    again = dtc("load", "report", folder, "--json", "--to", tmp_path / "page.html")
    assert again.json == loaded[0].json
    assert (tmp_path / "page.html").read_bytes() == (folder / "load.html").read_bytes()
    assert "answered well" in dtc("load", "report", folder).out


def spoil_sample(folder: Path) -> None:
    file = folder / result.SAMPLES
    rows = [json.loads(line) for line in file.read_bytes().splitlines()]
    rows[0]["body"] = "{}"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def claim_pass(folder: Path) -> None:
    file = folder / result.RESULT
    kept: dict[str, Any] = json.loads(file.read_bytes())
    kept["outcome"]["errors"] = {"status 500": 100}
    kept["outcome"]["health"]["reasons"] = []  # on a busy machine the generator may have been the limit
    for verdict in kept["verdicts"]:
        verdict["outcome"] = "passed"
    file.write_text(json.dumps(kept), encoding="utf-8")


@pytest.mark.parametrize("spoil", [spoil_sample, claim_pass])
def test_a_changed_record_changes_the_verdict(
    dtc: Dtc, loaded: Loaded, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    (folder,) = loaded[1].iterdir()
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in (result.RESULT, result.SAMPLES):
        (copy / name).write_bytes((folder / name).read_bytes())
    spoil(copy)
    assert dtc("load", "report", copy, "--json").code == 1


def test_search_and_steps(dtc: Dtc, target: Path, tmp_path: Path) -> None:
    common = ("--profile", "bim", "--out", tmp_path, "--json")
    found = dtc("load", "search", target, "--rate", "30", "--ceiling", "30", *common)
    assert found.json["tries"][0]["rate"] == 30
    assert found.code == (0 if found.json["highest"] else 1 if found.json["limit"] == "target" else 6)
    steps = dtc("load", "steps", target, "--rate", "20", "--factor", "1", "--factor", "2", *common)
    assert [step["rate"] for step in steps.json["steps"]] == [20, 40]
    drawn = (Path(steps.json["run"]) / "steps.html").read_text(encoding="utf-8")
    assert (drawn.count("<svg"), "knee" in drawn) == (2, steps.json["knee"] is not None)
    assert json.loads((Path(steps.json["run"]) / "steps.json").read_bytes())["knee"] == steps.json["knee"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "--reference"),
        (("{target}", "--reference"), 2, "--reference"),
        (("{gentle}",), 2, "does not allow load"),
        (("missing.yaml",), 2, "there is no target file"),
        (("{target}", "--profile", "none"), 2, "no load profile"),
        (("{target}", "--mix", "none"), 2, "no mix"),
        (("{target}", "--rate", "0"), 2, "--rate"),
        (("{target}", "--rate", "inf"), 2, "--rate"),
        (("{target}", "--rate", "1e9"), 2, "more than"),
        (("{target}", "--scale", "2"), 2, "--scale"),
    ],
)
def test_bad_input(
    dtc: Dtc, target: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    gentle = changed(target, tmp_path, hazards=["read", "write"])
    words = [word.format(gentle=gentle, target=target) for word in arguments]
    done = dtc("load", "run", *words, cwd=tmp_path)
    assert (done.code, said in done.err) == (code, True), done.err
    assert not (tmp_path / "runs").exists()


def test_nothing_listens(dtc: Dtc, target: Path, tmp_path: Path) -> None:
    gone = changed(target, tmp_path, rest={"base_url": "http://127.0.0.1:9/digital-twin-city/v1"})
    done = dtc("load", "run", gone, "--out", tmp_path, "--json")
    assert (done.code, done.json["error"]["code"]) == (7, "target-unreachable")


@pytest.mark.parametrize("name", ["load.json", "samples.jsonl"])
def test_a_damaged_result_is_said(dtc: Dtc, loaded: Loaded, tmp_path: Path, name: str) -> None:
    (folder,) = loaded[1].iterdir()
    for kept in (result.RESULT, result.SAMPLES):
        (tmp_path / kept).write_bytes((folder / kept).read_bytes())
    (tmp_path / name).write_bytes(b'{"a": ')
    done = dtc("load", "report", tmp_path, "--json")
    assert (done.code, done.json["error"]["code"]) == (2, "load-result")


def test_ctrl_c_ends_the_load_and_its_workers(
    target: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "dtc_cli", "load", "run", str(target), "--rate", "20", "--out", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert "offered" in line
        children = worker_ids(process.pid)
        assert children
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in rest
    assert not [child for child in children if os.path.exists(f"/proc/{child}")]


def test_a_key_ends_the_load_and_keeps_what_was_measured(
    target: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    """On a terminal; the key is pressed when the first second was told."""
    primary, secondary = os.openpty()
    # The terminal must be that of the program's own session: only whoever is in front may be asked for keys.
    command = (
        "import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
        "os.execv(sys.executable, [sys.executable, '-m', 'dtc_cli', *sys.argv[1:]])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", command, "load", "run", str(target), "--rate", "20", "--out", str(tmp_path)],
        stdin=secondary,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stderr is not None
        said = process.stderr.readline() + process.stderr.readline()
        assert ("q ends the load" in said, "offered" in said) == (True, True)
        os.write(primary, b"xq")
        out, _ = process.communicate(timeout=60)
    os.close(primary)
    os.close(secondary)
    assert process.returncode in (0, 6), out
    (kept,) = tmp_path.rglob(result.RESULT)
    made = json.loads(kept.read_bytes())
    assert made["outcome"]["stopped"] == "the key q was pressed"
    assert {verdict["outcome"] for verdict in made["verdicts"]} <= {"scaled", "inconclusive"}


def worker_ids(parent: int) -> list[str]:
    """Processes that a process started and that are alive."""
    path = Path(f"/proc/{parent}/task/{parent}/children")
    return path.read_text(encoding="ascii").split() if path.exists() else []
