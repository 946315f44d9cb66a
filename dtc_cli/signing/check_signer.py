"""Checks of the signature, of what was signed, and of who signed."""

from datetime import datetime

from dtc_cli.core.canonical import sha256_hex
from dtc_cli.exit_codes import ExitCode
from dtc_cli.signing import bundle, dsse, keyless, layout, public_keys, statement
from dtc_cli.signing.case import Case
from dtc_cli.signing.public_keys import PublicKey, UnusableKeyError
from dtc_cli.signing.refusal import NotRequired, Refusal

ROLES_OF_MODE = {
    "lab": ("lab", "auditor"),
    "audit": ("auditor",),
}
"""Who may sign a run of that mode; any other mode: vendor, lab or auditor."""


def bundle_format(case: Case) -> str:
    """Every bundle is a Sigstore bundle with one signature, and the keys beside them are their keys.

    Raises:
        Refusal: with what is wrong.
    """
    case.bundle = _bundle(case, layout.RUN_BUNDLE)
    case.test_result = _bundle(case, layout.TEST_RESULT)
    case.beside = {name: _bundle(case, name) for name in case.files.names() if layout.BESIDE.fullmatch(name)}
    case.carried = {}
    for name in case.files.names():
        match = layout.KEY_FILE.fullmatch(name)
        if match is None:
            continue
        data = case.files.read(name, 64 * 1024)
        try:
            key = public_keys.read_pem(data)
        except UnusableKeyError as problem:
            raise Refusal(f"{name} cannot be used: {problem}") from problem
        if public_keys.keyid(key) != match[1] or public_keys.to_pem(key) != data:
            raise Refusal(f"{name} is not the key that its name says")
        case.carried[match[1]] = key
    bundles = (case.bundle, *case.beside.values())
    signers = {found.keyid for found in bundles if found.identity is None}
    if set(case.carried) != signers or case.test_result.keyid != case.bundle.keyid:
        raise Refusal(f"{layout.KEYS} does not hold exactly the keys of the signatures")
    who = "" if case.bundle.identity is None else f", certificate of {case.bundle.identity.san}"
    return f"Sigstore bundle v0.3, one signature, hint {short(case.bundle.keyid)}{who}"


def signature(case: Case) -> str:
    """The DSSE signature fits the statement; the algorithm is that of the key.

    The key is the reader's own copy where the policy has it. Otherwise the copy in the package tells at
    least whether the statement was changed after signing; whose key it is, signer.role decides.

    Raises:
        Refusal: when it does not fit.
    """
    key = key_of(case, case.bundle)
    try:
        dsse.verify(case.bundle.envelope, [key])
    except Refusal as problem:
        raise Refusal("the signature does not fit the statement and the key") from problem
    if case.bundle.identity is not None:
        return f"{public_keys.algorithm(key)} by the key of the certificate"
    own = case.trust is not None and case.trust.public(case.bundle.keyid) is not None
    whose = "" if own else " (checked with the key in the package, which anybody could have put there)"
    return f"{public_keys.algorithm(key)} by key {short(case.bundle.keyid)}{whose}"


def key_of(case: Case, found: bundle.Bundle) -> PublicKey:
    """The key that a signature has to fit: the certificate's, the reader's copy, else the package's."""
    if found.certified is not None:
        return found.certified
    own = case.trust.public(found.keyid) if case.trust else None
    return own or case.carried[found.keyid]


def signer_identity(case: Case) -> str:
    """The certificate of an identity was genuine when it signed, by the Sigstore root that the reader pins.

    Raises:
        Refusal: UNTRUSTED.
        Unavailable: the extra that checks it is missing.
        NotRequired: a key signed.
    """
    if case.bundle.identity is None:
        raise NotRequired("a key signed, no certificate")
    case.signed_at = identified(case, case.bundle)
    identified(case, case.test_result)
    who = case.bundle.identity
    return f"{who.san}, by {who.issuer}, signed {case.signed_at:%Y-%m-%d %H:%M} UTC"


def identified(case: Case, found: bundle.Bundle) -> datetime:
    """When the identity of a bundle signed, checked against the pinned root.

    Raises:
        Refusal: UNTRUSTED.
        Unavailable: the extra is missing.
    """
    if case.trust is None or case.trust.sigstore is None:
        raise Refusal(
            "UNTRUSTED: the policy pins no Sigstore root, so nobody says that the certificate is genuine",
            ExitCode.UNTRUSTED,
        )
    return keyless.verify(found, case.trust.sigstore)


def statement_format(case: Case) -> str:
    """What was signed is a statement about a run, whole and of the published schema.

    Raises:
        Refusal: with the member that breaks the schema.
    """
    if case.bundle.envelope.payload_type != statement.PAYLOAD_TYPE:
        raise Refusal(f"the payload type is not {statement.PAYLOAD_TYPE}")
    case.statement = statement.parse(case.bundle.envelope.payload)
    return f"in-toto statement, predicate {statement.RUN_PREDICATE}"


def statement_subject(case: Case) -> str:
    """The statement is about this `SHA256SUMS`.

    Raises:
        Refusal: when it is about another one.
    """
    digest = sha256_hex(case.sums)
    if case.statement["subject"][0]["digest"]["sha256"] != digest:
        raise Refusal("the statement is about another package: its subject is not this SHA256SUMS")
    return f"SHA256SUMS is {short(digest)}"


def signer_role(case: Case) -> str:
    """The reader's policy knows the key, in a role that may sign such a run for such a level.

    Raises:
        Refusal: UNTRUSTED; STALE when the key was not valid when the run ended.
    """
    keyid, mode = case.bundle.keyid, case.predicate["mode"]
    if case.trust is None:
        raise Refusal(
            f"UNTRUSTED: no --trust was given, so nobody says whose key {short(keyid)} is",
            ExitCode.UNTRUSTED,
        )
    known = case.trust.of(keyid)
    if not known:
        raise Refusal(f"UNTRUSTED: key {short(keyid)} is not in {case.trust.source}", ExitCode.UNTRUSTED)
    allowed = set(ROLES_OF_MODE.get(mode, ("vendor", "lab", "auditor")))
    asked = set(case.trust.need(case.level).require) & {"vendor", "lab"}
    if asked:
        # Who is trusted with more may do what less is asked for; an auditor's own run is as good as a lab's.
        allowed &= asked | {"auditor"}
    case.signer = tuple(entry for entry in known if entry.role in allowed)
    if not case.signer:
        roles = ", ".join(sorted(entry.role for entry in known))
        raise Refusal(
            f"UNTRUSTED: key {short(keyid)} is trusted as {roles}, this needs {' or '.join(sorted(allowed))}",
            ExitCode.UNTRUSTED,
        )
    return _valid(case)


def signer_threshold(case: Case) -> str:
    """As many keys signed as the policy asks of that role.

    Raises:
        Refusal: UNTRUSTED; a run carries one signature, so a threshold above one is not met.
        NotRequired: the policy asks for one.
    """
    thresholds = case.trust.thresholds if case.trust else {}
    least = min(thresholds.get(entry.role, 1) for entry in case.signer)
    if least > 1:
        raise Refusal(f"1 of {least} keys signed that the policy asks for", ExitCode.UNTRUSTED)
    raise NotRequired("one signature is enough")


def revocation(case: Case) -> str:
    """The reader's policy does not revoke the key.

    Without a time stamp of somebody else nobody knows when a signature was made: whoever holds a stolen
    key can write any date. So a revoked key counts for nothing, also for earlier runs, unless an authority of
    the pinned root saw the signature before the key was revoked.

    Raises:
        Refusal: STALE.
        NotRequired: the reader gave a single key.
    """
    if case.trust is None or case.trust.kind == "key":
        raise NotRequired("no policy with revocations was given")
    entry = case.trust.revocation(case.bundle.keyid)
    if entry is not None and case.signed_at is not None and case.signed_at < entry.invalid_since:
        return f"revoked since {entry.invalid_since:%Y-%m-%d}, signed before, by the time stamp"
    if entry is not None:
        why = f": {entry.reason}" if entry.reason else ""
        raise Refusal(
            f"the key is revoked since {entry.invalid_since:%Y-%m-%d}{why}; no time stamp shows that it "
            "signed before",
            ExitCode.STALE,
        )
    return f"policy version {case.trust.version} does not revoke the key"


def trust_current(case: Case) -> str:
    """The policy itself has not expired.

    Raises:
        Refusal: STALE.
        NotRequired: it has no expiry.
    """
    if case.trust is None or case.trust.expires is None:
        raise NotRequired("no policy with an expiry was given")
    if case.now >= case.trust.expires:
        raise Refusal(f"the trust policy expired on {case.trust.expires:%Y-%m-%d}", ExitCode.STALE)
    return f"policy version {case.trust.version} is valid until {case.trust.expires:%Y-%m-%d}"


def short(digest: str) -> str:
    """The first 16 digits of a digest, for people."""
    return digest[:16]


def _bundle(case: Case, name: str) -> bundle.Bundle:
    return bundle.parse(case.files.read(name, bundle.MAX_BYTES), name)


def _valid(case: Case) -> str:
    """The reason why the signer passes; its validity is judged at the end of the run."""
    ended = statement.instant(case.predicate["finishedAt"])
    # Of an identity it is known when it signed; the signer of an old date may have lost the name since.
    last = max(ended, case.signed_at) if case.bundle.identity is not None and case.signed_at else ended
    for entry in case.signer:
        early = entry.valid_from is not None and ended < entry.valid_from
        late = entry.valid_until is not None and last >= entry.valid_until
        if not (early or late):
            case.signer = (entry,)
            return f"key {short(entry.keyid)} of {entry.org}, trusted as {entry.role}"
    raise Refusal(
        f"the policy does not let key {short(case.bundle.keyid)} sign on {last:%Y-%m-%d}", ExitCode.STALE
    )
