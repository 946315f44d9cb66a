"""The reader decides: keys, roles, times, thresholds, suites and catalogues of a trust policy."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dtc_cli.core.canonical import sha256_hex
from dtc_cli.core.model import Level, Outcome
from dtc_cli.exit_codes import ExitCode
from dtc_cli.signing import layout
from dtc_cli.signing.checks import Status
from tests.support import packages, runs
from tests.support.cheating import (
    Json,
)
from tests.support.packages import catalogue, check, failing, make, trust_file

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
    held = packages.unpack(path)
    world = [sha256_hex(held[name]) for name in (layout.CATALOGUE, layout.VECTORS)]
    result = check(path, policy(tmp_path, VENDOR, catalogues=[other.digest, *world]))
    assert (failing(result), result.exit_code) == ([], ExitCode.OK)
    # A run names any digest it likes; what it was asked has to be accepted too.
    for listed in ([other.digest], [other.digest, world[0]], [other.digest, world[1]]):
        result = check(path, policy(tmp_path, VENDOR, catalogues=listed))
        assert (failing(result), result.exit_code) == (["catalogue.world"], ExitCode.CANNOT_DECIDE)


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
