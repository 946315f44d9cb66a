"""Defects of TLS: versions, suites, certificates, plaintext, client certificates (DTC-P3-078 ff.)."""

import asyncio
import ctypes
import datetime
import socket
import ssl
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reference_server import certs, tls
from reference_server.faults.fault import wrap
from reference_server.mqtt import endpoint
from reference_server.mqtt.connection import Connection

Make = Callable[..., Any]


def _context(change: Callable[[ssl.SSLContext], None]) -> Callable[[], None]:
    def make(context: Make) -> Make:
        def wrong(*given: Any) -> ssl.SSLContext:
            made: ssl.SSLContext = context(*given)
            change(made)
            return made

        return wrong

    return wrap(tls, "context", make)


def _old(context: ssl.SSLContext) -> None:
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2


def _weak(context: ssl.SSLContext) -> None:
    """Only the suite with the short tag, which Python offers no way to choose."""
    import _ssl

    library = ctypes.CDLL(_ssl.__file__)
    pointer = ctypes.cast(id(context) + object.__basicsize__, ctypes.POINTER(ctypes.c_void_p))[0]
    library.SSL_CTX_set_ciphersuites(ctypes.c_void_p(pointer), b"TLS_AES_128_CCM_8_SHA256")


def _unasked(context: ssl.SSLContext) -> None:
    context.verify_mode = ssl.CERT_NONE


def _optional(context: ssl.SSLContext) -> None:
    if context.verify_mode == ssl.CERT_REQUIRED:
        context.verify_mode = ssl.CERT_OPTIONAL


def _certificate(host: str, *, signed: bool, days: int) -> Callable[[], None]:
    """Serve a certificate for `host` that ends `days` from now; `signed` by the authority beside it."""

    def make(context: Make) -> Make:
        def wrong(cert: Path, key: Path, *rest: Any) -> Any:
            lifetime, certs.LIFETIME = certs.LIFETIME, datetime.timedelta(days=days)
            backdated, certs.BACKDATED = certs.BACKDATED, datetime.timedelta(days=30)
            known = certs._known(cert.parent) if signed else None
            try:
                authority = known or certs._new_authority()
                names = [certs._host(one) for one in ((host,) if host != "localhost" else certs.HOSTS)]
                made = certs._leaf(authority, host, names, server=True)
            finally:
                certs.LIFETIME, certs.BACKDATED = lifetime, backdated
            with tempfile.TemporaryDirectory() as folder:
                pem, secret = certs._store(Path(folder), "wrong", *made)
                return context(pem, secret, *rest)

        return wrong

    return wrap(tls, "context", make)


def _bilingual(opened: Make) -> Make:
    """The secure MQTT port serves plaintext too: it looks at the first byte."""

    async def wrong(self: Any, listener: socket.socket, secured: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        listener.setblocking(False)
        listener.listen(100)
        tasks: set[asyncio.Task[None]] = set()

        def client() -> Connection:
            return Connection(self._broker, self._keyring, self._live)

        async def greet(one: socket.socket) -> None:
            while True:
                try:
                    first = one.recv(1, socket.MSG_PEEK)
                    break
                except BlockingIOError:
                    await asyncio.sleep(0.01)
            await loop.connect_accepted_socket(client, one, ssl=secured if first == b"\x16" else None)

        async def accept() -> None:
            while True:
                one, _ = await loop.sock_accept(listener)
                task = loop.create_task(greet(one))
                tasks.add(task)
                task.add_done_callback(tasks.discard)

        self.accepting = loop.create_task(accept())

    return wrong


TABLE: tuple[tuple[str, str, Callable[[], None]], ...] = (
    ("078", "TLS 1.2 and nothing newer", _context(_old)),
    ("079", "a cipher suite that the standard does not list", _context(_weak)),
    ("080", "a certificate of another authority", _certificate("localhost", signed=False, days=365)),
    ("080.name", "a certificate for another host", _certificate("twin.example", signed=True, days=365)),
    ("080.expired", "a certificate that has expired", _certificate("localhost", signed=True, days=-1)),
    ("081", "the secure MQTT port serves plaintext", wrap(endpoint.Endpoint, "open", _bilingual)),
    ("082", "a client certificate is not asked for", _context(_unasked)),
    ("082.missing", "a client without a certificate is served", _context(_optional)),
)
