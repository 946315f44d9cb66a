"""Idempotency-Key: a POST that is sent again is answered again, not done again (for 24 hours)."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable

from reference_server.errors import ApiError
from reference_server.rest.call import Call, Reply
from reference_server.storage.protocol import Remembered, Transaction

MAX_KEY = 200
_under_way: dict[tuple[str, str], asyncio.Lock] = {}
"""Requests with a key that are being answered now; an equal one waits for the first."""


async def once(call: Call, handler: Callable[[Call], Awaitable[Reply]]) -> Reply:
    """The handler's answer, or the one that was given to the same key and request before.

    Only answers of success are kept: what was refused may be sent again under its key.

    Raises:
        ApiError: IDEMPOTENCY_CONFLICT for another request under a known key; what the handler raises.
    """
    key = call.header(b"idempotency-key")
    if key is None or call.method != "POST" or call.principal is None:
        return await handler(call)
    if not 0 < len(key) <= MAX_KEY:
        raise ApiError("VALIDATION_ERROR", f"an Idempotency-Key has 1 to {MAX_KEY} characters")
    place = (call.principal.name, key)
    lock = _under_way.setdefault(place, asyncio.Lock())
    try:
        async with lock:
            return await _once(call, handler, key)
    finally:
        if not lock.locked():
            _under_way.pop(place, None)


async def _once(call: Call, handler: Callable[[Call], Awaitable[Reply]], key: str) -> Reply:
    caller = call.actor
    digest = hashlib.sha256(call.target + b"\n" + await call.raw()).digest()
    known = await call.world.storage.write(caller, lambda tx: tx.remembered(caller, key))
    if known is not None:
        if known.digest != digest:
            raise ApiError("IDEMPOTENCY_CONFLICT", "this Idempotency-Key belongs to another request")
        return Reply(known.status, known.body, {**known.headers, "idempotency-replayed": "true"})
    reply = await handler(call)
    if reply.status < 300:
        answer = Remembered(digest, reply.status, dict(reply.headers), reply.body)

        def keep(tx: Transaction) -> None:
            tx.remember(caller, key, answer)

        await call.world.storage.write(caller, keep)
    return reply
