"""All connections of the stream: who hears what, who may come in, and the clock for those who fall silent."""

import asyncio
import contextlib
import secrets
import time
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reference_server.auth import Principal
from reference_server.errors import ApiError
from reference_server.messaging.allowances import UNLIMITED_FROM
from reference_server.messaging.messages import Message
from reference_server.messaging.topics import Tree
from reference_server.stream.connecting import Wish
from reference_server.stream.connection import Connection
from reference_server.stream.session import Session, Subscription
from reference_server.stream.signatures import Signatures

if TYPE_CHECKING:
    from reference_server.stream.conversation import Conversation
    from reference_server.world import World

CONNECT_TIMEOUT_S = 5.0  # C-85
MAX_CONNECTIONS = 50_000
MAX_OF_ONE = 2000
"""Connections of one credential."""
MAX_UNNAMED = 200
"""Connections whose CONNECT is still to come."""
TICK_S = 0.5


class Door:
    """One for the process."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.hub = world.messaging
        self.bus = self.hub.bus
        self.heartbeat_s = world.settings.heartbeat_s
        self.pong_s = world.settings.pong_s
        self.signatures = Signatures()
        self.slow = 0
        """Connections that were ended because their client was too slow."""
        self._tree: Tree[Session] = Tree()
        self._connections: dict[Connection, float] = {}
        self._of: Counter[str] = Counter()
        self._unnamed = 0
        self._sessions: dict[tuple[str, str], Session] = {}
        self._task: asyncio.Task[None] | None = None

    def connection(
        self, config: Any, server_state: Any, app_state: Mapping[str, Any], _loop: Any = None
    ) -> Connection:
        """What uvicorn calls for an upgrade."""
        return Connection(self, config, server_state, app_state)

    def open(self) -> None:
        """Begin to hear the bus and to keep time."""
        self.bus.attach(self)
        self._task = asyncio.get_running_loop().create_task(self._keep_time())

    async def close(self) -> None:
        """Stop."""
        self.bus.detach(self)
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def __len__(self) -> int:
        return len(self._connections)

    # --- messages

    def deliver(self, message: Message) -> None:
        """Hand a message to every session that subscribed to its topic."""
        published = message.qos
        for session, granted in self._tree.find(message.topic).items():
            session.hear(message, granted if granted < published else published)

    def subscribe(self, session: Session, subscription: Subscription) -> bool:
        """Add or replace a subscription; whether it is a new one."""
        old = session.subscriptions.get(subscription.pattern)
        session.binary += subscription.binary - (old is not None and old.binary)
        session.subscriptions[subscription.pattern] = subscription
        self._tree.add(subscription.pattern, session, subscription.qos)
        return old is None

    def unsubscribe(self, session: Session, pattern: Any) -> bool:
        """End a subscription; whether there was one."""
        old = session.subscriptions.pop(pattern, None) if isinstance(pattern, str) else None
        if old is None:
            return False
        session.binary -= old.binary
        self._tree.remove(old.pattern, session)
        return True

    # --- who comes and goes

    def admit(self, caller: Principal | None) -> None:
        """Judge whether there is room for another connection.

        Raises:
            ApiError: SERVICE_UNAVAILABLE, RATE_LIMIT_EXCEEDED.
        """
        if len(self._connections) >= MAX_CONNECTIONS or (caller is None and self._unnamed >= MAX_UNNAMED):
            raise ApiError(
                "SERVICE_UNAVAILABLE", "there are too many connections", headers={"Retry-After": "10"}
            )
        if caller is not None and caller.allowance < UNLIMITED_FROM and self._of[caller.name] >= MAX_OF_ONE:
            message = f"a credential may have {MAX_OF_ONE} connections"
            raise ApiError("RATE_LIMIT_EXCEEDED", message, headers={"Retry-After": "10"})

    def joined(self, connection: Connection) -> None:
        """A connection is open."""
        self._connections[connection] = time.monotonic()
        if connection.caller is None:
            self._unnamed += 1
        else:
            self._of[connection.caller.name] += 1

    def lost(self, connection: Connection) -> None:
        """A connection is gone."""
        if self._connections.pop(connection, None) is None:
            return
        if connection.caller is None:
            self._unnamed -= 1
        else:
            self._of[connection.caller.name] -= 1

    def enter(self, conversation: "Conversation", caller: Principal, wish: Wish) -> bool:
        """Give a conversation its session; whether it was there before.

        A client that connects again takes its session over from the older connection.
        """
        client_id = wish.client_id or f"anonymous-{secrets.token_hex(8)}"
        previous = conversation.session
        if previous is not None and previous.client_id != client_id:
            self.drop(previous)
        key = (caller.name, client_id)
        session = self._sessions.get(key)
        link = None if session is None else session.link
        if isinstance(link, Connection) and link is not conversation.connection:
            if session is not None:
                session.link = None
            link.close(1008, "the session was taken over by another connection")
        if session is not None and wish.clean and session is not previous:
            self.drop(session)
            session = None
        present = session is not None and session is not previous
        if session is None:
            session = self._sessions[key] = Session(caller.name, client_id)
        session.window = wish.window
        session.expiry = wish.expiry
        conversation.session = session
        return present

    def left(self, session: Session) -> None:
        """The connection of a session is gone."""
        session.link = None
        if session.expiry <= 0:
            self.drop(session)
        else:
            session.ends_at = time.monotonic() + session.expiry

    def drop(self, session: Session) -> None:
        """End a session and its subscriptions."""
        for pattern in session.subscriptions:
            self._tree.remove(pattern, session)
        session.subscriptions.clear()
        if self._sessions.get((session.owner, session.client_id)) is session:
            del self._sessions[session.owner, session.client_id]

    # --- time

    async def _keep_time(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.tick(time.monotonic())

    def tick(self, now: float) -> None:
        """Ask the silent for a sign of life, end those who give none, forget expired sessions (P3 6.3).

        Whoever came by a token must come again, or say CONNECT with a new one, before it ends (P3 8.2).
        """
        for connection, since in list(self._connections.items()):
            conversation = connection.conversation
            if conversation is None or connection.overdue(now):
                connection.transport.abort()
                continue
            silent = now - connection.heard
            interval = conversation.interval
            caller = conversation.caller
            if caller is not None and caller.until is not None and now >= caller.until:
                connection.close(1008, "the token has expired")
                continue
            if caller is None and now - since >= CONNECT_TIMEOUT_S:
                connection.close(1008, "CONNECT with auth did not come in time")
            elif silent >= interval + self.pong_s:
                connection.close(1002, "no sign of life")
                connection.transport.abort()
            elif silent >= interval and not connection.pinged:
                connection.ping()
        for session in [
            one for one in self._sessions.values() if one.ends_at is not None and one.ends_at <= now
        ]:
            self.drop(session)
