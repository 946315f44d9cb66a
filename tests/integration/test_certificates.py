"""The life of a certificate: registered, issued, rechecked, suspended, revoked, and read by strangers."""

import base64
import gzip
import json
import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from dtc_cli.app import main
from dtc_cli.core.model import Level, Outcome
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode
from dtc_cli.registry import badge, entry, jws, log, reading
from dtc_cli.registry import office as registry_office
from dtc_cli.signing import keys as signing_keys
from dtc_cli.signing import layout, note, public_keys, trust
from tests.support import beside, packages, runs
from tests.support.beside import BUSAN

NOW = datetime.now(UTC).replace(microsecond=0)
JOSE = Path(os.environ.get("DTC_NODE_MODULES", "/nonexistent")) / "jose"
VERIFY_WITH_JOSE = """
import { importSPKI, jwtVerify } from "JOSE/dist/webapi/index.js"; const [token, pem] =
process.argv.slice(2); const { payload, protectedHeader } = await jwtVerify(token, await importSPKI(pem,
"ES256"), { typ: "vc+jwt" }); console.log(JSON.stringify([payload.name, protectedHeader.alg]));
"""


class Office:
    """A registry, its keys, and a reader's files."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capfd = folder, capfd
        self.registry, self.body = folder / "registry", folder / "body.pub"
        for name, role in (("log", "log"), ("registry", "registry")):
            assert self("keys", "generate", name, "--role", role, "--no-passphrase")[0] == 0
        assert self("keys", "export-public", "registry", "--out", self.body)[0] == 0
        catalogues = [packages.catalogue().digest]
        self.policy = beside.policy(folder, BUSAN, catalogues=catalogues)
        made = self.json(
            "registry", "init", self.registry, "--name", "City Body", "--origin", "body.example/log",
            "--issuer", "https://body.example",
        )  # fmt: skip
        self.log_key = made["logKey"]

    def __call__(self, *arguments: object) -> tuple[int, str]:
        code = main([str(each) for each in arguments])
        done = self._capfd.readouterr()
        return code, done.out + done.err

    def json(self, *arguments: object, code: int = 0) -> Any:
        found = main([*(str(each) for each in arguments), "--json"])
        out = self._capfd.readouterr().out
        assert found == code, out
        return json.loads(out)

    def package(
        self, name: str = "run", *, finished: datetime = NOW - timedelta(hours=1), **more: Any
    ) -> Path:
        return packages.make(self.folder / name, finished=finished, level=Level.SILVER, **more)

    def issue(self, package: Path, *more: str) -> tuple[str, Path]:
        said = self.json(
            "certificate",
            "issue",
            self.registry,
            package,
            "--policy",
            self.policy,
            "--level",
            "silver",
            *more,
        )
        return said["certificate"], Path(said["folder"])

    def show(self, file: Path, code: int, *more: object) -> str:
        found = self.json("certificate", "show", file, "--trust", self.body, *more, code=code)
        return str(found.get("state") or found["error"]["why"])

    def shown(self, file: Path, code: int) -> str:
        return self.show(file, code, "--registry", self.registry)


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Office:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    return Office(tmp_path, capfd)


def test_a_certificate_lives_and_dies(office: Office) -> None:
    package = office.package()
    identifier, place = office.issue(package)
    certificate, picture = place / "certificate.vc.jwt", place / "badge.svg"
    assert office.shown(certificate, 0) == office.shown(picture, 0) == "valid"
    assert "nobody can tell" in office.show(certificate, 7)
    assert office.json("certificate", "show", certificate, code=4)["state"].startswith("UNTRUSTED")
    change = ("certificate", "suspend", office.registry, identifier, "--reason", "under inquiry")
    assert office(*change)[0] == 0
    assert office.shown(picture, 5) == "suspended: under inquiry"
    assert office(*change)[0] == 5
    assert office(*change, "--lift")[0] == 0
    assert office.shown(picture, 0) == "valid"
    loose = office.package("loose", finished=NOW, number=3)
    assert (
        office("certificate", "recheck", office.registry, identifier, loose, "--policy", office.policy)[0]
        == 5
    )
    newer = office.package("newer", finished=NOW, number=2, previousRun=beside.sums(package), sequence=1)
    again = ("certificate", "recheck", office.registry, identifier, newer, "--policy", office.policy)
    assert office(*again)[0] == 0
    renewed = office.json(
        "certificate",
        "renew",
        office.registry,
        identifier,
        newer,
        "--policy",
        office.policy,
        "--level",
        "silver",
    )
    assert renewed["certificate"] != identifier
    assert office("certificate", "revoke", office.registry, identifier, "--reason", "product changed")[0] == 0
    assert office.shown(certificate, 5) == "revoked: product changed"
    assert office("certificate", "suspend", office.registry, identifier, "--reason", "x")[0] == 5
    assert office(*again)[0] in (0, 5)
    rows = office.json("certificate", "show", office.registry)["certificates"]
    assert {row["id"]: row["state"] for row in rows} == {
        identifier: "revoked",
        renewed["certificate"]: "valid",
    }
    assert office("registry", "verify", office.registry, "--log-key", office.log_key)[0] == 0


def test_only_what_the_policy_finds_conformant_is_certified(office: Office) -> None:
    failed = office.package("failed", outcomes={"DTC-P1-001/negative-case": Outcome.FAILED})
    ask = ("certificate", "issue", office.registry, failed, "--policy", office.policy, "--level")
    assert office.json(*ask, "silver", code=1)["error"]["code"] == "not-certifiable"
    old = office.package("old", finished=NOW - timedelta(days=93), number=3)
    assert office.json(*ask[:3], old, *ask[4:], "silver", code=5)["error"]["code"] == "not-certifiable"
    assert office(*ask, "gold")[0] == 1
    assert office(*ask, "tin")[0] == 2
    stranger = office.package("stranger", signer=packages.key("stranger"), number=4)
    assert office(*ask[:3], stranger, *ask[4:], "silver")[0] == 4
    assert office("certificate", "issue", office.folder, failed, *ask[4:], "silver")[0] in (1, 2)
    assert len(log.read(office.registry).entries) == 1


def test_runs_are_registered_once_and_nonces_are_answered_in_time(office: Office) -> None:
    add = ("registry", "add", office.registry)
    plain = office.package("plain")
    rest = ("--policy", office.policy)
    assert office(*add, plain, *rest, "--need-nonce")[0] == 5
    assert office(*add, plain, *rest)[0] == 0
    assert office(*add, plain, *rest)[0] == 5
    given = office.json("registry", "nonce", office.registry, "--target", "Busan Twin", "--vendor", "Works")
    ahead = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=30)  # it begins 20 s before its end
    asked = office.package("asked", nonce=given["nonce"], finished=ahead, number=2)
    assert office.json(*add, asked, *rest, "--need-nonce")["nonce"] == given["nonce"]
    other = office.json("registry", "nonce", office.registry, "--target", "Busan Twin", "--vendor", "Works")
    early = office.package("early", nonce=other["nonce"], number=3)
    assert "did not begin while" in office.json(*add, early, *rest, code=5)["error"]["why"]
    register = entry.derive(log.read(office.registry).entries)
    assert list(register.nonces) == [other["nonce"]]
    assert not entry.abandoned(register, datetime.now(UTC))
    assert [each.nonce for each in entry.abandoned(register, NOW + timedelta(days=2))] == [other["nonce"]]


def test_strangers_read_the_certificate(office: Office) -> None:
    _, place = office.issue(office.package())
    token, pem = (place / "certificate.vc.jwt").read_text(), office.body.read_text()
    payload = jwt.decode(token, pem, algorithms=["ES256"])
    assert payload["type"] == ["VerifiableCredential", "OpenBadgeCredential"]
    assert payload["credentialSubject"]["achievement"]["name"].startswith("Silver")
    assert payload["credentialSubject"]["id"] == "urn:dtc:target:Busan%20Twin@4.2.0"
    start, end = (datetime.fromisoformat(payload[name]) for name in ("validFrom", "validUntil"))
    assert (end - start).days == 365
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token[:-6] + "AAAAAA", pem, algorithms=["ES256"])
    assert badge.extract((place / "badge.svg").read_bytes()) == token
    code, said = office("badge", "extract", place / "badge.svg")
    assert (code, said.strip()) == (0, token)
    listed = jwt.decode(
        (office.registry / "statuslist/revocation.vc.jwt").read_text(), pem, algorithms=["ES256"]
    )
    packed = listed["credentialSubject"]["encodedList"]
    bits = gzip.decompress(base64.urlsafe_b64decode(packed[1:] + "=" * (-len(packed[1:]) % 4)))
    assert (packed[0], len(bits) * 8, any(bits)) == ("u", 131_072, False)


@pytest.mark.skipif(
    not JOSE.is_dir() or shutil.which("node") is None, reason="no node with jose (DTC_NODE_MODULES)"
)
def test_jose_verifies_the_badge(office: Office) -> None:
    _, place = office.issue(office.package())
    token = badge.extract((place / "badge.svg").read_bytes())
    script = office.folder / "verify.mjs"
    script.write_text(VERIFY_WITH_JOSE.replace("JOSE", str(JOSE)))

    def node(text: str) -> "subprocess.CompletedProcess[str]":
        command = ["node", str(script), text, office.body.read_text()]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = node(token)
    assert json.loads(done.stdout) == ["Silver, wia-digital-twin-city 1.0.0", "ES256"], done.stderr
    assert node(token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")).returncode != 0


def every_file(office: Office) -> list[Path]:
    return sorted(path for path in office.registry.rglob("*") if path.is_file() and path.name != log.LOCK)


def test_no_file_of_a_registry_can_be_changed_or_removed(office: Office) -> None:
    package = office.package()
    office.issue(package)
    assert office("registry", "add", office.registry, package, "--policy", office.policy)[0] == 0
    read = ("registry", "verify", office.registry, "--log-key", office.log_key)
    assert office(*read)[0] == 0
    size = log.read(office.registry).checkpoint.size
    for path in every_file(office):
        if path.parent.suffix == ".p" and path.name != str(size):
            continue  # a partial tile of an earlier, smaller log: nobody reads it any more
        data = path.read_bytes()
        for place in {0, len(data) // 3, 2 * len(data) // 3, len(data) - 1}:
            flipped = bytearray(data)
            flipped[place] ^= 1
            path.write_bytes(bytes(flipped))
            code, said = office(*read)
            assert code in (2, 3), (path, place, said)
        for spoilt in (b"", data + data[-1:]):
            path.write_bytes(spoilt)
            assert office(*read)[0] in (2, 3), path
        path.unlink()
        assert office(*read)[0] in (2, 3), path
        path.write_bytes(data)
    assert office(*read)[0] == 0
    assert office(*read[:3])[0] == 4


def test_no_bit_of_a_certificate_or_a_badge_can_be_changed(office: Office) -> None:
    _, place = office.issue(office.package())
    for name in ("certificate.vc.jwt", "badge.svg"):
        data = (place / name).read_bytes()
        for position in range(0, len(data), 151):
            flipped = bytearray(data)
            flipped[position] ^= 1
            copy = office.folder / name
            copy.write_bytes(bytes(flipped))
            assert main(["certificate", "show", str(copy), "--trust", str(office.body)]) in (3, 4), (
                name,
                position,
            )


def test_a_rewritten_history_is_noticed_by_who_looked_before(office: Office) -> None:
    identifier, _ = office.issue(office.package())
    state = office.folder / "seen"
    watch = ("registry", "monitor", office.registry, "--state", state, "--log-key", office.log_key)
    assert office(*watch)[0] == 0
    assert office("certificate", "revoke", office.registry, identifier, "--reason", "x")[0] == 0
    revoked = shutil.copytree(office.registry, office.folder / "revoked")
    assert office.json(*watch)["now"] == 3
    # The keeper of the log, with all keys, forgets the revocation and writes something else.
    found = log.read(revoked)
    from dtc_cli.signing import keys

    log._publish(office.registry, found.about, found.data[:2], keys.load("log"))
    assert "shrank" in office(*watch)[1]
    nonce = entry.Entry(seq=2, type="nonce", at=entry.text(NOW), nonce="AAAA", expires=entry.text(NOW))
    more = entry.Entry(seq=3, type="nonce", at=entry.text(NOW), nonce="BBBB", expires=entry.text(NOW))
    log._publish(office.registry, found.about, (*found.data[:2], nonce.data(), more.data()), keys.load("log"))
    code, said = office(*watch)
    assert (code, "history was rewritten" in said) == (3, True)


def test_a_proof_stands_alone(office: Office) -> None:
    identifier, place = office.issue(office.package())
    found = log.read(office.registry)
    proof = (place / "registry.tlog-proof").read_bytes()
    who = log.note.verifier(office.log_key)  # type: ignore[attr-defined]
    data = found.data[1]
    assert json.loads(data)["certificate"] == identifier
    assert log.check_proof(proof, data, who).size == 2
    for position in range(0, len(proof), 7):
        flipped = bytearray(proof)
        flipped[position] ^= 1
        with pytest.raises(log.Refusal):  # type: ignore[attr-defined]
            log.check_proof(bytes(flipped), data, who)
    written = office.folder / "proof"
    assert office("registry", "prove", office.registry, 1, "--out", written)[0] == 0
    check = ("registry", "verify", office.registry, "--log-key", office.log_key, "--proof")
    assert office(*check, written)[0] == 0
    written.write_text("nonsense")
    assert office(*check, written)[0] == 3
    assert office("registry", "prove", office.registry, 99)[0] == 2


def test_a_missed_recheck_suspends_and_the_next_one_lifts(office: Office) -> None:
    """The body runs `suspend --overdue` every day; nobody has to remember a certificate."""
    first = office.package(finished=NOW - timedelta(days=91))
    identifier, place = office.issue(first)
    overdue = ("certificate", "suspend", office.registry, "--overdue")
    assert office.json(*overdue)["suspended"] == []
    keys = [signing_keys.load(name) for name in ("log", "registry")]
    late = NOW + timedelta(days=2)
    made = registry_office.suspend_overdue(office.registry, registry_office.Keys(*keys), late)
    assert [(each.type, each.certificate) for each in made] == [("suspend", identifier)]
    assert office.shown(place / "badge.svg", 5) == "suspended: recheck overdue"
    newer = office.package("newer", finished=NOW, number=2, previousRun=beside.sums(first), mode="recheck")
    again = ("certificate", "recheck", office.registry, identifier, newer, "--policy", office.policy)
    assert office(*again)[0] == 0
    assert office.shown(place / "badge.svg", 0) == "valid"
    assert office("certificate", "suspend", office.registry)[0] == 2
    assert office(*overdue, "--lift")[0] == 2


def test_a_folder_that_a_forger_put_together_does_not_hide_a_revocation(office: Office) -> None:
    """An old copy of the register, or one with a log of the forger's own, has no new word of the body."""
    identifier, place = office.issue(office.package(finished=NOW - timedelta(days=20)))
    old = shutil.copytree(office.registry, office.folder / "old")
    assert office("certificate", "revoke", office.registry, identifier, "--reason", "withdrawn")[0] == 0
    data, policy = (place / "badge.svg").read_bytes(), trust.load(office.body)
    for days, code in ((1, ExitCode.OK), (93, ExitCode.STALE)):
        found = reading.examine(data, policy, old, None, NOW + timedelta(days=days))
        # A month after its last word an old copy still counts; nobody without a network can know better.
        assert found["exitCode"] == code, found
    shutil.copytree(office.registry / "statuslist", old / "statuslist", dirs_exist_ok=True)
    with pytest.raises(DtcError) as caught:
        reading.examine(data, policy, old, None, NOW + timedelta(days=1))
    assert caught.value.exit_code is ExitCode.INTEGRITY


def test_a_recheck_counts_only_by_a_log_that_the_reader_knows(office: Office) -> None:
    first = office.package(finished=NOW - timedelta(days=60))
    identifier, place = office.issue(first)
    newer = office.package("newer", finished=NOW, number=2, previousRun=beside.sums(first))
    again = ("certificate", "recheck", office.registry, identifier, newer, "--policy", office.policy)
    assert office(*again)[0] == 0
    data, policy, then = (place / "badge.svg").read_bytes(), trust.load(office.body), NOW + timedelta(days=50)
    assert reading.examine(data, policy, office.registry, None, then)["exitCode"] == ExitCode.UNTRUSTED
    known = note.verifier(office.log_key)
    assert reading.examine(data, policy, office.registry, known, then)["exitCode"] == ExitCode.OK


def replaced(contents: dict[str, bytes], data: bytes) -> None:
    contents[layout.PROOF] = data


def test_a_package_carries_the_proof_that_it_is_registered(office: Office, tmp_path: Path) -> None:
    package = office.package()
    added = office.json("registry", "add", office.registry, package, "--policy", office.policy)["entry"]
    prove = ("registry", "prove", office.registry, str(added), "--package", package)
    assert office(*prove)[0] == 0
    levels = {"silver": {"registered": True}}
    asked = beside.policy(tmp_path, BUSAN, log=office.log_key, levels=levels)
    assert packages.check(package, asked, now=NOW).exit_code is ExitCode.OK
    bare = office.package("bare", number=2)
    result = packages.check(bare, asked, now=NOW)
    assert (result.exit_code, packages.failing(result)) == (ExitCode.UNTRUSTED, ["registry.inclusion"])
    # The proof of one package does not serve another, and no bit of it may change.
    proof = packages.unpack(package)[layout.PROOF]
    for data in (proof, proof[:-9] + b"A" + proof[-8:], b""):
        original = bare if data == proof else package
        moved = packages.changed(original, tmp_path, partial(replaced, data=data))
        assert packages.check(moved, asked, now=NOW).exit_code is ExitCode.INTEGRITY


def test_overdue_rechecks_are_told(office: Office) -> None:
    old = office.package(finished=NOW - timedelta(days=91))
    identifier, _ = office.issue(old)
    register = entry.derive(log.read(office.registry).entries)
    held = register.certificates[identifier]
    assert held.state(NOW) == "valid"
    assert held.state(NOW + timedelta(days=2)) == "recheck overdue"
    assert held.state(NOW + timedelta(days=366)) == "expired"


def test_the_site_opens_from_disk(office: Office) -> None:
    package = office.package()
    identifier, _ = office.issue(package)
    assert office("registry", "add", office.registry, package, "--policy", office.policy)[0] == 0
    site = office.folder / "site"
    assert office("registry", "build", office.registry, "--out", site)[0] == 0
    page = (site / "index.html").read_text()
    for link in {part.split('"')[0] for part in page.split('="')[1:] if part.startswith(identifier)}:
        assert (site / link).is_file(), link
    assert "http" not in page.replace("http-equiv", "")
    assert "Busan Twin" in page
    (office.registry / "certificates" / identifier / "badge.svg").unlink()
    assert office("registry", "build", office.registry, "--out", site)[0] == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ("registry", "init", "REGISTRY", "--name", "x", "--origin", "a b", "--issuer", "https://x"),
        ("registry", "init", "REGISTRY", "--name", "x", "--origin", "a", "--issuer", "https://x"),
        ("registry", "verify", "FOLDER", "--log-key", "nonsense"),
        ("registry", "verify", "FOLDER"),
        ("registry", "nonce", "REGISTRY", "--target", "x", "--vendor", "x", "--log-key", "nobody"),
        ("certificate", "show", "FOLDER/none"),
        ("badge", "extract", "FOLDER/none"),
    ],
)
def test_mistakes_are_explained(office: Office, arguments: tuple[str, ...]) -> None:
    places = {"REGISTRY": str(office.registry), "FOLDER": str(office.folder)}
    for name, place in places.items():
        arguments = tuple(each.replace(name, place) for each in arguments)
    found = office.json(*arguments, code=2)
    assert set(found["error"]) == {"code", "what", "where", "why", "try"}


def test_a_log_key_signs_notes_and_no_certificates(office: Office) -> None:
    ask = (
        "certificate",
        "issue",
        office.registry,
        office.package(),
        "--policy",
        office.policy,
        "--level",
        "silver",
    )
    assert office(*ask, "--key", "log")[0] == 4
    assert office(*ask, "--log-key", "registry")[0] == 4
    with pytest.raises(jws.Refusal):  # type: ignore[attr-defined]
        jws.sign({}, "vc+jwt", packages.ed_key())
    assert public_keys.keyid(load_pem_public_key(office.body.read_bytes()))  # type: ignore[arg-type]
    assert runs.FINISHED
