"""Somebody else looks: a re-judged package, an audit of a sample, the verdict of a certification body."""

import json
from pathlib import Path

import pytest

from dtc_cli.core import chain
from dtc_cli.core.canonical import canonical_json, sha256_hex
from dtc_cli.signing import layout
from tests.e2e.conftest import Dtc, Result
from tests.support.packages import resigned


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


def test_a_verdict_that_its_owner_bent_before_signing_is_found_by_replay(
    dtc: Dtc, package: Path, tmp_path: Path
) -> None:
    """All fits but one answer: the owner of the key wrote another one, chained and signed again."""

    def bend(contents: dict[str, bytes]) -> None:
        events = [json.loads(line) for line in contents[layout.EVENTS].splitlines()]
        matrix = [json.loads(line) for line in contents[layout.MATRIX].splitlines()]
        run = json.loads(contents[layout.RUN])
        chosen = next(
            line for line in matrix
            if line["requirement"] == "DTC-P1-001" and line["outcome"] == "passed" and line["events"][1] >= 0
        )  # fmt: skip
        first, last = chosen["events"]
        bent = next(event for event in events[first : last + 1] if event.get("respDigest"))
        answer = b'{"valid": true, "errors": []}'
        if contents[layout.BODIES + bent["respDigest"]].startswith(b'{"valid": true'):
            answer = b'{"valid": false, "errors": [{"code": "X", "pointer": "", "message": "x"}]}'
        contents[layout.BODIES + sha256_hex(answer)] = answer
        bent["respDigest"] = sha256_hex(answer)
        head = chain.genesis(
            run["nonce"], run["runId"], run["standard"]["catalogueDigest"], run["profile"]["digest"]
        )
        written = []
        for event in events:
            event["prev"] = head
            written.append(canonical_json(event))
            head = chain.link(written[-1])
        span = chain.SpanDigest()
        for event in events[first : last + 1]:
            if event["vector"] == chosen["vector"]:
                span.add(event)
        chosen["requestDigest"], chosen["responseDigest"] = span.requests, span.answers
        run["events"] = {"count": len(events), "head": head}
        contents[layout.EVENTS] = b"".join(line + b"\n" for line in written)
        contents[layout.MATRIX] = b"".join(canonical_json(line) + b"\n" for line in matrix)
        contents[layout.RUN] = json.dumps(run).encode()

    bent = resigned(package, tmp_path, bend)
    from tests.support.packages import trust_file

    public = trust_file(tmp_path)
    assert dtc("verify", bent, "--trust", public).code == 0  # nothing in the files betrays it
    done = dtc("verify", bent, "--trust", public, "--replay", "--json")
    (check,) = [each for each in done.json["checks"] if each["name"] == "evidence.replay"]
    assert (done.code, check["status"]) == (3, "fail"), check
    assert "come out otherwise" in check["reason"]
