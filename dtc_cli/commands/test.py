"""`dtc test`: judge a part of a level, quickly and without a certificate."""

import contextlib
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dtc_cli import console
from dtc_cli.commands import baselines
from dtc_cli.commands.options import Json, LoadAgreed, LoadScale
from dtc_cli.commands.options import level as level_named
from dtc_cli.core.levels import UNDECIDED
from dtc_cli.core.model import Outcome
from dtc_cli.core.selection import GRAMMAR
from dtc_cli.errors import DtcError, as_word
from dtc_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from dtc_cli.core.report import Report

HELP = f"""Judge a part of a level: a quick loop while you build, without a certificate.

\b
Examples:
  dtc test target.yaml --select phase:1
  dtc test target.yaml --select DTC-P2-022,check:Pagination
  dtc test --reference --select "DTC-P1-*,!strength:may"
  dtc test target.yaml --select failed:runs/20260101T120000Z-1a2b3c4d
  dtc test target.yaml --select phase:2 --fail-fast
  dtc test target.yaml --resume runs/20260101T120000Z-1a2b3c4d           one that was interrupted or killed
  dtc test target.yaml --select phase:performance --load-scale 0.01      a trial of the load suites
  dtc test target.yaml --select phase:2 --update-baseline known.yaml     list what fails now
  dtc test target.yaml --select phase:2 --baseline known.yaml            red only for what is not listed

\b
Selectors: {GRAMMAR.replace(chr(10), chr(10) + "  ")}

A baseline lists failures that are known: vector, fingerprint, owner, reason, link, expires. It changes the
exit code only. Red are: a failure that is not listed, another failure in a listed vector, a listed vector
that no longer fails, an entry that names no vector of the run, and an entry past its date.

\b
Exit codes: 0 every selected MUST passed (or fails as the baseline says), 1 one failed or the baseline is
stale, 2 a file or selector is not valid, 6 one could not be decided, 7 the target cannot be judged (preflight
red), 70 a defect of dtc, 130 interrupted.
"""


def run_part(
    target: Annotated[Path | None, typer.Argument(help="Target file; `dtc init` writes one.")] = None,
    select: Annotated[
        list[str] | None,
        typer.Option(help="What to run; see above. May be repeated.", show_default="phase:1"),
    ] = None,
    level: Annotated[
        str | None, typer.Option(help="Run nothing above this level.", show_default="platinum")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder that gets the run folder.")] = Path("runs"),
    reference: Annotated[
        bool, typer.Option("--reference", help="Start the bundled twin and judge it.")
    ] = False,
    seed: Annotated[int | None, typer.Option(min=0, max=2**31 - 1, help="Seed of all randomness.")] = None,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="Stop after the first MUST that fails, and clean up.")
    ] = False,
    baseline: Annotated[Path | None, typer.Option(help="File of known failures; see above.")] = None,
    update_baseline: Annotated[
        Path | None, typer.Option(help="Write what fails now into this baseline; entries of others stay.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Take up the run in this folder where it stopped.")
    ] = None,
    load_scale: LoadScale = 1.0,
    yes_load: LoadAgreed = None,
    json: Json = False,
) -> None:
    """See HELP."""
    wanted = level_named(level or "platinum")
    if resume is not None and (target is None or select or level or fail_fast or seed is not None):
        raise DtcError(
            "usage",
            "a run is resumed with its target file, to its end, and keeps its selection, level and seed",
            where="dtc test --resume",
            hint=f"dtc test target.yaml --resume {as_word(resume)}",
        )
    if (target is None) != reference:
        raise DtcError(
            "usage",
            "give either a target file or --reference",
            where="dtc test",
            hint="dtc test target.yaml --select phase:1",
        )
    known = baselines.chosen(baseline, update_baseline, fail_fast=fail_fast)
    from dtc_cli.commands.certify import judge, take_up
    from dtc_cli.commands.report import terminal_text
    from dtc_cli.core import report as reporting
    from dtc_cli.harness import reference as bundled
    from dtc_cli.harness.runner import level_of

    if resume is not None and target is not None:
        run = take_up(target, resume, None, part=True, quiet=json)
    else:
        part = ",".join(select or ["phase:1"])
        level_needed = level_of(part, wanted)
        bundle = bundled.running(level=level_needed) if target is None else contextlib.nullcontext(target)
        with bundle as file:
            run = judge(
                file,
                level_needed,
                out,
                secrets.randbelow(2**31) if seed is None else seed,
                quiet=json,
                select=part,
                fail_fast=fail_fast,
                baseline=baseline,
                load_scale=load_scale,
                load_agreed=tuple(yes_load or ()),
            )
    report = reporting.build(run.folder)
    beside = known.beside(run.folder) if known else None
    if json:
        console.emit_json(reporting.summary(report) | (beside.as_json() if beside else {}))
    else:
        sys.stdout.write(terminal_text(report))
        sys.stdout.write(beside.as_text() if beside else "")
    if run.stopped_by:
        console.status(
            f"stopped after the first failed MUST: {run.stopped_by}; what was created is taken back"
        )
    code = beside.exit_code if beside else _exit_code(report)
    if code is not ExitCode.OK:
        raise typer.Exit(int(code))


run_part.__doc__ = HELP


def _exit_code(report: "Report") -> ExitCode:
    """What the selected MUSTs give, by the order of D-06."""
    counted = {row.outcome for row in report.requirements if row.strength == "must" and row.binds == "target"}
    if Outcome.FAILED in counted:
        return ExitCode.NOT_CONFORMANT
    return ExitCode.INCOMPLETE if counted & set(UNDECIDED) else ExitCode.OK
