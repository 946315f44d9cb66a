"""The entities of SensorThings 1.1 (8.2) and how they come out of a city.

A Thing is a city object, or the city itself, which carries the sensors that are attached to nothing. A
Datastream is a parameter that a sensor has measured; an Observation is a reading. Each Thing has one
Location, its geometry.
"""

import urllib.parse
from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from reference_server import instants
from reference_server.storage.protocol import Reading, Row

GEOJSON = "application/geo+json"
MEASUREMENT = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"
UNITS: Mapping[str, tuple[str, str, str]] = {
    "celsius": ("degree Celsius", "°C", "https://qudt.org/vocab/unit/DEG_C"),
    "fahrenheit": ("degree Fahrenheit", "°F", "https://qudt.org/vocab/unit/DEG_F"),
    "percent": ("percent", "%", "https://qudt.org/vocab/unit/PERCENT"),
    "decibel": ("decibel", "dB", "https://qudt.org/vocab/unit/DeciB"),
    "kWh": ("kilowatt hour", "kWh", "https://qudt.org/vocab/unit/KiloW-HR"),
    "liters/min": ("litre per minute", "L/min", "https://qudt.org/vocab/unit/L-PER-MIN"),
}


class Relation(msgspec.Struct, frozen=True):
    """A way from one kind of entity to another."""

    kind: str
    many: bool


def _many(kind: str) -> Relation:
    return Relation(kind, many=True)


def _one(kind: str) -> Relation:
    return Relation(kind, many=False)


RELATIONS: Mapping[str, Mapping[str, Relation]] = {
    "Things": {
        "Locations": _many("Locations"),
        "HistoricalLocations": _many("HistoricalLocations"),
        "Datastreams": _many("Datastreams"),
    },
    "Locations": {"Things": _many("Things"), "HistoricalLocations": _many("HistoricalLocations")},
    "HistoricalLocations": {"Thing": _one("Things"), "Locations": _many("Locations")},
    "Sensors": {"Datastreams": _many("Datastreams")},
    "ObservedProperties": {"Datastreams": _many("Datastreams")},
    "Datastreams": {
        "Thing": _one("Things"),
        "Sensor": _one("Sensors"),
        "ObservedProperty": _one("ObservedProperties"),
        "Observations": _many("Observations"),
    },
    "Observations": {"Datastream": _one("Datastreams"), "FeatureOfInterest": _one("FeaturesOfInterest")},
    "FeaturesOfInterest": {"Observations": _many("Observations")},
}


class Item(msgspec.Struct):
    """An entity: its kind, id and properties, and the rows that it was made from."""

    kind: str
    id: str
    shown: dict[str, Any]
    body: dict[str, Any] = {}
    """The city object or sensor (or city) behind it."""
    number: int = 0
    """The number of the sensor behind it."""
    parameter: str = ""
    near: dict[str, "list[Item]"] = {}
    """Related entities that were looked up for it."""


def _text(properties: Mapping[str, Any], name: str, otherwise: str) -> str:
    found = properties.get(name)
    return found if isinstance(found, str) and found else otherwise


def thing(body: dict[str, Any]) -> Item:
    """A city object as a Thing."""
    properties = body["properties"]
    shown = {
        "name": _text(properties, "name", body["id"]),
        "description": _text(properties, "description", body["type"]),
        "properties": {**properties, "type": body["type"]},
    }
    return Item("Things", body["id"], shown, body)


def city_thing(body: dict[str, Any]) -> Item:
    """The city as the Thing that carries what is attached to nothing; in the form of a city object."""
    like = {
        "id": body["cityId"],
        "type": "City",
        "geometry": body["bounds"],
        "properties": {"name": body["name"], "description": "the city"},
        "metadata": body.get("metadata", {}),
    }
    return thing(like)


def location(of: Item) -> Item:
    """Where a Thing is."""
    geometry = {name: value for name, value in of.body["geometry"].items() if name != "lod"}
    shown = {
        "name": of.shown["name"],
        "description": f"where {of.shown['name']} is",
        "encodingType": GEOJSON,
        "location": geometry,
    }
    return Item("Locations", of.id, shown, of.body)


def historical(of: Item) -> Item:
    """The time at which a Thing is known to be at its Location."""
    metadata = of.body.get("metadata", {})
    shown = {"time": metadata.get("lastUpdated") or instants.show(0)}
    return Item("HistoricalLocations", of.id, shown, of.body)


def sensor(row: Row) -> Item:
    """A sensor as a procedure."""
    body = orjson.loads(row.body)
    known = body.get("specifications", {})
    shown = {
        "name": _text(body, "name", row.id),
        "description": row.type,
        "encodingType": "application/json",
        "metadata": known,
        "properties": {name: body[name] for name in ("type", "status") if name in body},
    }
    return Item("Sensors", row.id, shown, body, row.no)


def observed(parameter: str) -> Item:
    """A parameter as an observed property."""
    shown = {
        "name": parameter,
        "description": parameter.replace("_", " "),
        "definition": f"urn:wia:digital-twin-city:parameter:{urllib.parse.quote(parameter, safe='')}",
    }
    return Item("ObservedProperties", parameter, shown, {}, 0, parameter)


def stream_id(sensor_id: str, parameter: str) -> str:
    """The id of a Datastream; the parameter holds no bare colon."""
    return f"{sensor_id}:{urllib.parse.quote(parameter, safe='')}"


def datastream(of: Item, newest: Reading) -> Item:
    """What a sensor measures of one parameter; its unit is that of the newest reading."""
    name, symbol, definition = UNITS.get(newest.unit, (newest.unit, newest.unit, f"urn:unit:{newest.unit}"))
    shown: dict[str, Any] = {
        "name": f"{newest.parameter} of {of.shown['name']}",
        "description": f"{newest.parameter} measured by {of.id}",
        "observationType": MEASUREMENT,
        "unitOfMeasurement": {"name": name, "symbol": symbol, "definition": definition},
        "properties": {"sensorId": of.id, "parameter": newest.parameter, "unit": newest.unit},
    }
    return Item(
        "Datastreams", stream_id(of.id, newest.parameter), shown, of.body, of.number, newest.parameter
    )


def observation(of: Item, reading: Reading) -> Item:
    """A reading."""
    at = instants.show(reading.at, reading.zone)
    shown: dict[str, Any] = {
        "phenomenonTime": at,
        "resultTime": at,
        "result": reading.value,
        "resultQuality": reading.quality,
        "parameters": {"unit": reading.unit},
    }
    if reading.confidence is not None:
        shown["parameters"]["confidence"] = reading.confidence
    return Item("Observations", f"{of.id}@{reading.at}", shown, of.body, of.number, of.parameter)


def feature(of: Item, place: dict[str, Any]) -> Item:
    """The place that a sensor measures at."""
    shown = {
        "name": f"surroundings of {of.id}",
        "description": "the place of the sensor",
        "encodingType": GEOJSON,
        "feature": {name: value for name, value in place.items() if name != "lod"},
    }
    return Item("FeaturesOfInterest", of.id, shown, of.body, of.number)
