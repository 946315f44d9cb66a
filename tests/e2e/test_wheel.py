"""The installed wheel carries suites, vectors, spec and the twin, and finds them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dtc_cli.paths import PACKAGE, SPEC

ROOT = PACKAGE.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel installed, without its dependencies."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder / "dist"), str(ROOT)]
    subprocess.run([*pip, *build], check=True, capture_output=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    install = ["install", "--no-deps", "--no-index", "--target", str(folder / "site"), str(wheel)]
    subprocess.run([*pip, *install], check=True, capture_output=True)
    return folder / "site"


def run(installed: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=installed.parent,
        env={**os.environ, "PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"},
    )


def test_the_program_comes_from_the_wheel(installed: Path) -> None:
    done = run(installed, "-c", "import dtc_cli, suites, reference_server; print(dtc_cli.__file__)")
    assert done.stdout.strip().startswith(str(installed))


def test_all_requirements_are_there(installed: Path) -> None:
    done = run(installed, "-m", "dtc_cli", "requirements", "--coverage", "--phase", "1")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_suites_collect_the_same_vectors(installed: Path) -> None:
    listing = installed.parent / "vectors.json"
    suites = installed / "suites"
    options = ["-c", str(suites / "pytest.ini"), "--rootdir", str(suites), "--collect-only", "-qq"]
    done = run(installed, "-m", "pytest", *options, "--dtc-vectors", str(listing), str(suites))
    assert listing.is_file(), done.stdout + done.stderr
    assert listing.read_bytes() == (SPEC / "vectors.json").read_bytes()


def test_the_twin_validates(installed: Path) -> None:
    record = installed / "suites" / "phase1" / "vectors" / "base" / "minimal.json"
    done = run(installed, "-m", "reference_server", "validate", str(record))
    assert done.returncode == 0, done.stderr


def test_nothing_of_the_projects_own_tests_is_in_it(installed: Path) -> None:
    assert sorted(path.name for path in installed.iterdir() if path.is_dir() and "." not in path.name) == [
        "bin",
        "dtc_cli",
        "reference_server",
        "suites",
    ]
