"""Answers that are written piece by piece: nobody writes on for a client that hung up or takes nothing."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from starlette.types import Receive, Scope, Send


async def sent(
    scope: Scope, receive: Receive, send: Send, pieces: AsyncGenerator[bytes, None], patience_s: float
) -> None:
    """Send the pieces of a body whose head is sent.

    Args:
        scope: its state may hold `abort`, which drops the connection.
        receive: tells when the client hangs up.
        send: waits while the client takes nothing.
        pieces: closed at the end, so that they free what they hold.
        patience_s: how long the client may leave a piece untaken before it is dropped.
    """
    gone = asyncio.create_task(_gone(receive))
    try:
        async for piece in pieces:
            if gone.done():
                return
            async with asyncio.timeout(patience_s):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    except TimeoutError:
        scope.get("state", {}).get("abort", _nothing)()
    finally:
        gone.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await gone
        await pieces.aclose()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _nothing() -> None:
    """Where no connection is at hand."""
