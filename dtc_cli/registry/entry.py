"""The entries of the log: what was asked, issued, suspended; one JSON object each, in RFC 8785 form."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import msgspec

from dtc_cli.core.canonical import canonical_json
from dtc_cli.signing import statement, strict_json
from dtc_cli.signing.evidence import Hex, Instant, typed
from dtc_cli.signing.trust import MAX_AGE_DAYS

Words = Annotated[str, msgspec.Meta(max_length=1000)]
Kind = Literal["init", "nonce", "register", "issue", "renew", "recheck", "suspend", "resume", "revoke"]


class Entry(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """One entry; members that a kind does not need are left out."""

    seq: Annotated[int, msgspec.Meta(ge=0)]
    type: Kind
    at: Instant
    about: Hex | None = None
    """SHA-256 of registry.json, in the first entry."""
    nonce: Words = ""
    expires: Words = ""
    run_id: Words = ""
    statement: Hex | None = None
    """SHA-256 of the package's SHA256SUMS."""
    run_finished: Words = ""
    level: Words = ""
    verdict: Words = ""
    target: Words = ""
    product_version: Words = ""
    vendor: Words = ""
    city: Words = ""
    certificate: Words = ""
    """The certificate's id (a UUID)."""
    credential: Hex | None = None
    """SHA-256 of certificate.vc.jwt."""
    status_index: int | None = None
    follows: Words = ""
    """The certificate that a renewal follows."""
    not_before: Words = ""
    not_after: Words = ""
    reason: Words = ""

    def data(self) -> bytes:
        """The bytes of the leaf."""
        return canonical_json(msgspec.to_builtins(self))


def parse(data: bytes, seq: int) -> Entry:
    """An entry of the log.

    Raises:
        Refusal: when it has another form than its only one, or another number than its place.
    """
    from dtc_cli.signing.refusal import Refusal

    name = f"entry {seq}"
    made = typed(strict_json.parse_canonical(data, name), name, Entry)
    if made.seq != seq or made.data() != data:
        raise Refusal(f"{name} does not stand at its place or is not in its only form")
    return made


class Certificate(msgspec.Struct, kw_only=True):
    """A certificate as the log's entries leave it."""

    issued: Entry
    evidence_at: datetime
    """End of the newest run that bears it out."""
    suspended: str | None = None
    revoked: str | None = None
    renewed_by: str = ""
    statements: list[str]
    """SHA-256 of the SHA256SUMS of each run that bears it out, oldest first."""

    @property
    def id(self) -> str:
        """The certificate's id."""
        return self.issued.certificate

    @property
    def recheck_due(self) -> datetime:
        """Until when its evidence counts (P4 8.4: every quarter)."""
        return self.evidence_at + timedelta(days=MAX_AGE_DAYS)

    def state(self, now: datetime) -> str:
        """`valid`, or why it is not, in a word or two."""
        if self.revoked is not None:
            return "revoked"
        if self.suspended is not None:
            return "suspended"
        if now >= statement.instant(self.issued.not_after):
            return "renewed" if self.renewed_by else "expired"
        return OVERDUE if now > self.recheck_due else "valid"


class Register(msgspec.Struct):
    """What all entries together say."""

    certificates: dict[str, Certificate]
    nonces: dict[str, Entry]
    """Nonces that no run answered yet, by value."""
    runs: set[str]


def derive(entries: tuple[Entry, ...]) -> Register:
    """The register that the entries amount to; a pure function, so that anybody gets the same."""
    found = Register({}, {}, set())
    for entry in entries:
        held = found.certificates.get(entry.certificate)
        match entry.type:
            case "nonce":
                found.nonces[entry.nonce] = entry
            case "register":
                found.runs.add(entry.run_id)
                found.nonces.pop(entry.nonce, None)
            case "issue" | "renew":
                found.certificates[entry.certificate] = Certificate(
                    issued=entry,
                    evidence_at=statement.instant(entry.run_finished),
                    statements=[entry.statement or ""],
                )
                if entry.follows in found.certificates:
                    found.certificates[entry.follows].renewed_by = entry.certificate
            case "recheck" if held is not None:
                held.evidence_at = max(held.evidence_at, statement.instant(entry.run_finished))
                held.statements.append(entry.statement or "")
            case "suspend" if held is not None:
                held.suspended = entry.reason
            case "resume" if held is not None:
                held.suspended = None
            case "revoke" if held is not None:
                held.revoked = entry.reason
            case _:
                continue
    return found


OVERDUE = "recheck overdue"
"""Reason of a suspension that the next recheck ends by itself."""


def overdue(register: Register, now: datetime) -> tuple[Certificate, ...]:
    """Certificates that nobody suspended yet and whose evidence no longer counts."""
    return tuple(held for held in register.certificates.values() if held.state(now) == OVERDUE)


def abandoned(register: Register, now: datetime) -> tuple[Entry, ...]:
    """Nonces whose time passed without a run: perhaps somebody saw a result and kept it back."""
    return tuple(entry for entry in register.nonces.values() if now >= statement.instant(entry.expires))


def text(moment: datetime) -> str:
    """RFC 3339, UTC, whole seconds."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
