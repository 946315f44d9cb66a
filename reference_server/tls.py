"""TLS of the three doors (P3 8.1), and whom a client certificate stands for (P3 8.2.3)."""

import ssl
from pathlib import Path
from typing import Any

HSTS = "max-age=31536000"
"""A year: browsers come back over TLS only."""
NAMESPACE = "urn:dtc:credential:"
"""A client certificate of a credential carries this and the credential's name as a URI."""


class UnusableCertificateError(Exception):
    """A certificate, key or CA file that cannot be used; the message names the file."""


def context(
    cert: Path, key: Path, client_ca: Path | None = None, protocols: tuple[str, ...] = ()
) -> ssl.SSLContext:
    """What a listening socket speaks: TLS 1.3 and nothing older.

    With `client_ca` every client must show a certificate of that authority. `protocols` are offered by ALPN.

    Raises:
        UnusableCertificateError: a file is missing or not PEM, or the key is not that of the certificate.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = (
        ssl.TLSVersion.TLSv1_3
    )  # P3 8.1; C-77: 1.2 only earns a warning, so it is not spoken
    try:
        made.load_cert_chain(cert, key)
    except OSError as problem:
        raise UnusableCertificateError(f"{cert} with {key}: {problem.strerror or problem}") from problem
    if client_ca is not None:
        made.verify_mode = ssl.CERT_REQUIRED
        try:
            made.load_verify_locations(client_ca)
        except OSError as problem:
            raise UnusableCertificateError(f"{client_ca}: {problem.strerror or problem}") from problem
    if protocols:
        made.set_alpn_protocols(list(protocols))
    return made


def subject(transport: Any) -> str | None:
    """The credential that the peer's verified certificate names; None without a certificate.

    The common name must be confirmed by a subject alternative name, `urn:dtc:credential:NAME` or the DNS name
    NAME; the empty string is returned where it is not, and is nobody's name.
    """
    shown = transport.get_extra_info("peercert")
    if not shown:
        return None
    names = [value for part in shown.get("subject", ()) for field, value in part if field == "commonName"]
    confirmed = {value.removeprefix(NAMESPACE) for _, value in shown.get("subjectAltName", ())}
    return names[0] if len(names) == 1 and names[0] in confirmed else ""
