"""Compact JWS with ES256, as VC-JWT uses it: one algorithm, one header, one spelling."""

import base64
import binascii
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from dtc_cli.core.canonical import canonical_json
from dtc_cli.signing import strict_json
from dtc_cli.signing.dsse import Signer
from dtc_cli.signing.public_keys import PublicKey, keyid, signed_by
from dtc_cli.signing.refusal import Refusal

MAX_CHARS = 256 * 1024
HALF = 32


class Token(NamedTuple):
    """A token whose signature was not checked yet."""

    keyid: str
    payload: dict[str, Any]
    signed: bytes
    signature: bytes


def sign(payload: dict[str, Any], kind: str, signer: Signer) -> str:
    """The compact form; `kind` is the header's `typ`, `kid` is the SHA-256 of the key.

    Raises:
        Refusal: when the key is not P-256.
    """
    if not isinstance(signer.public, ec.EllipticCurvePublicKey):
        raise Refusal("certificates are signed with a P-256 key (ES256)")
    header = {"alg": "ES256", "kid": signer.keyid, "typ": kind}
    data = f"{_encode(canonical_json(header))}.{_encode(canonical_json(payload))}".encode()
    r, s = decode_dss_signature(signer.sign(data))
    made = r.to_bytes(HALF) + s.to_bytes(HALF)
    token = f"{data.decode()}.{_encode(made)}"
    verify(token, kind, signer.public)
    return token


def read(text: str, kind: str) -> Token:
    """A token in its only spelling, unverified.

    Raises:
        Refusal: for another algorithm, kind, header or spelling.
    """
    parts = text.split(".")
    if len(text) > MAX_CHARS or len(parts) != 3:
        raise Refusal("that is no signed token")
    header = strict_json.parse_canonical(_decode(parts[0]), "the token's header")
    if not isinstance(header, dict) or set(header) != {"alg", "kid", "typ"}:
        raise Refusal("the token's header has other members than alg, kid and typ")
    if header["alg"] != "ES256" or header["typ"] != kind or not isinstance(header["kid"], str):
        raise Refusal(f"the token is not {kind} signed with ES256")
    payload = strict_json.parse_canonical(_decode(parts[1]), "the token's payload")
    if not isinstance(payload, dict):
        raise Refusal("the token's payload is no object")
    return Token(header["kid"], payload, f"{parts[0]}.{parts[1]}".encode(), _decode(parts[2]))


def verify(text: str, kind: str, key: PublicKey) -> dict[str, Any]:
    """The payload of a token that the key signed.

    Raises:
        Refusal: when it did not.
    """
    token = read(text, kind)
    if token.keyid != keyid(key):
        raise Refusal(f"the token is signed by another key, {token.keyid[:16]}")
    if len(token.signature) != 2 * HALF or not isinstance(key, ec.EllipticCurvePublicKey):
        raise Refusal("the token's signature has another form than ES256")
    r, s = int.from_bytes(token.signature[:HALF]), int.from_bytes(token.signature[HALF:])
    if not signed_by(key, encode_dss_signature(r, s), token.signed):
        raise Refusal("the token's signature does not fit")
    return token.payload


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as problem:
        raise Refusal("the token is not base64url") from problem
    if _encode(data) != text:
        raise Refusal("the token is not in its only spelling")
    return data
