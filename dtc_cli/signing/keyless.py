"""Signing without a key of one's own, and checking it: the one door to the library `sigstore` (an extra).

An identity provider names the signer, a certificate authority writes the name into a certificate for ten
minutes, a public log and a time stamp show that the signature was made in them. Verification opens no socket.
"""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dtc_cli.core.canonical import canonical_json
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode
from dtc_cli.signing import bundle, pinned, strict_json
from dtc_cli.signing.bundle import Bundle
from dtc_cli.signing.pinned import Root
from dtc_cli.signing.refusal import Refusal, Unavailable

if TYPE_CHECKING:
    from sigstore.sign import Signer

PUBLIC = (
    "your identity (e-mail address or the address of the build), who vouches for it, the SHA-256 of each "
    "statement, and the time become public for ever; the statements themselves do not"
)


class Keyless:
    """Somebody who signs by an identity: statement in, bundle out."""

    def __init__(self, signer: "Signer") -> None:
        self._signer = signer

    def seal(self, payload: bytes) -> bytes:
        """The bundle of a statement, signed, logged and time-stamped.

        Raises:
            DtcError: `sigstore-failed`.
        """
        from sigstore.dsse import Statement

        try:
            text = self._signer.sign_dsse(Statement(payload)).to_json()
        except Exception as problem:
            raise _failed(problem) from problem
        made = canonical_json(json.loads(text))
        if bundle.parse(made, "the bundle").envelope.payload != payload:
            raise _failed(ValueError("another statement was signed"))
        return made


def available(what: str) -> None:
    """Make sure that the extra is there, before work begins that needs it.

    Raises:
        DtcError: `extra-missing`.
    """
    import importlib.util

    if importlib.util.find_spec("sigstore") is None:
        raise DtcError(
            "extra-missing",
            f"{what} needs the extra sigstore",
            where=what,
            why="the library sigstore is not installed",
            hint="pip install 'dtc[sigstore]'",
        )


@contextmanager
def session(config: Path | None, token: str | None) -> Iterator[Keyless]:
    """Somebody who signs by the identity of a token.

    Args:
        config: services and root to use (Sigstore's client trust configuration, JSON); None: the public ones.
        token: identity token (OIDC, audience `sigstore`); None: the one that the build server offers.

    Raises:
        DtcError: `extra-missing`, `no-identity`, `sigstore-failed`.
    """
    available("signing with Sigstore")
    from sigstore.models import ClientTrustConfig
    from sigstore.oidc import IdentityToken, detect_credential
    from sigstore.sign import SigningContext

    raw = token or detect_credential()
    if not raw:
        raise DtcError(
            "no-identity",
            "nobody says who you are",
            where="--identity-token-file",
            why="this is no build server that offers an identity token",
            hint="fetch a token with the audience sigstore from your identity provider into a file",
        )
    try:
        trusted = ClientTrustConfig.production() if config is None else _config(config)
        with SigningContext.from_trust_config(trusted).signer(IdentityToken(raw)) as signer:
            yield Keyless(signer)
    except (DtcError, Refusal):
        raise
    except Exception as problem:
        raise _failed(problem) from problem


def verify(found: Bundle, root: Root) -> datetime:
    """When the identity of a bundle signed: certificate, its log, entry, time stamp and signature all fit.

    Raises:
        Refusal: UNTRUSTED: something does not lead to the pinned root.
        Unavailable: without the extra.
    """
    try:
        from sigstore.errors import Error
        from sigstore.models import Bundle as Theirs
        from sigstore.models import TrustedRoot
        from sigstore.verify import Verifier
        from sigstore.verify.policy import Identity
    except ImportError as lack:
        raise Unavailable(pinned.EXTRA) from lack
    if found.identity is None:
        raise Refusal("a key signed, not an identity")
    try:
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            file.write(canonical_json(root.value))
            file.flush()
            verifier = Verifier(trusted_root=TrustedRoot.from_file(file.name))
        theirs = Theirs.from_json(found.data)
        who = Identity(identity=found.identity.san, issuer=found.identity.issuer)
        kind, payload = verifier.verify_dsse(theirs, who)
    except (Error, ValueError) as problem:
        why = str(problem).splitlines()[0][:200] if str(problem) else type(problem).__name__
        raise Refusal(
            f"UNTRUSTED: the certificate does not stand the test: {why}", ExitCode.UNTRUSTED
        ) from problem
    if (kind, payload) != (found.envelope.payload_type, found.envelope.payload):
        raise Refusal("the library read another statement in the bundle than dtc")
    return pinned.stamped(found, root) if found.stamps else _integrated(found)


def _integrated(found: Bundle) -> datetime:
    """The time of an entry of a Rekor v1 log, whose promise the library has checked."""
    from datetime import UTC

    try:
        return datetime.fromtimestamp(int(found.entries[0]["integratedTime"]), UTC)
    except (LookupError, ValueError, TypeError, OverflowError) as problem:
        raise Refusal("nobody says when the identity signed", ExitCode.UNTRUSTED) from problem


def _config(path: Path) -> Any:
    from sigstore.models import ClientTrustConfig

    try:
        data = path.read_bytes()
        strict_json.parse(data, path.name)
        return ClientTrustConfig.from_json(data.decode())
    except (OSError, Refusal, ValueError) as problem:
        raise DtcError(
            "trust-config",
            f"{path.name} is no trust configuration of Sigstore",
            where=str(path),
            why=str(problem)[:300],
            hint="a JSON file with trustedRoot and signingConfig, as whoever runs the services gives it out",
        ) from problem


def _failed(problem: Exception) -> DtcError:
    why = str(problem).splitlines()
    return DtcError(
        "sigstore-failed",
        "the services of Sigstore did not sign",
        why=(why[0] if why else type(problem).__name__)[:300],
        hint="try again; a run that was judged is kept, and --sign key signs it without them",
        exit_code=ExitCode.CANNOT_DECIDE,
    )
