"""The OGC API Features facade: pages, filters, and GDAL where it is installed."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest


def get(twin: Any, path: str, **query: Any) -> Any:
    answer = twin.call("GET", f"{twin.origin}/ogc/KR-BUSAN-2025{path}", role="viewer", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_landing_page_leads_to_the_items(twin: Any) -> None:
    links = {one["rel"]: one["href"] for one in get(twin, "")["links"]}
    assert {"self", "service-desc", "conformance", "data"} <= set(links)
    assert any(name.endswith("/core") for name in get(twin, "/conformance")["conformsTo"])
    collection = twin.call("GET", links["data"]).json()["collections"][0]
    assert collection["extent"]["spatial"]["bbox"] == [[128.925, 35.05, 129.225, 35.31]]
    items = next(one["href"] for one in collection["links"] if one["rel"] == "items")
    assert twin.call("GET", items).json()["type"] == "FeatureCollection"


def test_the_next_links_visit_every_object_once(twin: Any) -> None:
    url = f"{twin.origin}/ogc/KR-BUSAN-2025/collections/objects/items?limit=40&type=Building"
    seen: list[str] = []
    total = 0
    while url:
        page = twin.call("GET", url).json()
        total = page["numberMatched"]
        assert page["numberReturned"] == len(page["features"])
        seen += [one["id"] for one in page["features"]]
        url = next((one["href"] for one in page["links"] if one["rel"] == "next"), "")
    assert len(seen) == len(set(seen)) == total


def test_bbox_and_datetime_select_what_the_api_selects(twin: Any) -> None:
    box = "129.07,35.17,129.075,35.18"
    facade = get(twin, "/collections/objects/items", bbox=box, limit=1000)["features"]
    api = twin.get("/objects", params={"bounds": box, "limit": 1000})["objects"]
    assert [one["id"] for one in facade] == [one["id"] for one in api]
    high = get(twin, "/collections/objects/items", bbox="129.07,35.17,0,129.075,35.18,500", limit=1000)
    assert high["numberMatched"] == len(api)
    created = twin.create()
    found = get(twin, "/collections/objects/items", datetime=f"{created['created']}/..")["features"]
    assert created["id"] in [one["id"] for one in found]
    exact = get(twin, "/collections/objects/items", datetime=created["created"])["features"]
    assert [one["id"] for one in exact] == [created["id"]]
    assert (
        get(twin, f"/collections/objects/items/{created['id']}")["properties"]["cityObjectId"]
        == created["id"]
    )


@pytest.mark.parametrize(
    "query",
    [
        "bbox=1,2,3",
        "bbox=a",
        "datetime=today",
        "datetime=2026-01-02T00:00:00Z/2025-01-02T00:00:00Z",
        "limit=0",
    ],
)
def test_a_bad_question_is_refused(twin: Any, query: str) -> None:
    answer = twin.call("GET", f"{twin.origin}/ogc/KR-BUSAN-2025/collections/objects/items?{query}")
    assert answer.status_code == 400


def test_the_facade_asks_for_a_key_and_knows_its_collection(twin: Any) -> None:
    url = f"{twin.origin}/ogc/KR-BUSAN-2025"
    assert twin.http.get(url).status_code == 401
    assert twin.call("GET", url, role="other_city").status_code == 403
    assert twin.call("GET", f"{url}/collections/none").status_code == 404
    assert twin.call("GET", f"{twin.origin}/ogc/ZZ-NOWHERE-2025").status_code == 404


@pytest.mark.skipif(shutil.which("ogrinfo") is None, reason="ogrinfo (Debian gdal-bin) is not installed")
def test_gdal_reads_the_city(twin: Any, tmp_path: Path) -> None:
    headers = tmp_path / "headers"
    headers.write_text(f"X-API-Key: {twin.key('viewer')}\n")
    url = f"OAPIF:{twin.origin}/ogc/KR-BUSAN-2025"
    out = tmp_path / "out.geojson"
    command = ["ogr2ogr", "--config", "GDAL_HTTP_HEADER_FILE", str(headers), str(out), url, "objects"]
    subprocess.run(command, check=True, capture_output=True)
    total = twin.get("/statistics")["cityObjects"]["total"]
    assert len(json.loads(out.read_text())["features"]) == total
    part = tmp_path / "part.geojson"
    corners = ["129.07", "35.17", "129.075", "35.18"]
    subprocess.run(
        [*command[:4], "-spat", *corners, str(part), url, "objects"], check=True, capture_output=True
    )
    names = {one["properties"]["cityObjectId"] for one in json.loads(part.read_text())["features"]}
    api = twin.get("/objects", params={"bounds": ",".join(corners), "limit": 1000})["objects"]
    assert names == {one["id"] for one in api}


def test_owslib_reads_the_city(twin: Any) -> None:
    from owslib.ogcapi.features import Features  # type: ignore[import-untyped]

    url = f"{twin.origin}/ogc/KR-BUSAN-2025"
    city = Features(url, headers={"X-API-Key": twin.key("viewer")})
    assert city.feature_collections() == ["objects"]
    assert city.collection("objects")["extent"]["spatial"]["bbox"] == [[128.925, 35.05, 129.225, 35.31]]
    box = [129.07, 35.17, 129.075, 35.18]
    page = city.collection_items("objects", bbox=box, limit=1000)
    api = twin.get("/objects", params={"bounds": ",".join(map(str, box)), "limit": 1000})["objects"]
    assert [one["id"] for one in page["features"]] == [one["id"] for one in api]
    assert page["numberMatched"] == len(api)
    assert city.collection_item("objects", "park-citizens")["properties"]["name"] == "Citizens Park"
