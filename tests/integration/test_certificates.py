"""The life of a certificate: registered, issued, rechecked, suspended, revoked, and read by strangers."""

import base64
import gzip
import json
import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from dtc_cli.app import main
from dtc_cli.core.model import Outcome
from dtc_cli.registry import badge, entry, jws, log
from dtc_cli.signing import public_keys
from tests.support import beside, packages, runs
from tests.support.office import NOW, Office

JOSE = Path(os.environ.get("DTC_NODE_MODULES", "/nonexistent")) / "jose"
VERIFY_WITH_JOSE = """
import { importSPKI, jwtVerify } from "JOSE/dist/webapi/index.js"; const [token, pem] =
process.argv.slice(2); const { payload, protectedHeader } = await jwtVerify(token, await importSPKI(pem,
"ES256"), { typ: "vc+jwt" }); console.log(JSON.stringify([payload.name, protectedHeader.alg]));
"""


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
