"""The options that say whose key signs, the same for every command that signs a statement."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dtc_cli.errors import DtcError

if TYPE_CHECKING:
    from dtc_cli.signing.dsse import Signer
    from dtc_cli.signing.keyless import Keyless
    from dtc_cli.signing.seal import Sealer

KeyName = Annotated[
    str, typer.Option("--key", help="Your key that signs: its name in the key folder, or a PEM file.")
]
PassphraseFile = Annotated[
    Path | None, typer.Option("--passphrase-file", help="File whose first line is the passphrase.")
]
PassphraseEnv = Annotated[
    str | None, typer.Option("--passphrase-env", help="Environment variable that holds the passphrase.")
]
Command = Annotated[
    str | None,
    typer.Option(
        "--signer", metavar="cmd:PROGRAM", help="Program that signs stdin (HSM, KMS); needs --signer-key."
    ),
]
CommandKey = Annotated[
    Path | None, typer.Option("--signer-key", help="Public key (PEM) of the key that --signer signs with.")
]
TrustConfig = Annotated[
    Path | None,
    typer.Option("--trust-config", help="Sigstore services to use (client trust config, JSON); else public."),
]
IdentityToken = Annotated[
    Path | None,
    typer.Option("--identity-token-file", help="File with an identity token; else the build server's own."),
]


Sign = Annotated[str, typer.Option("--sign", metavar="key|sigstore", help="Sign with a key, or by identity.")]


def sealing(
    sign: str, key: "Callable[[], Signer]", config: Path | None, token: Path | None, *, keyed: bool
) -> "AbstractContextManager[Sealer]":
    """Whoever signs, to be entered once the work is over: an identity token lives for minutes only.

    Args:
        sign: `key` or `sigstore`.
        key: gives the signer of the options for a key.
        config: services of Sigstore.
        token: file with an identity token.
        keyed: whether the options name a key.

    Raises:
        DtcError: `usage` when the options contradict each other; `extra-missing`, `not-readable`.
    """
    if sign == "sigstore":
        if keyed:
            raise DtcError("usage", "with --sign sigstore there is no key", where="--sign sigstore")
        return _identity(config, token)
    if sign != "key" or config is not None or token is not None:
        raise DtcError(
            "usage", "that is no way to sign", where=f"--sign {sign}",
            hint="--sign key, or --sign sigstore with --trust-config and --identity-token-file",
        )  # fmt: skip
    return nullcontext(key())


def _identity(config: Path | None, token: Path | None) -> "AbstractContextManager[Keyless]":
    """Somebody who signs by identity; what becomes public is said before anything is."""
    from dtc_cli import console
    from dtc_cli.signing import keyless

    keyless.available("--sign sigstore")
    for file in (config, token):
        if file is not None:
            read(file)
    console.status(f"by signing with Sigstore {keyless.PUBLIC}")
    return _session(config, token)


@contextmanager
def _session(config: Path | None, token: Path | None) -> "Iterator[Keyless]":
    """The token is read when it is needed: somebody may renew it during a long run."""
    from dtc_cli.signing import keyless

    text = None if token is None else read(token).decode("ascii", "replace").strip()
    with keyless.session(config, text) as who:
        yield who


def chosen(
    key: str,
    passphrase_file: Path | None = None,
    passphrase_env: str | None = None,
    command: str | None = None,
    command_key: Path | None = None,
) -> "Signer":
    """The signer that the options name; a person at the terminal is asked for a passphrase.

    Raises:
        DtcError: when options contradict each other, or the key cannot be used.
    """
    from dtc_cli.commands.keys import ask_passphrase
    from dtc_cli.signing import external, keys, passphrase

    if (command is None) != (command_key is None):
        raise DtcError(
            "usage",
            "--signer and --signer-key belong together",
            where="--signer",
            hint='--signer "cmd:./sign-with-token" --signer-key token.pub',
        )
    if command is not None and command_key is not None:
        return external.from_text(command, read(command_key))
    source = passphrase.chosen(
        passphrase_file, passphrase_env, lambda: ask_passphrase("passphrase of the key")
    )
    return keys.load(key, source)


def read(path: Path, limit: int = 1024 * 1024) -> bytes:
    """The bytes of a small file that an option names.

    Raises:
        DtcError: `not-readable`.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as problem:
        raise DtcError(
            "not-readable",
            f"{path} cannot be read",
            where=str(path),
            why=problem.strerror or "",
            hint="name a file that you may read",
        ) from problem
    if len(data) > limit:
        raise DtcError("not-readable", f"{path} is larger than {limit} bytes", where=str(path))
    return data


def write(path: Path, data: bytes) -> None:
    """Write a result file whole.

    Raises:
        DtcError: `not-written`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as problem:
        raise DtcError(
            "not-written",
            f"{path} cannot be written",
            where=str(path),
            why=problem.strerror or str(problem),
            hint="name a file in a folder that you may write",
        ) from problem
