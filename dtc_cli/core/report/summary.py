"""The one object that `--json` prints for `dtc certify` and `dtc report`."""

from pathlib import Path
from typing import Any

from dtc_cli.core.report.model import Report


def summary(report: Report, package: Path | str | None = None) -> dict[str, Any]:
    """Run, package, level, requirements and totals, as scripts and CI rely on it.

    `totals` counts requirements by outcome; all seven outcomes are always there. `run` is null for a report
    that was read from a package.
    """
    return {
        "run": report.folder or None,
        "package": None if package is None else str(package),
        "level": {"claimed": report.verdict.claimed.value, "achieved": report.verdict.achieved.value},
        "requirements": {
            row.id: {"outcome": row.outcome.value, "strength": row.strength.value, "message": row.message}
            for row in sorted(report.requirements, key=lambda row: row.id)
        },
        "totals": dict(report.totals.requirements),
    }
