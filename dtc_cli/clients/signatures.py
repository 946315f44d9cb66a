"""Signatures of messages (P3 8.4, C-78): over the RFC 8785 form of the message without its signature."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dtc_cli.core.canonical import canonical_json
from dtc_cli.core.target import Signing


def signature(message: Mapping[str, Any], how: Signing, key: str) -> bytes:
    """The signature.

    Args:
        message: a message; its member `signature` does not count.
        how: algorithm and key id.
        key: the text of an HMAC key, or an Ed25519 private key in hex.
    """
    data = canonical_json({name: value for name, value in message.items() if name != "signature"})
    if how.algorithm == "Ed25519":
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(key)).sign(data)
    return hmac.new(key.encode(), data, hashlib.sha256).digest()
