"""Fixtures of the phase 2 suites: what several modules use and is made once per run."""

import pytest

from dtc_cli.harness.suite import Twin
from suites.phase2.support import dataset
from suites.phase2.support.allowance import Allowance
from suites.phase2.support.operations import Operations
from suites.phase2.support.refusals import Refusals
from suites.phase2.support_live_past import go_on

PAST = frozenset({"DTC-P2-083", "DTC-P2-084"})
"""What is judged by a past that takes a few seconds to be made."""
STEPS = ("test_aggregate", "test_credentials", "test_errors_internals", "test_errors_requests")
"""Modules before which a step of that past is made, while there is other work to do in between."""


@pytest.fixture(scope="module", autouse=True)
def _past_ahead(request: pytest.FixtureRequest, twin: Twin) -> None:
    """Make the past step by step, ahead of the vectors that look at it."""
    if request.module.__name__.rpartition(".")[2] in STEPS and PAST & twin.own_run.planned:
        go_on(twin)


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
