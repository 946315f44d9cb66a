"""Holes through which a stranger comes in, or a caller gets more than theirs (DTC-SEC-001 to -006)."""

import base64
import hashlib
import hmac
import json
import re
import urllib.request
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.hole_door import JSON, Before, Door, Hole, keyless, tidied, when
from tests.support.relay import Reply, Request


def open_to_all(method: str, path: str) -> Before:
    """An operation that looks at no credential."""
    return when(
        lambda _, request: (
            request.method == method
            and keyless(request)
            and re.fullmatch(path, request.below)
            and request.city
        )
    )


def as_viewer(method: str, path: str) -> Before:
    """An operation at which the role is not looked at."""
    return when(
        lambda door, request: (
            door.role(request) == "viewer" and request.method == method and re.fullmatch(path, request.below)
        )
    )


def below_own_city(path: str, *methods: str) -> Before:
    """An id of another city is found under the caller's own one."""

    def before(door: Door, request: Request) -> None:
        mine = door.role(request) == "other_city" and request.city == door.other
        if mine and request.method in methods and re.fullmatch(path, request.below):
            plain = door.ask(request.method, request.path, body=request.body, headers=_sent(request))
            if plain.status == 404:
                request.path = request.path.replace(door.other, door.city)
                door.admit(request)

    return before


def _sent(request: Request) -> dict[str, str]:
    skipped = {"host", "connection", "content-length", "accept-encoding"}
    return {name: value for name, value in request.headers.items() if name not in skipped}


def token_parts(request: Request) -> tuple[dict[str, Any], dict[str, Any], str, bytes] | None:
    """Header, claims, signed text and signature of a bearer token that is a JWT."""
    text = request.headers.get("authorization", "").removeprefix("Bearer ")
    parts = text.split(".")
    if len(parts) != 3:
        return None
    try:
        head, claims = (json.loads(_decoded(part)) for part in parts[:2])
        return head, claims, f"{parts[0]}.{parts[1]}", _decoded(parts[2])
    except ValueError:
        return None


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def token(test: Callable[[Door, dict[str, Any], dict[str, Any], str, bytes], Any]) -> Before:
    """A wrong check of tokens lets them in."""
    return when(lambda door, request: (found := token_parts(request)) is not None and test(door, *found))


def _hs256(key: bytes, signed: str, signature: bytes) -> bool:
    return hmac.compare_digest(hmac.new(key, signed.encode(), hashlib.sha256).digest(), signature)


RSA_JWK = {
    "kty": "RSA", "use": "sig", "alg": "RS256", "kid": "one", "e": "AQAB",
    "n": base64.urlsafe_b64encode(b"\xc7" + bytes(range(1, 256))).decode().rstrip("="),
}  # fmt: skip


def public_pem() -> bytes:
    """The key set's key as PEM, as a library would give it to a check that trusts the header."""
    number = int.from_bytes(_decoded(str(RSA_JWK["n"])), "big")
    key = RSAPublicNumbers(65537, number).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _confused(door: Door, request: Request) -> Reply | None:
    if request.path.endswith("/.well-known/jwks.json"):
        return Reply(200, dict(JSON), json.dumps({"keys": [RSA_JWK]}).encode())
    found = token_parts(request)
    if found and found[0].get("alg") == "HS256" and _hs256(public_pem(), found[2], found[3]):
        door.admit(request)
    return None


def _fetching(door: Door, request: Request) -> None:
    found = token_parts(request)
    where = str((found[0] if found else {}).get("jku", ""))
    if where.startswith("http"):
        try:
            with urllib.request.urlopen(where, timeout=3) as answer:  # noqa: S310 - http, which is the hole
                answer.read()
        except OSError:
            return


def _short_lived(door: Door, request: Request, reply: Reply) -> Reply | None:
    """Tokens are for three seconds, and work for an hour."""
    if request.path.endswith("/oauth/token") and reply.status == 200:
        reply.json = {**reply.json, "expires_in": 3}
    return reply


def _issued(door: Door, request: Request, reply: Reply) -> None:
    """Keep the true signatures of what the twin issued."""
    if request.path.endswith("/oauth/token") and reply.status == 200:
        signed, _, signature = reply.json["access_token"].rpartition(".")
        door.state.setdefault("issued", {})[signed] = _decoded(signature)


def _begins(door: Door, signed: str, signature: bytes) -> bool:
    """Whether a signature begins as the true one."""
    issued: dict[str, bytes] = door.state.setdefault("issued", {})
    return signed in issued and issued[signed][:7] == signature[:7]


def _original_url(door: Door, request: Request) -> None:
    wanted = request.headers.get("x-original-url", "")
    if keyless(request) and not request.city and wanted.startswith("/"):
        request.path = wanted
        door.admit(request)


def _remembered(door: Door, request: Request) -> None:
    """Who was let in once on a connection stays in."""
    if door.role(request):
        door.link.known = True  # type: ignore[attr-defined]
    elif getattr(door.link, "__dict__", {}).get("known") and keyless(request):
        door.admit(request)


def _cached(door: Door, request: Request) -> Reply | None:
    kept: Reply | None = door.state.get(request.path)
    if request.method == "GET" and not request.query and kept is not None and door.role(request) is None:
        return Reply(200, dict(kept.headers), kept.body)
    return None


def _cache(door: Door, request: Request, reply: Reply) -> None:
    if request.method == "GET" and reply.status == 200 and not request.query and door.role(request):
        door.state[request.path] = Reply(200, dict(reply.headers), reply.body)


def _old_version(door: Door, request: Request) -> None:
    if re.match(r"/digital-twin-city/v0/", request.path):
        request.path = request.path.replace("/v0/", "/v1/", 1)
        door.admit(request)


def _options_shows(door: Door, request: Request) -> Reply | None:
    if request.method == "OPTIONS" and request.city:
        return door.ask("GET", request.path, headers={"x-api-key": door.keys["admin"]})
    return None


def _half_key(door: Door, request: Request) -> bool:
    given = request.headers.get("x-api-key", "")
    return any(len(given) == len(key) and given[:12] == key[:12] for key in door.keys.values())


def _overridden(door: Door, request: Request) -> None:
    """Rights are looked up by the method that was sent, the route by the one that is meant."""
    wanted = request.headers.get("x-http-method-override", "").upper()
    if wanted and door.role(request) == "viewer":
        request.method = wanted
        request.headers["content-type"] = "application/json"
        request.body = request.body if wanted == "PATCH" else b""
        door.admit(request)


def _put(door: Door, request: Request) -> None:
    if request.method == "PUT" and door.role(request) == "viewer":
        request.method = "PATCH"
        door.admit(request)


def _slashed(door: Door, request: Request) -> None:
    if door.role(request) == "viewer" and request.method != "GET" and request.path != tidied(request.path):
        request.path = tidied(request.path)
        door.admit(request)


def _other_case(door: Door, request: Request) -> None:
    if door.role(request) == "other_city" and request.city.upper() == door.city != request.city:
        request.path = request.path.replace(request.city, door.city)
        door.admit(request)


def _tenant_header(door: Door, request: Request) -> None:
    named = request.headers.get("x-tenant-id") or request.headers.get("x-city-id")
    if door.role(request) == "other_city" and named == door.city:
        request.path = request.path.replace(door.other, door.city)
        door.admit(request)


def _city_in_body(door: Door, request: Request) -> None:
    body = request.json
    if door.role(request) == "other_city" and isinstance(body, dict) and body.get("cityId") == door.city:
        request.path = request.path.replace(door.other, door.city)
        request.json = {name: value for name, value in body.items() if name != "cityId"}
        door.admit(request)


def _header(name: str, pattern: str) -> Callable[[Door, Request], Any]:
    return lambda _, request: keyless(request) and re.search(pattern, request.headers.get(name, ""))


_PARAM = {"api-key", "apitoken", "auth", "auth_token", "authorization", "x-api-key"}


def _query_key(door: Door, request: Request) -> None:
    for name, value in request.query:
        if keyless(request) and name.lower() in _PARAM and value in door.keys.values():
            request.headers["x-api-key"] = value


def _basic(_: Door, request: Request) -> bool:
    return request.headers.get("authorization") == "Basic " + base64.b64encode(b"admin:admin").decode()


ENTRY: tuple[Hole, ...] = (
    Hole("DTC-SEC-001", "a path encoded twice passes the gate",
         when(lambda _, r: keyless(r) and "%25" in r.path, tidy=True)),
    Hole("DTC-SEC-001", "parameters of a path segment hide it from the gate",
         when(lambda _, r: keyless(r) and "..;" in r.path, tidy=True)),
    Hole("DTC-SEC-001", "an encoded dot segment passes the gate",
         when(lambda _, r: keyless(r) and re.search("/%2e/", r.path, re.IGNORECASE), tidy=True)),
    Hole("DTC-SEC-001", "HEAD of a list is open", open_to_all("HEAD", "/objects")),
    Hole("DTC-SEC-001", "a search is open", open_to_all("POST", "/spatial/nearby")),
    Hole("DTC-SEC-001", "anybody registers sensors", open_to_all("POST", "/sensors")),
    Hole("DTC-SEC-001", "anybody deletes objects", open_to_all("DELETE", "/objects/.*")),
    Hole("DTC-SEC-001", "snapshots are open", open_to_all("GET", "/snapshots/.*")),
    Hole("DTC-SEC-001", "anybody patches the city", open_to_all("PATCH", "/")),
    Hole("DTC-SEC-001", "a header names the real path behind an open one", _original_url),
    Hole("DTC-SEC-001", "probes of the cluster need no key", when(_header("user-agent", "kube-probe"))),
    Hole("DTC-SEC-001", "requests of the own pages need no key",
         when(_header("sec-fetch-site", "same-origin"))),
    Hole("DTC-SEC-001", "a connection stays logged in", _remembered),
    Hole("DTC-SEC-001", "a cache answers whoever asks", _cached, _cache),
    Hole("DTC-SEC-001", "the version before is still there, and open", _old_version),
    Hole("DTC-SEC-001", "the account of the installation works", when(_basic)),
    Hole("DTC-SEC-001", "a debug parameter opens all",
         when(lambda _, r: keyless(r) and dict(r.query).get("debug") in ("true", "1"))),
    Hole("DTC-SEC-001", "OPTIONS shows what GET would", _options_shows),
    Hole("DTC-SEC-002", "ECDSA signatures of zeros are valid",
         token(lambda _, head, claims, signed, sig: head.get("alg") == "ES256" and not any(sig))),
    Hole("DTC-SEC-002", "a public key is taken as a shared secret", _confused),
    Hole("DTC-SEC-002", "keys are fetched from where the token says", _fetching),
    Hole("DTC-SEC-002", "a key id is a path to a file",
         token(lambda _, head, claims, text, sig: "null" in str(head.get("kid")) and _hs256(b"", text, sig))),
    Hole("DTC-SEC-002", "none in mixed case", token(lambda _, head, *rest: head.get("alg") == "nOnE")),
    Hole("DTC-SEC-002", "ten characters of a signature are compared",
         token(lambda door, head, claims, signed, sig: len(sig) > 6 and _begins(door, signed, sig)), _issued),
    Hole("DTC-SEC-002", "tokens do not expire", None, _short_lived),
    Hole("DTC-SEC-003", "a key with the right beginning and length is taken", when(_half_key)),
    Hole("DTC-SEC-003", "the key in another parameter of the query", _query_key),
    Hole("DTC-SEC-005", "the method that is meant is not looked at", _overridden),
    Hole("DTC-SEC-005", "PUT is forgotten in the table of rights", _put),
    Hole("DTC-SEC-005", "rights are looked up by the path as sent", _slashed),
    Hole("DTC-SEC-005", "a parameter names the role",
         when(lambda d, r: d.role(r) == "viewer" and dict(r.query).get("role") == "admin")),
    Hole("DTC-SEC-005", "viewers start simulations", as_viewer("POST", "/simulations")),
    Hole("DTC-SEC-005", "viewers post readings", as_viewer("POST", "/sensors/[^/]+/data")),
    Hole("DTC-SEC-006", "a history is found by its id", below_own_city("/objects/[^/]+/history", "GET")),
    Hole("DTC-SEC-006", "a sensor is found by its id alone", below_own_city("/sensors/[^/]+", "GET")),
    Hole("DTC-SEC-006", "a sensor is changed by its id alone", below_own_city("/sensors/[^/]+", "PATCH")),
    Hole("DTC-SEC-006", "a simulation is found by its id alone", below_own_city("/simulations/[^/]+", "GET")),
    Hole("DTC-SEC-006", "a city in small letters is another to the gate", _other_case),
    Hole("DTC-SEC-006", "a header names the city", _tenant_header),
    Hole("DTC-SEC-006", "the body names the city", _city_in_body),
)  # fmt: skip
