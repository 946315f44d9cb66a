"""The MQTT endpoint without a twin behind it: every topic is free, anonymous clients too, nothing is stored.

For suites of other makers, with topics of their own: `python -m tests.support.lone_broker` prints its port.
"""

import asyncio
import json
import signal
import socket
import sys

from reference_server.auth import ROLES, Keyring, Principal
from reference_server.errors import ApiError
from reference_server.messaging import rights
from reference_server.messaging.bus import Bus
from reference_server.messaging.messages import Incoming, Message, deadline, new_id
from reference_server.messaging.outcome import Outcome
from reference_server.mqtt import login
from reference_server.mqtt.broker import Broker
from reference_server.mqtt.endpoint import Endpoint

NOT_ALLOWED = "test/nosubscribe"
ANYBODY = Principal("anybody", "admin", ROLES["admin"], None, 1_000_000, 60.0)


class Passing:
    """Hands every message on at once."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def offer(self, caller: Principal, given: Incoming) -> Outcome:
        """Accept everything but the server's own topics."""
        outcome = Outcome()
        if given.topic.startswith("$"):
            outcome.set_exception(ApiError("FORBIDDEN", "the topic is the server's own"))
            return outcome
        outcome.set_result(None)
        self._bus.publish(
            Message(
                topic=given.topic,
                payload=given.payload,
                at=0,
                id=new_id(),
                qos=given.qos,
                retain=given.retain,
                origin=given.origin,
                ttl=given.ttl,
                expires=deadline(given.ttl),
                content_type=given.content_type,
                payload_format=given.payload_format,
                response_topic=given.response_topic,
                correlation=given.correlation,
                user=given.user,
            )
        )
        return outcome


class Lone:
    """A hub of nothing but a bus."""

    def __init__(self) -> None:
        self.bus = Bus()
        self.ingest = Passing(self.bus)

    async def latest(self, caller: Principal, pattern: str) -> list[Message]:
        """There are no readings."""
        return []


async def serve(port: int) -> None:
    """Serve until SIGTERM."""
    for owner, name, free in (
        (rights, "may_subscribe", lambda caller, pattern: pattern != NOT_ALLOWED),
        (rights, "may_publish", lambda caller, topic: True),
        (login, "principal", lambda keyring, user, password, certificate: ANYBODY),
    ):
        setattr(owner, name, free)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    endpoint = Endpoint(Broker(Lone()), Keyring([]))
    await endpoint.open(listener, None)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)  # noqa: T201
    await stop.wait()
    await endpoint.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
