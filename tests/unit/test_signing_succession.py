"""Keys that follow one another or are revoked, and policies that take such statements in."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dtc_cli.core.canonical import canonical_json
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode
from dtc_cli.signing import dsse, policy, public_keys, statement, succession, trust
from dtc_cli.signing.keys import Key
from dtc_cli.signing.policy import Policy
from dtc_cli.signing.refusal import Refusal
from tests.support import runs
from tests.support.packages import check, ed_key, key, make

OLD, NEW, REGISTRY, STRANGER = key("old"), key("new"), ed_key(), key("stranger")
CHANGE = runs.FINISHED + timedelta(hours=1)


def known(*, registry: bool = False) -> Policy:
    made = policy.empty()
    policy.add_key(made, OLD.public, role="vendor", org="Example Works")
    policy.add_key(made, OLD.public, role="lab", org="Example Works")
    if registry:
        policy.add_key(made, REGISTRY.public, role="registry", org="Body")
    return made


def saved(made: Policy, folder: Path) -> Path:
    path = folder / "trust.json"
    policy.write(path, made)
    return path


def test_after_a_rotation_both_keys_are_believed_each_in_its_time(tmp_path: Path) -> None:
    made = known()
    said = succession.apply(succession.rotate(OLD, NEW, at=CHANGE), made)
    assert NEW.keyid[:16] in said
    path = saved(made, tmp_path)
    found = trust.load(path)
    assert {(entry.role, entry.org) for entry in found.of(NEW.keyid)} == {
        ("vendor", "Example Works"), ("lab", "Example Works")
    }  # fmt: skip
    before = make(tmp_path / "a", signer=OLD)
    early = make(tmp_path / "b", signer=NEW)
    after = make(tmp_path / "c", signer=NEW, finished=CHANGE + timedelta(seconds=1))
    late = make(tmp_path / "d", signer=OLD, finished=CHANGE + timedelta(seconds=1))
    codes = [check(package, path).exit_code for package in (before, early, after, late)]
    assert codes == [ExitCode.OK, ExitCode.STALE, ExitCode.OK, ExitCode.STALE]


def test_a_rotation_does_not_prolong_the_old_key(tmp_path: Path) -> None:
    made = policy.empty()
    policy.add_key(made, OLD.public, role="vendor", org="x", valid_until="2026-01-01T00:00:00Z")
    succession.apply(succession.rotate(OLD, NEW, at=CHANGE), made)
    assert policy.roles_of(made, OLD.keyid)[0][1]["validUntil"] == "2026-01-01T00:00:00Z"


def test_a_key_cannot_replace_itself() -> None:
    with pytest.raises(Refusal, match="itself"):
        succession.rotate(OLD, OLD)


def test_a_key_revokes_itself(tmp_path: Path) -> None:
    made = known()
    succession.apply(succession.revoke(OLD, since=CHANGE, reason="lost"), made)
    result = check(make(tmp_path, signer=OLD), saved(made, tmp_path))
    assert (result.exit_code, result.authentic) == (ExitCode.STALE, False)
    assert "lost" in next(item.reason for item in result.checks if item.name == "signer.revocation")
    again = succession.revoke(OLD, since=CHANGE + timedelta(days=9))
    succession.apply(again, made)
    assert [entry["invalidSince"] for entry in made["revoked"]] == ["2026-11-20T13:00:20Z"]


def test_a_registry_of_the_policy_may_revoke_too() -> None:
    made = known(registry=True)
    succession.apply(forged(succession.REVOCATION, revocation(), REGISTRY), made)
    assert made["revoked"][0]["keyid"] == OLD.keyid
    unknown = known()
    with pytest.raises(Refusal, match="not signed by the key itself"):
        succession.apply(forged(succession.REVOCATION, revocation(), REGISTRY), unknown)


def test_a_revoked_registry_revokes_nobody() -> None:
    made = known(registry=True)
    policy.revoke(made, REGISTRY.keyid, since="2026-01-01T00:00:00Z")
    with pytest.raises(Refusal, match="not signed by the key itself"):
        succession.apply(forged(succession.REVOCATION, revocation(), REGISTRY), made)


def test_a_revoked_key_names_no_successor_and_is_not_added_again() -> None:
    made = known()
    succession.apply(succession.revoke(OLD), made)
    with pytest.raises(Refusal, match="can name no successor"):
        succession.apply(succession.rotate(OLD, NEW), made)
    with pytest.raises(DtcError, match="the policy revokes the key"):
        policy.add_key(made, OLD.public, role="vendor", org="x")
    revoked = known()
    policy.revoke(revoked, NEW.keyid, since="2026-01-01T00:00:00Z")
    with pytest.raises(DtcError, match="the policy revokes the key"):
        succession.apply(succession.rotate(OLD, NEW), revoked)


def revocation(**members: Any) -> dict[str, Any]:
    return {"invalidSince": "2026-11-01T00:00:00Z", "reason": "x", **members}


def rotation(**members: Any) -> dict[str, Any]:
    payload = json.loads(succession.rotate(OLD, NEW, at=CHANGE))["payload"]
    value: dict[str, Any] = json.loads(base64.b64decode(payload))["predicate"]
    return {**value, **members}


def forged(
    kind: str, predicate: Any, *signers: Key, subject: str = OLD.keyid, media: str = statement.PAYLOAD_TYPE
) -> bytes:
    value = {
        "_type": statement.STATEMENT_TYPE,
        "subject": [{"name": "key", "digest": {"sha256": subject}}],
        "predicateType": kind,
        "predicate": predicate,
    }
    payload = canonical_json(value)
    made = tuple(dsse.sign(payload, media, signer).signatures[0] for signer in signers)
    return canonical_json(dsse.Envelope(payload, media, made).to_json())


FORGERIES: dict[str, Callable[[], bytes]] = {
    "not JSON": lambda: b"hello",
    "no envelope": lambda: b"{}",
    "huge": lambda: b" " * (succession.MAX_BYTES + 1),
    "unsigned": lambda: forged(succession.ROTATION, rotation()),
    "signed by the old key only": lambda: forged(succession.ROTATION, rotation(), OLD),
    "signed by the new key only": lambda: forged(succession.ROTATION, rotation(), NEW),
    "signed by the old key twice": lambda: forged(succession.ROTATION, rotation(), OLD, OLD),
    "signed by strangers": lambda: forged(succession.ROTATION, rotation(), STRANGER, key("other")),
    "rotation to another key": lambda: forged(
        succession.ROTATION, rotation(newKeyid=STRANGER.keyid), OLD, NEW
    ),
    "rotation from another key": lambda: forged(
        succession.ROTATION, rotation(oldPublicKeyPem=rotation()["newPublicKeyPem"]), OLD, NEW
    ),
    "rotation with no key": lambda: forged(succession.ROTATION, rotation(newPublicKeyPem="x"), OLD, NEW),
    "rotation with more": lambda: forged(succession.ROTATION, rotation(role="auditor"), OLD, NEW),
    "rotation without a time": lambda: forged(succession.ROTATION, rotation(at="soon"), OLD, NEW),
    "rotation on no day": lambda: forged(succession.ROTATION, rotation(at="2026-02-30T00:00:00Z"), OLD, NEW),
    "of an unknown key": lambda: forged(succession.ROTATION, rotation(), OLD, NEW, subject=STRANGER.keyid),
    "of another kind": lambda: forged("urn:dtc:attestation:audit:v1", {}, OLD),
    "of another media type": lambda: forged(succession.ROTATION, rotation(), OLD, NEW, media="text/plain"),
    "revocation by a stranger": lambda: forged(succession.REVOCATION, revocation(), STRANGER),
    "revocation on no day": lambda: forged(
        succession.REVOCATION, revocation(invalidSince="2026-02-30T00:00:00Z"), OLD
    ),
    "revocation with more": lambda: forged(succession.REVOCATION, revocation(all=True), OLD),
    "revocation as a list": lambda: forged(succession.REVOCATION, [], OLD),
    "rotation shown as a revocation": lambda: forged(succession.REVOCATION, rotation(), OLD, NEW),
}


@pytest.mark.parametrize("make_it", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_forged_statement_changes_nothing(make_it: Callable[[], bytes]) -> None:
    made = known()
    before = json.dumps(made)
    with pytest.raises(Refusal):
        succession.apply(make_it(), made)
    assert json.dumps(made) == before


def test_every_flipped_bit_of_a_rotation_is_refused() -> None:
    data = succession.rotate(OLD, NEW, at=CHANGE)
    for place in range(0, len(data) - 1, 7):
        spoilt = bytearray(data)
        spoilt[place] ^= 1
        try:
            succession.apply(bytes(spoilt), known())
        except Refusal:
            continue
        # Only the hints are unsigned: they are ignored, and which key signed is found out by trying.
        assert b'"keyid":"' in data[max(0, place - 80) : place], data[place - 20 : place + 20]


NOW = datetime(2026, 11, 21, tzinfo=UTC)


def problems(**members: Any) -> list[str]:
    made = {**known(), **members}
    made["version"] = 1
    return policy.problems(trust.parse(json.dumps(made).encode(), "it"), NOW)


def test_problems_of_a_policy_are_named() -> None:
    assert problems() == []
    assert problems(roles={}) == ["it trusts no key"]
    assert problems(expires="2026-01-01T00:00:00Z") == ["the policy expired on 2026-01-01"]
    assert problems(expires="2026-12-01T00:00:00Z") == ["the policy expires on 2026-12-01"]
    assert problems(expires="2028-12-01T00:00:00Z") == []
    assert "suites is an empty list" in problems(suites=[])[0]
    assert len(problems(revoked=[{"keyid": OLD.keyid, "invalidSince": "2026-01-01T00:00:00Z"}])) == 4
    assert problems(levels={"silver": {"require": ["auditor"]}}) == [
        "silver asks for auditor, and no auditor key is trusted"
    ]


def test_problems_of_keys_and_thresholds_are_named() -> None:
    made = policy.empty()
    limits = {"valid_from": "2027-01-01T00:00:00Z", "valid_until": "2026-02-01T00:00:00Z"}
    policy.add_key(made, OLD.public, role="auditor", org="One", **limits)
    made["roles"]["auditor"]["threshold"] = 2
    made["levels"] = {"platinum": {"require": ["auditor"], "auditors": 2}}
    made["version"] = 1
    found = policy.problems(trust.parse(json.dumps(made).encode(), "it"), NOW)
    assert [text.split(" ", 2)[0] for text in found] == ["the", "the", "auditor", "platinum"]


def test_a_policy_is_written_whole_and_checked(tmp_path: Path) -> None:
    path = saved(known(), tmp_path)
    assert policy.read(path)["version"] == 1
    with pytest.raises(DtcError) as exists:
        policy.write(path, known(), new=True)
    assert exists.value.code == "trust-exists"
    with pytest.raises(DtcError) as wrong:
        policy.write(path, {**known(), "king": 1})
    assert wrong.value.code == "trust-file"
    with pytest.raises(DtcError) as nowhere:
        policy.write(tmp_path / "none" / "trust.json", known())
    assert nowhere.value.code == "not-written"
    (tmp_path / "key.pub").write_bytes(public_keys.to_pem(OLD.public))
    with pytest.raises(DtcError, match="not a policy"):
        policy.read(tmp_path / "key.pub")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["key.pub", "trust.json"]
