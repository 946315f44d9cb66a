"""`dtc doctor`: the preflight alone."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dtc_cli import console
from dtc_cli.commands.options import Json
from dtc_cli.commands.options import level as level_named
from dtc_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from dtc_cli.harness.checks import Check

HELP = """Check target file, keys, clock and reachability before a run.

\b
Examples:
  dtc doctor target.yaml
  dtc doctor target.yaml --level silver --json

\b
Exit codes: 0 a run can start, 2 the target file is not valid, 7 a check is red.
"""


def doctor(
    target: Annotated[Path, typer.Argument(help="Target file; `dtc init` writes one.")],
    level: Annotated[str, typer.Option(help="Level that the run is for.")] = "bronze",
    json: Json = False,
) -> None:
    """See HELP."""
    import msgspec

    from dtc_cli.core.target import load
    from dtc_cli.harness.doctor import examine

    wanted = level_named(level)
    diagnosis = examine(load(target), wanted, tell=(lambda _check: None) if json else print_check)
    if json:
        console.emit_json(msgspec.to_builtins(diagnosis) | {"ok": diagnosis.red is None})
    elif diagnosis.red is None:
        notes = sum(check.status == "warn" for check in diagnosis.checks)
        told = "" if not notes else f"; {notes} {'note' if notes == 1 else 'notes'} above may cost verdicts"
        console.out(f"ready for a {wanted.value} run{told}")
    if diagnosis.red is not None:
        raise typer.Exit(int(ExitCode.CANNOT_DECIDE))


doctor.__doc__ = HELP

SIGNS = {"ok": "ok  ", "warn": "note", "fail": "FAIL", "skipped": "skip"}


def print_check(check: "Check") -> None:
    """Print one check of the preflight on stderr."""
    console.status(f"  {SIGNS[check.status]}  {check.check}: {check.detail}")
    for label, text in (("where", check.where), ("try", check.hint)):
        if text and (check.status == "fail" or (label == "try" and check.status == "warn")):
            console.status(f"        {label}  {text}")
