"""Cities over HTTP (P2 4.2)."""

import orjson

from reference_server.rest import links
from reference_server.rest.caching import tag
from reference_server.rest.call import Call, Reply, reply_json
from reference_server.rest.conditional import expected_revision
from reference_server.rest.links import linked
from reference_server.rest.objects import etag
from reference_server.services import administration, cities
from reference_server.settings import BASE_PATH
from reference_server.storage.protocol import CityRow


async def read(call: Call) -> Reply:
    """GET /cities/{cityId}."""
    shown = orjson.dumps(await cities.shown(call.world, call.city))
    body = linked(shown, links.of_city(call.city.id))
    return Reply(200, body, {"etag": f'"{call.city.row.revision}.{tag(body)}"'})


async def patch(call: Call) -> Reply:
    """PATCH /cities/{cityId}: RFC 7396 or RFC 6902, answered with the city as it is now."""
    change = await call.change()
    city = await cities.patch(call.world, call.city, change, call.actor, expected_revision(call))
    shown = linked(orjson.dumps(await cities.shown(call.world, city)), links.of_city(city.id))
    return Reply(200, shown, {"etag": etag(city.row.revision)})


async def statistics(call: Call) -> Reply:
    """GET /cities/{cityId}/statistics."""
    return reply_json(await cities.statistics(call.world, call.city))


async def listing(call: Call) -> Reply:
    """GET /cities: those in which the caller has rights."""
    allowed = None if call.principal is None else call.principal.cities
    shown = await administration.listing(call.world, allowed)
    return reply_json({"cities": shown, "count": len(shown), "total": len(shown)})


async def create(call: Call) -> Reply:
    """POST /cities: 201 with the new city."""
    call.render = _created
    return call.render(await administration.create(call.world, await call.json_object(), call.actor))


def _created(row: CityRow) -> Reply:
    headers = {"location": f"{BASE_PATH}/cities/{row.id}", "etag": etag(row.revision)}
    return reply_json(cities.counted(cities.decoded(row), {}), 201, headers)


async def delete(call: Call) -> Reply:
    """DELETE /cities/{cityId}: 204."""
    await administration.delete(call.world, call.city, call.actor)
    return Reply(204)
