"""Fixtures of the security suites: nothing here runs unless the target file allows the hazard."""

import pytest

from dtc_cli.harness.suite import Twin
from suites.phase2.support.allowance import Allowance
from suites.phase2.support.operations import Operations
from suites.phase2.support.tokens import Tokens
from suites.security.support.secret import Secret


@pytest.fixture(autouse=True)
def allowed(twin: Twin) -> None:
    """Attacks need the owner's consent."""
    twin.need_hazard("security")


@pytest.fixture(scope="session")
def operations(twin: Twin) -> Operations:
    """The 22 operations as requests."""
    return Operations(twin)


@pytest.fixture(scope="session")
def tokens(twin: Twin) -> Tokens:
    """The token endpoint of the target."""
    return Tokens(twin)


@pytest.fixture(scope="session")
def allowance(twin: Twin) -> Allowance:
    """The allowance of the key `limited`, to be used up."""
    return Allowance(twin)


@pytest.fixture(scope="session")
def secret(twin: Twin) -> Secret:
    """An object that only those with a key may see, recognised by its name wherever it leaks."""
    return Secret(twin)
