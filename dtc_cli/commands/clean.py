"""`dtc clean`: take back what a run left in a target."""

from pathlib import Path
from typing import Annotated

import typer

from dtc_cli import console
from dtc_cli.commands.options import Json
from dtc_cli.exit_codes import ExitCode

HELP = """Take back what a run created in the target and could not remove, for example because it was killed.

Only what the run's own journal lists is touched, and what carries the run's id. Every run cleans up by
itself when it ends in order. The record of a simulation that has ended may stay, as the standard has no
request that removes it: it is listed.

\b
Examples:
  dtc clean target.yaml --run runs/20260101T120000Z-1a2b3c4d
  dtc clean target.yaml --run 1a2b3c4d --out runs/ --json

\b
Exit codes: 0 nothing more can be taken back, 2 the run or the target file is not valid, 6 something could
not be taken back, 7 the target cannot be reached.
"""


def clean(
    target: Annotated[Path, typer.Argument(help="The target file with which the run was made.")],
    run: Annotated[str, typer.Option(help="Run folder, or the run's id or the end of it.")],
    out: Annotated[Path, typer.Option(help="Folder that holds the run folders.")] = Path("runs"),
    json: Json = False,
) -> None:
    """See HELP."""
    import msgspec

    from dtc_cli.core.target import load
    from dtc_cli.harness import cleanup

    done = cleanup.clean(load(target), cleanup.find(run, out))
    if json:
        console.emit_json(msgspec.to_builtins(done))
    else:
        console.out(f"{len(done.removed)} things taken back, {len(done.left)} left behind")
        for key in done.left:
            console.out(f"  left behind: {key}")
        for key in done.kept:
            console.out(f"  stays: {key} has ended, and the target keeps its record")
    if done.left:
        raise typer.Exit(int(ExitCode.INCOMPLETE))


clean.__doc__ = HELP
