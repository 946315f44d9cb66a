"""Public keys: reading PEM, the key id, and checking a signature with the algorithm that the key fixes."""

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from dtc_cli.core.canonical import sha256_hex

PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


class UnusableKeyError(ValueError):
    """A text is no public key, or one of a kind that `dtc` does not sign or verify with."""


def read_pem(data: bytes) -> PublicKey:
    """The public key of a PEM text (SubjectPublicKeyInfo): ECDSA P-256 or Ed25519.

    Raises:
        UnusableKeyError: for anything else.
    """
    try:
        return supported(serialization.load_pem_public_key(data))
    except (ValueError, UnsupportedAlgorithm) as problem:
        if isinstance(problem, UnusableKeyError):
            raise
        raise UnusableKeyError("it is not a public key in PEM form") from problem


def supported(key: PublicKeyTypes) -> PublicKey:
    """The key, if it is of a kind that `dtc` uses.

    Raises:
        UnusableKeyError: for RSA, other curves and the rest.
    """
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    if isinstance(key, ec.EllipticCurvePublicKey):
        if isinstance(key.curve, ec.SECP256R1):
            return key
        raise UnusableKeyError(f"it is a key on the curve {key.curve.name}; P-256 or Ed25519 is needed")
    raise UnusableKeyError(f"it is a key of another kind ({type(key).__name__}); P-256 or Ed25519 is needed")


def keyid(key: PublicKey) -> str:
    """SHA-256 (hex) of the key's DER SubjectPublicKeyInfo."""
    return sha256_hex(
        key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def to_pem(key: PublicKey) -> bytes:
    """The key as PEM SubjectPublicKeyInfo, the one form that `dtc` writes."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def algorithm(key: PublicKey) -> str:
    """`ecdsa-p256-sha256` or `ed25519`."""
    return "ed25519" if isinstance(key, ed25519.Ed25519PublicKey) else "ecdsa-p256-sha256"


def signed_by(key: PublicKey, signature: bytes, data: bytes) -> bool:
    """Whether the signature over the data was made with this key. No message can choose the algorithm."""
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, data)
        else:
            key.verify(signature, data, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True
