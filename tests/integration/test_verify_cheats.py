"""Cheats of somebody who owns a trusted key: all is signed again and fits, except for what was cheated."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dtc_cli.core import chain
from dtc_cli.core.model import Outcome
from dtc_cli.exit_codes import ExitCode
from dtc_cli.signing import layout
from tests.support.cheating import (
    both,
    document,
    drop_line,
    first_body,
    line,
    matrix,
    rechained,
    renamed_body,
    run,
    withhold,
    without,
)
from tests.support.packages import Contents, check, failing, make, resigned, trust_file

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


CHEATS: dict[str, tuple[Callable[[Contents], object], str, ExitCode]] = {
    "the failed line is left out": (drop_line(FAILED), "matrix.complete", ExitCode.INCOMPLETE),
    "the failed vector is left out altogether": (
        both(drop_line(FAILED), without(layout.VECTORS, "id", FAILED)),
        "catalogue.world",
        ExitCode.INTEGRITY,
    ),
    "the failed requirement is left out": (
        both(
            without(layout.CATALOGUE, "id", "DTC-P1-001"),
        ),
        "catalogue.world",
        ExitCode.INTEGRITY,
    ),
    "a requirement is relaxed": (
        both(
            document(
                layout.CATALOGUE,
                lambda v: next(e for e in v if e["id"] == "DTC-P1-001").update(strength="may"),
            ),
            line(FAILED, strength="may"),
            line("DTC-P1-001/positive-case", strength="may"),
        ),
        "catalogue.world",
        ExitCode.INTEGRITY,
    ),
    "a vector of one's own": (
        document(layout.VECTORS, lambda v: v.append({**v[0], "id": "DTC-P1-001/zz-own"})),
        "catalogue.world",
        ExitCode.INTEGRITY,
    ),
    "an unknown requirement is excluded": (
        run(
            profile={
                "excluded": {"DTC-P1-999": "no"},
                "hazards": [],
                "declares": {},
                "digest": chain.profile_digest({"DTC-P1-999": "no"}, [], {}),
            }
        ),
        "profile.signed",
        ExitCode.INTEGRITY,
    ),
    "the line is given twice": (
        matrix(lambda v: v.append(dict(v[0], outcome="passed"))),
        "matrix.closed",
        ExitCode.INTEGRITY,
    ),
    "a line too many": (
        matrix(lambda v: v.append(dict(v[0], vector="DTC-P1-001/more"))),
        "matrix.closed",
        ExitCode.INTEGRITY,
    ),
    "a line of another requirement": (
        line(FAILED, requirement="DTC-P1-003"),
        "matrix.closed",
        ExitCode.INTEGRITY,
    ),
    "a line of no requirement": (line(FAILED, requirement="DTC-P9-003"), "matrix.closed", ExitCode.INTEGRITY),
    "a line with another strength": (line(FAILED, strength="should"), "matrix.closed", ExitCode.INTEGRITY),
    "a line with another level": (line(FAILED, level="gold"), "matrix.closed", ExitCode.INTEGRITY),
    "a line with another seed": (line(FAILED, seed=1), "matrix.closed", ExitCode.INTEGRITY),
    "a selection": (
        run(selection={"complete": False, "expression": "x"}),
        "matrix.complete",
        ExitCode.INCOMPLETE,
    ),
    "an interrupted run": (run(status="interrupted"), "matrix.complete", ExitCode.INCOMPLETE),
    "nothing was judged": (
        both(lambda c: c.update({layout.MATRIX: b"", layout.VECTORS: b"[]"})),
        "catalogue.world",
        ExitCode.INTEGRITY,
    ),
    "a skip without a reason": (line(BLOCKED, justification=None), "skips.justified", ExitCode.INCOMPLETE),
    "a skip with a blank reason": (line(BLOCKED, justification=" "), "skips.justified", ExitCode.INCOMPLETE),
    "another roll-up": (
        document(layout.VERDICTS, lambda v: v.update(achieved="bronze")),
        "matrix.recount",
        ExitCode.INTEGRITY,
    ),
    "another profile": (
        lambda c: c.update({layout.PROFILE: b'{"declares":{},"excluded":{},"hazards":[]}'}),
        "profile.signed",
        ExitCode.INTEGRITY,
    ),
    "an event removed": (rechained(lambda v: v.pop()), "events.matrix", ExitCode.INTEGRITY),
    "an event edited, chain mended": (
        rechained(lambda v: v[0].update(status=201)),
        "events.matrix",
        ExitCode.INTEGRITY,
    ),
    "an event moved to another vector": (
        rechained(lambda v: v[0].update(vector=BLOCKED)),
        "events.matrix",
        ExitCode.INTEGRITY,
    ),
    "time goes back": (rechained(lambda v: v[1].update(tMonoUs=10**9)), "events.chain", ExitCode.INTEGRITY),
    "a gap in the numbers": (rechained(lambda v: v[5].update(seq=50)), "events.chain", ExitCode.INTEGRITY),
    "an event of another shape": (
        rechained(lambda v: v[5].update(url=5)),
        "events.chain",
        ExitCode.INTEGRITY,
    ),
    "another head": (run(events={"count": 202, "head": "0" * 64}), "events.chain", ExitCode.INTEGRITY),
    "another nonce": (run(nonce="AAAA"), "events.chain", ExitCode.INTEGRITY),
    "a nonce that is none": (run(nonce="AAAAA"), "events.chain", ExitCode.INTEGRITY),
    "events that do not exist": (line(FAILED, events=[0, 9999]), "events.matrix", ExitCode.INTEGRITY),
    "events backwards": (line(FAILED, events=[3, 2]), "events.matrix", ExitCode.INTEGRITY),
    "events denied": (line(FAILED, events=[0, -1]), "events.matrix", ExitCode.INTEGRITY),
    "events of others": (line(FAILED, events=[100, 101]), "events.matrix", ExitCode.INTEGRITY),
    "a body withheld": (withhold, "events.bodies", ExitCode.INCOMPLETE),
    "a body edited": (
        lambda c: c.update({first_body(c): b"{}"}),
        "events.bodies",
        ExitCode.INTEGRITY,
    ),
    "a body of no digest": (renamed_body, "events.bodies", ExitCode.INTEGRITY),
    "the clock was set back": (
        run(startedAt="2026-11-20T11:00:00Z"),
        "time.clock",
        ExitCode.INTEGRITY,
    ),
    "the end before the start": (run(startedAt="2026-11-20T12:00:21Z"), "time.clock", ExitCode.INTEGRITY),
    "a run of no level": (
        both(run(level={"claimed": "none"}), lambda c: c.update({layout.MATRIX: b""})),
        "statement.schema",
        ExitCode.INTEGRITY,
    ),
    "a run of another format": (run(format=2), "evidence.format", ExitCode.INTEGRITY),
    "requirements twice": (
        document(layout.CATALOGUE, lambda v: v.append(v[0])),
        "evidence.format",
        ExitCode.INTEGRITY,
    ),
    "another suite, dirty": (
        run(suite={"version": "0", "digest": "d" * 64, "dirty": True}),
        "",
        ExitCode.NOT_CONFORMANT,
    ),
}


@pytest.mark.parametrize(("change", "noticed", "code"), CHEATS.values(), ids=CHEATS.keys())
def test_a_cheat_is_noticed_by_its_check(
    original: Path,
    trust: Path,
    tmp_path: Path,
    change: Callable[[Contents], object],
    noticed: str,
    code: ExitCode,
) -> None:
    result = check(resigned(original, tmp_path, change), trust)
    reasons = {item.name: item.reason for item in result.checks if item.code}
    assert (noticed or "level.reached") in failing(result), reasons
    assert result.exit_code is code, reasons
    assert result.conformant is None


def test_an_outcome_edited_without_the_roll_up_is_noticed(
    original: Path, trust: Path, tmp_path: Path
) -> None:
    path = resigned(original, tmp_path, line(FAILED, outcome="passed"), refit=False)
    assert failing(check(path, trust)) == ["matrix.recount"]


def test_what_a_signature_cannot_prove(original: Path, trust: Path, tmp_path: Path) -> None:
    """Who owns key and run can lie consistently; only somebody else's run shows it (docs/verify.md)."""
    lie = both(line(FAILED, outcome="passed"), line(BLOCKED, outcome="passed"))
    assert check(resigned(original, tmp_path, lie), trust).exit_code is ExitCode.OK
