"""What a request created is known from the exchange, however it was sent."""

import json
from pathlib import Path

import pytest

from dtc_cli.harness.created import Created, Creations, created, created_raw
from dtc_cli.harness.journal import Journal, open_items

BASE = "http://twin.example/digital-twin-city/v1"
BODY = b'{"id": "a b"}'


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("POST", f"{BASE}/cities/X/objects", 201),
        ("POST", f"{BASE}/cities/X/objects?_method=PATCH", 200),
        ("POST", f"{BASE}/cities/X//Objects/", 201),
        ("post", "/cities/X/objects;v=1", 202),
        ("PUT", f"{BASE}/cities/X/objects/a%20b", 201),
        ("GET", f"{BASE}/cities/X/objects", 201),
    ],
)
def test_what_came_to_be(method: str, address: str, status: int) -> None:
    assert created(method, address, status, BODY) == Created("object a b", "/objects/a%20b", "X")


@pytest.mark.parametrize(
    ("method", "address", "status", "body"),
    [
        ("POST", f"{BASE}/cities/X/objects", 400, BODY),
        ("GET", f"{BASE}/cities/X/objects", 200, BODY),
        ("POST", f"{BASE}/cities/X/objects/a", 200, BODY),
        ("PATCH", f"{BASE}/cities/X/objects/a", 200, BODY),
        ("DELETE", f"{BASE}/cities/X/objects", 200, BODY),
        ("POST", f"{BASE}/cities/X/sensors/s/data", 201, BODY),
        ("POST", f"{BASE}/cities/X/spatial/nearby", 200, BODY),
        ("POST", f"{BASE}/cities/X/objects", 201, b"[]"),
        ("POST", f"{BASE}/cities/X/objects", 201, b"<id/>"),
        ("POST", f"{BASE}/objects", 201, BODY),
        ("POST", BASE, 201, BODY),
    ],
)
def test_what_made_nothing_known(method: str, address: str, status: int, body: bytes) -> None:
    assert created(method, address, status, body) is None


def test_an_answer_without_an_id_names_the_place() -> None:
    found = created("POST", f"{BASE}/cities/X/sensors", 201, b"", f"{BASE}/cities/X/sensors/s%2F1")
    assert found == Created("sensor s/1", "/sensors/s%2F1", "X")


def test_a_request_of_bytes() -> None:
    sent = b"POST /v1/cities/X/simulations HTTP/1.1\r\nHost: x\r\n\r\n{}"
    got = b'HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\nd\r\n{"id": "sim"}\r\n0\r\n\r\n'
    assert created_raw(sent, got) == Created("simulation sim", "/simulations/sim", "X")
    assert created_raw(b"\x16\x03\x01", got) is None
    assert created_raw(sent, b"") is None


def test_it_is_journalled_once_and_by_the_role_that_made_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    watch = Creations(journal, "X", ("admin", "other_city"))
    sent = b"POST /v1/cities/%s/objects HTTP/1.1\r\nHost: x\r\n\r\n{}"
    got = b'HTTP/1.1 201 Created\r\n\r\n{"id": "one"}'
    for city in (b"X", b"X", b"Y"):
        watch.said(sent % city, got)
    journal.plan("object one in Y", "DELETE", "/cities/Y/objects/one", as_="other_city")
    journal.done("object one")
    journal.plan("object one", "DELETE", "/cities/{city}/objects/one")
    journal.close()
    assert [json.loads(line)["op"] for line in (tmp_path / "journal.jsonl").read_text().splitlines()] == [
        "planned", "planned", "undone", "planned"
    ]  # fmt: skip
    assert dict(open_items(tmp_path))["object one in Y"]["as"] == "other_city"
