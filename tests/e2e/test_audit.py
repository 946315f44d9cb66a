"""Somebody else looks: a re-judged package, an audit of a sample, the verdict of a certification body."""

import json
from pathlib import Path

import pytest

from dtc_cli.core.canonical import sha256_hex
from dtc_cli.signing import layout
from tests.e2e.conftest import Dtc, Result


@pytest.fixture(scope="module")
def package(bronze: tuple[Result, Path]) -> Path:
    return next(bronze[1].glob("*.dtcpack.tar.gz"))


@pytest.fixture(scope="module")
def trust(dtc: Dtc, package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy that knows the vendor, an auditor and a certification body."""
    folder = tmp_path_factory.mktemp("trust")
    policy = folder / "trust.json"
    assert dtc("trust", "init", policy).code == 0
    for name, role, org in (
        ("default", "vendor", "Example Works"),
        ("auditor", "auditor", "City Lab"),
        ("registry", "registry", "Body"),
    ):
        if name != "default":
            assert dtc("keys", "generate", name, "--role", role, "--no-passphrase").code == 0
        public = folder / f"{name}.pub"
        assert dtc("keys", "export-public", name, "--out", public).code == 0
        assert dtc("trust", "add", policy, public, "--role", role, "--org", org).code == 0
    return policy


def test_an_audit_and_a_verdict_stand_beside_the_run(
    dtc: Dtc, package: Path, trust: Path, twin: Path, tmp_path: Path
) -> None:
    out = tmp_path / "audited.dtcpack.tar.gz"
    done = dtc(
        "audit", package, "--target", twin, "--org", "City Lab", "--sample", "20%", "--seed", "4711",
        "--trust", trust, "--runs", tmp_path / "runs", "--out", out, "--json",
    )  # fmt: skip
    assert done.code == 0, done.out + done.err
    said = done.json["audit"]
    assert said["decision"] == "endorse"
    assert said["rerun"]["agree"] == said["rerun"]["vectors"] > 50
    assert (said["rerun"]["percent"], said["rerun"]["seed"]) == (20, 4711)

    verified = dtc("verify", out, "--trust", trust, "--json").json
    assert (verified["exitCode"], verified["statement"]["assessment"]) == (0, "audited by City Lab")

    decided = dtc(
        "attest", "vsa", out, "--policy", trust, "--level", "bronze", "--id", "https://body.example", "--json"
    )
    assert decided.code == 0, decided.out
    assert decided.json["verdict"]["verifiedLevels"] == ["DTC_BRONZE"]
    assert len(decided.json["verdict"]["inputAttestations"]) == 3
    assert dtc("verify", out, "--trust", trust).code == 0
    assert "grant bronze" in dtc("verify", out, "--trust", trust).out

    refused = dtc("attest", "vsa", out, "--policy", trust, "--level", "gold", "--json")
    assert (refused.code, refused.json["verdict"]["verifiedLevels"]) == (1, ["FAILED"])

    own = Path(done.json["ownPackage"])
    assert sha256_hex(unpack_sums(own)) == said["rerun"]["evidence"]["sha256"]


def unpack_sums(package: Path) -> bytes:
    from tests.support.packages import unpack

    return unpack(package)[layout.SUMS]


def test_a_wrong_word_is_refused_before_the_target_is_asked(
    dtc: Dtc, package: Path, trust: Path, twin: Path, tmp_path: Path
) -> None:
    ask = ("audit", package, "--target", twin, "--org", "City Lab", "--key", "auditor")
    for more, code, where in (
        (("--sample", "0%"), 2, "--sample"),
        (("--finding", "grave:x"), 2, "--finding"),
        (("--key", "nobody"), 2, "nobody"),
        (("--signer", "cmd:true"), 2, "--signer"),
        (("--out", tmp_path / "no" / "such" / "p.tar.gz"), 2, "no/such"),
    ):
        done = dtc(*ask, *more, "--json")
        assert (done.code, where in json.dumps(done.json["error"])) == (code, True), done.out
    broken = tmp_path / "broken.dtcpack.tar.gz"
    broken.write_bytes(package.read_bytes()[:-9])
    assert dtc("audit", broken, *ask[2:]).code == 3
    stranger = tmp_path / "stranger.json"
    assert dtc("trust", "init", stranger).code == 0
    assert dtc(*ask, "--trust", stranger).code == 4
    other = tmp_path / "other.yaml"
    other.write_text(twin.read_text() + "\nprofile:\n  excluded:\n    DTC-P1-001: because\n")
    assert dtc(*ask[:3], other, *ask[4:], "--json").json["error"]["code"] in ("profile", "target-file")


def test_a_package_is_judged_again_without_its_target(dtc: Dtc, package: Path, trust: Path) -> None:
    done = dtc("verify", package, "--trust", trust, "--replay", "--json")
    assert done.code == 0, done.out
    (check,) = [each for each in done.json["checks"] if each["name"] == "evidence.replay"]
    assert (check["status"], "verdicts follow" in check["reason"]) == ("pass", True)
