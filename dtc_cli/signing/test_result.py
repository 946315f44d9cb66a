"""The in-toto test-result statement (v0.1) of a run, for policy engines that read nothing else.

It is a function of the evidence like the run's own statement, signed with the same key, and compared like it.
Its tests are requirements; WARNED stands for what neither failed nor is shown to hold without reserve.
"""

from typing import Any

from dtc_cli.core.canonical import canonical_json, sha256_hex
from dtc_cli.core.model import Outcome
from dtc_cli.signing import judgement as judging
from dtc_cli.signing import layout, statement
from dtc_cli.signing.evidence import Evidence

PREDICATE = "https://in-toto.io/attestation/test-result/v0.1"
WARNED = (Outcome.WARNED, Outcome.NOT_APPLICABLE)  # EVIDENCE 1.8, D-05


def make(evidence: Evidence, sums: bytes) -> bytes:
    """The statement in RFC 8785 form."""
    judged = judging.judge(evidence)
    run = evidence.run
    named: dict[str, list[str]] = {"passedTests": [], "warnedTests": [], "failedTests": []}
    for verdict in judged.verdicts:
        if verdict.outcome is Outcome.PASSED:
            named["passedTests"].append(verdict.requirement)
        else:
            kind = "warnedTests" if verdict.outcome in WARNED else "failedTests"
            named[kind].append(verdict.requirement)
    reached = judging.verdict(judged, run.level.claimed) == judging.PASSED
    result = judging.FAILED if not reached else "WARNED" if named["warnedTests"] else judging.PASSED
    value: dict[str, Any] = {
        "_type": statement.STATEMENT_TYPE,
        "subject": [{"name": layout.SUMS, "digest": {"sha256": sha256_hex(sums)}}],
        "predicateType": PREDICATE,
        "predicate": {
            "result": result,
            "configuration": [
                {"name": "dtc_cli/spec", "digest": {"sha256": run.standard.catalogue_digest}},
                {"name": layout.PROFILE, "digest": {"sha256": run.profile.digest}},
            ],
            **named,
        },
    }
    return canonical_json(value)
