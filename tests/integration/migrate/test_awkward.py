"""Sources as city offices really have them: wrong statements, two readings, titles, archives, lost lines."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio.raw
import pytest
import shapely

from dtc_cli.errors import DtcError
from dtc_cli.migrate import ambiguous, assess_apart, duplicates, plan, plan_writer
from dtc_cli.migrate.assess import Assessment, LayerAssessment, assess
from dtc_cli.migrate.crs import Projection
from dtc_cli.migrate.sources import kml_text
from dtc_cli.migrate.sources.open import detect, open_source
from tests.integration.migrate.conftest import Run
from tests.integration.migrate.reading import read

POINTS = "id;name;lon;lat\n" + "".join(f"{n:05d};Halte {n};37,{500 + n};127,{n:03d}\n" for n in range(8))


def only(path: Path, **how: Any) -> LayerAssessment:
    (layer,) = assess(str(path), **how).layers
    return layer


def written(found: Assessment, folder: Path) -> str:
    text = plan_writer.write(found, city="KR-ODD-2025", out=folder / "p.yaml", source_crs=None)
    plan.parse(text, source="p.yaml", folder=folder)
    return text


def shapefile(folder: Path, name: str, texts: list[str], encoding: str) -> None:
    """A shapefile whose table has no language byte and no .cpg."""
    shapes = shapely.to_wkb(shapely.points(np.arange(len(texts)) + 200_000.0, 550_000.0))
    pyogrio.raw.write(
        str(folder / f"{name}.shp"), shapes, [np.array(texts, dtype=object)], np.array(["NAME"]),
        geometry_type="Point", crs="EPSG:5186", encoding=encoding,
    )  # fmt: skip
    (folder / f"{name}.cpg").unlink(missing_ok=True)
    table = bytearray((folder / f"{name}.dbf").read_bytes())
    table[29] = 0
    (folder / f"{name}.dbf").write_bytes(table)


def test_columns_whose_names_lie_about_the_axes_are_told_and_planned(tmp_path: Path, dtc: Run) -> None:
    (tmp_path / "stops.csv").write_text(POINTS)
    found = assess(str(tmp_path / "stops.csv"))
    assert found.layers[0].swapped
    assert found.layers[0].extent_degrees == [127.0, 37.5, 127.007, 37.507]
    text = written(found, tmp_path)
    assert "axis_order: yx" in text
    (tmp_path / "p.yaml").write_text(text)
    assert dtc("run", tmp_path / "p.yaml", "--dry-run")[1]["states"] == {"loaded": 8}
    # In the right order nothing is turned.
    (tmp_path / "right.csv").write_text(POINTS.replace("lon;lat", "lat;lon"))
    assert not only(tmp_path / "right.csv").swapped


def test_a_system_that_is_not_that_of_the_data_is_told_before_and_after(tmp_path: Path, dtc: Run) -> None:
    shapes = shapely.to_wkb(shapely.points(np.arange(3) - 7000.0, -35_000.0))
    pyogrio.raw.write(
        str(tmp_path / "a.gpkg"), shapes, [np.array(["a", "b", "c"], dtype=object)], np.array(["id"]),
        geometry_type="Point", crs="EPSG:6677",
    )  # fmt: skip
    layer = only(tmp_path / "a.gpkg", source_crs="EPSG:5186")
    told = [one.text for one in layer.remarks if one.severity == "condition"]
    assert sum("3 records outside the area of use of EPSG:5186" in text for text in told) == 1
    assert sum("km apart" in text for text in told) == 1
    found = assess(str(tmp_path / "a.gpkg"), source_crs="EPSG:5186")
    text = plan_writer.write(found, city="KR-ODD-2025", out=tmp_path / "p.yaml", source_crs="EPSG:5186")
    (tmp_path / "p.yaml").write_text(text)
    (done,) = dtc("run", tmp_path / "p.yaml", "--dry-run")[1]["layers"]
    assert [count for notice, count in done["notices"].items() if "km apart" in notice] == [3]
    assert [count for notice, count in done["notices"].items() if "area of use" in notice] == [3]


@pytest.mark.parametrize(
    ("days", "wanted"),
    [
        (["01/02/1987", "03/04/1990"], ("%d/%m/%Y", "ambiguous")),
        (["01/02/1987", "23/04/1990"], ("%d/%m/%Y", "sure")),
        (["01/02/1987", "03/24/1990"], ("%m/%d/%Y", "sure")),
        (["01/22/1987", "23/04/1990"], (None, "mixed")),
        (["1.2.87", "3.4.90"], ("%d.%m.%y", "sure")),
        (["1987-02-01", "no day"], (None, "")),
        ([], (None, "")),
    ],
)
def test_day_and_month_are_told_apart_only_by_evidence(days: list[str], wanted: tuple[Any, str]) -> None:
    assert ambiguous.day_pattern(days) == wanted


def test_what_can_be_read_in_two_ways_is_asked(tmp_path: Path) -> None:
    rows = "".join(f'{n},{n % 12 + 1:02d}/0{n % 9 + 1}/1987,"{n + 1},250",127,37\n' for n in range(30))
    (tmp_path / "bldg.csv").write_text("id,built,area,lon,lat\n" + rows)
    layer = only(tmp_path / "bldg.csv")
    told = [one.text for one in layer.remarks]
    assert any("the days of built can be read in two ways" in text for text in told)
    assert any("the numbers of area can be read in two ways" in text for text in told)
    # The year is the same in both readings.
    assert {one.member: one.pattern for one in layer.suggestions}["constructionYear"] == "%d/%m/%Y"


def test_titles_above_the_names_of_columns_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "건물 대장 2024\n\n관리번호,건물명,위도,경도,높이(m)\n001,시청,37.5,127,12.5\n"
    )
    layer = only(tmp_path / "a.csv")
    assert (layer.read, layer.key, layer.geometry_types) == (1, "관리번호", {"Point": 1})
    assert {one.member: one.field for one in layer.suggestions}["height"] == "높이(m)"
    assert any("title" in one.text for one in layer.remarks)


def test_an_encoding_that_shows_late_is_found(tmp_path: Path) -> None:
    plain = "".join(f"{n},ascii name,127,37\n" for n in range(60_000))
    (tmp_path / "a.csv").write_bytes(
        ("id,name,lon,lat\n" + plain + "x,강남구청 서울역,127,37\n").encode("cp949")
    )
    source = open_source(str(tmp_path / "a.csv"))
    assert source.layers()[0].encoding == "cp949"
    source.close()
    shapefile(tmp_path, "late", ["ascii"] * 900 + ["강남구청", "서울역사", "한강공원"], "cp949")
    assert read(tmp_path / "late.shp")[1][-1]["NAME"] == "한강공원"


def test_shapefiles_of_an_archive_and_of_a_folder_have_an_encoding_each(tmp_path: Path) -> None:
    folder = tmp_path / "shapes"
    folder.mkdir()
    shapefile(folder, "ko", ["강남구청", "서울역", "한강공원"], "cp949")
    shapefile(folder, "ja", ["東京駅", "渋谷区役所", "横浜港"], "cp932")
    archive = tmp_path / "both.zip"
    with zipfile.ZipFile(archive, "w") as out:
        for file in sorted(folder.iterdir()):
            out.write(file, f"data 2024/{file.name}")
        out.writestr("__MACOSX/data 2024/._ko.shp", b"x")
    for source in (folder, archive):
        assert detect(str(source)) == "shapefile"
        assert read(source, "ko")[1][0]["NAME"] == "강남구청"
        assert read(source, "ja")[1][1]["NAME"] == "渋谷区役所"
    with zipfile.ZipFile(archive, "a") as out:
        out.write(folder / "ko.shp", "other/ko.shp")
    with pytest.raises(DtcError, match="several places"):
        open_source(str(archive))


def test_a_table_in_an_archive_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as out:
        out.writestr("folder/points.csv", "id,lon,lat\n1,127,37\n")
    assert read(tmp_path / "a.zip")[1][0]["*"].coords[0] == (127.0, 37.0)


def test_lines_that_are_no_features_are_records(tmp_path: Path, dtc: Run) -> None:
    good = json.dumps(
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": [127, 37]}, "properties": {"id": 1}}
    )
    for name, mark in (("a.geojsonl", ""), ("b.geojsonl", "\x1e")):
        (tmp_path / name).write_text(f"{mark}{good}\n\n{mark}{{broken\n{mark}[1]\n{mark}{good}\n")
        found = assess(str(tmp_path / name))
        assert [(one.name, one.read) for one in found.layers] == [(name[0], 2), ("unreadable lines", 2)]
    (tmp_path / "p.yaml").write_text(written(found, tmp_path))
    _, summary = dtc("run", tmp_path / "p.yaml", "--dry-run")
    assert (summary["accounted"], summary["reasons"]["unreadable-line"]) == (True, 2)


def test_descriptions_of_kml_become_fields_and_text(tmp_path: Path) -> None:
    html = (
        "<table><tr><td>HEIGHT</td><td>12</td></tr><tr><td colspan=2>see <b>plan</b></td></tr></table>"
        "<script>x()</script>"
    )
    assert kml_text.parsed(html) == ({"HEIGHT": "12"}, "see plan")
    place = "<Point><coordinates>127,37</coordinates></Point></Placemark>"
    mark = f"<Placemark><name>a</name><description><![CDATA[{html}]]></description>{place}"
    plainly = f"<Placemark><name>b</name><description>a &lt; b</description>{place}"
    (tmp_path / "a.kml").write_text(
        f'<kml xmlns="http://www.opengis.net/kml/2.2"><Document><Folder><name>f</name>'
        f"{mark}{plainly}</Folder></Document></kml>"
    )
    facts, rows = read(tmp_path / "a.kml")
    assert {"HEIGHT", kml_text.RAW} <= {field.name for field in facts.fields}
    assert [row["HEIGHT"] for row in rows] == ["12", None]
    assert (rows[0][kml_text.RAW], rows[1][kml_text.RAW]) == (html, None)


def test_arcs_in_a_table_become_lines_and_do_not_stop_it(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        'id,wkt\n1,"CIRCULARSTRING (127 37, 127.1 37.1, 127.2 37)"\n2,POINT (127 37)\n3,"CURVE (1"\n'
    )
    _, rows = read(tmp_path / "a.csv")
    assert (rows[0]["*"].geom_type, len(rows[0]["*"].coords) > 10) == ("LineString", True)
    assert [row["!"] and row["!"][0] for row in rows] == [None, None, "unparseable-geometry"]


def test_tables_beside_layers_with_places_are_kept_back_and_not_judged(tmp_path: Path, dtc: Run) -> None:
    import sqlite3

    path = tmp_path / "city.gpkg"
    shapes = shapely.to_wkb(shapely.points([127.0, 127.1], [37.0, 37.1]))
    names = np.array(["a", "b"], dtype=object)
    pyogrio.raw.write(
        str(path), shapes, [names], np.array(["nm"]), layer="pts", geometry_type="Point", crs="EPSG:4326"
    )
    base = sqlite3.connect(path)
    base.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, txt TEXT)")
    base.execute("INSERT INTO notes VALUES (1, 'x')")
    base.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier) "
        "VALUES ('notes', 'attributes', 'notes')"
    )
    base.execute("CREATE VIEW v AS SELECT fid, geom, nm FROM pts")
    base.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id) "
        "VALUES ('v', 'features', 'v', 4326)"
    )
    base.execute("INSERT INTO gpkg_geometry_columns VALUES ('v', 'geom', 'POINT', 4326, 0, 0)")
    base.commit()
    base.close()
    found = assess(str(path))
    text = written(found, tmp_path)
    (tmp_path / "p.yaml").write_text(text)
    code, summary = dtc("run", tmp_path / "p.yaml", "--dry-run")
    assert (code, summary["reasons"]) == (0, {"no-place": 1})
    assert {gate["name"]: gate["judged"] for gate in summary["gates"]} == {
        "geometry-integrity": 4, "data-quality": 4,
    }  # fmt: skip
    (view,) = (one for one in found.layers if one.name == "v")
    assert any("it is a view" in one.text for one in view.remarks)


def test_a_shift_that_the_source_states_is_used() -> None:
    stated = (
        "+proj=tmerc +lat_0=38 +lon_0=127.0028902777778 +k=1 +x_0=200000 +y_0=500000 +ellps=bessel "
        "+units=m +no_defs "
    )
    with pytest.raises(DtcError, match="datum"):
        Projection(stated, limit_m=5, where="x")
    shifted = Projection(
        stated + "+towgs84=-115.80,474.99,674.11,1.16,-2.31,-1.63,6.43", limit_m=5, where="x"
    )
    known = Projection("EPSG:5174", limit_m=5, where="x")
    place = np.array([[200_000.0, 450_000.0]])
    assert np.abs(shifted.apply(place) - known.apply(place)).max() < 1e-5
    with pytest.raises(DtcError, match="geocentric"):
        Projection("EPSG:4978", limit_m=5, where="x")


def test_what_is_no_text_and_what_has_no_layers_is_said(tmp_path: Path, dtc: Run) -> None:
    (tmp_path / "a.csv").write_bytes(bytes(range(256)) * 40)
    (tmp_path / "c.csv").write_text("id,name\n1,a\n")
    (tmp_path / "p.yaml").write_text(written(assess(str(tmp_path / "c.csv")), tmp_path))
    assert dtc("run", tmp_path / "p.yaml", "--dry-run")[0] == 1  # not one record arrives
    code, told = dtc("assess", tmp_path / "a.csv")
    assert (code, "is no text" in json.dumps(told)) == (2, True)
    (tmp_path / "b.csv").write_text("id,lon,lat\n1,500,37\n2,600,95\n")
    assert only(tmp_path / "b.csv").readiness == "not ready"
    empty = Assessment(source="x.fgb", format="flatgeobuf", layers=[], readiness="not ready", score=0.0)
    with pytest.raises(DtcError, match="no layers"):
        written(empty, tmp_path)


def test_a_key_that_few_records_lack_or_share_stays_the_key(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "PNU,nm,lon,lat\n" + "".join(f"00{n},x{n},127,37\n" for n in range(9)) + "000,y,127,37\n,z,127,37\n"
    )
    layer = only(tmp_path / "a.csv")
    assert (layer.key, layer.duplicate_keys) == ("PNU", 1)
    source = open_source(str(tmp_path / "a.csv"))
    assert duplicates.find(source, "a", "PNU").lacking
    source.close()


def test_an_assessment_that_crashes_is_made_the_slower_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    answer = assess_apart.Answer(found=assess(str(_csv(tmp_path))))

    def crash(question: assess_apart.Question) -> tuple[int, bytes, str]:
        import msgspec

        asked.append(question.careful)
        return (-11, b"", "") if not question.careful else (0, msgspec.msgpack.encode(answer), "")

    monkeypatch.setattr(assess_apart, "_asked", crash)
    assert assess_apart.assess_apart("x").layers[0].read == 1
    assert asked == [False, True]
    monkeypatch.setattr(assess_apart, "_asked", lambda _: (-11, b"", "boom"))
    with pytest.raises(DtcError, match="crashes"):
        assess_apart.assess_apart("x")


def _csv(folder: Path) -> Path:
    (folder / "one.csv").write_text("id,lon,lat\n1,127,37\n")
    return folder / "one.csv"


@pytest.mark.parametrize(
    ("north", "east", "place"),
    [
        ("37°33'58.87\"N", "126°58'40.6\"E", (126.977944, 37.566353)),
        ("37:30:00", "127:00:00", (127.0, 37.5)),
        ("S 33°52.5'", "W70° 40,5'", (-70.675, -33.875)),
        ("-33.875", "151,2", (151.2, -33.875)),
    ],
)
def test_degrees_minutes_and_seconds(
    tmp_path: Path, north: str, east: str, place: tuple[float, float]
) -> None:
    (tmp_path / "a.csv").write_text(f"id;lat;lon\n1;{north};{east}\n2;37°75'0\";127\n", encoding="utf-8")
    _, rows = read(tmp_path / "a.csv")
    assert rows[0]["*"].coords[0] == pytest.approx(place, abs=1e-6)
    assert rows[1]["!"][0] == "bad-coordinate"


def test_wide_texts_without_a_mark_and_sheets_that_are_not_read(tmp_path: Path) -> None:
    for code in ("utf-16-le", "utf-16-be"):
        (tmp_path / "a.csv").write_bytes("id,name,lon,lat\n1,시청 main hall,127,37\n".encode(code))
        facts, rows = read(tmp_path / "a.csv")
        assert (facts.encoding, rows[0]["name"]) == (code, "시청 main hall")
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["id", "lon", "lat"])
    book.active.append([1, 127, 37])
    book.create_sheet("2023").append(["id"])
    book.save(tmp_path / "a.xlsx")
    assert any("only the sheet Sheet is read" in note for note in read(tmp_path / "a.xlsx")[0].notes)
