"""Data that must be refused: the right status, the envelope, and nothing half written."""

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest

RING = [[129.07, 35.18], [129.08, 35.18], [129.08, 35.19], [129.07, 35.19], [129.07, 35.18]]
HERE = {"type": "Point", "coordinates": [129.075, 35.18]}
SENSOR = "/sensors/sensor-environmental-002"
SQL = [
    "'; DROP TABLE object; --",
    '" OR 1=1 --',
    "x' UNION SELECT digest FROM credential --",
    "%' ESCAPE '",
    "\\'; --",
]


def polygon(*points: list[float]) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [list(points)]}


def counts(twin: Any) -> Any:
    shown = twin.get("/statistics")
    return shown["cityObjects"], shown["sensors"]


def refused(answer: Any, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text[:300]
    error = answer.json()["error"]
    assert (error["code"], set(error) >= {"message", "timestamp"}) == (code, True)


OBJECTS: list[tuple[dict[str, Any], str]] = [
    ({"geometry": polygon(*RING[:-1])}, "INVALID_GEOMETRY"),
    ({"geometry": polygon(*RING[:2], RING[0])}, "INVALID_GEOMETRY"),
    ({"geometry": polygon(*RING[:-1], [129.07, 35.1800001])}, "INVALID_GEOMETRY"),
    ({"geometry": {"type": "Polygon", "coordinates": [RING, RING[:-1]]}}, "INVALID_GEOMETRY"),
    ({"geometry": {"type": "Point", "coordinates": [181, 35]}}, "INVALID_GEOMETRY"),
    ({"geometry": {"type": "Point", "coordinates": [129.07, 90.0001]}}, "INVALID_GEOMETRY"),
    ({"geometry": {"type": "Point", "coordinates": [35.18, 129.07]}}, "INVALID_GEOMETRY"),
    ({"geometry": {"type": "Point", "coordinates": [12.5, 41.9]}}, "OUT_OF_BOUNDS"),
    ({"geometry": {"type": "Point", "coordinates": ["129", "35"]}}, "INVALID_GEOMETRY"),
    ({"geometry": {"type": "Circle", "coordinates": [129.07, 35.18]}}, "INVALID_GEOMETRY"),
    ({"geometry": None}, "INVALID_GEOMETRY"),
    ({"properties": []}, "VALIDATION_ERROR"),
    ({"type": 5}, "VALIDATION_ERROR"),
    ({"id": ""}, "VALIDATION_ERROR"),
    ({"id": "a" * 201}, "VALIDATION_ERROR"),
    ({"sensors": ["none"]}, "SENSOR_NOT_FOUND"),
    ({"sensors": "none"}, "VALIDATION_ERROR"),
    ({"metadata": {"created": "2026-01-01T00:00:00"}}, "VALIDATION_ERROR"),
    ({"metadata": {"created": "2026-02-30T00:00:00Z"}}, "VALIDATION_ERROR"),
]


@pytest.mark.parametrize(("change", "code"), OBJECTS, ids=range(len(OBJECTS)))
def test_bad_objects_leave_no_trace(twin: Any, new_building: Any, change: dict[str, Any], code: str) -> None:
    before = counts(twin)
    refused(twin.call("POST", "/objects", json={**new_building(), **change}), 400, code)
    assert counts(twin) == before


def reading(**changes: Any) -> dict[str, Any]:
    good = {"parameter": "humidity", "value": 40, "unit": "percent", "timestamp": "2026-01-02T03:04:05Z"}
    return {**good, "quality": "good", **changes}


READINGS: list[dict[str, Any]] = [
    {"timestamp": "2026-01-02T03:04:05"},
    {"timestamp": "2026-01-02 03:04:05Z"},
    {"timestamp": "9999-12-31T23:59:59Z"},
    {"timestamp": "9999-12-31T23:59:59-12:00"},
    {"timestamp": "0001-01-01T00:00:00+14:00"},
    {"timestamp": 1767323045},
    {"timestamp": None},
    {"value": "40"},
    {"value": None},
    {"value": True},
    {"value": 101},
    {"unit": "celsius"},
    {"quality": "superb"},
    {"confidence": 1.01},
    {"parameter": ""},
]


@pytest.mark.parametrize("change", READINGS, ids=range(len(READINGS)))
def test_one_bad_reading_refuses_the_whole_batch(twin: Any, change: dict[str, Any]) -> None:
    span = "?start=2026-01-01T00:00:00Z&end=2026-01-03T00:00:00Z"
    before = twin.get(f"{SENSOR}/data{span}")["measurements"]
    batch = [reading(), reading(timestamp="2026-01-02T03:04:06Z"), reading(**change)]
    refused(twin.call("POST", f"{SENSOR}/data", json={"measurements": batch}), 400, "INVALID_MEASUREMENT")
    assert twin.get(f"{SENSOR}/data{span}")["measurements"] == before


@pytest.mark.parametrize("text", SQL)
def test_sql_is_text_like_any_other(twin: Any, new_building: Any, text: str) -> None:
    before = counts(twin)
    body = {**new_building(), "type": text, "properties": {"name": text, text: text}}
    created = twin.call("POST", "/objects", json=body)
    assert created.status_code == 201, created.text
    found = twin.get("/objects", params={"type": text, "properties.name": text})
    assert [one["properties"] for one in found["objects"]] == [{"name": text, text: text}]
    for query in (
        {"sortBy": text},
        {"bounds": text},
        {"limit": text},
        {"cursor": text},
        {"name[" + text + "]": "1"},
    ):
        refused(twin.call("GET", "/objects", params=query), 400, "INVALID_PARAMETERS")
    assert twin.get("/objects", params={"properties." + text: "none"})["total"] == 0
    assert twin.call("GET", "/sensors", params={"attachedTo": text, "type": text}).json()["total"] == 0
    for path in ("/objects/", "/sensors/", "/services/", "/simulations/"):
        answer = twin.call("GET", path + text.replace("%", "%25").replace("/", "%2F"))
        assert answer.status_code == 404
    twin.call("DELETE", f"/objects/{created.json()['id']}")
    assert counts(twin) == before


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/sensors/latest", "ids"),
        ("/sensors/aggregate", "sensors"),
        ("/objects", "type"),
        ("/objects", "name[in]"),
    ],
)
def test_ten_thousand_ids_in_a_query_are_too_many(twin: Any, path: str, name: str) -> None:
    ids = ",".join(str(i) for i in range(10_000))
    answer = twin.call("GET", f"{path}?{name}={ids}")
    refused(answer, 414, "URI_TOO_LONG")
    many = [("ids", "sensor-environmental-001")] * 300
    refused(twin.call("GET", "/sensors/latest", params=many), 400, "INVALID_PARAMETERS")


def connect(twin: Any) -> socket.socket:
    host, port = twin.origin.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def test_slow_clients_keep_nobody_waiting(twin: Any) -> None:
    head = b"GET /health HTTP/1.1\r\nHost: a\r\nX-Slow: "
    waiting = [connect(twin) for _ in range(200)]
    try:
        for connection in waiting:
            connection.sendall(head)
        for _ in range(5):
            assert twin.get("")["cityId"] == "KR-BUSAN-2025"
        for connection in waiting[:3]:
            connection.sendall(b"done\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda c=connection: c.recv(4096), b""))  # type: ignore[misc]
            assert answer.startswith(b"HTTP/1.1 200 ")
    finally:
        for connection in waiting:
            connection.close()


def answered(twin: Any, request: bytes) -> bytes:
    """All that a request is answered, until the server closes the connection."""
    with connect(twin) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


GET = b"GET /health HTTP/1.1\r\n"


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (GET + b"\r\n", 400, "MALFORMED_REQUEST"),
        (GET + b"Host: a\r\nHost: b\r\n\r\n", 400, "MALFORMED_REQUEST"),
        (GET + b"Host: a\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", 431, "HEADERS_TOO_LARGE"),
        (GET + b"Host: a\r\nX: " + b"x" * 70_000, 431, "HEADERS_TOO_LARGE"),
        (b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n" % (b"x" * 70_000), 431, "HEADERS_TOO_LARGE"),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400, "MALFORMED_REQUEST"),
        (
            GET + b"Host: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
            "MALFORMED_REQUEST",
        ),
    ],
    ids=["no host", "two hosts", "large head", "endless head", "long address", "TLS", "two lengths"],
)
def test_bytes_that_are_no_request_get_the_envelope(
    twin: Any, request_: bytes, status: int, code: str
) -> None:
    head, _, body = answered(twin, request_).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"connection: close" in head
    assert json.loads(body)["error"]["code"] == code


def test_a_request_of_http_1_0_needs_no_host(twin: Any) -> None:
    assert answered(twin, b"GET /health HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 ")


def test_who_sends_too_much_reads_why(twin: Any) -> None:
    before = counts(twin)
    pieces = (b"x" * 65536 for _ in range(200))
    for body in (b"x" * 12_000_000, pieces):
        answer = twin.call("POST", "/objects", content=body, headers={"content-type": "application/json"})
        refused(answer, 413, "PAYLOAD_TOO_LARGE")
    assert counts(twin) == before


def test_a_head_or_body_that_stops_half_way_is_given_up(start: Callable[..., Any]) -> None:
    twin = start("--body-timeout", "0.3")
    before = counts(twin)
    key = twin.key("load").encode()
    target = b"/digital-twin-city/v1/cities/KR-BUSAN-2025/objects"
    head = b"POST %s HTTP/1.1\r\nHost: a\r\nX-API-Key: %s\r\n"
    head += b"Content-Type: application/json\r\nContent-Length: 999\r\n\r\n"
    with connect(twin) as connection:
        connection.sendall(head % (target, key) + b'{"type": "Build')
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer.lower()
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "REQUEST_TIMEOUT"
    assert counts(twin) == before
    late = answered(twin, GET + b"Host: a\r\n\r\n" + GET + b"Ho")
    assert late.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 408 " in late
    assert answered(twin, b"") == b""
