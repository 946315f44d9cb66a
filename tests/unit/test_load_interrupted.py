"""Ctrl-C while a load is made ready, and while it goes on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dtc_cli.app import main
from dtc_cli.commands import load


def stop(*_: Any, **__: Any) -> Any:
    raise KeyboardInterrupt


@contextmanager
def ready(*_: Any, **__: Any) -> Iterator[Any]:
    yield SimpleNamespace(folder=Path("lr/load-1"))


@pytest.mark.parametrize(
    ("patched", "words"),
    [
        ({"_explored": stop}, "before the load began"),
        ({"_explored": ready, "_teller": stop}, "within the load"),
    ],
)
def test_ctrl_c_says_that_no_result_was_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], patched: dict[str, Any], words: str
) -> None:
    for name, value in patched.items():
        monkeypatch.setattr(load, name, value)
    assert main(["load", "run", "--reference", "--out", "lr"]) == 130
    said = capsys.readouterr().err
    assert f"interrupted {words}: no result was written" in said
    assert "lr" in said
