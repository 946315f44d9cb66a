"""FileGDB, GML, KML, DXF and MapInfo as `ogr2ogr` writes them: the same records, curves as lines."""

import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import orjson
import pytest
import shapely

from dtc_cli.errors import DtcError
from dtc_cli.migrate.sources.open import detect, open_source
from tests.integration.migrate.reading import read

OGR2OGR = shutil.which("ogr2ogr")
pytestmark = pytest.mark.skipif(OGR2OGR is None, reason="ogr2ogr (gdal-bin) is not on this machine")

RINGS = [[[x, 550_000], [x + 10, 550_000], [x + 10, 550_010], [x, 550_000]] for x in (200_000, 200_020)]
RECORDS: list[dict[str, Any]] = [
    {"UFID": "0007", "NM": "집 하나", "H": 9.5, "N": 4294968191, "D": "1998-05-01"},
    {"UFID": "0008", "NM": None, "H": None, "N": 1, "D": None},
]
FEATURES = {
    "type": "FeatureCollection",
    "crs": {"type": "name", "properties": {"name": "EPSG:5186"}},
    "features": [
        {"type": "Feature", "properties": row, "geometry": {"type": "Polygon", "coordinates": [ring]}}
        for row, ring in zip(RECORDS, RINGS, strict=True)
    ],
}
CIRCLE = "200000 550000, 200010 550010, 200020 550000, 200010 549990, 200000 550000"
DXF = """0
SECTION
2
ENTITIES
0
CIRCLE
8
TREES
10
10.0
20
20.0
40
5.0
0
LWPOLYLINE
8
WALLS
90
3
70
1
10
0
20
0
42
1.0
10
10
20
0
10
10
20
10
0
TEXT
8
NAMES
10
1
20
1
40
1
1
hall
0
ENDSEC
0
EOF
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("gdal")
    (place / "bldg.geojson").write_bytes(orjson.dumps(FEATURES))
    return place


def convert(folder: Path, name: str, driver: str, *more: str, source: str = "bldg.geojson") -> Path:
    out = folder / name
    command = [str(OGR2OGR), "-f", driver, str(out), str(folder / source), *more]
    subprocess.run(command, check=True, capture_output=True)
    return out


def zipped(path: Path) -> Path:
    out = path.with_suffix(path.suffix + ".zip")
    with zipfile.ZipFile(out, "w") as archive:
        for file in path.rglob("*"):
            archive.write(file, f"{path.name}/{file.name}")
    return out


def same(rows: list[dict[str, Any]], **names: str) -> None:
    def get(row: dict[str, Any], name: str) -> Any:
        return row[names.get(name, name)]

    assert [get(row, "UFID") for row in rows] == ["0007", "0008"]
    assert get(rows[0], "NM") == "집 하나"
    assert get(rows[1], "NM") is None
    assert float(get(rows[0], "H")) == 9.5
    assert get(rows[1], "H") is None
    assert str(get(rows[0], "N")).removesuffix(".0") == "4294968191"


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_geodatabase(folder: Path, packed: bool) -> None:
    path = folder / "city.gdb"
    if not path.exists():
        convert(folder, "city.gdb", "OpenFileGDB", "-nln", "bldg")
    path = zipped(path) if packed else path
    assert detect(str(path)) == "filegdb"
    facts, rows = read(path)
    same(rows)
    assert facts.name == "bldg"
    assert facts.crs is not None
    assert rows[0]["*"].geom_type == "MultiPolygon"


def test_gml_in_the_order_of_its_authority(folder: Path) -> None:
    path = convert(folder, "bldg.gml", "GML", "-dsco", "FORMAT=GML3.2")
    before = sorted(one.name for one in folder.iterdir())
    assert detect(str(path)) == "gml"
    facts, rows = read(path)
    same(rows)
    assert facts.key == "gml_id"
    assert rows[0]["*"].bounds == (200_000, 550_000, 200_010, 550_010)
    assert sorted(one.name for one in folder.iterdir()) == before


@pytest.mark.parametrize("driver", ["LIBKML", "KML"])
def test_kml_and_kmz(folder: Path, driver: str) -> None:
    name = "bldg.kmz" if driver == "LIBKML" else "bldg.kml"
    path = convert(folder, name, driver, "-t_srs", "EPSG:4326")
    facts, rows = read(path)
    assert facts.crs == "EPSG:4326"
    assert [row["UFID"] for row in rows] == ["0007", "0008"]
    assert rows[0]["NM"] == "집 하나"
    assert 126.9 < rows[0]["*"].centroid.x < 127.1


@pytest.mark.parametrize("name", ["bldg.tab", "bldg.mif"])
def test_mapinfo(folder: Path, name: str) -> None:
    path = convert(folder, name, "MapInfo File", "-lco", "ENCODING=UTF-8")
    before = sorted(one.name for one in folder.iterdir())
    facts, rows = read(path)
    assert [row["UFID"] for row in rows] == ["0007", "0008"]
    assert rows[0]["NM"] == "집 하나"
    assert rows[0]["*"].bounds == pytest.approx((200_000, 550_000, 200_010, 550_010), abs=0.02)
    assert facts.crs is not None
    assert sorted(one.name for one in folder.iterdir()) == before


def test_dxf_has_no_system_and_its_arcs_become_lines(folder: Path) -> None:
    path = folder / "plan.dxf"
    path.write_text(DXF)
    facts, rows = read(path)
    assert facts.crs is None
    by_layer = {row["Layer"]: row for row in rows}
    assert set(by_layer) == {"TREES", "WALLS", "NAMES"}
    assert by_layer["NAMES"]["Text"] == "hall"
    circle = by_layer["TREES"]["*"]
    assert circle.length == pytest.approx(10 * 3.14159, rel=0.01)
    # A bulge of 1 is a half circle: longer than the chord of 10.
    assert by_layer["WALLS"]["*"].length > 30


def test_a_drawing_that_breaks_off_is_told_and_not_cut_short(folder: Path) -> None:
    path = folder / "broken.dxf"
    path.write_text(DXF.replace("20\n20.0\n40", "20.0\n40"))
    with pytest.raises(DtcError, match="cannot be read as dxf"):
        read(path)
    path.write_text(DXF[: DXF.index("TEXT")])
    source = open_source(str(path))
    assert any("cut off" in note for note in source.layers()[0].notes)
    source.close()


def test_curves_become_lines_that_stay_near(folder: Path) -> None:
    (folder / "curves.csv").write_text(
        f'id,WKT\n1,"CURVEPOLYGON (CIRCULARSTRING ({CIRCLE}))"\n'
        '2,"POLYGON ((200000 550000, 200001 550000, 200001 550001, 200000 550000))"\n'
    )
    for name, driver in (("curves.gpkg", "GPKG"), ("curves.gml", "GML")):
        path = convert(
            folder, name, driver, "-a_srs", "EPSG:5186", "-nlt", "CURVEPOLYGON", source="curves.csv"
        )
        _, rows = read(path)
        circle = rows[0]["*"]
        assert circle.geom_type == "Polygon"
        assert circle.area == pytest.approx(3.14159 * 100, rel=0.01)
        assert len(circle.exterior.coords) > 30
        assert rows[1]["*"].area == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "a.gml",
            '<!DOCTYPE a [<!ENTITY x "y">]><gml:FeatureCollection xmlns:gml="http://www.opengis.net/gml"/>',
        ),
        ("a.kml", '<?xml version="1.0"?>\n<!DOCTYPE k SYSTEM "file:///etc/passwd"><kml/>'),
        ("a.gpx", '<!DOCTYPE g [<!ENTITY a "1"><!ENTITY b "&a;&a;">]><gpx>&b;</gpx>'),
    ],
)
def test_entities_are_refused_before_a_library_sees_them(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DtcError, match="declares a document type"):
        open_source(str(tmp_path / name))
    with zipfile.ZipFile(tmp_path / "a.kmz", "w") as archive:
        archive.writestr("doc.kml", text)
    with pytest.raises(DtcError, match="declares a document type"):
        open_source(str(tmp_path / "a.kmz"))


def test_hostile_names_and_formulas_stay_text(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        'id,name,lon,lat\n1,"=HYPERLINK(""http://x"")",127,37.5\n2,"<script>\'; DROP TABLE x;--",127,37.5\n'
    )
    _, rows = read(path)
    assert rows[0]["name"] == '=HYPERLINK("http://x")'
    assert rows[1]["name"].startswith("<script>")
    assert isinstance(rows[0]["*"], shapely.Point)
