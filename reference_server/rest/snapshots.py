"""Snapshots over HTTP (P2 4.8)."""

from reference_server.rest import filters
from reference_server.rest.call import Call, Reply, reply_json
from reference_server.services import history, snapshots


async def read(call: Call) -> Reply:
    """GET /cities/{cityId}/snapshots/{timestamp}: the city at that instant as a record of phase 1."""
    at = snapshots.requested(call.params["timestamp"])
    return Reply(200, snapshots.rendered(await snapshots.record(call.world, call.city, at)))


async def compare(call: Call) -> Reply:
    """GET /cities/{cityId}/snapshots/compare?time1=&time2=: what differs between two instants."""
    query = call.query()
    texts = [filters.one(query, name) for name in ("time1", "time2")]
    if None in texts:
        raise filters.bad("time1", "time1 and time2 are needed")
    one, other = (snapshots.requested(text or "") for text in texts)
    return reply_json(await history.compare(call.world, call.city, one, other))


async def of_object(call: Call) -> Reply:
    """GET /cities/{cityId}/objects/{objectId}/history: its versions in a range of time."""
    query = call.query()
    start, end = filters.instant(query, "start"), filters.instant(query, "end")
    return reply_json(await history.of_object(call.world, call.city, call.params["objectId"], start, end))
