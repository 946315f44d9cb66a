"""The tables and schemas of the standard say what the clauses say."""

from typing import Any

import jsonschema
import jsonschema_rs
import pytest

from dtc_cli.core.catalogue import load

BUILDING = {
    "id": "building-001",
    "type": "Building",
    "geometry": {
        "type": "Polygon",
        "coordinates": [[[129.0, 35.1], [129.1, 35.1], [129.1, 35.2], [129.0, 35.2], [129.0, 35.1]]],
        "lod": 1,
    },
    "properties": {"name": "Harbour Office", "x-owner": "port"},
}
READING = {
    "parameter": "temperature",
    "value": 21.5,
    "unit": "celsius",
    "timestamp": "2026-01-02T03:04:05.250Z",
    "quality": "good",
}
ERROR = {"code": "OBJECT_NOT_FOUND", "message": "no such object", "timestamp": "2026-01-02T03:04:05+09:00"}
RUN = {
    "id": "sim-1",
    "type": "FloodRisk",
    "status": "running",
    "created": "2026-01-02T03:04:05Z",
    "progress": 40,
}


def valid(name: str, document: Any) -> bool:
    """Whether the document satisfies the schema, by two validators that must agree."""
    schema = load().schema(name)
    by_python = jsonschema.Draft202012Validator(schema).is_valid(document)
    assert jsonschema_rs.validator_for(schema).is_valid(document) == by_python
    return by_python


def test_ranges_include_their_ends_in_every_unit() -> None:
    celsius, fahrenheit = load().parameters["temperature"].units
    assert (celsius.name, fahrenheit.name) == ("celsius", "fahrenheit")
    assert [fahrenheit.to_base(value) for value in (-40, 140, 212)] == [-40, 60, 100]
    assert celsius.to_base(59.9) == 59.9


@pytest.mark.parametrize(
    ("name", "unit", "minimum", "maximum", "binary_id"),
    [
        ("temperature", "celsius", -40, 60, 1),
        ("humidity", "percent", 0, 100, 2),
        ("air_quality", "aqi", 0, 500, 3),
        ("traffic_volume", "vehicles/hour", 0, 10000, 4),
        ("energy_consumption", "kWh", 0, None, 5),
        ("noise_level", "decibel", 0, 120, 6),
        ("occupancy", "count", 0, None, 7),
        ("water_flow", "liters/min", 0, None, 8),
    ],
)
def test_parameters_are_those_of_the_table(
    name: str, unit: str, minimum: float, maximum: float | None, binary_id: int
) -> None:
    row = load().parameters[name]
    assert (row.units[0].name, row.minimum, row.maximum, row.binary_id) == (unit, minimum, maximum, binary_id)
    assert row.integral == (unit == "count")
    assert row.binary_private == (binary_id > 5)


@pytest.mark.parametrize(
    ("code", "number", "statuses"),
    [
        ("CITY_NOT_FOUND", 1001, (404,)),
        ("DUPLICATE_OBJECT", 2004, (409,)),
        ("SENSOR_OFFLINE", 3002, (503, 409)),
        ("DATA_QUALITY_LOW", 3004, (422, 400)),
        ("INVALID_PARAMETERS", 4003, (400, 422)),
        ("RATE_LIMIT_EXCEEDED", 6001, (429,)),
        ("METHOD_NOT_ALLOWED", None, (405, 404)),
    ],
)
def test_api_codes_have_their_number_and_statuses(
    code: str, number: int | None, statuses: tuple[int, ...]
) -> None:
    row = load().codes.api_code(code)
    assert (row.number, row.statuses, row.additive) == (number, statuses, number is None)


def test_the_seventeen_numbers_are_those_of_the_list() -> None:
    numbers = sorted(row.number for row in load().codes.api if row.number)
    assert numbers == [
        *(1001, 1002),
        *range(2001, 2005),
        *range(3001, 3005),
        *range(4001, 4004),
        *range(5001, 5004),
        6001,
    ]


def test_a_fault_has_one_name_in_a_record_and_another_on_the_wire() -> None:
    codes = load().codes
    assert codes.record_code("ERR_DUPLICATE_ID").api == ("DUPLICATE_OBJECT",)
    assert codes.record_code("ERR_MISSING_REFERENCE").api == ("OBJECT_NOT_FOUND",)
    assert codes.record_code("ERR_FUTURE_TIMESTAMP").rules == ("BUS-002",)
    with pytest.raises(KeyError):
        codes.api_code("ERR_DUPLICATE_ID")


def test_every_api_requirement_with_an_error_code_says_how_it_may_be_refused() -> None:
    refused = {refusal.requirement for refusal in load().codes.refusals}
    named = {entry.id for entry in load().requirements.values() if entry.phase == 2 and entry.error_code}
    # P2-096 is about the number beside a code, whichever it is.
    assert named - refused - {"DTC-P2-096"} == set()


def test_required_operations_are_the_22_of_the_standard() -> None:
    pairs = {(row.method, row.path.removeprefix("/cities/{cityId}")) for row in load().inventory}
    assert pairs == {
        ("GET", ""),
        ("PATCH", ""),
        ("GET", "/statistics"),
        ("GET", "/objects"),
        ("POST", "/objects"),
        ("GET", "/objects/{objectId}"),
        ("PATCH", "/objects/{objectId}"),
        ("DELETE", "/objects/{objectId}"),
        ("GET", "/sensors"),
        ("POST", "/sensors"),
        ("GET", "/sensors/{sensorId}/data"),
        ("POST", "/sensors/{sensorId}/data"),
        ("POST", "/simulations"),
        ("GET", "/simulations/{simulationId}"),
        ("GET", "/simulations/{simulationId}/results"),
        ("DELETE", "/simulations/{simulationId}"),
        ("GET", "/services"),
        ("GET", "/services/{serviceId}/status"),
        ("POST", "/spatial/nearby"),
        ("POST", "/spatial/route"),
        ("GET", "/objects/{objectId}/history"),
        ("GET", "/snapshots/{timestamp}"),
    }


def test_the_binary_frame_is_the_sum_of_its_fields() -> None:
    messages = load().messages
    assert [field.offset for field in messages.binary] == [0, 4, 8, 24, 32, 48, 50, 58, 59]
    assert messages.binary_sizes == (66, 64)
    assert messages.quality_bytes["poor"] == 4


def test_standard_message_types_are_the_ten_printed_ones() -> None:
    printed = {kind.name for kind in load().messages.types if not kind.additive}
    client_only = {kind.name for kind in load().messages.types if kind.direction == "client"}
    assert printed == {
        *("CONNECT", "CONNACK", "SUBSCRIBE", "SUBACK", "PUBLISH"),
        *("PUBACK", "UNSUBSCRIBE", "PING", "PONG", "DISCONNECT"),
    }
    assert client_only == {"CONNECT", "SUBSCRIBE", "UNSUBSCRIBE"}


def test_each_event_but_error_has_a_topic() -> None:
    carried = {topic.event for topic in load().topics.topics if topic.event}
    assert set(load().vocabularies["events"].values) - carried == {"error"}


@pytest.mark.parametrize("name", sorted(set(load().schemas) - {"record", "target", "common"}))
def test_a_served_schema_stands_alone_and_is_open(name: str) -> None:
    schema = load().schema(name)
    assert jsonschema_rs.validator_for(schema) is not None
    assert '"additionalProperties": false' not in str(schema)
    assert not valid(name, "text")


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("city-object", BUILDING),
        ("city-object", BUILDING | {"type": "ParkingLot", "sensors": [], "metadata": {}}),
        ("object-list", [BUILDING]),
        ("object-list", []),
        ("object-list", {"objects": [BUILDING], "total": 1}),
        ("object-list", {"features": [BUILDING], "next": None}),
        ("create-object", {key: value for key, value in BUILDING.items() if key != "id"}),
        ("submit-data", {"measurements": [READING]}),
        ("simulation-status", RUN),
        (
            "simulation-status",
            RUN | {"status": "completed", "progress": 100, "completed": "2026-01-02T03:05:00Z"},
        ),
        ("error", {"error": ERROR}),
        ("error", {"error": ERROR | {"details": {}, "number": 2001}, "trace": "abc"}),
        ("service-status", {"serviceId": "service-subway", "status": "operational"}),
        ("history", {"versions": [{"timestamp": "2026-01-02T03:04:05Z"}]}),
        ("token", {"access_token": "a.b.c", "token_type": "bearer", "expires_in": 3600}),
    ],
)
def test_legal_variations_are_accepted(name: str, document: Any) -> None:
    assert valid(name, document)


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("city-object", {key: value for key, value in BUILDING.items() if key != "properties"}),
        ("city-object", BUILDING | {"id": 17}),
        ("city-object", BUILDING | {"geometry": {"type": "Circle", "coordinates": [1, 2]}}),
        ("city-object", BUILDING | {"geometry": {"type": "Point", "coordinates": [129.0]}}),
        ("city-object", BUILDING | {"geometry": {"type": "Point", "coordinates": [129.0, 35.0], "lod": 2.5}}),
        ("object-list", BUILDING),
        ("object-list", {"total": 0}),
        ("object-list", {"objects": [{"id": "building-001"}]}),
        ("submit-data", {"measurements": [READING | {"quality": "GOOD"}]}),
        ("submit-data", {"measurements": [READING | {"timestamp": "2026-01-02T03:04:05"}]}),
        ("submit-data", {"measurements": [READING | {"timestamp": "2026-01-02T03:04:05Z\n"}]}),
        ("submit-data", {"measurements": [READING | {"timestamp": "2026-13-02T03:04:05Z"}]}),
        ("submit-data", {"measurements": [READING | {"value": "21.5"}]}),
        ("simulation-status", RUN | {"status": "completed", "progress": 100}),
        ("simulation-status", RUN | {"progress": 100}),
        ("simulation-status", RUN | {"status": "done"}),
        ("error", {"message": "not found"}),
        ("error", {"error": ERROR | {"code": 2001}}),
        ("error", {"error": ERROR | {"timestamp": 1767323045}}),
        ("token", {"access_token": "a.b.c", "token_type": "mac", "expires_in": 3600}),
    ],
)
def test_violations_are_refused(name: str, document: Any) -> None:
    assert not valid(name, document)


def test_an_unknown_schema_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        load().schema("town")
