"""A policy published by its roots: the version at hand decides who may replace it."""

import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dtc_cli.app import main
from dtc_cli.signing import publication, trust
from dtc_cli.signing.refusal import Refusal
from tests.support.packages import key

Dtc = Callable[..., tuple[int, str]]


@pytest.fixture
def dtc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Dtc:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))

    def run(*arguments: object) -> tuple[int, str]:
        code = main([str(argument) for argument in arguments])
        done = capfd.readouterr()
        return code, done.out + done.err

    return run


@pytest.fixture
def policy(dtc: Dtc, tmp_path: Path) -> Path:
    """A policy with two roots, both of which are needed."""
    file = tmp_path / "trust.json"
    assert dtc("trust", "init", file)[0] == 0
    for name in ("root", "root2"):
        assert dtc("keys", "generate", name, "--role", "root", "--no-passphrase")[0] == 0
        assert dtc("keys", "export-public", name, "--out", tmp_path / f"{name}.pub")[0] == 0
        assert dtc("trust", "add", file, tmp_path / f"{name}.pub", "--role", "root", "--org", "Body")[0] == 0
    value = json.loads(file.read_text())
    value["roots"]["threshold"] = 2
    file.write_text(json.dumps(value))
    return file


def test_the_next_version_is_taken_in_when_enough_roots_signed(
    dtc: Dtc, policy: Path, tmp_path: Path
) -> None:
    reader = Path(shutil.copy(policy, tmp_path / "reader.json"))
    assert dtc("trust", "add", policy, tmp_path / "root.pub", "--role", "registry", "--org", "Body")[0] == 0
    envelope = tmp_path / "published.dsse.json"
    assert dtc("trust", "sign", policy, "--key", "root", "--out", envelope)[0] == 0
    code, said = dtc("trust", "update", reader, envelope)
    assert (code, "1 of 2 needed signatures" in said) == (4, True)
    assert dtc("trust", "sign", policy, "--key", "root2", "--out", envelope, "--add")[0] == 0
    assert dtc("trust", "update", reader, envelope)[0] == 0
    assert reader.read_bytes() == policy.read_bytes()
    code, said = dtc("trust", "update", reader, envelope)
    assert (code, "at hand" in said) == (4, True)


def test_the_first_version_is_checked_by_roots_of_the_readers_own(
    dtc: Dtc, policy: Path, tmp_path: Path
) -> None:
    envelope, reader = tmp_path / "published.dsse.json", tmp_path / "reader.json"
    assert dtc("trust", "sign", policy, "--key", "root", "--out", envelope)[0] == 0
    assert dtc("trust", "update", reader, envelope)[0] == 4
    assert dtc("trust", "update", reader, envelope, "--root", tmp_path / "root2.pub")[0] == 4
    assert not reader.exists()
    assert dtc("trust", "update", reader, envelope, "--root", tmp_path / "root.pub")[0] == 0
    assert trust.load(reader).root_threshold == 2


def test_an_envelope_is_no_policy_and_a_policy_no_envelope(dtc: Dtc, policy: Path, tmp_path: Path) -> None:
    envelope = tmp_path / "published.dsse.json"
    assert dtc("trust", "sign", policy, "--key", "root", "--out", envelope)[0] == 0
    code, said = dtc("verify", tmp_path, "--trust", envelope)
    assert (code, "dtc trust update" in said) == (2, True)
    assert dtc("trust", "update", policy, policy)[0] == 4
    assert dtc("trust", "sign", envelope, "--key", "root", "--out", envelope)[0] == 2
    assert dtc("trust", "add", policy, tmp_path / "root.pub", "--role", "lab", "--org", "Body")[0] == 0
    assert dtc("trust", "sign", policy, "--key", "root2", "--out", envelope, "--add")[0] == 2


def test_a_flipped_bit_is_refused_unless_it_is_in_the_key_hint(policy: Path, dtc: Dtc) -> None:
    current = trust.load(policy)
    value = json.loads(policy.read_text()) | {"version": current.version + 1}
    data = publication.sign(json.dumps(value).encode(), key())
    with pytest.raises(Refusal, match="0 of 2"):
        publication.accept(data, current)
    good = publication.accept(data, None, [key().public])
    assert good[1].version == current.version + 1
    start = data.index(key().keyid.encode())
    hint = range(start, start + 64)
    for place in range(0, len(data) - 1, 37):
        flipped = bytearray(data)
        flipped[place] ^= 4
        with pytest.raises(Refusal) if place not in hint else contextlib.nullcontext():
            publication.accept(bytes(flipped), None, [key().public])


def test_a_signer_program_signs_a_policy(dtc: Dtc, policy: Path, tmp_path: Path) -> None:
    private = tmp_path / "token.pem"
    subprocess.run(
        ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", private],
        check=True, capture_output=True,
    )  # fmt: skip
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", tmp_path / "token.pub"], check=True)
    token = tmp_path / "sign.py"
    token.write_text(
        "import subprocess, sys\n"
        "data = sys.stdin.buffer.read()\n"
        f"done = subprocess.run(['openssl', 'dgst', '-sha256', '-sign', {str(private)!r}], input=data,\n"
        "                      capture_output=True, check=True)\n"
        "sys.stdout.buffer.write(done.stdout)\n"
    )
    envelope = tmp_path / "e.dsse.json"
    options = ("--signer", f"cmd:{sys.executable} {token}", "--signer-key", tmp_path / "token.pub")
    assert dtc("trust", "sign", policy, "--out", envelope, *options)[0] == 0
    assert dtc("trust", "update", tmp_path / "r.json", envelope, "--root", tmp_path / "token.pub")[0] == 0
