"""What a server shows of itself now, to compare with what it showed during a run; nothing secret is sent."""

import http.client
import json
import ssl
from urllib.parse import SplitResult, urlsplit

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dtc_cli.core.canonical import canonical_json, sha256_hex
from dtc_cli.errors import DtcError
from dtc_cli.signing.refusal import Unavailable

TIMEOUT_S = 10.0
MAX_DESCRIPTION = 16 * 1024**2


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """The public face of a server."""

    spki: str | None
    """SHA-256 (hex) of the TLS key, DER SubjectPublicKeyInfo; None without TLS."""
    server: str | None
    """The `Server` header."""
    openapi: str | None = None
    """SHA-256 (hex) of `/openapi.json` as the preflight of a run takes it; None: none for strangers."""


def look(url: str, *, timeout_s: float = TIMEOUT_S, description: bool = False) -> Shown:
    """Ask a server once and note its TLS key and its `Server` header; the answer itself does not matter.

    With `description` its API description is asked for too.

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
        answer = connection.getresponse()
        server = answer.getheader("Server")
        answer.read(MAX_DESCRIPTION)
        openapi = _described(connection) if description else None
    except (OSError, http.client.HTTPException) as problem:
        raise Unavailable(f"{parts.netloc} does not answer: {str(problem)[:200]}") from problem
    finally:
        connection.close()
    return Shown(spki=spki, server=server, openapi=openapi)


def _described(connection: http.client.HTTPConnection) -> str | None:
    connection.request("GET", "/openapi.json", headers={"Accept": "application/json"})
    answer = connection.getresponse()
    data = answer.read(MAX_DESCRIPTION)
    if answer.status != 200 or len(data) >= MAX_DESCRIPTION:
        return None
    try:
        return sha256_hex(canonical_json(json.loads(data)))
    except UnicodeDecodeError:
        return None
    except (ValueError, RecursionError):
        # Not every JSON text has an RFC 8785 form; then the bytes themselves are recognised.
        return sha256_hex(data)


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
