"""A twin for the migration tests, and the command line as a function."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dtc_cli.app import main
from dtc_cli.harness import reference

Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture(scope="session")
def target() -> Iterator[Path]:
    with reference.running() as file:
        yield file


@pytest.fixture
def dtc(capfd: pytest.CaptureFixture[str]) -> Run:
    """`dtc migrate ... --json`, in this process: exit code and object."""

    def run(*arguments: object) -> tuple[int, dict[str, Any]]:
        capfd.readouterr()
        code = main(["migrate", *(str(one) for one in arguments), "--json"])
        out = capfd.readouterr().out
        assert out, f"nothing on stdout, exit {code}"
        answer: dict[str, Any] = json.loads(out)
        assert code != 70, answer
        return code, answer

    return run
