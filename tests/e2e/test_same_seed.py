"""Two runs with one seed ask the same (D-22): of fresh twins, per vector, in the same order."""

import json
import re
import urllib.parse
from pathlib import Path
from typing import Any

import pytest

from dtc_cli.core.runfolder import RunFolder, read
from dtc_cli.harness.reference import running
from tests.e2e.conftest import Dtc
from tests.e2e.test_clean import inventory

SELECT = "DTC-P1-00*,DTC-P2-01*,DTC-P2-02*,DTC-P2-03*,DTC-P2-04*,DTC-P2-05*,DTC-P2-07*"
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:[Zz]|[+-]\d\d:?\d\d)?")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@pytest.fixture(scope="module")
def runs(dtc: Dtc, tmp_path_factory: pytest.TempPathFactory) -> list[RunFolder]:
    """Two runs with seed 11, each against a twin of its own."""
    folders = []
    for name in ("first", "second"):
        out = tmp_path_factory.mktemp(name)
        with running() as target:
            before = inventory(target)
            done = dtc("test", target, "--select", SELECT, "--seed", "11", "--out", out)
            assert inventory(target) == before
        assert done.code == 0, done.out + done.err
        folders.append(read(next(out.iterdir())))
    return folders


def test_the_same_requests_in_the_same_order(runs: list[RunFolder]) -> None:
    first, second = map(requests, runs)
    assert len(first) > 300
    assert {
        vector: (asked, second.get(vector)) for vector, asked in first.items() if asked != second.get(vector)
    } == {}
    assert first.keys() == second.keys()


def test_the_same_verdicts(runs: list[RunFolder]) -> None:
    first, second = ({line.vector: line.outcome for line in run.lines} for run in runs)
    assert first == second


def test_another_seed_asks_something_else(dtc: Dtc, runs: list[RunFolder], tmp_path: Path) -> None:
    with running() as target:
        dtc("test", target, "--select", "DTC-P2-013", "--seed", "12", "--out", tmp_path)
    other = requests(read(next(tmp_path.iterdir())))
    assert other != {vector: asked for vector, asked in requests(runs[0]).items() if vector in other}


def requests(run: RunFolder) -> dict[str, list[str]]:
    """What each vector sent, without what may differ; a request that is repeated until it is answered
    otherwise (a poll) counts once, for how often is a matter of time."""
    events = [
        event
        for event in run.events()
        if event["vector"] is not None and event["kind"] not in ("clock", "draw")
    ]
    assigned = {name for event in events if (name := assigned_id(run, event))}
    names = sorted([run.run["runId"], run.run["runId"][-12:], *assigned], key=len, reverse=True)
    known = re.compile("|".join(map(re.escape, names)), re.IGNORECASE)
    base = run.run["target"]["baseUrl"].partition("/digital")[0]
    asked: dict[str, list[str]] = {}
    for event in events:
        body = (run.body(event.get("reqDigest")) or b"").decode("utf-8", "backslashreplace")
        url = urllib.parse.unquote(event.get("url") or "") if event["kind"] == "http" else ""
        text = f"{event['method']} {url.removeprefix(base)} {event.get('credential')} {body}"
        text = _INSTANT.sub("<instant>", _UUID.sub("<id>", known.sub("<id>", text)))
        sent = asked.setdefault(event["vector"], [])
        if not sent or sent[-1] != text:
            sent.append(text)
    return asked


def assigned_id(run: RunFolder, event: dict[str, Any]) -> str | None:
    """The id that the answer to a POST assigned."""
    if event["method"] != "POST" or not event["status"] or event["status"] >= 300:
        return None
    try:
        body = json.loads(run.body(event["respDigest"]) or b"null")
    except ValueError:
        return None
    found = body.get("id") if isinstance(body, dict) else None
    return found if isinstance(found, str) and found else None
