"""Sensors, readings, services and finished simulations of the demo city."""

import math
import random
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from reference_server import instants
from reference_server.storage.protocol import Reading, Transaction

Change = Callable[[Transaction], None]
MINUTE_US = 60 * instants.MICROS
DAY_US = 86_400 * instants.MICROS
INTERVAL_S = 600
HOURS = 24
"""How much history of readings there is."""
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

    def __init__(self, seed: int, centre: tuple[float, float], now: int) -> None:
        self.random = random.Random(seed + 1)
        self.centre = centre
        self.now = now - now % MINUTE_US

    def changes(self, city_id: str, objects: list[dict[str, Any]]) -> Iterator[tuple[int, Change]]:
        """Registrations a month ago, services, readings of the last day, an aggregation.

        Finished simulations.
        """
        sensors = list(self.sensors(objects))
        for sensor in sensors:
            yield self.now - 29 * DAY_US, self._register(city_id, sensor)
        for service in services(self.centre):
            yield self.now - 28 * DAY_US, _entity(city_id, "service", service)
        for sensor in sensors:
            yield self.now - 28 * DAY_US, self._measure(city_id, sensor)
        for hours, kind in enumerate(RESULTS):
            run = self.simulation(kind, self.now - (8 - hours) * 60 * MINUTE_US)
            yield self.now - (8 - hours) * 60 * MINUTE_US, _entity(city_id, "simulation", run)
        yield self.now - 10 * MINUTE_US, _entity(city_id, "aggregation", self.aggregation(sensors))

    def sensors(self, objects: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Two sensors of each type, each on an object that fits."""
        for kind in SIGNALS:
            owners = [item for item in objects if item["type"] == OWNER.get(kind, "Building")][:2]
            for number, owner in enumerate(owners, start=1):
                yield self.sensor(kind, number, owner)

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
            "updateInterval": INTERVAL_S,
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
        """A day of readings with a daily rhythm and a little noise."""
        count = HOURS * 3600 // INTERVAL_S
        made = []
        for step in range(count):
            at = self.now - (count - 1 - step) * INTERVAL_S * instants.MICROS
            phase = math.sin((at % DAY_US) / DAY_US * 2 * math.pi)
            for parameter, unit, mean, amplitude, whole in SIGNALS[kind]:
                value = round(mean + amplitude * phase * 0.6 + self.random.uniform(-0.2, 0.2) * amplitude, 2)
                value = int(max(value, 0)) if whole else value
                made.append(Reading(parameter, value, unit, at, "excellent", 0.97, KST))
        return made

    def aggregation(self, sensors: list[dict[str, Any]]) -> dict[str, Any]:
        """A mean over the environmental sensors."""
        x, y = self.centre
        ring = [[x - 0.01, y - 0.01], [x + 0.01, y - 0.01], [x + 0.01, y + 0.01], [x - 0.01, y + 0.01]]
        return {
            "id": "agg-district-temperature",
            "type": "spatial-average",
            "sensors": [item["id"] for item in sensors if item["type"] == "EnvironmentalSensor"],
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

    def _register(self, city_id: str, sensor: dict[str, Any]) -> Change:
        def change(tx: Transaction) -> None:
            city = tx.city(city_id)
            number = city.no if city else 0
            tx.put_sensor(number, sensor, None)
            owner = tx.object(number, sensor["attachedTo"])
            if owner is not None:
                body = orjson.loads(owner.body)
                body["sensors"] = [*body.get("sensors", ()), sensor["id"]]
                tx.put_object(number, body, owner)

        return change

    def _measure(self, city_id: str, sensor: dict[str, Any]) -> Change:
        readings = self.readings(sensor["type"])

        def change(tx: Transaction) -> None:
            city = tx.city(city_id)
            row = tx.sensor(city.no if city else 0, sensor["id"])
            tx.add_readings(row.no if row else 0, readings)

        return change


def _entity(city_id: str, kind: str, item: dict[str, Any]) -> Change:
    def change(tx: Transaction) -> None:
        city = tx.city(city_id)
        tx.put_entity(city.no if city else 0, kind, item, None)

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
