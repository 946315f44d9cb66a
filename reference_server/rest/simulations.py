"""Simulations over HTTP (P2 4.5)."""

import orjson

from reference_server.rest import filters
from reference_server.rest.call import Call, Reply, reply_json
from reference_server.rest.links import linked, of_simulation, path_to
from reference_server.services import simulations
from reference_server.storage.protocol import Row


async def start(call: Call) -> Reply:
    """POST /cities/{cityId}/simulations: 202 with the run."""
    body = await call.json_object()
    call.render = lambda row: _started(call, row)
    return call.render(await simulations.start(call.world, call.city, body, call.actor))


def _started(call: Call, row: Row) -> Reply:
    item = orjson.loads(row.body)
    shown = {name: item[name] for name in ("id", "type", "status", "created", "estimatedCompletion")}
    return reply_json(shown, 202, {"location": path_to(call.city.id, "simulations", row.id)})


async def listing(call: Call) -> Reply:
    """GET /cities/{cityId}/simulations: all runs, oldest first, by type and status."""
    query = call.query()
    limit, offset = filters.paging(query)
    kinds, state = filters.types(query), filters.one(query, "status")
    rows = await call.world.storage.entities(call.city.no, "simulation")
    items = [orjson.loads(row.body) for row in rows if not kinds or row.type in kinds]
    matching = [item for item in items if state in (None, item["status"])]
    shown = [
        {name: item[name] for name in ("id", "type", "status", "created", "completed") if name in item}
        for item in matching[offset : offset + limit]
    ]
    counts = {"count": len(shown), "total": len(matching), "limit": limit, "offset": offset}
    return reply_json({"simulations": shown, **counts})


async def status(call: Call) -> Reply:
    """GET /cities/{cityId}/simulations/{simulationId}."""
    run_id = call.params["simulationId"]
    shown = await simulations.status(call.world, call.city, run_id)
    return Reply(200, linked(orjson.dumps(shown), of_simulation(call.city.id, run_id)))


async def results(call: Call) -> Reply:
    """GET /cities/{cityId}/simulations/{simulationId}/results."""
    return reply_json(await simulations.results(call.world, call.city, call.params["simulationId"]))


async def cancel(call: Call) -> Reply:
    """DELETE /cities/{cityId}/simulations/{simulationId}: 204, the run is cancelled."""
    await simulations.cancel(call.world, call.city, call.params["simulationId"], call.actor)
    return Reply(204)
