"""Statements that say something else than the evidence, signed again by the owner of the key."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dtc_cli.core import chain
from dtc_cli.core.model import Outcome
from dtc_cli.exit_codes import ExitCode
from dtc_cli.signing import layout
from tests.support import packages, runs
from tests.support.cheating import Json
from tests.support.packages import check, failing, make, resigned, trust_file

FAILED, BLOCKED = "DTC-P1-001/negative-case", "DTC-P1-002/negative-case"


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cheat's public key: a reader who knows them trusts them."""
    return trust_file(tmp_path_factory.mktemp("trust"))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with one failed and one blocked vector."""
    outcomes = {FAILED: Outcome.FAILED, BLOCKED: Outcome.BLOCKED}
    return make(tmp_path_factory.mktemp("original"), outcomes=outcomes)


def predicate(**members: Any) -> Callable[[Json], object]:
    return lambda value: value["predicate"].update(members)


TWEAKS: dict[str, tuple[Callable[[Json], object], str]] = {
    "achieved": (lambda v: v["predicate"]["level"].update(achieved="bronze"), "matrix.recount"),
    "level table": (lambda v: v["predicate"]["level"].update(bronze="PASSED"), "matrix.recount"),
    "verdict": (predicate(verdict="PASSED"), "matrix.recount"),
    "counts": (lambda v: v["predicate"]["results"].update(failed=0), "matrix.recount"),
    "an outcome": (
        lambda v: v["predicate"]["requirements"].update({"DTC-P1-001": "passed"}),
        "matrix.recount",
    ),
    "matrix root": (lambda v: v["predicate"]["matrix"].update(merkleRoot="0" * 64), "matrix.recount"),
    "event head": (lambda v: v["predicate"]["eventLog"].update(head="0" * 64), "events.chain"),
    "event count": (lambda v: v["predicate"]["eventLog"].update(count=1), "events.chain"),
    "run id": (predicate(runId=runs.RUN_ID.format(7)), "statement.evidence"),
    "target": (lambda v: v["predicate"]["target"].update(name="Seoul Twin"), "statement.evidence"),
    "mode": (predicate(mode="lab"), "statement.evidence"),
    "validity": (
        lambda v: v["predicate"]["validity"].update(notAfter="2036-01-01T00:00:00Z"),
        "statement.evidence",
    ),
    "suite": (lambda v: v["predicate"]["suite"].update(dirty=True), "statement.evidence"),
    "profile": (lambda v: v["predicate"]["profile"]["counts"].update(excluded=9), "profile.signed"),
    "subject": (lambda v: v["subject"][0]["digest"].update(sha256="0" * 64), "statement.subject"),
    "two subjects": (lambda v: v["subject"].append(v["subject"][0]), "statement.schema"),
    "no subject": (lambda v: v.update(subject=[]), "statement.schema"),
    "another file as subject": (
        lambda v: v["subject"][0].update(name="evidence/run.json"),
        "statement.schema",
    ),
    "another type": (lambda v: v.update(_type="https://in-toto.io/Statement/v0.1"), "statement.schema"),
    "another predicate": (
        lambda v: v.update(predicateType="https://slsa.dev/provenance/v1"),
        "statement.schema",
    ),
    "predicate is a list": (lambda v: v.update(predicate=[]), "statement.schema"),
    "an unknown member": (predicate(note="x"), "statement.schema"),
    "a member less": (lambda v: v["predicate"].pop("eventLog"), "statement.schema"),
    "an unknown outcome": (
        lambda v: v["predicate"]["requirements"].update({"DTC-P1-001": "ignored"}),
        "statement.schema",
    ),
    "a fraction": (lambda v: v["predicate"]["results"].update(total=1.5), "statement.schema"),
    "a huge number": (lambda v: v["predicate"]["eventLog"].update(count=2**53 - 1), "events.chain"),
    "too large": (lambda v: v["predicate"]["target"].update(baseUrls=["x" * 1900] * 40), "statement.schema"),
}


@pytest.mark.parametrize(("tweak", "noticed"), TWEAKS.values(), ids=TWEAKS.keys())
def test_a_statement_that_says_something_else_is_noticed(
    original: Path, trust: Path, tmp_path: Path, tweak: Callable[[Json], object], noticed: str
) -> None:
    result = check(resigned(original, tmp_path, lambda c: None, tweak=tweak), trust)
    assert failing(result)[0] == noticed, [(c.name, c.reason) for c in result.checks if c.code]
    assert result.exit_code is ExitCode.INTEGRITY


def test_a_float_that_equals_the_whole_number_changes_nothing(
    original: Path, trust: Path, tmp_path: Path
) -> None:
    whole = resigned(original, tmp_path, lambda c: None, tweak=predicate(sequence=0.0))
    assert check(whole, trust).exit_code is ExitCode.NOT_CONFORMANT


def test_what_is_signed_must_be_a_statement(original: Path, trust: Path, tmp_path: Path) -> None:
    from dtc_cli.signing import bundle, dsse, statement

    for data, kind in (
        (b"[]", statement.PAYLOAD_TYPE),
        (b"{}", statement.PAYLOAD_TYPE),
        (b"{}", "text/plain"),
    ):
        sealed = bundle.render(dsse.sign(data, kind, packages.key()))
        contents = {**packages.unpack(original), layout.RUN_BUNDLE: sealed}
        path = packages.pack(contents, tmp_path / "p.tar.gz")
        assert failing(check(path, trust)) == ["statement.schema"]


def test_a_package_of_another_catalogue_cannot_be_decided(
    original: Path, trust: Path, tmp_path: Path
) -> None:
    other = runs.covered_catalogue(tmp_path / "spec")
    (other.root / "more.yaml").write_text("[]")
    made = runs.make(tmp_path / "run", type(other)(other.root))
    from dtc_cli.signing import package

    path = package.build(made, tmp_path, {}, packages.key())
    result = check(path, trust)
    assert failing(result) == ["catalogue.world"]
    assert (result.exit_code, result.authentic) == (ExitCode.CANNOT_DECIDE, True)
    assert check(path, trust, catalogue=type(other)(other.root)).exit_code is ExitCode.OK


def test_an_exclusion_of_an_unknown_requirement_is_refused(trust: Path, tmp_path: Path) -> None:
    excluded = {"DTC-P9-001": "not ours"}
    claims = {"excluded": excluded, "hazards": [], "declares": {}}
    digest = chain.profile_digest(excluded, [], {})
    path = make(tmp_path, profile={**claims, "digest": digest})
    assert "catalogue.world" in failing(check(path, trust))
