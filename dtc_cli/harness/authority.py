"""A certificate authority for tests: that of `dtc certs make`, and of `--reference` at gold (D-12)."""

import ipaddress
import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dtc_cli.errors import DtcError

LOCAL = ("localhost", "127.0.0.1", "::1")
YEAR = timedelta(days=365)
CREDENTIAL_URI = "urn:dtc:credential:"
"""The bundled twin takes a client certificate for the credential that this URI and the common name name."""
RESERVED = ("ca", "server")
NAME_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


class Authority:
    """Signs certificates for a day's work: P-256, a year, nothing that anybody else should trust."""

    def __init__(self, certificate: x509.Certificate, key: EllipticCurvePrivateKey) -> None:
        self.certificate = certificate
        self._key = key

    @classmethod
    def fresh(cls, name: str = "dtc test authority") -> "Authority":
        """A new one, self-signed."""
        key = generate_private_key(SECP256R1())
        subject = _subject(name)
        now = datetime.now(UTC)
        unsigned = (
            x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=30))
            .not_valid_after(now + YEAR)
            .add_extension(x509.BasicConstraints(True, 0), critical=True)
            .add_extension(_key_usage("key_cert_sign", "crl_sign"), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        return cls(unsigned.sign(key, SHA256()), key)

    @classmethod
    def opened(cls, folder: Path) -> "Authority | None":
        """The one that lies in a folder as ca.pem and ca.key; None without both.

        Raises:
            DtcError: `certs` when the files cannot be used.
        """
        pem, secret = folder / "ca.pem", folder / "ca.key"
        if not (pem.exists() and secret.exists()):
            return None
        try:
            key = load_pem_private_key(secret.read_bytes(), None)
            certificate = x509.load_pem_x509_certificate(pem.read_bytes())
        except (ValueError, TypeError, OSError) as problem:
            raise _refused(
                f"the authority in {folder} cannot be read", str(folder), str(problem)
            ) from problem
        if not isinstance(key, EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise _refused(
                f"the authority in {folder} is not usable", str(secret), "it is not the key of ca.pem"
            )
        return cls(certificate, key)

    def server(self, hosts: Iterable[str] = LOCAL) -> tuple[x509.Certificate, EllipticCurvePrivateKey]:
        """A certificate for these host names and addresses."""
        names = [_general(host) for host in hosts]
        return self._issue("localhost", names, ExtendedKeyUsageOID.SERVER_AUTH)

    def client(self, credential: str) -> tuple[x509.Certificate, EllipticCurvePrivateKey]:
        """A certificate that stands for a credential of the target."""
        names = [x509.UniformResourceIdentifier(CREDENTIAL_URI + credential), x509.DNSName(credential)]
        return self._issue(credential, names, ExtendedKeyUsageOID.CLIENT_AUTH)

    def _issue(
        self, common_name: str, names: list[x509.GeneralName], purpose: x509.ObjectIdentifier
    ) -> tuple[x509.Certificate, EllipticCurvePrivateKey]:
        key = generate_private_key(SECP256R1())
        now = datetime.now(UTC)
        issuer_id = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        unsigned = (
            x509.CertificateBuilder(
                self.certificate.subject, _subject(common_name), key.public_key(), x509.random_serial_number()
            )
            .not_valid_before(now - timedelta(minutes=30))
            .not_valid_after(min(now + YEAR, self.certificate.not_valid_after_utc))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(False, None), critical=True)
            .add_extension(_key_usage("digital_signature"), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_id), critical=False
            )
        )
        return unsigned.sign(self._key, SHA256()), key

    def own_pair(self) -> tuple[x509.Certificate, EllipticCurvePrivateKey]:
        """Certificate and key of the authority itself."""
        return self.certificate, self._key


def make(folder: Path, *, hosts: Iterable[str] = (), clients: Iterable[str] = ()) -> list[Path]:
    """Write ca, server and a pair per client into a folder; an authority that lies there is used again.

    Raises:
        DtcError: `certs` for a folder that cannot be written or a client name that is no file name.
    """
    chosen = list(clients)
    for name in chosen:
        if name in RESERVED or not name.strip(".") or not NAME_CHARACTERS.issuperset(name):
            raise _refused(
                f"{name!r} is no name for a client",
                f"--client {name}",
                "letters, digits, dot, dash, underscore",
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written: list[Path] = []
        authority = Authority.opened(folder)
        if authority is None:
            authority = Authority.fresh()
            written += _write(folder, "ca", authority.own_pair())
        written += _write(folder, "server", authority.server((*LOCAL, *hosts)))
        for name in chosen:
            written += _write(folder, name, authority.client(name))
    except OSError as problem:
        raise _refused(
            f"nothing can be written into {folder}", str(folder), problem.strerror or str(problem)
        ) from problem
    return written


def _write(
    folder: Path, name: str, pair: tuple[x509.Certificate, EllipticCurvePrivateKey]
) -> tuple[Path, Path]:
    pem, secret = folder / f"{name}.pem", folder / f"{name}.key"
    secret.unlink(missing_ok=True)
    # 0600 from the first byte on: a file made readable first could be opened in between
    with os.fdopen(os.open(secret, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as stream:
        stream.write(pair[1].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    pem.write_bytes(pair[0].public_bytes(Encoding.PEM))
    return pem, secret


def _subject(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return x509.DNSName(host)
    except ValueError as problem:
        raise _refused(f"{host!r} is no host name", f"--host {host}", str(problem)) from problem


def _key_usage(*allowed: str) -> x509.KeyUsage:
    every = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{one: one in allowed for one in every})


def _refused(what: str, where: str, why: str) -> DtcError:
    return DtcError("certs", what, where=where, why=why, hint="dtc certs make --help")
