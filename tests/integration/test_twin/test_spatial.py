"""Nearby, routes, reachable areas, services, history and comparison over HTTP (P2 4.6, 4.7, 4.8)."""

import math
from typing import Any

import pytest

from reference_server import geometry, instants

CENTRE = [129.0, 35.1]


def point(x: float, y: float) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [x, y]}


def nearby(twin: Any, **body: Any) -> Any:
    answer = twin.call("POST", "/spatial/nearby", role="viewer", json={"location": point(*CENTRE), **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_nearby_measures_on_the_sphere_and_sorts(twin: Any) -> None:
    north = 150 / geometry.EARTH_RADIUS_M * 180 / math.pi
    near = twin.create(type="NearSphere", geometry=point(CENTRE[0], CENTRE[1] + north))["id"]
    far = twin.create(type="NearSphere", geometry=point(CENTRE[0] + 0.0099, CENTRE[1]))["id"]
    shown = nearby(twin, radius=500, type="NearSphere")
    assert [one["id"] for one in shown["results"]] == [near]
    assert shown["count"] == 1
    assert shown["results"][0]["distance"] == pytest.approx(150, rel=0.001)
    assert shown["query"] == {"location": CENTRE, "radius": 500, "type": "NearSphere"}
    wide = nearby(twin, radius=2000, type="NearSphere")["results"]
    assert [one["id"] for one in wide] == [near, far]
    line = {"type": "LineString", "coordinates": [[128.98, 35.1005], [129.02, 35.1005]]}
    road = twin.create(type="NearSphereRoad", geometry=line)["id"]
    hit = nearby(twin, radius=100, type="NearSphereRoad")["results"]
    assert [one["id"] for one in hit] == [road]
    assert hit[0]["distance"] == pytest.approx(55.6, abs=1)
    assert nearby(twin, radius=0, type="NearSphere")["results"] == []


@pytest.mark.parametrize(
    "body",
    [
        {"radius": -5},
        {"radius": "500"},
        {"radius": True},
        {},
        {"radius": 1e12},
        {"location": point(500, 500), "radius": 5},
        {"location": "here", "radius": 5},
        {"location": None, "radius": 5},
        {"location": {"type": "Point"}, "radius": 5},
        {"radius": 5, "type": 7},
    ],
)
def test_a_bad_question_is_refused(twin: Any, body: dict[str, Any]) -> None:
    answer = twin.call("POST", "/spatial/nearby", json={"location": point(*CENTRE), **body})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] in ("INVALID_PARAMETERS", "INVALID_GEOMETRY")


def route(twin: Any, **body: Any) -> Any:
    ends = {"start": point(129.0712, 35.1762), "end": point(129.0805, 35.1853)}
    return twin.call("POST", "/spatial/route", role="viewer", json={**ends, **body})


@pytest.mark.parametrize("mode", ["driving", "walking", "cycling", "transit"])
def test_a_route_follows_the_streets(twin: Any, mode: str) -> None:
    shown = route(twin, mode=mode).json()
    line = shown["route"]["coordinates"]
    assert shown["route"]["type"] == "LineString"
    assert (line[0], line[-1]) == ([129.0712, 35.1762], [129.0805, 35.1853])
    straight = geometry.distance_m(line[0], line[-1])
    assert straight <= shown["distance"] <= 2 * straight
    assert shown["duration"] > 0
    assert shown["mode"] == mode
    assert any("Seomyeon" in one["text"] or "-" in one["text"] for one in shown["instructions"])


def test_a_new_road_shortens_the_way(twin: Any) -> None:
    before = route(twin, mode="walking").json()
    corners = [[129.072, 35.177], [129.08, 35.185]]
    road = twin.create(type="Road", geometry={"type": "LineString", "coordinates": corners})["id"]
    after = route(twin, mode="walking").json()
    assert after["distance"] < before["distance"] - 100
    twin.call("DELETE", f"/objects/{road}")
    assert route(twin, mode="walking").json()["distance"] == before["distance"]


def test_odd_routes(twin: Any) -> None:
    assert route(twin).json()["mode"] == "driving"
    same = route(twin, end=point(129.0712, 35.1762)).json()
    assert (len(same["route"]["coordinates"]), same["distance"]) == (2, 0)
    far = route(twin, start=point(128.93, 35.06), end=point(129.22, 35.30)).json()
    assert far["distance"] >= geometry.distance_m([128.93, 35.06], [129.22, 35.30])
    odd: list[dict[str, Any]] = [
        {"mode": "teleport"},
        {"end": None},
        {"start": {}},
        {"end": point(0, 0)},
        {"mode": []},
    ]
    for bad in odd:
        assert route(twin, **bad).status_code == 400


def test_more_minutes_reach_further(twin: Any) -> None:
    def reach(minutes: float, mode: str) -> Any:
        body = {"location": point(129.075, 35.18), "minutes": minutes, "mode": mode}
        return twin.call("POST", "/spatial/accessibility", json=body).json()

    assert (
        reach(5, "walking")["farthest"] < reach(10, "walking")["farthest"] < reach(10, "cycling")["farthest"]
    )
    assert reach(5, "walking")["area"]["type"] == "Polygon"
    bad = twin.call("POST", "/spatial/accessibility", json={"location": point(129.075, 35.18), "minutes": 0})
    assert bad.status_code == 400


def test_services(twin: Any) -> None:
    shown = twin.get("/services?category=transportation")["services"]
    assert {one["category"] for one in shown} == {"transportation"}
    assert {"id", "name", "category", "type", "status"} <= set(shown[0])
    status = twin.get("/services/service-subway/status")
    assert (status["id"], status["status"]) == ("service-subway", "operational")
    missing = twin.call("GET", "/services/none/status")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "SERVICE_NOT_FOUND")
    for role, expected in (("viewer", 403), ("operator", 403), ("admin", 200)):
        change = {"status": "degraded"}
        assert twin.call("PATCH", "/services/service-waste", role=role, json=change).status_code == expected
    assert twin.get("/services/service-waste/status")["status"] == "degraded"
    assert twin.call("PATCH", "/services/service-waste", json={"status": "great"}).status_code == 400


def test_history_keeps_every_version(twin: Any) -> None:
    name = twin.create()["id"]
    path = f"/objects/{name}"
    twin.call("PATCH", path, json={"properties": {"name": "second"}})
    twin.call("DELETE", path)
    shown = twin.get(f"{path}/history")
    assert [one["action"] for one in shown["versions"]] == ["created", "updated", "deleted"]
    assert [one["actor"] for one in shown["versions"]] == ["load"] * 3
    assert shown["versions"][1]["object"]["properties"]["name"] == "second"
    middle = shown["versions"][1]["timestamp"]
    ranged = twin.get(f"{path}/history", params={"start": middle, "end": middle})
    assert [one["action"] for one in ranged["versions"]] == ["updated"]
    assert twin.call("GET", "/objects/none/history").status_code == 404
    later = instants.show((instants.parse(middle) or 0) + 1)
    assert twin.call("GET", f"{path}/history?start={later}&end={middle}").status_code == 400


def test_two_instants_are_compared(twin: Any) -> None:
    kept = twin.create()["id"]
    one = instants.show(instants.now_us())
    added = twin.create()["id"]
    twin.call("PATCH", f"/objects/{kept}", json={"properties": {"name": "x"}})
    two = instants.show(instants.now_us())
    shown = twin.get(f"/snapshots/compare?time1={one}&time2={two}")["differences"]["objects"]
    assert shown == {"added": [added], "removed": [], "changed": [kept]}
    back = twin.get(f"/snapshots/compare?time1={two}&time2={one}")["differences"]["objects"]
    assert back == {"added": [], "removed": [added], "changed": [kept]}
    assert twin.call("GET", f"/snapshots/compare?time1={one}").status_code == 400
