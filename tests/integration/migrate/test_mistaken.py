"""Sources that look right and are not: stand-ins for values, files cut off, fields of doubtful names."""

import json
from pathlib import Path

import numpy as np
import orjson
import pytest

from dtc_cli.errors import DtcError
from dtc_cli.migrate.assess import Assessment, assess
from tests.integration.migrate import made
from tests.integration.migrate.conftest import Run
from tests.integration.migrate.reading import read
from tests.integration.migrate.test_awkward import only, written


def blockers(found: Assessment) -> str:
    return " ".join(one.text for layer in found.layers for one in layer.remarks if one.severity == "blocker")


def test_stand_ins_are_kept_back_or_left_out_and_their_text_is_kept(tmp_path: Path, dtc: Run) -> None:
    (tmp_path / "a.csv").write_text(
        "id,name,use,height,width,lon,lat\n"
        "1,a,house,12.5,3,127,37\n2,b,house,12.5,3,0,0\n3,c,house,-9999,3,127,37\n"
        "4,d,house,inf,3,127,37\n5,e,house,7,9999,127,37\n6,f,house,7,-2,127.001,37\n"
    )
    found = assess(str(tmp_path / "a.csv"))
    assert found.layers[0].extent_degrees == [127.0, 37.0, 127.001, 37.0]
    assert found.layers[0].defects == {"sentinel-coordinates": 1}
    text = written(found, tmp_path).replace("type: Landmark", "type: Building")
    text = text.partition("        properties:")[0] + (
        "        properties:\n          name: name\n          buildingType: use\n"
        "          height: {from: height, as: number}\n          width: width\n"
    )
    (tmp_path / "p.yaml").write_text(text)
    _, done = dtc("run", tmp_path / "p.yaml", "--to", tmp_path / "o.ndjson")
    assert done["states"] == {"loaded": 3, "quarantined": 3}
    assert done["reasons"] == {"missing-property": 2, "sentinel-coordinates": 1}
    assert done["layers"][0]["notices"] == {
        "height: stands for no value: -9999": 1,
        "height: not number: inf": 1,
        "width: stands for no value: 9999": 1,
        "width: out of range: -2": 1,
    }
    kept = {row["key"]: row for row in dtc("quarantine", "list", tmp_path / "p.yaml")[1]["records"]}
    assert kept["3"]["detail"] == "lacks height (stands for no value: -9999)"
    assert kept["4"]["detail"] == "lacks height (not number: inf)"
    lines = (tmp_path / "o.ndjson").read_bytes().splitlines()
    loaded = {one["metadata"]["legacyId"]: one for one in map(orjson.loads, lines)}
    assert [loaded[key]["properties"].get("width") for key in "156"] == ["3", None, None]
    assert [loaded[key]["metadata"]["legacyAttributes"].get("width") for key in "156"] == [None, "9999", "-2"]


def test_an_infinite_number_is_kept_as_text(tmp_path: Path, dtc: Run) -> None:
    source = made.buildings(tmp_path / "b.gpkg", 3, HEIGHT=np.array([4.0, float("inf"), -9999.0]))
    plan = made.plan(source)
    _, done = dtc("run", plan, "--to", tmp_path / "o.ndjson")
    assert done["reasons"] == {"missing-property": 2}
    dtc("quarantine", "export", plan, "--out", tmp_path / "q.ndjson")
    rows = [json.loads(line) for line in (tmp_path / "q.ndjson").read_text(encoding="utf-8").splitlines()]
    assert [row["record"]["fields"]["HEIGHT"] for row in rows] == ["inf", -9999]
    assert [row["detail"] for row in rows] == [
        "lacks height (not number: inf)", "lacks height (stands for no value: -9999)",
    ]  # fmt: skip
    (remark,) = (one for one in only(source).remarks if "stands for no value" in one.text)
    assert remark.text == "HEIGHT holds -9999, inf, which stands for no value"


def test_the_field_of_exactly_the_name_is_mapped_and_a_reference_is_a_key(tmp_path: Path) -> None:
    features = [
        {
            "type": "Feature", "id": n,
            "properties": {
                "type": "Building", "buildingType": "residential", "title": f"t{n}", "name": f"n{n}",
                "hgt": 5, "height": 7, "ref": f"R-{n}",
            },
            "geometry": {"type": "Point", "coordinates": [127.0 + n / 1000, 37.0]},
        }
        for n in range(4)
    ]  # fmt: skip
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    layer = only(path)
    chosen = {one.member: one.field for one in layer.suggestions}
    assert chosen == {"name": "name", "buildingType": "buildingType", "height": "height"}
    assert layer.key == "ref"
    path.write_text(path.read_text().replace('"ref"', '"remark"'))
    (told,) = (one.text for one in only(path).remarks if "as a key" in one.text)
    assert told == "no field is called as a key; every record has another value in title, name, remark"


def test_what_cannot_be_migrated_is_not_called_ready(tmp_path: Path, dtc: Run) -> None:
    (tmp_path / "a.csv").write_text("id,note\n1,a\n2,b\n")
    code, found = dtc("assess", tmp_path / "a.csv")
    assert (code, found["readiness"], found["layers"][0]["readiness"]) == (1, "not ready", "not ready")
    assert "0 of the layers can be migrated now" in found["summary"][0]
    empty = tmp_path / "e.geojson"
    empty.write_text('{"type": "FeatureCollection", "features": []}')
    code, found = dtc("assess", empty)
    assert (code, found["readiness"], found["layers"][0]["readiness"]) == (1, "not ready", "not ready")
    assert "0 of the layers can be migrated now" in found["summary"][0]
    assert "skip: the layer is empty" in written(assess(str(empty)), tmp_path)


def test_a_shapefile_that_is_cut_off_is_not_ready(tmp_path: Path, dtc: Run) -> None:
    source = made.buildings(tmp_path / "b.shp", 12)
    assert blockers(assess(str(source))) == ""
    source.write_bytes(source.read_bytes()[:900])
    for place in (source, tmp_path):
        found = assess(str(place))
        assert found.readiness == "not ready"
        assert "the file is cut off: 7 of its 12 records lie beyond its end (900 of its " in blockers(found)
    code, answer = dtc("run", made.plan(source), "--to", tmp_path / "o.ndjson")
    assert (code, "cut off" in answer["error"]["why"]) == (2, True)
    (tmp_path / "b.shx").unlink()
    with pytest.raises(DtcError, match="cannot be read"):
        assess(str(source))


@pytest.mark.parametrize(
    "names",
    [
        "Länge;Breite", "Längengrad;Breitengrad", "Longitud;Latitud", "Longitudine;Latitudine", "経度;緯度",
        "경도(WGS84);위도(WGS84)", "Longitude (deg);Latitude (deg)", "geogr. Länge;geogr. Breite",
    ],
)  # fmt: skip
def test_coordinates_are_found_in_the_languages_of_registers(tmp_path: Path, names: str) -> None:
    (tmp_path / "a.csv").write_text(f"id;{names}\n1;9,1829;48,7758\n2;9,19;48,78\n", encoding="utf-8")
    facts, rows = read(tmp_path / "a.csv")
    assert facts.crs == "EPSG:4326"
    assert rows[0]["*"].coords[0] == (9.1829, 48.7758)


def test_a_length_and_a_width_are_no_place(tmp_path: Path) -> None:
    for rows in ("1;120,5;7,5\n", "1;1200,123;7,512\n", "1;lang;breit\n"):
        (tmp_path / "a.csv").write_text(f"id;Länge;Breite\n{rows}", encoding="utf-8")
        facts, (row,) = read(tmp_path / "a.csv")
        assert (facts.geometry, row["*"]) == (None, None)


def test_a_coordinate_that_is_no_number_gets_a_remedy_for_numbers(tmp_path: Path, dtc: Run) -> None:
    (tmp_path / "a.csv").write_text("id;lon;lat\n1;127,1;37,5\n2;n/a;37,5\n3;12.7.1;37\n")
    dtc("plan", tmp_path / "a.csv", "--city", "KR-ODD-2025", "--out", tmp_path / "p.yaml")
    _, done = dtc("run", tmp_path / "p.yaml", "--to", tmp_path / "o.ndjson")
    assert done["reasons"] == {"bad-coordinate": 2}
    first, _ = dtc("quarantine", "list", tmp_path / "p.yaml")[1]["records"]
    assert first["detail"] == "lon is n/a, which is no number"
    assert "number" in first["try"]
