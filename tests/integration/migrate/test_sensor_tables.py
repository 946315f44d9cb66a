"""Sensor inventories and measurements: long and wide tables, zones, gaps, and rows that are wrong."""

from pathlib import Path
from typing import Any

import pytest

from dtc_cli.errors import DtcError
from dtc_cli.migrate.quarantine import _harmless
from dtc_cli.migrate.sources.open import open_source
from tests.integration.migrate.reading import read


def table(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_an_inventory_is_keyed_by_sensor(tmp_path: Path) -> None:
    path = table(
        tmp_path / "a.csv", "station_id,name,lon,lat", "007,중구,126.97,37.56", "008,강남,127.04,37.5"
    )
    facts, rows = read(path, format="sensors")
    assert (facts.key, facts.scheme, facts.role, facts.crs) == (
        "station_id",
        "sensor",
        "sensors",
        "EPSG:4326",
    )
    assert [row["station_id"] for row in rows] == ["007", "008"]
    assert rows[1]["*"].coords[0] == (127.04, 37.5)


def test_long_readings(tmp_path: Path) -> None:
    path = table(
        tmp_path / "a.csv", "sensor_id,timestamp,parameter,value,unit",
        "007,2026-01-01T00:00:00+09:00,pm25,12.5,ug/m3", "007,2026-01-01T01:00:00+09:00,pm25,-999,ug/m3",
        "007,yesterday,pm25,1,ug/m3", "007,2026-01-01T02:00:00Z,pm25,abc,ug/m3",
        ",2026-01-01T02:00:00Z,pm25,1,",
    )  # fmt: skip
    facts, rows = read(path, format="measurements")
    assert (facts.count, facts.key, facts.role, facts.blockers) == (5, "reading_id", "measurements", ())
    first = rows[0]
    assert first["reading_id"] == "007|pm25|2026-01-01T00:00:00+09:00"
    assert (first["sensor_id"], first["value"], first["unit"]) == ("007", 12.5, "ug/m3")
    assert (rows[1]["value"], rows[1]["value_raw"], rows[1]["!"]) == (None, "-999", None)
    assert [row["!"] and row["!"][0] for row in rows[2:]] == ["bad-time", "bad-value", "missing-key"]
    assert rows[3]["value_raw"] == "abc"


def test_wide_readings_need_their_zone(tmp_path: Path) -> None:
    path = table(
        tmp_path / "a.csv", "측정소코드;측정일시;PM2.5 (ug/m3);기온 [C];lon;lat",
        "111;2026010101;12,5;-3;126.9;37.5", "111;2026010102;13;n/a;126.9;37.5",
    )  # fmt: skip
    how: dict[str, Any] = {"pattern": "%Y%m%d%H"}
    facts, rows = read(path, format="measurements", options=how)
    assert "no zone" in facts.blockers[0]
    facts, rows = read(path, format="measurements", options={**how, "zone": "Asia/Seoul"})
    assert facts.blockers == ()
    wanted = {("PM2.5", "ug/m3", 12.5), ("기온", "C", -3), ("PM2.5", "ug/m3", 13), ("기온", "C", None)}
    assert {(row["parameter"], row["unit"], row["value"]) for row in rows} <= wanted
    assert rows[0]["at"] == "2026-01-01T01:00:00+09:00"
    assert rows[0]["*"].coords[0] == (126.9, 37.5)
    _, rows = read(
        path, format="measurements", options={**how, "zone": "+09:00", "parameters": ["PM2.5 (ug/m3)"]}
    )
    assert [row["value"] for row in rows] == [12.5, 13]


def test_columns_that_are_not_there_are_named(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "sensor,when,word", "a,2026-01-01T00:00:00Z,x")
    for options, words in (
        ({}, "hold the time"),
        ({"time": "when"}, "no column holds values"),
        ({"time": "when", "value": "number"}, "no column number"),
        ({"time": "when", "value": "word", "id": "key"}, "no column key"),
    ):
        with pytest.raises(DtcError, match=words):
            open_source(str(path), format="measurements", options=options)
    epoch = table(tmp_path / "b.csv", "sensor,time,value", "a,1767225600000,5")
    facts, (row,) = read(
        epoch, format="measurements", options={"pattern": "epoch-ms", "parameter": "noise", "unit": "dB"}
    )
    assert (row["at"], row["parameter"], row["unit"], facts.blockers) == (
        "2026-01-01T00:00:00Z",
        "noise",
        "dB",
        (),
    )


def test_formulas_are_marked_as_text() -> None:
    assert [_harmless(one) for one in ("=1+1", "@x", "-2", "a=b", "")] == ["'=1+1", "'@x", "'-2", "a=b", ""]
