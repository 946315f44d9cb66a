"""`dtc requirements` as a user meets it: the real program, its output, its exit codes."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dtc_cli.core.catalogue import load

SNAPSHOTS = Path(__file__).parent / "requirements_snapshots"


def dtc(*arguments: str, columns: int = 100) -> subprocess.CompletedProcess[str]:
    environment = {
        **{key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "PYTHONPATH")},
        "COLUMNS": str(columns),
        "NO_COLOR": "1",
        "PYTHONUTF8": "1",
    }
    return subprocess.run(
        [sys.executable, "-m", "dtc_cli", "requirements", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )


def as_json(*arguments: str) -> dict[str, Any]:
    done = dtc(*arguments, "--json")
    assert done.stderr == ""
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def shown(text: str) -> str:
    """The output without the blanks that pad a table's lines."""
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("pagination", ["--check", "pagination"]),
        ("client", ["--check", "phase3/Reconnection logic"]),
        ("programme", ["--phase", "4", "--level", "bronze"]),
        ("quality-threshold", ["--id", "DTC-P2-060"]),
        ("events", ["--id", "dtc-p3-087"]),
        ("level-rule", ["--id", "DTC-P4-039"]),
        ("nothing", ["--phase", "1", "--strength", "may", "--check", "Pagination"]),
    ],
)
def test_output_is_as_recorded(name: str, arguments: list[str]) -> None:
    done = dtc(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    vectorless = (
        shown(done.stdout).partition("\n  vectors")[0].rstrip("\n") + "\n"
    )  # vectors grow with the suites
    assert vectorless == (SNAPSHOTS / f"{name}.txt").read_text(encoding="utf-8")


def test_a_narrow_terminal_loses_no_word() -> None:
    words = dtc("--id", "DTC-P2-060", columns=50).stdout.split()
    assert words == dtc("--id", "DTC-P2-060", columns=110).stdout.split()
    lines = dtc("--id", "DTC-P2-060", columns=50).stdout.splitlines()
    # The id of a vector is one word, which is never broken: it is there to be copied.
    assert all(len(line) <= 50 for line in lines if "/" not in line)


def test_without_filters_all_are_listed() -> None:
    done = dtc()
    ids = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("DTC-")]
    assert ids == list(load().requirements)
    assert "368 requirements: 292 MUST, 70 SHOULD, 6 MAY;" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["--phase", "3"], 87),
        (["--phase", "performance"], 10),
        (["--level", "silver"], 209),
        (["--level", "Silver", "--phase", "2", "--strength", "SHOULD"], 15),
        (["--check", "Scalability tests"], 9),
        (["--id", "DTC-P1-001", "--id", "DTC-SEC-024"], 2),
        (["--id", "p1-001", "--id", "Sec-024"], 2),
        (["--id", "DTC-P1-001", "--phase", "2"], 0),
    ],
)
def test_filters_combine(arguments: list[str], count: int) -> None:
    result = as_json(*arguments)
    assert len(result["requirements"]) == result["totals"]["requirements"] == count


def test_json_is_the_catalogue() -> None:
    result = as_json()
    assert [entry["id"] for entry in result["requirements"]] == list(load().requirements)
    assert result["catalogueDigest"] == load().digest
    entry = result["requirements"][0]
    assert entry["statement"] == load().requirements["DTC-P1-001"].statement
    assert isinstance(entry["vectors"], list)


def test_json_of_an_id_holds_what_stands_behind_it() -> None:
    (entry,) = as_json("--id", "DTC-P2-060")["requirements"]
    assert entry["interpretations"][0]["id"] == "C-12"
    assert entry["condition"]["keys"] == ["declares.quality_threshold"]


@pytest.mark.parametrize(
    ("arguments", "nearest"),
    [
        (["--phase", "22"], "--phase 2"),
        (["--level", "sliver"], "--level silver"),
        (["--check", "Paginaton"], "--check phase2/Pagination"),
        (["--check", "phase3/QoS"], '--check "phase3/QoS levels"'),
        (["--strength", "shall"], "--strength should"),
        (["--id", "DTC-P1-93"], "--id DTC-P1-09"),
        (["--id", "sec-025"], "--id DTC-SEC-02"),
    ],
)
def test_an_unknown_value_names_the_nearest_valid_one(arguments: list[str], nearest: str) -> None:
    done = dtc(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"error[usage]: {' '.join(arguments)} names nothing in the catalogue\n")
    assert f"nearest: dtc requirements {nearest}" in done.stderr


def test_with_json_an_error_has_five_fields() -> None:
    done = dtc("--level", "sliver", "--json")
    assert done.returncode == 2
    assert set(json.loads(done.stdout)["error"]) == {"code", "what", "where", "why", "try"}


def test_coverage_says_what_is_lacking_and_exits_with_it() -> None:
    done = dtc("--coverage", "--json")
    result = json.loads(done.stdout)
    assert [phase["phase"] for phase in result["phases"]] == [1, 2, 3, 4, "performance", "security"]
    counted = sum(row["positive"] + row["negative"] for row in result["requirements"])
    assert counted == len(load().vectors)
    assert result["complete"] == (not result["lacking"] and not result["stale"])
    assert done.returncode == (0 if result["complete"] else 1)


def test_coverage_of_a_phase_that_is_not_begun_judges_nothing() -> None:
    # Phase 4 has vectors for the programme only (D-04); its suite is still to come.
    done = dtc("--coverage", "--phase", "4")
    assert done.returncode == 0
    assert "nothing is judged: no phase of this selection has vectors yet" in done.stdout


def test_help_has_examples() -> None:
    done = dtc("--help")
    assert done.returncode == 0
    for word in ("Examples:", "dtc requirements --phase 1 --coverage", "Exit codes:", "--strength"):
        assert word in done.stdout


def test_the_examples_of_the_help_work() -> None:
    lines = [line.strip() for line in dtc("--help").stdout.splitlines()]
    examples = [line.partition("|")[0] for line in lines if line.startswith("dtc requirements ")]
    assert len(examples) == 5
    for example in examples:
        done = dtc(*shlex.split(example)[2:])
        assert done.returncode in ((0, 1) if "--coverage" in example else (0,)), example
        assert done.stdout
