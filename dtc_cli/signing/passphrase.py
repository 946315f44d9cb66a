"""Where the passphrase of a private key comes from: a file, an environment variable, or a person."""

import os
from collections.abc import Callable
from pathlib import Path

from dtc_cli.errors import DtcError

Passphrase = Callable[[], bytes | None]
"""Asked only when a passphrase is needed; None: there is none to be had."""


def none() -> bytes | None:
    """No passphrase."""
    return None


def from_file(path: Path) -> Passphrase:
    """The first line of a file, without its line end."""

    def read() -> bytes:
        try:
            with path.open("rb") as stream:
                return _filled(stream.readline().rstrip(b"\r\n"), str(path))
        except OSError as problem:
            raise DtcError(
                "passphrase",
                "the passphrase file cannot be read",
                where=str(path),
                why=problem.strerror or "",
                hint="give a file that you may read and whose first line is the passphrase",
            ) from problem

    return read


def from_env(name: str) -> Passphrase:
    """The value of an environment variable."""

    def read() -> bytes:
        if name not in os.environ:
            raise DtcError(
                "passphrase",
                f"the environment variable {name} is not set",
                where=f"--passphrase-env {name}",
                hint=f"set {name} for this command, or use --passphrase-file",
            )
        return _filled(os.fsencode(os.environ[name]), name)

    return read


def chosen(file: Path | None, env: str | None, ask: Passphrase) -> Passphrase:
    """The passphrase source that the options name, else asking a person.

    Raises:
        DtcError: `usage` when both a file and a variable are named.
    """
    if file is not None and env is not None:
        raise DtcError("usage", "--passphrase-file and --passphrase-env exclude each other", hint="give one")
    if file is not None:
        return from_file(file)
    return from_env(env) if env is not None else ask


def _filled(text: bytes, where: str) -> bytes:
    if not text:
        raise DtcError(
            "passphrase", "the passphrase is empty", where=where, hint="an empty one protects nothing"
        )
    return text
