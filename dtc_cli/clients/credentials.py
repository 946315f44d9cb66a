"""Keys and tokens of the target file: resolved once, registered for redaction before they are used."""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from dtc_cli.clients.redaction import SHORTEST_SECRET, Redactor
from dtc_cli.core.target import Secret, Target
from dtc_cli.errors import DtcError

API_KEY_HEADER = "X-API-Key"  # P2 4.1
SIGNING = "signing_key"
LONGEST_SECRET = 65536
"""Bytes. A device or a dump given as key file would otherwise be read for ever."""


class Credential(msgspec.Struct, frozen=True):
    """Headers that authenticate, under a name that may be shown."""

    name: str
    headers: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Credential({self.name})"


NOBODY = Credential("none", {})


class Credentials:
    """The credentials of a target file.

    Raises:
        DtcError: `credential` when a reference (`env:`, `file:`) cannot be resolved or a key is too short.
    """

    def __init__(self, target: Target, redactor: Redactor) -> None:
        self._redactor = redactor
        self._keys = {
            role: self._resolve(secret, target, f"auth.api_keys.{role}", role)
            for role, secret in target.api_keys.items()
        }
        self.oauth = (
            {
                name: self._resolve(secret, target, f"auth.oauth.{name}", name)
                for name, secret in (
                    ("client_id", target.oauth.client_id),
                    ("client_secret", target.oauth.client_secret),
                )
            }
            if target.oauth
            else {}
        )

        self.signing_key = (
            self._resolve(target.signing.secret, target, "auth.signing.secret", SIGNING)
            if target.signing
            else ""
        )
        """The key with which the run signs messages; empty without `auth.signing`."""

    @property
    def secrets(self) -> Mapping[str, str]:
        """Every resolved secret by its name."""
        signing = {SIGNING: self.signing_key} if self.signing_key else {}
        return {**self._keys, **self.oauth, **signing}

    @property
    def roles(self) -> tuple[str, ...]:
        """The names for which a key is given."""
        return tuple(self._keys)

    @property
    def usual(self) -> str:
        """The role for the bulk of a run: `load`, of raised allowance, where it is given; else `admin`."""
        return "load" if "load" in self._keys else "admin"

    def role(self, name: str) -> Credential:
        """The API key of a role, or `none` for no credentials at all.

        Raises:
            KeyError: when the target file names no such key.
        """
        return NOBODY if name == "none" else Credential(name, {API_KEY_HEADER: self._keys[name]})

    def conceal(self, text: str, name: str) -> str:
        """The text, kept out of the evidence from now on: a signature made with a key, or a token."""
        self._redactor.register(text, name)
        return text

    def key_text(self, text: str, name: str) -> Credential:
        """A made-up key, for what a target must refuse; registered although it is no secret."""
        self._redactor.register(text, name)
        return Credential(name, {API_KEY_HEADER: text})

    def variant(self, role: str, how: str) -> Credential:
        """A spoilt form of a real key: `prefix`, `suffix`, `upper`, `lower` or `doubled` (D-15)."""
        key = self._keys[role]
        spoilt = {
            "prefix": key[:-1],
            "suffix": key + "x",
            "upper": key.upper(),
            "lower": key.lower(),
            "doubled": key + key,
        }[how]
        return self.key_text(spoilt, f"{role}-{how}")

    def _resolve(self, secret: Secret, target: Target, key: str, name: str) -> str:
        value = _value(secret, target, key)
        # A client identifier is no secret (RFC 6749 2.2): a short one is shown as it is.
        shown = name == "client_id" and 0 < len(value) < SHORTEST_SECRET
        if len(value) < SHORTEST_SECRET and not shown:
            raise DtcError(
                "credential",
                f"the value of {key} has fewer than {SHORTEST_SECRET} characters",
                where=target.where(key),
                why="so short a value cannot be kept out of the evidence",
                hint="use a longer key; an empty environment variable or file counts as short too",
            )
        if not (value.isascii() and value.isprintable()):
            raise DtcError(
                "credential",
                f"the value of {key} cannot travel in a header",
                where=target.where(key),
                why="it holds a line break, a control character or a character outside ASCII",
                hint="a key file holds the key alone, on one line",
            )
        if not shown:
            self._redactor.register(value, name)
        return value


def _value(secret: Secret, target: Target, key: str) -> str:
    if secret.kind == "literal":
        return secret.value
    if not secret.value:
        raise DtcError(
            "credential",
            f"{key} names no {'environment variable' if secret.kind == 'env' else 'file'}",
            where=target.where(key),
            hint="env:NAME or file:PATH",
        )
    if secret.kind == "env":
        if secret.value not in os.environ:
            raise DtcError(
                "credential",
                f"the environment variable {secret.value} is not set",
                where=target.where(key),
                hint=f"export {secret.value}=... before you call dtc",
            )
        return os.environ[secret.value].strip()
    file = target.folder / Path(secret.value).expanduser()
    try:
        with file.open("rb") as stream:
            content = stream.read(LONGEST_SECRET + 1)
        if len(content) > LONGEST_SECRET:
            raise OSError(f"it holds more than {LONGEST_SECRET} bytes, so it is no key")
        return content.decode().strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise DtcError(
            "credential",
            f"the key file {file} cannot be read",
            where=target.where(key),
            why=problem.strerror if isinstance(problem, OSError) and problem.strerror else str(problem),
            hint="file: paths are relative to the folder of the target file",
        ) from problem
