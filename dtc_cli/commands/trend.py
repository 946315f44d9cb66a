"""`dtc trend`: the runs of a target over time."""

from pathlib import Path
from typing import Annotated

import typer

from dtc_cli import console
from dtc_cli.commands.options import Json

HELP = """Show how the runs of a target went over time, and which vectors keep changing.

\b
Examples:
  dtc trend runs/*
  dtc trend january.dtcpack.tar.gz april.dtcpack.tar.gz --json

\b
Exit codes: 0 shown, 2 one of them is no run, 3 a package is damaged.
"""


def trend(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders or packages.")],
    json: Json = False,
) -> None:
    """See HELP."""
    from dtc_cli.commands.report import read
    from dtc_cli.comparison.over_time import trends

    found = trends(read(run) for run in runs)
    if json:
        import msgspec

        console.emit_json({"trends": msgspec.to_builtins(found)})
        return
    for each in found:
        rows = [
            (
                point.started_at[:16],
                point.version,
                point.claimed,
                point.achieved + ("" if point.complete else " (part)"),
                str(point.requirements["passed"]),
                str(point.requirements["failed"]),
                str(sum(point.requirements[name] for name in ("error", "blocked", "not_tested"))),
                "" if point.duration_ms is None else f"{point.duration_ms / 1000:.1f} s",
            )
            for point in each.points
        ]
        console.table(
            ("started", "version", "claimed", "achieved", "passed", "failed", "undecided", "took"),
            rows,
            title=each.target,
        )
        for vector in each.restless[:20]:
            console.out(f"  keeps changing: {vector.vector}  {' '.join(vector.outcomes)}")
        console.out()


trend.__doc__ = HELP
