"""What a person or a program sees of an ordinary run, word for word.

A wanted change is taken over with `DTC_UPDATE_SNAPSHOTS=1 pytest tests/unit/test_report_snapshots.py`,
and read in the diff. Only digests are volatile here; they are replaced.
"""

import os
import re
from pathlib import Path

import pytest

from dtc_cli.core.report import build
from dtc_cli.reports import FILE_NAMES, FORMATS
from dtc_cli.reports.text import render_narrow
from tests.support import report_runs as runs

FOLDER = Path(__file__).parent / "test_report_snapshots"


@pytest.mark.parametrize("name", ["text", "json", "junit", "markdown"])
def test_an_ordinary_run(tmp_path: Path, name: str) -> None:
    rendered = FORMATS[name](build(runs.ordinary(tmp_path / "run"))).decode("utf-8")
    rendered = re.sub(r"\b[0-9a-f]{64}\b", "<digest>", rendered)
    file = FOLDER / FILE_NAMES[name]
    if os.environ.get("DTC_UPDATE_SNAPSHOTS"):
        file.write_text(rendered, encoding="utf-8")
    assert rendered == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("columns", [40, 60, 79, 97])
def test_a_narrow_terminal_gets_the_same_words(tmp_path: Path, columns: int) -> None:
    report = build(runs.ordinary(tmp_path / "run"))
    narrow = render_narrow(report, columns).decode("utf-8")
    assert narrow.split() == FORMATS["text"](report).decode("utf-8").split()
    for line in narrow.splitlines():
        # Only a word that is longer than the line, and a command that is there to be copied, stand out.
        words = line.removeprefix(line[: len(line) - len(line.lstrip())]).split()
        assert len(line) <= columns or len(words) <= 2 or words[0] == "repeat", line


def test_a_wide_terminal_gets_the_report_as_it_is(tmp_path: Path) -> None:
    report = build(runs.ordinary(tmp_path / "run"))
    assert render_narrow(report, 300) == FORMATS["text"](report)
