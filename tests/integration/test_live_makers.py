"""Suites of phase 3 against other makers: no alarm at what is legal, and defects that are no faults here.

A short form of `scripts/prove live-makers` and `scripts/prove live-defects`.
"""

from pathlib import Path

import pytest

from tests.support.live_defects import DEFECTS
from tests.support.live_makers import MAKERS
from tests.support.live_suites import judge, with_outcome
from tests.support.live_twin import serving

MODULES = {"piecemeal": "phase3/test_frames.py"}
SEEN = {"phase3/test_connection.py": "a ping between fragments loses it"}


@pytest.mark.parametrize("maker", MODULES)
def test_what_is_legal_raises_no_alarm(tmp_path: Path, maker: str) -> None:
    assert maker in MAKERS
    with serving(maker, tmp_path) as file:
        verdicts = judge(file, [MODULES[maker]], tmp_path)
    assert with_outcome(verdicts, "failed", "error", "blocked") == []
    assert verdicts


@pytest.mark.parametrize("module", SEEN)
def test_a_defect_is_blamed_on_its_requirement(tmp_path: Path, module: str) -> None:
    number = next(at for at, one in enumerate(DEFECTS) if one.what == SEEN[module])
    with serving(str(number), tmp_path) as file:
        verdicts = judge(file, [module], tmp_path)
    assert with_outcome(verdicts, "failed") == [DEFECTS[number].requirement.removeprefix("DTC-")]
