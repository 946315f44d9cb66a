"""Cities come and go: create, list, delete (additive to P2 4.2)."""

from typing import Any

from reference_server import instants
from reference_server.errors import ApiError
from reference_server.services import cities, patches
from reference_server.services.cities import City
from reference_server.storage.protocol import CityRow, Transaction
from reference_server.world import World


async def create(world: World, body: dict[str, Any], actor: str) -> CityRow:
    """A new, empty city.

    Raises:
        ApiError: INVALID_CITY_DATA, or CONFLICT when the id is taken.
    """
    item = {"version": "1.0.0", **patches.stored(body)}
    for name in cities.SERVER_MEMBERS:
        item.pop(name, None)
    city_id = item.get("cityId")
    cities.check(item, str(city_id))

    def apply(tx: Transaction) -> CityRow:
        if tx.city(item["cityId"]) is not None:
            raise ApiError("CONFLICT", "a city of this id exists already", {"cityId": city_id})
        instant = instants.show(tx.at)
        stated = {**item.get("metadata", {}), "created": instant, "lastUpdated": instant}
        tx.put_city(item["cityId"], {**item, "metadata": stated}, 0, "created")
        row = tx.city(item["cityId"])
        if row is None:
            raise ApiError("CITY_NOT_FOUND", "the city is gone", {"cityId": city_id})
        return row

    return await world.storage.write(actor, apply)


async def listing(world: World, allowed: frozenset[str] | None) -> list[dict[str, Any]]:
    """The cities in which the caller has rights."""
    rows = await world.storage.cities()
    return [
        await cities.shown(world, cities.decoded(row)) for row in rows if allowed is None or row.id in allowed
    ]


async def delete(world: World, city: City, actor: str) -> None:
    """Remove a city with all that is in it, its past included.

    Raises:
        ApiError: CONFLICT for the city that the server was started for.
    """
    if city.id == world.settings.city:
        raise ApiError("CONFLICT", "the server's own city cannot be deleted", {"cityId": city.id})
    await world.storage.write(actor, lambda tx: tx.delete_city(city.no))
