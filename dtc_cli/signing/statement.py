"""The in-toto statement about a run: what is signed, made from the evidence and from nothing else.

Because it is a function of the evidence, a verifier makes it again and compares.
"""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from dtc_cli import paths
from dtc_cli.core import catalogue
from dtc_cli.core.canonical import canonical_json, sha256_hex
from dtc_cli.core.schema_check import SchemaCheck
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode
from dtc_cli.signing import judgement as judging
from dtc_cli.signing import layout, strict_json
from dtc_cli.signing.evidence import Evidence, Run
from dtc_cli.signing.reader import Files
from dtc_cli.signing.refusal import Refusal

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
RUN_PREDICATE = "urn:dtc:attestation:compliance-run:v1"
MAX_BYTES = 64 * 1024
VALIDITY_DAYS = 365  # a certificate is renewed every year (P4 8.4)
RECHECK_DAYS = 92  # and rechecked every quarter
YEARS = range(1970, 9000)
"""Room is left at both ends, so that adding a validity to an instant never leaves the calendar."""
SCHEMAS = ("statement", "predicate")

# Groups of predicate members, each compared by a check of its own.
RUN_MEMBERS = (
    "runId", "sequence", "previousRun", "mode", "nonce", "tool", "standard", "suite", "target", "selection",
    "startedAt", "finishedAt", "clock", "validity", "redactions",
)  # fmt: skip
COUNT_MEMBERS = ("results", "requirements", "matrix", "level", "verdict")


def make(evidence: Evidence, files: Files, sums: bytes) -> bytes:
    """The statement about a package in RFC 8785 form, at most 64 KiB.

    Args:
        evidence: the evidence of the package.
        files: the files it was read from.
        sums: the bytes of `SHA256SUMS`, the statement's only subject.

    Raises:
        DtcError: `statement-too-large`.
    """
    made = predicate(evidence, files)
    made["configuration"] = [
        _resource(f"{name}.schema.json", sha256_hex(_schema_bytes(name))) for name in SCHEMAS
    ]
    data = canonical_json(
        {
            "_type": STATEMENT_TYPE,
            "subject": [_resource(layout.SUMS, sha256_hex(sums))],
            "predicateType": RUN_PREDICATE,
            "predicate": made,
        }
    )
    if len(data) > MAX_BYTES:
        raise DtcError(
            "statement-too-large",
            f"the statement about the run has {len(data)} bytes, {MAX_BYTES} are allowed",
            why="the target file or the target's own headers carry very long texts",
            hint="shorten names, addresses and reasons in the target file",
            exit_code=ExitCode.INCOMPLETE,
        )
    return data


def predicate(evidence: Evidence, files: Files) -> dict[str, Any]:
    """What is claimed about the run: integers, strings, booleans and null only."""
    run = evidence.run
    judged = judging.judge(evidence)
    return {
        "runId": run.run_id,
        "sequence": run.sequence,
        "previousRun": None if run.previous_run is None else {"sha256": run.previous_run},
        "mode": run.mode,
        "nonce": {"value": run.nonce, "issuer": "urn:dtc:nonce:self", "issuedAt": run.started_at},
        "tool": {"name": run.tool.name, "version": run.tool.version},
        "standard": {
            "id": run.standard.id,
            "version": run.standard.version,
            "catalogue": _resource("dtc_cli/spec", run.standard.catalogue_digest),
        },
        "suite": {
            "name": run.tool.name,
            "version": run.suite.version,
            "sourceTree": {"sha256": run.suite.digest},
            "dirty": run.suite.dirty,
        },
        "target": _target(run),
        "profile": {
            **_resource(layout.PROFILE, run.profile.digest),
            "counts": _profile_counts(evidence),
        },
        "selection": {
            "complete": run.selection.complete and run.status == "complete",
            "expression": run.selection.expression,
            "seed": run.seed,
        },
        "startedAt": run.started_at,
        "finishedAt": run.finished_at,
        "clock": {
            "source": run.clock.source,
            "monotonicMs": run.clock.monotonic_ms,
            "maxServerSkewMs": run.clock.target_skew_ms,
        },
        "results": judging.results(judged),
        "requirements": {verdict.requirement: verdict.outcome.value for verdict in judged.verdicts},
        "matrix": {
            **_resource(layout.MATRIX, files.digest(layout.MATRIX)),
            "lines": len(evidence.lines),
            "merkleRoot": evidence.merkle_root,
        },
        "eventLog": {
            **_resource(layout.EVENTS, files.digest(layout.EVENTS)),
            "head": run.events.head,
            "count": run.events.count,
        },
        "level": judging.level_table(judged, run.level.claimed),
        "verdict": judging.verdict(judged, run.level.claimed),
        "validity": _validity(run),
        "redactions": [
            {"path": layout.EVENTS, "reason": "secrets were replaced when they were recorded"},
            {"path": layout.BODIES, "reason": "secrets were replaced when they were recorded"},
        ],
    }


def parse(payload: bytes) -> dict[str, Any]:
    """A statement about a run, checked against the published schemas.

    Raises:
        Refusal: when it is too large, no strict JSON, of another type, or breaks the schema.
    """
    if len(payload) > MAX_BYTES:
        raise Refusal(f"the statement is larger than {MAX_BYTES} bytes")
    value = strict_json.parse(payload, "the statement")
    problem = next(iter(sorted(_validator().iter_errors(value), key=lambda e: list(map(str, e.path)))), None)
    if problem is not None:
        place = "/".join(str(part) for part in problem.absolute_path) or "the statement"
        raise Refusal(f"{place} breaks the schema: {problem.message[:200]}")
    checked: dict[str, Any] = value
    return checked


def instant(text: str) -> datetime:
    """The instant of an RFC 3339 text with an offset; the schemas allow UTC only.

    Raises:
        Refusal: when there is no such instant.
    """
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as problem:
        raise Refusal(f"{text!a} is not an instant") from problem
    if moment.year not in YEARS:
        raise Refusal(f"{text!a} lies too far away")
    return moment


def _resource(name: str, digest: str) -> dict[str, Any]:
    """An in-toto ResourceDescriptor."""
    return {"name": name, "digest": {"sha256": digest}}


def _target(run: Run) -> dict[str, Any]:
    target = run.target
    shown = target.fingerprint
    return {
        "name": target.name,
        "vendor": target.vendor,
        "version": target.version,
        "city": target.city,
        "baseUrls": [url for url in (target.base_url, target.stream_url, target.mqtt_url) if url],
        "fingerprint": {
            "tlsSpkiSha256": list(shown.tls_spki),
            "openapi": None if shown.openapi is None else _resource("openapi.json", shown.openapi),
            "server": shown.server,
        },
    }


def _profile_counts(evidence: Evidence) -> dict[str, int]:
    excluded = sum(entry.id in evidence.run.profile.excluded for entry in evidence.requirements)
    return {"supported": len(evidence.requirements) - excluded, "partial": 0, "excluded": excluded}


def _validity(run: Run) -> dict[str, str]:
    start = instant(run.finished_at)
    return {
        "notBefore": run.finished_at,
        "notAfter": _text(start + timedelta(days=VALIDITY_DAYS)),
        "recheckDue": _text(start + timedelta(days=RECHECK_DAYS)),
    }


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _schema_bytes(name: str) -> bytes:
    return (paths.SPEC / "schemas" / f"{name}.schema.json").read_bytes()


@cache
def _validator() -> SchemaCheck:
    return SchemaCheck(catalogue.load().schema("statement"))
