"""What a server shows of itself now, to compare with what it showed during a run; nothing secret is sent."""

import http.client
import ssl
from urllib.parse import SplitResult, urlsplit

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dtc_cli.core.canonical import sha256_hex
from dtc_cli.errors import DtcError
from dtc_cli.signing.refusal import Unavailable

TIMEOUT_S = 10.0


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """The public face of a server."""

    spki: str | None
    """SHA-256 (hex) of the TLS key, DER SubjectPublicKeyInfo; None without TLS."""
    server: str | None
    """The `Server` header."""


def look(url: str, *, timeout_s: float = TIMEOUT_S) -> Shown:
    """Ask a server once and note its TLS key and its `Server` header; the answer itself does not matter.

    The certificate is not checked against authorities: the key is compared with the one that was signed,
    which says more.

    Raises:
        DtcError: `usage` when it is no http or https address.
        Unavailable: when nothing answers there.
    """
    parts = _parts(url)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(parts.netloc, timeout=timeout_s, context=_context())
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=timeout_s)
    try:
        connection.request("GET", parts.path or "/", headers={"Accept": "application/json"})
        spki = _spki(connection.sock)
        server = connection.getresponse().getheader("Server")
    except (OSError, http.client.HTTPException) as problem:
        raise Unavailable(f"{parts.netloc} does not answer: {str(problem)[:200]}") from problem
    finally:
        connection.close()
    return Shown(spki=spki, server=server)


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or "@" in url or not url.isascii() or any(ord(char) <= 32 for char in url):
        raise DtcError(
            "usage",
            "that is not the address of a target",
            where=f"--target {url}",
            hint="--target https://twin.example/digital-twin-city/v1",
        )
    return parts


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the signed key is the authority, see `look`
    return context


def _spki(sock: object) -> str | None:
    certificate = sock.getpeercert(binary_form=True) if isinstance(sock, ssl.SSLSocket) else None
    if not certificate:
        return None
    key = x509.load_der_x509_certificate(certificate).public_key()
    return sha256_hex(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
