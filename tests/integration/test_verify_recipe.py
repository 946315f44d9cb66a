"""The recipe of docs/verify.md: without `dtc`, openssl, sha256sum and jq give the same answers."""

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]  # exported, but not for mypy

from dtc_cli.core.model import Outcome
from dtc_cli.exit_codes import ExitCode
from dtc_cli.signing import layout, public_keys
from dtc_cli.signing.verify import STEPS
from tests.support.packages import ed_key, key, make

DOCS = Path(__file__).parents[2] / "docs" / "verify.md"
TOOLS = ("bash", "tar", "openssl", "sha256sum", "jq", "diff", "find")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")


def section(title: str) -> str:
    text = DOCS.read_text(encoding="utf-8")
    return text.partition(f"## {title}\n")[2].partition("\n## ")[0]


def recipe() -> str:
    return str(re.findall(r"```sh\n(# 1\. .*?)```", section("Without dtc"), re.DOTALL)[0])


def ed25519_recipe() -> str:
    (other,) = re.findall(r"`(openssl pkeyutl [^`]+)`", section("Without dtc"))
    return re.sub(r"^openssl dgst .*$", lambda _: other, recipe(), flags=re.MULTILINE)


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """A package in a folder, with the signer's key beside it as the recipe asks."""
    return lay_out(make(tmp_path), tmp_path, public_keys.to_pem(key().public))


def lay_out(package: Path, folder: Path, pem: bytes) -> Path:
    target = folder / "unpacked"
    target.mkdir()
    subprocess.run(["tar", "-xzf", str(package), "-C", str(target)], check=True)
    (folder / "vendor.pub").write_bytes(pem)
    return target


def follow(folder: Path, text: str = "") -> subprocess.CompletedProcess[str]:
    script = "set -euo pipefail\n" + (text or recipe())
    return subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=False)


def test_a_good_package_passes_every_line(unpacked: Path) -> None:
    done = follow(unpacked)
    assert done.returncode == 0, done.stderr
    assert "Verified OK" in done.stdout
    assert '"verdict": "PASSED"' in done.stdout


def test_a_failed_run_passes_too_and_says_so(tmp_path: Path) -> None:
    package = make(tmp_path, outcomes={"DTC-P1-001/negative-case": Outcome.FAILED})
    done = follow(lay_out(package, tmp_path, public_keys.to_pem(key().public)))
    assert done.returncode == 0, done.stderr
    assert '"verdict": "FAILED"' in done.stdout


def test_a_package_without_exports_passes(tmp_path: Path) -> None:
    package = make(tmp_path, exports={"a.txt": b""})
    folder = lay_out(package, tmp_path, public_keys.to_pem(key().public))
    assert follow(folder).returncode == 0


def test_ed25519_passes_with_its_own_line(tmp_path: Path) -> None:
    folder = lay_out(make(tmp_path, signer=ed_key()), tmp_path, public_keys.to_pem(ed_key().public))
    done = follow(folder, ed25519_recipe())
    assert done.returncode == 0, done.stderr
    assert "Signature Verified Successfully" in done.stdout


def edit(name: str, old: bytes, new: bytes, folder: Path) -> None:
    file = folder / name
    assert old in file.read_bytes()
    file.write_bytes(file.read_bytes().replace(old, new, 1))


@pytest.mark.parametrize(
    "name", [layout.MATRIX, layout.EVENTS, layout.RUN, layout.SUMS, "exports/junit.xml", layout.RUN_BUNDLE]
)
def test_an_edited_file_stops_it(unpacked: Path, name: str) -> None:
    file = unpacked / name
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    assert follow(unpacked).returncode != 0


@pytest.mark.parametrize("name", ["evidence/more.json", "evidence/.hidden", "exports/more.html"])
def test_an_unlisted_file_stops_it(unpacked: Path, name: str) -> None:
    (unpacked / name).write_text("")
    assert follow(unpacked).returncode != 0


def test_an_unlisted_link_stops_it(unpacked: Path) -> None:
    (unpacked / "evidence" / "link").symlink_to("run.json")
    assert follow(unpacked).returncode != 0


def test_a_removed_file_stops_it(unpacked: Path) -> None:
    (unpacked / layout.MATRIX).unlink()
    assert follow(unpacked).returncode != 0


def test_another_key_stops_it(unpacked: Path) -> None:
    (unpacked.parent / "vendor.pub").write_bytes(public_keys.to_pem(ed_key().public))
    assert follow(unpacked).returncode != 0


def test_an_independent_library_verifies_the_bundle_of_a_package(unpacked: Path) -> None:
    value = json.loads((unpacked / layout.RUN_BUNDLE).read_bytes())
    envelope = Envelope.from_dict(value["dsseEnvelope"])
    envelope.verify([SSlibKey.from_crypto(key().public, key().keyid)], 1)
    subject = json.loads(envelope.payload)["subject"][0]["digest"]["sha256"]
    assert subject == hashlib.sha256((unpacked / layout.SUMS).read_bytes()).hexdigest()


def test_the_count_of_outcomes_runs(unpacked: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", section("Without dtc"), re.DOTALL)
    assert '"passed":' in follow(unpacked, blocks[2]).stdout


def test_the_page_names_every_check_and_exit_code() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert [step.name for step in STEPS if f"`{step.name}`" not in text] == []
    codes = section("With dtc").partition("### Exit codes")[2].partition("###")[0]
    assert {int(code) for code in re.findall(r"^\| (\d+) ", codes, re.MULTILINE)} == {
        int(code)
        for code in ExitCode
        if code < ExitCode.INTERRUPTED  # the rest is what a shell reports
    }
