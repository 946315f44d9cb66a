"""Many requests whose answers are all kept: to fill a target, to submit readings, to read everything back.

Unlike the engine, which counts, this keeps each answer. Pacing is open loop here too: a request is due at its
instant, and its latency counts from there.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import httptools

from dtc_cli.load.fleet import Address
from dtc_cli.load.framing import MOST_HEAD, Head, interim

LANES = 64
TIMEOUT_S = 30.0
GOODBYE_S = 2.0
"""How long a target may take to agree to the end of a connection."""


class Exchange(NamedTuple):
    """What came of one request."""

    status: int
    """0 when no answer came."""
    body: bytes
    latency_s: float
    """From the instant at which the request was due."""
    error: str = ""

    @property
    def ok(self) -> bool:
        """Whether it was answered with success."""
        return 200 <= self.status < 300


def send(
    address: Address,
    wires: Sequence[bytes],
    *,
    rate: float | None = None,
    lanes: int = LANES,
    timeout_s: float = TIMEOUT_S,
    tell: Callable[[int], None] = lambda _done: None,
) -> list[Exchange]:
    """Send all of them; the exchanges in their order.

    Args:
        address: the target.
        wires: the requests as bytes.
        rate: requests per second; without it as fast as the answers come.
        lanes: connections.
        timeout_s: seconds from its being sent after which a request has failed.
        tell: is told now and then how many are done.
    """
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_Sender(address, wires, rate, timeout_s, tell).run(min(lanes, len(wires) or 1)))


class _Sender:
    def __init__(
        self,
        address: Address,
        wires: Sequence[bytes],
        rate: float | None,
        timeout_s: float,
        tell: Callable[[int], None],
    ) -> None:
        self._address = address
        self._wires = wires
        self._rate = rate
        self._timeout_s = timeout_s
        self._tell = tell
        self._next = 0
        self._done = 0
        self._tls = address.papers.context() if address.tls else None
        self._results: list[Exchange | None] = [None] * len(wires)
        self._begun = 0.0
        self._lanes: list[_Lane] = []

    async def run(self, lanes: int) -> list[Exchange]:
        self._begun = time.monotonic()
        await asyncio.gather(*(self._work() for _ in range(lanes)))
        await asyncio.gather(*(lane.ended() for lane in self._lanes))
        return [one or Exchange(0, b"", 0.0, "never sent") for one in self._results]

    async def _work(self) -> None:
        """One lane: takes the next request that is due, until there is none."""
        lane: _Lane | None = None
        while self._next < len(self._wires):
            number, self._next = self._next, self._next + 1
            due = self._begun + number / self._rate if self._rate else time.monotonic()
            if (early := due - time.monotonic()) > 0:
                await asyncio.sleep(early)
            try:
                if lane is None or not lane.open:
                    lane = await self._connect()
                status, body = await asyncio.wait_for(lane.ask(self._wires[number]), self._timeout_s)
                found = Exchange(status, body, time.monotonic() - due)
            except (OSError, TimeoutError, httptools.HttpParserError) as problem:
                found = Exchange(0, b"", time.monotonic() - due, f"{type(problem).__name__}: {problem}")
                if lane is not None:
                    lane.end()
            self._results[number] = found
            self._done += 1
            if self._done % 500 == 0:
                self._tell(self._done)

    async def _connect(self) -> "_Lane":
        host, port = self._address.host, self._address.port
        _, lane = await asyncio.get_running_loop().create_connection(
            _Lane, host, port, ssl=self._tls, server_hostname=host if self._tls else None
        )
        self._lanes = [one for one in self._lanes if not one.gone.is_set()] + [lane]
        return lane


class _Lane(asyncio.Protocol):
    """One connection of HTTP/1.1, one request at a time; the parser calls the `on_` methods."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.WriteTransport | None = None
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._parts: list[bytes] = []
        self._complete = False
        self._status = 0
        self._begun = b""
        self.gone = asyncio.Event()

    @property
    def open(self) -> bool:
        """Whether another request may be sent."""
        return self._transport is not None and not self._transport.is_closing()

    async def ask(self, wire: bytes) -> tuple[int, bytes]:
        """Send a request and wait for the whole answer: status and body.

        Raises:
            ConnectionError: when the connection ends before.
        """
        if self._transport is None:
            raise ConnectionResetError("closed by the target")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(wire)
        return await self._answer

    def end(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()

    async def ended(self) -> None:
        """Close the connection and see it go: TLS says good-bye first, and needs the event loop for it."""
        self.end()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.gone.wait(), GOODBYE_S)
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open."""
        self._transport = cast(asyncio.WriteTransport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        self._transport = None
        self.gone.set()
        self._fail(ConnectionResetError(str(error) if error else "closed by the target"))

    def data_received(self, data: bytes) -> None:
        """A part of an answer."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as problem:
            self._fail(problem)
            self.end()
            return
        if self._complete:
            self._complete = False
            self._hand_over()
        elif len(self._begun) < MOST_HEAD:
            self._begun += data

    def eof_received(self) -> None:
        """The target sends no more: where nothing else tells the end of an answer, this does."""
        if self._begun and Head(self._begun).until_close:
            self._status = self._parser.get_status_code()
            self._hand_over()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._parts.append(body)

    def on_message_complete(self) -> None:
        """The answer is whole, unless another follows it."""
        self._status = self._parser.get_status_code()
        if interim(self._status):
            return
        self._complete = True
        if not self._parser.should_keep_alive():
            self.end()

    def _hand_over(self) -> None:
        body, self._begun = b"".join(self._parts), b""
        self._parts.clear()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((self._status, body))

    def _fail(self, problem: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(problem)
