"""Small HTTP servers with and without TLS, and certificates for them."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dtc_cli.signing import public_keys


class Handler(BaseHTTPRequestHandler):
    """Answers 404 to everything."""

    document = b""
    """What `/openapi.json` answers; nothing by default."""

    def do_GET(self) -> None:
        """Answer."""
        if not self.document or self.path != "/openapi.json":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("content-length", str(len(self.document)))
        self.end_headers()
        self.wfile.write(self.document)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@contextmanager
def served(certificate: Path | None = None, document: bytes = b"") -> Iterator[str]:
    """A server on a free port; with TLS when a certificate is given, with an API description when one is."""
    handler = type("Described", (Handler,), {"document": document})
    server = HTTPServer(("127.0.0.1", 0), handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}/digital-twin-city/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def self_signed(file: Path) -> tuple[Path, str]:
    """A self-signed certificate with its key in one file, and the SHA-256 of the key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "twin")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + made.public_bytes(pem)
    )
    return file, public_keys.keyid(key.public_key())
