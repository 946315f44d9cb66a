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
