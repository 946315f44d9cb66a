"""CityJSON: transform, levels, parts, templates, sequences, and files that are wrong."""

from pathlib import Path
from typing import Any

import orjson
import pytest
import shapely

from dtc_cli.errors import DtcError
from dtc_cli.migrate.sources.open import detect, open_source
from tests.integration.migrate.reading import read

CORNERS = [[x, y, z] for z in (0, 9000) for x, y in ((0, 0), (10_000, 0), (10_000, 10_000), (0, 10_000))]
FACES = [[[0, 3, 2, 1]], [[4, 5, 6, 7]], [[0, 1, 5, 4]], [[1, 2, 6, 5]], [[2, 3, 7, 6]], [[3, 0, 4, 7]]]
KINDS = ["GroundSurface", "RoofSurface", "WallSurface"]


def solid(lod: str = "2.2") -> dict[str, Any]:
    return {
        "type": "Solid", "lod": lod, "boundaries": [FACES],
        "semantics": {"surfaces": [{"type": one} for one in KINDS], "values": [[0, 1, 2, 2, 2, None]]},
    }  # fmt: skip


def model(**objects: Any) -> dict[str, Any]:
    return {
        "CityObjects": objects,
        "type": "CityJSON", "version": "2.0",
        "transform": {"scale": [0.001, 0.001, 0.001], "translate": [200_000, 550_000, 10]},
        "metadata": {"referenceSystem": "https://www.opengis.net/def/crs/EPSG/0/25832"},
        "vertices": CORNERS,
    }  # fmt: skip


def building(**more: Any) -> dict[str, Any]:
    return {"type": "Building", "attributes": {"height": 9, "nr": 12345678901234567890}, **more}


def test_levels_are_placed_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    flat = {"type": "MultiSurface", "lod": "0", "boundaries": [FACES[0]]}
    path.write_bytes(
        orjson.dumps(
            model(B=building(geometry=[flat, solid("1.3"), solid("1.2"), solid()])) | {"x": "y" * 100_000}
        ).replace(b"12345678901234567168", b"12345678901234567890")
    )
    assert detect(str(path)) == "cityjson"
    facts, (row,) = read(path)
    assert (facts.name, facts.crs, facts.key) == ("Building", "EPSG:25832", "cityjson_id")
    assert (row["cityjson_id"], row["height"], row["z_min"], row["z_max"]) == ("B", 9, 10, 19)
    assert row["nr"] == 12345678901234567890
    assert row["*"].equals(shapely.box(200_000, 550_000, 200_010, 550_010))
    assert {level: len(one.geoms) for level, one in row["+"]["lods"].items()} == {0: 1, 1: 6, 2: 6}


def test_parts_have_parents_and_wholes_their_shape(tmp_path: Path) -> None:
    path = tmp_path / "a.city.json"
    whole = building(children=["P"], address=[{"Street": "A", "Nr": 1}])
    part = {"type": "BuildingPart", "parents": ["W"], "geometry": [solid()]}
    stairs = {"type": "BuildingInstallation", "parents": ["P", "W"], "geometry": [solid()]}
    path.write_bytes(orjson.dumps(model(W=whole, P=part, S=stairs)))
    _, (one,) = read(path, "Building")
    _, (other,) = read(path, "BuildingPart")
    _, (third,) = read(path, "BuildingInstallation")
    assert (third["parent"], third["parent_class"], third["parents"]) == ("P", "BuildingPart", ["P", "W"])
    assert "parent_class" not in other
    assert one["*"].equals(other["*"])
    assert (one["address"], other["parent"]) == ("A 1", "W")


def test_templates_points_lines_and_deeper_solids(tmp_path: Path) -> None:
    tree = {
        "type": "SolitaryVegetationObject",
        "geometry": [{
            "type": "GeometryInstance", "template": 0, "boundaries": [2],
            "transformationMatrix": [2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1],
        }],
    }  # fmt: skip
    several = {"type": "CompositeSolid", "lod": 3, "boundaries": [[FACES]], "semantics": {}}
    given = model(
        T=tree,
        S={"type": "Bridge", "geometry": [several]},
        P={"type": "Waterway", "geometry": [{"type": "MultiPoint", "lod": "0", "boundaries": [2]}]},
        L={
            "type": "Road",
            "geometry": [{"type": "MultiLineString", "lod": "0", "boundaries": [[0, 1], [1, 2]]}],
        },
    )
    given["geometry-templates"] = {
        "templates": [{"type": "MultiSurface", "lod": "2", "boundaries": [[[0, 1, 2]]]}],
        "vertices-templates": [[0, 0, 0], [1, 0, 0], [0, 1, 0]],
    }
    path = tmp_path / "a.json"
    path.write_bytes(orjson.dumps(given))
    assert read(path, "SolitaryVegetationObject")[1][0]["*"].bounds == (200_010, 550_010, 200_012, 550_012)
    assert read(path, "Bridge")[1][0]["*"].area == pytest.approx(100)
    assert read(path, "Waterway")[1][0]["*"].geom_type == "Point"
    assert read(path, "Road")[1][0]["*"].geom_type == "MultiLineString"


def test_a_sequence_is_read_line_by_line(tmp_path: Path) -> None:
    head = model()
    lines = [orjson.dumps(head | {"vertices": []})]
    for n in range(4):
        feature = {"type": "CityJSONFeature", "id": f"F{n}", "vertices": CORNERS}
        lines.append(orjson.dumps(feature | {"CityObjects": {f"F{n}": building(geometry=[solid()])}}))
    lines.insert(3, b'{"type": "CityJSONFeature", ')
    path = tmp_path / "a.city.jsonl"
    path.write_bytes(b"\n".join(lines))
    assert detect(str(path)) == "cityjson"
    facts, rows = read(path, "Building")
    assert [row["cityjson_id"] for row in rows] == ["F0", "F1", "F2", "F3"]
    assert facts.count == 4
    _, (broken,) = read(path, "unreadable lines")
    assert broken["!"][0] == "bad-row"
    assert broken["text"].startswith('{"type"')


def test_a_broken_object_stays_alone(tmp_path: Path) -> None:
    wrong = solid() | {"boundaries": [[[[0, 1, 77]]]]}
    odd = {"type": "Blob", "lod": "1", "boundaries": []}
    path = tmp_path / "a.json"
    path.write_bytes(
        orjson.dumps(
            model(A=building(geometry=[solid()]), B=building(geometry=[wrong]), C=building(geometry=[odd]))
        )
    )
    _, rows = read(path)
    assert [row["!"] and row["!"][0] for row in rows] == [
        None,
        "unparseable-geometry",
        "unparseable-geometry",
    ]
    assert "77" in rows[1]["json"]


@pytest.mark.parametrize(
    "text", ['{"type": "CityJSON", "CityObjects": {}}', '{"CityObjects": {}}', '{"type": "CityJSON"']
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(DtcError, match=r"no city objects|no CityJSON|no JSON"):
        open_source(str(path), format="cityjson").layers()
