"""A limited client is served again: DTC-P2-103. It stands late in the run, so that the wait is short."""

from datetime import timedelta

from dtc_cli.harness.suite import Blocked, NotTested, Twin, expect, verifies
from suites.phase2.support.allowance import CITY, Allowance, waiting_s

LONGEST_S = 65.0
"""One window of a minute and some slack (C-115)."""
SLACK_S = 3.0
PAUSE_S = 0.5


@verifies("DTC-P2-103")
def test_limited_client_is_served_again(twin: Twin, allowance: Allowance) -> None:
    exhaustion = allowance.used_up()
    if exhaustion.refused is None:
        raise Blocked("DTC-P2-101", "the allowance could not be exceeded")
    told = waiting_s(exhaustion.refused)
    if told is not None and told > LONGEST_S:
        raise NotTested(f"the target asks to wait {told:.0f} s; a key with a short window would help")
    end = exhaustion.at + timedelta(seconds=(LONGEST_S if told is None else told) + SLACK_S)
    answer = twin.rest.get(CITY, as_=exhaustion.role, patient=False)
    while answer.status == 429 and twin.clock.now() < end:
        twin.clock.wait(min(PAUSE_S, max(0.05, (end - twin.clock.now()).total_seconds())))
        answer = twin.rest.get(CITY, as_=exhaustion.role, patient=False)
    expect.that(
        answer.status != 429,
        "a limited client is not served again after its window",
        expected="status 200 after Retry-After, or after a minute",
        actual=f"status {answer.status} at {twin.clock.now().isoformat(timespec='seconds')}",
        clause="P2 9.2, C-115",
    )
