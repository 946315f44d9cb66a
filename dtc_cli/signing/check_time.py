"""Checks that rest on others who saw the signature: time stamp authorities, public logs, the register."""

from dtc_cli.core.canonical import sha256_hex
from dtc_cli.exit_codes import ExitCode
from dtc_cli.signing import layout, pinned, register_proof, statement
from dtc_cli.signing.case import Case
from dtc_cli.signing.check_level import AHEAD
from dtc_cli.signing.check_signer import key_of
from dtc_cli.signing.refusal import NotRequired, Refusal, Unavailable

MAX_PROOF = 64 * 1024


def trusted_time(case: Case) -> str:
    """Somebody whom the reader pins saw the signature at a time, and the run does not claim to end after it.

    Raises:
        Refusal: INTEGRITY: the stamp is of something else, or the run ends after it was signed; UNTRUSTED:
            the policy asks for a stamp and there is none.
        Unavailable: the policy asks for it and the extra is missing.
        NotRequired: nobody says when, and the policy does not ask.
    """
    asked = case.trust is not None and case.trust.need(case.level).timestamp
    if case.bundle.identity is None:
        if not case.bundle.stamps or case.trust is None or case.trust.sigstore is None:
            if asked:
                raise Refusal("the policy asks for a time stamp of the pinned root", ExitCode.UNTRUSTED)
            raise NotRequired("nobody else says when it was signed; the times are the signer's own")
        try:
            case.signed_at = pinned.stamped(case.bundle, case.trust.sigstore)
        except Unavailable as lack:
            if asked:
                raise
            raise NotRequired(f"a time stamp is there and was not checked: {lack}") from lack
    if case.signed_at is None:
        raise Unavailable("the time of the signature could not be established")
    ended = statement.instant(case.predicate["finishedAt"])
    if ended > case.signed_at + AHEAD:
        raise Refusal(f"the run claims to end {ended:%Y-%m-%d %H:%M} UTC, after it was signed")
    return f"signed {case.signed_at:%Y-%m-%d %H:%M} UTC at the latest, by a time stamp"


def logged(case: Case) -> str:
    """A log that the reader pins holds the signature.

    Raises:
        Refusal: INTEGRITY: an entry is about something else; UNTRUSTED: the policy asks for one.
        NotRequired: there is none, or no root to check it by, and the policy does not ask.
    """
    root = case.trust.sigstore if case.trust else None
    asked = case.trust is not None and case.trust.need(case.level).logged
    if root is None or not case.bundle.entries:
        if asked:
            raise Refusal("the policy asks for an entry in a log of the pinned root", ExitCode.UNTRUSTED)
        has = f"{len(case.bundle.entries)} entries, and no pinned root to check them by"
        raise NotRequired(has if case.bundle.entries else "no public log holds the signature")
    if case.bundle.identity is not None:
        return f"{len(case.bundle.entries)} entries, checked with the certificate"
    count = pinned.logged(case.bundle, key_of(case, case.bundle), root)
    return f"{count} entries of this signature in a log of the pinned root"


def registered(case: Case) -> str:
    """The register whose log the reader knows holds this run.

    Raises:
        Refusal: INTEGRITY: the proof is of something else; UNTRUSTED: the policy asks for one.
        NotRequired: there is none, or no log key, and the policy does not ask.
    """
    who = case.trust.log if case.trust else None
    asked = case.trust is not None and case.trust.need(case.level).registered
    if who is None or layout.PROOF not in case.files:
        if asked:
            raise Refusal("the policy asks for a proof of the register", ExitCode.UNTRUSTED)
        there = layout.PROOF in case.files
        raise NotRequired(
            "the policy names no log key" if there else "no register says that it holds the run"
        )
    entry = register_proof.check(case.files.read(layout.PROOF, MAX_PROOF), who)
    if entry.get("type") != "register" or entry.get("statement") != sha256_hex(case.sums):
        raise Refusal(f"{layout.PROOF} is about another run")
    return f"entry {entry['seq']} of {who.name}"
