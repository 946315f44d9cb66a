"""HTTP/1.1 as uvicorn speaks it, with this server's error shape for bytes that are no request.

A head that is too large, or does not arrive in time, is refused here: no handler ever sees it.
"""

import sys
from asyncio import TimerHandle, Transport

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from reference_server import tls
from reference_server.errors import STATUS, envelope
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
        hosts = [name for name, _ in self.headers].count(b"host")
        if hosts != 1 and (hosts or self.parser.get_http_version() == "1.1"):
            self._refusal = NO_HOST
            raise ValueError
        if (
            self._head + len(self._latest) > MAX_HEAD
            and len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > MAX_HEAD
        ):
            self._refusal = TOO_LARGE
            raise ValueError  # makes the parser stop, and uvicorn call `send_400_response`
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Go on to the next request."""
        self.answers.complete()
        super().on_response_complete()
        if self._draining:
            self.flow.resume_reading()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over, with the bytes that the client sent together with its request."""
        problem = sys.exception()
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


def patient(seconds: float) -> type[Protocol]:
    """The protocol with another patience."""

    class Patient(Protocol):
        patience_s = seconds

    return Patient
