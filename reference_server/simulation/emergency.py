"""EmergencyResponse: who is reached in time from the nearest station (Church & ReVelle 1974)."""

from typing import Any

from reference_server.geometry import distance_m
from reference_server.simulation.case import Case, advice, number, quantity

STANDARD_MINUTES = 8.0  # first due company within 8 minutes in all (NFPA 1710)
TURNOUT_MINUTES = 1.5
SPEED_KMH = 32.0
DETOUR = 1.3
"""Street length over straight distance."""


def run(case: Case) -> dict[str, Any]:
    """Coverage within the standard time and the mean time to the city's buildings."""
    speed = max(5.0, number(case.parameters, "speed", SPEED_KMH)) / 3.6
    limit = number(case.parameters, "responseTime", STANDARD_MINUTES)
    stations = _stations(case)
    times = []
    for building in case.buildings:
        nearest = min(distance_m((building.x, building.y), station) for station in stations)
        times.append(TURNOUT_MINUTES + nearest * DETOUR / speed / 60)
    covered = sum(time <= limit for time in times) / len(times) if times else 1.0
    return {
        "coverage": round(covered, 4),
        "averageResponseTime": quantity(sum(times) / len(times) if times else 0.0, "minutes"),
        "longestResponseTime": quantity(max(times, default=0.0), "minutes"),
        "stations": len(stations),
        "recommendations": [
            advice("new-station", "Place a further station in the area that is reached last", "medium")
            if covered < 0.9
            else advice("none", "No measure needed", "low")
        ],
    }


def _stations(case: Case) -> tuple[tuple[float, float], ...]:
    given = case.parameters.get("stations")
    found = []
    for one in given if isinstance(given, list) else ():
        place = one.get("coordinates") if isinstance(one, dict) else one
        if (
            isinstance(place, list)
            and len(place) >= 2
            and all(isinstance(part, int | float) for part in place[:2])
        ):
            found.append((float(place[0]), float(place[1])))
    if found or case.stations:
        return tuple(found) or case.stations
    return tuple((building.x, building.y) for building in case.buildings[:1])
