"""`dtc validate` as a user runs it: exit codes, the text, the JSON object, standard input, large files."""

import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dtc_cli.core.records.placeholders import resolve
from dtc_cli.paths import SUITES

BASES = SUITES / "phase1" / "vectors" / "base"


def dtc_validate(
    *arguments: str, text: bytes = b"", cwd: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    command: Sequence[str] = [sys.executable, "-m", "dtc_cli", "validate", *arguments]
    return subprocess.run(command, input=text, capture_output=True, check=False, cwd=cwd)


def record(name: str = "city") -> Any:
    return resolve(json.loads((BASES / f"{name}.json").read_bytes()), datetime.now(UTC))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("city", "complete", "faulty", "fragment-sensor"):
        (tmp_path / f"{name}.json").write_text(json.dumps(record(name), indent=1))
    return tmp_path


def test_a_valid_file_is_one_line_and_exit_0(folder: Path) -> None:
    done = dtc_validate("city.json", cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        b"city.json: valid, 0 errors, 0 warnings\n",
        b"",
    )


def test_a_faulty_file_is_explained_line_by_line_and_exit_1(folder: Path) -> None:
    done = dtc_validate("faulty.json", cwd=folder)
    assert done.returncode == 1
    assert done.stdout.decode().splitlines()[:4] == [
        "faulty.json: not valid, 7 errors, 0 warnings",
        "  line 1: error ERR_MISSING_FIELD at /timestamp",
        "    timestamp is missing",
        "    DTC-P1-004, P1 4.1, 8.2. Try: add the member",
    ]
    assert (
        "  line 3: error ERR_INVALID_CITY_ID at /cityId\n"
        '    cityId "porto" does not match CC-CITY-YYYY over its whole length, in ASCII\n'
        "    DTC-P1-008, P1 3.2.1, 4.1, 7.1 VAL-001. "
        "Try: write CC-CITY-YYYY in capitals and digits, such as KR-SEOUL-2025\n"
    ) in done.stdout.decode()
    assert "  line 5: error ERR_MISSING_FIELD at /cityObjects/0/geometry" in done.stdout.decode()


def test_several_files_are_counted(folder: Path) -> None:
    done = dtc_validate("city.json", "faulty.json", "complete.json", cwd=folder)
    assert done.returncode == 1
    assert done.stdout.decode().splitlines()[-1] == "2 of 3 files are valid"


def test_json_is_one_object_with_every_finding(folder: Path) -> None:
    done = dtc_validate("city.json", "faulty.json", "--json", cwd=folder)
    answer = json.loads(done.stdout)
    assert done.returncode == 1
    assert answer["valid"] is False
    assert [(file["file"], file["valid"], file["errors"]) for file in answer["files"]] == [
        ("city.json", True, 0),
        ("faulty.json", False, 7),
    ]
    assert answer["files"][1]["findings"][0] == {
        "requirement": "DTC-P1-004",
        "clause": "P1 4.1, 8.2",
        "severity": "error",
        "code": "ERR_MISSING_FIELD",
        "pointer": "/timestamp",
        "line": 1,
        "message": "timestamp is missing",
        "try": "add the member",
    }


def test_warnings_leave_a_file_valid(folder: Path) -> None:
    city = record()
    city["cityObjects"][0]["type"] = "Warehouse"
    done = dtc_validate("-", text=json.dumps(city).encode(), cwd=folder)
    assert done.returncode == 0
    assert done.stdout.startswith(b"standard input: valid, 0 errors, 1 warning\n")
    assert b"warning ERR_SCHEMA_VIOLATION at /cityObjects/0/type" in done.stdout


def test_options_change_the_judgement(folder: Path) -> None:
    assert dtc_validate("fragment-sensor.json", cwd=folder).returncode == 1
    assert dtc_validate("fragment-sensor.json", "--fragment", cwd=folder).returncode == 0
    city = record()
    del city["cityObjects"][0]["properties"]
    text = json.dumps(city).encode()
    assert dtc_validate("-", text=text).returncode == 1
    assert dtc_validate("-", "--schema-mode", text=text).returncode == 0
    low = dtc_validate("city.json", "--quality-threshold", "0.97", cwd=folder)
    assert (low.returncode, b"ERR_QUALITY_LOW at /metadata/dataQuality" in low.stdout) == (0, True)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b'{\n"a": 1,\n}', 3),
        (b'{\n"a": "\xff"}', 2),
        (b"", 1),
        (b'{"a": NaN}', 1),
        (b"[" * 100_000, 1),
        (b"7", 1),
    ],
)
def test_what_is_not_a_record_is_a_finding_with_its_line(text: bytes, line: int) -> None:
    done = dtc_validate("-", "--json", text=text)
    finding = json.loads(done.stdout)["files"][0]["findings"][0]
    assert done.returncode == 1
    assert (finding["requirement"], finding["line"]) == ("DTC-P1-001", line)
    assert b"Traceback" not in done.stderr


def test_what_cannot_be_shown_on_a_terminal_is_escaped() -> None:
    done = dtc_validate(
        "-", text=b'{"cityId": "\\ud800\\u001b[31m", "simulations": [{"results": {"\\u001b": "3 km"}}]}'
    )
    assert done.returncode == 1
    assert b"\x1b" not in done.stdout
    done.stdout.decode("utf-8")


@pytest.mark.parametrize("name", ["nowhere.json", "."])
def test_a_file_that_cannot_be_read_is_exit_2_before_anything_is_judged(folder: Path, name: str) -> None:
    done = dtc_validate("city.json", name, cwd=folder)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"error[file-unreadable]: " + name.encode() + b" cannot be read\n")
    as_json = dtc_validate("city.json", name, "--json", cwd=folder)
    assert as_json.returncode == 2
    assert set(json.loads(as_json.stdout)["error"]) == {"code", "what", "where", "why", "try"}


@pytest.mark.parametrize(
    "arguments", [[], ["city.json", "--quality-threshold", "7"], ["city.json", "--nonsense"]]
)
def test_a_wrong_command_line_is_exit_2(folder: Path, arguments: list[str]) -> None:
    done = dtc_validate(*arguments, cwd=folder)
    assert (done.returncode, done.stdout) == (2, b"")


def test_a_large_file_with_thousands_of_findings_is_summarised(folder: Path) -> None:
    city = record()
    usual = city["cityObjects"][0]
    padding = "x" * 1200
    for number in range(4000):
        geometry = {"type": "Circle"} if number % 2 else usual["geometry"]
        properties = {"note": padding}
        city["cityObjects"].append(
            {**usual, "id": f"b-{number}", "geometry": geometry, "properties": properties}
        )
    (folder / "large.json").write_text(json.dumps(city, indent=1))
    assert (folder / "large.json").stat().st_size > 4 * 1024 * 1024
    done = dtc_validate("large.json", cwd=folder)
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 1
    assert lines[0] == "large.json: not valid, 2000 errors, 0 warnings"
    assert sum(line.startswith("  line ") for line in lines) == 50
    assert lines[-2:] == [
        "  and 1950 more. All findings by requirement:",
        "        2000  DTC-P1-035  ERR_INVALID_GEOMETRY",
    ]
    first = next(line for line in lines if line.startswith("  line "))
    number = int(first.split()[1].rstrip(":"))
    assert '"type": "Circle"' in (folder / "large.json").read_text().splitlines()[number - 1]
