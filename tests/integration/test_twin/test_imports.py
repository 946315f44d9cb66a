"""Imports: whole cities in one body, as jobs that survive a crash."""

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_twin.conftest import CITY, Twin
from tests.support.imports import NDJSON, begun, ended, imported, item, lines, removed

READING = {"parameter": "occupancy", "value": 5, "unit": "count", "timestamp": "2025-01-01T00:00:00Z"}


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    started = Twin(tmp_path_factory.mktemp("twin"))
    yield started
    started.stop()


def reading(value: float, minute: int = 0) -> dict[str, Any]:
    return {**READING, "value": value, "timestamp": f"2025-01-01T00:{minute:02d}:00Z", "quality": "good"}


def test_rows_become_objects_with_events_statistics_and_snapshots(twin: Twin) -> None:
    before = twin.get("/statistics")
    job = imported(twin, [item(n) for n in range(700)])
    assert job["counts"]["created"] == 700
    assert job["counts"]["failed"] == job["errorsTotal"] == 0
    assert job["progress"] == 100
    after = twin.get("/statistics")
    assert after["cityObjects"]["total"] == before["cityObjects"]["total"] + 700
    assert after["cityObjects"]["byType"]["Building"] == before["cityObjects"]["byType"]["Building"] + 700
    assert after["dataQuality"]["geometryAccuracy"] < before["dataQuality"]["geometryAccuracy"]
    one = twin.get("/objects/in-000123")
    assert one["properties"] == item(123)["properties"]
    assert one["metadata"]["dataSource"] == "test"
    assert one["metadata"]["revision"] > 0
    versions = twin.get("/objects/in-000123/history")["versions"]
    assert [version["action"] for version in versions] == ["created"]
    assert versions[0]["actor"] == "load"
    found = twin.get("/objects?properties.name=name 123&limit=10")
    assert [one["id"] for one in found["objects"]] == ["in-000123"]
    assert twin.get("/objects?bounds=129.0703995,35.1799,129.0704005,35.1801")["count"] >= 1
    snapshot = twin.get(f"/snapshots/{one['metadata']['created']}")
    assert "in-000123" in {entry["id"] for entry in snapshot["cityObjects"]}


def test_an_import_can_be_run_again_and_changes_only_what_differs(twin: Twin) -> None:
    rows = [item(n) for n in range(1000, 1020)]
    assert imported(twin, rows)["counts"]["created"] == 20
    again = imported(twin, rows)["counts"]
    assert (again["created"], again["updated"], again["unchanged"]) == (0, 0, 20)
    rows[3]["properties"]["name"] = "another"
    changed = imported(twin, rows)["counts"]
    assert (changed["created"], changed["updated"], changed["unchanged"]) == (0, 1, 19)
    assert twin.get("/objects/in-001003")["properties"]["name"] == "another"
    rows[4]["properties"]["name"] = "a third"
    refused = imported(twin, rows, "?mode=insert")
    assert [one["code"] for one in refused["errors"]] == ["ERR_DUPLICATE_ID"]
    assert twin.get("/objects/in-001004")["properties"]["name"] == "name 1004"


def test_each_refused_row_has_a_reason_and_the_others_are_written(twin: Twin) -> None:
    outside = {"type": "Point", "coordinates": [0, 0]}
    rows = [
        item(2000),
        item(2001, geometry=outside),
        {name: value for name, value in item(2002).items() if name != "type"},
        item(2003, sensors=["not-there"]),
        item(2000),
        {name: value for name, value in item(2004).items() if name != "id"},
        item(2005, id="bad\u0000id"),
    ]
    job = ended(twin, begun(twin, lines(rows) + b'{"id": \n[1]\n{"id":"a","id":"b"}\n{"x":NaN}\n'))
    assert job["counts"]["created"] == 1
    assert [(one["line"], one["code"], one["pointer"]) for one in job["errors"]] == [
        (2, "ERR_OUT_OF_BOUNDS", "/geometry"),
        (3, "ERR_MISSING_FIELD", "/type"),
        (4, "ERR_MISSING_REFERENCE", "/sensors"),
        (5, "ERR_DUPLICATE_ID", "/id"),
        (6, "ERR_MISSING_FIELD", "/id"),
        (7, "ERR_INVALID_VALUE", "/id"),
        (8, "MALFORMED_REQUEST", ""),
        (9, "ERR_INVALID_TYPE", ""),
        (10, "MALFORMED_REQUEST", ""),
        (11, "MALFORMED_REQUEST", ""),
    ]
    page = twin.get(f"/imports/{job['id']}/errors?limit=2&offset=3")
    assert (page["count"], page["total"]) == (2, 10)
    assert [one["line"] for one in page["errors"]] == [5, 6]
    listed = {one["id"]: one["errorsTotal"] for one in twin.get("/imports")["imports"]}
    assert listed[job["id"]] == 10


def test_a_record_brings_sensors_readings_services_and_simulations(twin: Twin) -> None:
    node = {
        "id": "in-sensor",
        "type": "OccupancySensor",
        "attachedTo": "in-003000",
        "measurements": [reading(5), reading(11, 1), reading(7, 2)],
    }
    orphan = {"id": "in-orphan", "type": "OccupancySensor", "attachedTo": "nowhere"}
    run = {"id": "in-run", "type": "FloodRisk", "parameters": {"rainfall": 1}, "results": {"runoff": 2}}
    service = {
        "id": "in-service",
        "name": "Bins",
        "category": "waste",
        "type": "bins",
        "status": "operational",
    }
    record = {
        "version": "1.0.0",
        "cityId": CITY,
        "timestamp": "2025-01-01T00:00:00Z",
        "sensorNetwork": {"nodes": [node, orphan]},
        "cityObjects": [item(3000, sensors=["in-sensor"]), item(3001, sensors=["in-orphan"])],
        "simulations": [
            {**run, "timestamp": "2025-01-01T00:00:00Z"},
            {**run, "id": "in-2", "status": "running"},
        ],
        "services": [service],
    }
    answer = twin.call("POST", "/import", json=record)
    assert answer.status_code == 202, answer.text
    job = ended(twin, answer.json()["id"])
    assert {(one["pointer"], one["code"]) for one in job["errors"]} == {
        ("/sensorNetwork/nodes/0/measurements/1/value", "ERR_INVALID_VALUE"),
        ("/sensorNetwork/nodes/1/attachedTo", "ERR_MISSING_REFERENCE"),
        ("/cityObjects/1/sensors", "ERR_MISSING_REFERENCE"),
        ("/simulations/1/status", "ERR_INVALID_VALUE"),
    }
    assert (job["counts"]["created"], job["counts"]["measurements"]) == (4, 2)
    assert twin.get("/objects/in-003000")["sensors"] == ["in-sensor"]
    data = twin.get("/sensors/in-sensor/data?start=2025-01-01T00:00:00Z&end=2025-01-01T01:00:00Z")
    assert [one["value"] for one in data["measurements"]] == [5, 7]
    assert twin.get("/services/in-service/status")["status"] == "operational"
    assert twin.get("/simulations/in-run/results")["results"] == {"runoff": 2}
    again = ended(twin, twin.call("POST", "/import", json=record).json()["id"])
    assert (again["counts"]["unchanged"], again["counts"]["measurements"]) == (4, 0)
    assert removed(twin, job["id"]) == 4
    for path in ("/sensors/in-sensor", "/objects/in-003000", "/services/in-service", "/simulations/in-run"):
        assert twin.call("GET", path).status_code == 404, path


def test_a_job_may_name_what_the_job_before_it_brings(twin: Twin) -> None:
    first = begun(twin, lines(item(6000 + n) for n in range(600)))
    sensor = {"id": "late-sensor", "type": "OccupancySensor", "attachedTo": "in-006599"}
    second = begun(twin, lines([{"sensor": sensor}, item(6700, type="Road")]))
    third = begun(twin, lines([item(6701)]))
    found = [ended(twin, one)["counts"] for one in (third, second, first)]
    assert [(one["created"], one["failed"]) for one in found] == [(1, 0), (2, 0), (600, 0)]
    orders = [
        twin.get(f"/objects/{one}")["metadata"]["revision"] for one in ("in-006599", "in-006700", "in-006701")
    ]
    assert orders == sorted(orders)


def test_features_are_objects_and_keep_hidden_properties(twin: Twin) -> None:
    place = item(4000)["geometry"]
    features = [
        {"type": "Feature", "id": "in-004000", "geometry": place, "properties": {"type": "Utility", "a": 1},
         "objectProperties": {"type": "water"}, "metadata": {"dataSource": "gis"}},
        {"type": "Feature", "geometry": place, "properties": {"cityObjectId": "in-004001", "type": "Park"}},
        {"type": "Feature", "geometry": None, "properties": {"cityObjectId": "in-004002", "type": "Park"}},
        {"type": "Feature", "id": "in-004003", "geometry": place, "properties": {}},
    ]  # fmt: skip
    body = json.dumps({"features": features, "type": "FeatureCollection"})
    answer = twin.call("POST", "/import", content=body, headers={"content-type": "application/geo+json"})
    job = ended(twin, answer.json()["id"])
    assert job["counts"]["created"] == 2
    assert [(one["line"], one["pointer"], one["code"]) for one in job["errors"]] == [
        (3, "/features/2/geometry", "ERR_MISSING_FIELD"),
        (4, "/features/3/properties/type", "ERR_MISSING_FIELD"),
    ]
    stored = twin.get("/objects/in-004000")
    assert (stored["type"], stored["properties"]) == ("Utility", {"a": 1, "type": "water"})
    assert stored["metadata"]["dataSource"] == "gis"


def test_removing_an_import_takes_what_it_created_and_nothing_else(twin: Twin) -> None:
    imported(twin, [item(5000)])
    job = imported(
        twin, [item(5000, type="Landmark"), item(5001), item(5002), {"id": "in-005009", "delete": True}]
    )
    assert (job["counts"]["created"], job["counts"]["updated"], job["counts"]["unchanged"]) == (2, 1, 1)
    sensor = {"id": "kept-sensor", "type": "OccupancySensor", "attachedTo": "in-005001"}
    assert twin.call("POST", "/sensors", json=sensor).status_code == 201
    assert twin.call("DELETE", "/objects/in-005002").status_code == 204
    assert twin.call("POST", "/objects", json=item(5002)).status_code == 201
    assert removed(twin, job["id"]) == 1
    for method, path in (("GET", ""), ("GET", "/errors"), ("POST", "/cancel"), ("DELETE", "")):
        assert twin.call(method, f"/imports/{job['id']}{path}").status_code == 404
    assert job["id"] not in {one["id"] for one in twin.get("/imports")["imports"]}
    assert twin.call("GET", "/objects/in-005001").status_code == 404
    assert twin.get("/objects/in-005000")["type"] == "Landmark"
    assert twin.get("/objects/in-005002")["id"] == "in-005002"  # made anew by somebody else
    assert "attachedTo" not in twin.get("/sensors/kept-sensor")
    gone = twin.get("/objects/in-005001/history")["versions"]
    assert [version["action"] for version in gone] == ["created", "deleted"]
    deleted = imported(twin, [{"id": "in-005000", "delete": True}])
    assert deleted["counts"]["deleted"] == 1
    assert twin.call("GET", "/objects/in-005000").status_code == 404


@pytest.mark.parametrize(
    ("body", "media", "status", "code"),
    [
        (b"", "application/json", 400, "MALFORMED_REQUEST"),
        (b'{"type": "FeatureCollection", "features": [', "application/geo+json", 400, "MALFORMED_REQUEST"),
        (b'{"type": "FeatureCollection", "features": []} x', "application/json", 400, "MALFORMED_REQUEST"),
        (b'{"features": [], "features": []}', "application/json", 400, "MALFORMED_REQUEST"),
        (b'{"type": "Point", "features": []}', "application/json", 400, "VALIDATION_ERROR"),
        (b'{"hello": 1}', "application/json", 400, "MALFORMED_REQUEST"),
        (b"[]", "application/json", 400, "MALFORMED_REQUEST"),
        (b'{"cityObjects": [' + b"[" * 100_000, "application/json", 400, "MALFORMED_REQUEST"),
        (b'{"cityObjects": ["\xff"]}', "application/json", 400, "MALFORMED_REQUEST"),
        (b'{"cityId": "nowhere", "cityObjects": []}', "application/json", 400, "INVALID_CITY_DATA"),
        (
            b'{"coordinateSystem": {"type": "UTM", "epsg": 32652}, "cityObjects": []}',
            "application/json",
            400,
            "INVALID_CITY_DATA",
        ),
        (b"{}", "text/csv", 415, "UNSUPPORTED_MEDIA_TYPE"),
        (b"{}", "application/zip", 415, "UNSUPPORTED_MEDIA_TYPE"),
    ],
)
def test_bad_bodies_are_refused_before_anything_is_written(
    twin: Twin, body: bytes, media: str, status: int, code: str
) -> None:
    before = twin.get("/imports")["total"]
    answer = twin.call("POST", "/import", content=body, headers={"content-type": media})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert twin.get("/imports")["total"] == before


def test_compressed_bodies_and_unknown_modes_are_refused(twin: Twin) -> None:
    packed = {**NDJSON, "content-encoding": "gzip"}
    assert twin.call("POST", "/import", content=b"\x1f\x8b", headers=packed).status_code == 415
    assert twin.call("POST", "/import?mode=merge", content=b"", headers=NDJSON).status_code == 400


def test_rights_and_unknown_jobs(twin: Twin) -> None:
    for role, status in (("viewer", 403), ("device", 403), ("operator", 202)):
        answer = twin.call("POST", "/import", role=role, content=b"", headers=NDJSON)
        assert answer.status_code == status
    assert twin.call("DELETE", f"/imports/{answer.json()['id']}", role="viewer").status_code == 403
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/errors")):
        unknown = twin.call(method, f"/imports/..%2f..%2fetc%2fpasswd{path}")
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "JOB_NOT_FOUND")
    done = ended(twin, answer.json()["id"])
    assert twin.call("POST", f"/imports/{done['id']}/cancel").status_code == 409


def test_a_half_sent_body_leaves_nothing(tmp_path: Path) -> None:
    twin = Twin(tmp_path, "--db", str(tmp_path / "twin.db"))
    try:
        port = int(twin.origin.rpartition(":")[2])
        head = (
            f"POST /digital-twin-city/v1/cities/{CITY}/import HTTP/1.1\r\nhost: x\r\nx-api-key: "
            f"{twin.key('load')}\r\ncontent-type: application/x-ndjson\r\ncontent-length: 100000\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(head.encode() + lines([item(n) for n in range(20)]))
        for _ in range(200):
            assert twin.get("/imports")["total"] == 0
            if not list((tmp_path / "twin.db.imports").glob("*")):
                break
        assert not list((tmp_path / "twin.db.imports").glob("*"))
        assert twin.call("GET", "/objects/in-000000").status_code == 404
    finally:
        twin.stop()


def test_an_idempotency_key_starts_one_import(twin: Twin) -> None:
    body = lines([item(6000)])
    answers = []

    def send() -> None:
        headers = {**NDJSON, "Idempotency-Key": "import-once"}
        answers.append(twin.call("POST", "/import", content=body, headers=headers))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    headers = {**NDJSON, "Idempotency-Key": "import-once"}
    assert twin.call("POST", "/import", content=b"", headers=headers).status_code == 409


def test_a_job_is_stopped_and_one_that_was_killed_goes_on(tmp_path: Path) -> None:
    rows = 6000
    body = lines([item(n) for n in range(rows)])
    database = str(tmp_path / "twin.db")
    twin = Twin(tmp_path, "--db", database)
    stopped = begun(twin, body)
    answer = twin.call("POST", f"/imports/{stopped}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    first = begun(twin, lines([item(0)]))
    ended(twin, first)
    assert twin.get(f"/imports/{stopped}")["status"] == "cancelled"
    removed(twin, stopped)
    job_id = begun(twin, body)
    for _ in range(3):  # others are read from and written for in between
        assert twin.get("/objects?limit=20&type=Building")["count"] == 20
        assert twin.get("/objects/building-000001")["id"] == "building-000001"
        assert (
            twin.call("PATCH", "/objects/building-000001", json={"properties": {"seen": 1}}).status_code
            == 200
        )
    assert twin.get(f"/imports/{job_id}")["status"] in ("pending", "running")
    kills = 0
    for share in (0, 1, rows // 2):
        for _ in range(3000):
            job = twin.get(f"/imports/{job_id}")
            if job["counts"]["rows"] >= share:
                break
        assert job["status"] in ("pending", "running")
        twin.process.kill()
        twin.stop()
        kills += 1
        twin = Twin(tmp_path, "--db", database)
    done = ended(twin, job_id)
    assert done["status"] == "completed", done
    assert kills == 3
    counts = done["counts"]
    assert (counts["rows"], counts["created"] + counts["unchanged"], counts["failed"]) == (rows, rows, 0)
    assert twin.get("/objects?limit=1&properties.name=name 5999")["total"] == 1
    history = twin.get("/objects/in-003000/history")["versions"]
    assert [version["action"] for version in history][-1] == "created"
    assert not list((tmp_path / "twin.db.imports").glob("*"))
    assert twin.stop() == 0
