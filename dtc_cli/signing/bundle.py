"""The Sigstore bundle v0.3: one DSSE envelope, one signature, and whose key or certificate is said to fit."""

from typing import Any

import msgspec

from dtc_cli.core.canonical import canonical_json
from dtc_cli.signing import dsse, identity, strict_json
from dtc_cli.signing.identity import Identity
from dtc_cli.signing.public_keys import PublicKey
from dtc_cli.signing.refusal import Refusal

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
MAX_BYTES = 1024 * 1024
MAX_MORE = 8
"""Log entries and time stamps each; more would only cost the reader time."""


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """A signed statement as it lies in a file."""

    envelope: dsse.Envelope
    keyid: str
    """The hint: which key or identity is said to have signed. No reason to trust it."""
    data: bytes
    """The file's bytes."""
    identity: Identity | None = None
    """Who signed without a key of their own; None: a key signed."""
    certified: PublicKey | None = None
    """The public key of the certificate that came with the identity."""
    entries: tuple[dict[str, Any], ...] = ()
    """Transparency log entries."""
    stamps: tuple[bytes, ...] = ()
    """RFC 3161 time stamps (DER)."""


def render(envelope: dsse.Envelope) -> bytes:
    """The bytes of the bundle, in RFC 8785 form.

    Raises:
        ValueError: when the envelope has not exactly one signature (the format allows no other number).
    """
    (signature,) = envelope.signatures
    return canonical_json(
        {
            "mediaType": MEDIA_TYPE,
            "verificationMaterial": {"publicKey": {"hint": signature.keyid}},
            "dsseEnvelope": envelope.to_json(),
        }
    )


def parse(data: bytes, name: str) -> Bundle:
    """Read a bundle.

    Raises:
        Refusal: when it is not a v0.3 bundle with one signature; a key's id has to equal the hint.
    """
    if len(data) > MAX_BYTES:
        raise Refusal(f"{name} is larger than {MAX_BYTES} bytes")
    members = dsse.closed(
        strict_json.parse(data, name), {"mediaType", "verificationMaterial", "dsseEnvelope"}, "the bundle"
    )
    if members["mediaType"] != MEDIA_TYPE:
        raise Refusal(f"the bundle is not of type {MEDIA_TYPE}")
    material = members["verificationMaterial"]
    kind = "certificate" if isinstance(material, dict) and "certificate" in material else "publicKey"
    material = dsse.closed(
        material,
        {kind},
        "verificationMaterial",
        optional=("tlogEntries", "timestampVerificationData"),
    )
    envelope = dsse.parse(members["dsseEnvelope"])
    if len(envelope.signatures) != 1:
        raise Refusal(f"the bundle has {len(envelope.signatures)} signatures, exactly one is allowed")
    who, certified = None, None
    if kind == "certificate":
        leaf = dsse.closed(material[kind], {"rawBytes"}, "certificate")["rawBytes"]
        who, certified = identity.read(dsse.decode_base64(leaf, "the certificate"))
        hint = who.id
    else:
        hint = dsse.closed(material[kind], {"hint"}, "publicKey")["hint"]
        if envelope.signatures[0].keyid != hint:
            raise Refusal("publicKey.hint and the signature's keyid differ")
    return Bundle(
        envelope=envelope, keyid=hint, data=data, identity=who, certified=certified,
        entries=_entries(material), stamps=_stamps(material),
    )  # fmt: skip


def extended(found: Bundle, entries: list[dict[str, Any]], stamps: list[bytes]) -> bytes:
    """The bundle with log entries and time stamps more; statement and signature stay as they are."""
    import base64

    value = strict_json.parse(found.data, "the bundle")
    material = value["verificationMaterial"]
    material["tlogEntries"] = [*found.entries, *entries]
    material["timestampVerificationData"] = {
        "rfc3161Timestamps": [
            {"signedTimestamp": base64.b64encode(each).decode()} for each in (*found.stamps, *stamps)
        ]
    }
    return canonical_json(value)


def _entries(material: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    log = material.get("tlogEntries", [])
    if not isinstance(log, list) or len(log) > MAX_MORE or not all(isinstance(each, dict) for each in log):
        raise Refusal(f"the bundle's log entries are not a list of at most {MAX_MORE} objects")
    return tuple(log)


def _stamps(material: dict[str, Any]) -> tuple[bytes, ...]:
    what = "timestampVerificationData"
    held = dsse.closed(material.get(what, {}), set(), what, optional=("rfc3161Timestamps",))
    listed = held.get("rfc3161Timestamps", [])
    if not isinstance(listed, list) or len(listed) > MAX_MORE:
        raise Refusal(f"the bundle's time stamps are not a list of at most {MAX_MORE}")
    return tuple(
        dsse.decode_base64(dsse.closed(each, {"signedTimestamp"}, what)["signedTimestamp"], "a time stamp")
        for each in listed
    )
