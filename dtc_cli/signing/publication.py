"""A trust policy as its publisher signs it, and how a reader takes the next version in.

The envelope (`*.dsse.json`) is a DSSE envelope with the policy as payload and one signature per root key.
A version is taken in when as many roots of the version that the reader has signed it as that one asks for,
and when it is newer; so a stolen root alone, or an old version shown again, changes nothing.
"""

from collections.abc import Iterable

from dtc_cli.core.canonical import canonical_json
from dtc_cli.signing import dsse, public_keys, strict_json, trust
from dtc_cli.signing.dsse import Envelope, Signer
from dtc_cli.signing.public_keys import PublicKey
from dtc_cli.signing.refusal import Refusal
from dtc_cli.signing.trust import Trust

PAYLOAD_TYPE = "application/vnd.dtc.trust+json"
MAX_BYTES = 2 * trust.MAX_BYTES


def sign(policy: bytes, signer: Signer, before: bytes | None = None) -> bytes:
    """The envelope of a policy with one signature more.

    Args:
        policy: the policy file; it is signed as it is, byte for byte.
        signer: a root.
        before: the envelope with the signatures of other roots.

    Raises:
        Refusal: when the policy is none, or `before` is about another one.
    """
    trust.parse(policy, "the policy")
    made = dsse.sign(policy, PAYLOAD_TYPE, signer)
    signatures = made.signatures
    if before is not None:
        old = _open(before)
        if old.payload != policy:
            raise Refusal("the envelope holds another policy, or another version of it")
        others = (each for each in old.signatures if each.keyid != signer.keyid)
        signatures = (*others, *signatures)
    return canonical_json(Envelope(policy, PAYLOAD_TYPE, signatures).to_json()) + b"\n"


def accept(data: bytes, current: Trust | None, roots: Iterable[PublicKey] = ()) -> tuple[bytes, Trust]:
    """The policy of an envelope, if the reader may take it in.

    Args:
        data: the envelope.
        current: the version that the reader has; its roots decide. None: there is none yet.
        roots: keys that the reader got on another way, for the first version; all of them must have signed.

    Raises:
        Refusal: when it is not signed by enough roots, or not newer.
    """
    envelope = _open(data)
    parsed = trust.parse(envelope.payload, "the policy")
    if current is None:
        pinned = tuple(roots)
        if not pinned:
            raise Refusal("there is no earlier version and no root key to check it by")
        keys, threshold = pinned, len({public_keys.keyid(key) for key in pinned})
    else:
        if not current.roots:
            raise Refusal("the policy at hand names no roots, so nobody can publish its next version")
        revoked = {entry.keyid for entry in current.revoked}
        keys = tuple(key.public for key in current.roots if key.public and key.keyid not in revoked)
        threshold = current.root_threshold
    try:
        dsse.verify(envelope, keys, threshold)
    except Refusal as problem:
        raise Refusal(f"it is not signed by its roots: {problem.reason}") from problem
    if current is not None and parsed.version <= current.version:
        raise Refusal(f"it is version {parsed.version}; version {current.version} is at hand")
    return envelope.payload, parsed


def _open(data: bytes) -> Envelope:
    if len(data) > MAX_BYTES:
        raise Refusal(f"the envelope is larger than {MAX_BYTES} bytes")
    envelope = dsse.parse(strict_json.parse(data, "the envelope"))
    if envelope.payload_type != PAYLOAD_TYPE:
        raise Refusal(f"the payload type is not {PAYLOAD_TYPE}")
    return envelope
