"""What administrators ask: who did what, who has a credential, a new secret for it. And a city's alerts."""

from reference_server.rest import filters
from reference_server.rest.caching import NO_STORE
from reference_server.rest.call import Call, Reply, reply_json
from reference_server.rest.filters import LARGEST, Query
from reference_server.services import alerts, credentials


def _before(query: Query) -> int | None:
    """The number below which a list goes on."""
    text = filters.one(query, "before")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 18 and int(text) <= LARGEST):
        raise filters.bad("before", "before must be a sequence number of this list", text)
    return int(text)


async def of_city(call: Call) -> Reply:
    """GET /cities/{cityId}/audit: the changes in a city, the newest first."""
    return await _log(call, call.city.no)


async def of_server(call: Call) -> Reply:
    """GET /audit: the changes in all cities and to the credentials, the newest first."""
    return await _log(call, None)


async def _log(call: Call, city: int | None) -> Reply:
    query = call.query()
    limit, _ = filters.paging(query)
    kind = filters.one(query, "kind")
    found = await call.world.storage.log(city, kind=kind, before=_before(query), limit=limit)
    return reply_json({"entries": [credentials.line(one) for one in found], "count": len(found)})


async def list_alerts(call: Call) -> Reply:
    """GET /cities/{cityId}/alerts: the newest first."""
    query = call.query()
    limit, _ = filters.paging(query)
    found = await alerts.listing(call.world, call.city, _before(query), limit)
    return reply_json({"alerts": found, "count": len(found)})


async def list_credentials(call: Call) -> Reply:
    """GET /credentials: names, roles and cities."""
    shown = await credentials.listing(call.world)
    return reply_json({"credentials": shown, "count": len(shown)})


async def rotate(call: Call) -> Reply:
    """POST /credentials/{name}/rotate: a new secret, shown this once."""
    body = await call.json_object()
    shown = await credentials.rotate(call.world, call.params["name"], body, call.actor)
    return reply_json(shown, headers=NO_STORE)
