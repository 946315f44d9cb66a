"""The Sigstore root that a reader's policy pins: keys of logs, time stamp authorities; read by own code.

The form is Sigstore's trusted root (JSON). Checking a log entry of a key-signed bundle needs no extra; time
stamps are checked with `rfc3161-client` of the extra `sigstore`.
"""

import base64
import binascii
from datetime import datetime
from typing import Any, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key

from dtc_cli.core.canonical import sha256_hex
from dtc_cli.signing import dsse, note, public_keys, statement, strict_json, tree
from dtc_cli.signing.bundle import Bundle
from dtc_cli.signing.public_keys import PublicKey, UnusableKeyError
from dtc_cli.signing.refusal import Refusal, Unavailable

MEDIA_TYPE = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
KIND = {"kind": "hashedrekord", "version": "0.0.2"}
"""What Rekor v2 keeps of a DSSE envelope: digest over the signed bytes, signature, key."""
EXTRA = "the extra sigstore is not installed: pip install 'dtc[sigstore]'"


class Authority(NamedTuple):
    """A time stamp authority: its certificates (DER), leaf first, and when it may stamp."""

    chain: tuple[bytes, ...]
    start: datetime
    end: datetime | None


class Root(NamedTuple):
    """What was read of a trusted root."""

    value: dict[str, Any]
    logs: tuple[PublicKey, ...]
    authorities: tuple[Authority, ...]


def read(value: dict[str, Any]) -> Root:
    """A trusted root.

    Raises:
        Refusal: when it is none.
    """
    try:
        if value["mediaType"] != MEDIA_TYPE:
            raise Refusal("the Sigstore root is of another media type")
        return Root(
            value=value,
            logs=tuple(
                public_keys.supported(load_der_public_key(_bytes(log["publicKey"]["rawBytes"])))
                for log in value.get("tlogs", [])
            ),
            authorities=tuple(_authority(each) for each in value.get("timestampAuthorities", [])),
        )
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        UnsupportedAlgorithm,
        UnusableKeyError,
    ) as problem:
        raise Refusal(f"the Sigstore root cannot be used: {problem}") from problem


def logged(found: Bundle, key: PublicKey, root: Root) -> int:
    """How many log entries of a key-signed bundle are about this signature, in a log of the root.

    Raises:
        Refusal: when one is about something else, or its proof does not lead to a signed checkpoint.
    """
    for entry in found.entries:
        try:
            _entry(entry, found, key, root)
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise Refusal(f"a log entry of the bundle is malformed: {problem!r}"[:200]) from problem
    return len(found.entries)


def stamped(found: Bundle, root: Root) -> datetime:
    """The earliest instant at which an authority of the root saw the bundle's signature.

    Raises:
        Refusal: when a stamp is of another signature or of nobody that the root knows.
        Unavailable: without the extra.
    """
    signature = found.envelope.signatures[0].sig
    return min(_stamp(each, signature, root) for each in found.stamps)


def _stamp(data: bytes, signature: bytes, root: Root) -> datetime:
    try:
        from cryptography.x509 import load_der_x509_certificate
        from rfc3161_client import VerifierBuilder, decode_timestamp_response
        from rfc3161_client.errors import VerificationError
    except ImportError as lack:
        raise Unavailable(EXTRA) from lack
    try:
        response = decode_timestamp_response(data)
        moment = response.tst_info.gen_time
    except ValueError as problem:
        raise Refusal("a time stamp of the bundle is malformed") from problem
    for authority in root.authorities:
        chain = [load_der_x509_certificate(each) for each in authority.chain]
        builder = VerifierBuilder().tsa_certificate(chain[0]).add_root_certificate(chain[-1])
        for each in chain[1:-1]:
            builder = builder.add_intermediate_certificate(each)
        try:
            builder.build().verify_message(response, signature)
        except VerificationError:
            continue
        if authority.start <= moment and (authority.end is None or moment < authority.end):
            return moment
    raise Refusal("a time stamp of the bundle is not of this signature by an authority of the pinned root")


def _entry(entry: dict[str, Any], found: Bundle, key: PublicKey, root: Root) -> None:
    if entry["kindVersion"] != KIND:
        raise Refusal(
            f"the log entry is of the kind {entry['kindVersion']!a}; only {KIND['kind']} 0.0.2 is read"
        )
    body = _bytes(entry["canonicalizedBody"])
    spec = strict_json.parse(body, "the log entry")["spec"]["hashedRekordV002"]
    signature, verifier = spec["signature"], spec["signature"]["verifier"]
    signed = dsse.pae(found.envelope.payload_type, found.envelope.payload)
    if (
        spec["data"]["algorithm"] != "SHA2_256"
        or _bytes(spec["data"]["digest"]).hex() != sha256_hex(signed)
        or _bytes(signature["content"]) != found.envelope.signatures[0].sig
        or sha256_hex(_bytes(verifier["publicKey"]["rawBytes"])) != public_keys.keyid(key)
    ):
        raise Refusal("the log entry is about another signature")
    proof = entry["inclusionProof"]
    size, top = _checkpoint(proof["checkpoint"]["envelope"], root)
    hashes = [_bytes(each) for each in proof.get("hashes", [])]
    if size != int(proof["treeSize"]) or top != _bytes(proof["rootHash"]):
        raise Refusal("the log's checkpoint is not that of the proof")
    if not tree.included(tree.leaf(body), int(proof.get("logIndex", 0)), size, hashes, top):
        raise Refusal("the log entry is not in the log at its place")


def _checkpoint(text: str, root: Root) -> tuple[int, bytes]:
    """Size and root of a checkpoint that a log of the pinned root signed; witnesses' do not matter."""
    head, found, signatures = text.partition("\n\n")
    lines = head.split("\n")
    if not found or len(lines) < 3 or not lines[1].isdigit():
        raise Refusal("the log's checkpoint is no signed note")
    for line in signatures.split("\n"):
        blob = _bytes(line.rpartition(" ")[2]) if line.startswith(note.DASH) else b""
        if len(blob) > 4 and any(
            public_keys.signed_by(key, blob[4:], f"{head}\n".encode()) for key in root.logs
        ):
            return int(lines[1]), _bytes(lines[2])
    raise Refusal("the log's checkpoint is not signed by a log of the pinned root")


def _authority(value: dict[str, Any]) -> Authority:
    end = value["validFor"].get("end")
    return Authority(
        chain=tuple(_bytes(each["rawBytes"]) for each in value["certChain"]["certificates"]),
        start=statement.instant(value["validFor"]["start"]),
        end=None if end is None else statement.instant(end),
    )


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as problem:
        raise ValueError(str(problem)) from problem
