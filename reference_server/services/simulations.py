"""Simulations: starting, following, cancelling, results (P2 4.5, 7.1)."""

import uuid
from collections.abc import Mapping
from typing import Any

import orjson

from reference_server import instants
from reference_server.errors import ApiError
from reference_server.rules import simulations as rules
from reference_server.rules.findings import Findings, is_number
from reference_server.services import readings
from reference_server.services.cities import City
from reference_server.services.runs import Runs
from reference_server.services.simulation_input import gather
from reference_server.storage.protocol import Row, Transaction
from reference_server.world import World

TYPES = ("TrafficFlow", "EnergyConsumption", "AirQuality", "FloodRisk", "EmergencyResponse", "CrowdDynamics")
FINAL = ("completed", "failed", "cancelled")
DEFAULT_LIMIT_S = 60
MAX_REPETITIONS = 10_000_000
TEXT = ("weatherConditions", "stability", "resolution")
NUMBERS = (
    "rainfall",
    "expectedAttendance",
    "windSpeed",
    "emissionRate",
    "stackHeight",
    "demandFactor",
    "exits",
    "exitWidth",
    "area",
    "responseTime",
    "curveNumber",
    "bankLevel",
)
"""Parameters that are numbers (or quantities, or series of them) where they are given."""


def absent(city: City, run_id: str) -> ApiError:
    """The refusal for a simulation that is not there."""
    details = {"cityId": city.id, "simulationId": run_id}
    return ApiError("SIMULATION_NOT_FOUND", f"Simulation with ID '{run_id[:200]}' not found", details)


def runs_of(world: World) -> Runs:
    """The runs under way in this server."""
    if world.runs is None:
        world.runs = Runs(world.storage)
    return world.runs


async def find(world: World, city: City, run_id: str) -> Row:
    """The simulation of that id.

    Raises:
        ApiError: SIMULATION_NOT_FOUND.
    """
    row = await world.storage.entity(city.no, "simulation", run_id)
    if row is None:
        raise absent(city, run_id)
    return row


def bad(city: City, field: str, message: str, rule: str = "ERR_INVALID_VALUE") -> ApiError:
    """The refusal of a request to simulate."""
    return ApiError("INVALID_PARAMETERS", message, {"cityId": city.id, "field": field, "rule": rule})


def check(city: City, body: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a request, judged.

    Raises:
        ApiError: INVALID_PARAMETERS for an unknown type, missing parameters, a bad range or a value of
        another kind.
    """
    if body.get("type") not in TYPES:
        raise bad(city, "type", f"type must be one of {', '.join(TYPES)}")
    parameters = body.get("parameters")
    if not isinstance(parameters, dict) or not parameters:
        raise bad(city, "parameters", "parameters are missing", "ERR_MISSING_FIELD")
    span = parameters.get("timeRange", {"start": None, "end": None})
    if not isinstance(span, dict) or not {"start", "end"} <= set(span):
        raise bad(city, "parameters.timeRange", "timeRange needs start and end")
    found = Findings()
    if "timeRange" in parameters:
        rules.time_range(found, span, "/parameters/timeRange")
    for item in found:
        raise bad(city, item.pointer.lstrip("/").replace("/", "."), item.message, item.code)
    for name in TEXT:
        if not isinstance(parameters.get(name, ""), str):
            raise bad(city, f"parameters.{name}", f"{name} must be text")
    for name in NUMBERS:
        value = parameters.get(name, 0)
        if isinstance(value, bool | str) or (isinstance(value, int | float) and value < 0):
            raise bad(city, f"parameters.{name}", f"{name} must be a number that is not negative")
    return parameters


def repetitions(city: City, parameters: Mapping[str, Any]) -> int:
    """How often the model is repeated with moved numbers, for the confidence."""
    value = parameters.get("repetitions", 10)
    whole = is_number(value) and 0 <= value <= MAX_REPETITIONS and value == int(value)  # 10.0 is 10 in JSON
    if not whole:
        raise bad(city, "parameters.repetitions", f"repetitions must be 0 to {MAX_REPETITIONS}")
    return int(value)


def limit_s(city: City, parameters: Mapping[str, Any]) -> int:
    """The seconds that a run may take."""
    text = parameters.get("timeLimit", f"{DEFAULT_LIMIT_S}s")
    try:
        seconds = readings.duration_us(str(text)) // instants.MICROS
    except ApiError as problem:
        raise bad(city, "parameters.timeLimit", "timeLimit must be like 30s") from problem
    return min(seconds, 600)


async def start(world: World, city: City, body: Mapping[str, Any], actor: str) -> Row:
    """Start a run at once; it is pending while others fill the slots.

    Raises:
        ApiError: INVALID_PARAMETERS.
    """
    parameters = check(city, body)
    count, seconds = repetitions(city, parameters), limit_s(city, parameters)
    kind = str(body["type"])
    run_id = f"sim-{kind.lower()}-{uuid.uuid4().hex}"
    runs = runs_of(world)
    runs.admit()
    case = await gather(world, city, kind, parameters)

    def apply(tx: Transaction) -> Row:
        item = {
            "id": run_id,
            "type": kind,
            "status": "running" if runs.has_room() else "pending",
            "created": instants.show(tx.at),
            "estimatedCompletion": instants.show(tx.at + seconds * instants.MICROS),
            "parameters": parameters,
        }
        tx.put_entity(city.no, "simulation", item, None)
        row = tx.entity(city.no, "simulation", run_id)
        if row is None:
            raise absent(city, run_id)
        return row

    row = await world.storage.write(actor, apply)
    runs.begin(city.no, run_id, kind, case, count, seconds)
    return row


async def status(world: World, city: City, run_id: str) -> dict[str, Any]:
    """The state of a run, with its progress in percent."""
    body = orjson.loads((await find(world, city, run_id)).body)
    names = ("id", "type", "status", "created", "estimatedCompletion", "completed", "error")
    shown = {name: body[name] for name in names if name in body}
    shown["progress"] = 100 if body["status"] == "completed" else runs_of(world).progress(run_id, body)
    return shown


async def results(world: World, city: City, run_id: str) -> dict[str, Any]:
    """The results of a completed run.

    Raises:
        ApiError: SIMULATION_NOT_FOUND, SIMULATION_FAILED, or SIMULATION_NOT_READY while it has none.
    """
    body = orjson.loads((await find(world, city, run_id)).body)
    details = {"cityId": city.id, "simulationId": run_id, "status": body["status"]}
    if body["status"] == "failed":
        raise ApiError(
            "SIMULATION_FAILED", f"the simulation failed: {body.get('error', 'no reason')}", details
        )
    if body["status"] != "completed":
        raise ApiError("SIMULATION_NOT_READY", f"the simulation is {body['status']}", details)
    return {
        "simulationId": run_id,
        "type": body["type"],
        "results": body["results"],
        "confidence": body.get("confidence", 0.0),
        "validUntil": body.get("validUntil", body["completed"]),
    }


async def cancel(world: World, city: City, run_id: str, actor: str) -> None:
    """Stop a run; its record stays, with status cancelled.

    Raises:
        ApiError: SIMULATION_NOT_FOUND; SIMULATION_NOT_RUNNING when it has finished.
    """

    def apply(tx: Transaction) -> None:
        row = tx.entity(city.no, "simulation", run_id)
        if row is None:
            raise absent(city, run_id)
        body = orjson.loads(row.body)
        if body["status"] in FINAL:
            details = {"cityId": city.id, "simulationId": run_id, "status": body["status"]}
            raise ApiError("SIMULATION_NOT_RUNNING", f"the simulation is {body['status']}", details)
        stopped: dict[str, Any] = {"status": "cancelled", "cancelled": instants.show(tx.at)}
        stopped["progress"] = runs_of(world).progress(run_id, body)
        tx.put_entity(city.no, "simulation", {**body, **stopped}, row)

    await world.storage.write(actor, apply)
    runs_of(world).stop(run_id)


async def recover(world: World) -> None:
    """Mark as failed what an earlier process of this server left unfinished."""
    for city in await world.storage.cities():
        for row in await world.storage.entities(city.no, "simulation", without=FINAL):
            await runs_of(world).finish(
                city.no, row.id, {"status": "failed", "error": "the server was stopped"}
            )
