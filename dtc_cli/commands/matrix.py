"""`dtc matrix`: several targets side by side, requirement by requirement."""

from pathlib import Path
from typing import Annotated

import typer

from dtc_cli import console
from dtc_cli.commands.options import Json

HELP = """Put several runs side by side: targets by requirements, as one HTML page without a network.

\b
Examples:
  dtc matrix runs/* --out matrix.html
  dtc matrix busan.dtcpack.tar.gz ulsan.dtcpack.tar.gz --out matrix.html
  dtc matrix busan.dtcpack.tar.gz ulsan.dtcpack.tar.gz --json

\b
Exit codes: 0 written, 2 one of them is no run, or the file cannot be written, 3 a package is damaged.
"""


def matrix(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders or packages.")],
    out: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("matrix.html"),
    json: Json = False,
) -> None:
    """See HELP."""
    from dtc_cli.commands import signers
    from dtc_cli.commands.report import read
    from dtc_cli.comparison import side_by_side

    reports = [read(run) for run in runs]
    if json:
        console.emit_json(
            {
                "runs": [
                    {
                        "run": report.run_id,
                        "target": report.subject.name,
                        "version": report.subject.version,
                        "claimed": report.verdict.claimed.value,
                        "achieved": report.verdict.achieved.value,
                    }
                    for report in reports
                ],
                "requirements": {
                    name: [outcome.value if outcome else None for outcome in outcomes]
                    for name, (_, outcomes) in side_by_side.grid(reports).items()
                },
            }
        )
        return
    signers.write(out, side_by_side.page(reports))
    console.status(f"wrote {out}")


matrix.__doc__ = HELP
