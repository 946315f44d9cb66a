"""A byte connection to one door of the target: TCP or TLS, with reads that end at a given time."""

import contextlib
import select
import socket
import ssl
import struct
import time
import urllib.parse

import msgspec

from dtc_cli.clients.answer import TargetUnreachable
from dtc_cli.core.target import TlsFiles
from dtc_cli.errors import DtcError

DEFAULT_PORTS = {"ws": 80, "wss": 443, "http": 80, "https": 443, "mqtt": 1883, "mqtts": 8883}
CHUNK = 65536
LONGEST_WRITE_S = 20.0


class Door(msgspec.Struct, frozen=True):
    """Where a door is and how it is secured."""

    url: str
    tls_files: TlsFiles = TlsFiles()

    @property
    def scheme(self) -> str:
        """The scheme of the address, lower case."""
        return urllib.parse.urlsplit(self.url).scheme.lower()

    @property
    def secure(self) -> bool:
        """Whether it is reached through TLS."""
        return self.scheme in {"wss", "https", "mqtts"}

    @property
    def host(self) -> str:
        """The host as written, without brackets."""
        return urllib.parse.urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The port, or that of the scheme."""
        return urllib.parse.urlsplit(self.url).port or DEFAULT_PORTS[self.scheme]

    @property
    def path(self) -> str:
        """The path, at least a slash."""
        return urllib.parse.urlsplit(self.url).path or "/"

    def context(self, *, verify: bool = True, client_cert: bool = True) -> ssl.SSLContext:
        """A TLS context for this door.

        Raises:
            DtcError: `tls-ca` when a certificate file of the target file cannot be used.
        """
        files = self.tls_files
        try:
            context = ssl.create_default_context(cafile=str(files.ca) if files.ca else None)
            if client_cert and files.cert and files.key:
                context.load_cert_chain(files.cert, files.key)
        except (OSError, ssl.SSLError) as problem:
            raise DtcError(
                "tls-ca",
                f"a certificate file for {self.url} cannot be used",
                where=", ".join(str(file) for file in (files.ca, files.cert, files.key) if file),
                why=str(problem),
                hint="PEM files; the client's key must belong to its certificate",
            ) from problem
        if not verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


class Wire:
    """One open connection.

    Raises:
        TargetUnreachable: when it cannot be opened.
    """

    def __init__(self, door: Door, timeout_s: float, *, plain: bool = False, port: int | None = None) -> None:
        self.ended: str | None = None
        """Why nothing more comes: `closed` by the peer, `reset`, or what went wrong."""
        self.broken: str | None = None
        """Why nothing more can be sent."""
        where = f"{door.scheme}://{door.host}:{port or door.port}"
        try:
            raw = socket.create_connection((door.host, port or door.port), timeout=timeout_s)
        except OSError as problem:
            raise TargetUnreachable(f"no connection to {where}: {problem}") from problem
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = raw
        if door.secure and not plain:
            try:
                self._socket = door.context().wrap_socket(raw, server_hostname=door.host)
            except (OSError, ssl.SSLError) as problem:
                raw.close()
                raise TargetUnreachable(f"no TLS connection to {where}: {problem}") from problem
            except DtcError:
                raw.close()
                raise

    def send(self, data: bytes) -> bool:
        """Send all of it; False when the peer is gone."""
        if self.ended:
            return False
        self._socket.settimeout(LONGEST_WRITE_S)
        try:
            self._socket.sendall(data)
        except OSError as problem:
            # What the peer said before it went is still to be read, so the connection has not ended yet.
            self.broken = _why(problem)
            return False
        return True

    def read(self, until: float) -> bytes:
        """The next bytes; empty at the end of the connection (see `ended`) and when the time is over.

        Args:
            until: an instant of `time.monotonic`.
        """
        while not self.ended:
            try:
                if not self._pending():
                    remaining = max(0.0, until - time.monotonic())
                    if not select.select([self._socket], [], [], remaining)[0]:
                        return b""
                # Whatever is there can be read without waiting long: a TLS record may still be incomplete.
                self._socket.settimeout(max(0.01, until - time.monotonic()))
                data = self._socket.recv(CHUNK)
            except (TimeoutError, ssl.SSLWantReadError):
                if time.monotonic() >= until:
                    return b""
                continue
            except (OSError, ValueError) as problem:
                self.ended = _why(problem)
                return b""
            if data:
                return data
            self.ended = "closed"
        return b""

    def cut(self) -> None:
        """End the connection without a farewell, as a broken line does: TCP reset, nothing flushed."""
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()
        self.ended = "cut"

    def close(self) -> None:
        """Close the socket."""
        with contextlib.suppress(OSError):
            self._socket.close()
        self.ended = self.ended or "closed here"

    def _pending(self) -> bool:
        return isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0


def _why(problem: Exception) -> str:
    if isinstance(problem, ConnectionResetError | BrokenPipeError):
        return "reset"
    if isinstance(problem, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "closed"
    return str(problem) or type(problem).__name__
