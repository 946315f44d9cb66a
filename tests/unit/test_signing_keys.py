"""Signing keys: made, encrypted, kept from others, and never shown."""

import os
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519

from dtc_cli.errors import DtcError
from dtc_cli.signing import keys, passphrase, pkcs8, public_keys

SECRET = b"correct horse battery staple"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration folder of its own for each test."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "dtc" / "keys"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def pem(private: object) -> bytes:
    assert hasattr(private, "private_bytes")
    data: bytes = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return data


def put(path: Path, data: bytes, rights: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(rights)
    return path


def test_a_key_is_made_private_and_read_back(home: Path) -> None:
    made = keys.generate("busan-works", "lab")
    assert mode(home) == 0o700
    assert mode(home / "busan-works.pem") == 0o600
    assert sorted(file.name for file in home.iterdir()) == [
        "busan-works.json", "busan-works.pem", "busan-works.pub"
    ]  # fmt: skip
    again = keys.load("busan-works")
    assert (again.keyid, again.role, again.name) == (made.keyid, "lab", "busan-works")
    assert keys.export_public("busan-works") == public_keys.to_pem(made.public)


def test_the_file_is_never_wider_than_0600(home: Path) -> None:
    before = os.umask(0)
    try:
        keys.generate()
    finally:
        os.umask(before)
    assert mode(home / "default.pem") == 0o600


def test_the_keyid_is_the_digest_that_openssl_and_sha256sum_give(home: Path) -> None:
    made = keys.generate()
    command = ["openssl", "pkey", "-pubin", "-in", "default.pub", "-outform", "DER"]
    der = subprocess.run(command, cwd=home, check=True, capture_output=True).stdout
    shown = subprocess.run(["sha256sum"], input=der, check=True, capture_output=True).stdout.decode()
    assert shown.split()[0] == made.keyid


def test_an_encrypted_key_opens_with_its_passphrase_only(home: Path) -> None:
    made = keys.generate(secret=SECRET)
    assert b"ENCRYPTED" in (home / "default.pem").read_bytes()
    assert keys.load("default", lambda: SECRET).keyid == made.keyid
    with pytest.raises(DtcError) as locked:
        keys.load("default")
    assert locked.value.code == "key-locked"
    with pytest.raises(DtcError) as wrong:
        keys.load("default", lambda: b"wrong")
    assert wrong.value.code == "passphrase"
    assert "wrong" not in wrong.value.as_text().replace("does not open", "")


def test_openssl_opens_an_encrypted_key_and_sees_a_slow_derivation(home: Path) -> None:
    keys.generate(secret=SECRET)
    public = subprocess.run(
        ["openssl", "pkey", "-in", "default.pem", "-passin", f"pass:{SECRET.decode()}", "-pubout"],
        cwd=home, check=True, capture_output=True,
    ).stdout  # fmt: skip
    assert public == (home / "default.pub").read_bytes()
    structure = subprocess.run(
        ["openssl", "asn1parse", "-in", "default.pem"], cwd=home, check=True, capture_output=True, text=True
    ).stdout
    assert f":{pkcs8.ROUNDS:06X}" in structure
    assert ":hmacWithSHA256" in structure


def test_an_ed25519_key_made_elsewhere_can_sign(home: Path) -> None:
    put(home / "ed.pem", pem(ed25519.Ed25519PrivateKey.generate()))
    loaded = keys.load("ed")
    assert loaded.role == "vendor"
    assert public_keys.signed_by(loaded.public, loaded.sign(b"x"), b"x")
    assert public_keys.algorithm(loaded.public) == "ed25519"
    assert keys.load(str(home / "ed.pem")).keyid == loaded.keyid


@pytest.mark.parametrize("rights", [0o644, 0o640, 0o604, 0o660, 0o602])
def test_a_key_that_others_may_touch_is_refused(home: Path, rights: int) -> None:
    keys.generate()
    (home / "default.pem").chmod(rights)
    with pytest.raises(DtcError) as refused:
        keys.load("default")
    assert refused.value.code == "key-readable"
    assert f"chmod 600 {home / 'default.pem'}" in refused.value.hint


UNUSABLE = {
    "empty": b"",
    "text": b"this is no key\n",
    "public": b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    "cut": pem(ec.generate_private_key(ec.SECP256R1()))[:100],
    "rsa": pem(rsa.generate_private_key(65537, 2048)),
    "x25519": pem(x25519.X25519PrivateKey.generate()),
    "p384": pem(ec.generate_private_key(ec.SECP384R1())),
    "k1": pem(ec.generate_private_key(ec.SECP256K1())),
}


@pytest.mark.parametrize("data", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_what_is_no_key_of_ours_is_refused_without_showing_it(home: Path, data: bytes) -> None:
    with pytest.raises(DtcError) as refused:
        keys.load_private(put(home / "odd.pem", data))
    assert refused.value.code == "key-unusable"
    inner = data.split(b"\n")[1].decode() if data.count(b"\n") > 1 else "this is no key"
    assert inner not in refused.value.as_text()


def test_a_missing_key_a_folder_and_an_odd_name_are_explained(home: Path) -> None:
    with pytest.raises(DtcError) as missing:
        keys.load("nobody")
    assert missing.value.code == "key-missing"
    (home / "dir.pem").mkdir(parents=True)
    with pytest.raises(DtcError) as folder:
        keys.load("dir")
    assert folder.value.code == "key-unusable"
    for name in ("../x", "a/b", "", ".x", "a b", "x" * 65, "é"):
        with pytest.raises(DtcError) as odd:
            keys.place(name)
        assert odd.value.code == "key-name"


def test_an_existing_key_is_replaced_only_by_force() -> None:
    first = keys.generate()
    with pytest.raises(DtcError) as refused:
        keys.generate()
    assert refused.value.code == "key-exists"
    assert keys.load("default").keyid == first.keyid
    assert keys.generate(force=True).keyid != first.keyid


def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(DtcError, match="no role king"):
        keys.generate(role="king")


def test_without_a_key_one_is_made_once_unencrypted(home: Path) -> None:
    made, new = keys.default_or_make()
    assert new
    assert mode(home / "default.pem") == 0o600
    again, new = keys.default_or_make()
    assert (again.keyid, new) == (made.keyid, False)


def test_a_locked_default_key_is_not_replaced(home: Path) -> None:
    keys.generate(secret=SECRET)
    with pytest.raises(DtcError) as locked:
        keys.default_or_make()
    assert locked.value.code == "key-locked"
    assert keys.default_or_make(lambda: SECRET)[1] is False


def test_the_list_tells_all_but_the_secret(home: Path) -> None:
    assert keys.stored() == []
    keys.generate("a", "auditor", secret=SECRET)
    keys.generate("b")
    put(home / "not a key.pem", b"left alone")
    listed = keys.stored()
    assert [(key.name, key.role, key.encrypted) for key in listed] == [
        ("a", "auditor", True),
        ("b", "vendor", False),
    ]
    assert "PRIVATE" not in str(listed)


def test_damaged_neighbours_are_named(home: Path) -> None:
    keys.generate("a")
    (home / "a.json").write_text("{")
    with pytest.raises(DtcError, match=r"a\.json"):
        keys.stored()
    (home / "a.json").unlink()
    assert keys.stored()[0].role == "vendor"
    (home / "a.pub").write_text("x")
    with pytest.raises(DtcError, match=r"a\.pub"):
        keys.export_public("a")
    (home / "a.pub").unlink()
    with pytest.raises(DtcError, match=r"a\.pub"):
        keys.export_public("a")
    (home / "a.pub").mkdir()
    with pytest.raises(DtcError, match=r"a\.pub"):
        keys.export_public("a")


def test_a_folder_that_cannot_be_made_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    with pytest.raises(DtcError) as refused:
        keys.generate()
    assert refused.value.code == "keys-folder"


def test_a_key_does_not_show_its_private_half() -> None:
    made = keys.generate()
    assert repr(made) == f"Key(default, vendor, {made.keyid[:16]})"


def test_passphrase_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "phrase"
    file.write_bytes(SECRET + b"\r\nsecond line\n")
    monkeypatch.setenv("PHRASE", SECRET.decode())
    assert passphrase.from_file(file)() == SECRET
    assert passphrase.from_env("PHRASE")() == SECRET
    assert keys.passphrase(file)() == SECRET
    assert keys.passphrase(None, "PHRASE")() == SECRET
    assert keys.passphrase(None)() is None
    with pytest.raises(DtcError, match="exclude each other"):
        keys.passphrase(file, "PHRASE")


def test_a_passphrase_that_is_not_there_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").write_text("\n")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.delenv("UNSET", raising=False)
    sources = (
        passphrase.from_file(tmp_path / "none"),
        passphrase.from_file(tmp_path / "empty"),
        passphrase.from_env("UNSET"),
        passphrase.from_env("EMPTY"),
    )
    for source in sources:
        with pytest.raises(DtcError) as lacking:
            source()
        assert lacking.value.code == "passphrase"


@pytest.mark.parametrize("length", [0, 1, 127, 128, 255, 256, 70_000])
def test_der_lengths(length: int) -> None:
    coded = pkcs8._tlv(pkcs8.OCTET_STRING, bytes(length))
    assert coded.endswith(bytes(length))
    head = coded[: len(coded) - length]
    if length < 128:
        assert head == bytes((4, length))
    else:
        assert head[1] & 0x7F == len(head) - 2
        assert int.from_bytes(head[2:]) == length
