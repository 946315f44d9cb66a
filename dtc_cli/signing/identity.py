"""Who a short-lived certificate of Sigstore names: a person or a build, and who vouches for the name."""

from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from dtc_cli.core.canonical import canonical_json, sha256_hex
from dtc_cli.signing.public_keys import PublicKey, UnusableKeyError, supported
from dtc_cli.signing.refusal import Refusal

ISSUER_V2 = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
ISSUER_V1 = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
UTF8_STRING = 0x0C


class Identity(NamedTuple):
    """A name and who issued it; both together, since the same name means another at another issuer."""

    san: str
    """E-mail address or URI in the certificate."""
    issuer: str
    """URI of the provider that checked the name (OIDC)."""

    @property
    def id(self) -> str:
        """SHA-256 (hex) over both, in the place that a key id has for keys."""
        return sha256_hex(canonical_json({"issuer": self.issuer, "san": self.san}))


def read(der: bytes) -> tuple[Identity, PublicKey]:
    """The identity and the public key of a certificate; whether it is genuine is checked elsewhere.

    Raises:
        Refusal: when it is no certificate, or names not exactly one identity with its issuer.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        extensions = certificate.extensions
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        key = supported(certificate.public_key())
    except (ValueError, x509.ExtensionNotFound, UnusableKeyError) as problem:
        raise Refusal(f"the signer's certificate cannot be used: {problem}") from problem
    found = [*names.get_values_for_type(x509.RFC822Name)]
    found += names.get_values_for_type(x509.UniformResourceIdentifier)
    if len(found) != 1 or len(list(names)) != 1 or not isinstance(key, ec.EllipticCurvePublicKey):
        raise Refusal("the signer's certificate does not name exactly one e-mail address or URI")
    return Identity(found[0], _issuer(extensions)), key


def _issuer(extensions: x509.Extensions) -> str:
    for oid in (ISSUER_V2, ISSUER_V1):
        try:
            value = extensions.get_extension_for_oid(oid).value
        except x509.ExtensionNotFound:
            continue
        if isinstance(value, x509.UnrecognizedExtension):
            return _text(value.value, der=oid == ISSUER_V2)
    raise Refusal("the signer's certificate does not say who issued its name")


def _text(data: bytes, *, der: bool) -> str:
    if der:
        if len(data) < 2 or data[0] != UTF8_STRING or data[1] != len(data) - 2 or data[1] > 127:
            raise Refusal("the issuer's name in the certificate has another form than UTF8String")
        data = data[2:]
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise Refusal("the issuer's name in the certificate is not UTF-8") from problem
