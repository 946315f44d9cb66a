"""Sensors and readings over HTTP (P2 4.4, 6.3)."""

from collections.abc import Callable
from typing import Any

import pytest

from reference_server import instants

HOUR_US = 3600 * instants.MICROS


def ago(seconds: float, zone: int = 0) -> str:
    return instants.show(instants.now_us() - int(seconds * instants.MICROS), zone)


def sensor(**changes: Any) -> dict[str, Any]:
    location = {"type": "Point", "coordinates": [129.07, 35.18, 25.0]}
    body = {"type": "EnvironmentalSensor", "location": location, "attachedTo": "building-000001", **changes}
    return {name: value for name, value in body.items() if value is not None}


def reading(**changes: Any) -> dict[str, Any]:
    body = {
        "parameter": "temperature",
        "value": 23.5,
        "unit": "celsius",
        "timestamp": ago(5),
        "quality": "good",
    }
    return {name: value for name, value in {**body, **changes}.items() if value is not None}


def register(twin: Any, **changes: Any) -> str:
    answer = twin.call("POST", "/sensors", json=sensor(**changes))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def send(twin: Any, sensor_id: str, *readings: dict[str, Any], role: str = "device") -> Any:
    return twin.call("POST", f"/sensors/{sensor_id}/data", role=role, json={"measurements": list(readings)})


def test_a_sensor_is_registered_read_patched_and_removed(twin: Any) -> None:
    name = register(twin)
    shown = twin.get(f"/sensors/{name}")
    assert shown["type"] == "EnvironmentalSensor"
    assert shown["measurements"] == []
    patched = twin.call("PATCH", f"/sensors/{name}", json={"status": {"operational": False}})
    assert patched.status_code == 200
    offline = [one["id"] for one in twin.get("/sensors?status=offline&limit=1000")["sensors"]]
    assert name in offline
    counts = twin.get("/statistics")["sensors"]
    assert counts["offline"] >= 1
    assert counts["operational"] + counts["offline"] == counts["total"]
    assert twin.call("DELETE", f"/sensors/{name}").status_code == 204
    assert twin.call("GET", f"/sensors/{name}").status_code == 404


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"type": None}, "VALIDATION_ERROR"),
        ({"type": 5}, "VALIDATION_ERROR"),
        ({"location": {"lat": 1, "lon": 2}}, "INVALID_GEOMETRY"),
        ({"location": {"type": "Point", "coordinates": [0, 0]}}, "OUT_OF_BOUNDS"),
        ({"location": {"type": "Point", "coordinates": [200, 99]}}, "INVALID_GEOMETRY"),
        ({"attachedTo": "building-none"}, "OBJECT_NOT_FOUND"),
        ({"attachedTo": 7}, "VALIDATION_ERROR"),
        ({"status": {"operational": "yes"}}, "VALIDATION_ERROR"),
        ({"status": {"operational": True, "battery": 130}}, "VALIDATION_ERROR"),
        ({"specifications": []}, "VALIDATION_ERROR"),
        ({"id": "aggregate"}, "VALIDATION_ERROR"),
    ],
)
def test_a_bad_sensor_is_refused(twin: Any, change: dict[str, Any], code: str) -> None:
    before = twin.get("/statistics")["sensors"]["total"]
    answer = twin.call("POST", "/sensors", json=sensor(**change))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert twin.get("/statistics")["sensors"]["total"] == before


def test_lists_filter_by_type_and_status(twin: Any) -> None:
    shown = twin.get("/sensors?type=TrafficSensor&status=operational")
    assert {one["type"] for one in shown["sensors"]} == {"TrafficSensor"}
    assert twin.call("GET", "/sensors?status=broken").status_code == 400
    assert len(twin.get("/sensors?limit=2")["sensors"]) == 2


def test_lists_are_sorted_and_tell_what_changed(twin: Any) -> None:
    owner = twin.create()["id"]
    names = [register(twin, attachedTo=owner, specifications={"maxValue": high}) for high in (30, 10, 20)]

    def ids(**query: Any) -> list[str]:
        shown = twin.get("/sensors", params={"attachedTo": owner, **query})
        assert shown["total"] == len(shown["sensors"])
        return [one["id"] for one in shown["sensors"]]

    assert ids(sortBy="specifications.maxValue") == [names[1], names[2], names[0]]
    assert ids(sortBy="specifications.maxValue", sortOrder="desc") == [names[0], names[2], names[1]]
    assert ids(sortOrder="desc") == names[::-1]
    middle = twin.get(f"/sensors/{names[1]}")["metadata"]["lastUpdated"]
    assert ids(updatedAfter=middle) == names[2:]
    assert ids(updatedBefore=middle) == names[:1]
    changed = twin.call("PATCH", f"/sensors/{names[0]}", json={"manufacturer": "another"})
    assert changed.status_code == 200, changed.text
    assert ids(updatedAfter=middle) == [names[0], names[2]]
    assert ids(sortBy="metadata.lastUpdated") == [names[1], names[2], names[0]]
    page = twin.get("/sensors?limit=2")
    for query in (
        "sortOrder=sideways",
        "sortBy=%22%3B--",
        "updatedAfter=yesterday",
        "updatedBefore=2025-01-15",
        f"cursor={page['next']}&sortBy=id",
        f"cursor={page['next']}&offset=1",
    ):
        answer = twin.call("GET", f"/sensors?{query}")
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["code"] == "INVALID_PARAMETERS"


def test_a_silent_sensor_still_shows_what_it_said_last(twin: Any) -> None:
    name = register(twin)
    old = [reading(value=20 + i, timestamp=f"2025-03-0{1 + i}T12:00:00Z") for i in range(3)]
    assert send(twin, name, *old).status_code == 201
    shown = twin.get(f"/sensors/{name}/data")
    assert [one["value"] for one in shown["measurements"]] == [21, 22]
    assert shown["timeRange"] == {"start": "2025-03-02T12:00:00Z", "end": "2025-03-03T12:00:00Z"}
    assert twin.get(f"/sensors/{name}/data?parameter=humidity")["count"] == 0


def test_readings_are_stored_once_and_found_by_range(twin: Any) -> None:
    name = register(twin)
    batch = [reading(value=20 + i, timestamp=ago(300 - 100 * i, 540)) for i in range(3)]
    first = send(twin, name, *batch)
    assert (first.status_code, first.json()["stored"]) == (201, 3)
    again = send(twin, name, *batch)
    assert (again.json()["stored"], again.json()["replaced"]) == (0, 0)
    other = send(twin, name, {**batch[0], "value": 19.5})
    assert (other.json()["stored"], other.json()["replaced"]) == (0, 1)
    shown = twin.get(f"/sensors/{name}/data")
    assert shown["count"] == 3
    assert shown["measurements"] == [{**batch[0], "value": 19.5}, *batch[1:]]
    middle = batch[1]["timestamp"]
    ranged = twin.get(f"/sensors/{name}/data", params={"start": middle, "end": middle})
    assert ranged["measurements"] == [batch[1]]
    assert instants.parse(ranged["timeRange"]["start"]) == instants.parse(middle)
    plus = twin.call("GET", f"/sensors/{name}/data?start={middle}&end={middle}")
    assert plus.json()["count"] == 1, "a bare + in the zone is put back"
    assert twin.get(f"/sensors/{name}")["measurements"] == [batch[2]]
    latest = twin.get(f"/sensors/latest?ids={name}")["results"]
    assert latest == [{"sensorId": name, "measurements": [batch[2]]}]


@pytest.mark.parametrize("query", ["start=2025-01-15", "end=x", "start=2025-01-15T10:00:00", "limit=0"])
def test_a_bad_range_is_refused(twin: Any, query: str) -> None:
    answer = twin.call("GET", f"/sensors/sensor-environmental-001/data?{query}")
    assert answer.status_code == 400
    reversed_range = f"start={ago(0)}&end={ago(100)}"
    assert twin.call("GET", f"/sensors/sensor-environmental-001/data?{reversed_range}").status_code == 400


@pytest.mark.parametrize(
    "change",
    [
        {"value": 61},
        {"value": 200, "unit": "fahrenheit"},
        {"value": "wet"},
        {"value": None},
        {"value": True},
        {"parameter": None},
        {"parameter": ""},
        {"unit": None},
        {"unit": "percent"},
        {"quality": None},
        {"quality": "ok"},
        {"timestamp": None},
        {"timestamp": "2025-01-15T10:00:00"},
        {"timestamp": instants.show(instants.now_us() + HOUR_US)},
        {"confidence": 92},
        {"parameter": "x" * 300},
    ],
)
def test_a_batch_with_a_bad_reading_stores_nothing(twin: Any, change: dict[str, Any]) -> None:
    name = register(twin)
    answer = send(twin, name, reading(timestamp=ago(50)), reading(**change))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_MEASUREMENT")
    assert twin.get(f"/sensors/{name}/data")["count"] == 0


def test_limits_come_from_the_object_and_the_sensor(twin: Any) -> None:
    owner = twin.create(properties={"occupancy": {"current": 1, "capacity": 10}})["id"]
    name = register(twin, type="OccupancySensor", attachedTo=owner)
    count = {"parameter": "occupancy", "unit": "count"}
    assert send(twin, name, reading(**count, value=10)).status_code == 201
    assert send(twin, name, reading(**count, value=11)).status_code == 400
    lower = twin.call("PATCH", f"/objects/{owner}", json={"properties": {"occupancy": {"capacity": 5}}})
    assert lower.status_code == 400, "the last count would not fit"
    meter = register(twin, type="EnergySensor", specifications={"maxValue": 50})
    energy = {"parameter": "energy_consumption", "unit": "kWh"}
    assert send(twin, meter, reading(**energy, value=50)).status_code == 201
    assert send(twin, meter, reading(**energy, value=51)).status_code == 400


def test_odd_bodies_and_instants(twin: Any) -> None:
    name = register(twin)
    odd: list[dict[str, Any]] = [{}, {"measurements": {}}, {"measurements": None}]
    for body in odd:
        assert twin.call("POST", f"/sensors/{name}/data", json=body).status_code == 400
    assert send(twin, name).status_code == 201
    old = (
        "0001-01-01T00:00:00+09:00",
        "0001-01-02T00:00:00Z",
        "1970-01-01T00:00:00Z",
        "2000-02-29T23:59:60Z",
    )
    for text in old:
        answer = send(
            twin, name, reading(timestamp=text, parameter="average_speed", unit="km/h", value=2**70)
        )
        assert answer.status_code in (201, 400), text
    shown = twin.get(f"/sensors/{name}/data?start=0001-01-01T00:00:00Z&end=9999-12-31T23:59:59Z")
    assert shown["count"] == 3
    assert twin.call("GET", f"/sensors/{name}/data?end=0001-01-01T00:00:00Z").status_code == 200


def test_unknown_sensors(twin: Any) -> None:
    for method, path, body in (
        ("GET", "/sensors/sensor-none", None),
        ("GET", "/sensors/sensor-none/data", None),
        ("POST", "/sensors/sensor-none/data", {"measurements": [reading()]}),
        ("PATCH", "/sensors/sensor-none", {}),
        ("DELETE", "/sensors/sensor-none", None),
        ("GET", "/sensors/aggregate?sensors=sensor-none&parameter=temperature", None),
    ):
        answer = twin.call(method, path, json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "SENSOR_NOT_FOUND")


def test_a_device_sends_data_and_a_viewer_does_not(twin: Any) -> None:
    name = register(twin)
    assert send(twin, name, reading(), role="device").status_code == 201
    assert send(twin, name, reading(), role="viewer").status_code == 403
    assert twin.call("POST", "/sensors", role="device", json=sensor()).status_code == 403


def test_readings_of_several_sensors_are_folded_per_interval(twin: Any) -> None:
    start = (instants.now_us() // HOUR_US - 3) * HOUR_US
    names = [register(twin), register(twin)]
    for name, values in zip(names, ((20.0, 24.0), (22.0, 30.0)), strict=True):
        for hour, value in enumerate(values):
            instant = instants.show(start + hour * HOUR_US + 60 * instants.MICROS)
            assert send(twin, name, reading(value=value, timestamp=instant)).status_code == 201

    def fold(kind: str, **more: Any) -> list[float]:
        query = {
            "sensors": ",".join(names),
            "parameter": "temperature",
            "aggregation": kind,
            "interval": "1hour",
            "start": instants.show(start),
            **more,
        }
        return [one["value"] for one in twin.get("/sensors/aggregate", params=query)["results"]]

    assert fold("average") == [21.0, 27.0]
    assert (fold("min"), fold("max"), fold("sum"), fold("count")) == ([20, 24], [22, 30], [42, 54], [2, 2])
    assert fold("average", interval="7200") in ([24.0], [21.0, 27.0])
    assert fold("average", start=instants.show(start + 1)) == [21.0, 27.0], "without the rollups"
    fahrenheit = instants.show(start + 120 * instants.MICROS)
    send(twin, names[0], reading(value=71.6, unit="fahrenheit", timestamp=fahrenheit))
    assert fold("max") == [22, 30]
    assert fold("count") == [3, 2]
    bad = twin.call("GET", f"/sensors/aggregate?sensors={names[0]}&parameter=temperature&aggregation=median")
    assert bad.status_code == 400


def test_removing_an_object_leaves_its_sensors_free(twin: Any) -> None:
    owner = twin.create()["id"]
    name = register(twin, attachedTo=owner)
    twin.call("PATCH", f"/objects/{owner}", json={"sensors": [name]})
    other = twin.create(sensors=[name])["id"]
    assert twin.call("DELETE", f"/objects/{owner}").status_code == 204
    assert "attachedTo" not in twin.get(f"/sensors/{name}")
    assert twin.call("DELETE", f"/sensors/{name}").status_code == 204
    assert twin.get(f"/objects/{other}")["sensors"] == []


def test_a_quality_threshold_is_enforced_where_it_is_set(start: Callable[..., Any]) -> None:
    twin = start("--quality-threshold", "0.8")
    assert twin.settings["declares"]["quality_threshold"] == 0.8
    for change, status in (
        ({"quality": "good"}, 201),
        ({"quality": "poor"}, 422),
        ({"quality": "fair"}, 422),
    ):
        assert send(twin, "sensor-environmental-001", reading(**change)).status_code == status
    low = send(twin, "sensor-environmental-001", reading(confidence=0.5))
    assert low.json()["error"]["code"] == "DATA_QUALITY_LOW"
