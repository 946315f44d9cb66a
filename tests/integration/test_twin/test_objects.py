"""Objects over HTTP: create, read, merge-patch, delete, list (P2 4.3)."""

from collections.abc import Callable
from typing import Any

import pytest

from reference_server import instants
from reference_server.rules import record

Make = Callable[[], dict[str, Any]]


def test_a_created_object_reads_back_equal(twin: Any, new_building: Make) -> None:
    body = new_building()
    body["properties"]["smartFeatures"] = ["ev-charging", {"level": [1, 2.5, None, True]}]
    answer = twin.call("POST", "/objects", json=body)
    assert answer.status_code == 201
    created = answer.json()
    assert created["type"] == "Building"
    assert instants.parse(created["created"]) is not None
    assert answer.headers["location"].endswith(created["id"])
    shown = twin.get(f"/objects/{created['id']}")
    assert {name: shown[name] for name in body} == body
    assert shown["metadata"]["created"] == created["created"]


def test_two_equal_creates_give_two_ids(twin: Any) -> None:
    assert twin.create()["id"] != twin.create()["id"]


def test_an_id_of_the_client_is_kept_and_not_given_twice(twin: Any, new_building: Make) -> None:
    name = "Haus 7/3 ä#?%"
    twin.create(id=name)
    assert twin.get("/objects/Haus%207%2F3%20%C3%A4%23%3F%25")["id"] == name
    again = twin.call("POST", "/objects", json={**new_building(), "id": name})
    assert again.status_code == 409
    assert again.json()["error"]["code"] == "DUPLICATE_OBJECT"
    assert again.json()["error"]["details"]["rule"] == "ERR_DUPLICATE_ID"


@pytest.mark.parametrize(
    "kind",
    ["Building", "Road", "Bridge", "Park", "Utility", "Landmark", "TransportHub", "WaterBody", "ParkingLot"],
)
def test_every_type_can_be_created(twin: Any, kind: str) -> None:
    line = {"type": "LineString", "coordinates": [[129.07, 35.18], [129.08, 35.19, 3.5]]}
    assert twin.create(type=kind, geometry=line)["type"] == kind


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"geometry": {"type": "Point", "coordinates": [140.0, 45.0]}}, "OUT_OF_BOUNDS", "ERR_OUT_OF_BOUNDS"),
    ({"geometry": {"type": "Blob"}}, "INVALID_GEOMETRY", "ERR_INVALID_GEOMETRY"),
    ({"geometry": None}, "INVALID_GEOMETRY", "ERR_INVALID_GEOMETRY"),
    ({"geometry": {"type": "Point", "coordinates": [200, 99]}}, "INVALID_GEOMETRY", "ERR_INVALID_GEOMETRY"),
    ({"type": 4}, "VALIDATION_ERROR", "ERR_INVALID_TYPE"),
    ({"type": ""}, "VALIDATION_ERROR", "ERR_MISSING_FIELD"),
    ({"properties": []}, "VALIDATION_ERROR", "ERR_INVALID_TYPE"),
    ({"id": ""}, "VALIDATION_ERROR", "ERR_INVALID_VALUE"),
    ({"id": 17}, "VALIDATION_ERROR", "ERR_INVALID_VALUE"),
    ({"id": "a\u0000b"}, "VALIDATION_ERROR", "ERR_INVALID_VALUE"),
    ({"id": "x" * 300}, "VALIDATION_ERROR", "ERR_INVALID_VALUE"),
    ({"metadata": 5}, "VALIDATION_ERROR", "ERR_INVALID_TYPE"),
    ({"sensors": ["sensor-ghost"]}, "SENSOR_NOT_FOUND", "ERR_MISSING_REFERENCE"),
    ({"sensors": [3]}, "VALIDATION_ERROR", "ERR_INVALID_TYPE"),
]


@pytest.mark.parametrize(("change", "code", "rule"), REFUSED)
def test_a_bad_object_is_refused_and_not_stored(
    twin: Any, new_building: Make, change: dict[str, Any], code: str, rule: str
) -> None:
    before = twin.get("/statistics")["cityObjects"]["total"]
    answer = twin.call("POST", "/objects", json={**new_building(), **change})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["details"]["rule"]) == (code, rule)
    assert twin.get("/statistics")["cityObjects"]["total"] == before


@pytest.mark.parametrize("name", ["type", "geometry", "properties"])
def test_a_missing_member_is_named(twin: Any, new_building: Make, name: str) -> None:
    body = new_building()
    del body[name]
    answer = twin.call("POST", "/objects", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["details"]["field"] == name


def test_a_patch_merges_and_advances_last_updated(twin: Any) -> None:
    created = twin.create()
    path = f"/objects/{created['id']}"
    before = twin.get(path)
    answer = twin.call(
        "PATCH", path, json={"properties": {"energyClass": "A+", "floors": {"above": 8}, "height": None}}
    )
    assert answer.status_code == 200
    after = twin.get(path)
    assert after == answer.json()
    assert after["properties"] == {
        "name": "Test House",
        "energyClass": "A+",
        "floors": {"above": 8, "below": 1},
    }
    assert after["geometry"] == before["geometry"]
    assert after["metadata"]["created"] == before["metadata"]["created"]
    assert after["metadata"]["lastUpdated"] > before["metadata"]["lastUpdated"]
    assert after["metadata"]["revision"] > before["metadata"]["revision"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"geometry": {"type": "Point", "coordinates": [200, 99]}}, "INVALID_GEOMETRY"),
        ({"geometry": {"coordinates": []}}, "INVALID_GEOMETRY"),
        ({"geometry": {"type": "Point", "coordinates": [140, 45]}}, "OUT_OF_BOUNDS"),
        ({"properties": None}, "VALIDATION_ERROR"),
        ({"id": "other"}, "VALIDATION_ERROR"),
        ({"id": None}, "VALIDATION_ERROR"),
    ],
)
def test_a_bad_patch_changes_nothing(twin: Any, change: dict[str, Any], code: str) -> None:
    path = f"/objects/{twin.create()['id']}"
    before = twin.get(path)
    answer = twin.call("PATCH", path, json=change)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert twin.get(path) == before


def test_a_deleted_object_is_gone(twin: Any) -> None:
    created = twin.create()
    path = f"/objects/{created['id']}"
    gone = twin.call("DELETE", path)
    assert (gone.status_code, gone.content) == (204, b"")
    for method in ("GET", "PATCH", "DELETE"):
        answer = twin.call(method, path, **({"json": {}} if method == "PATCH" else {}))
        assert answer.status_code == 404
        error = answer.json()["error"]
        assert error["code"] == "OBJECT_NOT_FOUND"
        assert error["number"] == 2001
        assert error["details"] == {"cityId": "KR-BUSAN-2025", "objectId": created["id"]}


def test_statistics_follow_creates_and_deletes(twin: Any) -> None:
    before = twin.get("/statistics")["cityObjects"]
    created = twin.create(type="Landmark")
    during = twin.get("/statistics")["cityObjects"]
    assert during["total"] == before["total"] + 1
    assert during["byType"]["Landmark"] == before["byType"]["Landmark"] + 1
    twin.call("DELETE", f"/objects/{created['id']}")
    assert twin.get("/statistics")["cityObjects"] == before


class Marked:
    """Objects of one test, told apart by a property of their own."""

    def __init__(self, twin: Any, mark: str, count: int) -> None:
        self.twin, self.mark = twin, mark
        self.ids = [self.add(i) for i in range(count)]

    def add(self, i: int) -> str:
        point = {"type": "Point", "coordinates": [129.0 + i / 1000, 35.1]}
        properties = {"mark": self.mark, "height": i * 1.5, "level": {"a": i}, "even": i % 2 == 0}
        kind = "Bridge" if i % 3 == 0 else "Building"
        return str(self.twin.create(type=kind, geometry=point, properties=properties)["id"])

    def ask(self, **query: Any) -> Any:
        """The answer to a list request for these objects."""
        return self.twin.get("/objects", params={"properties.mark": self.mark, **query})

    def heights(self, **query: Any) -> list[float]:
        """The heights of the objects in an answer."""
        return [item["properties"]["height"] for item in self.ask(**query)["objects"]]


@pytest.fixture(scope="module")
def marked(twin: Any) -> Marked:
    return Marked(twin, "list-test", 25)


def test_pages_hold_every_object_once(marked: Marked) -> None:
    seen = []
    for offset in range(0, 30, 10):
        page = marked.ask(limit=10, offset=offset)
        assert (page["total"], page["limit"], page["offset"]) == (25, 10, offset)
        assert page["count"] == len(page["objects"])
        seen += [item["id"] for item in page["objects"]]
    assert seen == marked.ids
    assert marked.ask(offset=100000)["objects"] == []


def test_a_cursor_is_stable_while_objects_are_added_and_removed(twin: Any) -> None:
    marked = Marked(twin, "cursor-test", 9)
    first = marked.ask(limit=4)
    twin.call("DELETE", f"/objects/{marked.ids[0]}")
    marked.add(50)
    second = marked.ask(limit=4, cursor=first["next"])
    third = marked.ask(limit=4, cursor=second["next"])
    walked = [item["id"] for page in (first, second, third) for item in page["objects"]]
    assert walked[:9] == marked.ids
    assert len(walked) == 10
    assert "next" not in third


def test_filters_combine(marked: Marked) -> None:
    assert marked.heights(type="Bridge") == [i * 1.5 for i in range(0, 25, 3)]
    assert len(marked.heights(type="Bridge,Building")) == 25
    assert marked.heights(**{"properties.level.a": "7"}) == [10.5]
    assert marked.heights(**{"level.a": "7"}) == [10.5]
    assert marked.heights(**{"properties.height": "10.5"}) == [10.5]
    assert marked.heights(**{"properties.height": "10.50"}) == [10.5]
    assert marked.heights(**{"properties.even": "true", "type": "Bridge"}) == [
        i * 1.5 for i in range(0, 25, 6)
    ]
    assert marked.heights(**{"properties.height[gte]": "34.5"}) == [34.5, 36.0]
    assert marked.heights(**{"properties.level.a[in]": "3,5,77"}) == [4.5, 7.5]
    assert len(marked.heights(**{"properties.level.a[ne]": "3"})) == 24
    assert marked.heights(nosuchproperty="x") == []
    assert marked.heights(**{"properties.mark": "' OR 1=1 --"}) == []


def test_a_plus_in_a_filter_is_sent_encoded(twin: Any) -> None:
    created = twin.create(properties={"energyClass": "A+", "mark": "plus"})
    bare = twin.get("/objects?energyClass=A+&mark=plus")["objects"]
    found = twin.get("/objects?energyClass=A%2B&mark=plus")["objects"]
    assert bare == found
    assert [item["id"] for item in found] == [created["id"]]


def test_bounds_hold_what_intersects(marked: Marked, twin: Any) -> None:
    assert marked.heights(bounds="129.0035,35.05,129.0065,35.15") == [6.0, 7.5, 9.0]
    diagonal = {"type": "LineString", "coordinates": [[129.10, 35.20], [129.12, 35.22]]}
    created = twin.create(type="Road", geometry=diagonal, properties={"mark": "diagonal"})

    def hits(box: str) -> list[str]:
        return [
            item["id"] for item in twin.get("/objects", params={"bounds": box, "mark": "diagonal"})["objects"]
        ]

    assert hits("129.105,35.205,129.106,35.206") == [created["id"]]
    assert hits("129.101,35.215,129.104,35.219") == []  # within its box, beside the line
    ring = [[129.13, 35.20], [129.16, 35.20], [129.16, 35.23], [129.13, 35.23], [129.13, 35.20]]
    hole = [[129.14, 35.21], [129.15, 35.21], [129.15, 35.22], [129.14, 35.22], [129.14, 35.21]]
    park = twin.create(
        type="Park",
        geometry={"type": "Polygon", "coordinates": [ring, hole]},
        properties={"mark": "diagonal"},
    )
    assert hits("129.133,35.203,129.134,35.204") == [park["id"]]
    assert hits("129.143,35.213,129.147,35.217") == []  # wholly inside the hole


def test_order(marked: Marked) -> None:
    heights = [i * 1.5 for i in range(25)]
    assert marked.heights(sortBy="properties.height", sortOrder="desc") == heights[::-1]
    assert marked.heights(sortBy="properties.height") == heights
    assert marked.heights(sortBy="metadata.lastUpdated", sortOrder="desc") == heights[::-1]
    assert marked.heights(sortOrder="desc") == heights[::-1]


def test_updates_in_a_range_of_time(marked: Marked, twin: Any) -> None:
    middle = twin.get(f"/objects/{marked.ids[12]}")["metadata"]["lastUpdated"]
    assert marked.heights(updatedAfter=middle) == [i * 1.5 for i in range(13, 25)]
    assert marked.heights(updatedBefore=middle) == [i * 1.5 for i in range(12)]


def test_the_default_limit_is_100_and_the_cap_1000(twin: Any) -> None:
    assert len(twin.get("/objects")["objects"]) == 100
    assert twin.get("/objects?limit=5000")["limit"] == 1000


BAD_QUERIES = [
    *[f"limit={value}" for value in ("0", "-1", "abc", "1e9x", "1.5", "", "%2B5", "٣", "9" * 30)],
    *[f"offset={value}" for value in ("-5", "x", "1.0", "")],
    *[
        f"bounds={value}"
        for value in ("1,2,3", "a,b,c,d", "128,38,127,37", "nan,1,2,3", "inf,1,2,3", "1,2,3,4,5", "")
    ],
    *[
        f"updatedAfter={value}"
        for value in ("yesterday", "2025-01-15", "2025-01-15T10:00:00", "2025-02-30T00:00:00Z")
    ],
    "sortOrder=sideways",
    "sortBy=%22%3B--",
    "sortBy=",
    "properties.height[near]=3",
    "limit=1&limit=2",
    "cursor=nonsense",
    "cursor=AAAA",
    "properties.=3",
    "=3",
]


@pytest.mark.parametrize("query", BAD_QUERIES)
def test_a_bad_query_is_refused(twin: Any, query: str) -> None:
    answer = twin.call("GET", f"/objects?{query}")
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["code"] == "INVALID_PARAMETERS"


def test_geojson_features_name_their_city_object(twin: Any) -> None:
    shown = twin.call("GET", "/objects?limit=5&f=geojson")
    assert shown.headers["content-type"] == "application/geo+json"
    assert list(record.judge(shown.json(), now_us=instants.now_us())) == []
    asked = twin.call("GET", "/objects?limit=5", headers={"Accept": "application/geo+json"})
    assert asked.json()["type"] == "FeatureCollection"
