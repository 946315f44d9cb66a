"""The page docs/without-dtc.md, run as it is printed: openssl, sha256sum and jq alone judge a certificate."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from dtc_cli.signing import note, public_keys, register_proof, tree
from tests.support import packages
from tests.support.office import Office

DOCS = Path(__file__).parents[2] / "docs"
MODULES = Path(os.environ.get("DTC_NODE_MODULES", "/nonexistent"))
TOOLS = ("bash", "openssl", "jq", "base64", "od", "gzip", "tar", "diff", "sha256sum")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")

Blocks = dict[str, str]


def blocks() -> Blocks:
    """Heading to the commands below it; what comes from npm apart."""
    found: Blocks = {}
    for part in (DOCS / "without-dtc.md").read_text(encoding="utf-8").split("\n## ")[1:]:
        printed = re.findall(r"```sh\n(.*?)```", part, re.DOTALL)
        if printed:
            found[part[0]] = printed[0]
            found |= {f"npm {number}": text for number, text in enumerate(printed[1:])}
    text = (DOCS / "verify.md").read_text(encoding="utf-8").partition("\n## Without dtc\n")[2]
    found["package"] = re.findall(r"```sh\n(# 1\. .*?)```", text, re.DOTALL)[0]
    return found


PAGE = blocks()


def follow(folder: Path, *parts: str) -> "subprocess.CompletedProcess[str]":
    script = "set -euo pipefail\n" + "\n".join(PAGE[part] for part in parts)
    return subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Office:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    return Office(tmp_path, capfd)


@pytest.fixture
def reader(office: Office, tmp_path: Path) -> Path:
    """The folder of somebody who was shown a badge, a moment after it was issued."""
    for _ in range(4):
        ask = ("--target", "Busan Twin", "--vendor", "Works")
        assert office("registry", "nonce", office.registry, *ask)[0] == 0
    package = office.package()
    _, place = office.issue(package)
    folder = tmp_path / "reader"
    folder.mkdir()
    shutil.copy(place / "badge.svg", folder)
    shutil.copy(office.body, folder)
    shutil.copytree(office.registry, folder / "registry")
    shutil.copy(package, folder / "package.dtcpack.tar.gz")
    (folder / "log.key").write_text(office.log_key + "\n")
    (folder / "vendor.pub").write_bytes(public_keys.to_pem(packages.key().public))
    return folder


def test_every_line_holds_for_a_certificate_that_was_just_issued(reader: Path) -> None:
    done = follow(reader, "1", "2", "3", "4", "package")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.count("Verified OK") == 3
    assert re.findall(r"^(\w+) 20\S+Z (\d)$", done.stdout, re.MULTILINE) == [
        ("revocation", "0"),
        ("suspension", "0"),
    ]
    for said in (
        '"name": "Silver, wia-digital-twin-city 1.0.0"', '"city": "KR-BUSAN-2025"',
        "Signature Verified Successfully", "Verified OK", '"verdict": "PASSED"',
    ):  # fmt: skip
        assert said in done.stdout, said
    assert done.stdout.count("true\n") == 8


def revoked(folder: Path, office: Office) -> None:
    (identifier,) = [path.name for path in (office.registry / "certificates").iterdir()]
    assert office("certificate", "revoke", office.registry, identifier, "--reason", "x")[0] == 0
    shutil.rmtree(folder / "registry")
    shutil.copytree(office.registry, folder / "registry")


def badge(folder: Path, old: str, new: str) -> None:
    text = (folder / "badge.svg").read_text()
    assert old in text
    (folder / "badge.svg").write_text(text.replace(old, new, 1))


def changed(folder: Path, _: Office) -> None:
    middle = re.findall(r'verify="[^.]+\.([^.]+)\.', (folder / "badge.svg").read_text())[0]
    badge(folder, middle, middle[:-8] + "AAAAAAAA")


def stranger(folder: Path, _: Office) -> None:
    (folder / "body.pub").write_bytes(public_keys.to_pem(packages.key("stranger").public))


def proof_of_another_log(folder: Path, _: Office) -> None:
    key = note.named("body.example/log", packages.ed_key().public)
    (folder / "log.key").write_text(f"{key}\n")


def rewritten(folder: Path, _: Office) -> None:
    (path,) = (folder / "registry").glob("certificates/*/registry.tlog-proof")
    lines = path.read_text().split("\n")
    lines[3], lines[4] = lines[4], lines[3]
    path.write_text("\n".join(lines))


def another_package(folder: Path, _: Office) -> None:
    other = packages.make(folder / "other", number=5)
    shutil.copy(other, folder / "package.dtcpack.tar.gz")


FORGED: dict[str, tuple[Callable[[Path, Office], object], tuple[str, ...], str]] = {
    "a changed certificate": (changed, (), "1"),
    "another body": (stranger, (), "1"),
    "another log": (proof_of_another_log, ("1",), "3"),
    "another way to the root": (rewritten, ("1",), "3"),
    "another package": (another_package, ("1",), "4"),
}


def test_a_forgery_stops_at_its_line(reader: Path, office: Office, tmp_path: Path) -> None:
    for name, (forge, before, at) in FORGED.items():
        folder = tmp_path / name
        shutil.copytree(reader, folder)
        forge(folder, office)
        assert follow(folder, *before).returncode == 0, name
        assert follow(folder, *before, at).returncode != 0, name
    revoked(reader, office)
    done = follow(reader, "1", "2")
    assert re.search(r"^revocation 20\S+Z 1$", done.stdout, re.MULTILINE), done.stdout + done.stderr


@pytest.mark.skipif(
    not (MODULES / "jose").is_dir() or shutil.which("node") is None,
    reason="no node with jose (DTC_NODE_MODULES)",
)
def test_jose_comes_to_the_same_answer(reader: Path, office: Office) -> None:
    assert PAGE["npm 0"].startswith("npm install")
    (reader / "node_modules").symlink_to(MODULES)
    done = follow(reader, "1", "npm 1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("ES256 Silver, wia-digital-twin-city 1.0.0\n")
    stranger(reader, office)
    assert follow(reader, "npm 1").returncode != 0


def test_the_way_to_the_root_holds_for_trees_of_any_shape(tmp_path: Path) -> None:
    """The walk that the page prints, for every place in small trees; a wrong hash never arrives."""
    walk = PAGE["3"].partition("# From the entry's hash")[2].partition("\n")[2]
    script = f"for d in */; do ( cd $d\n{walk}\n) > $d/said 2>&1 || true; done"
    for size in (1, 2, 3, 5, 6, 7, 8):
        data = [b"%d" % number for number in range(size)]
        leaves = [tree.leaf(each) for each in data]
        root = note._b64(tree.root(leaves))
        for index in range(size):
            folder = tmp_path / f"{size}-{index}"
            folder.mkdir()
            proof = register_proof.render(data[index], index, tree.inclusion(leaves, index), b"")
            (folder / "path.txt").write_bytes(proof.removesuffix(b"\n"))
            (folder / "entry.json").write_bytes(data[index] if (size, index) != (7, 3) else b"other")
            (folder / "note.txt").write_text(f"it\n{size}\n{root}\n")
    subprocess.run(["bash", "-c", script], cwd=tmp_path, check=True)
    said = {path.parent.name: path.read_text() for path in tmp_path.glob("*/said")}
    assert {name for name, text in said.items() if text != "true\n"} == {"7-3"}
    assert len(said) == 32
