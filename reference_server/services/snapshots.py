"""The city at an instant as a complete record of phase 1 (P2 4.8)."""

from typing import Any

import orjson

from reference_server import instants
from reference_server.errors import ApiError
from reference_server.services import cities
from reference_server.services.cities import City
from reference_server.storage.protocol import CityState, Reading
from reference_server.world import World

SCHEMA = "https://wia.live/digital-twin-city/v1/schema.json"


def requested(text: str) -> int:
    """The instant that a path names.

    Raises:
        ApiError: INVALID_PARAMETERS for text that is no zoned instant, or one that is still to come.
    """
    at = instants.parse(instants.repair_plus(text))
    if at is None:
        raise ApiError("INVALID_PARAMETERS", "the timestamp must be an RFC 3339 instant with a zone")
    if at > instants.now_us() + instants.FUTURE_TOLERANCE_US:
        raise ApiError("INVALID_PARAMETERS", "the timestamp lies in the future")
    return at


async def record(world: World, city: City, at: int) -> dict[str, Any]:
    """The record of a city at an instant.

    Raises:
        ApiError: SNAPSHOT_NOT_FOUND before the city existed.
    """
    state = await world.storage.state_at(city.no, at)
    if state is None:
        details = {"cityId": city.id, "timestamp": instants.show(at)}
        raise ApiError("SNAPSHOT_NOT_FOUND", "the city did not exist at that instant", details)
    return assembled(state, at, cities.quality(await world.storage.counters(city.no)))


def assembled(state: CityState, at: int, scores: dict[str, float]) -> dict[str, Any]:
    """A state as a record, members in the order of P1 3.1."""
    body = orjson.loads(state.city)
    metadata = body.get("metadata", {})
    return {
        "$schema": SCHEMA,
        "version": body["version"],
        "cityId": body["cityId"],
        "name": body["name"],
        "timestamp": instants.show(at),
        "bounds": body["bounds"],
        "coordinateSystem": body["coordinateSystem"],
        "cityObjects": [orjson.loads(text) for text in state.objects],
        "sensorNetwork": {
            "nodes": [node(orjson.loads(text), state.readings) for text in state.sensors],
            "aggregations": [orjson.loads(text) for text in state.aggregations],
        },
        "simulations": [simulation(orjson.loads(text)) for text in state.simulations],
        "services": [orjson.loads(text) for text in state.services],
        "metadata": {**metadata, "dataQuality": scores["overall"]},
    }


def node(body: dict[str, Any], readings: dict[str, list[Reading]]) -> dict[str, Any]:
    """A sensor with its newest readings."""
    return {**body, "measurements": [measurement(one) for one in readings.get(body["id"], ())]}


def measurement(reading: Reading) -> dict[str, Any]:
    """A reading as P1 5.2 writes it, in the zone of the device that took it."""
    shown: dict[str, Any] = {
        "parameter": reading.parameter,
        "value": reading.value,
        "unit": reading.unit,
        "timestamp": instants.show(reading.at, reading.zone),
        "quality": reading.quality,
    }
    if reading.confidence is not None:
        shown["confidence"] = reading.confidence
    return shown


def simulation(body: dict[str, Any]) -> dict[str, Any]:
    """A run as P1 4.4 stores it; one that has not finished has empty results."""
    shown: dict[str, Any] = {
        "id": body["id"],
        "type": body["type"],
        "status": body["status"],
        "timestamp": body.get("completed", body["created"]),
        "parameters": body["parameters"],
        "results": body.get("results", {}),
    }
    for name in ("confidence", "validUntil"):
        if name in body:
            shown[name] = body[name]
    return shown


def rendered(shown: dict[str, Any]) -> bytes:
    """A record as JSON text."""
    return orjson.dumps(shown)
