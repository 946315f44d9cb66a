"""The six models: published figures, and inputs that move the result the right way."""

import math
from typing import Any

import pytest

from reference_server.simulation import air, crowd, energy, flood, traffic
from reference_server.simulation.case import Building, Case, Road
from reference_server.simulation.worker import MODELS, confidence, moved_by

ROADS = tuple(Road(f"r{i}", 1000.0, 2.0 + i % 3, 50.0) for i in range(6))
BUILDINGS = tuple(Building(f"b{i}", 2000.0, 20.0, "C", 129.0 + i / 100, 35.1, 50.0) for i in range(5))


def run(kind: str, hour: float = 8.0, **parameters: Any) -> dict[str, Any]:
    stations = ((129.0, 35.1),)
    return MODELS[kind](Case(parameters, ROADS, BUILDINGS, stations, hour, 2.0))


def value(results: dict[str, Any], name: str) -> float:
    found = results[name]
    return float(found["value"] if isinstance(found, dict) else found)


@pytest.mark.parametrize(
    ("rain_in", "curve_number", "runoff_in"),
    [(2, 70, 0.24), (4, 70, 1.33), (5, 80, 2.89), (6, 75, 3.28), (6, 61, 2.01), (6, 70, 2.81)],
)
def test_runoff_is_that_of_tr_55(rain_in: float, curve_number: float, runoff_in: float) -> None:
    assert flood.runoff_mm(rain_in * 25.4, curve_number) / 25.4 == pytest.approx(runoff_in, abs=0.006)


def test_no_runoff_before_the_initial_abstraction() -> None:
    assert flood.runoff_mm(0.2 * (25400 / 70 - 254), 70) == 0


def test_the_plume_keeps_its_mass() -> None:
    x, wind, rate = 1000.0, 5.0, 100.0
    sy, sz = air.sigma("D", x)
    # over the whole half space above the ground the flux is the emission
    ground_flux = air.ground(rate, 0.0, wind, "D", x) * wind
    assert ground_flux * (math.sqrt(2 * math.pi) * sy) * (math.sqrt(2 * math.pi) * sz / 2) == pytest.approx(
        rate
    )


@pytest.mark.parametrize(("density", "speed"), [(1.0, 1.058), (2.0, 0.606), (4.0, 0.156)])
def test_walking_speed_is_weidmanns(density: float, speed: float) -> None:
    assert crowd.speed(density) == pytest.approx(speed, abs=0.001)
    assert crowd.CAPACITY_DENSITY * crowd.speed(crowd.CAPACITY_DENSITY) == pytest.approx(1.225, abs=0.001)


def test_traffic_slows_with_demand_weather_and_the_hour() -> None:
    free, rain = run("TrafficFlow", weatherConditions="clear"), run("TrafficFlow", weatherConditions="rain")
    assert value(rain, "averageSpeed") < value(free, "averageSpeed") < 50
    assert value(rain, "congestionLevel") > value(free, "congestionLevel")
    assert value(run("TrafficFlow", demandFactor=2), "predictedDelay") > value(free, "predictedDelay")
    assert value(run("TrafficFlow", hour=3.0), "congestionLevel") < value(free, "congestionLevel")
    assert value(run("TrafficFlow", specialEvents=["match"]), "averageSpeed") < value(free, "averageSpeed")
    assert 0 <= value(free, "congestionLevel") <= 1
    assert traffic.ALPHA == 0.15


def test_energy_rises_with_cold_heat_and_poor_walls() -> None:
    mild, cold, hot = (run("EnergyConsumption", weatherData={"temperature": t}) for t in (20, -5, 35))
    assert value(mild, "totalConsumption") < value(hot, "totalConsumption") < value(cold, "totalConsumption")
    assert value(mild, "efficiency") == 1
    good = tuple(Building(b.id, b.area, b.height, "A+", b.x, b.y, b.people) for b in BUILDINGS)
    better = energy.run(Case({"weatherData": {"temperature": -5}}, (), good, (), 8.0, 2.0))
    assert value(better, "totalConsumption") < value(cold, "totalConsumption")


def test_air_clears_with_wind_and_a_higher_stack() -> None:
    still, windy = run("AirQuality", windSpeed=1), run("AirQuality", windSpeed=8)
    assert value(windy, "maximumConcentration") == pytest.approx(
        value(still, "maximumConcentration") / 8, rel=0.01
    )
    high = run("AirQuality", windSpeed=1, stackHeight=60)
    assert value(high, "maximumConcentration") < value(still, "maximumConcentration")
    assert value(high, "distanceOfMaximum") > value(still, "distanceOfMaximum")


def test_floods_rise_with_rain_sealing_and_the_river() -> None:
    light, heavy = (
        run("FloodRisk", rainfall=20, terrain="urban"),
        run("FloodRisk", rainfall=120, terrain="urban"),
    )
    assert value(light, "runoff") < value(heavy, "runoff")
    assert value(run("FloodRisk", rainfall=120, terrain="forest"), "runoff") < value(heavy, "runoff")
    assert value(run("FloodRisk", rainfall=0, waterLevels={"a": 9}), "riskLevel") == pytest.approx(0.81)


def test_help_comes_sooner_with_more_stations_and_speed() -> None:
    one = run("EmergencyResponse")
    two = run("EmergencyResponse", stations=[[129.0, 35.1], {"coordinates": [129.04, 35.1]}])
    assert value(two, "averageResponseTime") < value(one, "averageResponseTime")
    assert value(run("EmergencyResponse", speed=64), "averageResponseTime") < value(
        one, "averageResponseTime"
    )
    assert value(run("EmergencyResponse", responseTime=3), "coverage") < value(one, "coverage")


def test_a_crowd_leaves_faster_by_more_doors() -> None:
    few, many = (
        run("CrowdDynamics", expectedAttendance=9000, exits=3),
        run("CrowdDynamics", expectedAttendance=9000, exits=9),
    )
    assert value(many, "evacuationTime") < value(few, "evacuationTime")
    full = run("CrowdDynamics", expectedAttendance=18000, exits=3)
    assert value(full, "evacuationTime") > value(few, "evacuationTime")
    assert value(many, "flow") == pytest.approx(3 * value(few, "flow"), rel=1e-3)


def test_confidence_falls_with_spread() -> None:
    import random

    assert confidence([1.0]) == 0.8
    assert confidence([10.0, 10.1, 9.9]) > confidence([10.0, 14.0, 6.0])
    moved = moved_by({"a": 100, "b": "text", "c": True}, random.Random(1))
    assert 95 <= moved["a"] <= 105
    assert (moved["b"], moved["c"]) == ("text", True)
