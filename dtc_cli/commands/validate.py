"""`dtc validate`: judge record files by the rules of phase 1, with the line of every finding."""

import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dtc_cli import console
from dtc_cli.commands.options import Json
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dtc_cli.core.model import Requirement
    from dtc_cli.core.records import Judgement, RecordFinding

HELP = """Judge Digital Twin records by the rules of phase 1.

Each finding comes with its code, line, JSON pointer, requirement, clause and what to try. Warnings (a SHOULD,
or data worth a look) leave a file valid. A GeoJSON Feature or FeatureCollection is judged in that form.

\b
Examples:
  dtc validate city.json
  dtc validate exports/*.json --json
  dtc validate sensor.json --fragment             a part of a record, as in P1 8.4-8.6
  curl -s https://twin.example/snapshot | dtc validate -

\b
Exit codes: 0 all valid (there may be warnings), 1 a file is not valid, 2 a file cannot be read.
"""

SHOWN = 50
"""Findings that a terminal gets per file; --json has them all."""
STDIN = "-"


def validate(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Record files; - is standard input.")],
    fragment: Annotated[
        bool, typer.Option("--fragment", help="Judge only the parts that are there.")
    ] = False,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict/--schema-mode",
            help="A city object without properties is an error (P1 5.1), or a warning (P1 4.1).",
        ),
    ] = True,
    quality_threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Report data quality below this as ERR_QUALITY_LOW.")
    ] = 0.60,
    json: Json = False,
) -> None:
    """See HELP."""
    from dtc_cli.core.records import judge_text

    for name in files:
        _check_readable(name)
    now = datetime.now(UTC)
    results = []
    for name in files:
        text = _read(name)
        judgement = judge_text(
            text, now=now, fragment=fragment, strict=strict, quality_threshold=quality_threshold
        )
        results.append(_report(name, text, judgement, as_json=json))
    valid = all(result["valid"] for result in results)
    if json:
        console.emit_json({"valid": valid, "files": results})
    elif len(files) > 1:
        console.out(f"{sum(result['valid'] for result in results)} of {len(files)} files are valid")
    if not valid:
        raise typer.Exit(int(ExitCode.NOT_CONFORMANT))


validate.__doc__ = HELP


def _check_readable(name: str) -> None:
    """Fail before anything is judged, so that a mistyped name does not cost a long run."""
    if name == STDIN:
        return
    try:
        with Path(name).open("rb"):
            pass
    except OSError as problem:
        raise _unreadable(name, problem) from problem


def _read(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()
    except OSError as problem:
        raise _unreadable(name, problem) from problem


def _unreadable(name: str, problem: OSError) -> DtcError:
    return DtcError(
        "file-unreadable",
        f"{name} cannot be read",
        where=name,
        why=problem.strerror or str(problem),
        hint="give the path of a record file, or - for standard input",
    )


def _report(name: str, text: bytes, judgement: "Judgement", *, as_json: bool) -> dict[str, Any]:
    """The result of one file as --json has it; without --json it is printed as text here."""
    errors, warnings = judgement.errors, judgement.warnings
    wanted = judgement.findings if as_json else (*errors, *warnings)[:SHOWN]
    rows = _rows(wanted, text)
    if not as_json:
        verdict = "valid" if judgement.valid else "not valid"
        counts = f"{_count(len(errors), 'error')}, {_count(len(warnings), 'warning')}"
        console.out(f"{'standard input' if name == STDIN else name}: {verdict}, {counts}")
        for row in rows:
            console.out(_as_text(row))
        _summarise(judgement, len(rows))
    return {
        "file": name,
        "valid": judgement.valid,
        "errors": len(errors),
        "warnings": len(warnings),
        "findings": rows,
    }


def _rows(findings: "tuple[RecordFinding, ...]", text: bytes) -> list[dict[str, Any]]:
    from dtc_cli.core.catalogue import load
    from dtc_cli.core.records.advice import advice

    if not findings:
        return []
    requirements: Mapping[str, Requirement] = load().requirements
    lines = _lines(findings, text)
    return [
        {
            "requirement": finding.requirement,
            "clause": requirements[finding.requirement].clause,
            "severity": finding.severity.value,
            "code": str(finding.code),
            "pointer": finding.pointer,
            "line": lines[finding.pointer],
            "message": finding.message,
            "try": advice(finding),
        }
        for finding in findings
    ]


def _lines(findings: "tuple[RecordFinding, ...]", text: bytes) -> dict[str, int]:
    """The line of each pointer; for a text that is no JSON, the line where it stops being that."""
    from dtc_cli.core.records import parse
    from dtc_cli.core.records.lines import line_numbers

    pointers = {finding.pointer for finding in findings}
    if pointers == {""}:
        return {"": parse(text).line}
    return line_numbers(text, pointers)


def _as_text(row: dict[str, Any]) -> str:
    place = row["pointer"] or "the whole record"
    return (
        f"  line {row['line']}: {row['severity']} {row['code']} at {place}\n"
        f"    {row['message']}\n"
        f"    {row['requirement']}, {row['clause']}. Try: {row['try']}"
    )


def _summarise(judgement: "Judgement", shown: int) -> None:
    hidden = len(judgement.findings) - shown
    if hidden <= 0:
        return
    console.out(f"  and {hidden} more. All findings by requirement:")
    counts = Counter((finding.requirement, str(finding.code)) for finding in judgement.findings)
    for (requirement, code), times in counts.most_common():
        console.out(f"    {times:>8}  {requirement}  {code}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
