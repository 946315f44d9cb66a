"""Connections of HTTP/1.1 that carry one request at a time, as lean as Python allows.

An answer is parsed by httptools; its body is kept only when the answer is sampled. Interim answers are passed
over, and a body without a length ends with the connection (RFC 9110 15.2, RFC 9112 6.3).
"""

import asyncio
import ssl
from collections.abc import Callable
from errno import ECONNREFUSED
from typing import cast

import httptools
import msgspec

from dtc_cli.load.dispatcher import Dispatcher, Ticket
from dtc_cli.load.framing import MOST_HEAD, Head, decoded, interim

MAX_SAMPLE = 1 << 20
"""Bytes of a sampled body that are kept; what is longer is judged by its status alone."""


class Sample(msgspec.Struct, frozen=True):
    """An answer that is kept to be judged."""

    route: int
    about: str
    status: int
    body: bytes
    whole: bool


class _Body:
    """Collects the body of a sampled answer for the parser."""

    def __init__(self, lane: "HttpLane") -> None:
        self._lane = lane
        self.parts: list[bytes] = []
        self.size = 0
        self.coding = ""

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"content-encoding":
            self.coding = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self.size += len(body)
        if self.size <= MAX_SAMPLE:
            self.parts.append(body)

    def on_message_complete(self) -> None:
        self._lane.on_message_complete()


class HttpLane(asyncio.Protocol):
    """One connection; the pool replaces it when it ends. Parser and event loop call most of its methods."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool
        self._transport: asyncio.WriteTransport | None = None
        self._ticket: Ticket | None = None
        self._parser = self._plain = httptools.HttpResponseParser(self)
        self._body: _Body | None = None
        self._complete = self._keep = False
        self._status = 0
        self._begun = b""

    # -- the dispatcher's side -------------------------------------------------------------------------------
    def send(self, ticket: Ticket) -> None:
        """Write the request, and keep the body of every n-th answer."""
        self._ticket = ticket
        if ticket.number % self._pool.sample_every == 0 and not ticket.warm:
            self._body = _Body(self)
            self._parser = httptools.HttpResponseParser(self._body)
        if self._transport is None:
            self._give_up("connection: closed")
        else:
            self._transport.write(ticket.request.wire)

    @property
    def due(self) -> float | None:
        """When the request that is under way was due."""
        return self._ticket.due if self._ticket else None

    def abort(self, kind: str) -> None:
        """End the connection and the request on it."""
        if self._ticket is not None:
            self._give_up(kind)
        if self._transport is not None:
            self._transport.abort()

    # -- asyncio's side --------------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open."""
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        """A part of an answer came."""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as problem:
            self.abort(f"protocol: {type(problem).__name__}")
            return
        if self._complete:
            self._complete = False
            self._finish()
        elif len(self._begun) < MOST_HEAD:
            self._begun += data

    def eof_received(self) -> None:
        """The target sends no more: where nothing else tells the end of an answer, this does."""
        if self._begun and self._ticket is not None and Head(self._begun).until_close:
            self._status, self._keep = self._parser.get_status_code(), False
            self._finish()

    def on_message_complete(self) -> None:
        """The answer is whole."""
        status = self._parser.get_status_code()
        if status < 200 and interim(status):
            return
        # Only inside this call does the parser know whether the connection stays open.
        self._complete, self._status = True, status
        self._keep = self._parser.should_keep_alive()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone, with the request that was on it."""
        self._transport = None
        if self._ticket is not None:
            self._give_up("connection: " + (type(error).__name__ if error else "closed"))
        self._pool.gone(self)

    # -- inside ----------------------------------------------------------------------------------------------
    def _finish(self) -> None:
        ticket, pool, self._begun = self._ticket, self._pool, b""
        if ticket is None or self._transport is None:
            self.abort("protocol: unasked answer")
            return
        status = self._status
        if self._body is not None:
            whole = self._body.size <= MAX_SAMPLE
            body = decoded(b"".join(self._body.parts), self._body.coding, MAX_SAMPLE) if whole else None
            pool.samples.append(
                Sample(ticket.request.route, ticket.request.about, status, body or b"", body is not None)
            )
            self._body, self._parser = None, self._plain
        self._ticket = None
        now = pool.now()
        pool.dispatcher.answered(ticket, now, status)
        if self._keep:
            pool.dispatcher.free(self, now)
        else:
            self._transport.close()

    def _give_up(self, kind: str) -> None:
        ticket, self._ticket, self._body = self._ticket, None, None
        if ticket is not None:
            self._pool.dispatcher.failed(ticket, self._pool.now(), kind)


class Pool:
    """The lanes of one worker: opens them, replaces those that end, ends requests that take too long."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        *,
        host: str,
        port: int,
        tls: ssl.SSLContext | None,
        timeout_s: float,
        sample_every: int,
        now: Callable[[], float],
    ) -> None:
        self.dispatcher = dispatcher
        self.sample_every = sample_every
        self.samples: list[Sample] = []
        self.now = now
        self.trouble = 0
        self.away = False
        """No connection is open, and the target refused the last that was tried."""
        self._address = (host, port)
        self._tls = tls
        self._timeout_s = timeout_s
        self._lanes: set[HttpLane] = set()
        self._closing = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, count: int) -> None:
        """Open all lanes; those that cannot be opened are tried again while the run goes on.

        Raises:
            OSError: when not a single one can be opened.
        """
        results = await asyncio.gather(*(self._connect() for _ in range(count)), return_exceptions=True)
        failures = [result for result in results if isinstance(result, OSError)]
        if failures and not self._lanes:
            raise failures[0]
        for _ in failures:
            self._replace()

    def sweep(self, now: float) -> None:
        """Give up what has been under way for too long."""
        for lane in tuple(self._lanes):
            due = lane.due
            if due is not None and now - due > self._timeout_s:
                lane.abort("timeout")

    def gone(self, lane: HttpLane) -> None:
        """A connection ended: another takes its place."""
        self._lanes.discard(lane)
        self.dispatcher.lost(lane)
        if not self._closing:
            self._replace()

    async def close(self, kind: str = "timeout") -> None:
        """End all connections; `kind` is what becomes of requests that are still under way."""
        self._closing = True
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for lane in tuple(self._lanes):
            lane.abort(kind)

    def _replace(self) -> None:
        task = asyncio.get_running_loop().create_task(self._again())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _again(self) -> None:
        pause_s = 0.05
        while not self._closing:
            try:
                await self._connect()
            except OSError as problem:
                self.trouble += 1
                if not self._lanes and _refused(problem):
                    # Nobody listens: whoever asks now is told so, and has nothing to wait for.
                    self.away = True
                    self.dispatcher.give_up(self.now(), "connect: refused")
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, 1.0)
            else:
                return

    async def _connect(self) -> None:
        host, port = self._address
        _, lane = await asyncio.get_running_loop().create_connection(
            lambda: HttpLane(self), host, port, ssl=self._tls, server_hostname=host if self._tls else None
        )
        self._lanes.add(lane)
        self.away = False
        self.dispatcher.free(lane, self.now())


def _refused(problem: OSError) -> bool:
    """Whether the target's machine said that nobody listens; of several addresses, all of them."""
    told = str(problem)
    return isinstance(problem, ConnectionRefusedError) or (
        told.startswith("Multiple exceptions")
        and told.count("[Errno") == told.count(f"[Errno {ECONNREFUSED}]")
    )
