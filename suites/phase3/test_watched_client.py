"""The target's own stream client, where it has one: DTC-P3-041 to -045."""

import json
from itertools import pairwise
from typing import Any

import pytest

from dtc_cli.harness.suite import (
    Blocked,
    NotApplicable,
    NotTested,
    Part,
    Scene,
    Twin,
    background,
    expect,
    verifies,
)

PING_S, PONG_S = 30.0, 10.0  # P3 6.3
BASE_S, MAX_S, RETRIES = 1.0, 60.0, 10  # P3 6.5
JITTER = 0.5  # P3 6.5, C-74: the delay lies between half of the nominal and the nominal
SLACK_S = 0.6
EARLY = 3
"""Retries that are compared between runs."""
STATES = {"DISCONNECTED", "CONNECTING", "CONNECTED", "HEARTBEAT", "RECONNECTING"}
ARROWS = {  # P3 6.1, C-74
    ("DISCONNECTED", "CONNECTING"),
    ("CONNECTING", "CONNECTED"),
    ("CONNECTING", "RECONNECTING"),
    ("CONNECTING", "DISCONNECTED"),
    ("CONNECTED", "HEARTBEAT"),
    ("HEARTBEAT", "CONNECTED"),
    ("CONNECTED", "RECONNECTING"),
    ("HEARTBEAT", "RECONNECTING"),
    ("CONNECTED", "DISCONNECTED"),
    ("HEARTBEAT", "DISCONNECTED"),
    ("RECONNECTING", "RECONNECTING"),
    ("RECONNECTING", "CONNECTED"),
    ("RECONNECTING", "CONNECTING"),
    ("RECONNECTING", "DISCONNECTED"),
}


def nominal(retry: int) -> float:
    """Seconds before retry 0, 1, ..., without jitter (P3 6.5)."""
    return float(min(BASE_S * 2**retry, MAX_S))


def muted(scene: Scene) -> Any:
    """The server goes silent after a second."""
    return scene.client(Part(mute_after_s=1.0), PING_S + PONG_S + 14)


def dropped(scene: Scene) -> Any:
    """Each connection works for a second and is then cut off."""
    return scene.client(Part(drop_after_s=1.0), 8.0)


def unanswered(scene: Scene) -> Any:
    """CONNECT is never answered."""
    return scene.client(Part(no_connack=True), 6.0)


def refused(scene: Scene) -> Any:
    """No connection is ever accepted, until the client gives up."""
    most = sum(nominal(retry) for retry in range(RETRIES)) + MAX_S + 10
    return scene.client(Part(refuse_after=0), most, RETRIES + 1)


def refused_early_1(scene: Scene) -> Any:
    """The first retries, once more."""
    return scene.client(Part(refuse_after=0), 9.0)


def refused_early_2(scene: Scene) -> Any:
    """The first retries, once more."""
    return scene.client(Part(refuse_after=0), 9.0)


def refused_early_3(scene: Scene) -> Any:
    """The first retries, once more."""
    return scene.client(Part(refuse_after=0), 9.0)


def need_client(twin: Twin) -> None:
    """The condition `client.declared`."""
    if twin.target.client is None:
        raise NotApplicable("the target names no client of its own (client.command)")


def seen(twin: Twin, watch: Any) -> dict[str, Any]:
    """What a watch saw of the client.

    Raises:
        NotTested: when the client did not connect at all.
    """
    need_client(twin)
    found: dict[str, Any] = twin.observed(watch)
    if not found["connections"]:
        raise NotTested("the client of client.command did not connect to the address in place of {url}")
    return found


def states(found: dict[str, Any]) -> list[str]:
    """The states that the client printed: a JSON line with `state`, or the word alone."""
    told = []
    for line in found["lines"]:
        try:
            value = json.loads(line["text"])
        except ValueError:
            value = line["text"]
        word = value.get("state") if isinstance(value, dict) else value
        if isinstance(word, str) and word.upper() in STATES:
            told.append(word.upper())
    return told


def trace(found: dict[str, Any]) -> list[str]:
    """The states.

    Raises:
        NotTested: when the client prints none.
    """
    told = states(found)
    if not told:
        raise NotTested('the client prints no states: a JSON line {"state": ...} for each change (D-24)')
    return told


def gaps(found: dict[str, Any]) -> list[float]:
    """Seconds before each retry: the first connection is no retry."""
    return [later - earlier for earlier, later in pairwise(found["connections"])]


@verifies("DTC-P3-041")
@background(muted, client=True)
def test_a_missing_pong_makes_the_client_reconnect(twin: Twin) -> None:
    found = seen(twin, muted)
    expect.that(
        len(found["connections"]) >= 2,
        "the client stays connected though its heartbeats are not answered",
        expected=f"a new connection about {PONG_S:.0f} s after the heartbeat",
        actual=found["connections"],
        clause="P3 6.3",
    )


@verifies("DTC-P3-041", negative=True)
@background(muted, client=True)
def test_the_client_leaves_connected_within_the_time(twin: Twin) -> None:
    found = seen(twin, muted)
    again = found["connections"][1] if len(found["connections"]) > 1 else None
    limit = 1.0 + PING_S + PONG_S + nominal(0) + 3 * SLACK_S
    expect.that(
        again is not None and again <= limit,
        "the client does not leave CONNECTED 10 s after an unanswered heartbeat",
        expected=f"a new connection within {limit:.0f} s",
        actual=again,
        clause="P3 6.3",
    )


@verifies("DTC-P3-042")
@background(dropped, client=True)
def test_a_trace_follows_the_graph(twin: Twin) -> None:
    told = trace(seen(twin, dropped))
    wrong = [pair for pair in pairwise(["DISCONNECTED", *told]) if pair not in ARROWS and pair[0] != pair[1]]
    expect.that(
        not wrong,
        "a change of state is not in the graph",
        actual=wrong,
        expected="P3 6.1",
        clause="P3 6.1, C-74",
    )
    for state in ("CONNECTING", "CONNECTED", "RECONNECTING"):
        expect.that(state in told, f"the client is never {state}", actual=told, clause="P3 6.1")


@verifies("DTC-P3-042", negative=True)
@background(unanswered, client=True)
def test_the_client_is_not_connected_before_connack(twin: Twin) -> None:
    found = seen(twin, unanswered)
    told = trace(found)
    if not found["connects"]:
        raise NotApplicable("the client sends no CONNECT; it authenticates at the upgrade (C-68)")
    expect.that(
        "CONNECTED" not in told, "the client is CONNECTED before CONNACK", actual=told, clause="P3 6.1"
    )


@verifies("DTC-P3-043")
@background(refused, client=True)
@pytest.mark.parametrize("retry", range(RETRIES))
def test_a_retry_waits_no_longer_than_the_formula(twin: Twin, retry: int) -> None:
    found = gaps(seen(twin, refused))
    if retry >= len(found):
        raise Blocked("DTC-P3-045", f"there were only {len(found)} retries")
    expect.that(
        found[retry] <= nominal(retry) + SLACK_S,
        "a retry comes later than the formula says",
        expected=f"at most {nominal(retry):.0f} s before retry {retry}",
        actual=round(found[retry], 2),
        clause="P3 6.5, C-74",
    )


@verifies("DTC-P3-043", negative=True)
@background(refused, client=True)
def test_delays_grow_and_are_capped(twin: Twin) -> None:
    found = gaps(seen(twin, refused))[:RETRIES]
    expect.that(
        all(gap <= MAX_S + SLACK_S for gap in found),
        "a delay is above 60 s",
        actual=[round(gap, 1) for gap in found],
        clause="P3 6.5",
    )
    early = [(retry, round(gap, 2)) for retry, gap in enumerate(found) if gap < nominal(retry) * JITTER - 0.1]
    expect.that(
        len(early) < 2,
        "delays do not grow as the formula says",
        expected="1, 2, 4, 8, 16, 32, 60, 60, 60, 60 s, half of it at least",
        actual=early,
        clause="P3 6.5, C-74",
    )


@verifies("DTC-P3-044")
@background(refused, client=True)
def test_no_retry_comes_before_half_of_its_delay(twin: Twin) -> None:
    found = gaps(seen(twin, refused))[:RETRIES]
    early = [
        (retry, round(gap, 2)) for retry, gap in enumerate(found) if gap < nominal(retry) * JITTER - 0.05
    ]
    expect.that(
        not early,
        "a retry comes before half of its delay",
        expected="a factor between 0.5 and 1.0",
        actual=early,
        clause="P3 6.5, C-74",
    )


@verifies("DTC-P3-044", negative=True)
@background(refused, client=True)
def test_jitter_makes_no_delay_longer(twin: Twin) -> None:
    """The factor is at most 1.0; the first delays tell, before the cap."""
    found = gaps(seen(twin, refused))[: EARLY + 2]
    late = [(retry, round(gap, 2)) for retry, gap in enumerate(found) if gap > nominal(retry) + SLACK_S]
    expect.that(
        not late,
        "a retry comes after its whole delay",
        expected="a factor between 0.5 and 1.0",
        actual=late,
        clause="P3 6.5, C-74",
    )


@verifies("DTC-P3-044", negative=True)
@background(refused, client=True)
@background(refused_early_1, client=True)
@background(refused_early_2, client=True)
@background(refused_early_3, client=True)
def test_the_delays_of_several_runs_differ(twin: Twin) -> None:
    runs = [
        gaps(seen(twin, watch))[:EARLY]
        for watch in (refused, refused_early_1, refused_early_2, refused_early_3)
    ]
    factors = [gap / nominal(retry) for run in runs for retry, gap in enumerate(run)]
    if len(factors) < EARLY:
        raise Blocked("DTC-P3-045", "there were too few retries")
    expect.that(
        max(factors) - min(factors) > 0.05,
        "the delays of several runs are the same: there is no jitter",
        expected="a random factor between 0.5 and 1.0",
        actual=[round(factor, 3) for factor in factors],
        clause="P3 6.5",
    )


@verifies("DTC-P3-045")
@background(refused, client=True)
def test_the_client_retries_ten_times_and_is_disconnected(twin: Twin) -> None:
    found = seen(twin, refused)
    expect.equal(len(gaps(found)), RETRIES, "the client does not retry ten times", clause="P3 6.5")
    told = states(found)
    expect.that(
        found["ended"] is not None or (bool(told) and told[-1] == "DISCONNECTED"),
        "the client is not DISCONNECTED after its last retry",
        actual=told[-3:],
        clause="P3 6.5",
    )


@verifies("DTC-P3-045", negative=True)
@background(refused, client=True)
def test_there_is_no_eleventh_retry(twin: Twin) -> None:
    count = len(gaps(seen(twin, refused)))
    expect.that(
        count <= RETRIES,
        "the client retries more than ten times",
        expected=RETRIES,
        actual=count,
        clause="P3 6.5",
    )
