"""Suites against twins of other makers: no alarm at what is legal, and defects that nobody here invented.

A short form of `scripts/prove other-makers` and `scripts/prove foreign-defects`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dtc_cli.harness.forked import Judge
from dtc_cli.harness.reference import running
from tests.proofs.foreign_defects import DEFECTS
from tests.proofs.other_makers import MAKERS
from tests.support.defects import Spoilt
from tests.support.forked import judged
from tests.support.relay import Relay, relayed

pytestmark = pytest.mark.usefixtures("untraced")

LEGAL = {
    "terse": "DTC-P2-025,DTC-P2-038",
    "talkative": "DTC-P2-027,DTC-P2-010",
    "leisurely": "DTC-P2-027",
    "strict": "DTC-P2-016",
    "coarse": "DTC-P2-042,DTC-P2-079",
    "framed": "DTC-P2-083,DTC-P2-026",
    "obliging": "DTC-P2-056,DTC-P2-059",
    "queueing": "DTC-P2-072",
    "picky": "DTC-P2-076,DTC-P2-091",
}
"""What each maker does otherwise, judged by the requirements it is most likely to be blamed for."""
SEEN = (
    "longitude and latitude are swapped",
    "twice the radius",
    "created is an hour late",
    "only the first of a batch is looked at",
    "a comma may trail",
    "zones are dropped",
    "the search is that of a flat map",
)


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with Judge() as ready:
        yield ready


@pytest.fixture(scope="module")
def twin() -> Iterator[Path]:
    with running() as target:
        yield target


@pytest.mark.parametrize("maker", LEGAL)
def test_what_is_legal_raises_no_alarm(judge: Judge, twin: Path, tmp_path: Path, maker: str) -> None:
    with relayed(twin, MAKERS[maker](), tmp_path) as file:
        rows = judged(judge, file, tmp_path / "runs", LEGAL[maker])
    assert rows
    assert {key: row for key, row in rows.items() if row[0] in ("failed", "error", "blocked")} == {}


@pytest.mark.parametrize("what", SEEN)
def test_a_defect_is_blamed_on_its_requirement(judge: Judge, twin: Path, tmp_path: Path, what: str) -> None:
    defect = next(one for one in DEFECTS if one.what == what)
    with relayed(twin, Spoilt(defect), tmp_path) as file:
        rows = judged(judge, file, tmp_path / "runs", defect.requirement)
    assert rows[defect.requirement][0] == "failed"


def test_a_token_endpoint_on_another_origin(judge: Judge, twin: Path, tmp_path: Path) -> None:
    """The token endpoint may stand apart from the API (C-49)."""
    with relayed(twin, Relay(), tmp_path) as file:
        lines = {line.partition(":")[0]: line for line in twin.read_text(encoding="utf-8").splitlines()}
        apart = [
            lines['"auth"'] if line.startswith('"auth"') else line
            for line in file.read_text(encoding="utf-8").splitlines()
        ]
        file.write_text("\n".join([line for line in apart if line] + [""]), encoding="utf-8")
        rows = judged(judge, file, tmp_path / "runs", "DTC-P2-089,DTC-P2-090")
    assert {key: row[0] for key, row in rows.items()} == {"DTC-P2-089": "passed", "DTC-P2-090": "passed"}
