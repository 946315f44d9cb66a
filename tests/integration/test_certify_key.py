"""The key that `dtc certify` signs with: by name or file, opened before the target is asked anything."""

import json
from pathlib import Path

import pytest

from dtc_cli.app import main
from dtc_cli.commands.certify import _signer
from dtc_cli.errors import DtcError
from dtc_cli.signing import keys

SECRET = b"a long passphrase"


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> keys.Key:
    """An encrypted key in a key folder of its own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("LAB_PASSPHRASE", SECRET.decode())
    monkeypatch.chdir(tmp_path)
    return keys.generate("lab", "vendor", secret=SECRET)


def test_a_key_by_its_name_or_by_its_file(key: keys.Key, tmp_path: Path) -> None:
    assert key.path is not None
    secret = keys.passphrase(None, "LAB_PASSPHRASE")
    (tmp_path / "copied.pem").write_bytes(key.path.read_bytes())
    (tmp_path / "plain").write_bytes(key.path.read_bytes())
    for file in ("copied.pem", "plain"):
        (tmp_path / file).chmod(0o600)
    for given in ("lab", str(key.path), "copied.pem", "plain"):
        assert _signer(given, secret, None, None).keyid == key.keyid
    # A file beside us does not stand in for a key of that name.
    (tmp_path / "lab").write_text("no key")
    assert _signer("lab", secret, None, None).keyid == key.keyid
    with pytest.raises(DtcError) as problem:
        _signer("nobody", secret, None, None)
    assert problem.value.code == "key-missing"


@pytest.mark.parametrize(
    ("options", "code", "error"),
    [
        (["--passphrase-env", "LAB_PASSPHRASE"], 7, ""),
        (["--passphrase-file", "right.txt"], 7, ""),
        (["--passphrase-file", "wrong.txt"], 2, "passphrase"),
        (["--passphrase-env", "NO_SUCH_PASSPHRASE"], 2, "passphrase"),
        (["--passphrase-env", "LAB_PASSPHRASE", "--passphrase-file", "right.txt"], 2, "usage"),
        ([], 2, "key-locked"),
    ],
    ids=["env", "file", "wrong", "unset", "both", "none"],
)
def test_the_passphrase_is_judged_before_the_target(
    key: keys.Key,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    code: int,
    error: str,
) -> None:
    (tmp_path / "right.txt").write_bytes(SECRET + b"\n")
    (tmp_path / "wrong.txt").write_text("another one\n")
    target = tmp_path / "target.yaml"
    target.write_text(
        "dtc: 1\ntarget: {name: Gone, vendor: Nobody, version: '1'}\ncity: KR-BUSAN-2025\n"
        "rest: {base_url: 'http://127.0.0.1:1/v1', timeout_s: 2}\n"
        "auth: {api_keys: {admin: a-key-0123456789}}\n"
    )
    given = ["certify", str(target), "--key", key.name, *options, "--out", str(tmp_path / "runs"), "--json"]
    assert main(given) == code
    said = json.loads(capsys.readouterr().out)
    if error:
        assert said["error"]["code"] == error
