"""Who calls: API keys and bearer tokens, roles, and what each role may do (P2 4.1, 8, 9.2)."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable, Mapping

import msgspec

from reference_server import instants
from reference_server.errors import ApiError
from reference_server.storage.protocol import CredentialRow, RetiredSecret
from reference_server.tokens import InvalidTokenError, Tokens

READ, WRITE, DELETE, MEASURE, MANAGE = "read", "write", "delete", "measure", "manage"
ROLES: Mapping[str, frozenset[str]] = {
    "admin": frozenset({READ, WRITE, DELETE, MEASURE, MANAGE}),
    "operator": frozenset({READ, WRITE, DELETE, MEASURE}),
    "viewer": frozenset({READ}),
    "device": frozenset({READ, MEASURE}),
}
CHALLENGE = {"www-authenticate": 'Bearer realm="digital-twin-city", ApiKey realm="digital-twin-city"'}


class Principal(msgspec.Struct, frozen=True):
    """An authenticated caller; `cities` None means every city."""

    name: str
    role: str
    rights: frozenset[str]
    cities: frozenset[str] | None
    allowance: int
    window: float
    until: float | None = None
    """When the credentials end, on the monotonic clock; None for a key, which does not."""

    def may(self, right: str, city: str) -> bool:
        """Whether the caller holds a right in a city."""
        return right in self.rights and (self.cities is None or city in self.cities)


def digest(secret: str) -> bytes:
    """What is stored of a secret of 256 random bits; such a one needs no salt and no slow hash."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def new_key() -> str:
    """A fresh secret."""
    return "dtk_" + secrets.token_urlsafe(32)


class Keyring:
    """The credentials that the server accepts, in memory, by the digest of their secret."""

    def __init__(self, rows: Iterable[CredentialRow]) -> None:
        self.tokens = Tokens()
        self._keys: dict[bytes, Principal] = {}
        self.clients: dict[str, tuple[bytes, Principal]] = {}
        self._names: dict[str, Principal] = {}
        self._retired: dict[bytes, RetiredSecret] = {}
        for row in rows:
            self.add(row)

    def add(self, row: CredentialRow) -> None:
        """Accept a credential from now on."""
        cities = None if row.cities is None else frozenset(row.cities)
        principal = Principal(row.name, row.role, ROLES[row.role], cities, row.allowance, row.window)
        self._names[row.name] = principal
        if row.kind == "oauth":
            self.clients[row.name] = (row.digest, principal)
        else:
            self._keys[row.digest] = principal

    def by_key(self, key: str) -> Principal:
        """The caller of an API key.

        Raises:
            ApiError: INVALID_API_KEY for one that is not known.
        """
        given = digest(key)
        found = self._keys.get(given)
        if found is None:
            found = self._still(given)
        if found is None:
            raise ApiError("INVALID_API_KEY", "the API key is not known", headers=CHALLENGE)
        return found

    def rotated(self, row: CredentialRow, old: bytes, until: int) -> None:
        """Accept a credential with its new secret, and with the old one until then (microseconds UTC)."""
        for retired in [one for one in self._retired.values() if one.name == row.name]:
            self.retire(msgspec.structs.replace(retired, until=min(retired.until, until)))
        self._keys.pop(old, None)
        self.retire(RetiredSecret(old, row.name, until))
        self.add(row)

    def retire(self, secret: RetiredSecret) -> None:
        """Accept a secret that was replaced for as long as it holds."""
        self._retired[secret.digest] = secret

    def _still(self, given: bytes) -> Principal | None:
        """The caller of a key that was replaced and still holds; not of a client's secret."""
        retired = self._retired.get(given)
        if retired is None:
            return None
        if retired.until <= instants.now_us():
            del self._retired[given]
            return None
        return None if retired.name in self.clients else self._names.get(retired.name)

    def client(self, name: str, secret: str) -> Principal | None:
        """The principal of a client that shows its secret, or the one before it while that holds."""
        known, given = self.clients.get(name), digest(secret)
        if known is None:
            return None
        retired = self._retired.get(given)
        late = retired is not None and retired.name == name and retired.until > instants.now_us()
        return known[1] if hmac.compare_digest(known[0], given) or late else None

    def by_certificate(self, subject: str) -> Principal:
        """The caller whom a client certificate names (P3 8.2.3).

        Raises:
            ApiError: FORBIDDEN for a name that is no credential's.
        """
        found = self._names.get(subject)
        if found is None:
            raise ApiError("FORBIDDEN", "the client certificate names no credential of this server")
        return found

    def by_name(self, name: str) -> Principal | None:
        """The caller that a client of this name stands for."""
        client = self.clients.get(name)
        return None if client is None else client[1]


def authenticate(
    keyring: Keyring, headers: Mapping[bytes, bytes], certificate: str | None = None
) -> Principal:
    """The caller of a request, by X-API-Key, else by Authorization, else by the client certificate.

    Where mutual TLS is asked for, `certificate` is the subject of the verified one, and must be known even
    when a key says more closely who calls.

    Raises:
        ApiError: UNAUTHORIZED without usable credentials, INVALID_API_KEY for an unknown key, FORBIDDEN for a
            certificate of nobody.
    """
    owner = None if certificate is None else keyring.by_certificate(certificate)
    key = headers.get(b"x-api-key")
    if key is not None:
        return keyring.by_key(key.decode("latin-1"))
    authorization = headers.get(b"authorization")
    if authorization is None and owner is not None:
        return owner
    if authorization is None:
        raise ApiError("UNAUTHORIZED", "send an X-API-Key or a bearer token", headers=CHALLENGE)
    return by_authorization(keyring, authorization.decode("latin-1"))


def by_authorization(keyring: Keyring, value: str) -> Principal:
    """The caller of an Authorization header.

    Raises:
        ApiError: UNAUTHORIZED for another scheme or a token that is not valid.
    """
    scheme, _, token = value.partition(" ")
    try:
        claims = keyring.tokens.check(token) if scheme.lower() == "bearer" else None
    except InvalidTokenError:
        claims = None
    principal = None if claims is None else keyring.by_name(claims["sub"])
    if claims is None or principal is None:
        raise ApiError("UNAUTHORIZED", "the credentials are not accepted", headers=CHALLENGE)
    rights = principal.rights & set(claims["scope"].split())
    until = time.monotonic() + claims["exp"] - time.time()
    return msgspec.structs.replace(principal, rights=rights, until=until)
