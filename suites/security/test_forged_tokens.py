"""Forged bearer tokens are refused (DTC-SEC-002)."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from dtc_cli.harness.suite import Credential, NotApplicable, NotTested, Twin, expect, verifies
from suites.phase2.support.tokens import Tokens
from suites.security.support.public_keys import forms, published
from suites.security.support.secret import CLAUSE, Secret

FAR = 4102444800
"""2100-01-01T00:00:00Z, as a NumericDate."""
WEAK_SECRETS = ("secret", "changeme", "password", "your-256-bit-secret", "jwt-secret", "")
FETCH_S = 2.0
LONGEST_LIFE_S, GRACE_S = 60.0, 60.0
"""Seconds: of a token whose end is awaited, and what a check may allow for clocks that differ."""
CLAIMS = {"sub": "admin", "exp": FAR, "iat": 1735689600, "scope": "read write admin", "role": "admin"}


@verifies("DTC-SEC-002", hazard="security")
def test_a_fresh_token_reads(twin: Twin, tokens: Tokens, secret: Secret) -> None:
    answer = twin.rest.get(secret.path, as_=tokens.bearer())
    expect.that(
        answer.ok and secret.shown_in(answer.body),
        "a fresh token does not read the object",
        expected="status 200",
        actual=f"status {answer.status}, body {answer.excerpt(120)}",
        clause=CLAUSE,
    )


@verifies("DTC-SEC-002", negative=True, hazard="security")
@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "nOnE", ""], ids=["lower", "title", "upper", "mixed", "empty"]
)
@pytest.mark.parametrize("signature", ["", "AAAA"], ids=["unsigned", "signed"])
def test_no_algorithm(twin: Twin, tokens: Tokens, secret: Secret, algorithm: str, signature: str) -> None:
    header = {**_header(tokens), "alg": algorithm}
    _judge(
        twin, tokens, secret, f"{_part(header)}.{_part(_claims(tokens))}.{signature}", f"alg {algorithm!r}"
    )


@verifies("DTC-SEC-002", negative=True, hazard="security")
@pytest.mark.parametrize("number", range(len(WEAK_SECRETS)))
def test_a_guessed_secret(twin: Twin, tokens: Tokens, secret: Secret, number: int) -> None:
    text = _signed(_header(tokens), _claims(tokens), WEAK_SECRETS[number].encode())
    _judge(twin, tokens, secret, text, "a token signed with a common secret")


@verifies("DTC-SEC-002", negative=True, hazard="security")
@pytest.mark.parametrize(
    "kid",
    ["/dev/null", "../../../../dev/null", "' OR '1'='1", "unknown-key", ""],
    ids=["device", "climbing", "sql", "unknown", "empty"],
)
def test_a_key_id_that_leads_elsewhere(twin: Twin, tokens: Tokens, secret: Secret, kid: str) -> None:
    text = _signed({**_header(tokens), "alg": "HS256", "kid": kid}, _claims(tokens), b"")
    _judge(twin, tokens, secret, text, f"a token with the key id {kid!r}")


@verifies("DTC-SEC-002", negative=True, hazard="security")
def test_a_key_that_the_token_brings(twin: Twin, tokens: Tokens, secret: Secret) -> None:
    key = b"dtc-own-key-0123456789abcdef0123"
    own = {"kty": "oct", "k": base64.urlsafe_b64encode(key).decode().rstrip("=")}
    text = _signed({**_header(tokens), "alg": "HS256", "jwk": own}, _claims(tokens), key)
    _judge(twin, tokens, secret, text, "a token that brings its own key")


@verifies("DTC-SEC-002", negative=True, hazard="security")
@pytest.mark.parametrize(
    "change",
    [
        {"exp": 1},
        {"exp": FAR, "nbf": FAR},
        {"aud": "another-service"},
        {"iss": "https://issuer.example"},
        {"role": "admin", "scope": "admin", "exp": FAR},
        {"sub": "somebody-else"},
    ],
    ids=["expired", "not-yet", "audience", "issuer", "role", "subject"],
)
def test_changed_claims_under_the_old_signature(
    twin: Twin, tokens: Tokens, secret: Secret, change: dict[str, Any]
) -> None:
    parts = _parts(tokens)
    text = f"{parts[0]}.{_part({**_claims(tokens), **change})}.{parts[2]}"
    _judge(twin, tokens, secret, text, "a token with changed claims", real=True)


@verifies("DTC-SEC-002", negative=True, hazard="security")
@pytest.mark.parametrize(
    "how", ["no-signature", "cut", "flipped", "other-end", "other-half", "swapped-parts"]
)
def test_a_damaged_signature(twin: Twin, tokens: Tokens, secret: Secret, how: str) -> None:
    head, claims, signature = _parts(tokens)
    # Not the last character: its low bits may be padding, which a lenient decoder rightly ignores.
    flipped, middle = _turned(signature[:1]) + signature[1:], len(signature) // 2
    texts = {
        "no-signature": f"{head}.{claims}.",
        "cut": f"{head}.{claims}.{signature[: len(signature) // 2]}",
        "flipped": f"{head}.{claims}.{flipped}",
        "other-end": f"{head}.{claims}.{signature[:-6]}{_turned(signature[-6:])}",
        "other-half": f"{head}.{claims}.{signature[:middle]}{_turned(signature[middle:])}",
        "swapped-parts": f"{claims}.{head}.{signature}",
    }
    _judge(twin, tokens, secret, texts[how], f"a token with a damaged signature ({how})", real=True)


@verifies("DTC-SEC-002", negative=True, hazard="security")
@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512", "RS256", "PS256", "EdDSA"])
@pytest.mark.parametrize("octet", [0, 1], ids=["zeros", "ones"])
def test_a_signature_of_nothing(
    twin: Twin, tokens: Tokens, secret: Secret, algorithm: str, octet: int
) -> None:
    """Numbers that a careless check takes for a signature of anything (CVE-2022-21449)."""
    size = {"ES256": 64, "ES384": 96, "ES512": 132, "EdDSA": 64}.get(algorithm, 256)
    raw = bytes(size) if not octet else bytes(size - 1) + b"\x01"
    signature = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    header = {**_header(tokens), "alg": algorithm}
    text = f"{_part(header)}.{_part(_claims(tokens))}.{signature}"
    _judge(twin, tokens, secret, text, f"a token of {algorithm} with an empty number for a signature")


@verifies("DTC-SEC-002", negative=True, hazard="security")
@pytest.mark.parametrize("form", range(6), ids=["pem", "pem-bare", "der", "pkcs1", "jwk", "jwk-compact"])
def test_a_public_key_is_no_shared_secret(twin: Twin, tokens: Tokens, secret: Secret, form: int) -> None:
    """Signed with what anybody can read, under the algorithm for which it would be the secret."""
    keys = published(twin)
    if not keys:
        raise NotApplicable("the target publishes no keys")
    for key in keys:
        found = list(forms(key))
        if form < len(found):
            header = {**_header(tokens), **({"kid": key["kid"]} if "kid" in key else {})}
            text = _signed(header, _claims(tokens), found[form])
            _judge(twin, tokens, secret, text, "a token signed with the public key as a secret (CWE-347)")


@verifies("DTC-SEC-002", negative=True, hazard="security")
def test_no_key_is_fetched_from_where_a_token_says(twin: Twin, tokens: Tokens, secret: Secret) -> None:
    mark = f"/dtc-{twin.run_id[-12:]}-key"
    signature = base64.urlsafe_b64encode(bytes(256)).decode().rstrip("=")
    for member in ("jku", "x5u"):
        header = {**_header(tokens), "alg": "RS256", member: twin.canary.url + mark}
        text = f"{_part(header)}.{_part(_claims(tokens))}.{signature}"
        _judge(twin, tokens, secret, text, f"a token with {member}")
    heard = twin.canary.heard((mark,), FETCH_S)
    expect.that(
        not heard,
        "the target asks an address in a token for the key (CWE-347, CWE-918)",
        expected="nobody comes to the listener of the run",
        actual=heard[:2],
        clause=CLAUSE,
        hint="an attacker signs with a key of their own: trust the keys of the issuer alone",
    )


@verifies("DTC-SEC-002", negative=True, hazard="security")
def test_a_token_ends(twin: Twin, tokens: Tokens, secret: Secret) -> None:
    """A token whose life is short enough to wait for its end; a minute of grace is given for clocks."""
    lifetime = tokens.lifetime_s()
    if lifetime > LONGEST_LIFE_S:
        raise NotApplicable(f"tokens live {lifetime:g} s: their end is not awaited")
    old = tokens.bearer()
    expect.that(twin.rest.get(secret.path, as_=old).ok, "a fresh token does not read", clause=CLAUSE)
    twin.clock.wait(lifetime + GRACE_S)
    answer = twin.rest.get(secret.path, as_=old)
    expect.that(
        not answer.ok,
        "a token is accepted after its end (CWE-613)",
        expected="401 with TOKEN_EXPIRED or UNAUTHORIZED",
        actual=f"status {answer.status}, {GRACE_S:g} s after its {lifetime:g} s",
        clause=CLAUSE,
    )


def _judge(twin: Twin, tokens: Tokens, secret: Secret, text: str, what: str, *, real: bool = False) -> None:
    """The token opens nothing. `real`: a part of it is secret, so that it is kept out of the evidence."""
    forged = (
        tokens.credential(text, "token-forged")
        if real
        else Credential("token-forged", {"Authorization": f"Bearer {text}"})
    )
    answer = twin.rest.get(secret.path, as_=forged)
    secret.judge_hidden(answer, what)
    expect.that(
        not answer.ok,
        f"{what} is accepted",
        expected="401 with UNAUTHORIZED",
        actual=f"status {answer.status}",
        clause=CLAUSE,
    )


def _parts(tokens: Tokens) -> tuple[str, str, str]:
    """The parts of a real token; of a made-up one where the target's are no JWTs, or not in the evidence."""
    parts = tokens.text().split(".")
    if len(parts) == 3:
        return parts[0], parts[1], parts[2]
    return _part({"alg": "HS256", "typ": "JWT"}), _part(CLAIMS), "c2lnbmF0dXJl"


def _header(tokens: Tokens) -> dict[str, Any]:
    return {"alg": "HS256", "typ": "JWT"} | _decoded(tokens, 0) | {"alg": "HS256"}


def _claims(tokens: Tokens) -> dict[str, Any]:
    return {**CLAIMS, **_decoded(tokens, 1), "exp": FAR}


def _decoded(tokens: Tokens, place: int) -> dict[str, Any]:
    """A part of a real token, so that the forgery differs in one point only; empty where there is none."""
    try:
        part = tokens.text().split(".")[place]
        value = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (NotTested, ValueError, IndexError):
        return {}
    return value if isinstance(value, dict) else {}


def _signed(header: dict[str, Any], claims: dict[str, Any], key: bytes) -> str:
    signed = f"{_part(header)}.{_part(claims)}"
    digest = hmac.new(key, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def _turned(text: str) -> str:
    """Other characters of base64url, none of them as before."""
    return "".join("B" if one == "A" else "A" for one in text)


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
