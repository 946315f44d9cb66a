"""The real program in a real process, with a config folder of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dtc_cli.harness.reference import running


class Result:
    """What a command left: exit code, stdout, stderr."""

    def __init__(self, done: "subprocess.CompletedProcess[str]") -> None:
        self.code = done.returncode
        self.out = done.stdout
        self.err = done.stderr

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Dtc = Callable[..., Result]


@pytest.fixture(scope="module", autouse=True)
def whole_runs_are_untraced(untraced: None) -> None:
    """Each file here runs the program from end to end."""


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TWIN_", "COVERAGE_"))}
    return {**kept, "XDG_CONFIG_HOME": str(home), "NO_COLOR": "1", "COLUMNS": "110"}


@pytest.fixture(scope="session")
def dtc(environment: dict[str, str]) -> Dtc:
    """Run `dtc` with these arguments."""

    def run(*arguments: object, cwd: Path | None = None, **more: str) -> Result:
        return Result(
            subprocess.run(
                [sys.executable, "-m", "dtc_cli", *map(str, arguments)],
                capture_output=True,
                text=True,
                env={**environment, **more},
                cwd=cwd,
                check=False,
            )
        )

    return run


@pytest.fixture(scope="session")
def twin() -> Iterator[Path]:
    """The target file of a running reference twin."""
    with running() as target:
        yield target


@pytest.fixture(scope="session")
def bronze(dtc: Dtc, twin: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    """One Bronze certification of the reference twin, and the folder it wrote into."""
    out = tmp_path_factory.mktemp("runs")
    return dtc("certify", twin, "--level", "bronze", "--out", out, "--seed", "7", "--json"), out
