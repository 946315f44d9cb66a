"""The server's own phase 1 rules: on the standard's examples, on its snapshot, and with each fault."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reference_server import instants, validator
from reference_server.faults import phase1
from reference_server.faults.table import FAULTS
from reference_server.rules import record
from reference_server.strictjson import BadJsonError, loads

ROOT = Path(__file__).resolve().parents[3]
ACCEPTANCES = {"DTC-P1-020", "DTC-P1-032", "DTC-P1-043", "DTC-P1-069", "DTC-P1-090", "DTC-P1-091"}


def codes(path: Path, *, fragment: bool = False) -> list[str]:
    return [item["code"] for item in validator.judge_file(path, fragment=fragment, threshold=None)["errors"]]


@pytest.fixture(scope="module")
def snapshot(untouched: Any) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    shown: dict[str, Any] = untouched.get(f"/snapshots/{now}")
    return shown


def test_the_printed_records_get_the_printed_verdicts(examples: Path) -> None:
    phase = examples / "phase1"
    assert codes(phase / "8.1-1.json") == []
    assert codes(phase / "3.1-1.json") == []
    assert codes(phase / "8.3-1.json") == ["ERR_OUT_OF_BOUNDS"]
    assert codes(phase / "8.4-1.json", fragment=True) == ["ERR_FUTURE_TIMESTAMP"]
    assert codes(phase / "8.5-1.json", fragment=True) == ["ERR_INVALID_VALUE"]
    assert codes(phase / "8.6-1.json", fragment=True) == []
    for name in ("4.2-1", "4.3-1", "4.4-1"):
        assert codes(phase / f"{name}.json", fragment=True) == []
    assert codes(phase / "6.2-1.json") == []


def test_every_violation_of_the_printed_bad_record_is_reported(examples: Path) -> None:
    found = codes(examples / "phase1" / "8.2-1.json")
    assert sorted(found) == ["ERR_INVALID_CITY_ID"] + ["ERR_MISSING_FIELD"] * 6


def test_a_fragment_in_full_mode_is_judged_to_the_end(examples: Path) -> None:
    found = codes(examples / "phase1" / "8.5-1.json")
    assert found == ["ERR_MISSING_FIELD"] * 5 + ["ERR_INVALID_VALUE"]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{",
        b"nonsense",
        b"\xff\xfe",
        b'{"a":NaN}',
        b'{"a":1,"a":2}',
        b"[" * 100_000,
        b'"\\ud800"',
    ],
)
def test_text_that_is_no_record_is_one_violation(raw: bytes) -> None:
    assert [item.requirement for item in validator.judge(raw)] == ["DTC-P1-001"]


def test_the_snapshot_is_valid_and_exercises_the_rules(snapshot: dict[str, Any]) -> None:
    assert list(record.judge(snapshot, now_us=instants.now_us())) == []
    readings = [one for node in snapshot["sensorNetwork"]["nodes"] for one in node["measurements"]]
    parameters = {(one["parameter"], one["unit"]) for one in readings}
    assert len(parameters) >= 10
    assert {node["type"] for node in snapshot["sensorNetwork"]["nodes"]} == {
        "EnvironmentalSensor",
        "TrafficSensor",
        "EnergySensor",
        "OccupancySensor",
        "UtilitySensor",
        "WeatherStation",
    }
    assert len({item["type"] for item in snapshot["cityObjects"]}) >= 8
    assert len({item["geometry"]["type"] for item in snapshot["cityObjects"]}) == 7
    assert len({run["type"] for run in snapshot["simulations"] if run["status"] == "completed"}) == 6
    assert snapshot["services"]
    assert snapshot["sensorNetwork"]["aggregations"]


@pytest.mark.parametrize("key", sorted(phase1.BREAKS))
def test_a_broken_snapshot_breaks_exactly_that_requirement(snapshot: dict[str, Any], key: str) -> None:
    found = record.judge(phase1.broken(snapshot, key), now_us=instants.now_us())
    assert {item.requirement for item in found} == {f"DTC-P1-{key[:3]}"}


def test_there_is_a_fault_for_every_must_of_phase_1() -> None:
    ids = {fault.requirement for fault in FAULTS.values() if fault.requirement.startswith("DTC-P1")}
    assert len(ids) == 68
    assert {f"{one}.refused" for one in ids} <= set(FAULTS)
    assert ids <= set(FAULTS)


def run(path: Path, *flags: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "reference_server", "validate", str(path), *flags]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    verdict: dict[str, Any] = json.loads(done.stdout)
    return verdict


# each start of a process costs a third of a second: a few faults end to end, all of them in `test_faults`
@pytest.mark.parametrize("key", ["008", "037", "082"])
def test_a_blind_validator_accepts_what_it_should_refuse(
    snapshot: dict[str, Any], key: str, tmp_path: Path
) -> None:
    path = tmp_path / "record.json"
    path.write_text(json.dumps(phase1.broken(snapshot, key)))
    assert run(path)["valid"] is False
    assert run(path, "--fault", f"DTC-P1-{key}.refused") == {"valid": True, "errors": []}


def test_an_unreadable_file_is_said_so(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "reference_server", "validate", str(tmp_path / "none.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "cannot read" in done.stderr


def test_low_quality_is_reported(snapshot: dict[str, Any]) -> None:
    low = {**snapshot, "metadata": {**snapshot["metadata"], "dataQuality": 0.4}}
    assert [item.code for item in record.judge(low, now_us=instants.now_us())] == ["ERR_QUALITY_LOW"]
    poor = phase1.broken(snapshot, "059")
    poor["sensorNetwork"]["nodes"][0]["measurements"][0].update(quality="fair", confidence=0.7)
    assert list(record.judge(poor, now_us=instants.now_us())) == []
    assert [item.code for item in record.judge(poor, now_us=instants.now_us(), threshold=0.8)] == [
        "ERR_QUALITY_LOW"
    ]


def test_projected_coordinates_are_judged_in_their_own_system() -> None:
    square = [[300000, 3800000], [400000, 3800000], [400000, 3900000], [300000, 3900000], [300000, 3800000]]
    inside = {
        "id": "a",
        "type": "Park",
        "properties": {},
        "geometry": {"type": "Point", "coordinates": [321000, 3852000]},
    }
    city = {
        "version": "1.0.0",
        "cityId": "KR-BUSAN-2025",
        "timestamp": "2025-01-15T10:30:00+09:00",
        "bounds": {"type": "Polygon", "coordinates": [square]},
        "coordinateSystem": {"type": "UTM", "epsg": 32652, "zone": 52},
        "cityObjects": [inside],
    }
    assert list(record.judge(city, now_us=instants.now_us())) == []
    inside["geometry"] = {"type": "Point", "coordinates": [521000, 3852000]}
    assert [item.requirement for item in record.judge(city, now_us=instants.now_us())] == ["DTC-P1-083"]
    city["coordinateSystem"] = {"type": "local", "epsg": 0}
    inside["geometry"] = {"type": "Point", "coordinates": [350000, 3850000.5]}
    assert list(record.judge(city, now_us=instants.now_us())) == []


def test_ids_and_versions_are_matched_over_the_whole_string() -> None:
    for value in ("KR-BUSAN-2025\n", "KR-BUSAN-٢٠٢٥"):
        found = record.judge({"cityId": value}, now_us=0, fragment=True)
        assert [(item.requirement, item.code) for item in found] == [("DTC-P1-009", "ERR_INVALID_CITY_ID")]
    for version in ("1.0", "v1.0.0", 1):
        found = record.judge({"version": version}, now_us=0, fragment=True)
        assert [item.requirement for item in found] == ["DTC-P1-007"]


def test_depth_is_measured_without_recursion() -> None:
    assert loads(b"[" * 64 + b"]" * 64)
    with pytest.raises(BadJsonError, match="nested deeper"):
        loads(b"[" * 65 + b"]" * 65)
