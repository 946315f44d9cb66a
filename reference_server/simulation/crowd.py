"""CrowdDynamics: egress through doors at the flow of Weidmann's fundamental diagram (Weidmann 1993)."""

import math
from typing import Any

from reference_server.simulation.case import Case, advice, number, quantity

FREE_SPEED_M_S = 1.34
JAM_DENSITY = 5.4  # persons per m2
GAMMA = 1.913
CAPACITY_DENSITY = 1.75  # persons per m2 at which the flow is largest


def speed(density: float) -> float:
    """Walking speed in m/s at a density in persons per m2."""
    if density <= 0:
        return FREE_SPEED_M_S
    if density >= JAM_DENSITY:
        return 0.0
    return FREE_SPEED_M_S * (1 - math.exp(-GAMMA * (1 / density - 1 / JAM_DENSITY)))


def run(case: Case) -> dict[str, Any]:
    """How long a crowd needs to leave, and how dense it stands."""
    people = max(0.0, number(case.parameters, "expectedAttendance", 1000.0))
    area = max(1.0, number(case.parameters, "area", 10_000.0))
    width = max(0.6, number(case.parameters, "exitWidth", 3.0)) * max(
        1.0, number(case.parameters, "exits", 6.0)
    )
    density = people / area
    flow = CAPACITY_DENSITY * speed(CAPACITY_DENSITY) * width
    walk_s = math.sqrt(area) / 2 / max(speed(min(density, JAM_DENSITY * 0.9)), 0.1)
    seconds = people / flow + walk_s
    return {
        "evacuationTime": quantity(seconds / 60, "minutes"),
        "peakDensity": quantity(density, "1/m2"),
        "flow": quantity(flow, "1/s"),
        "crowdingLevel": round(min(1.0, density / JAM_DENSITY), 4),
        "recommendations": [
            advice("crowd-control", "Open further exits and meter the entrance", "high")
            if seconds > 480 or density > 2
            else advice("none", "No measure needed", "low")
        ],
    }
