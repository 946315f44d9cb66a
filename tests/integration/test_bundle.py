"""The bundle for a site without a network: made of wheels, checked before it installs, installed offline."""

import base64
import hashlib
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from dtc_cli.app import main


def wheel(folder: Path) -> Path:
    """A wheel named dtc without dependencies, whose program prints its version."""
    path = folder / "dtc-0.0.1-py3-none-any.whl"
    files = {
        "dtc_tiny.py": "def main():\n    print('tiny dtc 0.0.1')\n",
        "dtc-0.0.1.dist-info/METADATA": "Metadata-Version: 2.1\nName: dtc\nVersion: 0.0.1\n",
        "dtc-0.0.1.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "dtc-0.0.1.dist-info/entry_points.txt": "[console_scripts]\ndtc = dtc_tiny:main\n",
    }
    record = ""
    for name, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
        record += f"{name},sha256={digest},{len(text)}\n"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {**files, "dtc-0.0.1.dist-info/RECORD": record}.items():
            archive.writestr(name, text)
    return path


def test_a_bundle_installs_without_a_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "bundle.tar"
    assert main(["bundle", "--wheel", str(wheel(tmp_path)), "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["wheels"] == ["dtc-0.0.1-py3-none-any.whl"]
    with tarfile.open(out) as archive:
        archive.extractall(tmp_path, filter="data")
    offline = {
        **os.environ,
        "PYTHON": sys.executable,
        "PIP_INDEX_URL": "http://127.0.0.1:9/",
        "PIP_RETRIES": "0",
    }
    install = ["sh", str(tmp_path / "dtc-bundle" / "install.sh"), str(tmp_path / "env")]
    done = subprocess.run(install, capture_output=True, text=True, check=False, env=offline)
    assert (done.returncode, done.stdout.strip()) == (0, "tiny dtc 0.0.1"), done.stderr
    with (tmp_path / "dtc-bundle" / "wheels" / "dtc-0.0.1-py3-none-any.whl").open("ab") as stream:
        stream.write(b"x")
    spoilt = subprocess.run(install, capture_output=True, text=True, check=False, env=offline)
    assert spoilt.returncode != 0
    assert "FAILED" in spoilt.stdout


def test_a_wheel_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bundle", "--wheel", str(tmp_path / "none.whl"), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "not-readable"
    bad = tmp_path / "bad-1-py3-none-any.whl"
    bad.write_bytes(b"x")
    assert main(["bundle", "--wheel", str(bad), "--out", str(tmp_path / "o.tar"), "--json"]) == 7
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "no-wheels"
    assert main(["bundle", "--wheel", str(bad), "--out", str(tmp_path / "no" / "o.tar"), "--json"]) == 2
