"""City services over HTTP (P2 4.6)."""

from reference_server.rest import filters
from reference_server.rest.call import Call, Reply, reply_json
from reference_server.rest.conditional import expected_revision
from reference_server.rest.links import linked, of_service
from reference_server.services import city_services


async def listing(call: Call) -> Reply:
    """GET /cities/{cityId}/services."""
    category = filters.one(call.query(), "category")
    return reply_json({"services": await city_services.listing(call.world, call.city, category)})


async def read(call: Call) -> Reply:
    """GET /cities/{cityId}/services/{serviceId}."""
    row = await city_services.find(call.world, call.city, call.params["serviceId"])
    shown = linked(row.body, of_service(call.city.id, row.id))
    return Reply(200, shown, {"etag": f'"{row.revision}"'})


async def status(call: Call) -> Reply:
    """GET /cities/{cityId}/services/{serviceId}/status."""
    return reply_json(await city_services.status(call.world, call.city, call.params["serviceId"]))


async def patch(call: Call) -> Reply:
    """PATCH /cities/{cityId}/services/{serviceId}: its status, by an administrator."""
    change = await call.json_object("application/merge-patch+json")
    row = await city_services.set_status(
        call.world, call.city, call.params["serviceId"], change, call.actor, expected_revision(call)
    )
    shown = linked(row.body, of_service(call.city.id, row.id))
    return Reply(200, shown, {"etag": f'"{row.revision}"'})
