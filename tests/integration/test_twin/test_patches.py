"""Partial updates by both media types: the same rules hold for the result, and nothing is half done."""

from typing import Any

import pytest

JSON_PATCH = {"Content-Type": "application/json-patch+json"}
SENSOR = "/sensors/sensor-environmental-002"


def patched(twin: Any, path: str, operations: Any, **headers: str) -> Any:
    return twin.call("PATCH", path, json=operations, headers={**JSON_PATCH, **headers})


def test_an_object_is_edited_by_operations(twin: Any) -> None:
    path = f"/objects/{twin.create()['id']}"
    before = twin.call("GET", path)
    operations = [
        {"op": "test", "path": "/properties/floors/above", "value": 7.0},
        {"op": "replace", "path": "/properties/floors/above", "value": 8},
        {"op": "copy", "from": "/properties/name", "path": "/properties/oldName"},
        {"op": "remove", "path": "/properties/energyClass"},
        {"op": "add", "path": "/properties/tags", "value": ["a"]},
        {"op": "add", "path": "/properties/tags/-", "value": "b"},
    ]
    answer = patched(twin, path, operations, **{"If-Match": before.headers["etag"]})
    assert answer.status_code == 200, answer.text
    after = answer.json()
    assert after["properties"]["floors"] == {"above": 8, "below": 1}
    assert after["properties"]["oldName"] == "Test House"
    assert after["properties"]["tags"] == ["a", "b"]
    assert "energyClass" not in after["properties"]
    assert after["metadata"]["revision"] > before.json()["metadata"]["revision"]
    assert patched(twin, path, [], **{"If-Match": before.headers["etag"]}).status_code == 412


@pytest.mark.parametrize(
    ("operations", "status", "code"),
    [
        ([{"op": "test", "path": "/properties/name", "value": "another"}], 409, "CONFLICT"),
        ([{"op": "remove", "path": "/properties/none"}], 409, "CONFLICT"),
        ([{"op": "replace", "path": "/id", "value": "moved"}], 400, "VALIDATION_ERROR"),
        ([{"op": "remove", "path": "/geometry"}], 400, "VALIDATION_ERROR"),
        ([{"op": "remove", "path": "/properties"}], 400, "VALIDATION_ERROR"),
        ([{"op": "remove", "path": ""}], 400, "VALIDATION_ERROR"),
        ([{"op": "replace", "path": "", "value": []}], 400, "VALIDATION_ERROR"),
        ([{"op": "replace", "path": "/geometry/coordinates/0/0/0", "value": 10}], 400, "INVALID_GEOMETRY"),
        (
            [
                {
                    "op": "replace",
                    "path": "/geometry",
                    "value": {"type": "Point", "coordinates": [10.5, 59.9]},
                }
            ],
            400,
            "OUT_OF_BOUNDS",
        ),
        ([{"op": "add", "path": "/sensors", "value": ["none"]}], 400, "SENSOR_NOT_FOUND"),
        ({"properties": {"name": "x"}}, 400, "VALIDATION_ERROR"),
        ([{"op": "jump", "path": ""}], 400, "VALIDATION_ERROR"),
    ],
)
def test_a_refused_patch_changes_nothing(twin: Any, operations: Any, status: int, code: str) -> None:
    path = f"/objects/{twin.create()['id']}"
    before = twin.get(path)
    begun = [{"op": "add", "path": "/properties/begun", "value": True}]
    wanted = [*begun, *operations] if isinstance(operations, list) else operations
    answer = patched(twin, path, wanted)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    assert twin.get(path) == before


def test_sensors_and_cities_take_operations_too(twin: Any) -> None:
    newest = twin.get(SENSOR)["measurements"]
    operations = [
        {"op": "test", "path": "/measurements/0/value", "value": newest[0]["value"]},
        {"op": "add", "path": "/specifications", "value": {"manufacturer": "ACME"}},
    ]
    answer = patched(twin, SENSOR, operations)
    assert answer.status_code == 200, answer.text
    assert answer.json()["specifications"] == {"manufacturer": "ACME"}
    assert twin.get(SENSOR)["measurements"] == newest
    refused = patched(twin, SENSOR, [{"op": "add", "path": "/attachedTo", "value": "none"}])
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "OBJECT_NOT_FOUND")

    city = twin.get("")
    operations = [
        {"op": "test", "path": "/lastUpdated", "value": city["lastUpdated"]},
        {"op": "test", "path": "/statistics/roads", "value": city["statistics"]["roads"]},
        {"op": "replace", "path": "/name", "value": "Busan by operations"},
        {"op": "remove", "path": "/statistics"},
    ]
    answer = patched(twin, "", operations)
    assert answer.status_code == 200, answer.text
    assert answer.json()["name"] == "Busan by operations"
    assert answer.json()["statistics"] == city["statistics"]
    assert patched(twin, "", operations).status_code == 409
    assert patched(twin, "", [{"op": "remove", "path": "/bounds"}]).status_code == 400
    twin.call("PATCH", "", json={"name": city["name"]})


@pytest.mark.parametrize(
    "kind", ["application/xml", "text/plain", "application/json-patch", "application/geo+json"]
)
def test_other_kinds_of_patch_are_refused_with_what_is_taken(twin: Any, kind: str) -> None:
    for path in ("", "/objects/building-000001", SENSOR):
        answer = twin.call("PATCH", path, content=b"{}", headers={"Content-Type": kind})
        assert (answer.status_code, answer.json()["error"]["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
        assert "application/json-patch+json" in answer.headers["accept-patch"]
        assert "application/merge-patch+json" in answer.headers["accept-patch"]


def test_a_json_patch_is_json_first(twin: Any) -> None:
    for body in (b"[", b'[{"op":"test","op":"add"}]', b"[NaN]"):
        answer = twin.call("PATCH", "/objects/building-000001", content=body, headers=JSON_PATCH)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "MALFORMED_REQUEST")
