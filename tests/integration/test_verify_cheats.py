"""Cheats of somebody who owns a trusted key: all is signed again and fits, except for what was cheated."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dtc_cli.core import chain
from dtc_cli.core.canonical import canonical_json
from dtc_cli.core.model import Level, Outcome
from dtc_cli.exit_codes import ExitCode
from dtc_cli.signing import layout
from dtc_cli.signing.checks import Status
from tests.support import packages, runs
from tests.support.packages import Contents, catalogue, check, failing, make, resigned, trust_file

FAILED, BLOCKED = "DTC-P1-001/negative-case", "DTC-P1-002/negative-case"
Json = dict[str, Any]


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cheat's public key: a reader who knows them trusts them."""
    return trust_file(tmp_path_factory.mktemp("trust"))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with one failed and one blocked vector."""
    outcomes = {FAILED: Outcome.FAILED, BLOCKED: Outcome.BLOCKED}
    return make(tmp_path_factory.mktemp("original"), outcomes=outcomes)


def lines(contents: Contents, name: str) -> list[Json]:
    return [json.loads(line) for line in contents[name].splitlines()]


def write_lines(contents: Contents, name: str, values: list[Json]) -> None:
    contents[name] = b"".join(canonical_json(value) + b"\n" for value in values)


def matrix(edit: Callable[[list[Json]], object]) -> Callable[[Contents], object]:
    def change(contents: Contents) -> None:
        values = lines(contents, layout.MATRIX)
        edit(values)
        write_lines(contents, layout.MATRIX, values)

    return change


def line(vector: str, **members: Any) -> Callable[[Contents], object]:
    return matrix(lambda values: next(v for v in values if v["vector"] == vector).update(members))


def document(name: str, edit: Callable[[Any], object]) -> Callable[[Contents], object]:
    def change(contents: Contents) -> None:
        value = json.loads(contents[name])
        edit(value)
        contents[name] = json.dumps(value).encode()

    return change


def run(**members: Any) -> Callable[[Contents], object]:
    return document(layout.RUN, lambda value: value.update(members))


def both(*changes: Callable[[Contents], object]) -> Callable[[Contents], object]:
    def change(contents: Contents) -> None:
        for each in changes:
            each(contents)

    return change


def without(name: str, key: str, id_: str) -> Callable[[Contents], object]:
    def edit(values: list[Json]) -> None:
        values[:] = [value for value in values if value[key] != id_]

    return document(name, edit)


def drop_line(vector: str) -> Callable[[Contents], object]:
    def edit(values: list[Json]) -> None:
        values[:] = [value for value in values if value["vector"] != vector]

    return matrix(edit)


def rechained(edit: Callable[[list[Json]], object]) -> Callable[[Contents], object]:
    """Edit the events and link them again, up to the head in run.json."""

    def change(contents: Contents) -> None:
        facts = json.loads(contents[layout.RUN])
        events = lines(contents, layout.EVENTS)
        edit(events)
        head = chain.genesis(
            facts["nonce"], facts["runId"], facts["standard"]["catalogueDigest"], facts["profile"]["digest"]
        )
        for event in events:
            event["prev"] = head
            head = chain.link(canonical_json(event))
        write_lines(contents, layout.EVENTS, events)
        facts["events"] = {"count": len(events), "head": head}
        contents[layout.RUN] = json.dumps(facts).encode()

    return change


def first_body(contents: Contents) -> str:
    return next(name for name in contents if name.startswith(layout.BODIES))


def withhold(contents: Contents) -> None:
    del contents[first_body(contents)]


def renamed_body(contents: Contents) -> None:
    contents[layout.BODIES + "not-a-digest"] = b"{}"


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


# Time and replay


def test_evidence_gets_stale_after_92_days(original: Path, trust: Path) -> None:
    for age, code in (
        (timedelta(days=92), ExitCode.NOT_CONFORMANT),
        (timedelta(days=92, seconds=1), ExitCode.STALE),
    ):
        result = check(original, trust, now=runs.FINISHED + age)
        assert result.exit_code is code
        assert result.authentic


def test_evidence_from_the_future_is_refused(original: Path, trust: Path) -> None:
    assert (
        check(original, trust, now=runs.FINISHED - timedelta(minutes=9)).exit_code is ExitCode.NOT_CONFORMANT
    )
    assert check(original, trust, now=runs.FINISHED - timedelta(minutes=11)).exit_code is ExitCode.STALE


def test_clocks_that_differ_a_little_are_only_noted(trust: Path, tmp_path: Path) -> None:
    path = make(tmp_path, clock={"source": "system", "monotonicMs": 10_000, "targetSkewMs": None})
    result = check(path, trust)
    assert result.exit_code is ExitCode.OK
    assert "differ by 10000 ms" in next(c.reason for c in result.checks if c.name == "time.clock")


def test_the_nonce_that_was_asked_for(original: Path, trust: Path) -> None:
    assert "nonce.match" not in failing(check(original, trust, nonce=runs.NONCE))
    assert "nonce.match" not in failing(check(original, trust, nonce=runs.NONCE + "=="))
    replayed = check(original, trust, nonce="AAAA")
    assert "nonce.match" in failing(replayed)
    assert replayed.exit_code is ExitCode.STALE


def test_a_signed_nonce_that_is_none_matches_nothing(trust: Path, tmp_path: Path) -> None:
    odd = make(tmp_path, nonce="AAAA")
    path = resigned(
        odd, tmp_path, lambda c: None, tweak=lambda v: v["predicate"]["nonce"].update(value="AAAAA")
    )
    assert "nonce.match" in failing(check(path, trust, nonce=runs.NONCE))


# Level


def test_a_failed_run_is_authentic_and_not_conformant(original: Path, trust: Path) -> None:
    result = check(original, trust)
    assert (result.exit_code, result.authentic, result.conformant) == (ExitCode.NOT_CONFORMANT, True, None)
    assert failing(result) == ["level.reached"]
    assert "DTC-P1-001 failed" in next(c.reason for c in result.checks if c.name == "level.reached")


def test_an_undecided_run_is_incomplete(trust: Path, tmp_path: Path) -> None:
    for outcome in (Outcome.ERROR, Outcome.BLOCKED, Outcome.NOT_TESTED):
        result = check(make(tmp_path / outcome, outcomes={BLOCKED: outcome}), trust)
        assert (result.exit_code, result.authentic) == (ExitCode.INCOMPLETE, True)


def test_a_lower_level_of_a_failed_claim_stands(trust: Path, tmp_path: Path) -> None:
    silver = next(e.id for e in catalogue().for_level(Level.SILVER) if e.level is Level.SILVER)
    path = make(tmp_path, level=Level.SILVER, outcomes={f"{silver}/negative-case": Outcome.FAILED})
    assert check(path, trust).exit_code is ExitCode.NOT_CONFORMANT
    lower = check(path, trust, level=Level.BRONZE)
    assert (lower.exit_code, lower.conformant) == (ExitCode.OK, Level.BRONZE)
    higher = check(path, trust, level=Level.GOLD)
    assert higher.exit_code is ExitCode.NOT_CONFORMANT


def test_gold_is_not_believed_without_an_audit(trust: Path, tmp_path: Path) -> None:
    path = make(tmp_path, level=Level.GOLD)
    result = check(path, trust)
    assert (failing(result), result.exit_code) == (["audit.endorsed"], ExitCode.UNTRUSTED)
    assert result.authentic
    assert check(path, trust, level=Level.SILVER).conformant is Level.SILVER


def test_only_a_conditional_requirement_may_be_excluded(trust: Path, tmp_path: Path) -> None:
    entries = catalogue().for_level(Level.BRONZE)
    conditional = next(entry.id for entry in entries if entry.when is not None)
    plain = next(entry.id for entry in entries if entry.when is None and entry.strength == "must")
    assert check(make(tmp_path / "a", excluded={conditional: "not offered"}), trust).exit_code is ExitCode.OK
    refused = check(make(tmp_path / "b", excluded={plain: "we would rather not"}), trust)
    assert refused.exit_code is ExitCode.NOT_CONFORMANT
    assert "is excluded" in next(c.reason for c in refused.checks if c.name == "level.reached")
    blank = check(make(tmp_path / "c", excluded={conditional: " "}), trust)
    assert (failing(blank), blank.exit_code) == (["skips.justified"], ExitCode.INCOMPLETE)


# Trust


def entry(signer: Any = None, **members: Any) -> Json:
    from dtc_cli.signing import public_keys

    key = signer or packages.key()
    return {"publicKeyPem": public_keys.to_pem(key.public).decode(), "org": "Example Works", **members}


def policy(folder: Path, roles: Json, **members: Any) -> Path:
    path = folder / "trust.json"
    path.write_text(json.dumps({"dtcTrust": 1, "version": 1, "roles": roles, **members}))
    return path


VENDOR = {"vendor": {"keys": [entry()]}}
BEFORE, AFTER = "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"
KEYID = packages.key().keyid

POLICIES: dict[str, tuple[Json, Json, list[str], ExitCode]] = {
    "the vendor": (VENDOR, {}, [], ExitCode.OK),
    "nobody": ({}, {}, ["signer.role"], ExitCode.UNTRUSTED),
    "somebody else": (
        {"vendor": {"keys": [entry(packages.ed_key())]}},
        {},
        ["signer.role"],
        ExitCode.UNTRUSTED,
    ),
    "as registry only": ({"registry": {"keys": [entry()]}}, {}, ["signer.role"], ExitCode.UNTRUSTED),
    "as lab": ({"lab": {"keys": [entry()]}}, {}, [], ExitCode.OK),
    "within its time": (
        {"vendor": {"keys": [entry(validFrom=BEFORE, validUntil=AFTER)]}},
        {},
        [],
        ExitCode.OK,
    ),
    "not yet": ({"vendor": {"keys": [entry(validFrom=AFTER)]}}, {}, ["signer.role"], ExitCode.STALE),
    "no longer": ({"vendor": {"keys": [entry(validUntil=BEFORE)]}}, {}, ["signer.role"], ExitCode.STALE),
    "in another role still": (
        {"vendor": {"keys": [entry(validUntil=BEFORE)]}, "lab": {"keys": [entry()]}},
        {},
        [],
        ExitCode.OK,
    ),
    "two signatures wanted": (
        {"vendor": {"keys": [entry()], "threshold": 2}},
        {},
        ["signer.threshold"],
        ExitCode.UNTRUSTED,
    ),
    "revoked": (
        VENDOR,
        {"revoked": [{"keyid": KEYID, "invalidSince": BEFORE, "reason": "stolen"}]},
        ["signer.revocation"],
        ExitCode.STALE,
    ),
    "revoked afterwards": (
        VENDOR,
        {"revoked": [{"keyid": KEYID, "invalidSince": AFTER}]},
        ["signer.revocation"],
        ExitCode.STALE,
    ),
    "another revoked": (VENDOR, {"revoked": [{"keyid": "0" * 64, "invalidSince": BEFORE}]}, [], ExitCode.OK),
    "policy expired": (VENDOR, {"expires": BEFORE}, ["trust.current"], ExitCode.STALE),
    "policy in force": (VENDOR, {"expires": AFTER}, [], ExitCode.OK),
    "fresher evidence wanted": (VENDOR, {"maxAgeDays": 1}, [], ExitCode.OK),
    "the suite": (VENDOR, {"suites": ["d" * 64]}, [], ExitCode.OK),
    "another suite": (VENDOR, {"suites": ["c" * 64]}, ["suite.accepted"], ExitCode.UNTRUSTED),
    "no suite": (VENDOR, {"suites": []}, ["suite.accepted"], ExitCode.UNTRUSTED),
    "the catalogue": (VENDOR, {"catalogues": [catalogue().digest]}, [], ExitCode.OK),
    "another catalogue": (VENDOR, {"catalogues": ["c" * 64]}, ["catalogue.accepted"], ExitCode.UNTRUSTED),
    "a lab for bronze": (
        VENDOR,
        {"levels": {"bronze": {"require": ["lab"]}}},
        ["signer.role"],
        ExitCode.UNTRUSTED,
    ),
    "a vendor for bronze": (VENDOR, {"levels": {"bronze": {"require": ["vendor"]}}}, [], ExitCode.OK),
    "a lab for silver": (VENDOR, {"levels": {"silver": {"require": ["lab"]}}}, [], ExitCode.OK),
    "an auditor beside it": (
        VENDOR,
        {"levels": {"bronze": {"require": ["auditor"]}}},
        ["audit.endorsed"],
        ExitCode.UNTRUSTED,
    ),
}


@pytest.fixture(scope="module")
def passed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of a passed run."""
    return make(tmp_path_factory.mktemp("passed"))


@pytest.mark.parametrize(("roles", "members", "noticed", "code"), POLICIES.values(), ids=POLICIES.keys())
def test_the_reader_decides(
    passed: Path, tmp_path: Path, roles: Json, members: Json, noticed: list[str], code: ExitCode
) -> None:
    result = check(passed, policy(tmp_path, roles, **members))
    assert (failing(result), result.exit_code) == (noticed, code)
    assert (result.conformant is Level.BRONZE) == (code is ExitCode.OK)


def test_a_revoked_key_is_not_authentic_but_an_old_policy_only_stale(passed: Path, tmp_path: Path) -> None:
    revoked = policy(tmp_path, VENDOR, revoked=[{"keyid": KEYID, "invalidSince": AFTER}])
    assert not check(passed, revoked).authentic
    assert check(passed, policy(tmp_path, VENDOR, maxAgeDays=1), now=packages.NOW + timedelta(1)).authentic


def test_a_changed_suite_is_not_accepted_where_suites_are_listed(tmp_path: Path) -> None:
    dirty = make(tmp_path, suite={"version": "0.1.0", "digest": "d" * 64, "dirty": True})
    result = check(dirty, policy(tmp_path, VENDOR, suites=["d" * 64]))
    assert (failing(result), result.exit_code) == (["suite.accepted"], ExitCode.UNTRUSTED)


def test_a_policy_may_accept_a_catalogue_that_this_dtc_does_not_carry(tmp_path: Path) -> None:
    other = runs.covered_catalogue(tmp_path / "spec")
    (other.root / "more.yaml").write_text("[]")
    other = type(other)(other.root)
    from dtc_cli.signing import package

    path = package.build(runs.make(tmp_path / "run", other), tmp_path, {}, packages.key())
    result = check(path, policy(tmp_path, VENDOR, catalogues=[other.digest]))
    assert (failing(result), result.exit_code) == ([], ExitCode.OK)


def test_the_mode_decides_who_may_sign(tmp_path: Path) -> None:
    path = make(tmp_path, mode="lab")
    assert failing(check(path, policy(tmp_path, VENDOR))) == ["signer.role"]
    assert failing(check(path, policy(tmp_path, {"auditor": {"keys": [entry()]}}))) == []
    audit = make(tmp_path / "audit", mode="audit")
    assert failing(check(audit, policy(tmp_path, {"lab": {"keys": [entry()]}}))) == ["signer.role"]


def test_without_trust_nothing_is_ever_ok(passed: Path) -> None:
    result = check(passed, None)
    assert (result.exit_code, result.authentic, result.trusted) == (ExitCode.UNTRUSTED, False, False)
    role = next(item for item in result.checks if item.name == "signer.role")
    assert role.reason.startswith("UNTRUSTED")
    assert all(item.status is not Status.FAIL for item in result.checks if item is not role)


def test_an_ed25519_signature_is_verified_too(tmp_path: Path) -> None:
    path = make(tmp_path, signer=packages.ed_key())
    assert check(path, trust_file(tmp_path, packages.ed_key())).exit_code is ExitCode.OK


def test_of_several_failures_the_worst_decides(original: Path, tmp_path: Path) -> None:
    late = runs.FINISHED + timedelta(days=200)
    # failed run (1), stale (5), untrusted (4): 4
    assert check(original, None, now=late).exit_code is ExitCode.UNTRUSTED
    # failed run (1), stale (5): 5
    assert check(original, trust_file(tmp_path), now=late).exit_code is ExitCode.STALE
    # incomplete (6), stale (5): 6
    gap = make(tmp_path, drop=(FAILED,))
    assert check(gap, trust_file(tmp_path), now=late).exit_code is ExitCode.INCOMPLETE
    # the signed list edited (3) on top of all: 3
    spoilt = packages.changed(gap, tmp_path, lambda c: c.update({"evidence/x": b""}))
    assert check(spoilt, None, now=late).exit_code is ExitCode.INTEGRITY
