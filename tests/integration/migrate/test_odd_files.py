"""Files as others make them: parts that are missing within archives, ids that no field holds, odd cells."""

import json
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from pyogrio import raw

from dtc_cli.errors import DtcError
from dtc_cli.migrate import duplicates
from dtc_cli.migrate.assess import assess
from dtc_cli.migrate.crs import Projection
from dtc_cli.migrate.encoding import guess
from dtc_cli.migrate.sources import domains
from dtc_cli.migrate.sources.cityjson import CityJsonSource
from dtc_cli.migrate.sources.open import detect, open_source
from dtc_cli.migrate.sources.sensors import kind_of_table
from dtc_cli.migrate.sources.table_shapes import shape_of, srid_of
from tests.integration.migrate import made
from tests.support import citygml_made

PLACE = shapely.Point(11.5, 48.1)


def read(path: Path) -> tuple[Any, list[dict[str, Any]]]:
    source = open_source(str(path))
    layer = source.layers()[0]
    rows = [
        {**batch.row(n), "*": batch.geometry[n], "!": batch.problems.get(n)}
        for batch in (() if layer.blockers else source.batches(layer.name, start=0, size=2, careful=False))
        for n in range(batch.size)
    ]
    source.close()
    return layer, rows


def packed(folder: Path, archive: Path, **changed: bytes | None) -> Path:
    """An archive of the files of a folder; some of them cut, or left out, by their suffix."""
    with zipfile.ZipFile(archive, "w") as out:
        for file in sorted(folder.iterdir()):
            body = changed.get(file.suffix[1:], file.read_bytes())
            if body is not None:
                out.writestr(f"data/2024/{file.name}", body)
    return archive


def test_shapefiles_in_archives_are_looked_at_as_those_in_folders(tmp_path: Path) -> None:
    folder = tmp_path / "shapes"
    folder.mkdir()
    made.buildings(folder / "b.shp", 6)
    layer, rows = read(packed(folder, tmp_path / "no-index.zip", shx=None))
    assert (layer.count, [row["UFID"] for row in rows][:2]) == (6, ["B000000", "B000001"])
    assert any("was rebuilt on a copy" in note for note in layer.notes)
    whole = (folder / "b.shp").read_bytes()
    layer, _ = read(packed(folder, tmp_path / "cut.zip", shp=whole[: len(whole) // 2]))
    assert "cut off" in layer.blockers[0]
    layer, rows = read(packed(folder, tmp_path / "whole.zip"))
    assert (layer.count, layer.blockers) == (6, ())
    (folder / "b.shx").unlink()
    made.buildings(folder / "c.shp", 3)
    source = open_source(str(folder))  # one of two shapefiles of a folder has no index
    assert sorted((one.name, one.count) for one in source.layers()) == [("b", 6), ("c", 3)]
    source.close()
    assert not (folder / "b.shx").exists()


def test_a_geodatabase_may_lie_deep_in_an_archive(tmp_path: Path) -> None:
    base = tmp_path / "city.gdb"
    raw.write(
        str(base), shapely.to_wkb(np.array([PLACE] * 4)), [np.arange(4, dtype=np.int32)], np.array(["n"]),
        layer="trees",
        geometry_type="Point", crs="EPSG:4326", driver="OpenFileGDB",
    )  # fmt: skip
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as out:
        for file in base.iterdir():
            out.write(file, f"a/b/city.gdb/{file.name}")
    assert len(read(tmp_path / "export.zip")[1]) == 4


def test_numbers_as_ids_of_features_are_keys_and_none_is_made_up(tmp_path: Path) -> None:
    features = [
        {"type": "Feature", "id": one, "properties": {"name": "x" * 300, "n": n}, "geometry": None}
        for n, one in enumerate([9007199254740993, 7, 7, None])
    ]
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    layer, rows = read(path)
    assert (layer.key, layer.fields[0].name) == ("id", "id")
    assert [row["id"] for row in rows] == [9007199254740993, 7, 7, None]
    found = duplicates.find(open_source(str(path)), "a", "id")
    assert (found.conflicts, found.lacking) == ({"7"}, True)
    batches = list(open_source(str(path)).batches("a", start=2, size=9, careful=False))
    assert [batch.columns["n"] for batch in batches] == [[2, 3]]


@pytest.mark.parametrize(
    ("cell", "srid"),
    [
        ("POINT (11.5 48.1)", None),
        ("SRID=25832;POINT (11.5 48.1)", 25832),
        ("srid = 0;POINT (11.5 48.1)", None),
        (shapely.to_wkb(PLACE, hex=True), None),
        (shapely.to_wkb(shapely.set_srid(PLACE, 31468), hex=True, include_srid=True), 31468),
        (r"\x" + shapely.to_wkb(shapely.set_srid(PLACE, 4), hex=True, include_srid=True, byte_order=0), 4),
        ('{"type": "Point", "coordinates": [11.5, 48.1]}', 4326),
    ],
)
def test_a_cell_may_hold_a_shape_in_any_form(cell: str, srid: int | None) -> None:
    assert shape_of(cell).equals(PLACE)
    assert srid_of(cell) == srid


def test_a_table_is_in_the_system_that_its_cells_state(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,geom\n1,SRID=25832;POINT (691607 5334760)\n2,\n3,SRID=25832;POINT (691600 5334700)\n")
    layer, rows = read(path)
    assert (layer.crs, rows[0]["*"].x, rows[1]["*"]) == ("EPSG:25832", 691607, None)
    rest = "".join(f"{n},SRID=25832;POINT (691600 5334700)\n" for n in range(4, 300))
    path.write_text(path.read_text() + rest + '300,SRID=25833;POINT (1 2)\n301,"{""type"": 1}"\n302,zz\n')
    layer, rows = read(path)
    assert layer.crs == "EPSG:25832"
    assert [row["!"] and row["!"][1] for row in rows[-3:]] == [
        "it is in EPSG:25833, the others in EPSG:25832", "it is in EPSG:4326, the others in EPSG:25832",
        "not well-known text: zz",
    ]  # fmt: skip


def test_walls_that_stand_upright_are_lines_and_references_to_templates_are_drawn(tmp_path: Path) -> None:
    ring = "0 0 0 {0} 0 0 {0} 0 3 0 0 3 0 0 0"
    shape = (
        '<gml:surfaceMember><gml:Polygon gml:id="{1}"><gml:exterior><gml:LinearRing><gml:posList>'
        f"{ring}</gml:posList></gml:LinearRing></gml:exterior></gml:Polygon></gml:surfaceMember>"
    )
    wall = (
        '<bldg:Building gml:id="W"><bldg:lod2MultiSurface><gml:MultiSurface>'
        f"{shape.format(8, 'w')}</gml:MultiSurface></bldg:lod2MultiSurface></bldg:Building>"
    )
    drawn = (
        '<bldg:Building gml:id="{0}"><bldg:lod2ImplicitRepresentation><ImplicitGeometry>{1}'
        "<referencePoint><gml:Point><gml:pos>550000 200000 1</gml:pos></gml:Point></referencePoint>"
        "</ImplicitGeometry></bldg:lod2ImplicitRepresentation></bldg:Building>"
    )
    template = (
        f'<relativeGMLGeometry><gml:MultiSurface gml:id="T">{shape.format(5, "t")}</gml:MultiSurface>'
        "</relativeGMLGeometry>"
    )
    path = citygml_made.write(
        tmp_path / "a.gml", wall, drawn.format("A", template),
        drawn.format("B", '<relativeGMLGeometry xlink:href="#T"/>'),
        drawn.format("C", "<libraryObject>tree.obj</libraryObject>"),
    )  # fmt: skip
    _, rows = read(path)
    assert [(row["*"].geom_type, round(row["*"].length)) for row in rows] == [
        ("LineString", 8), ("LineString", 5), ("LineString", 5), ("Point", 0),
    ]  # fmt: skip
    assert rows[3]["libraryObject"] == "tree.obj"


def test_an_instance_has_the_level_of_its_template(tmp_path: Path) -> None:
    city = {
        "type": "CityJSON", "version": "2.0", "transform": {"scale": [1, 1, 1], "translate": [0, 0, 0]},
        "vertices": [[5, 5, 0]],
        "geometry-templates": {
            "templates": [{"type": "MultiSurface", "lod": "3", "boundaries": [[[0, 1, 2]]]}],
            "vertices-templates": [[0, 0, 0], [1, 0, 0], [1, 1, 0]],
        },
        "CityObjects": {
            "t": {"type": "PlantCover", "geometry": [
                {"type": "GeometryInstance", "template": 0, "boundaries": [0]}
            ]}
        },
    }  # fmt: skip
    (tmp_path / "a.city.json").write_text(json.dumps(city))
    source = CityJsonSource(str(tmp_path / "a.city.json"))
    assert [sorted((one.extra or {})["lods"]) for one in source.items("PlantCover")] == [[3]]


def test_words_of_european_loggers_and_the_signs_of_their_units(tmp_path: Path) -> None:
    header = ["Station", "Zeitstempel", "Messgröße", "Messwert", "Einheit"]
    assert kind_of_table(header) == "measurements"
    assert kind_of_table(["Station", "Datum", "Linie"]) is None
    (tmp_path / "a.csv").write_bytes(";".join(header).encode("cp1252") + b"\nA;1.1.2025;x;1;y\n")
    assert detect(str(tmp_path / "a.csv")) == "measurements"
    assert guess(["PM10 µg/m³".encode("cp1252"), "Lufttemperatur °C".encode("cp1252")]).name == "cp1252"


def test_an_accuracy_beyond_the_limit_of_plans_is_told_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,geom\n1,SRID=4301;POINT (139 35)\n")
    remedies = [one.remedy for one in assess(str(path)).layers[0].remarks]
    assert "thresholds: {crs_accuracy_m: 9} in the plan accepts it; or install grids" in remedies


ITEMS = [
    None,
    "<!DOCTYPE a><a/>",
    "<broken",
    """<t:GPCodedValueDomain2 xmlns:t="x"><DomainName>use</DomainName><CodedValues>
    <CodedValue><Name>house</Name><Code>1</Code></CodedValue><CodedValue><Code>2</Code></CodedValue>
    </CodedValues></t:GPCodedValueDomain2>""",
    """<t:GPCodedValueDomain2 xmlns:t="x"><DomainName>roof</DomainName><CodedValues>
    <CodedValue><Name>flat</Name><Code>1</Code></CodedValue></CodedValues></t:GPCodedValueDomain2>""",
    """<t:DEFeatureClassInfo xmlns:t="x"><Name>b</Name><GPFieldInfoExs>
    <GPFieldInfoEx><Name>CODE</Name><DomainName>use</DomainName></GPFieldInfoEx>
    <GPFieldInfoEx><Name>OTHER</Name><DomainName>nowhere</DomainName></GPFieldInfoEx></GPFieldInfoExs>
    <SubtypeFieldName>KIND</SubtypeFieldName><Subtypes>
    <Subtype><SubtypeName>tall</SubtypeName><SubtypeCode>7</SubtypeCode><FieldInfos><SubtypeFieldInfo>
    <FieldName>CODE</FieldName><DomainName>roof</DomainName></SubtypeFieldInfo></FieldInfos></Subtype>
    <Subtype><SubtypeName>nameless</SubtypeName></Subtype></Subtypes></t:DEFeatureClassInfo>""",
]


class Catalogue:
    """Stands for the library that reads the catalogue of a geodatabase."""

    @staticmethod
    def read(path: str, **_: Any) -> tuple[Any, Any, Any, Any]:
        if path == "none":
            raise ValueError(path)
        return {"fields": ["Name", "Definition"]}, None, None, [[], ITEMS]


def test_codes_of_a_geodatabase_get_the_words_of_domains_and_subtypes() -> None:
    words = domains.of_geodatabase(Catalogue, "a.gdb")["b"]
    found = domains.labelled({"KIND": [7, 8, None], "CODE": [1, 1, 2], "OTHER": [1, 1, 1]}, words)
    assert found["KIND_label"] == ["tall", None, None]
    assert found["CODE_label"] == ["flat", "house", None]
    assert "OTHER_label" not in found
    assert domains.of_geodatabase(Catalogue, "none") == {}


def test_codes_of_a_geopackage_get_the_words_of_its_enumerations(tmp_path: Path) -> None:
    path = made.buildings(tmp_path / "b.gpkg", 4)
    with closing(sqlite3.connect(path)) as base:
        base.executescript(
            "CREATE TABLE gpkg_data_columns (table_name, column_name, name, title, description, mime_type,"
            " constraint_name);"
            "CREATE TABLE gpkg_data_column_constraints (constraint_name, constraint_type, value, min,"
            " min_is_inclusive, max, max_is_inclusive, description);"
            "INSERT INTO gpkg_data_columns (table_name, column_name, constraint_name)"
            " VALUES ('b', 'USE_CD', 'use');"
            "INSERT INTO gpkg_data_column_constraints (constraint_name, constraint_type, value, description)"
            " VALUES ('use', 'enum', '01000', 'house');"
        )
    layer, rows = read(path)
    assert "USE_CD_label" in {field.name for field in layer.fields}
    assert [row["USE_CD_label"] for row in rows] == ["house", None, None, "house"]
    for careful in (True, False):
        batch = next(open_source(str(path)).batches("b", start=0, size=9, careful=careful))
        assert batch.columns["USE_CD_label"][0] == "house"


def test_the_operation_is_that_of_the_country_where_the_data_lies() -> None:
    prague = (-744429.0, -1043717.0, -743774.0, -1043605.0)
    near = Projection("EPSG:5514", limit_m=5, where="x", extent=prague)
    assert near.operation.accuracy_m == 1
    with pytest.raises(DtcError, match="to 6 m only"):
        Projection("EPSG:5514", limit_m=5, where="x")
    for nowhere in ((1e300, 0, 1e300, 1), (0.0, 0.0, 9e8, 9e8)):
        assert Projection("EPSG:5514", limit_m=9, where="x", extent=nowhere).operation.accuracy_m == 6


def test_layers_say_where_they_lie(tmp_path: Path) -> None:
    made.buildings(tmp_path / "b.gpkg", 2)
    layer, _ = read(tmp_path / "b.gpkg")
    assert layer.extent == (200_000, 550_000, 200_030, 550_010)
    (tmp_path / "a.csv").write_text("id,x,y\n1,5,6\n2,1e300,nan\n3,a,b\n4,7,8\n")
    assert read(tmp_path / "a.csv")[0].extent == (5, 6, 7, 8)
    path = citygml_made.write(tmp_path / "a.gml", citygml_made.block("B", 200_000.0, 550_000.0, 3))
    assert read(path)[0].extent[:2] == (200_000, 550_000)
