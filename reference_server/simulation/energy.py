"""EnergyConsumption: degree-hours of heating and cooling over the buildings' envelopes, plus a base load."""

import math
from typing import Any

from reference_server.simulation.case import Case, advice, number, quantity

HEATING_BASE_C, COOLING_BASE_C = 18.0, 24.0
COEFFICIENT_OF_PERFORMANCE = 3.0
BASE_LOAD_W_M2 = 4.0
U_VALUE = {"A+": 0.25, "A": 0.35, "B": 0.55, "C": 0.8, "D": 1.1, "E": 1.5, "F": 2.0, "G": 2.6}  # W/(m2 K)
STOREY_M = 3.2


def run(case: Case) -> dict[str, Any]:
    """Energy of the buildings over the range at the given outdoor temperature (degrees Celsius)."""
    weather = case.parameters.get("weatherData", case.parameters.get("weatherForecast"))
    given = weather if isinstance(weather, dict) else {"temperature": weather}
    outdoor = number(given, "temperature", number(case.parameters, "temperature", 10.0))
    heating_k = max(0.0, HEATING_BASE_C - outdoor)
    cooling_k = max(0.0, outdoor - COOLING_BASE_C)
    heat_w = base_w = ideal_w = 0.0
    for building in case.buildings:
        envelope = surface(building.area, building.height)
        heat_w += envelope * U_VALUE.get(building.energy_class, 1.0) * (heating_k + cooling_k)
        ideal_w += envelope * U_VALUE["A+"] * (heating_k + cooling_k)
        base_w += BASE_LOAD_W_M2 * building.area
    power_kw = (heat_w / COEFFICIENT_OF_PERFORMANCE + base_w) / 1000
    best_kw = (ideal_w / COEFFICIENT_OF_PERFORMANCE + base_w) / 1000
    efficiency = best_kw / power_kw if power_kw else 1.0
    saving = advice("retrofit", "Insulate the buildings of the classes below B", "medium")
    return {
        "totalConsumption": quantity(power_kw * case.hours, "kWh"),
        "peakDemand": quantity(power_kw * 1.3, "kW"),
        "efficiency": round(efficiency, 4),
        "recommendations": [{**saving, "potentialSavings": f"{(power_kw - best_kw) * case.hours:.0f} kWh"}],
    }


def surface(area: float, height: float) -> float:
    """The envelope in m2 of a block of that floor area and height with a square footprint."""
    footprint = area / max(1.0, height / STOREY_M)
    return 4 * math.sqrt(footprint) * height + 2 * footprint
