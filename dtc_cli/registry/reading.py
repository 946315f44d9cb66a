"""A certificate as a stranger reads it: who signed it, whether it still counts, and by whose word."""

from datetime import datetime
from pathlib import Path
from typing import Any

from dtc_cli.core.canonical import sha256_hex
from dtc_cli.exit_codes import ExitCode
from dtc_cli.registry import badge, credential, entry, jws, log, office
from dtc_cli.registry.entry import Certificate
from dtc_cli.signing import statement
from dtc_cli.signing.note import Verifier
from dtc_cli.signing.public_keys import PublicKey
from dtc_cli.signing.refusal import Refusal
from dtc_cli.signing.trust import MAX_AGE_DAYS, Trust

UNTRUSTED = "UNTRUSTED: no trusted key of a certification body signed it"
State = tuple[str, ExitCode]


def examine(
    data: bytes, trust: Trust | None, registry: Path | None, log_key: Verifier | None, now: datetime
) -> dict[str, Any]:
    """What is known about a certificate or badge, with `state` and `exitCode`.

    Args:
        data: the file.
        trust: the reader's key of the body, or policy.
        registry: folder of the register; None: nobody can tell whether it was revoked.
        log_key: key of the register's log as the reader keeps it; the policy's where None.
        now: the present instant.

    Raises:
        Refusal: when it is no certificate, or something of it does not hold.
        DtcError: `registry-missing`, `registry-broken`.
    """
    picture = data.lstrip()[:1] == b"<"
    token = badge.extract(data) if picture else data.decode("utf-8", "replace").strip()
    key = issuer(jws.read(token, credential.TYPE).keyid, trust)
    if key is None:
        return {"state": UNTRUSTED, "exitCode": 4}
    payload, facts = credential.verify(token, key)
    if picture and data != badge.render(token, payload, facts):
        raise Refusal("the picture shows something else than its certificate says")
    issued = statement.instant(payload["validFrom"])
    if issuer(jws.read(token, credential.TYPE).keyid, trust, issued) is None:
        return {"state": "UNTRUSTED: the body's key was not valid when it signed", "exitCode": 4}
    age = (now - statement.instant(facts.run_finished)).days
    if now < issued:
        state, code = "not valid yet", ExitCode.STALE
    elif now >= statement.instant(payload["validUntil"]):
        state, code = "expired", ExitCode.STALE
    elif registry is None:
        state, code = _alone(age)
    else:
        who = log_key or (trust.log if trust else None)
        state, code = _listed(payload, token, key, registry, who, age, now)
    return {
        "id": payload["id"], "name": payload["name"], "product": facts.product, "version": facts.version,
        "vendor": facts.vendor, "city": facts.city, "level": facts.level.value,
        "issuer": payload["issuer"]["name"],
        "validFrom": payload["validFrom"], "validUntil": payload["validUntil"], "statement": facts.statement,
        "runFinished": facts.run_finished, "tlsSpki": list(facts.tls_spki),
        "state": state, "exitCode": int(code),
    }  # fmt: skip


def issuer(keyid: str, trust: Trust | None, at: datetime | None = None) -> PublicKey | None:
    """The key of a certification body that the reader believes, at that instant where one is given."""
    if trust is None or trust.revocation(keyid) is not None:
        return None
    for key in trust.of(keyid):
        early = at is not None and key.valid_from is not None and at < key.valid_from
        late = at is not None and key.valid_until is not None and at >= key.valid_until
        if (trust.kind == "key" or key.role == "registry") and not early and not late:
            return key.public
    return None


def _alone(age: int) -> State:
    if age > MAX_AGE_DAYS:
        return f"signed; evidence {age} days old, too old", ExitCode.STALE
    words = f"signed; evidence {age} days old; without --registry nobody can tell whether it was revoked"
    return words, ExitCode.CANNOT_DECIDE


def _listed(
    payload: dict[str, Any], token: str, key: PublicKey, registry: Path, who: Verifier | None, age: int,
    now: datetime,
) -> State:  # fmt: skip
    found = log.read(registry, who)
    try:
        office.check_files(registry, found)
        held = entry.derive(found.entries).certificates.get(payload["id"].removeprefix("urn:uuid:"))
        if held is None or held.issued.credential != sha256_hex(token.encode()):
            raise Refusal("the log of this registry issued no such certificate")
        old = _status_age(registry, payload, held, key, now)
    except Refusal as problem:
        raise log.broken(registry, problem) from problem
    state = held.state(now)
    reason = held.revoked or held.suspended
    state += f": {reason}" if reason else ""
    if held.state(now) != "valid":
        return state, ExitCode.STALE
    if old > MAX_AGE_DAYS:
        return f"valid {old} days ago, when the body last signed its status lists", ExitCode.STALE
    if who is None and age > MAX_AGE_DAYS:
        why = "rechecked, by a log whose key you did not give (--log-key)"
        return f"UNTRUSTED: {why}", ExitCode.UNTRUSTED
    return state, ExitCode.OK


def _status_age(
    registry: Path, payload: dict[str, Any], held: Certificate, key: PublicKey, now: datetime
) -> int:
    """Days since the body itself signed that it neither revoked nor suspended the certificate.

    The reader's key of the body checks the lists, not the copy in the folder: a folder that somebody else put
    together with a log of their own has none that are new.
    """
    oldest = 0
    for purpose, reason in zip(credential.PURPOSES, (held.revoked, held.suspended), strict=True):
        listed = (registry / "statuslist" / f"{purpose}.vc.jwt").read_text("ascii", "replace")
        bit, made = credential.listed(listed, payload, purpose, key)
        if bit != (reason is not None):
            raise Refusal(f"the status list for {purpose} does not say what the log says")
        oldest = max(oldest, (now - made).days)
    return oldest
