"""`dtc init`: a target file with every key explained."""

from pathlib import Path
from typing import Annotated

import typer

from dtc_cli import console
from dtc_cli.commands.options import Json
from dtc_cli.errors import DtcError, as_word

HELP = """Write a target file with comments, ready to be filled in.

\b
Examples:
  dtc init target.yaml
  dtc init target.yaml --name "Busan Twin" --vendor "Example Works" --city KR-BUSAN-2025

\b
Exit codes: 0 written, 2 the file exists already or cannot be written.
"""


def init(
    file: Annotated[Path, typer.Argument(help="File to write.")] = Path("target.yaml"),
    name: Annotated[str, typer.Option(help="Name of the product.")] = "Busan Twin",
    vendor: Annotated[str, typer.Option(help="Who makes it.")] = "Example Works",
    city: Annotated[str, typer.Option(help="City id, CC-CITY-YYYY.")] = "KR-BUSAN-2025",
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    json: Json = False,
) -> None:
    """See HELP."""
    from dtc_cli.core.target import parse
    from dtc_cli.paths import SPEC

    template = (SPEC / "target.template.yaml").read_text(encoding="utf-8")
    for mark, text in (("@NAME@", name), ("@VENDOR@", vendor), ("@CITY@", city)):
        template = template.replace(mark, text.replace("\\", "\\\\").replace('"', '\\"'))
    try:
        parse(template, source=str(file), folder=file.parent)
    except DtcError as problem:
        # No such file is written: what is wrong was typed.
        typed = {"name": name, "vendor": vendor, "city": city}
        option = next((one for one in typed if problem.what.split()[0].endswith(one)), "")
        raise DtcError(
            "usage",
            f"--{option} is not valid" if option else "an option is not valid",
            where=f"--{option} {typed[option]!r}" if option else "dtc init",
            why=problem.why,
            hint=problem.hint if option == "city" else "a text that is not empty, without control characters",
        ) from problem
    if file.is_dir():
        raise DtcError(
            "file-write",
            f"{file} is a folder",
            where=str(file),
            hint=f"name a file in it: {file / 'target.yaml'}",
        )
    try:
        with file.open("w" if force else "x", encoding="utf-8") as stream:
            stream.write(template)
    except FileExistsError as problem:
        raise DtcError(
            "file-exists", f"{file} exists already", where=str(file), hint="another name, or --force"
        ) from problem
    except OSError as problem:
        gone = not file.parent.is_dir()
        raise DtcError(
            "file-write",
            f"{file} cannot be written",
            where=str(file.parent if gone else file),
            why="there is no such folder" if gone else problem.strerror or str(problem),
            hint="make the folder first, or name a file elsewhere",
        ) from problem
    if json:
        console.emit_json({"target": str(file)})
    else:
        console.out(f"wrote {file}: fill in address and keys, then  dtc doctor {as_word(file)}")


init.__doc__ = HELP
