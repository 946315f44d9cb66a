"""Keys are replaced without a gap and never shown again; the log says who did what; alerts are events."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from reference_server import instants

SENSOR = "/sensors/sensor-environmental-001"


def rotate(twin: Any, name: str, **body: Any) -> httpx.Response:
    answer: httpx.Response = twin.call(
        "POST", f"{twin.rest}/credentials/{name}/rotate", role="admin", json=body
    )
    return answer


def reads(twin: Any, key: str) -> int:
    return int(twin.http.get(f"{twin.rest}/cities/KR-BUSAN-2025", headers={"X-API-Key": key}).status_code)


def test_a_key_is_replaced_and_the_old_one_holds_for_its_grace(
    start: Callable[..., Any], tmp_path: Path
) -> None:
    db = tmp_path / "city.db"
    twin = start("--db", str(db))
    old = twin.key("viewer")
    answer = rotate(twin, "viewer", graceSeconds=3600)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    shown = answer.json()
    new = shown["secret"]
    assert new != old
    until = instants.parse(shown["oldSecretUntil"]) or 0
    assert abs(until - instants.now_us() - 3600 * instants.MICROS) < 60 * instants.MICROS
    assert (reads(twin, new), reads(twin, old)) == (200, 200)
    listed = twin.get(f"{twin.rest}/credentials", role="admin")["credentials"]
    assert next(one for one in listed if one["name"] == "viewer")["oldSecretUntil"] == shown["oldSecretUntil"]
    again = rotate(twin, "viewer", graceSeconds=0).json()["secret"]
    assert (reads(twin, again), reads(twin, new), reads(twin, old)) == (200, 401, 401)
    twin.stop()
    found = sqlite3.connect(db)
    dumped = "\n".join(found.iterdump())
    found.close()
    for secret in (old, new, again):
        assert secret not in dumped


def test_what_was_replaced_holds_over_a_restart(start: Callable[..., Any], tmp_path: Path) -> None:
    db = str(tmp_path / "city.db")
    first = start("--db", db)
    old, new = first.key("operator"), rotate(first, "operator").json()["secret"]
    first.stop()
    second = start("--db", db)  # which gives out keys of its own again
    assert (reads(second, old), reads(second, new)) == (200, 401)


def test_a_client_of_oauth_rotates_too(start: Callable[..., Any]) -> None:
    twin = start()

    def token(secret: str) -> int:
        form = {"grant_type": "client_credentials", "client_id": "dtc-client", "client_secret": secret}
        return int(twin.http.post(f"{twin.origin}/oauth/token", data=form).status_code)

    old = twin.settings["auth"]["oauth"]["client_secret"].removeprefix("file:")
    before = Path(old).read_text()
    new = rotate(twin, "dtc-client").json()["secret"]
    assert (token(before), token(new)) == (200, 200)
    assert reads(twin, before) == reads(twin, new) == 401  # a client's secret is no API key
    newest = rotate(twin, "dtc-client", graceSeconds=0).json()["secret"]
    assert (token(before), token(new), token(newest)) == (401, 401, 200)


def test_a_new_secret_is_not_kept_for_an_idempotency_key(start: Callable[..., Any], tmp_path: Path) -> None:
    db = tmp_path / "city.db"
    twin = start("--db", str(db))
    url = f"{twin.rest}/credentials/device/rotate"
    headers = {"Idempotency-Key": "once"}
    secret = twin.call("POST", url, role="admin", json={}, headers=headers).json()["secret"]
    twin.stop()
    found = sqlite3.connect(db)
    assert secret not in "\n".join(found.iterdump())
    assert found.execute("SELECT count(*) FROM idempotency").fetchone() == (0,)
    found.close()


@pytest.mark.parametrize("role", ["operator", "viewer", "device", "other_city"])
def test_only_administrators_rotate_and_read_the_log(twin: Any, role: str) -> None:
    for method, path in (
        ("GET", f"{twin.rest}/audit"),
        ("GET", f"{twin.rest}/credentials"),
        ("POST", f"{twin.rest}/credentials/viewer/rotate"),
        ("GET", "/audit"),
    ):
        assert twin.call(method, path, role=role, json={}).status_code == 403, path


def test_bad_requests_to_rotate(twin: Any) -> None:
    assert rotate(twin, "nobody").status_code == 404
    for grace in (-1, 1.5, "60", True, 10**9, None):
        assert rotate(twin, "viewer", graceSeconds=grace).status_code == 400


def test_the_log_says_who_did_what(twin: Any) -> None:
    created = twin.create()
    path = f"/objects/{created['id']}"
    twin.call("PATCH", path, role="operator", json={"properties": {"secret": "s3cr3t"}})
    twin.call("DELETE", path, role="admin")
    entries = twin.get("/audit?kind=object&limit=3", role="admin")["entries"]
    assert [(one["entity"], one["action"], one["actor"]) for one in entries] == [
        (created["id"], "deleted", "admin"),
        (created["id"], "updated", "operator"),
        (created["id"], "created", "load"),
    ]
    assert all(one["cityId"] == "KR-BUSAN-2025" for one in entries)
    assert entries[0]["sequence"] > entries[1]["sequence"] > entries[2]["sequence"]
    older = twin.get(f"/audit?before={entries[1]['sequence']}&kind=object&limit=1", role="admin")["entries"]
    assert older == entries[2:]
    whole = twin.call("GET", f"{twin.rest}/audit?limit=1000", role="admin")
    assert "s3cr3t" not in whole.text
    assert whole.json()["count"] > 100
    assert not any(twin.key(name) in whole.text for name in ("admin", "viewer"))
    for query in ("before=x", "before=-1", "limit=0"):
        assert twin.call("GET", f"/audit?{query}", role="admin").status_code == 400


def test_rotations_and_deleted_cities_are_in_the_log_of_the_server(start: Callable[..., Any]) -> None:
    twin = start()
    rotate(twin, "viewer")
    twin.call("DELETE", f"{twin.rest}/cities/{twin.settings['other_city']['id']}", role="admin")
    entries = twin.get(f"{twin.rest}/audit?limit=2", role="admin")["entries"]
    assert [(one["kind"], one["entity"], one["action"]) for one in entries] == [
        ("city", "KR-ULSAN-2025", "deleted"),
        ("credential", "viewer", "rotated"),
    ]


def test_a_reading_above_its_threshold_is_an_alert(twin: Any) -> None:
    def send(*values: float) -> None:
        made = [
            {
                "parameter": "air_quality",
                "value": value,
                "unit": "aqi",
                "timestamp": instants.show(instants.now_us() - i * instants.MICROS),
                "quality": "good",
            }
            for i, value in enumerate(values)
        ]
        assert twin.call("POST", f"{SENSOR}/data", json={"measurements": made}).status_code == 201

    def alerts() -> list[Any]:
        found: list[Any] = twin.get("/alerts", role="viewer")["alerts"]
        return found

    before = len(alerts())
    send(100, 99.5)
    assert len(alerts()) == before
    send(120, 155, 101)
    found = alerts()
    assert len(found) == before + 1
    assert (found[0]["severity"], found[0]["category"], found[0]["eventType"]) == (
        "high",
        "air-quality",
        "air-quality-alert",
    )
    assert found[0]["details"]["value"] == 155
    assert found[0]["details"]["sensorId"] == "sensor-environmental-001"
    assert twin.get("/audit?kind=alert&limit=1", role="admin")["entries"][0]["entity"] == found[0]["id"]
    send(350)
    assert alerts()[0]["severity"] == "critical"
    assert twin.get(f"/alerts?before={alerts()[0]['sequence']}&limit=1")["alerts"] == found[:1]
