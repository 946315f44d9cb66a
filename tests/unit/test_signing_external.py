"""The external signer: a program signs, and `dtc` never sees the key."""

import subprocess
import sys
from pathlib import Path

import pytest

from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode
from dtc_cli.signing import external, package, public_keys
from dtc_cli.signing.external import CommandSigner
from tests.support import runs
from tests.support.packages import catalogue, check, key


@pytest.fixture
def token(tmp_path: Path) -> CommandSigner:
    """openssl stands for the token: it holds the key and signs stdin."""
    run = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "token.pem"]
    subprocess.run(run, cwd=tmp_path, check=True, capture_output=True)
    export = ["openssl", "pkey", "-in", "token.pem", "-pubout", "-out", "token.pub"]
    subprocess.run(export, cwd=tmp_path, check=True, capture_output=True)
    command = f"cmd:openssl dgst -sha256 -sign {tmp_path}/token.pem"
    return external.from_text(command, (tmp_path / "token.pub").read_bytes())


def test_a_package_signed_by_a_program_verifies(token: CommandSigner, tmp_path: Path) -> None:
    run = runs.make(tmp_path / "run", catalogue())
    path = package.build(run, tmp_path, {}, token)
    assert check(path, tmp_path / "token.pub").exit_code is ExitCode.OK


PROGRAMS = {
    "fails": "import sys; sys.stderr.write('no token\\n'); sys.exit(3)",
    "fails silently": "import sys; sys.exit(1)",
    "says nothing": "pass",
    "says too much": "print('x' * 5000)",
    "says nonsense": "print('signed!')",
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_a_program_that_does_not_sign_is_explained(program: str, tmp_path: Path) -> None:
    signer = CommandSigner([sys.executable, "-c", program], key().public)
    with pytest.raises(DtcError) as refused:
        signer.sign(b"data")
    assert refused.value.code == "signer-failed"
    assert refused.value.why


def test_its_last_words_are_passed_on() -> None:
    signer = CommandSigner([sys.executable, "-c", PROGRAMS["fails"]], key().public)
    with pytest.raises(DtcError, match="did not sign") as refused:
        signer.sign(b"data")
    assert refused.value.why == "exit code 3: no token"


def test_a_missing_and_a_sleeping_program_are_explained() -> None:
    with pytest.raises(DtcError, match="did not sign"):
        CommandSigner(["/nonexistent/signer"], key().public).sign(b"")
    endless = [sys.executable, "-c", "import threading; threading.Event().wait()"]
    with pytest.raises(DtcError) as late:
        CommandSigner(endless, key().public, timeout_s=0.2).sign(b"")
    assert "longer than" in late.value.why


def test_a_signature_of_another_key_is_refused(token: CommandSigner) -> None:
    other = CommandSigner(token._argv, key().public)
    with pytest.raises(DtcError) as refused:
        other.sign(b"data")
    assert refused.value.why == "its signature does not fit the public key"


@pytest.mark.parametrize("text", ["./signer", "cmd:", "cmd:'open", "pkcs11:slot"])
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(DtcError) as refused:
        external.from_text(text, public_keys.to_pem(key().public))
    assert refused.value.code == "usage"


def test_its_public_key_must_be_one(token: CommandSigner) -> None:
    with pytest.raises(DtcError) as refused:
        external.from_text("cmd:x", b"no key")
    assert refused.value.code == "key-unusable"
    assert repr(token).startswith("CommandSigner(openssl, ")
