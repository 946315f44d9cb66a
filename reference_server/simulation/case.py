"""What a model works on: the request's parameters, and what it may know of the city."""

from collections.abc import Mapping
from typing import Any

import msgspec


class Road(msgspec.Struct, frozen=True):
    """A road: length in metres, lanes, free speed in km/h."""

    id: str
    length: float
    lanes: float
    speed: float


class Building(msgspec.Struct, frozen=True):
    """A building: floor area in m2, height in m, energy class, position (degrees or metres), people."""

    id: str
    area: float
    height: float
    energy_class: str
    x: float
    y: float
    people: float


class Case(msgspec.Struct, frozen=True):
    """A run: parameters as requested, the city's roads and buildings, stations as positions."""

    parameters: Mapping[str, Any]
    roads: tuple[Road, ...] = ()
    buildings: tuple[Building, ...] = ()
    stations: tuple[tuple[float, float], ...] = ()
    hour: float = 12.0
    """Hour of the day, city time, in the middle of the range."""
    hours: float = 24.0
    """Length of the range in hours."""


def number(parameters: Mapping[str, Any], name: str, default: float) -> float:
    """A parameter as a number: plain, as {value}, or the mean of a list or of an object's numbers."""
    found = _numbers(parameters.get(name))
    return sum(found) / len(found) if found else default


def _numbers(value: Any) -> list[float]:
    if isinstance(value, bool) or value is None:
        return []
    if isinstance(value, int | float):
        return [float(value)]
    if isinstance(value, dict):
        if "value" in value:
            return _numbers(value["value"])
        return [one for part in value.values() for one in _numbers(part)]
    if isinstance(value, list):
        return [one for part in value for one in _numbers(part)]
    return []


def quantity(value: float, unit: str) -> dict[str, Any]:
    """A result with its unit (P1 4.4)."""
    return {"value": round(value, 3), "unit": unit}


def advice(kind: str, message: str, priority: str) -> dict[str, str]:
    """An entry of results.recommendations."""
    return {"type": kind, "message": message, "priority": priority}
