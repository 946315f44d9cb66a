"""The check that judges the recorded exchanges again; the judging itself is handed in by the command."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from dtc_cli.signing import unpacked
from dtc_cli.signing.case import Case
from dtc_cli.signing.refusal import NotRequired

Rejudge = Callable[[Path], str]
"""Judges a run folder again; returns a reason, or raises Refusal or Unavailable."""


def replayed(case: Case) -> str:
    """The suites come to the recorded verdicts from the recorded exchanges, with no word of the signer's.

    Raises:
        Refusal: INTEGRITY: a verdict does not follow from its exchanges.
        Unavailable: other suites made the run, so that a difference proves nothing.
        NotRequired: it was not asked for.
    """
    if case.rejudge is None:
        raise NotRequired("--replay was not given: the recorded verdicts are taken as they are")
    with tempfile.TemporaryDirectory(prefix="dtc-verify-") as folder:
        unpacked.lay_out(case.files, Path(folder))
        return case.rejudge(Path(folder))
