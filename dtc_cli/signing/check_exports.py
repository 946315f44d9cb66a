"""The check that the reports in a package say what its evidence says; the rendering is handed in."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from dtc_cli.signing import layout, unpacked
from dtc_cli.signing.case import Case
from dtc_cli.signing.refusal import NotRequired, Refusal

Render = Callable[[Path, Sequence[str]], dict[str, bytes]]
"""Renders the reports of those file names from a run folder; raises NotRequired when another build of `dtc`
made them. Names that it does not know are left out."""


def exports_match(case: Case) -> str:
    """Each report in the package is the one that follows from the evidence, byte for byte.

    Whoever owns the key can sign a report that lies beside honest evidence; people open reports.

    Raises:
        Refusal: INTEGRITY: naming the report.
        NotRequired: it was not asked for, there are no reports, or another build made them.
    """
    names = [name.removeprefix(layout.EXPORTS) for name in case.digests if name.startswith(layout.EXPORTS)]
    if not names:
        raise NotRequired("the package holds no reports")
    if case.render is None:
        raise NotRequired("--reports was not given: what exports/ says was not compared with the evidence")
    with tempfile.TemporaryDirectory(prefix="dtc-verify-") as folder:
        unpacked.lay_out(case.files, Path(folder))
        made = case.render(Path(folder), names)
    for name in names:
        if name not in made:
            raise Refusal(f"exports/{name} is no report that dtc makes")
        if case.files.read(layout.EXPORTS + name) != made[name]:
            raise Refusal(f"exports/{name} says something else than the evidence")
    return f"{len(names)} reports, each as it follows from the evidence"
