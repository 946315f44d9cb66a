"""What `replay --live` says of a vector, by its outcome then and now."""

import pytest

from dtc_cli.core.model import Finding, Outcome
from dtc_cli.exit_codes import ExitCode
from dtc_cli.harness.replay import compared
from tests.support.report_runs import line

PASSED, FAILED, WARNED = Outcome.PASSED, Outcome.FAILED, Outcome.WARNED


@pytest.mark.parametrize(
    ("then", "now", "word", "code"),
    [
        (PASSED, PASSED, "STILL PASSING", 0),
        (WARNED, PASSED, "FIXED", 0),
        (PASSED, WARNED, "CHANGED", 0),
        (FAILED, WARNED, "CHANGED", 0),
        (WARNED, WARNED, "STILL WARNED", 0),
        (WARNED, FAILED, "NOW FAILING", 1),
        (WARNED, Outcome.BLOCKED, "NOW UNDECIDED", 6),
        (FAILED, Outcome.ERROR, "CHANGED", 6),
    ],
)
def test_a_warning_is_no_failure(then: Outcome, now: Outcome, word: str, code: int) -> None:
    assert compared(line("R/a", then), line("R/a", now)) == (word, ExitCode(code))


def test_another_warning_has_changed() -> None:
    now = line("R/a", WARNED, finding=Finding(message="something else"))
    assert compared(line("R/a", WARNED), now) == ("CHANGED", ExitCode.OK)
