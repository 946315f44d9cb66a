"""Sources as cities have them: formats found by content, tables, archives, and files that are broken."""

import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import orjson
import pytest
import shapely

from dtc_cli.errors import DtcError
from dtc_cli.migrate.assess import assess
from dtc_cli.migrate.crs import Projection
from dtc_cli.migrate.geometry import Policy, mend
from dtc_cli.migrate.sources.ogr import OgrSource
from dtc_cli.migrate.sources.open import detect, open_source
from tests.integration.migrate import made
from tests.integration.migrate.conftest import Run


def records(path: Path, layer: str | None = None, **options: Any) -> list[dict[str, Any]]:
    source = open_source(str(path), options=options)
    try:
        name = layer or source.layers()[0].name
        batches = list(source.batches(name, start=0, size=2, careful=False))
        assert source.token() == source.token()
        return [
            {**batch.row(i), "*": batch.geometry[i], "!": batch.problems.get(i)}
            for batch in batches
            for i in range(batch.size)
        ]
    finally:
        source.close()


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        ("a.json", b'{"type": "FeatureCollection", "features": []}', "geojson"),
        ("a.json", b'{"type": "CityJSON"}', "cityjson"),
        ("a.json", b'{"geometryType": "esriGeometryPoint", "features": []}', "esrijson"),
        ("a.json", b'{"features": [{"attributes": {}}]}', "esrijson"),
        ("a.json", b'{"type": "Topology"}', "topojson"),
        (
            "a.gml",
            b'<?xml version="1.0"?><core:CityModel xmlns:core="http://www.opengis.net/citygml/2.0">',
            "citygml",
        ),
        ("a.gml", b"\xef\xbb\xbf<gml:FeatureCollection>", "gml"),
        ("a.xml", b"<osm version='0.6'>", "osm"),
        ("a.gpkg", b"x", "geopackage"),
    ],
)
def test_a_format_is_told_by_its_content(tmp_path: Path, name: str, content: bytes, wanted: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert detect(str(tmp_path / name)) == wanted


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        ("postgresql://host/db", "postgis"),
        ("https://h/arcgis/rest/services/x/FeatureServer/0", "featureserver"),
        ("https://h/geoserver/wfs?service=WFS", "wfs"),
        ("https://h/ogc/collections", "oapif"),
    ],
)
def test_an_address_tells_what_it_serves(address: str, wanted: str) -> None:
    assert detect(address) == wanted
    with pytest.raises(DtcError, match="not known"):
        detect("https://h/somewhere")


def archive(path: Path, *names: str, content: bytes = b"x") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name in names:
            out.writestr(name, content)
    return path


def test_archives_are_told_by_what_they_hold(tmp_path: Path) -> None:
    assert detect(str(archive(tmp_path / "a.zip", "x/y.gdb/a0001"))) == "filegdb"
    assert detect(str(archive(tmp_path / "b.zip", "stops.txt"))) == "gtfs"
    assert detect(str(archive(tmp_path / "c.zip", "d/B.SHP"))) == "shapefile"
    with pytest.raises(DtcError, match="holds nothing"):
        detect(str(archive(tmp_path / "d.zip", "readme.md")))
    with pytest.raises(DtcError, match="would unpack to"):
        detect(str(archive(tmp_path / "e.zip", "a.shp", content=bytes(40_000_000))))
    (tmp_path / "f.zip").write_bytes(b"PK junk")
    with pytest.raises(DtcError, match="no archive"):
        detect(str(tmp_path / "f.zip"))
    (tmp_path / "g.shp").write_bytes(b"")
    with pytest.raises(DtcError, match="is empty"):
        detect(str(tmp_path / "g.shp"))
    (tmp_path / "h.xyz").write_bytes(b"x")
    with pytest.raises(DtcError, match="not known"):
        detect(str(tmp_path / "h.xyz"))


@pytest.mark.parametrize("suffix", ["shp", "geojson", "fgb"])
def test_the_same_buildings_in_other_formats(tmp_path: Path, dtc: Run, suffix: str) -> None:
    source = made.buildings(tmp_path / f"b.{suffix}", 25)
    code, summary = dtc(
        "run", made.plan(source, layer={"source_crs": "EPSG:5186"}), "--to", tmp_path / "o.ndjson"
    )
    assert (code, summary["states"]) == (0, {"loaded": 24, "repaired": 1})


@pytest.mark.skipif(shutil.which("ogr2ogr") is None, reason="ogr2ogr (gdal-bin) is not installed")
def test_clean_layers_land_where_ogr2ogr_puts_them(tmp_path: Path) -> None:
    source = made.buildings(tmp_path / "b.gpkg", 19)
    theirs = tmp_path / "theirs.geojsonl"
    options = ["-f", "GeoJSONSeq", "-t_srs", "EPSG:4326", "-lco", "COORDINATE_PRECISION=9"]
    subprocess.run(["ogr2ogr", *options, theirs, source], check=True, capture_output=True)
    wanted = [shapely.from_geojson(line) for line in theirs.read_text(encoding="utf-8").splitlines()]
    reader = OgrSource(str(source), format="geopackage")
    batch = next(reader.batches("b", start=0, size=100, careful=False))
    reader.close()
    placed = mend(batch.geometry, Projection("EPSG:5186", limit_m=5, where="test"), Policy()).shapes
    assert len(wanted) == len(placed) == 19
    assert max(shapely.hausdorff_distance(a, b) for a, b in zip(wanted, placed, strict=True)) < 1e-6


def test_a_shapefile_without_its_index_is_read_from_a_copy(tmp_path: Path) -> None:
    source = made.buildings(tmp_path / "b.shp", 5)
    (tmp_path / "b.shx").unlink()
    before = sorted(one.name for one in tmp_path.iterdir())
    found = assess(str(source))
    assert any("index" in remark.text for remark in found.layers[0].remarks)
    assert found.layers[0].read == 5
    assert sorted(one.name for one in tmp_path.iterdir()) == before


def test_a_shapefile_without_a_system_is_not_ready(tmp_path: Path, dtc: Run) -> None:
    source = made.buildings(tmp_path / "b.shp", 5)
    (tmp_path / "b.prj").unlink()
    code, found = dtc("assess", source)
    assert (code, found["readiness"]) == (1, "not ready")
    code, error = dtc("run", made.plan(source), "--to", tmp_path / "o.ndjson")
    assert code == 2
    assert "no coordinate reference system" in error["error"]["what"]
    code, written = dtc("plan", source, "--city", "KR-TEST-2025", "--out", tmp_path / "p.yaml")
    assert written["decisions"] == 1
    code, written = dtc(
        "plan",
        source,
        "--city",
        "KR-TEST-2025",
        "--out",
        tmp_path / "q.yaml",
        "--source-crs",
        "EPSG:5186",
        "--encoding",
        "utf-8",
    )
    assert dtc("run", tmp_path / "q.yaml", "--to", tmp_path / "o2.ndjson")[0] == 0


@pytest.mark.parametrize("size", [30, 120, 400])
def test_truncated_files_are_explained(tmp_path: Path, dtc: Run, size: int) -> None:
    source = made.buildings(tmp_path / "b.gpkg", 5)
    source.write_bytes(source.read_bytes()[:size])
    code, answer = dtc("assess", source)
    assert code == 2
    assert answer["error"]["code"] == "migration-source"


def test_curves_become_lines_and_the_careful_way_gives_the_same(tmp_path: Path) -> None:
    source = made.buildings(tmp_path / "b.gpkg", 30)
    reader = OgrSource(str(source), format="geopackage")
    fast = list(reader.batches("b", start=10, size=7, careful=False))
    slow = list(reader.batches("b", start=10, size=7, careful=True))
    reader.close()
    assert [fid for batch in fast for fid in batch.fids] == [fid for batch in slow for fid in batch.fids]
    assert next(batch.columns["BLD_NM"] for batch in fast) == slow[0].columns["BLD_NM"][: fast[0].size]
    assert sum(batch.size for batch in slow) == 20


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp949", "utf-8"])
def test_tables_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    text = "id;이름;경도;위도\n1;서울특별시청 본관 건물;126,978;37,566\n2;강남구 주민센터;;\n"
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    rows = records(tmp_path / "a.csv")
    assert rows[0]["이름"] == "서울특별시청 본관 건물"
    assert rows[0]["*"].equals(shapely.Point(126.978, 37.566))
    assert rows[1]["*"] is None
    assert open_source(str(tmp_path / "a.csv")).layers()[0].crs == "EPSG:4326"


def refused(path: Path, options: dict[str, Any]) -> None:
    given = dict(options)
    source = open_source(str(path), encoding=given.pop("encoding", None), options=given)
    list(source.batches("b", start=0, size=5, careful=False))


def test_tables_with_odd_rows(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(
        b"id,wkt,id\n1,POINT (1 2)\n2,SRID=4326;POINT (3 4),x,y\n3,circle,\n\n4,,a\x00b\n"
    )
    rows = records(tmp_path / "a.csv")
    assert [row["!"] and row["!"][0] for row in rows] == [None, "bad-row", "unparseable-geometry", None]
    assert rows[3]["id_2"] == "ab"
    assert rows[1]["*"].equals(shapely.Point(3, 4))
    for content, options, words in (
        (b"", {}, "is empty"),
        (b"a,b\n1,2\n", {"x": "lon"}, "no column lon"),
        (b"a\n\xff\xfe\x81\n", {"encoding": "ascii"}, "cannot be read"),
        (b"a\n1\n", {"encoding": "klingon"}, "no encoding"),
    ):
        (tmp_path / "b.csv").write_bytes(content)
        with pytest.raises(DtcError, match=words):
            refused(tmp_path / "b.csv", options)
    (tmp_path / "c.csv").write_text("id,note\n1,a\n")
    found = assess(str(tmp_path / "c.csv"))
    assert any("no column holds" in remark.text for remark in found.layers[0].remarks)


def test_workbooks(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["id", "name", "lon", "lat"])
    book.active.append([1, "a", 127.0, 37.5])
    book.active.append([None, None, None, None])
    book.create_sheet("other").append(["x"])
    book.save(tmp_path / "a.xlsx")
    rows = records(tmp_path / "a.xlsx")
    assert len(rows) == 1
    assert rows[0]["*"].equals(shapely.Point(127, 37.5))
    with pytest.raises(DtcError, match="no sheet third"):
        records(tmp_path / "a.xlsx", sheet="third")
    (tmp_path / "b.xlsx").write_bytes(b"PK junk")
    with pytest.raises(DtcError, match=r"no workbook|no archive"):
        records(tmp_path / "b.xlsx")


def test_suggestions_by_name_and_by_values(tmp_path: Path) -> None:
    (tmp_path / "bldg.csv").write_text(
        "관리번호,건물명,주용도,지상층수,BLD_HT_FT,사용승인일,Shape_Area,lon,lat\n"
        + "".join(f"K{n},집{n},0{n % 3},{n % 9},{n}.5,1998050{n % 9 + 1},1,127,37\n" for n in range(1, 30)),
        encoding="utf-8",
    )
    found = assess(str(tmp_path / "bldg.csv")).layers[0]
    assert found.type == "Building"
    assert found.key == "관리번호"
    members = {one.member: one for one in found.suggestions}
    assert members["name"].field == "건물명"
    assert members["buildingType"].table
    assert members["floors.above"].confidence >= 0.7
    assert members["constructionYear"].pattern == "%Y%m%d"
    assert any("height" in remark.text for remark in found.remarks)


def test_an_assessment_counts_defects_and_duplicates(tmp_path: Path, dtc: Run) -> None:
    features = [
        {"type": "Feature", "properties": {"id": n % 5, "n": n}, "geometry": shape}
        for n, shape in enumerate(
            [
                {"type": "Polygon", "coordinates": [[[127, 37], [128, 38], [128, 37], [127, 38], [127, 37]]]},
                {"type": "Point", "coordinates": [127, 37]},
                None,
                {"type": "Point", "coordinates": [127, 99]},
                {"type": "LineString", "coordinates": [[127, 37], [127, 37.1]]},
                {"type": "Point", "coordinates": [127, 37]},
            ]
        )
    ]
    path = tmp_path / "mix.geojson"
    path.write_bytes(orjson.dumps({"type": "FeatureCollection", "features": features}))
    found = assess(str(path)).layers[0]
    assert found.defects["null-geometry"] == 1
    assert found.defects["outside-crs-area"] == 1
    assert found.repairable == 1
    assert found.score < 1
    html = tmp_path / "a.html"
    dtc("assess", path, "--html", html)
    assert "repairable" in html.read_text()
    assert dtc("assess", path, "--html", tmp_path / "no" / "a.html")[0] == 2


def test_nothing_to_migrate_is_a_failure(tmp_path: Path, dtc: Run) -> None:
    (tmp_path / "e.csv").write_text("id,lon,lat\n")
    plan = made.plan(tmp_path / "e.csv", layer={"id": {"key": "id"}, "properties": {}})
    assert dtc("run", plan, "--to", tmp_path / "o.ndjson")[0] == 1
    _code, error = dtc(
        "run", made.plan(tmp_path / "e.csv", layer={"id": {"key": "idd"}, "properties": {}}), "--dry-run"
    )
    assert "did you mean id?" in error["error"]["try"]
    data = made.plan(tmp_path / "e.csv", layer={"name": "none", "id": {}})
    assert "no layer none" in dtc("run", data, "--dry-run")[1]["error"]["what"]
