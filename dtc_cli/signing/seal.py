"""A statement in its bundle, whoever signs: a key, or an identity of Sigstore."""

from dtc_cli.signing import bundle, dsse, layout, public_keys, statement
from dtc_cli.signing.dsse import Signer
from dtc_cli.signing.keyless import Keyless

Sealer = Signer | Keyless
"""Whoever signs statements."""


def seal(payload: bytes, who: Sealer) -> bytes:
    """The bundle of an in-toto statement.

    Raises:
        DtcError: when the signer does not sign.
    """
    if isinstance(who, Keyless):
        return who.seal(payload)
    return bundle.render(dsse.sign(payload, statement.PAYLOAD_TYPE, who))


def copies(who: Sealer) -> dict[str, bytes]:
    """The public key beside the bundle, for convenience; an identity brings its certificate along."""
    if isinstance(who, Keyless):
        return {}
    return {f"{layout.KEYS}{who.keyid}.pub": public_keys.to_pem(who.public)}
