"""Sensors, readings, services and finished simulations of the demo city."""

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from reference_server import instants
from reference_server.storage.protocol import Reading, Transaction

Change = Callable[[Transaction], None]
MINUTE_US = 60 * instants.MICROS
DAY_US = 86_400 * instants.MICROS
INTERVAL_S = 600
MANY = 200
"""More sensors than this report once an hour."""
AT_ONCE = 50
"""Sensors whose readings are stored in one change."""
AGGREGATED = 100
KST = 540
"""The devices' own zone: minutes east of UTC."""

SIGNALS: dict[str, tuple[tuple[str, str, float, float, bool], ...]] = {
    "EnvironmentalSensor": (
        ("temperature", "celsius", 18.0, 5.0, False),
        ("humidity", "percent", 55.0, 12.0, False),
        ("air_quality", "aqi", 55.0, 20.0, True),
        ("noise_level", "decibel", 58.0, 9.0, False),
    ),
    "TrafficSensor": (
        ("traffic_volume", "vehicles/hour", 900.0, 500.0, True),
        ("average_speed", "km/h", 38.0, 9.0, False),
    ),
    "EnergySensor": (("energy_consumption", "kWh", 40.0, 15.0, False),),
    "OccupancySensor": (("occupancy", "count", 10.0, 6.0, True),),
    "UtilitySensor": (("water_flow", "liters/min", 120.0, 40.0, False),),
    "WeatherStation": (
        ("temperature", "fahrenheit", 64.0, 9.0, False),
        ("humidity", "percent", 55.0, 12.0, False),
    ),
}
"""Parameter, unit, mean, daily amplitude and whether it is a whole number, by sensor type."""
MAXIMUM = {"EnergySensor": 500, "UtilitySensor": 1000}
OWNER = {
    "TrafficSensor": "Road",
    "UtilitySensor": "Utility",
    "WeatherStation": "Landmark",
}
RESULTS: dict[str, dict[str, Any]] = {
    "TrafficFlow": {
        "averageSpeed": {"value": 35.5, "unit": "km/h"},
        "congestionLevel": 0.65,
        "predictedDelay": {"value": 12.5, "unit": "minutes"},
        "affectedRoads": ["road-ew-000", "road-ns-000"],
    },
    "EnergyConsumption": {"totalConsumption": {"value": 48210.0, "unit": "kWh"}, "efficiency": 0.78},
    "AirQuality": {"maximumConcentration": {"value": 41.2, "unit": "ug/m3"}},
    "FloodRisk": {"runoff": {"value": 33.8, "unit": "mm"}, "riskLevel": 0.34},
    "EmergencyResponse": {"coverage": 0.91, "averageResponseTime": {"value": 6.2, "unit": "minutes"}},
    "CrowdDynamics": {
        "evacuationTime": {"value": 18.4, "unit": "minutes"},
        "peakDensity": {"value": 2.1, "unit": "1/m2"},
    },
}
PARAMETERS: dict[str, dict[str, Any]] = {
    "TrafficFlow": {"weatherConditions": "clear", "specialEvents": [], "resolution": "5min"},
    "EnergyConsumption": {"buildingTypes": ["office", "commercial"], "weatherForecast": {"temperature": 4.0}},
    "AirQuality": {"pollutants": ["PM2.5"], "windSpeed": 3.2},
    "FloodRisk": {"rainfall": 90, "waterLevels": {"reservoir": 6.5}, "terrain": "urban"},
    "EmergencyResponse": {"incidentType": "fire", "resources": ["fire-station-1"]},
    "CrowdDynamics": {"event": "concert", "expectedAttendance": 12000},
}
ADVICE = {
    "type": "route-optimization",
    "message": "Guide through traffic over the ring road",
    "priority": "medium",
    "potentialSavings": "4 minutes",
}


class Network:
    """What lives on the objects, as changes in the order of their instants."""

    def __init__(
        self,
        seed: int,
        centre: tuple[float, float],
        now: int,
        days: float,
        owners: Mapping[str, int],
        wanted: int | None,
    ) -> None:
        self.random = random.Random(seed + 1)
        self.centre = centre
        self.now = now - now % MINUTE_US
        total = max(2 * len(SIGNALS), sum(owners.values()) // 20 if wanted is None else wanted)
        self._quota = {
            kind: _quota(total, owners[OWNER.get(kind, "Building")], i) for i, kind in enumerate(SIGNALS)
        }
        self._interval_s = INTERVAL_S if total <= MANY else 3600
        self._steps = max(1, round(days * 86_400 / self._interval_s))
        self._owners = owners
        self._seen = dict.fromkeys(owners, 0)
        self._given = dict.fromkeys(SIGNALS, 0)
        self._numbers: list[tuple[str, int]] = []
        self._environmental: list[str] = []

    def on(self, owner: dict[str, Any]) -> list[dict[str, Any]]:
        """The sensors on an object, the next of its type: two first ones carry all kinds."""
        kind_of_owner = owner["type"]
        if kind_of_owner not in self._seen:
            return []
        index = self._seen[kind_of_owner]
        self._seen[kind_of_owner] = index + 1
        made = []
        for kind in SIGNALS:
            if OWNER.get(kind, "Building") == kind_of_owner:
                for _ in range(_due(index, self._owners[kind_of_owner], self._quota[kind])):
                    self._given[kind] += 1
                    made.append(self.sensor(kind, self._given[kind], owner))
        return made

    def registered(self, sensor: Mapping[str, Any], number: int) -> None:
        """Note a stored sensor."""
        self._numbers.append((sensor["type"], number))
        if sensor["type"] == "EnvironmentalSensor" and len(self._environmental) < AGGREGATED:
            self._environmental.append(sensor["id"])

    def changes(self, city: int) -> Iterator[tuple[int, Change]]:
        """Services a month ago, readings, finished simulations, an aggregation, in order."""
        for service in services(self.centre):
            yield self.now - 28 * DAY_US, _entity(city, "service", service)
        for start in range(0, len(self._numbers), AT_ONCE):
            yield self.now - 28 * DAY_US, self._measure(self._numbers[start : start + AT_ONCE])
        for hours, kind in enumerate(RESULTS):
            run = self.simulation(kind, self.now - (8 - hours) * 60 * MINUTE_US)
            yield self.now - (8 - hours) * 60 * MINUTE_US, _entity(city, "simulation", run)
        yield self.now - 10 * MINUTE_US, _entity(city, "aggregation", self.aggregation())

    def sensor(self, kind: str, number: int, owner: dict[str, Any]) -> dict[str, Any]:
        """One sensor."""
        position = _first_position(owner["geometry"])
        short = kind.removesuffix("Sensor").lower()
        specifications: dict[str, Any] = {
            "manufacturer": "Haeun Instruments",
            "model": f"{short[:3].upper()}-{3000 + number}",
            "installDate": instants.show(self.now - 400 * DAY_US)[:10],
            "calibrationDate": instants.show(self.now - 60 * DAY_US)[:10],
            "accuracy": 0.97,
            "updateInterval": self._interval_s,
        }
        if kind in MAXIMUM:
            specifications["maxValue"] = MAXIMUM[kind]
        return {
            "id": f"sensor-{short}-{number:03d}",
            "type": kind,
            "location": {"type": "Point", "coordinates": [position[0], position[1], 12.0]},
            "attachedTo": owner["id"],
            "specifications": specifications,
            "status": {
                "operational": True,
                "battery": self.random.randint(55, 100),
                "lastMaintenance": instants.show(self.now - 60 * DAY_US, KST),
            },
        }

    def readings(self, kind: str) -> list[Reading]:
        """Readings up to the present, with a daily rhythm and a little noise."""
        made = []
        signals = SIGNALS[kind]
        step_us = self._interval_s * instants.MICROS
        first = self.now - (self._steps - 1) * step_us
        noise = self.random.random
        for at in range(first, self.now + 1, step_us):
            phase = math.sin((at % DAY_US) / DAY_US * 2 * math.pi) * 0.6
            for parameter, unit, mean, amplitude, whole in signals:
                value = round(mean + amplitude * (phase + 0.4 * noise() - 0.2), 2)
                value = int(max(value, 0)) if whole else value
                made.append(Reading(parameter, value, unit, at, "excellent", 0.97, KST))
        return made

    def aggregation(self) -> dict[str, Any]:
        """A mean over the environmental sensors."""
        x, y = self.centre
        ring = [[x - 0.01, y - 0.01], [x + 0.01, y - 0.01], [x + 0.01, y + 0.01], [x - 0.01, y + 0.01]]
        return {
            "id": "agg-district-temperature",
            "type": "spatial-average",
            "sensors": self._environmental,
            "parameter": "temperature",
            "value": 18.4,
            "unit": "celsius",
            "timestamp": instants.show(self.now - 10 * MINUTE_US, KST),
            "coverage": {
                "type": "Polygon",
                "coordinates": [[[round(a, 6), round(b, 6)] for a, b in [*ring, ring[0]]]],
            },
        }

    def simulation(self, kind: str, at: int) -> dict[str, Any]:
        """A finished run."""
        hours = {"start": instants.show(at - 120 * MINUTE_US), "end": instants.show(at - 60 * MINUTE_US)}
        return {
            "id": f"sim-{kind.lower()}-demo",
            "type": kind,
            "status": "completed",
            "created": instants.show(at - 2 * MINUTE_US),
            "completed": instants.show(at - MINUTE_US),
            "estimatedCompletion": instants.show(at),
            "progress": 100,
            "parameters": {"timeRange": hours, **PARAMETERS[kind]},
            "results": {**RESULTS[kind], "recommendations": [ADVICE]},
            "confidence": 0.87,
            "validUntil": instants.show(self.now + DAY_US),
        }

    def _measure(self, sensors: Sequence[tuple[str, int]]) -> Change:
        batch = [(number, self.readings(kind)) for kind, number in sensors]

        def change(tx: Transaction) -> None:
            for number, readings in batch:
                tx.add_readings(number, readings)

        return change


def _quota(total: int, owners: int, index: int) -> int:
    """The sensors of a kind, of which there are six: two at least where there are objects to carry them."""
    share = (total + len(SIGNALS) - 1 - index) // len(SIGNALS)
    return share if share > 2 else min(2, owners)


def _due(index: int, owners: int, quota: int) -> int:
    """How many of `quota` sensors are on the object of that index, of `owners`."""
    if index < 2:
        return 1 if owners > 2 or quota <= owners else -(-quota // owners)
    rest, place, among = quota - 2, index - 2, owners - 2
    return (place + 1) * rest // among - place * rest // among


def _entity(city: int, kind: str, item: dict[str, Any]) -> Change:
    def change(tx: Transaction) -> None:
        tx.put_entity(city, kind, item, None)

    return change


def _first_position(geometry: dict[str, Any]) -> list[float]:
    value = geometry["geometries"][0] if geometry["type"] == "GeometryCollection" else geometry
    found = value["coordinates"]
    while isinstance(found[0], list):
        found = found[0]
    position: list[float] = found
    return position


def services(centre: tuple[float, float]) -> list[dict[str, Any]]:
    """Services of three categories."""
    x, y = centre
    ring = [[x - 0.05, y - 0.05], [x + 0.05, y - 0.05], [x + 0.05, y + 0.05], [x - 0.05, y - 0.05]]
    coverage = {"type": "Polygon", "coordinates": [[[round(a, 6), round(b, 6)] for a, b in ring]]}
    made = [
        (
            "service-subway",
            "Busan Metro",
            "transportation",
            "subway",
            {"trainsInService": 64, "averageDelay": 1.5},
        ),
        ("service-bus", "City buses", "transportation", "bus", {"vehiclesInService": 412}),
        ("service-waste", "Waste collection", "waste", "collection", {"routesCompleted": 18}),
        ("service-fire", "Fire and rescue", "emergency", "fire", {"unitsAvailable": 12}),
    ]
    return [
        {
            "id": service_id,
            "name": name,
            "category": category,
            "type": kind,
            "status": "operational",
            "coverage": coverage,
            "realTimeData": data,
        }
        for service_id, name, category, kind, data in made
    ]
