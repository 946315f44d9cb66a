"""A world of the bundled twin in the event loop of a test: storage, callers and messaging, no sockets."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from reference_server import auth, demo
from reference_server.auth import Principal
from reference_server.messaging.messages import Message
from reference_server.settings import DEFAULT_CITY, Settings
from reference_server.storage.sqlite import SqliteStorage
from reference_server.world import World

CITY = DEFAULT_CITY


class Ear:
    """Hears all messages."""

    def __init__(self) -> None:
        self.heard: list[Message] = []

    def deliver(self, message: Message) -> None:
        self.heard.append(message)

    def topics(self) -> list[str]:
        return [message.topic for message in self.heard]


def caller(role: str = "operator", *cities: str, name: str | None = None, allowance: int = 1000) -> Principal:
    return Principal(name or role, role, auth.ROLES[role], frozenset(cities) or None, allowance, 60.0)


@contextlib.asynccontextmanager
async def world(folder: Path, **options: object) -> AsyncIterator[World]:
    """A small generated city, with messaging at work."""
    settings = Settings(objects=20, **options)  # type: ignore[arg-type]
    storage = SqliteStorage(folder / "twin.db", durable=False)
    await storage.open()
    try:
        await demo.build(storage, settings)
        made = World(settings, storage, auth.Keyring([]))
        await made.messaging.recall()
        yield made
        await made.messaging.close()
    finally:
        await storage.close()
