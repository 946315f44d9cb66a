"""What a CONNECT says (P3 6.2, 8.2): who the client is, and which session it wants."""

from typing import Any

import msgspec

from reference_server import auth
from reference_server.auth import Keyring, Principal
from reference_server.errors import ApiError

ACCEPTED, NOT_AUTHORIZED = 0, 5
"""Return codes, as MQTT 3.1.1 numbers them; the standard gives 0 only."""
SESSION_EXPIRY_S = 3600.0  # P3 4.2.1; C-70
MAX_EXPIRY_S = 86_400.0
MAX_CLIENT_ID = 128
KEYS = ("apiKey", "api_key", "key", "x-api-key", "X-API-Key")
TOKENS = ("token", "accessToken", "access_token", "bearer")


class Wish(msgspec.Struct, frozen=True):
    """A CONNECT, judged; `keep_alive` and `expiry` in seconds."""

    client_id: str | None
    auth: dict[str, Any] | None
    clean: bool
    keep_alive: float
    expiry: float
    window: int


def read(payload: Any) -> Wish:
    """The wishes in the payload of a CONNECT.

    Raises:
        ApiError: VALIDATION_ERROR.
    """
    if not isinstance(payload, dict):
        raise _bad("payload", "the payload of a CONNECT is an object")
    client_id = payload.get("clientId")
    if client_id is not None and not (isinstance(client_id, str) and 0 < len(client_id) <= MAX_CLIENT_ID):
        raise _bad("payload.clientId", f"clientId is a string of 1 to {MAX_CLIENT_ID} characters")
    given = payload.get("auth")
    if given is not None and not isinstance(given, dict):
        raise _bad("payload.auth", "auth is an object")
    clean = payload.get("cleanStart", payload.get("cleanSession", True))
    if not isinstance(clean, bool):
        raise _bad("payload.cleanStart", "cleanStart is true or false")
    named = "sessionExpiry" if "sessionExpiry" in payload else "sessionExpiryInterval"
    expiry = _number(payload, named, 0.0 if clean else SESSION_EXPIRY_S, 4_294_967_295)
    window = _number(payload, "receiveMaximum", 100, 65_535)
    if window < 1:
        raise _bad("payload.receiveMaximum", "receiveMaximum is 1 to 65535")
    return Wish(
        client_id,
        given,
        clean,
        _number(payload, "keepAlive", 0, 65_535),
        min(expiry, MAX_EXPIRY_S),
        int(window),
    )


def _number(payload: dict[str, Any], name: str, default: float, high: float) -> float:
    value = payload.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= high:
        raise _bad(f"payload.{name}", f"{name} is a number of 0 to {high}")
    return value


def caller(keyring: Keyring, given: dict[str, Any] | None, known: Principal | None) -> Principal:
    """Who the auth of a CONNECT names; without one the caller of the upgrade.

    Raises:
        ApiError: UNAUTHORIZED, INVALID_API_KEY.
    """
    if not given:
        if known is None:
            raise ApiError("UNAUTHORIZED", "auth is missing")
        return known
    found = _secret(given)
    if found is None:
        raise ApiError("UNAUTHORIZED", "auth holds neither a key nor a token")
    kind, secret = found
    return keyring.by_key(secret) if kind == "key" else auth.by_authorization(keyring, f"Bearer {secret}")


def _secret(given: dict[str, Any]) -> tuple[str, str] | None:
    """A key or token in any of the usual forms: the standard names the member only."""
    for kind, names in (("key", KEYS), ("token", TOKENS)):
        for name in names:
            if isinstance(given.get(name), str):
                return kind, given[name]
    word = str(given.get("type", given.get("method", given.get("username", "")))).lower()
    secret = next(
        (
            given[name]
            for name in ("value", "credentials", "secret", "password")
            if isinstance(given.get(name), str)
        ),
        None,
    )
    if secret is None:
        return None
    return ("key" if "key" in word else "token"), secret


def _bad(field: str, message: str) -> ApiError:
    return ApiError("VALIDATION_ERROR", message, {"field": field, "rule": "ERR_INVALID_VALUE"})
