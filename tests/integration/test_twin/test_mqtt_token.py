"""A connection of the broker ends with the token that it came by (P3 8.2.2)."""

import asyncio
import time

import mqtt5
import msgspec
import pytest

from reference_server.auth import Keyring, Principal
from reference_server.mqtt import login
from reference_server.mqtt.broker import Broker
from reference_server.mqtt.endpoint import Endpoint
from reference_server.serve import listen
from tests.support.lone_broker import ANYBODY, Lone


async def heard(port: int) -> bytes:
    """All that a client hears that logs in and then waits."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(mqtt5.ConnectPacket("waits", keep_alive=0).write())
    try:
        return await asyncio.wait_for(reader.read(), 60)
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("lives", [True, False])
def test_an_expired_token_ends_the_connection(monkeypatch: pytest.MonkeyPatch, lives: bool) -> None:
    def known(*_: object) -> Principal:
        until = time.monotonic() + (0.05 if lives else -1.0)
        return msgspec.structs.replace(ANYBODY, until=until)

    async def scene() -> bytes:
        endpoint = Endpoint(Broker(Lone()), Keyring([]))
        listener = listen("127.0.0.1", 0)
        await endpoint.open(listener, None)
        try:
            return await heard(listener.getsockname()[1])
        finally:
            await endpoint.close()

    monkeypatch.setattr(login, "principal", known)
    said = asyncio.run(scene())
    assert said[0] == 0x20, "CONNACK comes first"
    goodbye = said[2 + said[1] :]
    assert (goodbye[0], goodbye[2]) == (0xE0, 0x87)
