"""Signed messages (P3 8.4; C-78): HMAC-SHA256 or Ed25519 over the RFC 8785 form without the signature."""

import base64
import binascii
import hmac
from collections.abc import Mapping
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from reference_server.errors import ApiError

HMAC, ED25519 = "HMAC-SHA256", "Ed25519"


class Signatures:
    """The keys by which messages are verified, by their id."""

    def __init__(self) -> None:
        self._secrets: dict[str, bytes] = {}
        self._public: dict[str, Ed25519PublicKey] = {}

    def add_secret(self, key_id: str, secret: bytes) -> None:
        """Accept HMAC-SHA256 with a secret."""
        self._secrets[key_id] = secret

    def add_seed(self, key_id: str, seed: bytes) -> None:
        """Accept Ed25519 of the private key with this seed of 32 bytes."""
        self._public[key_id] = Ed25519PrivateKey.from_private_bytes(seed).public_key()

    def verify(self, message: Mapping[str, Any]) -> None:
        """Judge the signature of a message.

        Raises:
            ApiError: SIGNATURE_INVALID for an unknown key or algorithm, or a message that was altered.
        """
        signature = message["signature"]
        found = self._right(
            message, signature.get("algorithm"), signature.get("keyId"), signature.get("value")
        )
        if not found:
            raise ApiError("SIGNATURE_INVALID", "the signature of the message does not verify")

    def _right(self, message: Mapping[str, Any], algorithm: Any, key_id: Any, value: Any) -> bool:
        if not isinstance(value, str) or not isinstance(key_id, str):
            return False
        try:
            signed = rfc8785.dumps({name: one for name, one in message.items() if name != "signature"})
        except rfc8785.CanonicalizationError:
            return False
        if algorithm == HMAC and key_id in self._secrets:
            return any(
                hmac.compare_digest(given, hmac.digest(self._secrets[key_id], signed, "sha256"))
                for given in decoded(value, 32)
            )
        if algorithm == ED25519 and key_id in self._public:
            return any(_verifies(self._public[key_id], given, signed) for given in decoded(value, 64))
        return False


def _verifies(key: Ed25519PublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed)
    except InvalidSignature:
        return False
    return True


def decoded(value: str, size: int) -> list[bytes]:
    """What the text of a signature may stand for: hex, base64, URL-safe base64."""
    found: list[bytes] = []
    for read in (bytes.fromhex, _base64, base64.urlsafe_b64decode):
        try:
            raw = read(value)
        except (ValueError, binascii.Error):
            continue
        if len(raw) == size:
            found.append(raw)
    return found


def _base64(value: str) -> bytes:
    return base64.b64decode(value, validate=True)
