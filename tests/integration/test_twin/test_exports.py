"""Exports: a whole city as a file, and back again."""

import contextlib
import itertools
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.test_twin.conftest import CITY, ROOT, Twin
from tests.support.imports import NDJSON, imported

COPIES = itertools.count(2030)
STAMPS = ("lastUpdated", "revision")


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    started = Twin(tmp_path_factory.mktemp("twin"), "--objects", "60")
    odd = {
        "type": "Water, \u00fc\u2028",
        "name": 'a "quoted"\\ name',
        "cityObjectId": 7,
        "deep": {"list": [1, 2.5, None]},
    }
    started.create(id="odd/id %", type="Utility", properties=odd)
    yield started
    started.stop()


def exported(twin: Twin, query: str, city: str = CITY) -> httpx.Response:
    answer = twin.call("GET", f"{twin.rest}/cities/{city}/export?{query}")
    assert answer.status_code == 200, answer.text
    return answer


def copy(twin: Twin, body: bytes, media: str) -> str:
    """A new, empty city, filled with an export."""
    name = f"KR-COPY-{next(COPIES)}"
    city = twin.get("")
    described = {key: city[key] for key in ("name", "bounds", "coordinateSystem")}
    made = twin.call("POST", f"{twin.rest}/cities", json={**described, "cityId": name})
    assert made.status_code == 201, made.text
    url = f"{twin.rest}/cities/{name}"
    started = twin.call("POST", f"{url}/import", content=body, headers={"content-type": media})
    for _ in range(3000):
        job = twin.call("GET", f"{url}/imports/{started.json()['id']}").json()
        if job["status"] not in ("pending", "running"):
            break
    assert job["status"] == "completed"
    assert job["errors"] == []
    return name


def plain(entity: dict[str, Any]) -> dict[str, Any]:
    metadata = {name: value for name, value in entity.get("metadata", {}).items() if name not in STAMPS}
    return {**entity, "metadata": metadata}


def content(record: dict[str, Any]) -> dict[str, Any]:
    """What of a record must survive a round trip."""
    network = record["sensorNetwork"]
    return {
        "objects": [plain(item) for item in record["cityObjects"]],
        "nodes": [plain(node) for node in network["nodes"]],
        "rest": [network["aggregations"], record["simulations"], record["services"]],
    }


@pytest.mark.parametrize(
    ("format_", "media"), [("record", "application/json"), ("ndjson", NDJSON["content-type"])]
)
def test_a_city_survives_the_way_out_and_in(twin: Twin, format_: str, media: str) -> None:
    original = exported(twin, "format=record&measurements=all").json()
    assert len(original["cityObjects"]) == 61
    assert sum(len(node["measurements"]) for node in original["sensorNetwork"]["nodes"]) > 1000
    answer = exported(twin, f"format={format_}&measurements=all")
    assert answer.headers["content-type"] == media
    name = copy(twin, answer.content, media)
    again = exported(twin, "format=record&measurements=all", name).json()
    assert content(again) == content(original)
    assert twin.call("GET", f"{twin.rest}/cities/{name}/statistics").json()["cityObjects"]["total"] == 61


def test_readings_of_any_number_survive_in_lines_of_their_own(twin: Twin) -> None:
    known = {"parameter": "water_flow", "unit": "liters/min", "quality": "good"}
    began = datetime(2025, 3, 1, tzinfo=UTC)
    many = [
        {**known, "value": n % 50, "timestamp": (began + timedelta(seconds=n)).isoformat()}
        for n in range(7000)
    ]
    node = {"id": "talker", "type": "UtilitySensor", "specifications": {"maxValue": 60}}
    rows: list[dict[str, Any]] = [
        {"readings": {"sensorId": "talker", "measurements": many[4000:]}},  # before its sensor, in any order
        {"sensor": {**node, "measurements": many[:4000]}},
        {"readings": {"sensorId": "nobody", "measurements": many[:2]}},
        {
            "readings": {
                "sensorId": "talker",
                "measurements": [{**many[0], "value": 61}, {**many[1], "value": -1}],
            }
        },
        {"readings": {"sensorId": "talker", "measurements": {}}},
    ]
    job = imported(twin, rows)
    assert (job["counts"]["created"], job["counts"]["measurements"], job["counts"]["rows"]) == (1, 7000, 6)
    assert {(one["line"], one["pointer"], one["code"]) for one in job["errors"]} == {
        (3, "/readings/sensorId", "ERR_MISSING_REFERENCE"),
        (4, "/readings/measurements/0/value", "ERR_INVALID_VALUE"),
        (4, "/readings/measurements/1/value", "ERR_INVALID_VALUE"),
        (5, "/readings/measurements", "ERR_INVALID_TYPE"),
    }
    text = exported(twin, "format=ndjson&measurements=all").content
    lines = [json.loads(line) for line in text.splitlines()]
    further = [line["readings"] for line in lines if "readings" in line]
    assert {one["sensorId"] for one in further} == {"talker"}
    assert max(len(one["measurements"]) for one in further) <= 5000
    name = copy(twin, text, NDJSON["content-type"])
    again = exported(twin, "format=record&measurements=all", name).json()
    kept = next(one for one in again["sensorNetwork"]["nodes"] if one["id"] == "talker")["measurements"]
    assert [one["value"] for one in kept] == [one["value"] for one in many]
    twin.call("DELETE", "/sensors/talker")


def test_the_record_is_valid_and_equals_the_snapshot(twin: Twin, tmp_path: Path) -> None:
    record = exported(twin, "").json()
    file = tmp_path / "city.json"
    file.write_bytes(exported(twin, "format=record").content)
    judged = subprocess.run(
        [sys.executable, "-m", "dtc_cli", "validate", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert judged.returncode == 0, judged.stdout + judged.stderr
    assert content(record) == content(twin.get(f"/snapshots/{record['timestamp']}"))
    assert "measurements" not in exported(twin, "measurements=none").json()["sensorNetwork"]["nodes"][0]


def test_geojson_loses_nothing(twin: Twin) -> None:
    answer = exported(twin, "format=geojson")
    assert answer.headers["content-type"] == "application/geo+json"
    collection = answer.json()
    assert {feature["type"] for feature in collection["features"]} == {"Feature"}
    for feature in collection["features"]:  # their sensors stay behind
        feature.pop("sensors", None)
    name = copy(twin, json.dumps(collection).encode(), "application/geo+json")
    original = exported(twin, "format=record").json()["cityObjects"]
    again = exported(twin, "format=record", name).json()["cityObjects"]
    for item in original:
        item.pop("sensors", None)
    assert [plain(item) for item in again] == [plain(item) for item in original]


ALLOWED = {
    "Building": {"MultiSurface"},
    "Bridge": {"MultiSurface"},
    "LandUse": {"MultiSurface"},
    "Road": {"MultiSurface", "MultiLineString"},
    "WaterBody": {"MultiSurface", "MultiLineString"},
    "GenericCityObject": {"MultiSurface", "MultiLineString", "MultiPoint"},
}
"""Geometries by type of object (CityJSON 2.0, sections 2 and 3)."""
NESTING = {"MultiPoint": 1, "MultiLineString": 2, "MultiSurface": 3}


def flat(value: Any, depth: int) -> Iterator[int]:
    if depth == 0:
        assert type(value) is int
        yield value
        return
    assert isinstance(value, list)
    for part in value:
        yield from flat(part, depth - 1)


def test_cityjson_follows_its_rules_and_keeps_positions(twin: Twin) -> None:
    answer = exported(twin, "format=cityjson")
    assert answer.headers["content-type"] == "application/city+json"
    city = answer.json()
    assert (city["type"], city["version"]) == ("CityJSON", "2.0")
    assert set(city) == {"type", "version", "transform", "metadata", "CityObjects", "vertices"}
    assert city["metadata"]["referenceSystem"] == "https://www.opengis.net/def/crs/OGC/0/CRS84h"
    scale, origin = city["transform"]["scale"], city["transform"]["translate"]
    for vertex in city["vertices"]:
        assert len(vertex) == 3
        assert all(type(part) is int for part in vertex)
    originals = {item["id"]: item for item in exported(twin, "format=record").json()["cityObjects"]}
    assert set(city["CityObjects"]) == set(originals)
    used: set[int] = set()
    for name, item in city["CityObjects"].items():
        assert item["attributes"]["objectType"] == originals[name]["type"]
        for shape in item["geometry"]:
            assert shape["type"] in ALLOWED[item["type"]]
            assert shape["lod"] in ("0", "1", "2", "3")
            used |= set(flat(shape["boundaries"], NESTING[shape["type"]]))
            if shape["type"] == "MultiSurface":
                for ring in itertools.chain.from_iterable(shape["boundaries"]):
                    assert len(ring) >= 3
                    assert ring[0] != ring[-1]
    assert used == set(range(len(city["vertices"])))
    pole = city["CityObjects"]["landmark-tower"]["geometry"][0]["boundaries"][0]
    place = [
        part * step + zero for part, step, zero in zip(city["vertices"][pole], scale, origin, strict=True)
    ]
    assert place == pytest.approx(originals["landmark-tower"]["geometry"]["coordinates"], abs=1e-7)


def test_exports_are_for_readers_and_of_one_known_format(twin: Twin) -> None:
    assert exported(twin, "format=ndjson").text.count("\n") > 60
    for query in ("format=gml", "measurements=some"):
        assert twin.call("GET", f"/export?{query}").status_code == 400
    assert twin.call("GET", "/export", role="other_city").status_code == 403
    head = twin.call("HEAD", "/export?format=geojson")
    assert (head.status_code, head.content) == (200, b"")
    disposition = exported(twin, "format=geojson").headers["content-disposition"]
    assert disposition == f'attachment; filename="{CITY}.geojson"'


def metric(twin: Twin, name: str) -> int:
    text = twin.http.get(f"{twin.origin}/metrics").text
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith(f"{name} ")))


def begun(twin: Twin, query: str) -> socket.socket:
    """The connection of an export of which nothing was taken but its head."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(60)
    host, port = twin.origin.removeprefix("http://").split(":")
    connection.connect((host, int(port)))
    path = f"/digital-twin-city/v1/cities/{CITY}/export?{query}"
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nX-API-Key: {twin.key('load')}\r\n\r\n".encode())
    assert connection.recv(16) == b"HTTP/1.1 200 OK\r"
    return connection


def test_nobody_writes_on_for_a_client_that_takes_nothing(start: Any) -> None:
    twin: Twin = start("--objects", "30", "--sensors", "30", "--days", "24", "--body-timeout", "1")
    whole = len(exported(twin, "measurements=all").content)
    before = metric(twin, "dtc_twin_exported_bytes_total")
    assert before == whole > 8_000_000
    silent = begun(twin, "measurements=all")
    with contextlib.closing(silent):
        begun(twin, "measurements=all").close()
        for _ in range(10_000):
            if metric(twin, "dtc_twin_exports_under_way") == 0:
                break
        assert metric(twin, "dtc_twin_exports_under_way") == 0
        assert metric(twin, "dtc_twin_exported_bytes_total") - before < 1.8 * whole
        rest = b"".join(iter(lambda: silent.recv(65536), b""))  # what was on its way
    assert len(rest) < 0.9 * whole
    assert not rest.endswith(b"0\r\n\r\n")
