"""What is accepted at first sight breaks no rule, and the usual is accepted at first sight."""

import copy
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_server import demo, geometry, instants
from reference_server.bulk import plain
from reference_server.errors import ApiError
from reference_server.messaging import payloads, topics
from reference_server.rules import measurements, sound
from reference_server.rules.findings import Findings
from reference_server.services import objects, readings
from reference_server.services.cities import City
from reference_server.storage.protocol import CityRow

NOW = instants.now_us()
LATER = instants.show(NOW + 3600 * instants.MICROS)
READING: dict[str, Any] = {
    "parameter": "occupancy",
    "value": 3,
    "unit": "count",
    "timestamp": "2025-01-15T10:30:00Z",
    "quality": "good",
    "confidence": 0.9,
}
ODD: list[Any] = [
    None, True, "", "x" * 201, 0, -1, 3.5, 7, 10**30, 141, 140.0, [], {}, LATER, "2025-01-15T10:30:60Z",
    "2025-01-15T10:59:60Z", "2025-01-15 10:30:00Z", "2025-02-30T10:30:00Z", "2025-W03-3T10:30:00Z",
    "2025-01-15T24:00:00Z", "2025-01-15T10:30:00+09:00", "2025-01-15T10:30:00.25Z", "celsius", "fahrenheit",
    "percent", "temperature", "humidity", "poor", "own",
]  # fmt: skip
CHANGES = st.dictionaries(st.sampled_from([*READING, "other"]), st.sampled_from([*ODD, ...]), max_size=3)


def changed(item: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """An item with other members; `...` takes one away."""
    return {name: value for name, value in {**item, **changes}.items() if value is not ...}


@given(CHANGES, st.sampled_from([None, 5, 2.5, "many", True]))
def test_readings_accepted_at_first_sight_break_no_rule(changes: dict[str, Any], limit: Any) -> None:
    reading = changed(READING, changes)
    if sound.batch([READING, reading], NOW, limit if limit != 2.5 else 5, limit):
        found = Findings()
        measurements.judge(found, reading, "", NOW, limit if limit != 2.5 else 5, limit)
        assert not list(found)
        assert 0 < len(reading["parameter"]) <= 200
        assert 0 < len(reading["unit"]) <= 200


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"confidence": ...},
        {"timestamp": "2025-01-15T19:30:00.5+09:00"},
        {"parameter": "temperature", "unit": "fahrenheit", "value": 140},
        {"parameter": "own", "unit": "bar", "value": -7.25, "remark": "of the maker"},
    ],
)
def test_usual_readings_are_accepted_at_first_sight(changes: dict[str, Any]) -> None:
    assert sound.batch([changed(READING, changes)] * 2, NOW, 10, None)


MEASURED = {"parameter": "temperature", "value": 21.5, "unit": "celsius", "timestamp": "2025-01-15T10:30:00Z",
            "quality": "good"}  # fmt: skip
TOPIC = topics.SensorTopic("KR-BUSAN-2025", "environmental", "s-1", "temperature")
TEXTS = st.builds(
    lambda one, more, blank, twice: twice(
        json.dumps({"sensorId": "s-1", "measurements": [one], **more}).replace(": ", blank)
    ),
    st.builds(changed, st.just(MEASURED), CHANGES),
    st.dictionaries(st.sampled_from(["sensorId", "measurements", "note"]), st.sampled_from(ODD), max_size=1),
    st.sampled_from([":", ": ", " : ", "\t:", "\n:\n"]),
    st.sampled_from(
        [
            lambda text: text,
            lambda text: text.replace('"quality"', '"quality":"good","quality"', 1),
            lambda text: text.replace('"value"', '"value" :9,"value"', 1),
            lambda text: text.replace("s-1", "\\u0073-1"),
            lambda text: text.replace("21.5", "1e999"),
            lambda text: text.replace("21.5", "18446744073709551617"),
        ]
    ),
)


@given(TEXTS)
def test_a_message_taken_at_first_sight_means_what_the_long_way_reads(text: str) -> None:
    found = sound.message(text.encode(), NOW)
    if found is None:
        return
    long = payloads.sensor_reading(
        text.encode(), msgspec.structs.replace(TOPIC, parameter=found[1].parameter)
    )
    readings.check(long.readings, None, None)
    assert long.whole
    assert (long.sensor, *map(readings.parsed, long.readings)) == found


def test_what_sensors_send_is_taken_at_first_sight() -> None:
    for one in (MEASURED, {**MEASURED, "confidence": 0.5}, {**MEASURED, "parameter": "own", "unit": "bar"}):
        text = json.dumps({"sensorId": "s-1", "measurements": [one]}).encode()
        assert sound.message(text, NOW) is not None
    assert sound.message(text[:-1] + b"\xff}", NOW) is None


def city(outline: dict[str, Any] | None = None) -> City:
    """The generated city, or one with another outline."""
    body = demo.city_body("KR-BUSAN-2025", "Busan", demo.CENTRE, NOW)
    body["bounds"] = outline or body["bounds"]
    return City(CityRow(1, body["cityId"], b"", 1, NOW, NOW), body, geometry.Bounds(body["bounds"]), "WGS84")


X, Y = demo.CENTRE
RING = [[X, Y], [X + 1e-4, Y], [X + 1e-4, Y + 1e-4], [X, Y + 1e-4], [X, Y]]
SHAPES: dict[str, Any] = {
    "Point": RING[0],
    "MultiPoint": RING,
    "LineString": RING[:3],
    "MultiLineString": [RING[:2], RING[2:]],
    "Polygon": [RING],
    "MultiPolygon": [[RING], [RING, RING]],
}
TRIANGLE = {"type": "Polygon", "coordinates": [[[X, Y], [X + 1, Y], [X, Y + 1], [X, Y]]]}
CITIES = [city(), city(TRIANGLE)]


def shaped(kind: str, coordinates: Any = None) -> dict[str, Any]:
    """An object of that geometry."""
    place = {"type": kind, "coordinates": coordinates or copy.deepcopy(SHAPES[kind])}
    return {"id": "a", "type": "Building", "geometry": place, "properties": {"height": 3}}


@pytest.mark.parametrize("place", CITIES)
@pytest.mark.parametrize("kind", SHAPES)
def test_usual_objects_are_accepted_with_their_box(kind: str, place: City) -> None:
    item = {**shaped(kind), "sensors": ["s"], "metadata": {"created": "2025-01-15T10:30:00Z", "accuracy": 1}}
    assert plain.box_of(place, item) == geometry.box_of(item["geometry"])


WRONG: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, "x", 1, [], {}, [[]], [X], [X, Y, 3], [X, Y, 3, 4], [X, "y"], [X, True], [X + 90, Y],
     [X, Y + 90], [[X, Y]], RING, RING[:3], [RING[:4]], [[RING]], [X + 0.9, Y + 0.9]]
)  # fmt: skip


@st.composite
def spoilt(draw: st.DrawFn) -> dict[str, Any]:
    """An object with one part of its geometry, or one member, replaced."""
    item = shaped(draw(st.sampled_from(list(SHAPES))))
    if draw(st.booleans()):
        name = draw(st.sampled_from(["id", "type", "geometry", "properties", "sensors", "metadata"]))
        item[name] = draw(
            WRONG | st.sampled_from([{"created": "yesterday"}, {"lastUpdated": 3}, ["s", 1], ""])
        )
        return item
    part: Any = item["geometry"]
    place: Any = draw(st.sampled_from(["type", "coordinates", "lod"]))
    while place in ("coordinates", 0) and isinstance(part[place], list) and draw(st.booleans()):
        part, place = part[place], 0
    part[place] = draw(WRONG | st.sampled_from([*SHAPES, "GeometryCollection", 2, 2.0, 5]))
    return item


@given(spoilt(), st.sampled_from(CITIES))
def test_objects_accepted_at_first_sight_break_no_rule(item: dict[str, Any], place: City) -> None:
    if plain.box_of(place, item) is not None:
        objects.check(place, item)
        assert plain.box_of(place, item) == geometry.box_of(item["geometry"])


def test_what_is_wrong_is_not_accepted() -> None:
    far = shaped("Point", [X + 90, Y])
    assert plain.box_of(CITIES[0], far) is None
    with pytest.raises(ApiError):
        objects.check(CITIES[0], far)
