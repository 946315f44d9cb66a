"""Fixtures of the performance suites: nothing here runs unless the target file allows the hazard."""

from collections.abc import Iterator

import pytest

from dtc_cli.harness.suite import Twin
from suites.performance.support.loads import Loads


@pytest.fixture(autouse=True)
def allowed(twin: Twin) -> None:
    """A load needs the owner's consent."""
    twin.need_hazard("load")


@pytest.fixture(scope="session")
def loads(twin: Twin) -> Iterator[Loads]:
    """The measurements of the run, each taken once; what they created goes at the end."""
    made = Loads(twin)
    yield made
    made.close()
