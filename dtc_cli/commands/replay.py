"""`dtc replay`: judge a recorded run again, or one of its vectors against the target as it is now."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dtc_cli import console
from dtc_cli.commands.options import Json
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from dtc_cli.harness.replay import Replay

HELP = """Judge a recorded run again, without its target: the same suites over the recorded exchanges.

With a vector and --live, ask the target that one again and say what has become of it: FIXED, STILL FAILING,
CHANGED (fails or warns otherwise than in the run), STILL PASSING, STILL WARNED, NOW FAILING, STILL UNDECIDED,
NOW UNDECIDED. In a replay, CHANGED marks a vector whose suite asks today what it did not ask in the run, so
that the evidence cannot answer. A warning is no failure: it holds no level back.

\b
Examples:
  dtc replay runs/20260101T120000Z-1a2b3c4d
  dtc replay runs/20260101T120000Z-1a2b3c4d --json
  dtc replay twin.dtcpack.tar.gz
  dtc replay runs/20260101T120000Z-1a2b3c4d DTC-P2-022/existing-object-is-found --live target.yaml

\b
Exit codes: 0 every verdict is the same (--live: it passes now, or only warns), 1 a verdict differs (--live:
it fails), 2 it is no run, or the vector is none of it, 3 the evidence was changed, 6 something could not be
judged again: the run is incomplete, a suite has changed, or --live is undecided, 7 the target cannot be
judged (preflight red), 70 a defect of dtc.
"""


def replay(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder or package.")],
    vector: Annotated[
        str | None, typer.Argument(metavar="VECTOR", help="One vector of the run, with --live.")
    ] = None,
    live: Annotated[
        Path | None, typer.Option(metavar="TARGET", help="Target file of the target to ask again.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder that gets the run folder of --live.")] = Path("runs"),
    json: Json = False,
) -> None:
    """See HELP."""
    if (vector is None) != (live is None):
        raise DtcError(
            "usage",
            "a vector and --live belong together",
            where="dtc replay",
            hint="dtc replay RUN, or dtc replay RUN VECTOR --live target.yaml",
        )
    code = _offline(run, json=json) if vector is None or live is None else _live(run, vector, live, out, json)
    if code is not ExitCode.OK:
        raise typer.Exit(int(code))


replay.__doc__ = HELP


def _offline(run: Path, *, json: bool) -> ExitCode:
    import msgspec

    from dtc_cli.commands.progress import shown
    from dtc_cli.commands.report import run_folder
    from dtc_cli.harness import replay as replaying

    with run_folder(run) as (folder, _):
        found = replaying.replay(folder, shown)
    if json:
        console.emit_json(msgspec.to_builtins(found) | {"changed": found.changed})
    else:
        _print(found)
    return found.exit_code


def _print(found: "Replay") -> None:
    if found.differences:
        rows = [(row.vector, row.recorded, row.replayed, row.why) for row in found.differences]
        console.table(("vector", "recorded", "replayed", "why"), rows)
        console.out()
    equal = found.judged - len(found.differences)
    console.out(f"{equal} of {found.judged} verdicts are the same")
    if found.changed:
        console.out(f"{found.changed} vectors ask otherwise than in the run: the evidence cannot answer them")
    if not found.complete:
        console.out("the run left some of its vectors without a verdict: there is nothing to compare")
    if not found.same_suites:
        console.out("the run was judged by other suites than these")


def _live(run: Path, vector: str, live: Path, out: Path, json: bool) -> ExitCode:
    from dtc_cli.commands.certify import judge
    from dtc_cli.commands.report import run_folder
    from dtc_cli.core import runfolder
    from dtc_cli.core.model import LEVELS
    from dtc_cli.harness import replay as replaying
    from dtc_cli.harness.runner import level_of

    with run_folder(run) as (folder, _):
        recorded = runfolder.read(folder)
    before = replaying.line_of(recorded, vector)
    again = judge(live, level_of(vector, LEVELS[-1]), out, recorded.run["seed"], quiet=True, select=vector)
    now = replaying.line_of(runfolder.read(again.folder), vector)
    word, code = replaying.compared(before, now)
    if json:
        console.emit_json(
            {
                "vector": vector,
                "result": word,
                "recorded": {"outcome": before.outcome.value, "why": replaying.reason(before)},
                "now": {"outcome": now.outcome.value, "why": replaying.reason(now)},
                "run": str(again.folder),
            }
        )
    else:
        console.out(f"{word}  {vector}")
        console.out(f"  recorded  {before.outcome}  {replaying.reason(before)}".rstrip())
        console.out(f"  now       {now.outcome}  {replaying.reason(now)}".rstrip())
        console.out(f"  run       {again.folder}")
    return code
