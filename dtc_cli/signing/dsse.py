"""Dead Simple Signing Envelope 1.0: what exactly is signed, and by whom it was."""

import base64
import binascii
from collections.abc import Iterable
from typing import Any, Protocol

import msgspec

from dtc_cli.signing.public_keys import PublicKey, keyid, signed_by
from dtc_cli.signing.refusal import Refusal


class Signer(Protocol):
    """Something that signs bytes with a private key it need not show."""

    @property
    def keyid(self) -> str:
        """SHA-256 (hex) of the public key's DER form."""

    @property
    def public(self) -> PublicKey:
        """The public half."""

    def sign(self, data: bytes) -> bytes:
        """The signature over the data: DER for ECDSA, 64 bytes for Ed25519."""


class Signature(msgspec.Struct, frozen=True):
    """One signature and the hint whose it is; the hint is never a reason to trust."""

    keyid: str
    sig: bytes


class Envelope(msgspec.Struct, frozen=True):
    """A payload of a named type with its signatures."""

    payload: bytes
    payload_type: str
    signatures: tuple[Signature, ...]

    def to_json(self) -> dict[str, Any]:
        """The envelope as DSSE writes it, in standard base64."""
        return {
            "payload": base64.b64encode(self.payload).decode(),
            "payloadType": self.payload_type,
            "signatures": [
                {"keyid": signature.keyid, "sig": base64.b64encode(signature.sig).decode()}
                for signature in self.signatures
            ],
        }


def pae(payload_type: str, payload: bytes) -> bytes:
    """The bytes that are signed: `DSSEv1 SP len SP type SP len SP payload`, lengths in decimal bytes."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(payload: bytes, payload_type: str, signer: Signer) -> Envelope:
    """Sign a payload with one key; the signature is checked before it is handed out.

    Raises:
        Refusal: when the signer returns a signature that does not fit its public key.
    """
    data = pae(payload_type, payload)
    signature = signer.sign(data)
    if not signed_by(signer.public, signature, data):
        raise Refusal("the signer returned a signature that does not fit its public key")
    return Envelope(payload, payload_type, (Signature(signer.keyid, signature),))


def verify(envelope: Envelope, keys: Iterable[PublicKey], threshold: int = 1) -> frozenset[str]:
    """The ids of those of the given keys that signed the envelope.

    Every signature is tried with every key, because the hint may be absent or wrong; each key counts once.

    Raises:
        Refusal: when fewer than `threshold` keys signed.
    """
    data = pae(envelope.payload_type, envelope.payload)
    found = frozenset(
        keyid(key)
        for key in keys
        if any(signed_by(key, signature.sig, data) for signature in envelope.signatures)
    )
    if len(found) < threshold:
        raise Refusal(f"{len(found)} of {threshold} needed signatures fit")
    return found


def parse(value: Any) -> Envelope:
    """The envelope of a parsed JSON object.

    Raises:
        Refusal: for missing, unknown or wrong members and for base64 with more than one reading.
    """
    members = closed(value, {"payload", "payloadType", "signatures"}, "the DSSE envelope")
    entries = members["signatures"]
    if not isinstance(entries, list) or not entries:
        raise Refusal("the DSSE envelope has no signatures")
    if not isinstance(members["payloadType"], str):
        raise Refusal("the DSSE payloadType is not a string")
    signatures = []
    for entry in entries:
        signature = closed(entry, {"sig"}, "a DSSE signature", optional={"keyid"})
        hint = signature.get("keyid", "")
        if not isinstance(hint, str):
            raise Refusal("a DSSE keyid is not a string")
        signatures.append(Signature(hint, decode_base64(signature["sig"], "a DSSE signature")))
    return Envelope(
        decode_base64(members["payload"], "the DSSE payload"), members["payloadType"], tuple(signatures)
    )


def decode_base64(text: Any, what: str) -> bytes:
    """The bytes of padded base64 in the standard or the URL-safe alphabet, if the text is their only form.

    Raises:
        Refusal: for other characters, missing padding, mixed alphabets or loose last bits.
    """
    if not isinstance(text, str) or not text.isascii():
        raise Refusal(f"{what} is not base64")
    url_safe = "-" in text or "_" in text
    try:
        data = base64.b64decode(text, altchars=b"-_" if url_safe else None, validate=True)
    except binascii.Error as problem:
        raise Refusal(f"{what} is not base64: {problem}") from problem
    again = base64.urlsafe_b64encode(data) if url_safe else base64.b64encode(data)
    if again.decode() != text:
        raise Refusal(f"{what} is not base64 in its only form")
    return data


def closed(value: Any, needed: set[str], what: str, *, optional: Iterable[str] = ()) -> dict[str, Any]:
    """The value as an object with exactly these members.

    Raises:
        Refusal: when a needed member is missing or an unknown one is there.
    """
    if not isinstance(value, dict):
        raise Refusal(f"{what} is not an object")
    missing, unknown = sorted(needed - set(value)), sorted(set(value) - needed - set(optional))
    if missing:
        raise Refusal(f"{what} lacks {missing[0]}")
    if unknown:
        raise Refusal(f"{what} has the unknown member {unknown[0]!a}")
    return value
