"""Sensors and their readings into a twin: journalled, verified, kept in step and taken back like objects."""

import json
from pathlib import Path
from typing import Any

import pytest

from dtc_cli.migrate import commands, sensing
from dtc_cli.migrate.plan import load
from dtc_cli.migrate.suggest_sensing import parameter_of, type_of, unit_of
from tests.integration.migrate.conftest import Run
from tests.integration.migrate.test_return import dying
from tests.integration.migrate.test_run import api

INVENTORY = """sensor_id,name,type,maker,install_date,active,lon,lat
007,중구 대기,air quality,Aeroqual,2021-03-04,yes,126.97,37.56
008,강남 교통,traffic loop,,2020-01-02,no,127.04,37.5
009,no place,water level,,,,,
"""
READINGS = """sensor_id,timestamp,parameter,value,unit
007,2026-01-01T00:00:00+09:00,temp,12.5,C
007,2026-01-01T00:00:00+09:00,PM2.5,33,ug/m3
007,2026-01-01T01:00:00+09:00,temp,-999,C
008,2026-01-01T01:00:00+09:00,교통량,120,veh/h
007,yesterday,temp,1,C
999,2026-01-01T01:00:00Z,temp,1,C
"""


def planned(folder: Path, dtc: Run, city: str) -> tuple[Path, Path]:
    """Plans for the inventory and for the readings, as the program suggests them."""
    (folder / "inv.csv").write_text(INVENTORY, encoding="utf-8")
    (folder / "data.csv").write_text(READINGS, encoding="utf-8")
    plans = []
    for name in ("inv", "data"):
        plan = folder / f"{name}.yaml"
        code, told = dtc("plan", folder / f"{name}.csv", "--city", city, "--out", plan)
        assert (code, told["decisions"]) == (0, 0)
        plan.write_text(
            plan.read_text(encoding="utf-8").replace("data_quality: rollback", "data_quality: flag")
        )
        plans.append(plan)
    return plans[0], plans[1]


def test_sensors_and_readings_land_and_go(tmp_path: Path, dtc: Run, target: Path) -> None:
    inventory, readings = planned(tmp_path, dtc, "KR-SENS-2025")
    code, summary = dtc("run", inventory, "--target", target)
    assert (code, summary["states"], summary["accounted"]) == (0, {"loaded": 3}, True)
    assert dtc("verify", inventory)[1]["whole"]
    code, summary = dtc("run", readings, "--target", target)
    assert (code, summary["states"]) == (6, {"loaded": 3, "quarantined": 3})
    assert summary["reasons"] == {"bad-time": 1, "no-value": 1, "target: SENSOR_NOT_FOUND": 1}
    gates = {one["name"]: (one["good"], one["judged"]) for one in summary["gates"]}
    assert gates["sensor-accuracy"] == (3, 4)
    assert gates["data-quality"] == (3, 5)  # a gap that the source declares is nobody's failure
    seen = dtc("verify", readings)[1]
    assert (seen["whole"], seen["by_type"]) == (True, {"Reading": {"expected": 3, "found": 3}})
    with api(target, "KR-SENS-2025") as client:
        node = client.get("/sensors/007").json()
        assert (node["type"], node["specifications"]["manufacturer"]) == ("EnvironmentalSensor", "Aeroqual")
        assert node["metadata"]["legacyId"] == "007"
        shown = client.get("/sensors/008/data", params={"start": "2025-12-31T00:00:00Z"}).json()
        assert [(one["parameter"], one["value"], one["unit"]) for one in shown["measurements"]] == [
            ("traffic_volume", 120, "vehicles/hour")
        ]
        # A value is corrected and a row is gone: the one is written, the other stays measured.
        text = READINGS.replace("12.5", "13.5").replace(
            "008,2026-01-01T01:00:00+09:00,교통량,120,veh/h\n", ""
        )
        (tmp_path / "data.csv").write_text(text, encoding="utf-8")
        code, summary = dtc("sync", readings)
        assert (summary["states"]["loaded"], summary["states"]["unchanged"]) == (1, 1)
        assert dtc("verify", readings)[1]["expected"] == 3
        assert [one["id"] for one in dtc("diff", readings)[1]["extra"]] == [
            "sensors/008/data/2025-12-31T16:00:00Z/traffic_volume"
        ]
        # Somebody corrects a sensor: it is theirs now.
        client.patch(
            "/sensors/008",
            json={"status": {"battery": 5}},
            headers={"content-type": "application/merge-patch+json"},
        )
        code, done = dtc("rollback", inventory)
        assert (code, done["deleted"], done["edited"]) == (6, 2, ["sensors/008"])
        code, done = dtc("rollback", readings)
        assert (code, done["deleted"], list(done["failed"])) == (
            6, 0, ["sensors/008/data/2025-12-31T16:00:00Z/traffic_volume"],
        )  # fmt: skip
        assert dtc("rollback", inventory, "--force")[1]["city_removed"]
        assert dtc("rollback", readings)[0] == 0


def test_readings_killed_on_the_way_are_written_once(
    tmp_path: Path, dtc: Run, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inventory, readings = planned(tmp_path, dtc, "KR-SENT-2025")
    with dying(monkeypatch):
        commands.run(inventory, target=target)
    assert dtc("resume", inventory)[1]["states"] == {"loaded": 3}
    with dying(monkeypatch):
        commands.run(readings, target=target)
    assert dtc("resume", readings)[1]["states"] == {"loaded": 3, "quarantined": 3}
    with api(target, "KR-SENT-2025") as client:
        assert client.get("/sensors/007/data", params={"start": "2025-12-31T00:00:00Z"}).json()["count"] == 2
    assert dtc("verify", inventory)[1]["whole"]
    assert dtc("rollback", inventory)[1]["city_removed"]


def test_a_record_holds_sensors_with_their_readings(tmp_path: Path, dtc: Run) -> None:
    inventory, readings = planned(tmp_path, dtc, "KR-SENF-2025")
    both = load(inventory)
    text = inventory.read_text(encoding="utf-8")
    sources = readings.read_text(encoding="utf-8").partition("sources:\n")[2]
    added, _, tables = sources.partition("tables:")
    text = text.replace("tables:", added + "tables:", 1) + tables.partition("\n")[2]
    inventory.write_text(text, encoding="utf-8")
    assert len(load(inventory).sources) == len(both.sources) + 1
    for name in ("city.json", "lines.ndjson", "lines.geojsonl"):
        journal = tmp_path / f"{name}.journal"
        _, summary = dtc("run", inventory, "--to", tmp_path / name, "--journal", journal)
        assert summary["states"] == {"loaded": 7, "quarantined": 2}
        assert dtc("verify", journal)[1]["whole"], name
    nodes = json.loads((tmp_path / "city.json").read_bytes())["sensorNetwork"]["nodes"]
    assert {node["id"]: len(node.get("measurements", ())) for node in nodes} == {
        "007": 2, "008": 1, "009": 0, "999": 1,
    }  # fmt: skip


def test_a_plan_of_sensors_is_checked(tmp_path: Path, dtc: Run) -> None:
    inventory, readings = planned(tmp_path, dtc, "KR-SENP-2025")
    for plan, old, new, words in (
        (inventory, "specifications.name:", "title:", "sensors have no member title"),
        (readings, "          value: value\n", "", "no rule for value"),
        (inventory, "        id: {", "        # id: {", "have no key"),
    ):
        text = plan.read_text(encoding="utf-8")
        assert old in text
        (tmp_path / "x.yaml").write_text(text.replace(old, new), encoding="utf-8")
        code, told = dtc("run", tmp_path / "x.yaml", "--dry-run")
        assert (code, words in json.dumps(told)) == (2, True), told


def test_words_of_loggers() -> None:
    assert [parameter_of(word) for word in ("기온", "RH", "PM2.5")] == ["temperature", "humidity", "PM2.5"]
    assert [unit_of(word) for word in ("°C", "dB(A)", "ug/m3")] == ["celsius", "decibel", "ug/m3"]
    assert [type_of(word) for word in ("수위계", "Weather", "other")] == [
        "UtilitySensor", "WeatherStation", "EnvironmentalSensor",
    ]  # fmt: skip


def test_ids_say_where_a_thing_stands() -> None:
    name = sensing.of_reading("a", "2026-01-01T09:00:00+09:00", "temp/in")
    assert name == "sensors/a/data/2026-01-01T00:00:00Z/temp/in"
    assert (sensing.family(name), sensing.sensor_id(name)) == ("readings", "a")
    assert sensing.instant_of(name) == "2026-01-01T00:00:00Z"
    with pytest.raises(ValueError, match="no zone"):
        sensing.utc("2026-01-01T09:00:00")
    odd: dict[str, Any] = {"parameter": "t", "value": 1, "timestamp": "never"}
    assert sensing.from_reading("a", odd)["id"] == "sensors/a/data/never/t"
