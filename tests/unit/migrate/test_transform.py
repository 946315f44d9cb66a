"""A batch becomes objects: levels of detail, mixed layers, members that are a value and an object at once."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
import shapely

from dtc_cli.errors import DtcError
from dtc_cli.migrate import content, levels, transform
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
    name="l", count=None, geometry="Polygon", crs="EPSG:5186", fields=(Field(name="id", kind="text"),)
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
    made = transformer("type: Building\n        required: []")
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
    with pytest.raises(DtcError, match="value and an object"):
        transformer("properties: {floors: 1, floors.above: 2}")
