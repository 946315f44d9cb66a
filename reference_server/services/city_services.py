"""City services and their status (P2 4.6)."""

from typing import Any

import orjson

from reference_server import instants
from reference_server.errors import ApiError
from reference_server.services.cities import City
from reference_server.storage.protocol import Row, Transaction, matches
from reference_server.world import World

STATES = ("operational", "degraded", "outage", "maintenance")


def absent(city: City, service_id: str) -> ApiError:
    """The refusal for a service that is not there."""
    details = {"cityId": city.id, "serviceId": service_id}
    return ApiError("SERVICE_NOT_FOUND", f"Service with ID '{service_id[:200]}' not found", details)


async def find(world: World, city: City, service_id: str) -> Row:
    """The service of that id.

    Raises:
        ApiError: SERVICE_NOT_FOUND.
    """
    row = await world.storage.entity(city.no, "service", service_id)
    if row is None:
        raise absent(city, service_id)
    return row


async def listing(world: World, city: City, category: str | None) -> list[Any]:
    """The services, of one category or all."""
    rows = await world.storage.entities(city.no, "service")
    return [orjson.loads(row.body) for row in rows if category in (None, row.type)]


async def status(world: World, city: City, service_id: str) -> dict[str, Any]:
    """A service's status and since when it is known."""
    row = await find(world, city, service_id)
    body = orjson.loads(row.body)
    shown = {"id": row.id, "status": body["status"], "lastUpdated": instants.show(row.updated)}
    return {**shown, **{name: body[name] for name in ("name", "category", "realTimeData") if name in body}}


async def set_status(
    world: World,
    city: City,
    service_id: str,
    change: dict[str, Any],
    actor: str,
    expected: set[int] | None = None,
) -> Row:
    """Change the status of a service.

    Raises:
        ApiError: SERVICE_NOT_FOUND; VALIDATION_ERROR for another member or an unknown status.
        StaleRevisionError: it has none of the expected revisions.
    """
    if set(change) != {"status"} or change["status"] not in STATES:
        message = f"the body must be a status out of {', '.join(STATES)}"
        raise ApiError("VALIDATION_ERROR", message, {"cityId": city.id, "serviceId": service_id})

    def apply(tx: Transaction) -> Row:
        row = tx.entity(city.no, "service", service_id)
        if row is None:
            raise absent(city, service_id)
        matches(row, expected)
        tx.put_entity(city.no, "service", {**orjson.loads(row.body), **change}, row)
        stored = tx.entity(city.no, "service", service_id)
        return row if stored is None else stored

    return await world.storage.write(actor, apply)
