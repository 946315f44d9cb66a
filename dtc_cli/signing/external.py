"""Signing with a key that `dtc` never sees: the user's program speaks to the HSM, the KMS or the card."""

import subprocess
from collections.abc import Sequence

from dtc_cli.errors import DtcError
from dtc_cli.signing import public_keys
from dtc_cli.signing.public_keys import PublicKey, UnusableKeyError

TIMEOUT_S = 120.0  # a person may have to touch a token or type a PIN
MAX_SIGNATURE = 1024


class CommandSigner:
    """Signs by a command: it reads the bytes to sign on stdin and writes the signature to stdout.

    The signature is DER for ECDSA P-256 over SHA-256 of the bytes, or 64 bytes for Ed25519. Whether it fits
    the public key is checked by `dsse.sign` before anything is written.

    Args:
        argv: the command, run without a shell.
        public: the public half of the key that the command signs with.
        timeout_s: how long the command may take.
    """

    def __init__(self, argv: Sequence[str], public: PublicKey, *, timeout_s: float = TIMEOUT_S) -> None:
        self._argv = tuple(argv)
        self._timeout_s = timeout_s
        self.public = public
        self.keyid = public_keys.keyid(public)

    def __repr__(self) -> str:
        return f"CommandSigner({self._argv[0]}, {self.keyid[:16]})"

    def sign(self, data: bytes) -> bytes:
        """The command's signature over the data.

        Raises:
            DtcError: `signer-failed` when it cannot be run, fails, takes too long, or writes no signature.
        """
        try:
            done = subprocess.run(  # noqa: S603 - the user's own command, without a shell
                self._argv, input=data, capture_output=True, timeout=self._timeout_s, check=False
            )
        except subprocess.TimeoutExpired as problem:
            raise self._failed(f"it took longer than {self._timeout_s:.0f} s") from problem
        except OSError as problem:
            raise self._failed(problem.strerror or str(problem)) from problem
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise self._failed(
                f"exit code {done.returncode}: {said[-1][:200] if said else 'it said nothing'}"
            )
        if not 0 < len(done.stdout) <= MAX_SIGNATURE:
            raise self._failed(f"it wrote {len(done.stdout)} bytes, which is no signature")
        if not public_keys.signed_by(self.public, done.stdout, data):
            raise self._failed("its signature does not fit the public key")
        return done.stdout

    def _failed(self, why: str) -> DtcError:
        return DtcError(
            "signer-failed",
            "the external signer did not sign",
            where=" ".join(self._argv),
            why=why,
            hint="it must read the bytes on stdin and write the raw signature to stdout; try it by hand",
        )


def from_text(signer: str, public_pem: bytes) -> CommandSigner:
    """The signer of `--signer cmd:PROGRAM ARGUMENTS` with the public key that belongs to it.

    Raises:
        DtcError: `usage` for another form, `key-unusable` when the public key is none.
    """
    import shlex

    try:
        argv = shlex.split(signer.removeprefix("cmd:"))
    except ValueError:
        argv = []
    if not signer.startswith("cmd:") or not argv:
        raise DtcError(
            "usage",
            "that is no external signer",
            where=f"--signer {signer}",
            hint='--signer "cmd:./sign-with-token --slot 1"',
        )
    try:
        return CommandSigner(argv, public_keys.read_pem(public_pem))
    except UnusableKeyError as problem:
        raise DtcError(
            "key-unusable",
            "the public key of the external signer cannot be used",
            where=f"--signer {signer}",
            why=str(problem),
            hint="give the PEM public key of the key that the signer signs with",
        ) from problem
