"""The readings that a run sends by stream and broker."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

import pytest

from dtc_cli.harness.suite import Twin
from suites.phase3.support import readings


def test_however_many_a_run_needs_they_stay_in_the_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "_COUNT", {"run": 5_000})
    clock = SimpleNamespace(now=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    twin = cast(Twin, SimpleNamespace(run_id="run", clock=clock))
    values = [readings.measurement(twin)["value"] for _ in range(2_000)]
    assert len(set(values)) == len(values)
    assert all(-40 <= value <= 60 for value in values)  # P1 5.2
