"""`dtc ci`: a ready job for a build server."""

from pathlib import Path
from typing import Annotated

import typer

from dtc_cli import console
from dtc_cli.commands.options import Json
from dtc_cli.commands.options import level as level_named
from dtc_cli.errors import DtcError
from dtc_cli.paths import PACKAGE

app = typer.Typer(
    help="Write a job for a build server.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

PLACES = {
    "github": Path(".github/workflows/dtc.yml"),
    "gitlab": Path(".gitlab-ci.dtc.yml"),
    "jenkins": Path("Jenkinsfile.dtc"),
}
"""Build server to the file that it reads, seen from the root of a repository."""
TEMPLATES = PACKAGE / "commands" / "templates" / "ci"

INIT_HELP = """Write a ready job that judges your twin on each change and keeps the signed package.

Findings appear where the server shows them: annotations and code scanning, test reports, artifacts. All of
the work is in one shell script beside it (dtc-ci.sh), which runs on your own machine as it does there; the
job only calls it. Secrets stay in the server's store and reach dtc as environment variables (env:NAME in
the target file).

\b
Examples:
  dtc ci init github
  dtc ci init gitlab --level silver --target twin/target.yaml
  dtc ci init jenkins --install "pip install --no-index --find-links wheels dtc"

\b
Exit codes: 0 written, 2 there is no such server, or a file is there already (--force replaces it).
"""


@app.command(help=INIT_HELP)
def init(
    server: Annotated[str, typer.Argument(help="github, gitlab or jenkins.")],
    target: Annotated[
        str, typer.Option(help="Target file, seen from the root of the repository.")
    ] = "target.yaml",
    level: Annotated[str, typer.Option(help="Level to certify.")] = "bronze",
    install: Annotated[
        str, typer.Option(help="Shell line that installs dtc into an environment.")
    ] = "pip install dtc",
    folder: Annotated[Path, typer.Option(help="Root of the repository.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    json: Json = False,
) -> None:
    """See INIT_HELP."""
    from dtc_cli.commands import signers

    if server not in PLACES:
        raise DtcError(
            "usage",
            f"there is no build server {server}",
            where=f"dtc ci init {server}",
            hint="one of: " + ", ".join(PLACES),
        )
    for name, text in (("target", target), ("install", install)):
        if not text.strip() or any(ord(character) < 32 for character in text) or "'" in text:
            raise DtcError(
                "usage",
                f"--{name} cannot stand in a script",
                where=f"--{name} {text!a}",
                hint="one plain line",
            )
    filled = {"@LEVEL@": level_named(level).value, "@TARGET@": target, "@INSTALL@": install}
    files = {
        folder / PLACES[server]: _filled(server, filled),
        folder / "dtc-ci.sh": _filled("dtc-ci.sh", filled),
    }
    there = [path for path in files if path.exists()]
    if there and not force:
        raise DtcError(
            "file-exists",
            f"there is a file {there[0]} already",
            where=str(there[0]),
            hint="--force replaces it",
        )
    for path, text in files.items():
        signers.write(path, text.encode())
    (folder / "dtc-ci.sh").chmod(0o755)
    if json:
        console.emit_json({"server": server, "files": [str(path) for path in files]})
    else:
        for path in files:
            console.out(f"wrote {path}")
        console.out(
            "set your keys in the server's secret store, and name them in the target file as env:NAME"
        )


def _filled(name: str, values: dict[str, str]) -> str:
    text = (TEMPLATES / name).read_text(encoding="utf-8")
    for mark, value in values.items():
        text = text.replace(mark, value)
    return text
