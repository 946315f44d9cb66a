"""Verification of a package: all checks in order, two verdicts, one exit code; offline unless asked."""

from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from dtc_cli.core import catalogue as catalogues
from dtc_cli.core.canonical import sha256_hex
from dtc_cli.core.catalogue import Catalogue
from dtc_cli.core.model import Level
from dtc_cli.exit_codes import ExitCode
from dtc_cli.signing import (
    check_beside,
    check_events,
    check_evidence,
    check_exports,
    check_files,
    check_level,
    check_replay,
    check_signer,
    check_time,
    checks,
    layout,
)
from dtc_cli.signing import trust as trusts
from dtc_cli.signing.case import Case
from dtc_cli.signing.checks import Check, Step

SIGNED = "statement.subject"
READ = "evidence.format"

STEPS = (
    Step(name="package.readable", run=check_files.readable),
    Step(name="package.closed", run=check_files.closed, needs=("package.readable",)),
    Step(name="package.digests", run=check_files.digests, needs=("package.closed",)),
    Step(name="signature.bundle", run=check_signer.bundle_format, needs=("package.closed",)),
    Step(name="signature.run", run=check_signer.signature, needs=("signature.bundle",)),
    Step(name="statement.schema", run=check_signer.statement_format, needs=("signature.run",)),
    Step(name=SIGNED, run=check_signer.statement_subject, needs=("statement.schema",)),
    Step(name="signer.identity", run=check_signer.signer_identity, needs=("statement.schema",)),
    Step(name="time.trusted", run=check_time.trusted_time, needs=("signer.identity",)),
    Step(name="log.inclusion", run=check_time.logged, needs=("signer.identity",)),
    Step(name="registry.inclusion", run=check_time.registered, needs=(SIGNED,)),
    Step(name="signer.role", run=check_signer.signer_role, needs=("signer.identity",)),
    Step(name="signer.threshold", run=check_signer.signer_threshold, needs=("signer.role",)),
    Step(name="signer.revocation", run=check_signer.revocation, needs=("signature.bundle",)),
    Step(name="trust.current", run=check_signer.trust_current),
    Step(name=READ, run=check_evidence.evidence_format, needs=("package.digests",)),
    Step(name="statement.evidence", run=check_evidence.statement_evidence, needs=(READ, SIGNED)),
    Step(name="profile.signed", run=check_evidence.profile_signed, needs=(READ, SIGNED)),
    Step(name="catalogue.accepted", run=check_evidence.catalogue_accepted, needs=(READ,)),
    Step(name="suite.accepted", run=check_evidence.suite_accepted, needs=(READ,)),
    Step(name="catalogue.world", run=check_evidence.catalogue_world, needs=(READ,), authenticity=False),
    Step(name="matrix.closed", run=check_evidence.matrix_closed, needs=(READ,)),
    Step(name="matrix.complete", run=check_evidence.matrix_complete, needs=(READ,), authenticity=False),
    Step(name="matrix.recount", run=check_evidence.matrix_recount, needs=(READ, SIGNED)),
    Step(name="matrix.summary", run=check_evidence.summary_signed, needs=(READ, SIGNED)),
    Step(name="skips.justified", run=check_evidence.skips_justified, needs=(READ,), authenticity=False),
    Step(name="events.chain", run=check_events.chain, needs=(READ, SIGNED)),
    Step(name="events.matrix", run=check_events.ties, needs=("events.chain",)),
    Step(name="events.story", run=check_events.story, needs=("events.chain",)),
    Step(name="events.bodies", run=check_events.bodies, needs=("events.chain",), authenticity=False),
    Step(
        name="evidence.replay",
        run=check_replay.replayed,
        needs=("events.matrix", "events.bodies"),
        authenticity=False,
    ),
    Step(name="exports.match", run=check_exports.exports_match, needs=("package.digests", READ)),
    Step(name="beside.statements", run=check_beside.statements, needs=(READ, SIGNED)),
    Step(name="time.clock", run=check_level.clock, needs=(SIGNED,)),
    Step(name="time.freshness", run=check_level.freshness, needs=(SIGNED,), authenticity=False),
    Step(name="nonce.match", run=check_level.nonce, needs=(SIGNED,), authenticity=False),
    Step(name="target.match", run=check_level.target, needs=(SIGNED,), authenticity=False),
    Step(name="level.reached", run=check_level.level_reached, needs=("matrix.recount",), authenticity=False),
    Step(
        name="audit.endorsed",
        run=check_beside.audited,
        needs=("level.reached", "beside.statements", "signer.role"),
        authenticity=False,
    ),
    Step(
        name="verdict.endorsed",
        run=check_beside.decided,
        needs=("level.reached", "beside.statements"),
        authenticity=False,
    ),
)


class VerifyResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a verification found."""

    package: Path
    checks: tuple[Check, ...]
    authentic: bool
    """The package is unchanged since it was signed by somebody whom the reader trusts."""
    conformant: Level | None
    """The level in question when everything holds, else None."""
    level: Level | None
    """The level in question; None when the package is too damaged to tell."""
    exit_code: ExitCode
    trusted: bool
    """Whether the reader's policy knows the signer."""
    statements: dict[str, str]
    """File name to SHA-256 (hex) of every bundle in the package; empty when it could not be read."""
    payload_digest: str
    """SHA-256 (hex) of the signed run statement; empty when there is none."""
    summary: dict[str, Any]
    """Run id, target, times and digest as signed; empty when nothing could be read."""

    def as_dict(self) -> dict[str, Any]:
        """The object of `dtc verify --json`."""
        return {
            "package": str(self.package),
            "authentic": self.authentic,
            "trusted": self.trusted,
            "conformant": None if self.conformant is None else self.conformant.value,
            "level": None if self.level is None else self.level.value,
            "exitCode": int(self.exit_code),
            "statement": self.summary,
            "checks": [
                {
                    "number": check.number,
                    "name": check.name,
                    "status": check.status.value,
                    "reason": check.reason,
                    "exitCode": None if check.code is None else int(check.code),
                }
                for check in self.checks
            ],
        }


def verify(
    package: Path,
    trust: Path | None = None,
    level: Level | None = None,
    nonce: str | None = None,
    *,
    target: str | None = None,
    ask_registry: bool = True,
    rejudge: check_replay.Rejudge | None = None,
    render: check_exports.Render | None = None,
    now: datetime | None = None,
    catalogue: Catalogue | None = None,
) -> VerifyResult:
    """Check a package against the reader's own trust file.

    Args:
        package: the archive, or the folder it was unpacked to.
        trust: a PEM public key or a policy; None: whatever is found stays untrusted (exit 4).
        level: the level in question; None: the one that the run claims.
        nonce: what the reader gave the signer before the run, in base64url.
        target: address of a server to compare with the one that was judged; None: no network is used.
        ask_registry: whether a verdict of the registry counts that the policy asks for; the registry itself
            leaves it out.
        rejudge: judges the recorded exchanges again (`--replay`); None: the verdicts are taken as recorded.
        render: makes the reports anew (`--reports`); None: those in the package are not looked at.
        now: the present instant, for tests; the system's clock otherwise.
        catalogue: the standard to recompute the closed world from; the installed one otherwise.

    Raises:
        DtcError: when the package or the trust file is not there or is no such thing at all.
    """
    with ExitStack() as resources:
        case = Case(
            path=package,
            resources=resources,
            trust=None if trust is None else trusts.load(trust),
            catalogue=catalogue or catalogues.load(),
            level=level,
            nonce=nonce,
            target=target,
            now=now or datetime.now(UTC),
            rejudge=rejudge,
            render=render,
            ask_registry=ask_registry,
        )
        made = checks.run(STEPS, case)
        known = any(check.name == "statement.schema" and check.status is checks.Status.PASS for check in made)
        code = checks.exit_code(made)
        return VerifyResult(
            package=package,
            checks=made,
            authentic=checks.authentic(made),
            conformant=case.level if known and code is ExitCode.OK else None,
            level=case.level if known else level,
            exit_code=code,
            trusted=any(check.name == "signer.role" and check.status is checks.Status.PASS for check in made),
            statements=_statements(case) if known else {},
            payload_digest=sha256_hex(case.bundle.envelope.payload) if known else "",
            summary=_summary(case) if known else {},
        )


def _statements(case: Case) -> dict[str, str]:
    names = (layout.RUN_BUNDLE, layout.TEST_RESULT, *case.beside)
    return {name: case.files.digest(name) for name in names if name in case.files}


def _assessment(case: Case) -> str:
    """Who vouches for the result, in words that cannot be mistaken for more."""
    if case.auditors:
        return "audited by " + ", ".join(case.auditors)
    if any(entry.role in ("lab", "auditor") for entry in getattr(case, "signer", ())):
        return "run by a laboratory or auditor; no further audit counts for this level"
    return "self-assessment: the maker of the run vouches for it alone"


def _summary(case: Case) -> dict[str, Any]:
    predicate = case.predicate
    return {
        "runId": predicate["runId"],
        "mode": predicate["mode"],
        "assessment": _assessment(case),
        "target": {name: predicate["target"][name] for name in ("name", "vendor", "version", "city")},
        "standard": {name: predicate["standard"][name] for name in ("id", "version")},
        "level": predicate["level"],
        "verdict": predicate["verdict"],
        "results": predicate["results"],
        "startedAt": predicate["startedAt"],
        "finishedAt": predicate["finishedAt"],
        "subject": case.statement["subject"][0]["digest"]["sha256"],
        "keyid": case.bundle.keyid,
    }
