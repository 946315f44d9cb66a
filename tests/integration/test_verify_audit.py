"""Gold and Platinum rest on others: who counts as an auditor, and what no audit can be made to say."""

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dtc_cli.core.model import Level, Outcome
from dtc_cli.core.sample import Sample
from dtc_cli.exit_codes import ExitCode
from dtc_cli.signing import audit, layout, vsa
from dtc_cli.signing.attestation import Digest
from tests.support import packages, runs
from tests.support.beside import BODY, BUSAN, LAB, LAB2, audited, auditor, decided, policy, predicate
from tests.support.packages import Contents, changed, check, failing, key, make, unpack

OK, UNTRUSTED, INTEGRITY = ExitCode.OK, ExitCode.UNTRUSTED, ExitCode.INTEGRITY


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[Level, Path]:
    return {
        level: make(tmp_path_factory.mktemp(level), level=level) for level in (Level.GOLD, Level.PLATINUM)
    }


@pytest.fixture
def gold(originals: dict[Level, Path], tmp_path: Path) -> Path:
    return Path(shutil.copy(originals[Level.GOLD], tmp_path / "gold.dtcpack.tar.gz"))


@pytest.fixture
def platinum(originals: dict[Level, Path], tmp_path: Path) -> Path:
    return Path(shutil.copy(originals[Level.PLATINUM], tmp_path / "platinum.dtcpack.tar.gz"))


def test_gold_is_believed_with_an_audit_of_somebody_else(gold: Path, tmp_path: Path) -> None:
    trust = policy(tmp_path, BUSAN, LAB)
    before = check(gold, trust)
    assert (before.exit_code, before.authentic, failing(before)) == (UNTRUSTED, True, ["audit.endorsed"])
    assert before.summary["assessment"].startswith("self-assessment")
    after = check(audited(gold, auditor()), trust)
    assert (after.exit_code, after.conformant) == (OK, Level.GOLD)
    assert after.summary["assessment"] == "audited by City Lab"


def test_an_audit_changes_nothing_of_the_package(gold: Path) -> None:
    before = unpack(gold)
    after = unpack(audited(gold, auditor()))
    assert {name: after[name] for name in before} == before
    place = layout.beside("audit", auditor().keyid)
    assert sorted(set(after) - set(before)) == [place, f"keys/{auditor().keyid}.pub"]


def test_platinum_needs_two_organisations(platinum: Path, tmp_path: Path) -> None:
    trust = policy(tmp_path, BUSAN, LAB, ("auditor", "lab3", "City Lab"), LAB2)
    assert check(audited(platinum, auditor()), trust).exit_code is UNTRUSTED
    same = check(audited(platinum, auditor("lab3")), trust)
    assert "endorsed by 1 of 2 organisations" in same.checks[-2].reason
    assert same.exit_code is UNTRUSTED
    assert check(audited(platinum, auditor("lab2")), trust).exit_code is OK


STRANGER = ("auditor", "lab", "Example Works")
OLD = (runs.FINISHED - timedelta(days=2)).isoformat().replace("+00:00", "Z")
LATE = (runs.FINISHED + timedelta(days=9)).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("trusted", "said", "why"),
    [
        pytest.param([BUSAN], {}, "not trusted as auditor", id="unknown auditor"),
        pytest.param([BUSAN, ("vendor", "lab", "City Lab")], {}, "not trusted as auditor", id="role"),
        pytest.param([BUSAN, STRANGER], {}, "made the run itself", id="own organisation"),
        pytest.param([BUSAN, LAB], {"percent": 19}, "20 % are asked for", id="small sample"),
        pytest.param([BUSAN, LAB], {"finished_at": OLD}, "between the run and now", id="before the run"),
        pytest.param([BUSAN, LAB], {"finished_at": LATE}, "between the run and now", id="future"),
        pytest.param([BUSAN, LAB], {"decision": "reject"}, "rejects the run", id="rejected"),
    ],
)
def test_what_does_not_count(
    gold: Path, tmp_path: Path, trusted: list[tuple[str, str, str]], said: dict[str, Any], why: str
) -> None:
    result = check(audited(gold, auditor(), predicate(gold, **said)), policy(tmp_path, *trusted))
    assert (result.exit_code, result.authentic, failing(result)) == (UNTRUSTED, True, ["audit.endorsed"])
    assert why in next(each.reason for each in result.checks if each.name == "audit.endorsed")


def test_a_revoked_auditor_and_one_out_of_time_do_not_count(gold: Path, tmp_path: Path) -> None:
    audited(gold, auditor())
    gone = [{"keyid": auditor().keyid, "invalidSince": "2027-01-01T00:00:00Z"}]
    assert check(gold, policy(tmp_path, BUSAN, LAB, revoked=gone)).exit_code is UNTRUSTED
    few = policy(tmp_path, BUSAN, LAB, levels={"gold": {"sample": 50}})
    assert check(gold, few).exit_code is UNTRUSTED
    assert check(gold, policy(tmp_path, BUSAN, LAB, levels={"gold": {"auditors": 2}})).exit_code is UNTRUSTED


def test_one_key_for_everything_audits_nothing(gold: Path, tmp_path: Path) -> None:
    audited(gold, key())
    result = check(gold, packages.trust_file(tmp_path))
    assert (result.exit_code, failing(result)) == (UNTRUSTED, ["audit.endorsed"])


def other_run(said: audit.Audit) -> audit.Audit:
    return msgspec.structs.replace(said, run_statement=Digest("0" * 64))


def rerun(**members: Any) -> Callable[[audit.Audit], audit.Audit]:
    return lambda said: msgspec.structs.replace(said, rerun=msgspec.structs.replace(said.rerun, **members))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (other_run, "about another run statement"),
        (rerun(seed=8), "not the one that its seed draws"),
        (rerun(vectors=1, agree=1), "not the one that its seed draws"),
        (rerun(percent=0), "no share"),
        (rerun(agree=0), "do not add up"),
        (rerun(agree=-1), "do not add up"),
    ],
)
def test_an_audit_that_contradicts_itself_is_no_audit(
    gold: Path, tmp_path: Path, change: Callable[[audit.Audit], audit.Audit], why: str
) -> None:
    audited(gold, auditor(), change(predicate(gold)))
    result = check(gold, policy(tmp_path, BUSAN, LAB))
    assert (result.exit_code, result.authentic) == (INTEGRITY, False)
    assert why in next(each.reason for each in result.checks if each.name == "beside.statements")


def test_nobody_endorses_what_came_out_otherwise(gold: Path, tmp_path: Path) -> None:
    said = predicate(gold)
    bent = msgspec.structs.replace(
        said, rerun=msgspec.structs.replace(said.rerun, agree=said.rerun.vectors - 1, disagree=1)
    )
    result = check(audited(gold, auditor(), bent), policy(tmp_path, BUSAN, LAB))
    assert "endorses what it did not find the same" in "".join(each.reason for each in result.checks)
    assert result.exit_code is INTEGRITY


# Mutations of what lies beside: none is ever accepted for the level that rests on it.


@pytest.fixture(scope="module")
def whole(originals: dict[Level, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "gold.dtcpack.tar.gz"
    shutil.copy(originals[Level.GOLD], path)
    return decided(audited(path, auditor()), key("body"))


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader who wants auditor and certification body for Gold."""
    needs = {"gold": {"require": ["auditor", "registry"]}}
    return policy(tmp_path_factory.mktemp("strict"), BUSAN, LAB, BODY, levels=needs)


def test_auditor_and_body_together_are_enough(whole: Path, strict: Path) -> None:
    result = check(whole, strict)
    assert (result.exit_code, result.conformant) == (OK, Level.GOLD)


def beside_names(contents: Contents) -> list[str]:
    keys = [f"keys/{key(name).keyid}.pub" for name in ("lab", "body")]
    return [name for name in contents if layout.BESIDE.fullmatch(name)] + keys


@pytest.mark.parametrize("where", [0, 1, 2, -1], ids=["first", "third", "two thirds", "last"])
def test_a_bit_in_what_lies_beside_is_noticed(whole: Path, strict: Path, tmp_path: Path, where: int) -> None:
    contents = unpack(whole)
    for name in [*beside_names(contents), layout.TEST_RESULT]:
        data = bytearray(contents[name])
        data[where * len(data) // 3 if where > 0 else where] ^= 1
        path = packages.pack({**contents, name: bytes(data)}, tmp_path / "p.tar.gz")
        assert check(path, strict).exit_code is INTEGRITY, name


def test_whatever_is_removed_is_missed(whole: Path, strict: Path, tmp_path: Path) -> None:
    contents = unpack(whole)
    for name in beside_names(contents):
        path = packages.pack({n: d for n, d in contents.items() if n != name}, tmp_path / "p.tar.gz")
        assert check(path, strict).exit_code is INTEGRITY, name  # the key and its statement go together
    for who in ("lab", "body"):
        kind = "audit" if who == "lab" else "vsa"
        gone = {layout.beside(kind, key(who).keyid), f"keys/{key(who).keyid}.pub"}
        path = packages.pack({n: d for n, d in contents.items() if n not in gone}, tmp_path / "p.tar.gz")
        assert check(path, strict).exit_code is UNTRUSTED, who


def taking(theirs: Contents, name: str) -> Callable[[Contents], object]:
    return lambda contents: contents.update({name: theirs[name]})


def test_statements_of_another_package_do_not_fit(whole: Path, strict: Path, tmp_path: Path) -> None:
    failed = {"DTC-P1-001/negative-case": Outcome.FAILED}
    other = make(tmp_path / "other", level=Level.GOLD, number=2, outcomes=failed)
    theirs = unpack(decided(audited(other, auditor()), key("body")))
    for name in (*beside_names(theirs)[:2], layout.TEST_RESULT):
        swapped = changed(whole, tmp_path, taking(theirs, name))
        assert check(swapped, strict).exit_code is INTEGRITY, name


def test_a_statement_under_anothers_name_is_refused(whole: Path, strict: Path, tmp_path: Path) -> None:
    place = layout.beside("audit", auditor().keyid)

    def move(to: str) -> Callable[[Contents], object]:
        return lambda contents: contents.update({to: contents.pop(place)})

    for to in (f"attestations/audit-{'0' * 16}.sigstore.json", layout.beside("vsa", auditor().keyid)):
        assert check(changed(whole, tmp_path, move(to)), strict).exit_code is INTEGRITY


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"verification_result": "FAILED", "verified_levels": ("FAILED",)}, UNTRUSTED),
        ({"verified_levels": ("DTC_SILVER",)}, UNTRUSTED),
        ({"verified_levels": ("DTC_PLATINUM",)}, OK),
        ({"resource_uri": vsa.resource_uri("Busan Twin", "4.3.0")}, UNTRUSTED),
        ({"verification_result": "FAILED"}, INTEGRITY),
        ({"verified_levels": ("SLSA_BUILD_LEVEL_3",)}, INTEGRITY),
        ({"time_verified": LATE}, UNTRUSTED),
    ],
)
def test_what_a_certification_body_says_counts(
    gold: Path, strict: Path, said: dict[str, Any], code: ExitCode
) -> None:
    decided(audited(gold, auditor()), key("body"), **said)
    assert check(gold, strict).exit_code is code


def test_an_audit_for_silver_is_told_and_not_asked_for(tmp_path: Path) -> None:
    silver = make(tmp_path, level=Level.SILVER)
    trust = policy(tmp_path, BUSAN, LAB)
    assert check(silver, trust).exit_code is OK
    assert check(audited(silver, auditor()), trust).summary["assessment"] == "audited by City Lab"
    assert (
        check(silver, policy(tmp_path, BUSAN, levels={"silver": {"require": ["auditor"]}})).exit_code
        is UNTRUSTED
    )


def test_the_sample_is_drawn_the_same_everywhere() -> None:
    ids = [f"DTC-P2-{n:03}/case" for n in range(2000)]
    one = Sample.parse("20%@7").of(ids)
    assert one == Sample(20, 7).of(reversed(ids))
    assert 300 < len(one) < 500
    assert one != Sample(20, 8).of(ids)
    assert Sample(100, 1).of(ids) == tuple(sorted(ids))
    assert set(one) <= set(Sample(40, 7).of(ids))
    for text in ("0%", "101%", "20", "20%@", "%", "-5%", "20%@99999999999"):
        with pytest.raises(ValueError, match="a sample is"):
            Sample.parse(text)
