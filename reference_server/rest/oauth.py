"""The token endpoint: client credentials (P2 8.2; RFC 6749 4.4, 5.1, 5.2)."""

import base64
import binascii

from reference_server import auth, tokens
from reference_server.errors import ApiError
from reference_server.rest.call import Call, Reply, decoded_query, reply_json

NO_STORE = {"cache-control": "no-store", "pragma": "no-cache"}
BASIC = {"www-authenticate": 'Basic realm="token"'}
CALLS_PER_MINUTE = 600
"""From one address: guessing a secret is hopeless, and not for free."""


async def token(call: Call) -> Reply:
    """POST /oauth/token: a bearer token for a client's id and secret."""
    standing = call.world.limiter.take(f"token:{call.client}", CALLS_PER_MINUTE, 60.0)
    if not standing.allowed:
        raise ApiError("RATE_LIMIT_EXCEEDED", "too many requests for tokens", headers={"retry-after": "60"})
    try:
        call.require_media_type("application/x-www-form-urlencoded")
        fields = decoded_query(await call.raw())
    except ApiError as problem:
        return refused("invalid_request", problem.message)
    form = dict(fields)
    if len(form) != len(fields):
        return refused("invalid_request", "a parameter is given twice")
    basic = call.header(b"authorization")
    if basic is not None:
        form |= credentials(basic)
    kind = form.get("grant_type")
    if kind is None:
        return refused("invalid_request", "grant_type is missing")
    if kind != "client_credentials":
        return refused("unsupported_grant_type", "only client_credentials is supported")
    principal = call.world.keyring.client(form.get("client_id", ""), form.get("client_secret", ""))
    if principal is None:
        return refused("invalid_client", "the client is not known, or its secret is another", 401, BASIC)
    return granted(call, principal, form.get("scope", ""))


def granted(call: Call, principal: auth.Principal, scope: str) -> Reply:
    """The token of a known client; a scope narrows its rights to those named."""
    wanted = set(scope.split()) or set(principal.rights)
    if not wanted <= principal.rights:
        return refused("invalid_scope", f"the scopes are {' '.join(sorted(principal.rights))}")
    text = " ".join(sorted(wanted))
    answer = {
        "access_token": call.world.keyring.tokens.issue(principal.name, text),
        "token_type": "Bearer",
        "expires_in": tokens.LIFETIME_S,
        "scope": text,
    }
    return reply_json(answer, headers=NO_STORE)


def credentials(header: str) -> dict[str, str]:
    """Client id and secret of a Basic header; empty for anything else."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return {"client_id": "", "client_secret": ""}
    try:
        name, _, secret = base64.b64decode(value, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        return {"client_id": "", "client_secret": ""}
    return {"client_id": name, "client_secret": secret}


def refused(error: str, why: str, status: int = 400, headers: dict[str, str] | None = None) -> Reply:
    """A refusal in the form of RFC 6749 5.2."""
    return reply_json({"error": error, "error_description": why}, status, {**NO_STORE, **(headers or {})})
