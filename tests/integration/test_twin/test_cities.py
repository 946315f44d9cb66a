"""Several cities on one server: create, list, delete; rights and ids are those of one city."""

from typing import Any

import pytest


def body(city_id: str, **changes: Any) -> dict[str, Any]:
    ring = [[2.0, 48.0], [3.0, 48.0], [3.0, 49.0], [2.0, 49.0], [2.0, 48.0]]
    return {
        "cityId": city_id,
        "name": "Paris",
        "bounds": {"type": "Polygon", "coordinates": [ring]},
        "coordinateSystem": {"type": "WGS84", "epsg": 4326},
        **changes,
    }


def test_a_city_is_created_filled_and_deleted(twin: Any, new_building: Any) -> None:
    url = f"{twin.rest}/cities"
    made = twin.call("POST", url, role="admin", json=body("FR-PARIS-2026"))
    assert made.status_code == 201
    assert made.json()["statistics"]["totalObjects"] == 0
    again = twin.call("POST", url, role="admin", json=body("FR-PARIS-2026"))
    assert (again.status_code, again.json()["error"]["code"]) == (409, "CONFLICT")
    point = {"type": "Point", "coordinates": [2.35, 48.85]}
    item = {**new_building(), "id": "building-000001", "geometry": point}
    assert twin.call("POST", f"{url}/FR-PARIS-2026/objects", json=item).status_code == 201
    assert twin.get("/objects/building-000001")["geometry"]["type"] == "Polygon", "ids are those of one city"
    listed = [one["cityId"] for one in twin.call("GET", url, role="admin").json()["cities"]]
    assert {"KR-BUSAN-2025", "FR-PARIS-2026"} <= set(listed)
    mine = twin.call("GET", url, role="viewer").json()["cities"]
    assert [one["cityId"] for one in mine] == ["KR-BUSAN-2025"]
    assert twin.call("DELETE", f"{url}/FR-PARIS-2026", role="admin").status_code == 204
    assert twin.call("GET", f"{url}/FR-PARIS-2026", role="admin").status_code == 404
    anew = twin.call("POST", url, role="admin", json=body("FR-PARIS-2026"))
    assert anew.json()["statistics"]["totalObjects"] == 0
    assert twin.call("GET", f"{url}/FR-PARIS-2026/objects").json()["objects"] == []
    assert twin.call("DELETE", f"{url}/FR-PARIS-2026").status_code == 204


def test_only_who_manages_every_city_makes_or_removes_one(twin: Any) -> None:
    url = f"{twin.rest}/cities"
    for role in ("operator", "viewer", "other_city"):
        assert twin.call("POST", url, role=role, json=body("FR-LYON-2026")).status_code == 403
        assert twin.call("DELETE", f"{url}/KR-BUSAN-2025", role=role).status_code == 403
    assert twin.call("DELETE", f"{url}/KR-BUSAN-2025", role="admin").status_code == 409


@pytest.mark.parametrize(
    "change",
    [
        {"cityId": "paris"},
        {"cityId": None},
        {"name": ""},
        {"bounds": None},
        {"bounds": {"type": "Point", "coordinates": [1, 2]}},
        {"coordinateSystem": {"type": "WGS84"}},
        {"metadata": []},
        {"version": "1.0"},
    ],
)
def test_bad_cities_are_refused(twin: Any, change: dict[str, Any]) -> None:
    answer = twin.call("POST", f"{twin.rest}/cities", role="admin", json=body("FR-LYON-2026", **change))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_CITY_DATA")
