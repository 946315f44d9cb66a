"""`python -m reference_server certs make`: an authority for development, and certificates signed by it."""

import datetime
import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from reference_server.target import write_private
from reference_server.tls import NAMESPACE

HOSTS = ("localhost", "127.0.0.1", "::1")
LIFETIME = datetime.timedelta(days=365)
BACKDATED = datetime.timedelta(hours=1)
"""Clocks of other machines may be behind."""

Authority = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def make(folder: Path, *, hosts: Sequence[str] = (), clients: Sequence[str] = ()) -> list[Path]:
    """Write `ca`, `server` and a pair per client name, each as `.pem` and `.key`; what was written.

    An authority that lies in the folder already is used again, so that clients can be added later. Keys are
    P-256 in files that only the owner can read; a certificate holds for a year.

    Raises:
        ValueError: an authority in the folder that cannot be read, or a client name that is no file name.
        OSError: the folder cannot be written.
    """
    for name in clients:
        if not name or name in (".", "..", "ca", "server") or not set(name) <= _NAME_CHARACTERS:
            raise ValueError(f"{name!r} is no name for a client")
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    authority = _known(folder)
    if authority is None:
        authority = _new_authority()
        written += _store(folder, "ca", *authority)
    server = _leaf(authority, "localhost", [_host(one) for one in (*HOSTS, *hosts)], server=True)
    written += _store(folder, "server", *server)
    for name in clients:
        alternative = x509.UniformResourceIdentifier(NAMESPACE + name)
        written += _store(folder, name, *_leaf(authority, name, [alternative], server=False))
    return written


_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


def _known(folder: Path) -> Authority | None:
    certificate, key = folder / "ca.pem", folder / "ca.key"
    if not (certificate.exists() and key.exists()):
        return None
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{key} is not an elliptic curve key")
    return x509.load_pem_x509_certificate(certificate.read_bytes()), loaded


def _new_authority() -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("dtc development authority")
    builder = _builder(name, name, key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    return builder.sign(key, hashes.SHA256()), key


def _leaf(
    authority: Authority, common_name: str, alternatives: Sequence[x509.GeneralName], *, server: bool
) -> Authority:
    issuer, issuer_key = authority
    key = ec.generate_private_key(ec.SECP256R1())
    purpose = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = _builder(_name(common_name), issuer.subject, key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
    )
    return builder.sign(issuer_key, hashes.SHA256()), key


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _store(
    folder: Path, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> list[Path]:
    pem, private = folder / f"{name}.pem", folder / f"{name}.key"
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private(private, encoded.decode())
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    os.chmod(pem, 0o644)
    return [pem, private]
