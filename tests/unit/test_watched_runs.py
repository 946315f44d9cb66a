"""Simulations that end before anybody looks are looked at from the start of another one."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dtc_cli.harness.suite import Answer, Twin
from suites.phase2 import support_live_runs as runs


def test_a_short_run_is_looked_at_from_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    told = iter([("running", 60), ("running", 20), ("completed", 100), ("completed", 100)])

    def polled(_path: str) -> Any:
        state, progress = next(told)
        return SimpleNamespace(ok=True, is_json=True, json=lambda: {"status": state, "progress": progress})

    accepted = SimpleNamespace(ok=True, is_json=True, json=lambda: {"id": "sim-1"})
    run = runs.Run("TrafficFlow", {}, cast(Answer, accepted))
    monkeypatch.setattr(runs, "started", lambda *_: run)
    clock = SimpleNamespace(now=lambda: datetime(2026, 1, 1, tzinfo=UTC), wait=lambda _seconds: None)
    twin = cast(Twin, SimpleNamespace(clock=clock, rest=SimpleNamespace(get=polled)))
    assert runs.closely_watched(twin) == [run]
    assert run.states == ["running", "running", "completed", "completed"]
