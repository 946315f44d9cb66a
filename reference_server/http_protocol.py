"""HTTP/1.1 as uvicorn speaks it, with this server's error shape for bytes that are no request.

A head that is too large, or does not arrive in time, is refused here: no handler ever sees it.
"""

import asyncio
import re
import sys
import urllib.parse
from asyncio import TimerHandle, Transport
from collections.abc import Callable

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from reference_server import tls
from reference_server.errors import STATUS, envelope
from reference_server.exchange import Exchange, finish
from reference_server.transport import Answers

MAX_HEAD = 64 * 1024
"""Bytes that the request line and the headers may take."""
DRAIN_S = 5.0
"""How long a client that was refused may go on sending."""
REASONS = {400: b"Bad Request", 408: b"Request Timeout", 431: b"Request Header Fields Too Large"}
Refusal = tuple[str, str]
NO_REQUEST: Refusal = ("MALFORMED_REQUEST", "the bytes are not an HTTP/1.1 request")
NO_HOST: Refusal = ("MALFORMED_REQUEST", "a request has one Host header (RFC 9112 3.2)")
TOO_LARGE: Refusal = ("HEADERS_TOO_LARGE", f"address and headers may take {MAX_HEAD} bytes")
TOO_SLOW: Refusal = ("REQUEST_TIMEOUT", "the headers did not arrive in time")
_PLAIN = re.compile(rb"/[!$-~]*")
"""A path with or without a query, as nearly all requests have it; the parser reads the other forms."""


class Protocol(HttpToolsProtocol):
    """Answers bytes that are not HTTP with the envelope of P2 9.1 and closes the connection."""

    patience_s = 30.0
    """How long a head may take."""
    _timer: TimerHandle | None = None
    _begun = False
    """Whether a head has begun that is not complete."""
    _head = 0
    _refusal = NO_REQUEST
    _refused = False
    """Whether the bytes were no request, so that nobody knows how many belong to it."""
    _draining = False
    """Whether all has been answered and what still comes is thrown away."""
    _idle_since = 0.0
    prompt: Callable[[str, bytes], bool] = staticmethod(lambda _method, _path: False)
    """Whether a request of that method and path is answered without waiting for anything."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Note whom the client's certificate names, and how to drop it; requests find both in their state."""
        super().connection_made(transport)
        self.answers = Answers(transport, self._linger)
        self.transport = self.answers  # type: ignore[assignment]
        noted = {"certificate": tls.subject(transport), "abort": transport.abort}
        self.app_state = {**self.app_state, **noted}
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is waited for any more."""
        self._arrived()
        super().connection_lost(exc)
        self._unwatched()

    def data_received(self, data: bytes) -> None:
        """Read on, as long as the head stays within its limit.

        The latest piece is kept for an upgrade, behind which a message may already stand.
        """
        if self._draining:
            return
        self._latest = data
        super().data_received(data)
        if self._begun and self._timer is None:  # nearly every head comes in one piece, and needs no timer
            self._wait()
        if self._timer is not None and not self.transport.is_closing():
            self._head += len(data)
            if self._head > MAX_HEAD:
                self._refuse(TOO_LARGE)

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._begun = True

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._arrived()
        names = [name for name, _ in self.headers]
        hosts = names.count(b"host")
        if hosts != 1 and (hosts or self.parser.get_http_version() == "1.1"):
            self._refusal = NO_HOST
            raise ValueError
        if (
            self._head + len(self._latest) > MAX_HEAD
            and len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > MAX_HEAD
        ):
            self._refusal = TOO_LARGE
            raise ValueError  # makes the parser stop, and uvicorn call `send_400_response`
        if self.parser.should_upgrade() or self.expect_100_continue or not _PLAIN.fullmatch(self.url):
            super().on_headers_complete()
        else:
            self._exchange(has_body=b"content-length" in names or b"transfer-encoding" in names)

    def _exchange(self, *, has_body: bool) -> None:
        """Begin with the answer, or put it behind those that were asked for before."""
        scope, parser, before = self.scope, self.parser, self.cycle
        scope["method"] = method = parser.get_method().decode("ascii")
        scope["http_version"] = version = parser.get_http_version()
        raw, _, scope["query_string"] = self.url.partition(b"?")
        scope["raw_path"] = raw
        path = raw.decode("ascii")
        scope["path"] = urllib.parse.unquote(path) if "%" in path else path
        self.cycle = exchange = Exchange(
            scope,
            self.transport,
            self.flow,
            self.logger,
            self.access_logger,
            self.access_log,
            self.server_state.default_headers,
            asyncio.Event(),
            False,
            version != "1.0" and parser.should_keep_alive(),
            self.on_response_complete,
        )
        if before is not None and not before.response_complete:
            self.flow.pause_reading()
            self.pipeline.appendleft((exchange, self.app))
        elif not has_body and self.prompt(method, raw):
            self._at_once(exchange)
        else:
            self._start_asgi_task(exchange, self.app)

    def _at_once(self, exchange: Exchange) -> None:
        """Answer before anything else is read: a task, and a turn of the loop, would cost a sixth of it.

        What has to wait after all goes on as a task.
        """
        exchange.more_body = False
        begun = exchange.run_asgi(self.app)
        try:
            waits_for = begun.send(None)
        except StopIteration:
            return
        task = self.loop.create_task(finish(begun, waits_for))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def on_response_complete(self) -> None:
        """Go on to the next request."""
        self.answers.complete()
        self.server_state.total_requests += 1
        if not self.transport.is_closing():
            self.flow.resume_reading()
            if self.pipeline:
                self._start_asgi_task(*self.pipeline.pop())
            else:
                self._idle_since = self.loop.time()
                if self.timeout_keep_alive_task is None:
                    self._watch(self.timeout_keep_alive)
        if self._draining:
            self.flow.resume_reading()

    def _unset_keepalive_if_required(self) -> None:
        """Nothing: the one timer of a connection looks for itself whether it was idle for so long."""

    def _unwatched(self) -> None:
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None

    def _watch(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self._idle)

    def _idle(self) -> None:
        """Close a connection on which nothing is asked; one that is at work is looked at after its answer."""
        self.timeout_keep_alive_task = None
        if self._begun or self.transport.is_closing() or not self.cycle.response_complete:
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._watch(left)
        else:
            self.transport.close()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over, with the bytes that the client sent together with its request."""
        problem = sys.exception()
        self._unwatched()
        self.transport = self.answers.behind
        super().handle_websocket_upgrade()
        if isinstance(problem, httptools.HttpParserUpgrade):
            rest = self._latest[problem.args[0] :]
            if rest:
                self.transport.get_protocol().data_received(rest)  # type: ignore[attr-defined]

    def send_400_response(self, msg: str) -> None:
        """Refuse what could not be parsed."""
        self._refuse(self._refusal)

    def _linger(self) -> bool:
        """Whether a client may still be sending: then it is let finish before the connection goes.

        A socket that is closed while bytes wait in it is reset, and the reset overtakes the answer.
        """
        if self._refused or (self.cycle is not None and self.cycle.more_body):
            self._arrived()
            self._draining = True
            if self.answers.behind.can_write_eof():
                self.answers.behind.write_eof()
            self._timer = self.loop.call_later(DRAIN_S, self.answers.behind.close)
        return self._draining

    def _wait(self) -> None:
        self._head = 0
        self._timer = self.loop.call_later(self.patience_s, self._late)

    def _arrived(self) -> None:
        self._begun = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        if self._head:
            self._refuse(TOO_SLOW)
        else:
            self.transport.close()

    def _refuse(self, refusal: Refusal) -> None:
        self._arrived()
        self._refused = True
        code, message = refusal
        body = envelope(code, message, {})
        status = STATUS[code]
        head = (
            b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\nconnection: close\r\n"
            b"content-length: %d\r\n\r\n" % (status, REASONS[status], len(body))
        )
        self.transport.write(head + body)
        self.transport.close()


def patient(seconds: float, answers_at_once: Callable[[str, bytes], bool]) -> type[Protocol]:
    """The protocol with another patience, and what it answers without waiting."""

    class Patient(Protocol):
        patience_s = seconds
        prompt = staticmethod(answers_at_once)

    return Patient
