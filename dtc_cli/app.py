"""The `dtc` command: its sub-commands, and the one place where an error becomes words and an exit code."""

import errno
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer
from typer.exceptions import Abort, TyperException

from dtc_cli import __version__, console
from dtc_cli.commands import (
    attest,
    badge,
    case,
    certificate,
    certs,
    ci,
    keys,
    load,
    load_http2,
    load_journeys,
    load_live,
    migrate,
    pins,
    registry,
    submit,
    trust,
)
from dtc_cli.commands import profile as profile_commands
from dtc_cli.commands.audit import audit
from dtc_cli.commands.bundle import bundle
from dtc_cli.commands.certify import certify
from dtc_cli.commands.checked import check
from dtc_cli.commands.clean import clean
from dtc_cli.commands.compare import compare
from dtc_cli.commands.doctor import doctor
from dtc_cli.commands.init import init
from dtc_cli.commands.matrix import matrix
from dtc_cli.commands.replay import replay
from dtc_cli.commands.report import report
from dtc_cli.commands.requirements import requirements
from dtc_cli.commands.seed import seed
from dtc_cli.commands.selftest import selftest
from dtc_cli.commands.test import run_part
from dtc_cli.commands.trend import trend
from dtc_cli.commands.validate import validate
from dtc_cli.commands.verify import verify
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode

app = typer.Typer(
    name="dtc",
    help="Certify digital twins of cities against the WIA Digital Twin City standard.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)

# The order is that of a first day with the tool; `dtc --help` shows it so.
app.command()(init)
app.command()(doctor)
app.command("test")(run_part)
app.command()(certify)
app.command()(seed)
app.command()(clean)
app.command()(report)
app.command()(compare)
app.command()(matrix)
app.command()(trend)
app.command()(replay)
app.command()(verify)
app.command()(audit)
app.command()(validate)
app.command()(requirements)
app.command()(selftest)
for many in (*load_live.COMMANDS, load_journeys.journeys, load_http2.http2):
    load.app.command()(many)
app.add_typer(load.app, name="load")
app.command()(bundle)
app.add_typer(migrate.app, name="migrate")
app.add_typer(keys.app, name="keys")
pins.join(trust.app)
submit.join(attest.app)
app.add_typer(trust.app, name="trust")
app.add_typer(certs.app, name="certs")
app.add_typer(attest.app, name="attest")
app.add_typer(profile_commands.app, name="profile")
app.add_typer(registry.app, name="registry")
app.add_typer(certificate.app, name="certificate")
app.add_typer(badge.app, name="badge")
app.add_typer(case.app, name="case")
app.add_typer(ci.app, name="ci")
check(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        console.out(f"dtc {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; nothing below the command layer exits."""
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        signal.signal(signal.SIGTERM, _interrupt)
        code = _run(given, as_json="--json" in given)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output went away (`dtc ... | head`): nothing is left to say, also not at shutdown.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.PIPE_CLOSED)
    return code


def _interrupt(_signal: int, _frame: object) -> NoReturn:
    """SIGTERM ends a command as Ctrl-C does: what was begun is closed in order."""
    raise KeyboardInterrupt


def _run(given: list[str], *, as_json: bool) -> int:
    stopped = DtcError(
        "interrupted",
        "interrupted",
        where="dtc " + " ".join(given),
        why="Ctrl-C, or SIGTERM, before it was done",
        exit_code=ExitCode.INTERRUPTED,
    )
    try:
        result = app(args=given, standalone_mode=False, prog_name="dtc")
        sys.stdout.flush()
    except DtcError as error:
        problem = error
    except TyperException as mistake:
        problem = _usage(mistake, given)
    except (BrokenPipeError, SystemExit) as gone:
        # The option parser leaves by itself only when the reader of the output went away.
        raise BrokenPipeError from gone
    except (KeyboardInterrupt, Abort):
        problem = stopped
    except OSError as trouble:
        full = trouble.errno in (errno.ENOSPC, errno.EIO, errno.EDQUOT)
        problem = (
            DtcError("output", "the output cannot be written", why=str(trouble)) if full else _bug(trouble)
        )
        as_json = as_json and not full
    except Exception as defect:
        # The last line of defence: a defect of ours, said as such.
        problem = _bug(defect)
    else:
        # The option parser turns Ctrl-C into this code.
        if result != ExitCode.INTERRUPTED:
            return result if isinstance(result, int) else 0
        problem = stopped
    return _explain(problem, as_json=as_json)


def _explain(error: DtcError, *, as_json: bool) -> int:
    if as_json:
        console.emit_json({"error": error.as_dict()})
    else:
        console.status(error.as_text())
    return int(error.exit_code)


def _usage(problem: TyperException, given: list[str]) -> DtcError:
    command = next((word for word in given if not word.startswith("-")), "")
    return DtcError(
        "usage",
        problem.format_message(),
        where="dtc " + " ".join(given),
        hint=f"dtc {command} --help".replace("  ", " "),
    )


def _bug(problem: Exception) -> DtcError:
    where = traceback.extract_tb(problem.__traceback__)[-1]
    return DtcError(
        "bug",
        f"dtc itself failed: {type(problem).__name__}: {problem}",
        where=f"{os.path.basename(where.filename)}:{where.lineno} in {where.name}",
        why="this is a defect of dtc, not of your target or of your file",
        hint="report it with the command you typed; a run folder that was begun is kept",
        exit_code=ExitCode.BUG,
    )
