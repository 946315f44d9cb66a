"""TrafficFlow: link delays of the Bureau of Public Roads, t = t0 (1 + 0.15 (v/c)^4) (BPR 1964)."""

from typing import Any

from reference_server.simulation.case import Case, advice, number, quantity

ALPHA, BETA = 0.15, 4
CAPACITY_PER_LANE = 900.0  # vehicles per hour on a signalled urban lane
WEATHER = {"clear": 1.0, "cloudy": 1.0, "rain": 0.88, "fog": 0.85, "snow": 0.7, "storm": 0.75}
TRIP_M = 5000.0
"""The trip that predictedDelay speaks of."""


def run(case: Case) -> dict[str, Any]:
    """Speed, congestion and delay on the city's roads at the given hour, weather and demand."""
    capacity_factor = WEATHER.get(str(case.parameters.get("weatherConditions", "clear")).lower(), 0.95)
    events = case.parameters.get("specialEvents")
    extra = 0.1 * len(events) if isinstance(events, list) else 0.0
    demand = number(case.parameters, "demandFactor", 1.0) * (rhythm(case.hour) + extra)
    free = loaded = vehicle_m = 0.0
    crowded: list[tuple[float, str]] = []
    for road in case.roads:
        volume = demand * CAPACITY_PER_LANE * road.lanes
        ratio = volume / (CAPACITY_PER_LANE * road.lanes * capacity_factor)
        # wider streets draw more of the traffic
        ratio *= 0.7 + 0.1 * min(road.lanes, 6)
        t0 = road.length / (road.speed / 3.6)
        free += volume * t0
        loaded += volume * t0 * (1 + ALPHA * ratio**BETA)
        vehicle_m += volume * road.length
        if ratio > 0.9:
            crowded.append((ratio, road.id))
    if not vehicle_m:
        free = loaded = vehicle_m = 1.0
    delay_min = TRIP_M * (loaded - free) / vehicle_m / 60
    level = 1 - free / loaded
    return {
        "averageSpeed": quantity(vehicle_m / loaded * 3.6, "km/h"),
        "congestionLevel": round(level, 4),
        "predictedDelay": quantity(delay_min, "minutes"),
        "affectedRoads": [name for _, name in sorted(crowded, key=lambda one: (-one[0], one[1]))[:20]],
        "recommendations": [
            advice("signal-timing", "Lengthen the green phase on the affected roads", "high")
            if level > 0.2
            else advice("none", "No measure needed", "low")
        ],
    }


def rhythm(hour: float) -> float:
    """The share of capacity that is used at an hour of the day: two peaks, quiet nights."""
    return 0.25 + 0.75 * max(_peak(hour, 8.0), _peak(hour, 18.0)) + (0.25 if 9 < hour < 17 else 0.0)


def _peak(hour: float, at: float) -> float:
    return float(max(0.0, 1 - abs(hour - at) / 2.5))
