"""A small HTTP server for the load engine, with a behaviour per path."""

import asyncio
import gzip
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
ZIPPED = gzip.compress(b"{}")
ENDING = {
    "/short": OK.replace(b": 2", b": 9"),
    "/unchunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    "/headless": b"HTTP/1.1 200 OK\r\n",
}
"""Answers after which the connection ends, before their own end."""
CANNED = {
    "/garbage": b"SSH-2.0-OpenSSH\r\n",
    "/500": OK.replace(b"200 OK", b"500 No"),
    "/twice": OK + OK,
    "/brotli": OK.replace(b"\r\n\r\n", b"\r\nContent-Encoding: br\r\n\r\n"),
    "/gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(ZIPPED)
    + ZIPPED,
}


class _Connection(asyncio.Protocol):
    def __init__(self, leave: Callable[[], None], open_: set[asyncio.Transport]) -> None:
        self._leave = leave
        self._open = open_

    def connection_lost(self, error: Exception | None) -> None:
        self._open.discard(self._transport)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._open.add(transport)

    def data_received(self, data: bytes) -> None:
        path = data.split(b" ", 2)[1].decode()
        loop = asyncio.get_running_loop()
        if path.startswith("/wait/"):
            loop.call_later(float(path[6:]), self._answer, OK)
        elif path == "/close":
            self._answer(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            self._transport.close()
        elif path == "/hints":
            self._answer(HINTS)
            loop.call_later(0.01, self._answer, OK)
        elif path in ("/ends", "/old"):
            head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
            self._answer(head.replace(b"1.1", b"1.0") if path == "/old" else head)
            self._answer(b'{"a": 1')
            loop.call_later(0.01, self._end, b"}")
        elif path in ENDING:
            self._end(ENDING[path])
        elif path == "/leave":
            self._leave()
        elif path == "/drop":
            self._transport.abort()
        elif path in CANNED:
            self._answer(CANNED[path])
        elif path == "/large":
            body = b"x" * (2 << 20)
            self._answer(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        elif path != "/never":
            self._answer(OK)

    def _end(self, data: bytes) -> None:
        self._answer(data)
        self._transport.close()

    def _answer(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve on a free port of 127.0.0.1 until the block ends, with TLS when asked to; yields the port."""
    loop = asyncio.new_event_loop()
    opened: set[asyncio.Transport] = set()

    def leave() -> None:
        server.close()
        for transport in tuple(opened):
            transport.abort()

    server = loop.run_until_complete(
        loop.create_server(lambda: _Connection(leave, opened), "127.0.0.1", 0, ssl=tls)
    )
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    port = server.sockets[0].getsockname()[1]
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.run_until_complete(server.wait_closed())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
