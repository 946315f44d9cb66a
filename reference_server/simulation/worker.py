"""The process of one run.

Repeats a model, tells its progress through a pipe, ends by itself after its limit.
"""

import random
import signal
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any

import msgspec

from reference_server.simulation import air, crowd, emergency, energy, flood, traffic
from reference_server.simulation.case import Case

MODELS: Mapping[str, Callable[[Case], dict[str, Any]]] = {
    "TrafficFlow": traffic.run,
    "EnergyConsumption": energy.run,
    "AirQuality": air.run,
    "FloodRisk": flood.run,
    "EmergencyResponse": emergency.run,
    "CrowdDynamics": crowd.run,
}
SPREAD = 0.05
"""How far a repetition moves the numbers in the parameters, to either side."""
GRACE_S = 5


def work(pipe: Connection, kind: str, case: Case, repetitions: int, limit_s: int, seed: int) -> None:
    """Run a model; sends ("progress", percent) and at last ("done", results.

    Confidence) or ("failed", why).
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.alarm(limit_s + GRACE_S)  # should the server die, this process follows
    try:
        results = MODELS[kind](case)
        values = [leading(results)]
        generator = random.Random(seed)
        told = 0
        for step in range(repetitions):
            moved = msgspec.structs.replace(case, parameters=moved_by(case.parameters, generator))
            values.append(leading(MODELS[kind](moved)))
            percent = 99 * (step + 1) // repetitions
            if percent > told:
                told = percent
                pipe.send(("progress", percent))
        pipe.send(("done", results, confidence(values)))
    except (ArithmeticError, ValueError) as problem:
        pipe.send(("failed", f"the model has no solution for these parameters: {problem}"))
    finally:
        pipe.close()


def moved_by(parameters: Mapping[str, Any], generator: random.Random) -> dict[str, Any]:
    """The parameters with each plain number moved by up to SPREAD."""
    return {
        name: value * (1 + generator.uniform(-SPREAD, SPREAD))
        if isinstance(value, int | float) and not isinstance(value, bool)
        else value
        for name, value in parameters.items()
    }


def leading(results: Mapping[str, Any]) -> float:
    """The first quantity or ratio of the results."""
    for value in results.values():
        if isinstance(value, dict) and "value" in value:
            return float(value["value"])
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    return 0.0


def confidence(values: list[float]) -> float:
    """One minus the relative spread of the repetitions, between 0.5 and 0.95; 0.8 for a single run."""
    if len(values) < 2:
        return 0.8
    mean = sum(values) / len(values)
    deviation = (sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5
    relative = deviation / abs(mean) if mean else 0.0
    return round(min(0.95, max(0.5, 1 - relative)), 3)
