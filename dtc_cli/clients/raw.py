"""The raw port: bytes to a door and what comes back, for what no well-behaved client would say."""

import time
from collections.abc import Callable

from dtc_cli.clients.answer import TargetUnreachable
from dtc_cli.clients.track import Seen, Track
from dtc_cli.clients.wire import CHUNK, Door, Wire

LONGEST_ANSWER = 16 * CHUNK


class Raw:
    """Says bytes to the doors of a target."""

    def __init__(self, doors: dict[str, Door], track: Track, timeout_s: float) -> None:
        self.doors = doors
        """`rest`, `stream`, `mqtt`: those that the target file names."""
        self.answered: Callable[[bytes, bytes], None] = lambda sent, got: None
        """Is shown what was said to the API, and what came back."""
        self._track = track
        self._timeout_s = timeout_s

    def say(
        self, door: str, data: bytes, *, wait_s: float = 3.0, plain: bool = False, port: int | None = None
    ) -> Seen:
        """Connect, send, and read until the peer closes or the time is over.

        Args:
            door: a name of `doors`.
            data: the bytes.
            wait_s: how long to read.
            plain: speak without TLS, whatever the scheme is.
            port: another port of the same host.

        Returns:
            What came: `status` 0 when there was a connection, None (and `error`) when there was none; `data`
            what was read; the fact `ended` how the connection ended, `open` when it had not.
        """
        place = self.doors[door]
        shown = f"tcp://{place.host}:{port or place.port}" if plain else place.url

        def perform() -> Seen:
            try:
                wire = Wire(place, self._timeout_s, plain=plain, port=port)
            except TargetUnreachable as problem:
                return Seen(error=str(problem))
            got, until = b"", time.monotonic() + wait_s
            try:
                wire.send(data)
                while len(got) < LONGEST_ANSWER and (more := wire.read(until)):
                    got += more
            finally:
                ended = wire.ended or "open"
                wire.close()
            return Seen(status=0, data=got, facts={"ended": ended})

        seen = self._track.step("SAY", self._track.label(shown), perform, sent=data)[0]
        if door == "rest":
            self.answered(data, seen.data)
        return seen
