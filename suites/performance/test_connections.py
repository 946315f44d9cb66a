"""100,000 open connections on stream and broker (DTC-PERF-004)."""

from typing import TYPE_CHECKING

import pytest

from dtc_cli.harness.suite import NotTested, Twin, Violation, verifies
from suites.performance.support.loads import CLAUSE, CONNECTIONS, Loads

if TYPE_CHECKING:
    from dtc_cli.harness.suite import Crowded

pytestmark = pytest.mark.late

LOST = 0.001  # DTC-PERF-004
NEAR = 0.8
"""Share of a process's descriptors beyond which a target on this machine ran out of those."""


@verifies("DTC-PERF-004", hazard="load")
def test_so_many_connections_are_held(twin: Twin, loads: Loads) -> None:
    made = loads.crowd()
    if made.limits.possible < made.limits.wanted:
        raise NotTested(f"inconclusive: {'; '.join(made.limits.words)}; {words(made)}")
    wanted = made.limits.wanted
    if made.opened < wanted * (1 - LOST):
        least = NEAR * made.limits.per_process
        if made.same_machine and made.limits.per_process < CONNECTIONS and made.opened > least:
            raise NotTested(
                f"inconclusive: the target stands on this machine, which gives a process "
                f"{made.limits.per_process} descriptors; {words(made)}"
            )
        fail("connections are refused", made)
    if made.lost_share > LOST:
        fail("connections are lost while nothing happens", made)
    if loads.scaled:
        raise NotTested(f"{loads.scaled}; {words(made)}")
    twin.remark = words(made)


@verifies("DTC-PERF-004", negative=True, hazard="load")
def test_no_connection_is_passed_over_by_a_broadcast(twin: Twin, loads: Loads) -> None:
    made = loads.crowd()
    if not made.opened:
        raise NotTested(f"no connection was open; {words(made)}")
    for one in made.broadcasts:
        if one.heard < one.alive * (1 - LOST):
            fail("a broadcast does not reach each connection", made)
    if loads.scaled:
        raise NotTested(f"{loads.scaled}; {words(made)}")
    if made.opened < made.limits.wanted * (1 - LOST):
        raise NotTested(f"inconclusive: fewer than {made.limits.wanted} connections were open; {words(made)}")
    twin.remark = words(made)


def fail(what: str, made: "Crowded") -> None:
    """End the vector.

    Raises:
        Violation: always.
    """
    raise Violation(
        what,
        expected=f"{made.limits.wanted} connections, of which fewer than 0.1 % are lost",
        actual=words(made),
        clause=CLAUSE,
        hint="dtc load connections repeats it",
    )


def words(made: "Crowded") -> str:
    """What came of it, in a line."""
    doors = ", ".join(f"{count} {name}" for name, count in made.by_door.items())
    sent = ", ".join(f"{one.heard} of {one.alive} in {one.took_s:g} s" for one in made.broadcasts)
    refused = "".join(f"; refused {count} x {why}" for why, count in made.refused.items())
    return (
        f"{made.opened} of {made.wanted} connections opened in {made.opening_s:g} s ({doors}), "
        f"{made.lost} lost in {made.held_s:g} s, {made.beats} heartbeats answered, "
        f"broadcasts reached {sent or 'nobody'}{refused}; "
        f"{made.memory_kib // 1024} MiB and {made.descriptors} descriptors at our end; "
        f"{made.host.cores} cores, {made.host.processor}"
    )
