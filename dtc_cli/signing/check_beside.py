"""Checks of what others say beside the run: audits, and the verdict of a certification body."""

from typing import NamedTuple

from dtc_cli.core.canonical import sha256_hex
from dtc_cli.core.model import Level
from dtc_cli.exit_codes import ExitCode
from dtc_cli.signing import attestation, audit, dsse, layout, statement, vsa
from dtc_cli.signing.audit import Audit
from dtc_cli.signing.bundle import Bundle
from dtc_cli.signing.case import Case
from dtc_cli.signing.check_level import AHEAD, AUDITED
from dtc_cli.signing.check_signer import identified, key_of, short
from dtc_cli.signing.refusal import NotRequired, Refusal
from dtc_cli.signing.trust import TrustedKey, alike
from dtc_cli.signing.vsa import Summary

AUDITORS = {Level.GOLD: 1, Level.PLATINUM: 2}  # D-07; EVIDENCE 3, 15
REGISTRY = "registry"


class Said(NamedTuple):
    """Statements beside the run, each with the id of the key that signed it."""

    audits: tuple[tuple[str, Audit], ...]
    verdicts: tuple[tuple[str, Summary], ...]


def statements(case: Case) -> str:
    """Each statement beside the run is whole, signed by the key that its name says, and about this run.

    Raises:
        Refusal: naming the file.
        NotRequired: there is none.
    """
    case.said = Said((), ())
    if not case.beside:
        raise NotRequired("nobody else says anything about this run")
    sums, run = sha256_hex(case.sums), sha256_hex(case.bundle.envelope.payload)
    audits, verdicts = [], []
    for name, found in case.beside.items():
        try:
            _signed(case, name, found)
            payload = found.envelope.payload
            if name.startswith(layout.ATTESTATIONS + "audit-"):
                said = attestation.parse(payload, Audit, audit.PREDICATE, sums)
                audit.check(said, run, (vector.id for vector in case.evidence.vectors))
                audits.append((found.keyid, said))
            else:
                summary = attestation.parse(payload, Summary, vsa.PREDICATE, sums)
                vsa.level_of(summary)
                verdicts.append((found.keyid, summary))
        except Refusal as problem:
            raise Refusal(f"{name}: {problem.reason}") from problem
    case.said = Said(tuple(audits), tuple(verdicts))
    return f"{len(audits)} audits and {len(verdicts)} verdicts, each signed and about this run"


def audited(case: Case) -> str:
    """As many auditors of other organisations as the level needs ran a sample again and endorse the run.

    Raises:
        Refusal: UNTRUSTED: too few, or a believed auditor rejects the run (D-07).
        NotRequired: the level needs no audit.
    """
    level = case.level
    need = case.trust.need(level) if case.trust else None
    asked = need is not None and "auditor" in need.require
    least = AUDITORS.get(level, 1 if asked else 0)
    if need is not None and (asked or least):
        least = max(least, need.auditors)
    percent = need.sample if need is not None and need.sample is not None else audit.MIN_PERCENT
    endorsing: dict[str, str] = {}
    doubts = []
    for keyid, said in case.said.audits:
        entry, doubt = _believed(case, keyid, "auditor", said.finished_at)
        if entry is not None and entry.public is None:
            # An identity: its certificate has to stand the test too.
            signed = identified(case, next(each for each in case.beside.values() if each.keyid == keyid))
            if entry.valid_until is not None and signed >= entry.valid_until:
                doubts.append(f"{entry.name} signed on {signed:%Y-%m-%d}, when it was not valid any more")
                continue
        if entry is None:
            doubts.append(doubt)
        elif said.decision == audit.REJECT:
            raise Refusal(
                f"the auditor {entry.org} rejects the run: {said.rerun.disagree} of {said.rerun.vectors} "
                "vectors came out otherwise",
                ExitCode.UNTRUSTED,
            )
        elif said.rerun.percent < percent:
            doubts.append(f"{entry.org} ran {said.rerun.percent} % again, {percent} % are asked for")
        elif keyid == case.bundle.keyid or alike(entry.org) in {alike(signer.org) for signer in case.signer}:
            doubts.append(f"{entry.org} made the run itself")
        else:
            endorsing.setdefault(alike(entry.org), entry.org)
    if len(endorsing) < least:
        why = f"; {doubts[0]}" if doubts else ""
        met = f"the requirements of {level} are met, but " if level in AUDITED else ""
        has = "self-assessed" if not endorsing else f"endorsed by {len(endorsing)} of {least} organisations"
        raise Refusal(f"{met}{has}: an audit has to stand beside the run{why}", ExitCode.UNTRUSTED)
    if not least and not endorsing:
        raise NotRequired(f"{level} may be self-assessed, and is")
    case.auditors = tuple(sorted(endorsing.values()))
    return f"endorsed by {', '.join(case.auditors)}"


def decided(case: Case) -> str:
    """A certification body of the reader's policy grants the level.

    Raises:
        Refusal: UNTRUSTED: it does not, or too few of its keys say so.
        NotRequired: the policy asks for none.
    """
    level = case.level
    if not case.ask_registry:
        raise NotRequired("the certification body itself is asking")
    asked = case.trust is not None and REGISTRY in case.trust.need(level).require
    granting: set[str] = set()
    doubts: list[str] = []
    for keyid, summary in case.said.verdicts:
        entry, _ = _believed(case, keyid, REGISTRY, summary.time_verified)
        if entry is None or entry.public is None:  # a body decides with a key, never by a name alone
            continue
        granted = vsa.level_of(summary)
        if granted is Level.NONE:
            raise Refusal(f"{entry.org} refuses the certificate", ExitCode.UNTRUSTED)
        target = case.predicate["target"]
        if summary.resource_uri != vsa.resource_uri(target["name"], target["version"]):
            raise Refusal(f"{entry.org} speaks of another product", ExitCode.UNTRUSTED)
        if (lost := _lost(case, summary)) is not None:
            doubts.append(f"{entry.org} decided on {lost}, which is not here as it was")
        elif granted.rank >= level.rank:
            granting.add(keyid)
    least = case.trust.thresholds.get(REGISTRY, 1) if case.trust else 1
    if asked and len(granting) < least:
        raise Refusal(
            f"the policy asks for a verdict of registry on {level}: {len(granting)} of {least}"
            + (f"; {doubts[0]}" if doubts else ""),
            ExitCode.UNTRUSTED,
        )
    if not granting:
        raise NotRequired("no verdict of a certification body is asked for")
    return f"{len(granting)} keys of a certification body grant {level} or more"


def _signed(case: Case, name: str, found: Bundle) -> None:
    match = layout.BESIDE.fullmatch(name)
    if match is None or match[2] != found.keyid[:16]:
        raise Refusal("it is not signed by the key that its name says")
    try:
        dsse.verify(found.envelope, [key_of(case, found)])
    except Refusal as problem:
        raise Refusal("the signature does not fit the statement and the key") from problem
    if found.envelope.payload_type != statement.PAYLOAD_TYPE:
        raise Refusal(f"the payload type is not {statement.PAYLOAD_TYPE}")


def _lost(case: Case, summary: Summary) -> str | None:
    """A statement that a verdict rests on and that is not in the package as the body saw it, else None.

    Whoever takes a rejection away, or puts another audit in its place, must not keep the verdict.
    """
    seen = {each.uri: each.digest.sha256 for each in summary.input_attestations}
    if layout.RUN_BUNDLE not in seen:
        return layout.RUN_BUNDLE
    return next(
        (
            name
            for name, digest in seen.items()
            if name not in case.files or case.files.digest(name) != digest
        ),
        None,
    )


def _believed(case: Case, keyid: str, role: str, at: str) -> tuple[TrustedKey | None, str]:
    """The policy's entry of the key in that role at that time, or None and why not."""
    moment, who = statement.instant(at), f"key {short(keyid)}"
    entries = [entry for entry in (case.trust.of(keyid) if case.trust else ()) if entry.role == role]
    if case.trust is None or case.trust.kind == "key" or not entries:
        return None, f"{who} is not trusted as {role}"
    if case.trust.revocation(keyid) is not None:
        return None, f"{who} is revoked"
    run_end = statement.instant(case.predicate["finishedAt"])
    if moment > case.now + AHEAD or moment < run_end - AHEAD:
        return None, f"the statement of {who} is not from between the run and now"
    if (case.now - moment).days >= case.trust.max_age_days:
        return None, f"the statement of {who} is older than {case.trust.max_age_days} days"
    for entry in entries:
        early = entry.valid_from is not None and moment < entry.valid_from
        late = entry.valid_until is not None and moment >= entry.valid_until
        if not (early or late):
            return entry, ""
    return None, f"{who} was not valid at {moment:%Y-%m-%d}"
