"""The MQTT door of a world: its socket, its broker, and the address at which clients find it."""

import contextlib
import socket
import ssl
from collections.abc import AsyncIterator

from reference_server.mqtt.bridge import Bridge
from reference_server.mqtt.broker import Broker
from reference_server.mqtt.endpoint import Endpoint, may_be_plain
from reference_server.settings import Settings
from reference_server.world import World

LOOPBACK = "127.0.0.1"


def host(settings: Settings) -> str:
    """Where to listen: without TLS on the loopback only (P3 8.1, C-77)."""
    return settings.host if settings.tls_cert is not None or may_be_plain(settings.host) else LOOPBACK


def address(settings: Settings, listener: socket.socket) -> str:
    """The URL of the door, as the target file names it."""
    name, port = host(settings), int(listener.getsockname()[1])
    shown = f"[{name}]" if ":" in name else name
    return f"{'mqtt' if settings.tls_cert is None else 'mqtts'}://{shown}:{port}"


@contextlib.asynccontextmanager
async def opened(
    world: World, listener: socket.socket | None, secured: ssl.SSLContext | None
) -> AsyncIterator[None]:
    """Serve MQTT on a bound socket for as long as the block runs."""
    if world.settings.mqtt_broker is not None:
        bridge = Bridge(world.messaging, world.settings.mqtt_broker)
        bridge.start()
        try:
            yield
        finally:
            await bridge.close()
        return
    if listener is None:
        yield
        return
    endpoint = Endpoint(Broker(world.messaging), world.keyring)
    await endpoint.open(listener, secured)
    try:
        yield
    finally:
        await endpoint.close()
