"""The table of edge cases names tests that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_every_case_of_the_table_is_shown_by_a_test() -> None:
    table = (ROOT / "docs" / "migrate-cases.md").read_text(encoding="utf-8")
    tests = set()
    for part in ("integration", "unit"):
        for file in (ROOT / "tests" / part / "migrate").glob("test_*.py"):
            tests.update(re.findall(r"^def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE))
    rows = re.findall(r"^\| (\d+) .*\| ([^|]*) \|$", table, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 48))
    for number, shown in rows:
        named = set(re.findall(r"`(test_\w+)`", shown))
        assert named, f"case {number} names no test"
        assert named <= tests, f"case {number}: {sorted(named - tests)}"
