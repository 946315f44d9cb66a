"""The Sigstore bundle v0.3 in key mode: one DSSE envelope, one signature, and the hint whose key it is."""

from typing import Any

import msgspec

from dtc_cli.core.canonical import canonical_json
from dtc_cli.signing import dsse, strict_json
from dtc_cli.signing.refusal import Refusal

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
MAX_BYTES = 1024 * 1024


class Bundle(msgspec.Struct, frozen=True):
    """A signed statement as it lies in a file."""

    envelope: dsse.Envelope
    keyid: str
    """The hint: which key is said to have signed. No reason to trust it."""
    log_entries: int
    """Transparency log entries and time stamps that are carried; nothing rests on them."""


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
        Refusal: when it is not a v0.3 bundle in key mode with one signature whose keyid equals the hint.
    """
    if len(data) > MAX_BYTES:
        raise Refusal(f"{name} is larger than {MAX_BYTES} bytes")
    members = dsse.closed(
        strict_json.parse(data, name), {"mediaType", "verificationMaterial", "dsseEnvelope"}, "the bundle"
    )
    if members["mediaType"] != MEDIA_TYPE:
        raise Refusal(f"the bundle is not of type {MEDIA_TYPE}")
    material = members["verificationMaterial"]
    if isinstance(material, dict) and {"certificate", "x509CertificateChain"} & set(material):
        raise Refusal("the bundle is signed with a certificate; only key mode is supported")
    material = dsse.closed(
        material,
        {"publicKey"},
        "verificationMaterial",
        optional=("tlogEntries", "timestampVerificationData"),
    )
    hint = dsse.closed(material["publicKey"], {"hint"}, "publicKey")["hint"]
    envelope = dsse.parse(members["dsseEnvelope"])
    if len(envelope.signatures) != 1:
        raise Refusal(f"the bundle has {len(envelope.signatures)} signatures, exactly one is allowed")
    if envelope.signatures[0].keyid != hint:
        raise Refusal("publicKey.hint and the signature's keyid differ")
    return Bundle(envelope, hint, _entries(material))


def _entries(material: dict[str, Any]) -> int:
    log = material.get("tlogEntries", [])
    stamps = material.get("timestampVerificationData", {})
    listed = stamps.get("rfc3161Timestamps", []) if isinstance(stamps, dict) else None
    if not isinstance(log, list) or not isinstance(listed, list):
        raise Refusal("the bundle's log entries or time stamps are not lists")
    return len(log) + len(listed)
