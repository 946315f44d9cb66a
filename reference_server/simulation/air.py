"""AirQuality: Gaussian plume with ground reflection and Briggs' urban dispersion (Briggs 1973.

Turner 1970).
"""

import math
from typing import Any

from reference_server.simulation.case import Case, advice, number, quantity

DISTANCES_M = tuple(50.0 * 1.12**step for step in range(48))
URBAN = {  # stability: (a, b, exponent) of sigma_y and of sigma_z; x in metres
    "A": ((0.32, 0.0004, -0.5), (0.24, 0.001, 0.5)),
    "B": ((0.32, 0.0004, -0.5), (0.24, 0.001, 0.5)),
    "C": ((0.22, 0.0004, -0.5), (0.20, 0.0, 0.0)),
    "D": ((0.16, 0.0004, -0.5), (0.14, 0.0003, -0.5)),
    "E": ((0.11, 0.0004, -0.5), (0.08, 0.0015, -0.5)),
    "F": ((0.11, 0.0004, -0.5), (0.08, 0.0015, -0.5)),
}
VEHICLE_G_PER_M_S = 2e-5
"""Emission of a metre of lane, for the share of the roads when no source is given."""


def sigma(stability: str, x: float) -> tuple[float, float]:
    """Horizontal and vertical spread in metres, x metres downwind."""
    (ya, yb, yn), (za, zb, zn) = URBAN.get(stability, URBAN["D"])
    return ya * x * (1 + yb * x) ** yn, za * x * (1 + zb * x) ** zn


def ground(rate: float, height: float, wind: float, stability: str, x: float, y: float = 0.0) -> float:
    """Concentration in g/m3 on the ground from a source of `rate` g/s at `height` metres, wind in m/s."""
    sy, sz = sigma(stability, x)
    plume = math.exp(-(y**2) / (2 * sy**2)) * math.exp(-(height**2) / (2 * sz**2))
    return rate / (math.pi * wind * sy * sz) * plume


def run(case: Case) -> dict[str, Any]:
    """The highest ground concentration downwind of the source, and where it is."""
    roads = sum(road.length * road.lanes for road in case.roads) * VEHICLE_G_PER_M_S
    rate = number(case.parameters, "emissionRate", roads or 1.0)
    height = number(case.parameters, "stackHeight", 10.0)
    wind = max(0.5, number(case.parameters, "windSpeed", 3.0))
    stability = str(case.parameters.get("stability", "D"))
    worst, where = max((ground(rate, height, wind, stability, x), x) for x in DISTANCES_M)
    micrograms = worst * 1e6
    return {
        "maximumConcentration": quantity(micrograms, "ug/m3"),
        "distanceOfMaximum": quantity(where, "m"),
        "exceedsGuideline": micrograms > 50,
        "recommendations": [
            advice("emission-limit", "Reduce emissions until the wind freshens", "high")
            if micrograms > 50
            else advice("none", "No measure needed", "low")
        ],
    }
