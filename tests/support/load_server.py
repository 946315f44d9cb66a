"""A small HTTP server for the load engine, with a behaviour per path."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class _Connection(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        path = data.split(b" ", 2)[1].decode()
        loop = asyncio.get_running_loop()
        if path.startswith("/wait/"):
            loop.call_later(float(path[6:]), self._answer, OK)
        elif path == "/close":
            self._answer(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            self._transport.close()
        elif path == "/drop":
            self._transport.abort()
        elif path == "/garbage":
            self._answer(b"SSH-2.0-OpenSSH\r\n")
        elif path == "/500":
            self._answer(OK.replace(b"200 OK", b"500 No"))
        elif path == "/twice":
            self._answer(OK + OK)
        elif path == "/large":
            body = b"x" * (2 << 20)
            self._answer(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        elif path != "/never":
            self._answer(OK)

    def _answer(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve on a free port of 127.0.0.1 until the block ends, with TLS when asked to; yields the port."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(_Connection, "127.0.0.1", 0, ssl=tls))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.run_until_complete(server.wait_closed())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
