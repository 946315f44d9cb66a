"""Signed statements about keys: one replaces another (signed by both), one is revoked (signed by itself).

They are DSSE envelopes (`*.dsse.json`) around an in-toto statement whose subject is the old key; its digest
is the keyid. Whoever keeps a trust policy applies them; nothing else reads them.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec

from dtc_cli.core.canonical import canonical_json
from dtc_cli.signing import dsse, policy, public_keys, statement, strict_json
from dtc_cli.signing.dsse import Envelope, Signer
from dtc_cli.signing.evidence import Hex, Instant, typed
from dtc_cli.signing.policy import Policy
from dtc_cli.signing.public_keys import PublicKey, UnusableKeyError
from dtc_cli.signing.refusal import Refusal

ROTATION = "urn:dtc:attestation:key-rotation:v1"
REVOCATION = "urn:dtc:attestation:key-revocation:v1"
MAX_BYTES = 64 * 1024

Reason = Annotated[str, msgspec.Meta(max_length=500)]


class _Closed(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    pass


class _Digest(_Closed, frozen=True, kw_only=True):
    sha256: Hex


class _Subject(_Closed, frozen=True, kw_only=True):
    name: Literal["key"]
    digest: _Digest


class Rotation(_Closed, frozen=True, kw_only=True):
    """From `at` on the new key speaks for whom the old one spoke for."""

    new_keyid: Hex
    old_public_key_pem: str
    new_public_key_pem: str
    at: Instant


class Revocation(_Closed, frozen=True, kw_only=True):
    """The key must not be believed any more."""

    invalid_since: Instant
    reason: Reason


class _Statement(_Closed, frozen=True, kw_only=True):
    type_: Literal["https://in-toto.io/Statement/v1"] = msgspec.field(name="_type")
    subject: Annotated[tuple[_Subject, ...], msgspec.Meta(min_length=1, max_length=1)]
    predicate_type: Literal["urn:dtc:attestation:key-rotation:v1", "urn:dtc:attestation:key-revocation:v1"]
    predicate: dict[str, Any]


def rotate(old: Signer, new: Signer, *, at: datetime | None = None) -> bytes:
    """The statement that the new key replaces the old one, signed by both, as a DSSE envelope in JSON.

    Raises:
        Refusal: when both are the same key.
    """
    if old.keyid == new.keyid:
        raise Refusal("a key cannot replace itself")
    payload = _payload(
        ROTATION,
        old.keyid,
        Rotation(
            new_keyid=new.keyid,
            old_public_key_pem=public_keys.to_pem(old.public).decode(),
            new_public_key_pem=public_keys.to_pem(new.public).decode(),
            at=_text(at),
        ),
    )
    return _seal(payload, old, new)


def revoke(key: Signer, *, since: datetime | None = None, reason: str = "") -> bytes:
    """The statement that the key is revoked, signed by itself, as a DSSE envelope in JSON."""
    return _seal(_payload(REVOCATION, key.keyid, Revocation(invalid_since=_text(since), reason=reason)), key)


def apply(data: bytes, to: Policy) -> str:
    """Change a policy as a rotation or revocation says; returns what was done, in words.

    A rotation is believed when the old key, known to the policy and not revoked, and the new one signed it.
    A revocation is believed when the key itself or a registry key of the policy signed it.

    Raises:
        Refusal: when the statement is malformed, or not signed by whom it has to be.
    """
    if len(data) > MAX_BYTES:
        raise Refusal(f"the statement is larger than {MAX_BYTES} bytes")
    envelope = dsse.parse(strict_json.parse(data, "the statement"))
    if envelope.payload_type != statement.PAYLOAD_TYPE:
        raise Refusal(f"the payload type is not {statement.PAYLOAD_TYPE}")
    said = typed(strict_json.parse(envelope.payload, "the statement"), "the statement", _Statement)
    keyid = said.subject[0].digest.sha256
    entries = policy.roles_of(to, keyid)
    if not entries:
        raise Refusal(f"the policy does not know the key {keyid[:16]}")
    if said.predicate_type == ROTATION:
        rotation = typed(said.predicate, "the rotation", Rotation)
        return _apply_rotation(envelope, keyid, rotation, to, entries)
    revocation = typed(said.predicate, "the revocation", Revocation)
    return _apply_revocation(envelope, keyid, revocation, to, entries)


def _apply_rotation(
    envelope: Envelope, keyid: str, said: Rotation, to: Policy, entries: list[tuple[str, Policy]]
) -> str:
    if any(entry["keyid"] == keyid for entry in to.get("revoked", ())):
        raise Refusal(f"the policy revokes the key {keyid[:16]}; it can name no successor")
    old, new = _key(said.old_public_key_pem), _key(said.new_public_key_pem)
    if (public_keys.keyid(old), public_keys.keyid(new)) != (keyid, said.new_keyid) or said.new_keyid == keyid:
        raise Refusal("the keys of the rotation are not those that it names")
    try:
        dsse.verify(envelope, [old, new], threshold=2)
    except Refusal as problem:
        raise Refusal("the rotation is not signed by both keys") from problem
    moment = statement.instant(said.at)
    for role, entry in entries:
        until = entry.get("validUntil")
        policy.add_key(to, new, role=role, org=entry["org"], valid_from=said.at, valid_until=None)
        if until is None or statement.instant(until) > moment:
            entry["validUntil"] = said.at
    roles = ", ".join(role for role, _ in entries)
    return f"key {said.new_keyid[:16]} follows {keyid[:16]} as {roles} from {said.at}"


def _apply_revocation(
    envelope: Envelope, keyid: str, said: Revocation, to: Policy, entries: list[tuple[str, Policy]]
) -> str:
    registry = to["roles"].get("registry", {"keys": []})["keys"]
    revoked = {entry["keyid"] for entry in to.get("revoked", ())}
    allowed = [_key(entries[0][1]["publicKeyPem"]), *(_key(entry["publicKeyPem"]) for entry in registry)]
    # A revoked registry key revokes nobody; a revoked key may still revoke itself once more.
    allowed = [key for key in allowed if public_keys.keyid(key) not in revoked - {keyid}]
    try:
        dsse.verify(envelope, allowed)
    except Refusal as problem:
        raise Refusal(
            "the revocation is not signed by the key itself or by a registry of the policy"
        ) from problem
    statement.instant(said.invalid_since)
    policy.revoke(to, keyid, since=said.invalid_since, reason=said.reason)
    return f"key {keyid[:16]} is revoked since {said.invalid_since}"


def _payload(kind: str, keyid: str, predicate: Rotation | Revocation) -> bytes:
    return canonical_json(
        {
            "_type": statement.STATEMENT_TYPE,
            "subject": [{"name": "key", "digest": {"sha256": keyid}}],
            "predicateType": kind,
            "predicate": msgspec.to_builtins(predicate),
        }
    )


def _seal(payload: bytes, *signers: Signer) -> bytes:
    made = [dsse.sign(payload, statement.PAYLOAD_TYPE, signer).signatures[0] for signer in signers]
    return canonical_json(Envelope(payload, statement.PAYLOAD_TYPE, tuple(made)).to_json()) + b"\n"


def _key(pem: str) -> PublicKey:
    try:
        return public_keys.read_pem(pem.encode())
    except UnusableKeyError as problem:
        raise Refusal(f"a key of the statement cannot be used: {problem}") from problem


def _text(moment: datetime | None) -> str:
    return (moment or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
