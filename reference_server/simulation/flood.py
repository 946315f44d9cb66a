"""FloodRisk: direct runoff by the curve number method of the Soil Conservation Service (USDA TR-55, 1986)."""

from typing import Any

from reference_server.simulation.case import Case, advice, number, quantity

CURVE_NUMBER = {
    "urban": 90.0,
    "industrial": 88.0,
    "suburban": 80.0,
    "mixed": 80.0,
    "park": 68.0,
    "forest": 60.0,
}
BANK_M = 10.0
"""Water level at which a river leaves its bed, when none is given."""


def runoff_mm(rainfall_mm: float, curve_number: float) -> float:
    """Direct runoff of a storm in millimetres; none before the initial abstraction of 0.2 S is used up."""
    retention = 25400 / curve_number - 254
    excess = rainfall_mm - 0.2 * retention
    return 0.0 if excess <= 0 else excess**2 / (rainfall_mm + 0.8 * retention)


def run(case: Case) -> dict[str, Any]:
    """Runoff, and the risk as the larger of the shares of rain and of the river's bed that are used."""
    rainfall = max(0.0, number(case.parameters, "rainfall", 0.0))
    terrain = case.parameters.get("terrain")
    kind = (
        terrain if isinstance(terrain, str) else terrain.get("type") if isinstance(terrain, dict) else "mixed"
    )
    curve = number(case.parameters, "curveNumber", CURVE_NUMBER.get(str(kind).lower(), CURVE_NUMBER["mixed"]))
    depth = runoff_mm(rainfall, min(max(curve, 30.0), 100.0))
    level = number(case.parameters, "waterLevels", 0.0) / number(case.parameters, "bankLevel", BANK_M)
    risk = min(1.0, max(depth / 100, level**2))
    return {
        "runoff": quantity(depth, "mm"),
        "riskLevel": round(max(risk, 0.0), 4),
        "runoffCoefficient": round(depth / rainfall, 4) if rainfall else 0.0,
        "recommendations": [
            advice("flood-barrier", "Close the flood gates and warn the riverside", "high")
            if risk > 0.6
            else advice("none", "No measure needed", "low")
        ],
    }
