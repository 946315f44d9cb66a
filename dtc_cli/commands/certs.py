"""`dtc certs`: certificates for tests."""

from pathlib import Path
from typing import Annotated

import typer

from dtc_cli import console
from dtc_cli.commands.options import Json

app = typer.Typer(
    help="Make certificates for development and tests.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

MAKE_HELP = """Write a development authority, and a server certificate for localhost signed by it.

Files: ca.pem, server.pem, and NAME.pem for each --client, each with a .key that only you can read. An
authority that lies in the folder is used again, so clients can be added later. Certificates hold for a year.
Never trust such an authority outside of a test.

\b
Examples:
  dtc certs make certs
  dtc certs make certs --host twin.local --client operator

\b
Exit codes: 0 written, 2 a name is not valid or the folder cannot be used.
"""


@app.callback()
def _group() -> None:
    pass


@app.command(help=MAKE_HELP)
def make(
    folder: Annotated[Path, typer.Argument(help="Folder to write into.")],
    host: Annotated[list[str] | None, typer.Option(help="Further name or address of the server.")] = None,
    client: Annotated[
        list[str] | None, typer.Option(help="Client certificate for a credential of that name.")
    ] = None,
    json: Json = False,
) -> None:
    """See the help text above."""
    from dtc_cli.harness import authority

    written = authority.make(folder, hosts=host or (), clients=client or ())
    if json:
        console.emit_json({"written": [str(path) for path in written]})
    else:
        for path in written:
            console.out(str(path))
