"""Access tokens: JSON Web Tokens (RFC 7519), HMAC-SHA-256 with a key that this server alone holds."""

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from typing import Any

import orjson

LIFETIME_S = 3600
ISSUER = "dtc-reference-twin"
_HEADER = {"alg": "HS256", "typ": "JWT"}


class InvalidTokenError(ValueError):
    """A token that this server did not issue, or that has expired."""


class Tokens:
    """Issues and checks tokens; the key lives as long as the process."""

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key or secrets.token_bytes(32)

    def issue(self, subject: str, scope: str, now: float | None = None) -> str:
        """A token for a client, valid for LIFETIME_S seconds."""
        issued = int(time.time() if now is None else now)
        claims = {
            "iss": ISSUER,
            "sub": subject,
            "scope": scope,
            "iat": issued,
            "exp": issued + LIFETIME_S,
            "jti": secrets.token_hex(12),
        }
        head = f"{_encoded(orjson.dumps(_HEADER))}.{_encoded(orjson.dumps(claims))}"
        return f"{head}.{_encoded(self._sign(head))}"

    def check(self, token: str, now: float | None = None) -> dict[str, Any]:
        """The claims of a valid token; the algorithm is fixed, whatever the header says.

        Raises:
            InvalidTokenError: it is malformed, signed otherwise, or expired.
        """
        head, _, signature = token.rpartition(".")
        try:
            given = _decoded(signature)
            header, claims = (orjson.loads(_decoded(part)) for part in head.split("."))
        except (ValueError, binascii.Error) as problem:
            raise InvalidTokenError("the token is malformed") from problem
        if not hmac.compare_digest(given, self._sign(head)) or header != _HEADER:
            raise InvalidTokenError("the token is not signed by this server")
        if not isinstance(claims, dict) or claims["exp"] <= (time.time() if now is None else now):
            raise InvalidTokenError("the token has expired")
        return claims

    def _sign(self, head: str) -> bytes:
        return hmac.new(self._key, head.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
