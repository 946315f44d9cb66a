"""`dtc seed`: write a little valid data into a target, to be taken back by `dtc clean`."""

from pathlib import Path
from typing import Annotated

import typer

from dtc_cli import console
from dtc_cli.commands.options import Json
from dtc_cli.errors import as_word
from dtc_cli.exit_codes import ExitCode

HELP = """Write a little valid data into a target, for rules that nothing in its own data exercises.

Four objects, a sensor of each kind with one measurement of every standard parameter, and a simulation, which
is waited for. The target file must allow the hazard write. All of it stays until `dtc clean` takes it back;
measurements and a simulation that has ended stay: nothing in the standard removes them. Aggregations have no
operation that creates them.

\b
Examples:
  dtc seed target.yaml
  dtc seed target.yaml --out runs/ --json
  dtc clean target.yaml --run 1a2b3c4d        takes it back

\b
Exit codes: 0 all is written, 1 the target refused some of it, 2 the target file is not valid or does not
allow writing, 7 the target cannot be reached.
"""


def seed(
    target: Annotated[Path, typer.Argument(help="The target file.")],
    out: Annotated[Path, typer.Option(help="Folder that gets the run folder with the journal.")] = Path(
        "runs"
    ),
    json: Json = False,
) -> None:
    """See HELP."""
    import msgspec

    from dtc_cli.core.target import load
    from dtc_cli.harness import seeding

    done = seeding.seed(load(target), out)
    if json:
        console.emit_json(msgspec.to_builtins(done))
    else:
        for what in done.written:
            console.out(f"wrote    {what}")
        for what in done.refused:
            console.out(f"refused  {what}")
        console.out(f"take back  dtc clean {as_word(target)} --run {as_word(done.folder)}")
    if done.refused:
        raise typer.Exit(int(ExitCode.NOT_CONFORMANT))


seed.__doc__ = HELP
