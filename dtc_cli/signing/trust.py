"""Whom the reader of a package believes: one public key, or a policy file; no package can add to it."""

import unicodedata
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from dtc_cli.core import catalogue
from dtc_cli.core.model import Level
from dtc_cli.core.schema_check import SchemaCheck
from dtc_cli.errors import DtcError
from dtc_cli.signing import note, pinned, public_keys, statement, strict_json
from dtc_cli.signing.identity import Identity
from dtc_cli.signing.note import Verifier
from dtc_cli.signing.pinned import Root
from dtc_cli.signing.public_keys import PublicKey, UnusableKeyError
from dtc_cli.signing.refusal import Refusal

MAX_BYTES = 1024 * 1024
MAX_AGE_DAYS = 92  # a certificate is rechecked every quarter (P4 8.4)
DOUBLES = str.maketrans(
    # Cyrillic, then Greek small letters that look like Latin ones.
    "\u0430\u0435\u0456\u0458\u043e\u0440\u0441\u0443\u0445\u0455\u0501\u051b\u051d\u04bb"
    "\u03b1\u03bf\u03c1\u03bd\u03b9\u03ba\u03c5",
    "aeijopcyxsdqwhaopviku",
)
RUN_ROLES = ("vendor", "lab", "auditor")
"""Who may sign a run. A certification body decides about runs, it does not make them."""


def alike(org: str) -> str:
    """The name of an organisation as the eye reads it: no case, no blanks, Latin letters for their doubles.

    Two names that are alike count as one organisation, so that nobody audits himself under a foreign letter.
    """
    plain = unicodedata.normalize("NFKC", org).casefold().translate(DOUBLES)
    bare = unicodedata.normalize("NFKD", plain)
    return "".join(letter for letter in bare if letter.isalnum())


class TrustedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key, or an identity of Sigstore, that the reader believes in one role, within a time."""

    keyid: str
    public: PublicKey | None
    """None for an identity: its key is in each certificate."""
    name: str = ""
    """The name of an identity."""
    role: str
    org: str
    valid_from: datetime | None = None
    valid_until: datetime | None = None


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """Who must have signed before the reader believes a level."""

    require: tuple[str, ...] = ()
    distinct_org: bool = False
    auditors: int = 1
    sample: int | None = None
    """Least share of vectors in percent that an audit ran again; None: the usual one."""
    timestamp: bool = False
    """Whether somebody else must have seen the signature at a time."""
    logged: bool = False
    """Whether a public log must hold the signature."""
    registered: bool = False
    """Whether the register must hold the run."""


class Revocation(msgspec.Struct, frozen=True, kw_only=True):
    """A key that must not be believed any more."""

    keyid: str
    invalid_since: datetime
    reason: str = ""


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """The reader's policy."""

    source: str
    kind: str
    """`key`: one public key; `policy`: a policy file."""
    keys: tuple[TrustedKey, ...]
    thresholds: dict[str, int] = {}
    needs: dict[Level, Need] = {}
    max_age_days: int = MAX_AGE_DAYS
    suites: tuple[str, ...] | None = None
    """Accepted suite digests; None: any."""
    catalogues: tuple[str, ...] | None = None
    revoked: tuple[Revocation, ...] = ()
    roots: tuple[TrustedKey, ...] = ()
    """Who publishes the next version of the policy."""
    root_threshold: int = 1
    version: int = 1
    expires: datetime | None = None
    sigstore: Root | None = None
    """The Sigstore root that the reader pins."""
    log: Verifier | None = None
    """The key of the register's log."""

    def public(self, keyid: str) -> PublicKey | None:
        """The reader's own copy of a key, None when the policy has none."""
        return next((key.public for key in self.of(keyid)), None)

    def of(self, keyid: str) -> tuple[TrustedKey, ...]:
        """The entries of a key, one per role."""
        return tuple(key for key in self.keys if key.keyid == keyid)

    def revocation(self, keyid: str) -> Revocation | None:
        """The revocation of a key, None when it is not revoked."""
        return next((entry for entry in self.revoked if entry.keyid == keyid), None)

    def need(self, level: Level) -> Need:
        """Who must have signed for the level."""
        return self.needs.get(level, Need())


def load(path: Path) -> Trust:
    """Read a trust file: a PEM public key, or a policy in JSON.

    Raises:
        DtcError: `trust-file`, when it is neither, or breaks its schema.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as problem:
        raise _broken(path, problem.strerror or str(problem)) from problem
    if len(data) > MAX_BYTES:
        raise _broken(path, f"it is larger than {MAX_BYTES} bytes")
    try:
        if b'"payloadType"' in data:
            raise Refusal("it is a published policy: dtc trust update takes it in, checked by its roots")
        return _one_key(data, path) if data.lstrip().startswith(b"-----BEGIN") else parse(data, str(path))
    except Refusal as problem:
        raise _broken(path, problem.reason) from problem


def parse(data: bytes, source: str) -> Trust:
    """A policy from its JSON text.

    Raises:
        Refusal: when it is no strict JSON, breaks the schema, or holds a key that cannot be used.
    """
    value = strict_json.parse(data, "the policy")
    problem = next(iter(sorted(_validator().iter_errors(value), key=lambda e: list(map(str, e.path)))), None)
    if problem is not None:
        place = "/".join(str(part) for part in problem.absolute_path) or "the policy"
        raise Refusal(f"{place}: {problem.message[:200]}")
    return Trust(
        source=source,
        kind="policy",
        keys=tuple(
            each
            for role, group in value["roles"].items()
            for each in (
                *(_key(role, entry) for entry in group["keys"]),
                *(_identity(role, entry) for entry in group.get("identities", ())),
            )
        ),
        thresholds={role: group.get("threshold", 1) for role, group in value["roles"].items()},
        needs={Level(name): _need(entry) for name, entry in value.get("levels", {}).items()},
        max_age_days=value.get("maxAgeDays", MAX_AGE_DAYS),
        suites=_digests(value.get("suites")),
        catalogues=_digests(value.get("catalogues")),
        revoked=tuple(
            Revocation(
                keyid=entry["keyid"],
                invalid_since=statement.instant(entry["invalidSince"]),
                reason=entry.get("reason", ""),
            )
            for entry in value.get("revoked", [])
        ),
        roots=tuple(_key("root", entry) for entry in value.get("roots", {}).get("keys", ())),
        root_threshold=value.get("roots", {}).get("threshold", 1),
        version=value["version"],
        expires=_instant(value.get("expires")),
        sigstore=None if "sigstore" not in value else pinned.read(value["sigstore"]),
        log=None if "log" not in value else note.verifier(value["log"]),
    )


def _one_key(data: bytes, path: Path) -> Trust:
    if b"PRIVATE KEY" in data:
        raise Refusal("it is a private key; only its owner may have it, and nobody needs it to verify")
    try:
        key = public_keys.read_pem(data)
    except UnusableKeyError as problem:
        raise Refusal(str(problem)) from problem
    known = public_keys.keyid(key)
    return Trust(
        source=str(path),
        kind="key",
        keys=tuple(TrustedKey(keyid=known, public=key, role=role, org=path.stem) for role in RUN_ROLES),
    )


def _key(role: str, entry: dict[str, Any]) -> TrustedKey:
    try:
        key = public_keys.read_pem(entry["publicKeyPem"].encode())
    except UnusableKeyError as problem:
        raise Refusal(f"a {role} key of {entry['org']!a} cannot be used: {problem}") from problem
    known = public_keys.keyid(key)
    if entry.get("keyid", known) != known:
        raise Refusal(f"a {role} key of {entry['org']!a} has the keyid {known}, not {entry['keyid']}")
    return TrustedKey(
        keyid=known,
        public=key,
        role=role,
        org=entry["org"],
        valid_from=_instant(entry.get("validFrom")),
        valid_until=_instant(entry.get("validUntil")),
    )


def _identity(role: str, entry: dict[str, Any]) -> TrustedKey:
    return TrustedKey(
        keyid=Identity(entry["san"], entry["issuer"]).id,
        public=None,
        name=entry["san"],
        role=role,
        org=entry["org"],
        valid_from=_instant(entry.get("validFrom")),
        valid_until=_instant(entry.get("validUntil")),
    )


def _need(entry: dict[str, Any]) -> Need:
    return Need(
        require=tuple(entry.get("require", ())),
        distinct_org=entry.get("distinctOrg", False),
        auditors=entry.get("auditors", 1),
        sample=entry.get("sample"),
        timestamp=entry.get("timestamp", False),
        logged=entry.get("logged", False),
        registered=entry.get("registered", False),
    )


def _digests(value: list[str] | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(value)


def _instant(text: str | None) -> datetime | None:
    return None if text is None else statement.instant(text).astimezone(UTC)


@cache
def _validator() -> SchemaCheck:
    return SchemaCheck(catalogue.load().schema("trust"))


def _broken(path: Path, why: str) -> DtcError:
    return DtcError(
        "trust-file",
        f"the trust file {path.name} cannot be used",
        where=str(path),
        why=why,
        hint="give the signer's public key (dtc keys export-public) or a trust policy in JSON",
    )
