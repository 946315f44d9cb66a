"""Credentials: who has one, and another secret for it (P4 8; F-052). A secret is shown once, never stored."""

from typing import Any

from reference_server import auth, instants
from reference_server.errors import ApiError
from reference_server.rules.findings import is_number
from reference_server.storage.protocol import CredentialRow, Entry, Transaction
from reference_server.world import World

MAX_GRACE_S = 90 * 24 * 3600
"""The longest time that an old secret may hold: the term after which a key should be replaced (F-052)."""


def absent(name: str) -> ApiError:
    """The refusal for a credential that is not there."""
    return ApiError("ROUTE_NOT_FOUND", "there is no credential of this name", {"name": name[:200]})


async def listing(world: World) -> list[dict[str, Any]]:
    """The credentials without anything of their secrets."""
    retired = await world.storage.retired()
    now = instants.now_us()
    shown = []
    for row in sorted(await world.storage.credentials(), key=lambda one: one.name):
        until = [one.until for one in retired if one.name == row.name and one.until > now]
        item = {"name": row.name, "kind": row.kind, "role": row.role, "cities": row.cities}
        shown.append({**item, "oldSecretUntil": instants.show(max(until))} if until else item)
    return shown


async def rotate(world: World, name: str, body: dict[str, Any], actor: str) -> dict[str, Any]:
    """A new secret for a credential; the old one holds for `graceSeconds`, with 0 no longer.

    Raises:
        ApiError: ROUTE_NOT_FOUND; VALIDATION_ERROR for a time out of 0 to 90 days.
    """
    grace = body.get("graceSeconds", world.settings.key_grace_s)
    if not is_number(grace) or not 0 <= grace <= MAX_GRACE_S or grace != int(grace):
        message = f"graceSeconds must be 0 to {MAX_GRACE_S}"
        raise ApiError("VALIDATION_ERROR", message, {"field": "graceSeconds"})
    secret = auth.new_key()

    def apply(tx: Transaction) -> tuple[bytes, CredentialRow, int]:
        old = known.get(name)
        until = tx.at + int(grace) * instants.MICROS
        row = tx.rotate(name, auth.digest(secret), until)
        if old is None or row is None:
            raise absent(name)
        return old, row, until

    known = {row.name: row.digest for row in await world.storage.credentials()}
    old, row, until = await world.storage.write(actor, apply)
    world.keyring.rotated(row, old, until)
    return {"name": name, "kind": row.kind, "secret": secret, "oldSecretUntil": instants.show(until)}


def line(entry: Entry) -> dict[str, Any]:
    """An event as the audit log shows it: who did what to which entity, and nothing of its content."""
    event = entry.event
    shown = {
        "sequence": event.seq,
        "timestamp": instants.show(event.at),
        "actor": event.actor,
        "kind": event.kind,
        "entity": event.entity,
        "action": event.action,
    }
    return shown if entry.city is None else {**shown, "cityId": entry.city}
