"""Suites against twins of other makers: no alarm at what is legal, and defects that nobody here invented.

A short form of `scripts/prove other-makers` and `scripts/prove foreign-defects`.
"""

from pathlib import Path

import pytest

from dtc_cli.harness.reference import running
from tests.support.defects import DEFECTS, Spoilt
from tests.support.live_suites import judge, with_outcome
from tests.support.other_makers import MAKERS
from tests.support.relay import Relay, relayed

MODULES = {
    "terse": ["phase2/test_paging_offset.py", "phase2/test_objects_delete.py"],
    "talkative": ["phase2/test_queries_type.py", "phase2/test_statistics.py"],
    "leisurely": ["phase2/test_objects_delete.py", "phase2/test_queries_type.py"],
    "strict": ["phase2/test_objects_create.py"],
}
SEEN = {
    "phase2/test_queries_bounds.py": "longitude and latitude are swapped",
    "phase2/test_nearby.py": "twice the radius",
    "phase2/test_objects_create.py": "created is an hour late",
}


@pytest.mark.parametrize("maker", MODULES)
def test_what_is_legal_raises_no_alarm(tmp_path: Path, maker: str) -> None:
    with running() as target, relayed(target, MAKERS[maker](), tmp_path) as file:
        verdicts = judge(file, MODULES[maker], tmp_path)
    assert with_outcome(verdicts, "failed", "error", "blocked") == []
    assert verdicts


@pytest.mark.parametrize("module", SEEN)
def test_a_defect_is_blamed_on_its_requirement(tmp_path: Path, module: str) -> None:
    defect = next(one for one in DEFECTS if one.what == SEEN[module])
    with running() as target, relayed(target, Spoilt(defect), tmp_path) as file:
        verdicts = judge(file, [module], tmp_path)
    assert with_outcome(verdicts, "failed") == [defect.requirement.removeprefix("DTC-")]


def test_a_token_endpoint_on_another_origin(tmp_path: Path) -> None:
    """The token endpoint may stand apart from the API (C-49)."""
    with running() as target, relayed(target, Relay(), tmp_path) as file:
        lines = {line.partition(":")[0]: line for line in target.read_text(encoding="utf-8").splitlines()}
        apart = [
            lines['"auth"'] if line.startswith('"auth"') else line
            for line in file.read_text(encoding="utf-8").splitlines()
        ]
        file.write_text("\n".join([line for line in apart if line] + [""]), encoding="utf-8")
        verdicts = judge(file, ["phase2/test_tokens.py"], tmp_path)
    assert verdicts == {"DTC-P2-089": "passed", "DTC-P2-090": "passed"}
