"""Alerts of a city as events: what readings above a declared threshold raised (D-34; P4 7.2)."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from reference_server import instants
from reference_server.messaging.alerts import raised
from reference_server.services.cities import City
from reference_server.storage.protocol import Reading, Transaction
from reference_server.world import World


def note(
    tx: Transaction,
    city: int,
    sensor_id: str,
    place: Any,
    readings: Sequence[Reading],
    thresholds: Mapping[str, float],
) -> None:
    """Append an alert for each parameter of a batch that exceeds its threshold: for its highest reading."""
    worst: dict[str, Reading] = {}
    for reading in readings:
        if reading.parameter in thresholds and (
            reading.parameter not in worst or worst[reading.parameter].value < reading.value
        ):
            worst[reading.parameter] = reading
    for reading in worst.values():
        found = raised(reading, sensor_id, place, thresholds)
        if found is not None:
            severity, category, payload = found
            body = {"category": category, **payload, "timestamp": instants.show(tx.at)}
            tx.note(city, "alert", f"alert-{severity}-{uuid.uuid4().hex}", "created", body)


async def listing(world: World, city: City, before: int | None, limit: int) -> list[dict[str, Any]]:
    """The alerts of a city, the newest first, with the number by which the list goes on."""
    found = await world.storage.log(city.no, kind="alert", before=before, limit=limit)
    return [
        {"id": entry.event.entity, **orjson.loads(entry.event.body or b"{}"), "sequence": entry.event.seq}
        for entry in found
    ]
