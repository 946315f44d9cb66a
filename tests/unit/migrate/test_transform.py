"""A batch becomes objects: levels of detail, mixed layers, members that are a value and an object at once."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
import shapely

from dtc_cli.errors import DtcError
from dtc_cli.migrate import assess, child, content, levels, transform
from dtc_cli.migrate.plan import parse
from dtc_cli.migrate.sources.source import Field, Layer, rows_batch

PLAN = """
migration: 1
name: test
city: {id: KR-SEOUL-2025}
sources:
  - name: s
    path: x.gml
    layers:
      - name: l
        id: {key: id}
        %s
"""
FACTS = Layer(
    name="l",
    count=None,
    geometry="Polygon",
    crs="EPSG:5186",
    fields=(Field(name="id", kind="text"), Field(name="h", kind="number"), Field(name="d", kind="text")),
)
SQUARE = shapely.box(200_000, 550_000, 200_010, 550_010)


def transformer(rules: str) -> transform.Transformer:
    plan = parse(PLAN % rules, source="plan.yaml", folder=Path())
    source, layer = plan.layer("s", "l")
    return transform.Transformer(
        plan, source, layer, FACTS, migration="m", started=datetime(2025, 1, 1, tzinfo=UTC)
    )


def shell(height: float) -> Any:
    """A floor and a wall."""
    corners = [
        (200_000, 550_000, 1.0),
        (200_010, 550_000, 1.0),
        (200_010, 550_010, 1.0),
        (200_000, 550_010, 1.0),
    ]
    wall = [
        (200_000, 550_000, 1.0),
        (200_010, 550_000, 1.0),
        (200_010, 550_000, height),
        (200_000, 550_000, height),
    ]
    return shapely.MultiPolygon([shapely.Polygon(corners), shapely.Polygon(wall)])


def test_an_object_carries_all_its_levels_of_detail() -> None:
    extra = {
        "lod": 0,
        "lods": {1: shell(10.5), 2: shell(12.25)},
        "properties": {"height": 9.0},
        "metadata": {"parent": "p"},
    }
    batch = rows_batch(0, [{"id": "a"}], [SQUARE], extra={0: extra})
    (record,), (body,) = transformer("type: Building\n        required: [height]").batch(batch)
    item = orjson.loads(body)
    assert record.state == "ready"
    assert item["geometry"]["lod"] == 0
    assert [one["lod"] for one in item["properties"]["lods"]] == [1, 2]
    wall = item["properties"]["lods"][1]["coordinates"][1][0]
    assert max(point[2] for point in wall) == 12.25
    assert 126 < wall[0][0] < 128
    assert item["metadata"]["parent"] == "p"
    assert content.of_object(item) == record.hash
    # A server that shows whole numbers as integers holds the same content.
    assert content.matches(orjson.loads(orjson.dumps(item).replace(b"1.0", b"1")), record.hash)
    (bare,) = transformer("geometry: {levels: false}").batch(batch)[1]
    assert "lods" not in orjson.loads(bare)["properties"]


def test_levels_that_would_make_it_too_large_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(levels, "LARGEST", 400)
    batch = rows_batch(0, [{"id": "a"}], [SQUARE], extra={0: {"lod": 0, "lods": {1: shell(5), 2: shell(6)}}})
    made = transformer("type: Landmark")
    item = orjson.loads(made.batch(batch)[1][0])
    assert [one["lod"] for one in item["properties"]["lods"]] == [1]
    assert made.notices == {"level 2 left out: the object would be too large": 1}


def test_a_layer_may_refuse_other_dimensions() -> None:
    batch = rows_batch(0, [{"id": "a"}, {"id": "b"}], [SQUARE, shapely.Point(200_000, 550_000)])
    records, _ = transformer("geometry: {mixed: refuse}").batch(batch)
    assert [record.code for record in records] == ["", "other-geometry-type"]


def test_required_members_may_lie_within_others() -> None:
    batch = rows_batch(0, [{"id": "a"}], [SQUARE])
    rules = "required: [floors.above]\n        properties: {floors.above: {value: %s}}"
    assert transformer(rules % "3").batch(batch)[0][0].state == "ready"
    assert transformer(rules % "null").batch(batch)[0][0].code == "missing-property"
    lacking = transformer("type: Building\n        required: []\n        properties: {name: {value: a}}")
    lacking.batch(batch)
    told = " is missing, which P4 9.2 asks for and the plan does not require"
    assert lacking.notices == {"buildingType" + told: 1, "height" + told: 1}
    with pytest.raises(DtcError, match="value and an object"):
        transformer("properties: {floors: 1, floors.above: 2}")


def test_a_unit_that_stands_beside_a_measure_is_honoured() -> None:
    uoms = (
        "ft",
        "#m",
        "urn:ogc:def:uom:EPSG::9003",
        "urn:adv:uom:m",
        "kg/m",
        None,
        "http://x/uom/EPSG/0/9002",
    )
    rows = [{"id": str(n), "h": 41.0, "h_uom": uom} for n, uom in enumerate(uoms)]
    batch = rows_batch(0, rows, [SQUARE] * len(rows))
    made = transformer("type: Building\n        required: []\n        properties: {height: {from: h}}")
    items = [orjson.loads(body) for body in made.batch(batch)[1]]
    heights = [one["properties"].get("height") for one in items]
    assert heights == [12.4968, 41, 12.4968, 41, None, 41, 12.4968]
    legacy = [one["metadata"].get("legacyAttributes") for one in items]
    assert legacy[0] == {"h": "41", "h_uom": "ft"}
    assert legacy[1] == {"h_uom": "#m"}
    assert legacy[4] == {"h": "41", "h_uom": "kg/m"}
    assert made.notices["height: its unit is not known: kg/m"] == 1
    assert made.notices["height: stated in ft, converted"] == 1
    # What is required and in no unit that is known is kept back; a unit in the rule is a person's word.
    record = transformer("type: Building\n        required: [height]\n        properties: {height: h}")
    told = record.batch(batch)[0][4]
    assert (told.code, "its unit kg/m is not known" in told.detail) == ("missing-property", True)
    stated = transformer("required: []\n        properties: {height: {from: h, unit: m}}")
    assert {orjson.loads(body)["properties"]["height"] for body in stated.batch(batch)[1]} == {41}


@pytest.mark.parametrize(
    ("rule", "given", "outcome", "kept"),
    [
        ('{from: d, as: year, pattern: "%Y%m%d"}', "19710202", 1971, "19710202"),
        ("{from: d, as: year}", date(1971, 2, 2), 1971, "1971-02-02"),
        ("{from: d, as: year}", 1971, 1971, None),
        ("{from: d, as: year}", "1971.0", 1971, None),
        ("{from: d, as: integer}", "3F/B1", 3, "3F/B1"),
        ("{from: d, as: integer}", 2.6, 3, "2.6"),
        ("{from: d, as: integer}", " 12 ", 12, None),
        ("{from: d, as: date}", "2019-03-04T10:20:00", "2019-03-04", "2019-03-04T10:20:00"),
        ("{from: d, as: date}", "2019-03-04", "2019-03-04", None),
        ('{from: d, as: year, pattern: "%Y%m%d", table: t}', "1971", 1971, None),
    ],
)
def test_a_field_that_a_rule_reads_in_part_is_kept_whole(
    rule: str, given: Any, outcome: Any, kept: str | None
) -> None:
    made = transformer(
        f"required: []\n        properties: {{x: {rule}}}\ntables: {{t: {{'1971': '19710202'}}}}"
    )
    for rows in ([{"id": "a", "d": given}], [{"id": "a", "d": given}, {"id": "b", "d": [1]}]):
        body = made.batch(rows_batch(0, rows, [SQUARE] * len(rows)))[1][0]
        item = orjson.loads(body)
        assert item["properties"]["x"] == outcome
        assert item["metadata"].get("legacyAttributes", {}).get("d") == kept


def test_a_part_names_its_whole_by_the_id_that_it_has_in_the_twin() -> None:
    whole = "      - {name: Building, type: Building, id: {key: gml_id}, required: []}\n"
    part = whole.replace("name: Building", "name: BuildingPart").replace(
        "[]", "[], properties: {z: {value: 1}}"
    )
    rows = [
        {"gml_id": "P", "parent": "W"},
        {"gml_id": "Q", "parent": "P", "parent_class": "BuildingPart"},
        {"gml_id": "R", "parent": "X", "parent_class": "Bridge"},  # a layer that is not migrated
        {"gml_id": "S"},
    ]

    def objects(layer: str, rows: list[dict[str, Any]], layers: str) -> list[dict[str, Any]]:
        made = parse(PLAN.partition("      - name")[0] + layers, source="plan.yaml", folder=Path())
        facts = Layer(name=layer, count=None, geometry=None, crs="EPSG:5186", key="gml_id")
        one = transform.Transformer(
            made, *made.layer("s", layer), facts, migration="m", started=datetime(2025, 1, 1, tzinfo=UTC)
        )
        records, bodies = one.batch(rows_batch(0, rows, [SQUARE] * len(rows)))
        items = [orjson.loads(body) for body in bodies]
        assert [content.of_object(item) for item in items] == [record.hash for record in records]
        return items

    (building,) = objects("Building", [{"gml_id": "W"}], whole + part)
    parts = objects("BuildingPart", rows, whole + part)
    named = [one["properties"].get("partOf") for one in parts]
    assert named == [building["id"], parts[0]["id"], None, None]
    assert parts[0]["metadata"]["legacyAttributes"] == {"parent": "W"}
    # Where the plan does not settle the id of the whole, none is made up.
    for other in ("type: {from: x}, ", "skip: why, type: Building, "):
        unsettled = whole.replace("type: Building, ", other) + part
        assert "partOf" not in objects("BuildingPart", rows[:1], unsettled)[0]["properties"]


def test_frames_hold_so_many_records_and_so_many_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "FRAME_BYTES", 10)
    cut = child._parts([b"1234", b"1234", b"1234", b"", b"x" * 99, b"1"], 3)
    assert [(one.start, one.stop) for one in cut] == [(0, 2), (2, 4), (4, 5), (5, 6)]
    assert [(one.start, one.stop) for one in child._parts([b""] * 5, 2)] == [(0, 2), (2, 4), (4, 5)]
    file = tmp_path / "big.gpkg"
    with file.open("wb") as stream:
        stream.truncate(child.READ_BYTES)
    assert child._size(str(file), 1000, 8192) == 1000
    assert child._size(str(file), 2, 8192) == child.SMALLEST_READ
    assert child._size(str(file), None, 8192) == child._size("https://x/y", 5, 8192) == 8192


def test_the_assessment_says_what_is_left_as_it_is() -> None:
    layer = Layer(name="l", count=4, geometry="Polygon", crs=None, blockers=())
    sums = assess._Sums(layer)
    repeated = shapely.Polygon([(0, 0), (0, 0), (0, 2), (2, 2), (2, 0), (0, 0)])
    batch = rows_batch(0, [{}] * 3, [repeated, shapely.box(1, 1, 3, 3), shapely.box(9, 9, 10, 10)])
    assess._neighbours(batch.geometry, sums)
    assert (sums.overlapping, sums.repeated) == (2, 1)
