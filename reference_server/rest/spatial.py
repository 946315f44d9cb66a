"""Spatial questions over HTTP (P2 4.7)."""

from reference_server.rest.call import Call, Reply, reply_json
from reference_server.services import places, routing


async def nearby(call: Call) -> Reply:
    """POST /cities/{cityId}/spatial/nearby."""
    return reply_json(await places.nearby(call.world, call.city, await call.json_object()))


async def route(call: Call) -> Reply:
    """POST /cities/{cityId}/spatial/route."""
    return reply_json(await routing.route(call.world, call.city, await call.json_object()))


async def accessibility(call: Call) -> Reply:
    """POST /cities/{cityId}/spatial/accessibility."""
    return reply_json(await routing.accessibility(call.world, call.city, await call.json_object()))
