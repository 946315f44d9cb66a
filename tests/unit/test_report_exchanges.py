"""Exchanges in the report: excerpts, counts, and no secret whatever was recorded."""

from pathlib import Path

import msgspec
import pytest

from dtc_cli.core.canonical import sha256_hex
from dtc_cli.core.model import Outcome
from dtc_cli.core.report import build
from dtc_cli.core.report import exchanges as showing
from tests.support import report_runs as runs
from tests.support.report_runs import case, http, line, requirement, vector


@pytest.fixture
def ordinary(tmp_path: Path) -> Path:
    return runs.ordinary(tmp_path / "run")


def test_events_without_a_name_belong_to_the_case_around_them(tmp_path: Path) -> None:
    run = runs.make(
        tmp_path / "run",
        requirements=[requirement("R")],
        vectors=[vector("R/a"), vector("R/b")],
        lines=[line("R/a", events=(1, 2)), line("R/b", events=(4, 5))],
        events=[http(0, None), http(1, "R/a"), http(2, None), http(3, None), http(4, None), http(5, "R/b")],
    )
    report = build(run)
    assert [e.event for e in case(report, "R/a").exchanges] == [1, 2]
    assert [e.event for e in case(report, "R/b").exchanges] == [4, 5]


def test_long_and_binary_bodies_are_excerpted(tmp_path: Path) -> None:
    long = ("x" * 10_000).encode()
    run = runs.make(
        tmp_path / "run",
        requirements=[requirement("R")],
        vectors=[vector("R/a"), vector("R/b")],
        lines=[line("R/a", Outcome.FAILED), line("R/b")],
        events=[
            http(0, "R/a", received=long, sent=b"\xff\x00\x01"),
            http(1, "R/b", received=long, sent=b"a\x00b", method="PUT"),
        ],
    )
    report = build(run)
    failed, passed = case(report, "R/a").exchanges[0], case(report, "R/b").exchanges[0]
    assert failed.response is not None
    assert failed.request is not None
    assert passed.response is not None
    assert (failed.response.shown, len(failed.response.text)) == ("excerpt", showing.EXCERPT_OTHER)
    assert (failed.response.size, failed.response.media) == (10_000, "application/json")
    assert (failed.request.shown, failed.request.text) == ("binary", "ff 00 01")
    assert len(passed.response.text) == showing.EXCERPT_PASSED
    # What a shell word cannot hold is taken from the file.
    assert f"--data-binary @bodies/{sha256_hex(b'a' + bytes(1) + b'b')}" in passed.command


def test_a_large_run_counts_the_exchanges_of_passed_tests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(showing, "LARGE_RUN", 1)
    monkeypatch.setattr(showing, "TEXT_BUDGET", 30)
    run = runs.make(
        tmp_path / "run",
        requirements=[requirement("R")],
        vectors=[vector("R/a"), vector("R/b")],
        lines=[line("R/a"), line("R/b", Outcome.FAILED)],
        events=[http(0, "R/a"), http(1, "R/a"), http(2, "R/b", received=b"y" * 100)],
    )
    report = build(run)
    assert (case(report, "R/a").exchanges, case(report, "R/a").omitted) == ((), 2)
    body = case(report, "R/b").exchanges[0].response
    assert body is not None
    assert (body.shown, body.text, body.size) == ("left out", "", 100)


def test_secret_headers_never_show_a_value_whatever_was_recorded(tmp_path: Path) -> None:
    headers = {
        "X-API-Key": "canary-1",
        "Authorization": "Bearer canary-2",
        "Cookie": "a=canary-3; b=[redacted:admin]",
        "Proxy-Authorization": "canary-4",
        "accept": "text/html",
    }
    run = runs.make(
        tmp_path / "run",
        requirements=[requirement("R")],
        vectors=[vector("R/a")],
        lines=[line("R/a")],
        events=[
            http(0, "R/a", reqHeaders=headers, respHeaders={"Set-Cookie": "canary-5"}, credential="device")
        ],
    )
    report = build(run)
    assert b"canary" not in msgspec.json.encode(report)
    exchange = case(report, "R/a").exchanges[0]
    assert exchange.request_headers["Authorization"] == "Bearer [redacted:device]"
    assert '"Authorization: Bearer $TWIN_DEVICE_KEY"' in exchange.command
