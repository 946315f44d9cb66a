"""`dtc verify --target`: is the server at an address the one that was judged? Asked of real TLS servers."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode
from dtc_cli.signing import live, public_keys
from dtc_cli.signing.refusal import Unavailable
from tests.support.packages import check, failing, make, trust_file


class Handler(BaseHTTPRequestHandler):
    """Answers 404 to everything."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@contextmanager
def served(certificate: Path | None = None) -> Iterator[str]:
    """A server on a free port; with TLS when a certificate is given."""
    server = HTTPServer(("127.0.0.1", 0), Handler)
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


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
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
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + made.public_bytes(pem)
    )
    return file, public_keys.keyid(key.public_key())


def package_of(folder: Path, *spki: str) -> Path:
    return make(
        folder,
        target={
            "name": "Twin", "vendor": "v", "version": "1", "city": "KR-BUSAN-2025",
            "fingerprint": {"tlsSpki": list(spki), "server": None, "openapi": None},
        },
    )  # fmt: skip


def test_the_judged_server_is_recognised(certificate: tuple[Path, str], tmp_path: Path) -> None:
    package = package_of(tmp_path, "0" * 64, certificate[1])
    with served(certificate[0]) as url:
        result = check(package, trust_file(tmp_path), target=url)
    assert (failing(result), result.exit_code) == ([], ExitCode.OK)


def test_another_server_is_noticed(certificate: tuple[Path, str], tmp_path: Path) -> None:
    package = package_of(tmp_path, "0" * 64)
    with served(certificate[0]) as url:
        result = check(package, trust_file(tmp_path), target=url)
    assert (failing(result), result.exit_code, result.authentic) == (["target.match"], ExitCode.STALE, True)
    assert result.conformant is None


def test_without_tls_nothing_can_be_recognised(certificate: tuple[Path, str], tmp_path: Path) -> None:
    with served() as url:
        plain = check(package_of(tmp_path / "a", "0" * 64), trust_file(tmp_path), target=url)
    with served(certificate[0]) as url:
        unseen = check(package_of(tmp_path / "b"), trust_file(tmp_path), target=url)
    for result in (plain, unseen):
        assert (failing(result), result.exit_code) == (["target.match"], ExitCode.CANNOT_DECIDE)


def test_a_server_that_does_not_answer_leaves_it_open(tmp_path: Path) -> None:
    with served() as url:
        gone = url
    result = check(package_of(tmp_path, "0" * 64), trust_file(tmp_path), target=gone)
    assert (failing(result), result.exit_code) == (["target.match"], ExitCode.CANNOT_DECIDE)


def test_a_server_that_speaks_something_else_leaves_it_open(certificate: tuple[Path, str]) -> None:
    with served() as url, pytest.raises(Unavailable):
        live.look(url.replace("http:", "https:"))


def test_the_server_header_is_noted() -> None:
    with served() as url:
        shown = live.look(url)
    assert shown.spki is None
    assert shown.server is not None
    assert shown.server.startswith("BaseHTTP")


@pytest.mark.parametrize(
    "url",
    [
        "twin.example",
        "ftp://x/",
        "https://",
        "https://u:p@x/",
        "http://x:0/",
        "http://x:99999/",
        "http://x/\n",
        "http://é/",
    ],
)
def test_another_address_is_refused(url: str) -> None:
    with pytest.raises(DtcError) as refused:
        live.look(url)
    assert refused.value.code == "usage"
