"""The audit statement: somebody else ran a sample of a run again and says what came of it."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

import msgspec

from dtc_cli.core import sample as sampling
from dtc_cli.core.levels import UNDECIDED
from dtc_cli.core.model import MatrixLine, Outcome
from dtc_cli.core.sample import Sample
from dtc_cli.signing.attestation import Digest
from dtc_cli.signing.evidence import Hex, Instant, Whole
from dtc_cli.signing.refusal import Refusal

PREDICATE = "urn:dtc:attestation:audit:v1"
Decision = Literal["endorse", "reject"]
ENDORSE: Decision = "endorse"
REJECT: Decision = "reject"
MAX_LISTED = 100
MIN_PERCENT = 20
"""A smaller sample endorses no level, unless the reader's policy is content with it."""

Words = Annotated[str, msgspec.Meta(max_length=1000)]


class _Closed(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    pass


class Auditor(_Closed, frozen=True, kw_only=True):
    """Who says it, in their own words; whom a reader believes is in the reader's policy."""

    name: Words
    org: Words


class Difference(_Closed, frozen=True, kw_only=True):
    """A vector that came out otherwise."""

    vector: Words
    recorded: Outcome
    now: Outcome | None
    """None: it was not judged again."""


class Rerun(_Closed, frozen=True, kw_only=True):
    """What was run again and how it compares."""

    percent: Whole
    seed: Whole
    vectors: Whole
    vectors_digest: Hex
    """SHA-256 over the ids of the sample, a line each: a reader draws it again and compares."""
    agree: Whole
    disagree: Whole
    undecided: Whole
    differences: Annotated[tuple[Difference, ...], msgspec.Meta(max_length=MAX_LISTED)]
    """The first of those that do not agree."""
    evidence: Digest | None
    """`SHA256SUMS` of the auditor's own package."""


class Finding(_Closed, frozen=True, kw_only=True):
    """Something else that the auditor noticed."""

    id: Words
    severity: Literal["note", "minor", "major"]
    text: Words


class Audit(_Closed, frozen=True, kw_only=True):
    """The predicate."""

    run_statement: Digest
    """SHA-256 of the signed run statement (the payload, not the envelope)."""
    auditor: Auditor
    witnessed: bool
    """The auditor watched the audited run itself."""
    rerun: Rerun
    suite: Digest
    """Digest of the suites that the auditor used."""
    findings: Annotated[tuple[Finding, ...], msgspec.Meta(max_length=50)] = ()
    decision: Decision
    independence: Words
    started_at: Instant
    finished_at: Instant


def compare(
    sample: Sample,
    expected: Iterable[str],
    recorded: Mapping[str, MatrixLine],
    now: Mapping[str, MatrixLine],
    evidence: str | None,
) -> Rerun:
    """Compare the outcomes of a sample.

    Equal outcomes agree. A vector that is undecided now, and was decided in the run, is undecided: trouble on
    the way proves nothing against the run. Everything else disagrees.
    """
    drawn = sample.of(expected)
    differences, undecided = [], 0
    for vector in drawn:
        before = recorded[vector].outcome if vector in recorded else Outcome.NOT_TESTED
        after = now[vector].outcome if vector in now else None
        if after is before:
            continue
        undecided += after is None or after in UNDECIDED
        differences.append(Difference(vector=vector, recorded=before, now=after))
    return Rerun(
        percent=sample.percent,
        seed=sample.seed,
        vectors=len(drawn),
        vectors_digest=sampling.digest(drawn),
        agree=len(drawn) - len(differences),
        disagree=len(differences) - undecided,
        undecided=undecided,
        differences=tuple(differences[:MAX_LISTED]),
        evidence=None if evidence is None else Digest(evidence),
    )


def decide(rerun: Rerun, findings: Iterable[Finding]) -> Decision:
    """Endorse only what was run again in full and came out the same, with nothing grave beside it."""
    sound = rerun.vectors > 0 and rerun.agree == rerun.vectors
    return ENDORSE if sound and all(finding.severity != "major" for finding in findings) else REJECT


def check(audit: Audit, run_statement: str, expected: Iterable[str]) -> None:
    """The statement is about this run, its sample is what its seed draws, and nothing in it contradicts.

    Raises:
        Refusal: with what does not fit.
    """
    rerun = audit.rerun
    if audit.run_statement.sha256 != run_statement:
        raise Refusal("it is about another run statement")
    if not 1 <= rerun.percent <= 100:
        raise Refusal("its sample is no share")
    drawn = Sample(rerun.percent, rerun.seed).of(expected)
    if (len(drawn), sampling.digest(drawn)) != (rerun.vectors, rerun.vectors_digest):
        raise Refusal("its sample is not the one that its seed draws")
    if min(rerun.agree, rerun.disagree, rerun.undecided) < 0 or (
        rerun.agree + rerun.disagree + rerun.undecided != rerun.vectors
    ):
        raise Refusal("its counts do not add up")
    if audit.decision == ENDORSE and decide(rerun, audit.findings) != ENDORSE:
        raise Refusal("it endorses what it did not find the same")
