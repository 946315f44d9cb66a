"""Reports made anew from a run folder, to compare them with those of a package."""

from collections.abc import Sequence
from pathlib import Path

from dtc_cli import __version__
from dtc_cli.core import report, runfolder
from dtc_cli.harness import identity
from dtc_cli.reports import FILE_NAMES, FORMATS
from dtc_cli.signing.refusal import NotRequired


def rendered(folder: Path, names: Sequence[str]) -> dict[str, bytes]:
    """File name to content of those of the names that are reports of `dtc`.

    Raises:
        NotRequired: another build of `dtc` made the run, whose reports may look otherwise.
    """
    run = runfolder.read(folder).run
    if (run["tool"]["version"], run["suite"]["digest"]) != (__version__, identity.suite_digest()):
        raise NotRequired("another build of dtc made the reports: dtc report PACKAGE makes them anew")
    made = report.build(folder)
    formats = {file: name for name, file in FILE_NAMES.items()}
    return {name: FORMATS[formats[name]](made) for name in names if name in formats}
