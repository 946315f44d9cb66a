"""Whether a certificate still counts: rechecks, missed ones, hidden revocations, live servers."""

import base64
import hmac
import json
import shutil
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from dtc_cli.core.canonical import canonical_json
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode
from dtc_cli.registry import credential, jws, reading
from dtc_cli.registry import office as registry_office
from dtc_cli.registry.entry import Register
from dtc_cli.signing import keys as signing_keys
from dtc_cli.signing import layout, note, trust
from dtc_cli.signing.refusal import Refusal
from tests.support import beside, packages
from tests.support.beside import BUSAN
from tests.support.office import NOW, Office
from tests.support.tls_server import self_signed, served


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Office:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    return Office(tmp_path, capfd)


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


def test_tokens_that_only_look_signed(office: Office, tmp_path: Path) -> None:
    """No algorithm, a public key as shared secret, a forger's key in the header, a list as certificate."""
    _, place = office.issue(office.package())
    head, body, signature = (place / "certificate.vc.jwt").read_text().split(".")
    pem = office.body.read_bytes()

    def part(value: dict[str, str]) -> str:
        return base64.urlsafe_b64encode(canonical_json(value)).decode().rstrip("=")

    keyid = json.loads(base64.urlsafe_b64decode(head + "=="))["kid"]
    shared = part({"alg": "HS256", "kid": keyid, "typ": "vc+jwt"}) + "." + body
    secret = base64.urlsafe_b64encode(hmac.digest(pem, shared.encode(), "sha256")).decode().rstrip("=")
    listed = (office.registry / "statuslist/revocation.vc.jwt").read_text()
    own = part({"alg": "ES256", "jwk": "{}", "kid": keyid, "typ": "vc+jwt"})
    for token, says in (
        (part({"alg": "none", "kid": keyid, "typ": "vc+jwt"}) + f".{body}.", "not vc+jwt signed with ES256"),
        (f"{shared}.{secret}", "not vc+jwt signed with ES256"),
        (f"{own}.{body}.{signature}", "other members"),
        (f"{head}.{body}.", "another form than ES256"),
        (listed, "no certificate of this kind"),
    ):
        file = tmp_path / "it.vc.jwt"
        file.write_text(token)
        assert says in office.show(file, 3, "--registry", office.registry)


def test_the_status_list_of_another_register_says_nothing(office: Office, tmp_path: Path) -> None:
    """The same body keeps a second register; there the place in the list is not revoked."""
    identifier, place = office.issue(office.package())
    assert office("certificate", "revoke", office.registry, identifier, "--reason", "withdrawn")[0] == 0
    payload = jws.read((place / "certificate.vc.jwt").read_text(), credential.TYPE).payload
    key, body = signing_keys.load("registry"), trust.load(office.body).keys[0].public
    assert body is not None
    for issuer, found in (("https://body.example", False), ("https://test.example", None)):
        listed = credential.status_list(
            Register({}, {}, set()), "revocation", issuer=issuer, registry=issuer, at=NOW, key=key
        )
        if found is None:
            with pytest.raises(Refusal, match="of another register"):
                credential.listed(listed, payload, "revocation", body)
        else:
            assert credential.listed(listed, payload, "revocation", body)[0] is found


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


def test_a_badge_is_compared_with_the_live_server(office: Office, tmp_path: Path) -> None:
    """A badge that was copied to another product is found out by the TLS key of its server."""
    pem, spki = self_signed(tmp_path / "judged.pem")
    other, _ = self_signed(tmp_path / "other.pem")
    target = {
        "name": "Twin", "vendor": "v", "version": "1", "city": "KR-BUSAN-2025",
        "fingerprint": {"tlsSpki": [spki], "server": None, "openapi": None},
    }  # fmt: skip
    _, place = office.issue(office.package(target=target))
    ask = (
        "badge",
        "verify",
        place / "badge.svg",
        "--trust",
        office.body,
        "--registry",
        office.registry,
        "--url",
    )
    with served(pem) as url:
        assert office.json(*ask, url)["server"].startswith("the one that was judged")
    assert "server" in office.json(*ask, url, code=7)
    with served(other) as url:
        assert office.json(*ask, url, code=5)["server"].startswith("another server")
    with served() as url:
        assert office.json(*ask, url, code=7)["server"].startswith("without TLS")
