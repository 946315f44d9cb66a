"""What a certification body does: register runs, issue, renew, suspend and revoke certificates.

Each act is an entry of the log; certificate files and status lists are written from the log afterwards.
"""

import secrets
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from dtc_cli.core.canonical import sha256_hex
from dtc_cli.core.chain import nonce_bytes
from dtc_cli.core.model import Level
from dtc_cli.errors import DtcError, as_word
from dtc_cli.exit_codes import ExitCode
from dtc_cli.registry import badge, credential, entry, jws, log
from dtc_cli.registry.entry import Certificate, Entry, Kind, Register
from dtc_cli.registry.log import About, Log
from dtc_cli.registry.rendered import rendered
from dtc_cli.signing import note, statement
from dtc_cli.signing.attestation import refused
from dtc_cli.signing.dsse import Signer
from dtc_cli.signing.evidence import Evidence, read
from dtc_cli.signing.reader import open_package
from dtc_cli.signing.refusal import Refusal
from dtc_cli.signing.verify import VerifyResult, verify

CERTIFICATE, BADGE, PROOF = "certificate.vc.jwt", "badge.svg", "registry.tlog-proof"
Append = Callable[[list[Entry]], None]


class Keys(NamedTuple):
    """The two keys of a registry."""

    log: Signer
    issuer: Signer


def give_nonce(folder: Path, log_key: Signer, *, target: str, vendor: str, hours: int) -> Entry:
    """A nonce for a run that is about to begin, put into the log before it is told."""
    with log.changing(folder, log_key) as (found, append):
        at = datetime.now(UTC)
        made = Entry(
            seq=len(found.entries),
            type="nonce",
            at=entry.text(at),
            nonce=_nonce(),
            expires=entry.text(at + timedelta(hours=hours)),
            target=target,
            vendor=vendor,
        )
        append([made])
        return made


def register(folder: Path, log_key: Signer, package: Path, policy: Path, *, need_nonce: bool) -> Entry:
    """Put a run into the log, passed or failed, once.

    Raises:
        DtcError: `package-refused` when it is not authentic by the policy; `nonce` when it was made for no
            nonce of this registry, where one is asked for; `registered` for a run id that is there already.
    """
    result, facts = _authentic(package, policy)
    with log.changing(folder, log_key) as (found, append):
        now = entry.derive(found.entries)
        if facts.run.run_id in now.runs:
            raise DtcError(
                "registered", f"run {facts.run.run_id} is in the log already", where=str(package),
                exit_code=ExitCode.STALE,
            )  # fmt: skip
        nonce = _answered(now, facts, need=need_nonce, package=package)
        made = _entry("register", found, facts, result, nonce=nonce)
        append([made])
        return made


def issue(
    folder: Path, keys: Keys, package: Path, policy: Path, level: Level, *, follows: str = ""
) -> tuple[Entry, Path]:
    """A certificate for a package that is conformant by the policy; returns its entry and its folder.

    Raises:
        DtcError: `not-certifiable` with the exit code of the verification; `no-certificate` for a renewal of
            one that is not there, was revoked, or is of another product.
    """
    result, facts = _conformant(package, policy, level)
    with log.changing(folder, keys.log) as (found, append):
        now = entry.derive(found.entries)
        _right_key(found.about, keys.issuer)
        if follows:
            old = _certificate(now, follows, folder)
            if old.revoked is not None or old.issued.target != facts.run.target.name:
                raise _no_certificate(folder, follows, "it was revoked, or is of another product")
        identifier, at = str(uuid.uuid4()), datetime.now(UTC).replace(microsecond=0)
        index = len(now.certificates)
        payload = credential.make(
            identifier=identifier,
            facts=_facts(facts, result, level),
            standard=facts.run.standard.id,
            standard_version=facts.run.standard.version,
            issuer=found.about.issuer,
            issuer_name=found.about.name,
            registry=found.about.issuer,
            index=index,
            at=at,
        )
        token = jws.sign(payload, credential.TYPE, keys.issuer)
        made = _entry(
            "renew" if follows else "issue", found, facts, result,
            level=level.value, certificate=identifier, credential=sha256_hex(token.encode()),
            status_index=index, follows=follows,
            not_before=payload["validFrom"], not_after=payload["validUntil"],
        )  # fmt: skip
        append([made])
        place = folder / "certificates" / identifier
        log.write(place / CERTIFICATE, token.encode())
        log.write(place / BADGE, badge.render(token, *credential.verify(token, keys.issuer.public)))
        after = log.read(folder)
        log.write(place / PROOF, log.prove(after, made.seq))
        _status_lists(folder, after, keys.issuer)
        return made, place


def recheck(folder: Path, keys: Keys, package: Path, policy: Path, identifier: str) -> Entry:
    """A newer run of the same product bears a certificate out for another quarter.

    The run names the one before it, so that none in between can be kept back. It ends a suspension that was
    for nothing but its absence.

    Raises:
        DtcError: as `issue`; `no-certificate` too when it follows another run than the newest.
    """
    with log.changing(folder, keys.log) as (found, append):
        held = _certificate(entry.derive(found.entries), identifier, folder)
        result, facts = _conformant(package, policy, Level(held.issued.level))
        if (facts.run.target.name, facts.run.target.version) != (
            held.issued.target,
            held.issued.product_version,
        ):
            raise _no_certificate(folder, identifier, "the run is of another product or version")
        if facts.run.previous_run != held.statements[-1]:
            newest = f"the run does not follow {held.statements[-1][:16]}, the newest that it rests on"
            raise _no_certificate(folder, identifier, f"{newest}: dtc certify --recheck PACKAGE names it")
        made = [_entry("recheck", found, facts, result, certificate=identifier)]
        if held.suspended == entry.OVERDUE:
            made.append(_act(len(found.entries) + 1, "resume", identifier, "rechecked"))
        append(made)
        _status_lists(folder, log.read(folder), keys.issuer)
        return made[0]


def suspend_overdue(folder: Path, keys: Keys, now: datetime) -> list[Entry]:
    """Suspend each certificate whose recheck was missed, and sign the status lists with today's date.

    Meant to be run every day by the certification body; a reader takes no status list older than 92 days.
    """
    with log.changing(folder, keys.log) as (found, append):
        _right_key(found.about, keys.issuer)
        late = entry.overdue(entry.derive(found.entries), now)
        made = [
            _act(len(found.entries) + place, "suspend", held.id, entry.OVERDUE)
            for place, held in enumerate(late)
        ]
        if made:
            append(made)
        _status_lists(folder, log.read(folder), keys.issuer)
        return made


def change(folder: Path, keys: Keys, identifier: str, kind: Kind, reason: str) -> Entry:
    """Suspend, resume or revoke a certificate, and sign the status lists anew.

    Raises:
        DtcError: `no-certificate` when it is not there, or is in that state already.
    """
    with log.changing(folder, keys.log) as (found, append):
        held = _certificate(entry.derive(found.entries), identifier, folder)
        _right_key(found.about, keys.issuer)
        if held.revoked is not None:
            raise _no_certificate(folder, identifier, "it was revoked, which is for good")
        if (kind == "suspend") == (held.suspended is not None) and kind != "revoke":
            raise _no_certificate(folder, identifier, f"there is nothing to {kind}")
        made = _act(len(found.entries), kind, held.id, reason)
        append([made])
        _status_lists(folder, log.read(folder), keys.issuer)
        return made


def check_files(folder: Path, found: Log) -> int:
    """Certificates, badges, proofs and status lists are what the log says; returns how many were checked.

    Raises:
        Refusal: naming the file.
    """
    now, key = entry.derive(found.entries), log.issuer_key(found.about)
    who = note.verifier(found.about.log_key)
    count = 0
    for identifier, held in now.certificates.items():
        place = folder / "certificates" / identifier
        token = _read(place / CERTIFICATE)
        if sha256_hex(token) != held.issued.credential:
            raise Refusal(f"{identifier}/{CERTIFICATE} is not the one in the log")
        payload, facts = credential.verify(token.decode(), key)
        if _read(place / BADGE) != badge.render(token.decode(), payload, facts):
            raise Refusal(f"{identifier}/{BADGE} is not the picture of its certificate")
        log.check_proof(_read(place / PROOF), found.data[held.issued.seq], who)
        count += 3
        for purpose, reason in (("revocation", held.revoked), ("suspension", held.suspended)):
            lists = _read(folder / "statuslist" / f"{purpose}.vc.jwt").decode("ascii", "replace")
            if credential.listed(lists, payload, purpose, key)[0] != (reason is not None):
                raise Refusal(f"the status list for {purpose} does not say what the log says of {identifier}")
    return count + 2 * bool(now.certificates)


def _act(seq: int, kind: Kind, certificate: str, reason: str) -> Entry:
    at = entry.text(datetime.now(UTC))
    return Entry(seq=seq, type=kind, at=at, certificate=certificate, reason=reason)


def _status_lists(folder: Path, found: Log, key: Signer) -> None:
    now, at = entry.derive(found.entries), datetime.now(UTC).replace(microsecond=0)
    about = found.about
    for purpose in credential.PURPOSES:
        token = credential.status_list(
            now, purpose, issuer=about.issuer, registry=about.issuer, at=at, key=key
        )
        log.write(folder / "statuslist" / f"{purpose}.vc.jwt", token.encode())


def _authentic(package: Path, policy: Path) -> tuple[VerifyResult, Evidence]:
    result = verify(package, policy, ask_registry=False, render=rendered)
    if not result.authentic:
        first = next(
            (check for check in result.checks if check.code is not None and check.authenticity), None
        )
        raise DtcError(
            "package-refused",
            f"the package {package.name} is not authentic by the policy",
            where=str(package),
            why="" if first is None else f"{first.name}: {first.reason}",
            hint=f"dtc verify {as_word(package)} --trust {as_word(policy)}",
            exit_code=result.exit_code or ExitCode.UNTRUSTED,
        )
    try:
        with open_package(package) as files:
            return result, read(files)
    except Refusal as problem:
        raise refused(package, problem) from problem


def _conformant(package: Path, policy: Path, level: Level) -> tuple[VerifyResult, Evidence]:
    result = verify(package, policy, level, render=rendered)
    if result.exit_code is not ExitCode.OK:
        first = next(check for check in result.checks if check.code is result.exit_code)
        raise DtcError(
            "not-certifiable",
            f"the package {package.name} does not bear out {level}",
            where=str(package),
            why=f"{first.name}: {first.reason}",
            hint=f"dtc verify {as_word(package)} --trust {as_word(policy)} --level {level}",
            exit_code=result.exit_code,
        )
    return result, _authentic(package, policy)[1]


def _facts(facts: Evidence, result: VerifyResult, level: Level) -> credential.Facts:
    run = facts.run
    return credential.Facts(
        level=level,
        statement=result.summary["subject"],
        run_id=run.run_id,
        run_finished=run.finished_at,
        tls_spki=run.target.fingerprint.tls_spki,
        vendor=run.target.vendor,
        city=run.target.city,
        product=run.target.name,
        version=run.target.version,
    )


def _entry(kind: Kind, found: Log, facts: Evidence, result: VerifyResult, **members: Any) -> Entry:
    run = facts.run
    given: dict[str, Any] = {
        "level": run.level.claimed.value,
        "verdict": result.summary["verdict"],
        "target": run.target.name,
        "product_version": run.target.version,
        "vendor": run.target.vendor,
        "city": run.target.city,
        "run_id": run.run_id,
        "run_finished": run.finished_at,
        "statement": result.summary["subject"],
    }
    return Entry(seq=len(found.entries), type=kind, at=entry.text(datetime.now(UTC)), **{**given, **members})


def _answered(now: Register, facts: Evidence, *, need: bool, package: Path) -> str:
    """The registry's nonce that the run was made for; empty when it was made for none."""
    try:
        used = nonce_bytes(facts.run.nonce)
    except ValueError:
        used = b""
    for value, given in now.nonces.items():
        if nonce_bytes(value) == used:
            began = statement.instant(facts.run.started_at)
            if began < statement.instant(given.at) or began > statement.instant(given.expires):
                raise _nonce_error(package, "the run did not begin while its nonce was good")
            return value
    if need:
        raise _nonce_error(package, "the run was made for no nonce that this registry gave out")
    return ""


def _nonce_error(package: Path, why: str) -> DtcError:
    return DtcError(
        "nonce", "the run cannot be registered", where=str(package), why=why,
        hint="dtc registry nonce gives one; dtc certify --nonce N uses it", exit_code=ExitCode.STALE,
    )  # fmt: skip


def _certificate(now: Register, identifier: str, folder: Path) -> Certificate:
    if identifier not in now.certificates:
        raise _no_certificate(folder, identifier, "the log issued none with this id")
    return now.certificates[identifier]


def _no_certificate(folder: Path, identifier: str, why: str) -> DtcError:
    return DtcError(
        "no-certificate", f"certificate {identifier} cannot be used for this", where=str(folder), why=why,
        hint=f"dtc certificate show {as_word(folder)} lists the certificates", exit_code=ExitCode.STALE,
    )  # fmt: skip


def _right_key(about: About, issuer: Signer) -> None:
    from dtc_cli.signing.public_keys import keyid

    if keyid(log.issuer_key(about)) != issuer.keyid:
        raise DtcError(
            "issuer-key", "that key does not sign certificates of this registry",
            hint="--key names the key that dtc registry init was given", exit_code=ExitCode.UNTRUSTED,
        )  # fmt: skip


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise Refusal(f"{path.parent.name}/{path.name} is missing") from problem


def _nonce() -> str:
    """32 random bytes in base64url (EVIDENCE 3, 6)."""
    return secrets.token_urlsafe(32)
