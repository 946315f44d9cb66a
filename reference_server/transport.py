"""What an answer goes through on its way to the socket."""

from asyncio import Transport
from collections.abc import Callable
from typing import Any

INTERIM = b"HTTP/1.1 100 "


class Answers:
    """A transport that sends the head of an answer together with the beginning of its body.

    One call of the system and one packet, where two would cost the server a tenth of a short answer and wake
    the client twice. What it does not know it leaves to the transport behind it.
    """

    __slots__ = ("_closed", "_head", "_linger", "_under_way", "behind")

    def __init__(self, transport: Transport, linger: Callable[[], bool]) -> None:
        """`linger` is asked once before the connection is closed; if it says yes, it closes it later."""
        self.behind = transport
        self._linger = linger
        self._head = b""
        self._under_way = False
        self._closed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.behind, name)

    def is_closing(self) -> bool:
        """Whether nothing more can be sent."""
        return self._closed or self.behind.is_closing()

    def write(self, data: bytes) -> None:
        """Send a part of an answer; its head waits for what follows it."""
        if self._head:
            head, self._head = self._head, b""
            self.behind.write(head + data)
        elif self._under_way or data.startswith(INTERIM):
            self.behind.write(data)
        else:
            self._head = data
            self._under_way = True

    def complete(self) -> None:
        """The answer has ended: an answer without a body is sent now."""
        if self._head and not self.behind.is_closing():
            self.behind.write(self._head)
        self._head = b""
        self._under_way = False

    def close(self) -> None:
        """Send what waits, then close."""
        self.complete()
        asked, self._closed = self._closed, True
        if asked or self.behind.is_closing() or not self._linger():
            self.behind.close()
