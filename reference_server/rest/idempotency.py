"""Idempotency-Key: a POST that is sent again is answered again, not done again (for 24 hours).

The answer is stored in the transaction of the change: a crash leaves both or none.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

from reference_server.errors import ApiError
from reference_server.rest.call import Call, Reply
from reference_server.storage import along
from reference_server.storage.protocol import Remembered, Transaction

MAX_KEY = 200


class _Turn:
    """Requests with one key, one after another; kept while somebody is in it or waits."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.users = 0


_under_way: dict[tuple[str, str], _Turn] = {}


async def once(call: Call, handler: Callable[[Call], Awaitable[Reply]], *, streams: bool = False) -> Reply:
    """The handler's answer, or the one that was given to the same key and request before.

    A handler that `streams` its body asks `known` itself, once it has it. Only answers of success are kept:
    what was refused may be sent again under its key.

    Raises:
        ApiError: IDEMPOTENCY_CONFLICT for another request under a known key; what the handler raises.
    """
    key = call.header(b"idempotency-key")
    if key is None or call.method != "POST" or call.principal is None:
        return await handler(call)
    if not 0 < len(key) <= MAX_KEY:
        raise ApiError("VALIDATION_ERROR", f"an Idempotency-Key has 1 to {MAX_KEY} characters")
    place = (call.principal.name, key)
    turn = _under_way.setdefault(place, _Turn())
    turn.users += 1
    try:
        async with turn.lock:
            if not streams:
                digest = hashlib.sha256(call.target + b"\n" + await call.raw()).digest()
                replay = await known(call, digest)
                if replay is not None:
                    return replay
            return await _keeping(call, handler, key)
    finally:
        turn.users -= 1
        if not turn.users:
            del _under_way[place]


async def known(call: Call, digest: bytes) -> Reply | None:
    """The answer that was given to the call's key, None when it is new; remembers the digest for `_keeping`.

    Raises:
        ApiError: IDEMPOTENCY_CONFLICT when the key belongs to another request.
    """
    call.digest = digest
    key = call.header(b"idempotency-key")
    if key is None:
        return None
    found = await call.world.storage.remembered(call.actor, key)
    if found is None:
        return None
    if found.digest != digest:
        raise ApiError("IDEMPOTENCY_CONFLICT", "this Idempotency-Key belongs to another request")
    return Reply(found.status, found.body, {**found.headers, "idempotency-replayed": "true"})


async def _keeping(call: Call, handler: Callable[[Call], Awaitable[Reply]], key: str) -> Reply:
    caller = call.actor
    kept = False

    def keep(tx: Transaction, result: Any) -> None:
        nonlocal kept
        if call.render is not None:
            tx.remember(caller, key, _memory(call, call.render(result)))
            kept = True

    with along.adding(keep):
        reply = await handler(call)
    secret = reply.headers.get("cache-control") == "no-store"  # shown this once and not kept
    if reply.status < 300 and not (kept or secret or "idempotency-replayed" in reply.headers):
        memory = _memory(call, reply)  # of a question that changed nothing
        await call.world.storage.write(caller, lambda tx: tx.remember(caller, key, memory))
    return reply


def _memory(call: Call, reply: Reply) -> Remembered:
    return Remembered(call.digest, reply.status, dict(reply.headers), reply.body)
