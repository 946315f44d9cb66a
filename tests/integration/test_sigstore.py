"""Signing by identity, and log entries for signatures made without a network: all services on loopback."""

import json
import shutil
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sigstore", reason="the extra sigstore is not installed")
pytest.importorskip("rfc3161_client", reason="the extra sigstore is not installed")
if shutil.which("openssl") is None:
    pytest.skip("openssl plays the time stamp authority and is not here", allow_module_level=True)

from dtc_cli.app import main
from dtc_cli.core.canonical import canonical_json
from dtc_cli.core.model import Level
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode
from dtc_cli.signing import keyless, layout, package
from dtc_cli.signing.checks import Status
from dtc_cli.signing.verify import VerifyResult
from tests.support import packages, runs, sigstore_world
from tests.support.beside import BODY, BUSAN, audited, auditor, decided, policy
from tests.support.packages import Contents, changed, failing
from tests.support.sigstore_world import ISSUER, WHO, World

START = datetime.now(UTC) - timedelta(minutes=2)
HIM = {"san": WHO, "issuer": ISSUER, "org": "Example Works"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with sigstore_world.running(tmp_path_factory.mktemp("world")) as running:
        yield running


def seal(world: World, folder: Path, *, who: str = WHO, **run: Any) -> Path:
    config = folder / "config.json"
    config.write_text(json.dumps(world.config))
    made = runs.make(folder / "run", packages.catalogue(), finished=START, **run)
    with keyless.session(config, world.token(who)) as signer:
        return package.build(made, folder, {}, signer)


@pytest.fixture(scope="module")
def sealed(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package that an identity signed."""
    return seal(world, tmp_path_factory.mktemp("sealed"))


@pytest.fixture(scope="module")
def submitted(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package that a key signed without a network, with log entry and time stamp added afterwards."""
    folder = tmp_path_factory.mktemp("submitted")
    path = packages.make(folder, finished=START)
    assert main(["attest", "submit", str(path), "--rekor", world.url, "--tsa", f"{world.url}/tsa"]) == 0
    return path


def pinned(folder: Path, world: World, **members: Any) -> Path:
    """A policy that believes one identity and the vendor's key, and pins the services' root."""
    path = policy(folder, BUSAN, sigstore=world.root)
    value = json.loads(path.read_bytes())
    value["roles"]["vendor"]["identities"] = [HIM]
    path.write_text(json.dumps(value | members))
    return path


def check(path: Path, trust: Path | None, **options: Any) -> VerifyResult:
    return packages.check(path, trust, **{"now": datetime.now(UTC), **options})


def reason(result: VerifyResult, name: str) -> str:
    return next(each.reason for each in result.checks if each.name == name)


def test_an_identity_is_believed_without_a_socket(
    world: World, sealed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no(*_: object, **__: object) -> None:
        raise OSError("network used")

    monkeypatch.setattr(socket.socket, "connect", no)
    monkeypatch.setattr(socket, "getaddrinfo", no)
    result = check(sealed, pinned(tmp_path, world))
    assert (result.exit_code, result.authentic, result.conformant) == (0, True, Level.BRONZE)
    assert reason(result, "signer.identity").startswith(f"{WHO}, by {ISSUER}, signed ")
    assert reason(result, "log.inclusion").startswith("1 entries")


STRANGERS: dict[str, dict[str, Any]] = {
    "the policy pins no root": {"sigstore": None},
    "another name": {"roles": {"vendor": {"keys": [], "identities": [{**HIM, "san": "x@works.example"}]}}},
    "another issuer": {"roles": {"vendor": {"keys": [], "identities": [{**HIM, "issuer": "https://x"}]}}},
    "an auditor's name for a silver that asks for a lab": {
        "levels": {"bronze": {"require": ["lab"]}},
    },
    "the name is believed from tomorrow on": {
        "roles": {
            "vendor": {
                "keys": [],
                "identities": [{**HIM, "validFrom": f"{START + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"}],
            }
        }
    },
}


@pytest.mark.parametrize("members", STRANGERS.values(), ids=STRANGERS)
def test_a_name_that_the_reader_does_not_know_counts_for_nothing(
    world: World, sealed: Path, tmp_path: Path, members: dict[str, Any]
) -> None:
    path = pinned(tmp_path, world, **members)
    if "sigstore" in members:
        value = json.loads(path.read_bytes())
        del value["sigstore"]
        path.write_text(json.dumps(value))
    result = check(sealed, path)
    late = "tomorrow" in json.dumps(members) or "validFrom" in json.dumps(members)
    assert result.exit_code is (ExitCode.STALE if late else ExitCode.UNTRUSTED)
    assert not result.authentic


def test_nobody_is_believed_without_a_policy(sealed: Path) -> None:
    assert check(sealed, None).exit_code is ExitCode.UNTRUSTED


def test_the_same_name_from_other_services_is_another(world: World, tmp_path: Path, sealed: Path) -> None:
    """A forger's own authority, log and stamps write the same name; the pinned root does not know them."""
    with sigstore_world.running(tmp_path / "theirs") as theirs:
        forged = seal(theirs, tmp_path)
    result = check(forged, pinned(tmp_path, world))
    assert (result.exit_code, failing(result)) == (ExitCode.UNTRUSTED, ["signer.identity"])


def spoil(path: str, new: Any) -> Any:
    def change(contents: Contents) -> None:
        value = json.loads(contents[layout.RUN_BUNDLE])
        *way, last = path.split(".")
        node: Any = value
        for step in way:
            node = node[int(step)] if isinstance(node, list) else node[step]
        node[int(last) if isinstance(node, list) else last] = new(node) if callable(new) else new
        contents[layout.RUN_BUNDLE] = canonical_json(value)

    return change


MATERIAL = "verificationMaterial"
PROOF = f"{MATERIAL}.tlogEntries.0.inclusionProof"
SPOILT: dict[str, tuple[str, Any]] = {
    "no stamp": (f"{MATERIAL}.timestampVerificationData.rfc3161Timestamps", []),
    "half a stamp": (f"{MATERIAL}.timestampVerificationData.rfc3161Timestamps.0.signedTimestamp", "AAAA"),
    "no entry": (f"{MATERIAL}.tlogEntries", []),
    "another root hash": (f"{PROOF}.rootHash", "A" * 43 + "="),
    "another place": (f"{PROOF}.logIndex", "7"),
    "another checkpoint": (
        f"{PROOF}.checkpoint.envelope",
        "log.example\n1\nAAAA\n\n\u2014 x AAAA\n",
    ),
    "another body": (f"{MATERIAL}.tlogEntries.0.canonicalizedBody", "e30="),
    "another kind": (f"{MATERIAL}.tlogEntries.0.kindVersion.version", "0.0.1"),
    "another signature": ("dsseEnvelope.signatures.0.sig", "MEUCIQ=="),
}


@pytest.mark.parametrize(("place", "new"), SPOILT.values(), ids=SPOILT)
@pytest.mark.parametrize("kind", ["sealed", "submitted"])
def test_a_bundle_whose_parts_do_not_fit_is_refused(
    world: World, request: pytest.FixtureRequest, tmp_path: Path, kind: str, place: str, new: Any
) -> None:
    original: Path = request.getfixturevalue(kind)
    levels = {"bronze": {"logged": True, "timestamp": True}}
    trust = pinned(tmp_path, world, levels=levels)
    assert check(original, trust).exit_code is ExitCode.OK
    result = check(changed(original, tmp_path, spoil(place, new)), trust)
    assert result.exit_code in (ExitCode.INTEGRITY, ExitCode.UNTRUSTED)
    assert not result.authentic


def test_without_the_extra_nothing_is_believed_and_nothing_crashes(
    world: World, sealed: Path, submitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("sigstore", "sigstore.errors", "sigstore.verify", "rfc3161_client"):
        monkeypatch.setitem(sys.modules, name, None)
    trust = pinned(tmp_path, world)
    result = check(sealed, trust)
    assert (result.exit_code, failing(result)) == (ExitCode.CANNOT_DECIDE, ["signer.identity"])
    assert "dtc[sigstore]" in reason(result, "signer.identity")
    # A key needs no extra; the log entry is checked by own code, only the stamp stays unread.
    result = check(submitted, trust)
    assert result.exit_code is ExitCode.OK
    assert "1 entries of this signature" in reason(result, "log.inclusion")
    assert "was not checked" in reason(result, "time.trusted")


def test_a_key_signed_before_it_was_stolen_still_counts_by_its_stamp(
    world: World, submitted: Path, tmp_path: Path
) -> None:
    def revoked(hours: int) -> VerifyResult:
        since = f"{datetime.now(UTC) + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}"
        entry = {"keyid": packages.key().keyid, "invalidSince": since, "reason": "stolen"}
        return check(submitted, pinned(tmp_path, world, revoked=[entry]))

    assert revoked(1).exit_code is ExitCode.OK
    assert revoked(-1).exit_code is ExitCode.STALE
    bare = check(packages.make(tmp_path, finished=START), pinned(tmp_path, world))
    assert bare.exit_code is ExitCode.OK
    assert reason(bare, "time.trusted").startswith("nobody else says")


def test_a_run_cannot_end_after_it_was_signed(world: World, tmp_path: Path) -> None:
    """The maker sets the clock ahead, so that the evidence lasts longer."""
    path = packages.make(tmp_path, finished=datetime.now(UTC) + timedelta(days=60))
    assert main(["attest", "submit", str(path), "--tsa", f"{world.url}/tsa"]) == 0
    result = check(path, pinned(tmp_path, world), now=datetime.now(UTC) + timedelta(days=61))
    assert (result.exit_code, failing(result)) == (ExitCode.INTEGRITY, ["time.trusted"])


def test_what_a_policy_asks_for_must_be_there(world: World, tmp_path: Path) -> None:
    path = packages.make(tmp_path, finished=START)
    for ask, name in (("logged", "log.inclusion"), ("timestamp", "time.trusted")):
        result = check(path, pinned(tmp_path, world, levels={"bronze": {ask: True}}))
        assert (result.exit_code, failing(result)[0]) == (ExitCode.UNTRUSTED, name)


def test_a_small_file_travels_to_the_log_and_back(
    world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = packages.make(tmp_path, finished=START)
    contents = packages.unpack(path)
    small, key = tmp_path / "run.sigstore.json", packages.trust_file(tmp_path)
    small.write_bytes(contents[layout.RUN_BUNDLE])
    assert main(["attest", "submit", str(small), "--key", str(key), "--rekor", world.url]) == 0
    capfd.readouterr()
    assert main(["attest", "insert", str(path), str(small), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["entries"] == 1
    after = packages.unpack(path)
    assert {name for name in after if after[name] != contents.get(name)} == {layout.RUN_BUNDLE}
    result = check(path, pinned(tmp_path, world, levels={"bronze": {"logged": True}}))
    assert result.exit_code is ExitCode.OK
    other = packages.make(tmp_path / "other", finished=START, number=2)
    assert main(["attest", "insert", str(other), str(small)]) == ExitCode.INTEGRITY


def test_a_service_that_does_not_take_it_leaves_the_package_alone(
    world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = packages.make(tmp_path, finished=START)
    before = path.read_bytes()
    arguments = ["attest", "submit", str(path), "--rekor", f"{world.url}/nowhere"]
    assert main(arguments) == ExitCode.CANNOT_DECIDE
    assert "it answered 404" in capfd.readouterr().err
    assert path.read_bytes() == before
    assert main(["attest", "submit", str(path)]) == ExitCode.USAGE


def test_who_signs_must_say_who_they_are(world: World, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(world.config))
    with pytest.raises(DtcError) as caught, keyless.session(config, "no token"):
        pass
    assert caught.value.code == "sigstore-failed"
    config.write_text("{}")
    with pytest.raises(DtcError) as caught, keyless.session(config, world.token()):
        pass
    assert caught.value.code == "trust-config"


def test_an_audit_and_a_verdict_stand_beside_an_identity_too(world: World, tmp_path: Path) -> None:
    path = seal(world, tmp_path, level=Level.GOLD)
    lab = {"org": "City Lab", "publicKeyPem": key_text("lab")}
    value = json.loads(pinned(tmp_path, world).read_bytes())
    value["roles"]["auditor"] = {"keys": [lab]}
    value["roles"]["registry"] = {"keys": [{"org": BODY[2], "publicKeyPem": key_text("body")}]}
    trust = tmp_path / "policy.json"
    trust.write_text(json.dumps(value))
    assert check(path, trust).exit_code is ExitCode.UNTRUSTED
    from tests.support import beside

    moment = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    audited(path, auditor("lab"), beside.predicate(path, started_at=moment, finished_at=moment))
    decided(path, auditor("body"), time_verified=moment)
    result = check(path, trust)
    assert (result.exit_code, result.conformant) == (ExitCode.OK, Level.GOLD)
    assert all(each.status is not Status.FAIL for each in result.checks)


def test_an_auditor_may_sign_by_identity_as_long_as_the_name_is_valid(world: World, tmp_path: Path) -> None:
    """When an identity signed is known; the date in its statement cannot be older than that."""
    from dtc_cli.signing import attestation, audit, bundle
    from tests.support import beside

    path, config = packages.make(tmp_path, finished=START), tmp_path / "config.json"
    config.write_text(json.dumps(world.config))
    moment = f"{START:%Y-%m-%dT%H:%M:%SZ}"
    said = beside.predicate(path, started_at=moment, finished_at=moment)
    with keyless.session(config, world.token()) as who:
        data = attestation.make(audit.PREDICATE, said, beside.sums(path), who)
        place = layout.beside("audit", bundle.parse(data, "the audit").keyid)
        attestation.lay_beside(path, path, place, data, who)
    for until, code in (
        (START + timedelta(days=1), ExitCode.OK),
        (START + timedelta(seconds=1), ExitCode.UNTRUSTED),
    ):
        identity = {**HIM, "org": "City Lab", "validUntil": f"{until:%Y-%m-%dT%H:%M:%SZ}"}
        roles = {
            **json.loads(pinned(tmp_path, world).read_bytes())["roles"],
            "auditor": {"keys": [], "identities": [identity]},
        }
        trust = pinned(tmp_path, world, roles=roles, levels={"bronze": {"require": ["auditor"]}})
        result = check(path, trust)
        assert result.exit_code is code
    assert "when it was not valid any more" in reason(result, "audit.endorsed")


def key_text(name: str) -> str:
    from dtc_cli.signing import public_keys

    return public_keys.to_pem(auditor(name).public).decode()


def test_the_policy_commands_pin_identity_root_and_log(
    world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str], sealed: Path
) -> None:
    trust, root = tmp_path / "trust.json", tmp_path / "trusted_root.json"
    root.write_text(json.dumps(world.root))
    name = ["--san", WHO, "--issuer", ISSUER, "--role", "vendor", "--org", "Example Works"]
    assert main(["trust", "init", str(trust)]) == 0
    assert main(["trust", "identity", str(trust), *name, "--until", "2999-01-01"]) == 0
    assert main(["trust", "sigstore", str(trust), str(root)]) == 0
    assert main(["trust", "log", str(trust), str(world.log)]) == 0
    assert main(["trust", "show", str(trust)]) == 0
    assert WHO in capfd.readouterr().out
    assert check(sealed, trust).exit_code is ExitCode.OK
    root.write_text("{}")
    assert main(["trust", "sigstore", str(trust), str(root)]) == ExitCode.USAGE
    assert main(["trust", "log", str(trust), "no key"]) == ExitCode.USAGE
