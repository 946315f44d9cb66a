"""The suites are ordinary pytest tests; the harness's plugin gives them the twin and writes the evidence."""

import pytest

from dtc_cli.harness.suite import Case, Twin

pytest_plugins = ["dtc_cli.harness.plugin"]


@pytest.fixture(scope="session", autouse=True)
def _records_ahead(request: pytest.FixtureRequest) -> None:
    """Put the record vectors of this run to the target's validator in the background, before all else.

    A validator that is a command needs a process for each; they run while other vectors wait for answers.
    """
    params = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    cases = [param["case"] for param in params if isinstance(param.get("case"), Case)]
    if cases:
        twin: Twin = request.getfixturevalue("twin")
        twin.judge_ahead(cases)
