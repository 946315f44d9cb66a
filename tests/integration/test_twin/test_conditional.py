"""If-Match, If-None-Match, Idempotency-Key (RFC 9110 13)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest


@pytest.mark.parametrize("collection", ["objects", "sensors"])
def test_a_change_to_what_has_moved_on_is_refused(twin: Any, collection: str) -> None:
    if collection == "objects":
        path = f"/objects/{twin.create()['id']}"
    else:
        path = f"/sensors/{twin.call('POST', '/sensors', json={'type': 'TrafficSensor'}).json()['id']}"
    first = twin.call("PATCH", path, json={"note": 1}).headers["etag"]
    second = twin.call("PATCH", path, json={"note": 2}, headers={"If-Match": first}).headers["etag"]
    assert int(second.strip('"')) > int(first.strip('"'))
    stale = twin.call("PATCH", path, json={"note": 3}, headers={"If-Match": first})
    assert (stale.status_code, stale.json()["error"]["code"]) == (412, "PRECONDITION_FAILED")
    assert twin.call("DELETE", path, headers={"If-Match": first}).status_code == 412
    assert twin.call("PATCH", path, json={"note": 4}, headers={"If-Match": '"nonsense"'}).status_code == 412
    assert twin.get(path)["note"] == 2
    assert twin.call("DELETE", path, headers={"If-Match": f'"0", {second}'}).status_code == 204


def test_two_writers_with_one_tag_do_not_both_win(twin: Any) -> None:
    path = f"/objects/{twin.create()['id']}"
    tag = twin.call("GET", path).headers["etag"]

    def write(number: int) -> int:
        answer = twin.call("PATCH", path, json={"note": number}, headers={"If-Match": tag})
        return int(answer.status_code)

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(write, range(8))) == [200] + [412] * 7


def test_what_the_caller_has_already_is_not_sent_again(twin: Any) -> None:
    path = f"/objects/{twin.create()['id']}"
    tag = twin.call("GET", path).headers["etag"]
    known = twin.call("GET", path, headers={"If-None-Match": tag})
    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", tag)
    twin.call("PATCH", path, json={"note": 1})
    assert twin.call("GET", path, headers={"If-None-Match": tag}).status_code == 200


def test_the_header_can_be_made_compulsory(start: Callable[..., Any]) -> None:
    twin = start("--require-if-match")
    path = f"/objects/{twin.create()['id']}"
    bare = twin.call("PATCH", path, json={"note": 1})
    assert (bare.status_code, bare.json()["error"]["code"]) == (428, "PRECONDITION_REQUIRED")
    assert twin.call("PATCH", path, json={"note": 1}, headers={"If-Match": "*"}).status_code == 200


def test_a_request_sent_again_is_answered_again_and_done_once(twin: Any, new_building: Any) -> None:
    headers = {"Idempotency-Key": "key-1"}
    body = new_building()
    first = twin.call("POST", "/objects", json=body, headers=headers)
    total = twin.get("/statistics")["cityObjects"]["total"]
    again = twin.call("POST", "/objects", json=body, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotency-replayed"] == "true"
    assert twin.get("/statistics")["cityObjects"]["total"] == total
    other = twin.call("POST", "/objects", json={**body, "type": "Park"}, headers=headers)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "IDEMPOTENCY_CONFLICT")
    elsewhere = twin.call("POST", "/objects", role="operator", json=body, headers=headers)
    assert elsewhere.json()["id"] != first.json()["id"]


def test_equal_requests_at_the_same_time_are_done_once(twin: Any, new_building: Any) -> None:
    def send(_: int) -> str:
        answer = twin.call("POST", "/objects", json=new_building(), headers={"Idempotency-Key": "key-2"})
        return str(answer.json()["id"])

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(send, range(8)))) == 1


def test_a_refused_request_may_be_sent_again_under_its_key(twin: Any, new_building: Any) -> None:
    headers = {"Idempotency-Key": "key-3"}
    assert twin.call("POST", "/objects", json={}, headers=headers).status_code == 400
    assert twin.call("POST", "/objects", json=new_building(), headers=headers).status_code == 201
    assert twin.call("POST", "/objects", json={}, headers={"Idempotency-Key": "x" * 300}).status_code == 400
