"""The way back after an accident: what was sent and never answered, and what stood there before."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from dtc_cli.migrate import commands
from dtc_cli.migrate.journal import Journal
from tests.integration.migrate import made
from tests.integration.migrate.conftest import Run
from tests.integration.migrate.test_run import api

ID = "KR-BACK-2025"
CITY = {"id": ID, "bounds": [126.0, 36.0, 129.0, 39.0]}


@contextmanager
def dying(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The process ends after the target has answered and before the journal hears of it."""

    def gone(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("killed here")

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "settle", gone)
        with pytest.raises(ZeroDivisionError):
            yield


def objects(client: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/objects", params={"limit": 1000}).json()["objects"]
    for one in found:
        one["metadata"].pop("lastUpdated", None)
        one.pop("revision", None)
    return sorted(found, key=lambda one: str(one["id"]))


def test_what_was_sent_and_never_answered_is_taken_back(
    tmp_path: Path, dtc: Run, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_key = {"id": {"key": "UFID", "scheme": "arcgis"}}
    plan = made.plan(made.buildings(tmp_path / "b.gpkg", 20), layer=by_key, city=CITY)
    with dying(monkeypatch):
        commands.run(plan, target=target)
    with api(target, ID) as client:
        assert len(objects(client)) == 20
        assert dtc("rollback", plan)[1]["deleted"] == 20
        assert client.get(str(client.base_url).rstrip("/")).status_code == 404
    # After the way back the journal can go on, and doubles nothing.
    code, summary = dtc("resume", plan)
    assert (code, summary["accounted"], sum(summary["states"].values())) == (0, True, 20)
    assert dtc("verify", plan)[1]["whole"]
    with dying(monkeypatch):
        commands.run(_other(tmp_path, plan), target=target)
    with api(target, ID) as client:
        changed = objects(client)
        assert {one["properties"]["height"] for one in changed} == {50}
        taken = dtc("rollback", tmp_path / "c.yaml")[1]
        assert (taken["restored"], taken["deleted"]) == (20, 0)
        assert {one["properties"]["height"] for one in objects(client)} != {50}
    assert dtc("verify", plan)[1]["whole"]
    assert dtc("rollback", plan)[1]["whole"]


def _other(folder: Path, plan: Path) -> Path:
    """A second migration of the same records, with other heights."""
    import numpy as np

    source = made.buildings(folder / "c.gpkg", 20, HEIGHT=np.array([50.0] * 20))
    text = plan.read_text(encoding="utf-8").replace("path: b.gpkg", "path: c.gpkg")
    other = source.with_suffix(".yaml")
    other.write_text(text.replace("name: b\n", "name: c\n") + "on_existing: update\n", encoding="utf-8")
    return other


def test_readings_below_the_gate_ask_for_recalibration(tmp_path: Path, dtc: Run) -> None:
    rows = "".join(
        f"s{n},127.0,37.5,{'' if n == 0 else 20 + n % 5},2025-01-{1 + n % 28:02d}T00:00:00Z,{20 + n % 5}\n"
        for n in range(40)
    )
    rows += "late,127,37.5,20,2999-01-01T00:00:00Z,20\noff,127,37.5,29,2025-01-01T00:00:00Z,20\n"
    rows += (
        "never,127,37.5,20,,20\nwild,127,37.5,999,2025-01-01T00:00:00Z,20\nalone,127,37.5,20,2025-01-01,\n"
    )
    source = tmp_path / "t.csv"
    source.write_text("id,lon,lat,temp,at,ref\n" + rows)
    rules = {
        "value": {"from": "temp", "as": "number", "min": -40, "max": 60},
        "at": {"from": "at", "as": "instant"},
        "reference": {"from": "ref", "as": "number"},
        "tolerance": 2,
    }
    layer = {"id": {"key": "id"}, "properties": {"name": "id"}, "type": "Utility", "sensor": rules}
    plan = made.plan(source, layer=layer)
    code, summary = dtc("run", plan, "--to", tmp_path / "o.ndjson")
    assert code == 6
    gate = next(one for one in summary["gates"] if one["name"] == "sensor-accuracy")
    assert (gate["good"], gate["judged"], gate["holds"], gate["action"]) == (39, 45, False, "recalibrate")
    assert gate["bound"] < gate["value"]
    for wrong in ({"value": "temp", "unit": "K"}, {"at": "at"}, {"value": "temp", "reference": "ref"}):
        bad = made.plan(source, layer={**layer, "sensor": wrong})
        code, answer = dtc("run", bad, "--dry-run")
        assert (code, answer["error"]["code"]) == (2, "migration-plan")


def test_an_empty_source_deletes_nothing(tmp_path: Path, dtc: Run, target: Path) -> None:
    source = made.buildings(tmp_path / "b.gpkg", 5)
    plan = made.plan(source, city={**CITY, "id": "KR-EMPTY-2025"})
    assert dtc("run", plan, "--target", target)[0] == 0
    made.change(source, "DELETE FROM b")
    code, answer = dtc("sync", plan)
    assert code == 2
    assert "seem to have vanished" in answer["error"]["why"]
    assert dtc("rollback", plan)[1]["deleted"] == 5
