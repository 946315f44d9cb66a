"""Checks of the evidence: it is what was signed, it is complete, and the verdict follows from it."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from dtc_cli.core import plan
from dtc_cli.core.canonical import canonical_json, sha256_hex
from dtc_cli.core.chain import profile_bytes
from dtc_cli.core.model import LEVELS, MatrixLine, Outcome
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode
from dtc_cli.signing import (
    check_signer,
    dsse,
    evidence,
    judgement,
    layout,
    statement,
    strict_json,
    test_result,
)
from dtc_cli.signing.case import Case
from dtc_cli.signing.refusal import NotRequired, Refusal, Unavailable

NEEDS_REASON = (Outcome.NOT_APPLICABLE, Outcome.NOT_TESTED, Outcome.BLOCKED)


def evidence_format(case: Case) -> str:
    """Every evidence file reads in one way only, and is of the shape that a run writes.

    Raises:
        Refusal: naming the file.
    """
    case.evidence = evidence.read(case.files)
    strict_json.parse(case.files.read(layout.VERDICTS), layout.VERDICTS)
    run = case.evidence.run
    if run.format != 1:
        raise Refusal(f"run.json has the format {run.format}; this dtc reads format 1")
    if run.level.claimed not in LEVELS:
        raise Refusal("run.json claims no level")
    _once((entry.id for entry in case.evidence.requirements), layout.CATALOGUE)
    _once((vector.id for vector in case.evidence.vectors), layout.VECTORS)
    case.judgement = judgement.judge(case.evidence)
    case.expected = statement.predicate(case.evidence, case.files)
    return f"{len(case.evidence.lines)} matrix lines, {len(case.evidence.requirements)} requirements"


def statement_evidence(case: Case) -> str:
    """Run, target, suite, clock and times in the statement are those of `run.json`.

    Raises:
        Refusal: naming the first member that differs.
    """
    _same(case, statement.RUN_MEMBERS)
    return f"run {case.evidence.run.run_id} of {case.evidence.run.target.name}, as signed"


def profile_signed(case: Case) -> str:
    """The profile (exclusions, hazards, declarations) is the one that was signed.

    Raises:
        Refusal: when it is another one.
    """
    profile = case.evidence.run.profile
    data = profile_bytes(profile.excluded, profile.hazards, profile.declares)
    if case.files.read(layout.PROFILE) != data or profile.digest != sha256_hex(data):
        raise Refusal("profile.json, run.json and the profile digest do not agree")
    _same(case, ("profile",))
    return f"{len(profile.excluded)} requirements excluded, each with its reason"


def catalogue_accepted(case: Case) -> str:
    """The policy accepts the catalogue that was judged by.

    Raises:
        Refusal: UNTRUSTED.
        NotRequired: the policy names none.
    """
    accepted = case.trust.catalogues if case.trust else None
    return _accepted(accepted, case.evidence.run.standard.catalogue_digest, "catalogue")


def suite_accepted(case: Case) -> str:
    """The policy accepts the suite that was used, unchanged.

    Raises:
        Refusal: UNTRUSTED.
        NotRequired: the policy names none.
    """
    suite = case.evidence.run.suite
    accepted = case.trust.suites if case.trust else None
    if accepted is None and suite.dirty:
        raise NotRequired("the reader's policy names no suite; this one says that it was changed (dirty)")
    reason = _accepted(accepted, suite.digest, "suite")
    if suite.dirty:
        raise Refusal("the suite says of itself that it was changed (dirty)", ExitCode.UNTRUSTED)
    return reason


def catalogue_world(case: Case) -> str:
    """Requirements and vectors of the package are those that catalogue, profile and level demand.

    Raises:
        Refusal: when one was left out, added or changed.
        Unavailable: this `dtc` carries another catalogue, so that it cannot tell.
        NotRequired: it carries another one, and the policy accepts the package's by its digest, and by those
            of the two files that say what was asked; a digest that a run merely names binds nothing.
    """
    run, own = case.evidence.run, case.catalogue
    if run.standard.catalogue_digest != own.digest:
        text = f"made with another catalogue than this dtc carries (dtc {run.tool.version})"
        accepted = (case.trust.catalogues if case.trust else None) or ()
        named = run.standard.catalogue_digest in accepted
        if named and all(case.digests[name] in accepted for name in (layout.CATALOGUE, layout.VECTORS)):
            raise NotRequired(text + "; the policy accepts it with its requirements and vectors")
        more = f", with the digests of {layout.CATALOGUE} and {layout.VECTORS}"
        raise Unavailable(text + ": verify with that version, or accept its digest in the policy" + more)
    try:
        world = plan.make(own.requirements.values(), own.vectors, run.level.claimed, run.profile.excluded)
    except DtcError as problem:
        raise Refusal(problem.what) from problem
    _equal(world.requirements, case.evidence.requirements, "requirement")
    _equal(world.vectors, case.evidence.vectors, "vector")
    return (
        f"{len(world.requirements)} requirements and {len(world.vectors)} vectors, as the catalogue demands"
    )


def matrix_closed(case: Case) -> str:
    """Every matrix line is about an expected vector, once, with the level and strength of its requirement.

    Raises:
        Refusal: naming the line.
    """
    vectors = {vector.id: vector for vector in case.evidence.vectors}
    requirements = {entry.id: entry for entry in case.evidence.requirements}
    seen: set[str] = set()
    for line in case.evidence.lines:
        vector = vectors.get(line.vector)
        if vector is None:
            raise Refusal(f"the matrix judges {line.vector}, which is not expected")
        if line.vector in seen:
            raise Refusal(f"the matrix judges {line.vector} twice")
        seen.add(line.vector)
        entry = requirements.get(line.requirement)
        if entry is None or vector.requirement != line.requirement:
            raise Refusal(f"the matrix files {line.vector} under another requirement")
        if (entry.level, entry.strength) != (line.level, line.strength):
            raise Refusal(f"the matrix gives {line.vector} another level or strength than the catalogue")
        if line.seed != case.evidence.run.seed:
            raise Refusal(f"the matrix gives {line.vector} another seed than the run")
    return f"{len(seen)} lines, each of an expected vector, none twice"


def matrix_recount(case: Case) -> str:
    """Outcomes, counts, level table and verdict, computed again from the matrix, are those that were signed.

    Raises:
        Refusal: naming what differs.
    """
    if case.files.read(layout.VERDICTS) != judgement.to_bytes(case.judgement):
        raise Refusal("requirements.json does not follow from the matrix")
    _same(case, statement.COUNT_MEMBERS)
    reached = case.judgement.achieved.value
    return f"{len(case.judgement.verdicts)} requirements counted again: achieved {reached}, as signed"


def summary_signed(case: Case) -> str:
    """The test-result statement for other programs says what the evidence says, and the same key signed it.

    Raises:
        Refusal: when it says something else, or its signature does not fit.
    """
    found = case.test_result
    if found.envelope.payload_type != statement.PAYLOAD_TYPE or found.envelope.payload != test_result.make(
        case.evidence, case.sums
    ):
        raise Refusal("test-result.sigstore.json does not follow from the evidence")
    try:
        dsse.verify(found.envelope, [check_signer.key_of(case, found)])
    except Refusal as problem:
        raise Refusal("the signature of test-result.sigstore.json does not fit") from problem
    return "the in-toto test-result is that of the evidence, by the same key"


def matrix_complete(case: Case) -> str:
    """The run ended by itself, nothing was selected, and every expected vector was judged.

    Raises:
        Refusal: INCOMPLETE.
    """
    run = case.evidence.run
    if run.status != "complete":
        raise Refusal(f"the run is {run.status}, not complete", ExitCode.INCOMPLETE)
    if not run.selection.complete:
        raise Refusal("only a selection of the vectors was run", ExitCode.INCOMPLETE)
    judged = {line.vector for line in case.evidence.lines}
    missing = [vector.id for vector in case.evidence.vectors if vector.id not in judged]
    if missing:
        raise Refusal(f"{len(missing)} vectors were not run, first {missing[0]}", ExitCode.INCOMPLETE)
    if not judged:
        raise Refusal("the run judged nothing", ExitCode.INCOMPLETE)
    return f"all {len(judged)} expected vectors were judged"


def skips_justified(case: Case) -> str:
    """Whatever was not judged, and whatever the profile excludes, says why.

    Raises:
        Refusal: INCOMPLETE.
    """
    bare = [line for line in case.evidence.lines if line.outcome in NEEDS_REASON and not _reason(line)]
    if bare:
        raise Refusal(f"{bare[0].vector} is {bare[0].outcome} without a reason", ExitCode.INCOMPLETE)
    for requirement, reason in case.evidence.run.profile.excluded.items():
        if not reason.strip():
            raise Refusal(f"the profile excludes {requirement} without a reason", ExitCode.INCOMPLETE)
    counted = sum(line.outcome in NEEDS_REASON for line in case.evidence.lines)
    return f"{counted} vectors not judged, each with its reason"


def _reason(line: MatrixLine) -> bool:
    return bool(line.justification and line.justification.strip())


def _accepted(accepted: tuple[str, ...] | None, digest: str, what: str) -> str:
    if accepted is None:
        raise NotRequired(f"the reader's policy names no {what}")
    if digest not in accepted:
        raise Refusal(f"the policy does not accept the {what} {digest[:16]}", ExitCode.UNTRUSTED)
    return f"{what} {digest[:16]} is on the policy's list"


def _once(ids: Iterable[str], name: str) -> None:
    twice = [id_ for id_, count in Counter(ids).items() if count > 1]
    if twice:
        raise Refusal(f"{name} lists {twice[0]} twice")


def _same(case: Case, members: Iterable[str]) -> None:
    """Compare members of the signed predicate with what the evidence amounts to."""
    for member in members:
        signed, found = case.predicate[member], case.expected[member]
        if canonical_json(signed) != canonical_json(found):
            raise Refusal(
                f"the statement's {member} is not what the evidence shows{_difference(signed, found)}"
            )


def _difference(signed: Any, found: Any) -> str:
    if isinstance(signed, dict) and isinstance(found, dict):
        names = [key for key in (*signed, *found) if signed.get(key) != found.get(key)]
        return f" ({names[0]})" if names else ""
    return ""


def _equal(demanded: Iterable[Any], present: Iterable[Any], what: str) -> None:
    """Compare two lists of entries with ids, and name one that differs."""
    demanded, present = tuple(demanded), tuple(present)
    if demanded == present:
        return
    want = {entry.id: entry for entry in demanded}
    have = {entry.id: entry for entry in present}
    for id_ in sorted(want.keys() | have.keys()):
        if id_ not in have:
            raise Refusal(f"the {what} {id_} was left out")
        if id_ not in want:
            raise Refusal(f"the {what} {id_} was added")
        if want[id_] != have[id_]:
            raise Refusal(f"the {what} {id_} was changed")
