"""`dtc compare`: what changed from one run to another."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dtc_cli import console
from dtc_cli.commands.options import Json
from dtc_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dtc_cli.comparison.pair import Change, Comparison, Pace

HELP = """Compare two runs, vector by vector: regressions, fixes, new and lost vectors, how the times moved.

Each of the two is a run folder or a package, or both are folders of `dtc load run`. Times are compared over
the vectors that passed in both runs: the median ratio with its 95 % interval; an interval that holds 1 shows
no difference. Of loads, throughput, median, p99 and failures are compared, with intervals from a bootstrap
over their seconds; percentiles are those of all answers.

\b
Examples:
  dtc compare runs/20260101T120000Z-1a2b3c4d runs/20260201T120000Z-5e6f7a8b
  dtc compare before.dtcpack.tar.gz after.dtcpack.tar.gz --json
  dtc compare runs/load-20260101T120000Z-1a2b3c4d runs/load-20260201T120000Z-5e6f7a8b

\b
Exit codes: 0 nothing became worse, 1 a vector became worse, or one was lost though both runs had the same
tests before them, or a figure of a load became worse, 2 one of the two is no run, 3 a package is damaged.
"""


LOAD = "load.json"


def compare(
    before: Annotated[Path, typer.Argument(metavar="BEFORE", help="Run folder or package.")],
    after: Annotated[Path, typer.Argument(metavar="AFTER", help="Run folder or package.")],
    json: Json = False,
) -> None:
    """See HELP."""
    if (before / LOAD).is_file() and (after / LOAD).is_file():
        _loads(before, after, json=json)
        return
    from dtc_cli.commands.report import read
    from dtc_cli.comparison.pair import compare as run

    found = run(read(before), read(after))
    if json:
        import msgspec

        worded = [msgspec.to_builtins(pace) | {"words": pace.words} for pace in found.paces]
        console.emit_json(msgspec.to_builtins(found) | {"paces": worded, "worse": found.worse})
    else:
        _print(found)
    if found.worse:
        raise typer.Exit(int(ExitCode.NOT_CONFORMANT))


compare.__doc__ = HELP


def _loads(before: Path, after: Path, *, json: bool) -> None:
    """Two loads."""
    from dtc_cli.commands.load import need_extra

    need_extra()
    from dtc_cli.load import difference, result

    found = difference.compare(result.read(before), result.read(after))
    if json:
        import msgspec

        console.emit_json({**msgspec.to_builtins(found), "worse": found.worse})
    else:
        for note in found.notes:
            console.out(f"note: {note}")
        rows = [
            (one.name, f"{one.before:g}", f"{one.after:g}", f"{one.ratio:.3f}",
             f"{one.low:.3f} to {one.high:.3f}", one.words)
            for one in found.differences
        ]  # fmt: skip
        console.table(("figure", "before", "after", "ratio", "95 % interval", "shows"), rows)
    if found.worse:
        raise typer.Exit(int(ExitCode.NOT_CONFORMANT))


def _print(found: "Comparison") -> None:
    for note in found.notes:
        console.out(f"note: {note}")
    _changes("regressions", found.regressions)
    _changes("fixes", found.fixes)
    _changes("changed, neither better nor worse", found.other)
    for title, names in (("new vectors", found.new), ("lost vectors", found.lost)):
        if names:
            console.out(f"{title}: {len(names)}")
            for name in names[:20]:
                console.out(f"  {name}")
            if len(names) > 20:
                console.out(f"  and {len(names) - 20} more")
    if found.paces:
        rows = [
            (
                pace.part,
                str(pace.pairs),
                f"{pace.ratio:.2f}",
                f"{pace.low:.2f} to {pace.high:.2f}",
                pace.words,
            )
            for pace in found.paces
        ]
        console.table(("times", "vectors", "ratio", "95 % interval", "shows"), rows)
    console.out(f"level   {found.level_before} -> {found.level_after}")
    console.out(
        f"{len(found.regressions)} regressions, {len(found.fixes)} fixes, {len(found.other)} changed, "
        f"{len(found.new)} new, {len(found.lost)} lost, {found.same} as before"
    )


def _span(pace: "Pace") -> str:
    return f"{pace.low:.2f} to {pace.high:.2f}"


def _changes(title: str, changes: "Sequence[Change]") -> None:
    if changes:
        rows = [(each.vector, each.before.value, each.after.value, each.reason) for each in changes]
        console.table((title, "before", "after", "why"), rows)
        console.out()
