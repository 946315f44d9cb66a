"""`dtc report`: a run or a package in words, as a web page, or for a machine."""

import contextlib
import difflib
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dtc_cli import console
from dtc_cli.commands.options import Json
from dtc_cli.errors import DtcError

if TYPE_CHECKING:
    from dtc_cli.core.report import Report

HELP = """Show what a run found, for people (text, html, markdown) or for machines (json, junit and others).

RUN is a run folder, also of a run that was interrupted or killed, or a package (the .dtcpack.tar.gz file,
or the folder it was unpacked to). The report is made from the files alone and says what is missing in them.
It shows what a package contains; whether that is genuine is what `dtc verify` tells.

\b
Examples:
  dtc report runs/20260102T030405Z-0190a1b2
  dtc report runs/20260102T030405Z-0190a1b2 --to html --out report.html
  dtc report busan.dtcpack.tar.gz --to html,junit --out reports/
  dtc report runs/20260102T030405Z-0190a1b2 --to github     annotations of a GitHub job
  dtc report runs/20260102T030405Z-0190a1b2 --json      the same object as dtc certify --json

\b
Exit codes: 0 the report was made (whatever the verdict is), 2 it is no run, or a format or file is not
valid, 3 the package is damaged.
"""

_COLOURS = (
    (re.compile(r"^( *)(FAILED|failed:)", re.MULTILINE), "red"),
    (re.compile(r"^( *)(ERROR|error:)", re.MULTILINE), "magenta"),
    (re.compile(r"^( *)(NOT TESTED)", re.MULTILINE), "cyan"),
    (re.compile(r"^( *)(BLOCKED)", re.MULTILINE), "blue"),
    (re.compile(r"^( *)(WARNED|warned:)", re.MULTILINE), "yellow"),
    (re.compile(r"^(  (?:Bronze|Silver|Gold|Platinum) +)(not reached)", re.MULTILINE), "red"),
    (re.compile(r"^(  (?:Bronze|Silver|Gold|Platinum) +)(reached|requirements of)", re.MULTILINE), "green"),
)


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder or package.")],
    to: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FORMAT",
            help="Format: text, json, html, junit, markdown, csv, ctrf, sarif, sarif-full, earl, cdxa, "
            "github; "
            "several with commas or by repeating.",
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="File to write, or a folder for several formats; - is stdout."),
    ] = None,
    json: Json = False,
) -> None:
    """See HELP."""
    formats = _formats(to)
    where = None if out in {None, "-"} else out
    if where is None and (len(formats) > 1 or (json and to)):
        raise DtcError(
            "usage",
            "one stdout cannot hold two things",
            where=f"--to {','.join(formats)}" + (" --json" if json else ""),
            hint="add --out FILE for one format, or --out FOLDER/ for several",
        )
    from dtc_cli.core.report import summary

    made, package = _made(run)
    if where is not None:
        for name, file in _files(formats, where):
            _write(made, name, file)
    if json:
        console.emit_json(summary(made, package))
    elif where is None:
        _print(made, formats[0])


report.__doc__ = HELP


def read(run: Path) -> "Report":
    """The report of a run folder or of a package.

    Raises:
        DtcError: when it is neither, or damaged.
    """
    return _made(run)[0]


def terminal_text(made: "Report") -> str:
    """The text report in the terminal's width, coloured when stdout is one that wants it (`NO_COLOR`)."""
    from dtc_cli.reports.text import WIDTH, render_narrow

    text = render_narrow(made, shutil.get_terminal_size((WIDTH, 24)).columns).decode("utf-8")
    if not console.colour_wanted(sys.stdout):
        return text
    for pattern, colour in _COLOURS:
        before, after = typer.style("|", fg=colour, bold=True).split("|")
        text = pattern.sub(rf"\1{before}\2{after}", text)
    return text


def _made(run: Path) -> "tuple[Report, Path | None]":
    import msgspec

    from dtc_cli.core.report import build

    with run_folder(run) as (folder, package):
        made = build(folder)
    return (made if package is None else msgspec.structs.replace(made, folder="")), package


def _formats(to: Sequence[str] | None) -> list[str]:
    from dtc_cli.reports import FORMATS

    names = [name.strip().lower() for words in to or ["text"] for name in words.split(",") if name.strip()]
    for name in names:
        if name not in FORMATS:
            near = difflib.get_close_matches(name, FORMATS, n=1)
            raise DtcError(
                "unknown-format",
                f"there is no report format {name}",
                where=f"--to {name}",
                why="known formats: " + ", ".join(FORMATS),
                hint=f"--to {near[0]}" if near else "one of the known formats",
            )
    return list(dict.fromkeys(names)) or ["text"]


def _files(formats: Sequence[str], out: str) -> list[tuple[str, Path]]:
    """Each format with its file: `out` itself, or a file in it when it is a folder or must be one."""
    from dtc_cli.reports import FILE_NAMES

    if len(formats) == 1 and not out.endswith("/") and not Path(out).is_dir():
        return [(formats[0], Path(out))]
    return [(name, Path(out) / FILE_NAMES[name]) for name in formats]


def _write(made: "Report", name: str, file: Path) -> None:
    from dtc_cli.reports import FORMATS

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(FORMATS[name](made))
    except OSError as problem:
        raise DtcError(
            "cannot-write",
            f"the report cannot be written to {file}",
            where=f"--out {file}",
            why=problem.strerror or str(problem),
            hint="name a file in a folder that you may write to",
        ) from problem
    console.status(f"wrote {file}")


def _print(made: "Report", name: str) -> None:
    from dtc_cli.reports import FORMATS

    if name == "text":
        sys.stdout.write(terminal_text(made))
    else:
        sys.stdout.buffer.write(FORMATS[name](made))
    sys.stdout.flush()


@contextlib.contextmanager
def run_folder(path: Path) -> Iterator[tuple[Path, Path | None]]:
    """The run folder to read and, when it came out of a package, that package."""
    if (path / "run.json").is_file() or not (path.is_file() or (path / "evidence").is_dir()):
        yield path, None
        return
    from dtc_cli.signing.reader import open_package
    from dtc_cli.signing.refusal import Refusal
    from dtc_cli.signing.unpacked import lay_out

    with tempfile.TemporaryDirectory(prefix="dtc-report-") as temporary:
        folder = Path(temporary)
        try:
            with open_package(path) as files:
                lay_out(files, folder)
        except Refusal as problem:
            raise DtcError(
                "package-refused",
                f"the package {path.name} cannot be read",
                where=str(path),
                why=problem.reason,
                hint="fetch it again; dtc verify tells more about it",
                exit_code=problem.code,
            ) from problem
        yield folder, path
