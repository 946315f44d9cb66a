"""Fixtures of the phase 2 suites: what several modules use and is made once per run."""

import pytest

from dtc_cli.harness.suite import Twin
from suites.phase2.support import dataset
from suites.phase2.support.allowance import Allowance
from suites.phase2.support.operations import Operations
from suites.phase2.support.refusals import Refusals


@pytest.fixture(scope="session")
def sample(twin: Twin) -> dataset.Sample:
    """The objects that the query suites search in."""
    return dataset.create(twin)


@pytest.fixture(scope="session")
def operations(twin: Twin) -> Operations:
    """The 22 operations as requests."""
    return Operations(twin)


@pytest.fixture(scope="session")
def allowance(twin: Twin) -> Allowance:
    """The allowance of the key `limited`, to be used up."""
    return Allowance(twin)


@pytest.fixture(scope="session")
def refusals(twin: Twin, operations: Operations) -> Refusals:
    """One answer of each kind of error."""
    return Refusals(twin, operations)
