"""Canonical bytes and digests: RFC 8785 JSON, SHA-256 in lower-case hex."""

import hashlib
from typing import Any

import rfc8785


def canonical_json(value: Any) -> bytes:
    """The RFC 8785 (JCS) bytes of a JSON value.

    Raises:
        rfc8785.CanonicalizationError: for NaN, infinities, integers beyond 2^53 or non-string keys.
    """
    return rfc8785.dumps(value)


def sha256_hex(data: bytes) -> str:
    """SHA-256 of the bytes, 64 lower-case hex digits."""
    return hashlib.sha256(data).hexdigest()
