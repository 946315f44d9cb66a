"""The reader's trust file: what it may say, and every way in which it may be wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from dtc_cli.core.model import Level
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode
from dtc_cli.signing import public_keys, trust
from tests.support.packages import ed_key, key


def policy(**members: Any) -> dict[str, Any]:
    entry = {"publicKeyPem": public_keys.to_pem(key().public).decode(), "org": "Example Works"}
    return {"dtcTrust": 1, "version": 3, "roles": {"vendor": {"keys": [entry]}}, **members}


def load(folder: Path, value: Any) -> trust.Trust:
    file = folder / "trust.json"
    file.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
    return trust.load(file)


def test_a_public_key_is_trusted_for_runs_only(tmp_path: Path) -> None:
    found = load(tmp_path, public_keys.to_pem(key().public))
    assert found.kind == "key"
    assert {entry.role for entry in found.of(key().keyid)} == {"vendor", "lab", "auditor"}
    assert found.of(ed_key().keyid) == ()


def test_a_policy_is_read_in_full(tmp_path: Path) -> None:
    entry = {
        "keyid": ed_key().keyid,
        "publicKeyPem": public_keys.to_pem(ed_key().public).decode(),
        "org": "Lab",
        "validFrom": "2026-01-01T00:00:00Z",
        "validUntil": "2027-01-01T00:00:00Z",
    }
    found = load(
        tmp_path,
        policy(
            roles={"lab": {"keys": [entry], "threshold": 2}},
            levels={"silver": {"require": ["lab"]}, "gold": {"require": ["auditor"], "distinctOrg": True}},
            maxAgeDays=30,
            suites=["a" * 64],
            catalogues=[],
            revoked=[{"keyid": "b" * 64, "invalidSince": "2026-05-01T00:00:00Z", "reason": "stolen"}],
            expires="2028-01-01T00:00:00Z",
        ),
    )
    (lab,) = found.of(ed_key().keyid)
    assert (lab.role, lab.org) == ("lab", "Lab")
    assert lab.valid_from is not None
    assert lab.valid_from.isoformat() == "2026-01-01T00:00:00+00:00"
    assert found.thresholds == {"lab": 2}
    assert found.need(Level.SILVER).require == ("lab",)
    assert found.need(Level.GOLD).distinct_org
    assert found.need(Level.BRONZE).require == ()
    assert (found.max_age_days, found.suites, found.catalogues, found.version) == (30, ("a" * 64,), (), 3)
    revoked = found.revocation("b" * 64)
    assert revoked is not None
    assert revoked.reason == "stolen"
    assert found.revocation("c" * 64) is None


def entry_with(**members: Any) -> dict[str, Any]:
    value = policy()
    value["roles"]["vendor"]["keys"][0] |= members
    return value


def public_pem(private: Any) -> bytes:
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    data: bytes = private.public_key().public_bytes(encoding, form)
    return data


WRONG: dict[str, Any] = {
    "RSA key": public_pem(rsa.generate_private_key(65537, 2048)),
    "P-384 key": public_pem(ec.generate_private_key(ec.SECP384R1())),
    "empty": b"",
    "not JSON": b"hello",
    "twice a key": b'{"dtcTrust":1,"dtcTrust":1}',
    "a list": [],
    "another format": policy(dtcTrust=2),
    "unknown member": policy(rolls={}),
    "unknown role": policy(roles={"king": {"keys": []}}),
    "no version": {"dtcTrust": 1, "roles": {}},
    "threshold of none": policy(roles={"vendor": {"keys": [], "threshold": 0}}),
    "no such day": policy(expires="2026-02-30T00:00:00Z"),
    "local time": policy(expires="2026-02-20T00:00:00+09:00"),
    "age of none": policy(maxAgeDays=0),
    "odd digest": policy(suites=["A" * 64]),
    "digest with a newline": policy(suites=["a" * 64 + "\n"]),
    "another keyid": entry_with(keyid="a" * 64),
    "no key": entry_with(publicKeyPem="-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
    "private key": b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    "broken PEM": b"-----BEGIN PUBLIC KEY-----\nAAAA\n",
    "certificate": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "huge": b" " * (trust.MAX_BYTES + 1),
}


@pytest.mark.parametrize("value", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_trust_file_is_explained(tmp_path: Path, value: Any) -> None:
    with pytest.raises(DtcError) as refused:
        load(tmp_path, value)
    assert (refused.value.code, refused.value.exit_code) == ("trust-file", ExitCode.USAGE)
    assert refused.value.why


def test_a_private_key_is_recognised(tmp_path: Path) -> None:
    with pytest.raises(DtcError) as refused:
        load(tmp_path, WRONG["private key"])
    assert "private key" in refused.value.why


def test_a_missing_trust_file_is_explained(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(DtcError) as refused:
            trust.load(path)
        assert refused.value.code == "trust-file"
