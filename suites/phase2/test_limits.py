"""Rate limits: DTC-P2-101, -102, and that clients are limited separately (-103)."""

from itertools import pairwise

import pytest

from dtc_cli.harness.suite import Answer, Blocked, NotTested, Twin, expect, verifies
from suites.phase2.support.allowance import CITY, Allowance, allowance_of
from suites.phase2.support.replies import refused

HEADERS = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
CLAUSE = "P2 9.2, C-115"


@verifies("DTC-P2-101")
def test_within_the_allowance(allowance: Allowance) -> None:
    exhaustion = allowance.used_up()
    wrong = [answer.status for answer in exhaustion.served if not answer.ok]
    expect.equal(wrong[:5], [], "requests within the allowance are not served", clause=CLAUSE)


@verifies("DTC-P2-101", negative=True)
def test_above_the_allowance(allowance: Allowance) -> None:
    exhaustion = allowance.used_up()
    if exhaustion.refused is None and exhaustion.too_slow:
        raise NotTested("answers take too long to use up an allowance that is given out again by the minute")
    expect.that(
        exhaustion.refused is not None,
        f"{len(exhaustion.served)} requests in a row were served without a 429",
        expected=f"429 above an allowance of {exhaustion.allowance}",
        actual=f"{len(exhaustion.served)} times status 200",
        clause=CLAUSE,
    )
    if exhaustion.refused is not None:
        refused(exhaustion.refused, {429}, {"RATE_LIMIT_EXCEEDED"}, clause=CLAUSE)


@verifies("DTC-P2-102")
@pytest.mark.parametrize("name", HEADERS)
def test_allowance_is_advertised(twin: Twin, name: str) -> None:
    answer = twin.rest.get(CITY)
    text = answer.headers.get(name, "")
    expect.that(
        text[:1].isdigit(),
        f"the header {name} is missing or no number",
        expected="a number",
        actual=text or "no such header",
        clause=CLAUSE,
    )


@verifies("DTC-P2-102")
def test_retry_after_with_429(allowance: Allowance) -> None:
    exhaustion = allowance.seen()
    if exhaustion.refused is None:
        raise Blocked("DTC-P2-101", "the allowance could not be exceeded")
    expect.that(
        exhaustion.refused.headers.get("retry-after", "") != "",
        "a 429 carries no Retry-After",
        expected="Retry-After in seconds",
        actual=", ".join(sorted(exhaustion.refused.headers)),
        clause=CLAUSE,
    )


@verifies("DTC-P2-102")
def test_remaining_decreases(allowance: Allowance) -> None:
    """Within a window, each request takes one away; where the window ends, it starts again."""
    exhaustion = allowance.seen()
    left = [remaining(answer) for answer in exhaustion.served[:10]]
    if None in left or len(left) < 3:
        raise NotTested("the answers tell no X-RateLimit-Remaining")
    steps = [int(a or 0) - int(b or 0) for a, b in pairwise(left)]
    expect.that(
        sum(step == 1 for step in steps) >= len(steps) - 1,
        "X-RateLimit-Remaining does not decrease by one per request",
        expected="one less with each request",
        actual=left,
        clause=CLAUSE,
    )


@verifies("DTC-P2-102", negative=True)
def test_no_other_allowance_than_advertised(allowance: Allowance) -> None:
    exhaustion = allowance.seen()
    first = exhaustion.served[0]
    limit, left = allowance_of(first), remaining(first)
    if limit is None or left is None:
        raise NotTested("the answers advertise no allowance")
    expect.that(
        left < limit or limit == 0,
        "X-RateLimit-Remaining does not count the request that it answers",
        expected=f"less than {limit}",
        actual=left,
        clause=CLAUSE,
    )


@verifies("DTC-P2-103", negative=True)
def test_another_client_is_not_limited(allowance: Allowance) -> None:
    exhaustion = allowance.used_up()
    if exhaustion.refused is None or exhaustion.other is None:
        raise Blocked("DTC-P2-101", "the allowance could not be exceeded")
    expect.that(
        exhaustion.other.status != 429,
        "one client's used up allowance limits another",
        expected="status 200 for the key admin",
        actual=f"status {exhaustion.other.status}",
        clause=CLAUSE,
    )


def remaining(answer: Answer) -> int | None:
    """What an answer tells to be left of the allowance."""
    text = answer.headers.get("x-ratelimit-remaining", "").strip()
    return int(text) if text.isdigit() else None
