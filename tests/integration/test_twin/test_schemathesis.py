"""The short form of `scripts/prove schemathesis`: the edges of every schema, all checks, one seed."""

from pathlib import Path
from typing import Any

from tests.support.fuzzing import fuzzed


def test_requests_of_another_maker_find_nothing(start: Any, tmp_path: Path) -> None:
    options = ("--phases", "examples,coverage")
    code, text, accepted = fuzzed(start().target, tmp_path, seed=11, examples=10, options=options)
    assert code == 0, text
    assert len(accepted) > 40
