"""A recorded run judges itself again; one vector is asked again of a live target."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dtc_cli.core.canonical import canonical_json, sha256_hex
from dtc_cli.core.chain import SpanDigest, genesis, link
from dtc_cli.harness.reference import running
from tests.e2e.conftest import Dtc

SELECT = "DTC-P1-00*,DTC-P2-022,DTC-P2-055,DTC-P2-073,DTC-P2-089"
VECTOR = "DTC-P2-022/unknown-object.dtc-no-such-id-get"
NO_SOCKETS = """
import socket
def refuse(*arguments, **options):
    raise RuntimeError("a socket was opened")
socket.socket.connect = socket.socket.connect_ex = socket.socket.bind = refuse
socket.create_connection = socket.getaddrinfo = refuse
"""


def run_of(out: Path) -> Path:
    (run,) = out.iterdir()
    return run


@pytest.fixture(scope="module")
def clean(dtc: Dtc, twin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run against the clean twin."""
    out = tmp_path_factory.mktemp("clean")
    done = dtc("test", twin, "--select", SELECT, "--out", out, "--seed", "5")
    assert done.code == 0, done.out + done.err
    return run_of(out)


@pytest.fixture(scope="module")
def spoilt(dtc: Dtc, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run against a twin that breaks DTC-P2-022."""
    out = tmp_path_factory.mktemp("spoilt")
    with running(("--fault", "DTC-P2-022")) as target:
        done = dtc("test", target, "--select", "DTC-P2-022", "--out", out, "--seed", "5")
    assert done.code == 1, done.out + done.err
    return run_of(out)


@pytest.fixture
def copy(clean: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(clean, tmp_path / clean.name))


@pytest.fixture
def no_sockets(tmp_path: Path) -> dict[str, str]:
    """An environment in which no Python process can use the network."""
    folder = tmp_path / "no-sockets"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(NO_SOCKETS)
    return {"PYTHONPATH": str(folder)}


def lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "matrix.jsonl").read_bytes().splitlines()]


def write_lines(run: Path, changed: list[dict[str, Any]]) -> None:
    (run / "matrix.jsonl").write_bytes(b"".join(canonical_json(line) + b"\n" for line in changed))


def record_otherwise(run: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change events as if the run had recorded them so: chain and matrix follow."""
    document = json.loads((run / "run.json").read_bytes())
    standard, profile = document["standard"], document["profile"]
    head = genesis(document["nonce"], document["runId"], standard["catalogueDigest"], profile["digest"])
    spans: dict[str | None, SpanDigest] = {}
    written = []
    for line in (run / "events.jsonl").read_bytes().splitlines():
        event = json.loads(line) | {"prev": head}
        change(event)
        spans.setdefault(event["vector"], SpanDigest()).add(event)
        written.append(canonical_json(event))
        head = link(written[-1])
    (run / "events.jsonl").write_bytes(b"".join(line + b"\n" for line in written))
    document["events"]["head"] = head
    (run / "run.json").write_text(json.dumps(document))
    rows = lines(run)
    for row in rows:
        span = spans.get(row["vector"], SpanDigest())
        row |= {"requestDigest": span.requests, "responseDigest": span.answers}
    write_lines(run, rows)


def test_without_a_network_all_verdicts_are_the_same(
    dtc: Dtc, twin: Path, clean: Path, no_sockets: dict[str, str]
) -> None:
    assert dtc("doctor", twin, **no_sockets).code != 0
    done = dtc("replay", clean, "--json", **no_sockets)
    assert done.code == 0, done.out + done.err
    assert done.json["judged"] == len(lines(clean)) > 50
    assert done.json["differences"] == []
    assert dtc("replay", clean).out.startswith(f"{len(lines(clean))} of {len(lines(clean))} verdicts are")


def test_failures_fail_again(dtc: Dtc, spoilt: Path, no_sockets: dict[str, str]) -> None:
    assert "failed" in {line["outcome"] for line in lines(spoilt)}
    done = dtc("replay", spoilt, "--json", **no_sockets)
    assert (done.code, done.json["differences"]) == (0, [])


def test_the_run_folder_is_left_as_it_is(dtc: Dtc, copy: Path) -> None:
    def state() -> dict[Path, str]:
        return {file: sha256_hex(file.read_bytes()) for file in copy.rglob("*") if file.is_file()}

    before = state()
    assert dtc("replay", copy).code == 0
    assert state() == before


def test_no_secret_is_needed_and_none_is_kept(clean: Path, twin: Path) -> None:
    noted = json.loads((clean / "events.jsonl").read_bytes().splitlines()[0])
    assert noted["kind"] == "note"
    keys = [file.read_text().strip() for file in twin.parent.iterdir() if file.suffix != ".yaml"]
    text = json.dumps(noted)
    assert [key for key in keys if len(key) > 8 and key in text] == []


def test_another_verdict_is_shown(dtc: Dtc, copy: Path) -> None:
    rows = lines(copy)
    rows[0]["outcome"] = "failed"
    write_lines(copy, rows)
    done = dtc("replay", copy)
    assert done.code == 1
    assert rows[0]["vector"] in done.out
    assert f"{len(rows) - 1} of {len(rows)} verdicts are the same" in done.out


def test_a_suite_that_asks_something_else_is_named(dtc: Dtc, copy: Path) -> None:
    def other_address(event: dict[str, Any]) -> None:
        if event["vector"] == VECTOR and event["kind"] == "http":
            event["url"] += "-of-old"

    record_otherwise(copy, other_address)
    done = dtc("replay", copy, "--json")
    assert done.code == 6, done.out + done.err
    (changed,) = done.json["differences"]
    assert (changed["vector"], changed["replayed"], done.json["changed"]) == (VECTOR, "CHANGED", 1)
    assert "-of-old" in changed["why"]


def test_an_answer_decides_the_verdict(dtc: Dtc, copy: Path) -> None:
    def served(event: dict[str, Any]) -> None:
        if event["vector"] == VECTOR and event["kind"] == "http":
            event["status"] = 200

    record_otherwise(copy, served)
    done = dtc("replay", copy, "--json")
    assert done.code == 1
    assert [(row["vector"], row["replayed"]) for row in done.json["differences"]] == [(VECTOR, "failed")]


def test_changed_evidence_is_refused(dtc: Dtc, copy: Path) -> None:
    events = copy / "events.jsonl"
    events.write_bytes(events.read_bytes().replace(b'"status":404', b'"status":200', 1))
    done = dtc("replay", copy, "--json")
    assert (done.code, done.json["error"]["code"]) == (3, "evidence-changed")


def judged_body(run: Path) -> Path:
    """The body of an answer that belongs to a vector: others are of the clean-up, which nobody judges."""
    events = [json.loads(line) for line in (run / "events.jsonl").read_bytes().splitlines()]
    digest: str = next(e["respDigest"] for e in events if e.get("vector") and e.get("respDigest"))
    return run / "bodies" / digest


def test_a_changed_body_is_refused(dtc: Dtc, copy: Path) -> None:
    body = judged_body(copy)
    body.write_bytes(body.read_bytes() + b" ")
    assert dtc("replay", copy).code == 3


def test_a_missing_body_is_incomplete(dtc: Dtc, copy: Path) -> None:
    judged_body(copy).unlink()
    done = dtc("replay", copy, "--json")
    assert (done.code, done.json["error"]["code"]) == (6, "evidence-missing")


def test_a_run_that_was_cut_off_is_judged_as_far_as_it_goes(dtc: Dtc, copy: Path) -> None:
    rows = lines(copy)
    write_lines(copy, rows[:20])
    document = json.loads((copy / "run.json").read_bytes()) | {"status": "interrupted", "events": None}
    (copy / "run.json").write_text(json.dumps(document))
    done = dtc("replay", copy, "--json")
    assert (done.code, done.json["judged"], done.json["differences"]) == (6, 20, [])


def test_no_command_of_the_target_file_is_run(dtc: Dtc, twin: Path, tmp_path: Path) -> None:
    """Whoever made the run folder: a replay starts no process that it names."""
    mark = tmp_path / "the-command-ran"
    document = yaml.safe_load(twin.read_text())
    document["provoke"] = {"slow_simulation": {"command": f"touch {mark}"}}
    target = twin.parent / "with-command.yaml"
    target.write_text(yaml.safe_dump(document))
    dtc("test", target, "--select", "DTC-P2-071", "--out", tmp_path / "runs")
    mark.unlink()
    done = dtc("replay", run_of(tmp_path / "runs"), "--json")
    assert not mark.exists()
    assert done.code == 6, done.out + done.err
    assert "a command of the target file" in done.json["differences"][0]["why"]
    assert str(mark).encode() not in (run_of(tmp_path / "runs") / "events.jsonl").read_bytes()


def test_what_is_no_run_is_a_usage_error(dtc: Dtc, clean: Path, twin: Path, tmp_path: Path) -> None:
    assert dtc("replay", tmp_path).code == 2
    assert dtc("replay", clean, VECTOR).code == 2
    assert dtc("replay", clean, "--live", twin).code == 2
    assert dtc("replay", clean, "DTC-P2-022/no-such-vector", "--live", twin).code == 2


def test_a_vector_that_fails_no_more_is_fixed(dtc: Dtc, spoilt: Path, twin: Path, tmp_path: Path) -> None:
    done = dtc("replay", spoilt, failing(spoilt), "--live", twin, "--out", tmp_path)
    assert done.code == 0, done.out + done.err
    assert done.out.startswith(f"FIXED  {failing(spoilt)}\n")


def test_a_vector_that_still_passes(dtc: Dtc, clean: Path, twin: Path, tmp_path: Path) -> None:
    done = dtc("replay", clean, VECTOR, "--live", twin, "--out", tmp_path, "--json")
    assert (done.code, done.json["result"]) == (0, "STILL PASSING")


def test_a_vector_on_a_twin_that_broke(dtc: Dtc, clean: Path, spoilt: Path, tmp_path: Path) -> None:
    vector = failing(spoilt)
    otherwise = Path(shutil.copytree(spoilt, tmp_path / "otherwise"))
    rows = lines(otherwise)
    for row in rows:
        if row["vector"] == vector:
            row["finding"]["message"] = "it fell over"
    write_lines(otherwise, rows)
    said = {}
    with running(("--fault", "DTC-P2-022")) as target:
        for name, run in (("clean", clean), ("spoilt", spoilt), ("otherwise", otherwise)):
            done = dtc("replay", run, vector, "--live", target, "--out", tmp_path / name, "--json")
            said[name] = (done.code, done.json["result"])
    assert said == {"clean": (1, "NOW FAILING"), "spoilt": (1, "STILL FAILING"), "otherwise": (1, "CHANGED")}


def failing(run: Path) -> str:
    return str(next(line["vector"] for line in lines(run) if line["outcome"] == "failed"))
