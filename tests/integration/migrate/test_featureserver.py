"""An ArcGIS layer is read whole: short pages, broken records, tokens, codes, dates and rings."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from dtc_cli.errors import DtcError
from dtc_cli.migrate.sources import esri
from dtc_cli.migrate.sources.open import open_source
from tests.integration.migrate.conftest import Run
from tests.support.data_server import serving
from tests.support.feature_server import FeatureServer

LAYER = "/arcgis/rest/services/City/FeatureServer/0"


def read(base: str, start: int = 0, **options: Any) -> tuple[Any, list[dict[str, Any]]]:
    source = open_source(base + LAYER, options=options)
    try:
        layer = source.layers()[0]
        return layer, [
            {**batch.row(i), "*": batch.geometry[i], "!": batch.problems.get(i)}
            for batch in source.batches(layer.name, start=start, size=7, careful=False)
            for i in range(batch.size)
        ]
    finally:
        source.close()


def test_every_id_comes_once_and_in_order() -> None:
    server = FeatureServer(forgets=(15, 18, 75), busy=2)
    with serving(server) as asked:
        layer, rows = read(asked.base)
        _, tail = read(asked.base, start=20)
    assert (layer.name, layer.count, layer.crs) == ("Buildings", 25, "EPSG:3857")
    assert (layer.key, layer.scheme) == ("OBJECTID", "arcgis")
    assert [row["OBJECTID"] for row in rows] == server.ids
    assert [row["OBJECTID"] for row in tail] == server.ids[20:]
    assert "attachments" in " ".join(layer.notes)


def test_values_codes_dates_and_rings() -> None:
    with serving(FeatureServer()) as asked:
        layer, rows = read(asked.base)
    first, several, placeless, broken = rows[:4]
    assert (first["NAME"], first["USE_CD"], first["USE_CD_label"]) == ("집 3", "01", "Housing")
    assert (several["USE_CD"], several["USE_CD_label"]) == ("77", None)
    assert first["BUILT"] == "1970-01-03T00:00:00Z"
    assert {field.name: field.kind for field in layer.fields}["BUILT"] == "instant"
    assert first["*"].geom_type == "Polygon"
    assert len(first["*"].interiors) == 1
    assert several["*"].geom_type == "MultiPolygon"
    assert sum(len(part.interiors) for part in several["*"].geoms) == 1
    assert placeless["*"] is None
    assert placeless["!"] is None
    assert broken["!"][0] == "unparseable-geometry"
    assert "rings" in broken["geometry"]


def test_a_record_that_the_service_does_not_give_is_told() -> None:
    with serving(FeatureServer(breaks=30, never=(45,))) as asked:
        layer, rows = read(asked.base)
    told = {row["OBJECTID"]: row["!"] for row in rows if row["!"]}
    assert layer.count == len(rows) == 25
    assert told[30] == ("missing-record", "400 Unable to perform query operation.")
    assert told[45][0] == "missing-record"


def test_a_service_that_ignores_the_flags_is_walked_by_id() -> None:
    server = FeatureServer(no_ids=True)
    with serving(server) as asked:
        layer, rows = read(asked.base)
    assert layer.count is None
    assert [row["OBJECTID"] for row in rows] == server.ids
    assert any("page by page" in note for note in layer.notes)


def test_the_token_of_a_source_changes_with_an_edit() -> None:
    server = FeatureServer()
    with serving(server) as asked:
        source = open_source(asked.base + LAYER)
        before = source.token()
        assert source.token() == before
        server.edited += 1
        assert source.token() != before
        source.close()


def test_a_credential_travels_and_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(FeatureServer(token="s3cret&x")) as asked:
        with pytest.raises(DtcError, match="refuses access") as refused:
            read(asked.base)
        assert "token_env" in refused.value.hint
        monkeypatch.setenv("CITY_TOKEN", "s3cret&x")
        layer, rows = read(asked.base, token_env="CITY_TOKEN")
        assert layer.count == len(rows) == 25
        assert all("token" in given and method == "POST" for method, _, given, _ in asked[1:])
        monkeypatch.setenv("CITY_TOKEN", "stale-one")
        with pytest.raises(DtcError) as stale:
            read(asked.base, token_env="CITY_TOKEN")
        assert "stale-one" not in str(stale.value.why)
        assert "***" in stale.value.why
        monkeypatch.delenv("CITY_TOKEN")
        with pytest.raises(DtcError, match="not set"):
            read(asked.base, token_env="CITY_TOKEN")


@pytest.mark.parametrize(
    ("address", "options"),
    [
        ("https://h/FeatureServer/0?token=abc", {}),
        ("https://me:pw@h/FeatureServer/0", {}),
        ("https://h/FeatureServer/0", {"token": "abc"}),
        ("postgresql://me:abc@h/db", {}),
    ],
)
def test_a_credential_in_the_address_or_the_plan_is_refused(address: str, options: dict[str, str]) -> None:
    with pytest.raises(DtcError, match="credential") as refused:
        open_source(address, options=options)
    told = f"{refused.value.what} {refused.value.where} {refused.value.why} {refused.value.hint}"
    assert "abc" not in told
    assert "pw" not in told.replace("pwd", "")


def test_a_layer_goes_into_a_file_and_nothing_is_unaccounted(dtc: Run, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    with serving(FeatureServer(never=(45,))) as asked:
        code, _ = dtc("plan", asked.base + LAYER, "--city", "KR-SEOUL-2025", "--out", plan)
        assert code == 0
        code, answer = dtc("run", plan, "--to", tmp_path / "out.ndjson")
    states = answer["layers"][0]["states"] if "layers" in answer else answer["states"]
    assert sum(states.values()) == 25
    assert states["quarantined"] == 3
    lines = [orjson.loads(line) for line in (tmp_path / "out.ndjson").read_bytes().splitlines()]
    first = next(one for one in lines if one["metadata"]["legacyId"] == "3")
    assert first["id"].endswith("-3")
    lon, lat = first["geometry"]["coordinates"][0][0]
    assert abs(lon - 126.978) < 2e-3
    assert abs(lat - 37.566) < 2e-3


def test_reference_systems_of_esri() -> None:
    assert esri.crs({"wkid": 102100}) == "EPSG:3857"
    assert esri.crs({"wkid": 102686, "latestWkid": 2249}) == "EPSG:2249"
    assert esri.crs({"wkid": 102039}) == "ESRI:102039"
    assert esri.crs({"wkt": "PROJCS[...]"}) == "PROJCS[...]"
    assert esri.crs({"wkid": 4326, "vcsWkid": 5773}) == "EPSG:4326+5773"
    assert esri.crs({}) is None


def test_geometries_of_esri() -> None:
    assert esri.shape({"x": "NaN", "y": "NaN"}) is None
    assert esri.shape({"x": 1, "y": 2, "z": 3}).wkt == "POINT Z (1 2 3)"
    assert esri.shape({"paths": [[[0, 0, 5], [1, 1, 6]]]}, has_m=True).has_z is False
    assert esri.shape({"paths": [[[0, 0, 5], [1, 1, 6]]], "hasZ": True}).has_z is True
    assert esri.shape({"paths": [[[0, 0], [1, 1]], [[2, 2], [3, 3]]]}).geom_type == "MultiLineString"
    assert esri.shape({"points": [[0, 0], [1, 1]]}).geom_type == "MultiPoint"
    assert esri.shape({"rings": []}) is None
    with pytest.raises(ValueError, match="true curves"):
        esri.shape({"curveRings": []})
    with pytest.raises(ValueError, match="none of"):
        esri.shape({"what": 1})


def test_a_service_of_several_layers_and_the_habits_of_some() -> None:
    good = FeatureServer(count=4)

    def answer(path: str, given: dict[str, str], headers: dict[str, str]) -> Any:
        if path.endswith("/FeatureServer"):
            group = {"id": 9, "name": "Group", "subLayerIds": [0]}
            return {
                "layers": [group, {"id": 0, "name": "Buildings"}, {"id": 1, "name": "Buildings"}],
                "tables": [{"id": 2}],
            }
        if path.endswith("/2"):
            return {"name": "Table", "fields": [{"name": "A", "type": "esriFieldTypeString"}]}
        found = good(path.replace("/1", "/0"), given, headers)
        if "/1" in path and "features" in found:
            found["spatialReference"] = {"wkid": 5186}
        return found

    with serving(answer) as asked:
        source = open_source(asked.base + "/arcgis/rest/services/City/FeatureServer")
        layers = {one.name: one for one in source.layers()}
        assert set(layers) == {"Buildings", "Buildings (1)", "Table"}
        assert "no field of ObjectIDs" in layers["Table"].blockers[0]
        assert layers["Buildings (1)"].crs == "EPSG:5186"
        assert any("come in EPSG:5186" in note for note in layers["Buildings (1)"].notes)
        careful = [batch.size for batch in source.batches("Buildings", start=0, size=9, careful=True)]
        assert careful == [1, 1, 1, 1]
        assert source.keys("Buildings", "OBJECTID") == [3, 6, 9, 12]  # type: ignore[attr-defined]
        assert source.keys("Buildings", "NAME")[0] == "집 3"  # type: ignore[attr-defined]
        source.close()


def test_services_that_refuse_are_told_in_words() -> None:
    def refusing(path: str, given: dict[str, str], headers: dict[str, str]) -> Any:
        if path.endswith("/0"):
            return FeatureServer()(path, given, headers)
        return {"error": {"code": 400, "message": "Operation is not supported", "details": ["x"]}}

    with serving(refusing) as asked, pytest.raises(DtcError, match="does not give its records") as refused:
        read(asked.base)
    assert "400 Operation is not supported x" in refused.value.why
    for answer, words in (
        ({"error": "no"}, "does not describe"),
        ([], "no object"),
        ({"error": {"code": 500, "message": "later"}}, "does not describe"),
    ):
        with serving(lambda *_, answer=answer: answer) as asked, pytest.raises(DtcError, match=words):
            read(asked.base)
    with pytest.raises(DtcError, match="no option colour"):
        open_source("http://localhost:1/FeatureServer/0", options={"colour": 1})


def test_columns_with_subtypes() -> None:
    columns = esri.Columns(
        {
            "typeIdField": "KIND",
            "fields": [
                {"name": "KIND", "type": "esriFieldTypeInteger"},
                {"name": "STATE", "type": "esriFieldTypeString"},
                {"name": "D", "type": "esriFieldTypeDate"},
            ],
            "types": [
                {
                    "id": 1,
                    "name": "House",
                    "domains": {"STATE": {"codedValues": [{"code": "a", "name": "good"}]}},
                },
                {"id": 2, "name": "Shed", "domains": {"STATE": {"type": "inherited"}}},
            ],
        }
    )
    assert columns.row({"KIND": 1.0, "STATE": "a", "D": 1e30, "MORE": 1}) == {
        "KIND": 1, "STATE": "a", "D": "1e+30", "MORE": 1, "KIND_label": "House", "STATE_label": "good",
    }  # fmt: skip
    assert columns.row({"KIND": 2, "STATE": "a"})["STATE_label"] is None
