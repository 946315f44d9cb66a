"""What answers carry beside their data: links, tags, caching; and less of the data when that is asked for."""

from typing import Any

import pytest

SENSOR = "/sensors/sensor-environmental-001"


@pytest.mark.parametrize(
    "path",
    ["", "/objects/building-000001", SENSOR, "/services/service-bus", "/simulations/sim-trafficflow-demo"],
)
def test_links_lead_on_and_are_never_stored(twin: Any, path: str) -> None:
    shown = twin.get(path)
    for name, link in shown["_links"].items():
        answer = twin.call("GET", twin.origin + link["href"])
        assert answer.status_code == 200, (name, link)
    assert twin.get(twin.origin + shown["_links"]["self"]["href"])["_links"] == shown["_links"]
    if "simulations" not in path and "services" not in path:
        sent = {**shown, "_links": {"self": {"href": "elsewhere"}}}
        changed = twin.call("PATCH", path, json=sent)
        assert changed.status_code == 200, changed.text
        assert changed.json()["_links"] == shown["_links"]
    record = twin.call("GET", f"/snapshots/{twin.get('/statistics')['timestamp']}").text
    assert "_links" not in record


def test_a_created_object_may_be_what_was_read(twin: Any) -> None:
    read = twin.get("/objects/building-000001")
    again = {**read, "id": "copy of it"}
    created = twin.call("POST", "/objects", json=again)
    assert created.status_code == 201, created.text
    assert twin.get("/objects/copy%20of%20it")["_links"]["self"]["href"].endswith("/objects/copy%20of%20it")
    twin.call("DELETE", "/objects/copy%20of%20it")


@pytest.mark.parametrize("collection", ["objects", "sensors"])
def test_next_links_walk_to_the_end(twin: Any, collection: str) -> None:
    seen: list[str] = []
    url = f"/{collection}?limit=7"
    while url:
        page = twin.get(url)
        seen += [one["id"] for one in page[collection]]
        url = page["_links"]["next"]["href"] if "next" in page["_links"] else ""
        url = twin.origin + url if url else ""
    total = twin.get(f"/{collection}")["total"]
    assert len(seen) == len(set(seen)) == total


TAGGED = [
    "",
    "/statistics",
    "/objects?limit=3",
    "/objects/building-000002",
    "/objects/building-000002/history?start=2026-01-01T00:00:00Z&end=2027-01-01T00:00:00Z",
    "/alerts",
    "/sensors",
    SENSOR,
    f"{SENSOR}/data?start=2026-01-01T00:00:00Z&end=2026-01-02T00:00:00Z",
    "/services",
    "/services/service-bus",
    "/services/service-bus/status",
    "/simulations/sim-trafficflow-demo",
    "/simulations/sim-trafficflow-demo/results",
]


@pytest.mark.parametrize("path", TAGGED)
def test_what_the_caller_has_is_not_sent_again(untouched: Any, path: str) -> None:
    first = untouched.call("GET", path)
    tag = first.headers["etag"]
    assert first.headers["cache-control"].startswith("private")
    again = untouched.call("GET", path, headers={"If-None-Match": f'"other", W/{tag}'})
    if path == "/statistics":  # its timestamp moves on
        assert again.status_code == 200
        return
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert untouched.call("GET", path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_the_tag_of_a_city_follows_its_counts_and_still_guards_changes(twin: Any) -> None:
    first = twin.call("GET", "")
    created = twin.create()
    second = twin.call("GET", "", headers={"If-None-Match": first.headers["etag"]})
    assert second.status_code == 200
    changed = {"metadata": {"updateFrequency": "2min"}}
    assert (
        twin.call("PATCH", "", json=changed, headers={"If-Match": first.headers["etag"]}).status_code == 200
    )
    assert (
        twin.call("PATCH", "", json=changed, headers={"If-Match": first.headers["etag"]}).status_code == 412
    )
    twin.call("DELETE", f"/objects/{created['id']}")


def test_the_tag_of_a_sensor_follows_its_readings(twin: Any) -> None:
    first = twin.call("GET", SENSOR)
    newest = first.json()["measurements"][0]
    sent = {**newest, "value": newest["value"] + 0.5}
    assert twin.call("POST", f"{SENSOR}/data", json={"measurements": [sent]}).status_code == 201
    second = twin.call("GET", SENSOR, headers={"If-None-Match": first.headers["etag"]})
    assert second.status_code == 200
    assert (
        twin.call("PATCH", SENSOR, json={}, headers={"If-Match": second.headers["etag"]}).status_code == 200
    )


def test_a_service_has_a_revision_too(twin: Any) -> None:
    path = "/services/service-waste"
    tag = twin.call("GET", path).headers["etag"]
    headers = {"If-Match": tag}
    assert twin.call("PATCH", path, json={"status": "outage"}, headers=headers).status_code == 200
    assert twin.call("PATCH", path, json={"status": "operational"}, headers=headers).status_code == 412
    assert twin.get(f"{path}/status")["status"] == "outage"


def test_answers_say_how_long_they_hold(twin: Any) -> None:
    def policy(path: str) -> str:
        return str(twin.call("GET", path).headers["cache-control"])

    assert policy("/objects") == policy("/sensors") == policy("") == "private, no-cache"
    assert policy(f"{SENSOR}/data") == policy("/sensors/latest") == "private, max-age=5"
    assert policy(f"{twin.origin}/openapi.json") == "public, max-age=60"
    assert policy(f"{twin.origin}/health") == policy("/objects/none") == "no-store"


def test_an_export_has_no_tag_before_its_end(untouched: Any) -> None:
    for method in ("GET", "HEAD"):
        answer = untouched.call(method, "/export", headers={"If-None-Match": "*"})
        assert answer.status_code == 200
        assert "etag" not in answer.headers
        assert answer.headers["cache-control"] == "no-store"


def test_fields_and_lod_show_less(untouched: Any) -> None:
    page = untouched.get("/objects?type=Building&fields=type,properties.name&limit=3")
    for item in page["objects"]:
        assert set(item) == {"id", "type", "properties"}
        assert set(item["properties"]) == {"name"}
    one = untouched.get("/objects/building-000001?fields=geometry&lod=0")
    assert set(one) == {"id", "geometry", "_links"}
    assert one["geometry"]["type"] == "Point"
    whole = untouched.get("/objects/building-000000")["geometry"]
    assert untouched.get("/objects/building-000000?lod=3")["geometry"] == whole
    assert len(untouched.get("/objects/building-000000?lod=1")["geometry"]["coordinates"][0][0]) == 2
    wide = untouched.get("/objects?lod=auto&bounds=128.95,35.1,129.2,35.3&type=Building&limit=2")["objects"]
    assert [item["geometry"]["type"] for item in wide] == ["Point", "Point"]
    near = untouched.get("/objects?lod=auto&bounds=129.07,35.173,129.0704,35.1735&type=Building")["objects"]
    assert near
    assert near[0]["geometry"]["type"] != "Point"
    features = untouched.get("/objects?f=geojson&lod=0&type=Building&limit=2")["features"]
    assert [item["geometry"]["type"] for item in features] == ["Point", "Point"]
    for query in ("fields=", "fields=a b", "fields=a&fields=b", "lod=5", "lod=x", "fields=type&f=geojson"):
        answer = untouched.call("GET", f"/objects?{query}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_PARAMETERS"), query


def test_a_trace_goes_on(twin: Any) -> None:
    given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    for path in ("", "/objects/none"):
        shown = twin.call("GET", path, headers={"traceparent": given}).headers["traceparent"]
        assert shown.split("-")[1] == given.split("-")[1]
        assert shown != given
    assert "traceparent" not in twin.call("GET", "", headers={"traceparent": "x"}).headers
