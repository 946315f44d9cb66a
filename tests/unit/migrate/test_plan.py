"""Plans: what is refused, with the line, and what is understood."""

from pathlib import Path

import pytest

from dtc_cli.errors import DtcError
from dtc_cli.migrate import plan, plan_writer

GOOD = """\
migration: 1
name: test
city: {id: KR-SEOUL-2025, bounds: [126, 37, 128, 38]}
phases: {pilot: {limit: 10}, incremental: }
sources:
  - name: s
    path: data/x.gpkg
    layers:
      - {name: a, type: Building, geometry: {point: [127, 37]}}
      - {name: b, skip: not needed}
"""


def read(text: str) -> plan.Plan:
    return plan.parse(text, source="plan.yaml", folder=Path("/base"))


def test_a_plan_is_read_with_the_numbers_of_the_standard() -> None:
    made = read(GOOD)
    assert made.batch == 100
    assert made.thresholds.geometry_integrity == 0.99
    assert made.thresholds.sensor_accuracy == 0.95
    assert made.gates["data_quality"] == "rollback"
    assert made.bounds == (126.0, 37.0, 128.0, 38.0)
    assert made.sources[0].path == "/base/data/x.gpkg"
    assert made.phases["pilot"].limit == 10
    assert made.phases["incremental"].limit == 50_000
    assert made.layer("s", "b")[1].skip == "not needed"
    with pytest.raises(DtcError, match="no layer s/c"):
        made.layer("s", "c")


@pytest.mark.parametrize(
    ("change", "line", "words"),
    [
        (("name: test", "nmae: test"), 2, "unknown key nmae"),
        (("migration: 1", "migration: 2"), 1, "not valid"),
        (("KR-SEOUL-2025", "seoul"), 3, "not valid"),
        (("type: Building", "typ: Building"), 9, "unknown key typ"),
        (("type: Building", "type: {from: a, table: gone}"), 9, "no code table gone"),
        (("type: Building", "properties: {x: {from: a, table: gone}}"), 9, "no code table gone"),
        (("name: test", "name: test\nname: twice"), 3, "given twice"),
        (("name: test", "name: &a test"), None, None),
        (("name: test", "name: *a"), 2, "YAML alias"),
        (("name: test", "name: [\n"), None, "not YAML"),
        (("    path: data/x.gpkg\n", ""), 6, "lacks path"),
        (("point: [127, 37]", "mixed: other"), 9, "not valid"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(
    change: tuple[str, str], line: int | None, words: str | None
) -> None:
    text = GOOD.replace(*change)
    assert text != GOOD
    if words is None:
        read(text)
        return
    with pytest.raises(DtcError, match=words) as problem:
        read(text)
    assert problem.value.code == "migration-plan"
    assert problem.value.where.startswith("plan.yaml")
    if line is not None:
        assert f"plan.yaml:{line}" in problem.value.where


def test_two_sources_of_one_name_are_refused() -> None:
    second = GOOD[GOOD.index("  - name: s") :]
    with pytest.raises(DtcError, match="two sources are called s"):
        read(GOOD + second)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(DtcError, match="cannot be read"):
        plan.load(tmp_path / "none.yaml")
    (tmp_path / "bin.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DtcError, match="cannot be read"):
        plan.load(tmp_path / "bin.yaml")
    with (tmp_path / "big.yaml").open("wb") as stream:
        stream.truncate(5_000_000)
    with pytest.raises(DtcError, match="too large"):
        plan.load(tmp_path / "big.yaml")
    with pytest.raises(DtcError, match="not YAML") as problem:
        read("a: " + "[" * 3000 + "]" * 3000)
    assert "nested too deeply" in problem.value.why


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("buildings.v2.gpkg", "buildings"),
        ("건물 2024.shp", "건물-2024"),
        ("강남.shp", "강남"),
        ("\u1100\u1161\u11bc\u1102\u1161\u11b7.shp", "강남"),
        ("Straßen & Wege.shp", "Straßen-Wege"),
        ("()/", "source"),
        ("🏠 2024.shp", "2024-"),
        ("a" * 61, "a" * 60 + "-"),
    ],
)
def test_a_source_is_called_as_its_file_in_any_language(file: str, name: str) -> None:
    made = plan_writer.source_name(f"/data/{file}")
    assert made.startswith(name)
    assert len(made) == len(name) + (8 if name.endswith("-") else 0)
    assert read(GOOD.replace("name: s\n", f"name: {made}\n")).sources[0].name == made


def test_names_that_lose_something_stay_apart() -> None:
    assert plan_writer.source_name("🏠 2024.shp") != plan_writer.source_name("🏡 2024.shp")
