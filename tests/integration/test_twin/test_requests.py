"""Callers, limits, refusals.

One envelope for every refusal, and never a 5xx whatever is sent (P2 4.1, 8, 9).
"""

import json
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from reference_server import instants

Make = Callable[[], dict[str, Any]]


def envelope(answer: Any, status: int, code: str) -> dict[str, Any]:
    """The error in an answer, after its form was checked."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    error: dict[str, Any] = answer.json()["error"]
    assert error["code"] == code, error
    assert error["message"]
    assert abs((instants.parse(error["timestamp"]) or 0) - instants.now_us()) < 300 * instants.MICROS
    return error


def test_the_city_is_shown(twin: Any) -> None:
    city = twin.get("")
    assert set(city) >= {"cityId", "name", "bounds", "coordinateSystem", "statistics", "lastUpdated"}
    statistics = twin.get("/statistics")
    sensors = statistics["sensors"]
    assert sensors["operational"] + sensors["offline"] == sensors["total"] == sum(sensors["byType"].values())
    assert city["statistics"]["totalObjects"] == statistics["cityObjects"]["total"]
    assert all(0 <= score <= 1 for score in statistics["dataQuality"].values())


def test_a_city_is_patched_and_keeps_the_rest(twin: Any) -> None:
    before = twin.get("")
    answer = twin.call("PATCH", "", role="admin", json={"metadata": {"updateFrequency": "1min"}})
    assert answer.status_code == 200
    after = twin.get("")
    assert after["metadata"]["updateFrequency"] == "1min"
    assert after["metadata"]["description"] == before["metadata"]["description"]
    assert after["bounds"] == before["bounds"]
    assert after["lastUpdated"] > before["lastUpdated"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"cityId": "bad"}, "INVALID_CITY_DATA"),
        ({"name": None}, "INVALID_CITY_DATA"),
        ({"bounds": {"coordinates": [[[0, 0]]]}}, "INVALID_CITY_DATA"),
        ({"coordinateSystem": {"epsg": "4326"}}, "INVALID_CITY_DATA"),
        ({"coordinateSystem": {"type": "local"}}, "INVALID_CITY_DATA"),
        ({"metadata": 5}, "INVALID_CITY_DATA"),
        ({"bounds": {"coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}}, "OUT_OF_BOUNDS"),
    ],
)
def test_bad_city_data_is_refused(twin: Any, change: dict[str, Any], code: str) -> None:
    before = twin.get("")
    envelope(twin.call("PATCH", "", json=change), 400, code)
    assert twin.get("") == before


def test_unknown_cities_and_addresses(twin: Any) -> None:
    for role in ("admin", "viewer", "other_city"):
        for city in ("ZZ-NOWHERE-2025", "seoul", "%20"):
            for path in ("", "/objects", "/statistics", "/objects/x"):
                answer = twin.call("GET", f"{twin.rest}/cities/{city}{path}", role=role)
                envelope(answer, 404, "CITY_NOT_FOUND")
    for url in (
        f"{twin.rest}/cities/KR-BUSAN-2025/nothing",
        f"{twin.rest}/nothing",
        f"{twin.rest}/cities/a/b/c/d",
    ):
        envelope(twin.call("GET", url), 404, "ROUTE_NOT_FOUND")
    assert twin.call("GET", f"{twin.origin}/cities/KR-BUSAN-2025").status_code == 404


def test_a_wrong_method_names_the_right_ones(twin: Any) -> None:
    answer = twin.call("PUT", "/objects", json={})
    envelope(answer, 405, "METHOD_NOT_ALLOWED")
    assert {"GET", "POST"} <= set(answer.headers["allow"].split(", "))
    assert twin.call("HEAD", "/objects").status_code == 200


def test_credentials(twin: Any) -> None:
    url = f"{twin.rest}/cities/KR-BUSAN-2025"
    for headers, code in (
        ({}, "UNAUTHORIZED"),
        ({"X-API-Key": "nonsense"}, "INVALID_API_KEY"),
        ({"X-API-Key": ""}, "INVALID_API_KEY"),
        ({"Authorization": "Bearer x.y.z"}, "UNAUTHORIZED"),
        ({"Authorization": "Basic YTpi"}, "UNAUTHORIZED"),
        ({"Authorization": "Bearer"}, "UNAUTHORIZED"),
    ):
        for path in ("", "/objects", "/nothing", "/objects/none"):
            answer = twin.http.get(url + path, headers=headers)
            envelope(answer, 401, code)
            assert "Bearer" in answer.headers["www-authenticate"]


def test_roles(twin: Any, new_building: Make) -> None:
    created = twin.create()
    path = f"/objects/{created['id']}"
    for role in ("viewer", "device", "limited"):
        assert twin.call("GET", path, role=role).status_code == 200
        for method, url, body in (
            ("POST", "/objects", new_building()),
            ("PATCH", path, {}),
            ("DELETE", path, None),
            ("PATCH", "", {"name": "x"}),
        ):
            envelope(twin.call(method, url, role=role, json=body), 403, "FORBIDDEN")
    assert twin.call("PATCH", path, role="operator", json={}).status_code == 200
    for method in ("GET", "DELETE"):
        envelope(twin.call(method, path, role="other_city"), 403, "FORBIDDEN")
    other = f"{twin.rest}/cities/{twin.settings['other_city']['id']}"
    assert twin.call("GET", other, role="other_city").status_code == 200
    envelope(twin.call("GET", other, role="viewer"), 403, "FORBIDDEN")
    assert twin.call("GET", other, role="admin").status_code == 200


def test_an_allowance_is_advertised_used_up_and_given_back(start: Callable[..., Any]) -> None:
    twin = start()
    first = twin.call("GET", "", role="limited")
    limit = int(first.headers["x-ratelimit-limit"])
    assert int(first.headers["x-ratelimit-remaining"]) == limit - 1
    answers = [twin.call("GET", "", role="limited") for _ in range(limit)]
    assert [one.status_code for one in answers] == [200] * (limit - 1) + [429]
    envelope(answers[-1], 429, "RATE_LIMIT_EXCEEDED")
    assert twin.call("GET", "", role="viewer").status_code == 200
    wait = int(answers[-1].headers["retry-after"])
    assert abs(int(answers[-1].headers["x-ratelimit-reset"]) - time.time() - wait) < 2
    deadline = time.monotonic() + wait + 1
    while twin.call("GET", "", role="limited").status_code == 429:
        assert time.monotonic() < deadline


BAD_BODIES = [
    b"",
    b"{not json",
    b"{}x",
    b"\xff\xfe{}",
    b"\xef\xbb\xbf{}",
    b'{"type": NaN}',
    b'{"type": Infinity}',
    b'{"type": "a", "type": "b"}',
    b'{"geometry": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    b'{"a":' * 500 + b"1" + b"}" * 500,
    b'{"type": "\\ud800"}',
    b'{"type": "\\udc00\\ud800"}',
    b'{"type": "\x00"}',
    b'{"n": 1e400}',
    b'{"n": ' + b"9" * 5000 + b"}",
]


@pytest.mark.parametrize("body", BAD_BODIES, ids=range(len(BAD_BODIES)))
def test_text_that_is_not_json_is_malformed(twin: Any, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    for method, path in (("POST", "/objects"), ("PATCH", ""), ("PATCH", "/objects/building-000001")):
        envelope(twin.call(method, path, content=body, headers=headers), 400, "MALFORMED_REQUEST")


@pytest.mark.parametrize("body", [b"[]", b"null", b"5", b'"text"', b"true"])
def test_json_that_is_no_object_is_refused(twin: Any, body: bytes) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    envelope(twin.call("POST", "/objects", content=body, headers=headers), 400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    "kind",
    [
        "text/xml",
        "text/plain",
        "",
        "application/json; charset=utf-16",
        "multipart/form-data",
        "application/geo+json",
    ],
)
def test_other_media_types_are_refused(twin: Any, kind: str) -> None:
    answer = twin.call("POST", "/objects", content=b"<a/>", headers={"Content-Type": kind})
    envelope(answer, 415, "UNSUPPORTED_MEDIA_TYPE")


def test_hostile_values_never_break_the_server(twin: Any, new_building: Make) -> None:
    values: list[Any] = [
        "' OR '1'='1",
        "\u0000",
        "a" * 100_000,
        "\u202e\U0001f3d9",
        2**70,
        -(2**63),
        1e308,
        -0.0,
        [[[]]],
        {"$gt": ""},
        {"": {"": 1}},
        {"a.b": {"c": 1}, 'x"y': 2, "\u0000": "\u0000"},
        None,
        [None],
        True,
    ]
    for value in values:
        body = new_building()
        body["properties"]["hostile"] = value
        answer = twin.call("POST", "/objects", json=body)
        assert answer.status_code == 201, (value, answer.text)
        shown = twin.get(f"/objects/{answer.json()['id']}")
        assert shown["properties"]["hostile"] == value
        for place in ("type", "geometry", "properties", "sensors", "metadata", "id"):
            answer = twin.call("POST", "/objects", json={**new_building(), place: value})
            assert answer.status_code < 500, (place, value)
            patched = twin.call("PATCH", f"/objects/{twin.create()['id']}", json={place: value})
            assert patched.status_code < 500, (place, value)
    assert twin.call("GET", "/objects?limit=1000&sortBy=properties.hostile").status_code == 200
    assert twin.call("GET", "/objects?properties.hostile.a.b.c=1").status_code == 200


RAW_TARGETS = [
    b"/cities/KR-BUSAN-2025/objects/%00",
    b"/cities/KR-BUSAN-2025/objects/%zz",
    b"/cities/KR-BUSAN-2025/objects/%",
    b"/cities/KR-BUSAN-2025/objects/%ff%fe",
    b"/cities/%ff",
    b"/cities/KR-BUSAN-2025/objects/" + b"a" * 5000,
    b"/cities/KR-BUSAN-2025/objects?type=%ff",
    b"/cities/KR-BUSAN-2025/objects?%",
    b"/cities/KR-BUSAN-2025/objects?" + b"&".join(b"properties.a=1" for _ in range(1000)),
    b"/cities/KR-BUSAN-2025/objects?type=" + b"a" * 20000,
    b"/cities/../../../etc/passwd",
    b"/cities/%2e%2e/objects",
    b"/cities//objects",
    b"//cities",
    b"/cities/{}/objects",
    b"/cities/KR-BUSAN-2025/{}",
    b"/cities/KR-BUSAN-2025/snapshots/not-a-time",
    b"/cities/KR-BUSAN-2025/snapshots/2999-01-01T00:00:00Z",
    b"/cities/KR-BUSAN-2025/snapshots/1999-01-01T00:00:00Z",
]


def raw(twin: Any, target: bytes, key: str, method: bytes = b"GET", rest: bytes = b"") -> tuple[int, bytes]:
    """Status and body of a request whose bytes are exactly these."""
    host, port = twin.origin.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        head = b"%s %s HTTP/1.1\r\nHost: a\r\nX-API-Key: %s\r\nConnection: close\r\n" % (
            method,
            target,
            key.encode(),
        )
        connection.sendall(head + (rest or b"\r\n"))
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    return int(answer.split(b" ", 2)[1]), answer.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("target", RAW_TARGETS, ids=range(len(RAW_TARGETS)))
def test_hostile_addresses(twin: Any, target: bytes) -> None:
    status, body = raw(twin, b"/digital-twin-city/v1" + target, twin.key("load"))
    assert 400 <= status < 500
    error = json.loads(body)["error"]
    assert error["code"]
    assert error["message"]


def test_bytes_that_are_no_http_get_the_envelope_too(twin: Any) -> None:
    for target in (b"/digital-twin-city/v1/cities/\xff\xfe", b"no-slash", b"/a b c"):
        status, body = raw(twin, target, twin.key("load"))
        assert 400 <= status < 500
        assert json.loads(body)["error"]["code"]


def test_an_oversize_body_is_refused(twin: Any) -> None:
    head = b"Content-Type: application/json\r\nContent-Length: 99999999\r\n\r\n"
    target = b"/digital-twin-city/v1/cities/KR-BUSAN-2025/objects"
    status, body = raw(twin, target, twin.key("load"), b"POST", head)
    assert (status, json.loads(body)["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")


def test_who_sends_all_of_an_oversize_body_first_still_gets_the_answer(twin: Any) -> None:
    size = 12 * 1024 * 1024
    rest = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (size, b" " * size)
    target = b"/digital-twin-city/v1/cities/KR-BUSAN-2025/objects"
    for _ in range(3):  # without lingering the answer is lost now and then only
        status, body = raw(twin, target, twin.key("load"), b"POST", rest)
        assert (status, json.loads(body)["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")


def test_a_half_sent_body_changes_nothing(twin: Any) -> None:
    before = twin.get("/statistics")["cityObjects"]["total"]
    host, port = twin.origin.removeprefix("http://").split(":")
    head = b"POST /digital-twin-city/v1/cities/KR-BUSAN-2025/objects HTTP/1.1\r\nHost: a\r\nX-API-Key: %s\r\n"
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(head % twin.key("load").encode())
        connection.sendall(b'Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n{"type": "Build')
    assert twin.get("/statistics")["cityObjects"]["total"] == before


def test_errors_tell_nothing_of_the_inside(twin: Any) -> None:
    for path in ("/objects/none", "/objects?limit=x", "/snapshots/x"):
        text = twin.call("GET", path).text
        assert not any(word in text for word in ("Traceback", "SELECT", "sqlite", "/home", ".py"))


def test_a_snapshot_shows_the_values_of_its_instant(twin: Any) -> None:
    created = twin.create()
    path = f"/objects/{created['id']}"
    first = twin.get(path)["metadata"]["lastUpdated"]
    twin.call("PATCH", path, json={"properties": {"name": "renamed"}})
    second = twin.get(path)["metadata"]["lastUpdated"]
    twin.call("DELETE", path)

    def name_at(instant: str) -> str | None:
        record = twin.get(f"/snapshots/{instant}")
        assert record["timestamp"] == instant
        found = [item for item in record["cityObjects"] if item["id"] == created["id"]]
        return found[0]["properties"]["name"] if found else None

    before = instants.show((instants.parse(first) or 0) - 1)
    assert [name_at(at) for at in (before, first, second)] == [None, "Test House", "renamed"]
    assert name_at(datetime.now(UTC).isoformat().replace("+00:00", "Z")) is None
