"""The public keys that a target publishes, in the forms that a confused check takes for secrets."""

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from dtc_cli.harness.suite import NOBODY, Twin

PLACES = ("/.well-known/jwks.json", "/jwks.json", "/oauth/jwks", "/oauth/jwks.json", "/.well-known/jwks")
CONFIGURATIONS = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")
_RSA = bytes.fromhex("06092a864886f70d0101010500")
_EC = bytes.fromhex("06072a8648ce3d020106082a8648ce3d030107")
"""Algorithm identifiers: rsaEncryption with NULL (RFC 8017), id-ecPublicKey on P-256 (RFC 5480)."""


def published(twin: Twin) -> list[dict[str, Any]]:
    """The keys (RFC 7517) that the target, or its token endpoint, shows to anybody."""
    origins = [twin.rest.origin]
    if twin.target.oauth is not None:
        origins.append("{0.scheme}://{0.netloc}".format(urlsplit(twin.target.oauth.token_url)))
    found: list[dict[str, Any]] = []
    for origin in dict.fromkeys(origins):
        places = [f"{origin}{place}" for place in PLACES]
        for place in CONFIGURATIONS:
            told = _json(twin, f"{origin}{place}").get("jwks_uri")
            # Only where the target itself stands: what it names elsewhere is somebody else's.
            if isinstance(told, str) and told.startswith(tuple(f"{one}/" for one in origins)):
                places.append(told)
        for place in dict.fromkeys(places):
            keys = _json(twin, place).get("keys")
            found += [one for one in keys if isinstance(one, dict)] if isinstance(keys, list) else []
    return found


def forms(key: dict[str, Any]) -> Iterator[bytes]:
    """The key as bytes, in each form in which a program may hold it; nothing for unknown kinds."""
    try:
        whole = _spki(key)
    except (KeyError, ValueError, TypeError):
        return
    if not whole:
        return
    yield from (_pem("PUBLIC KEY", whole), _pem("PUBLIC KEY", whole).rstrip(b"\n"), whole)
    if key["kty"] == "RSA":
        yield _pem("RSA PUBLIC KEY", _rsa(key))
    yield json.dumps(key).encode()
    yield json.dumps(key, separators=(",", ":")).encode()


def _spki(key: dict[str, Any]) -> bytes:
    """SubjectPublicKeyInfo (RFC 5280), DER; empty for kinds that we do not know."""
    if key["kty"] == "RSA":
        return _sequence(_sequence(_RSA), _bits(_rsa(key)))
    if key["kty"] == "EC" and key["crv"] == "P-256":
        return _sequence(_sequence(_EC), _bits(b"\x04" + _bytes(key["x"]) + _bytes(key["y"])))
    return b""


def _rsa(key: dict[str, Any]) -> bytes:
    return _sequence(*(_integer(_bytes(key[name])) for name in ("n", "e")))


def _integer(raw: bytes) -> bytes:
    """A positive number: a zero octet before it where its first bit is set."""
    bare = raw.lstrip(b"\x00") or b"\x00"
    return _value(0x02, (b"\x00" if bare[0] & 0x80 else b"") + bare)


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _sequence(*parts: bytes) -> bytes:
    return _value(0x30, b"".join(parts))


def _bits(content: bytes) -> bytes:
    return _value(0x03, b"\x00" + content)


def _value(tag: int, content: bytes) -> bytes:
    """DER: tag, length, content."""
    size = len(content)
    length = bytes([size]) if size < 0x80 else _long(size)
    return bytes([tag]) + length + content


def _long(size: int) -> bytes:
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets


def _pem(label: str, content: bytes) -> bytes:
    text = base64.b64encode(content)
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return b"\n".join([f"-----BEGIN {label}-----".encode(), *lines, f"-----END {label}-----".encode(), b""])


def _json(twin: Twin, url: str) -> dict[str, Any]:
    answer = twin.rest.get("", url=url, as_=NOBODY)
    body = answer.json() if answer.ok and answer.is_json else None
    return body if isinstance(body, dict) else {}
