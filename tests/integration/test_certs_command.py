"""`dtc certs make` and the bundled twin over TLS."""

import json
import os
import ssl
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from dtc_cli.core.model import Level
from dtc_cli.core.target import load
from dtc_cli.harness.reference import running

PEMS = ("ca.pem", "server.pem", "operator.pem")


def dtc(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "dtc_cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "NO_COLOR": "1"},
    )


def test_make_writes_an_authority_and_keys_for_the_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "certs"
    done = dtc("certs", "make", str(folder), "--client", "operator", "--host", "twin.local", "--json")
    assert done.returncode == 0, done.stderr
    written = json.loads(done.stdout)["written"]
    assert {Path(path).name for path in written} >= set(PEMS)
    for key in folder.glob("*.key"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    context.load_cert_chain(folder / "operator.pem", folder / "operator.key")
    authority = (folder / "ca.pem").read_bytes()
    assert dtc("certs", "make", str(folder)).returncode == 0
    assert (folder / "ca.pem").read_bytes() == authority


@pytest.mark.parametrize("name", ["../up", "ca", "", "a/b", ".."])
def test_a_name_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    done = dtc("certs", "make", str(tmp_path / "certs"), "--client", name, "--json")
    assert done.returncode == 2
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "certs"
    assert not (tmp_path / "certs").exists()


def test_an_authority_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    (tmp_path / "ca.key").write_text("no key")
    done = dtc("certs", "make", str(tmp_path), "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] == "certs"


def test_the_bundled_twin_speaks_tls_from_gold_on() -> None:
    with running(level=Level.GOLD) as file:
        target = load(file)
        assert target.base_url is not None
        assert target.base_url.startswith("https://")
        assert target.ca is not None
        context = ssl.create_default_context(cafile=target.ca)
        with httpx.Client(verify=context) as client:
            assert client.get(f"{target.base_url}/cities").status_code == 401
    with running(level=Level.SILVER) as file:
        assert str(load(file).base_url).startswith("http://")
