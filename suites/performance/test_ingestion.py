"""Readings of 50,000 sensors, and of 100,000 (DTC-PERF-005, -007)."""

from typing import TYPE_CHECKING

import pytest

from dtc_cli.harness.suite import NotTested, Twin, Violation, verifies
from suites.performance.support.loads import CLAUSE, FLEET, Loads

if TYPE_CHECKING:
    from dtc_cli.harness.suite import Ingested

pytestmark = pytest.mark.late

SLOWER = 1.1
"""By this factor a minute's readings may take longer: the last one waits for its answer."""
BUSY = 0.9


@verifies("DTC-PERF-005", hazard="load")
def test_each_reading_that_was_accepted_can_be_read(twin: Twin, loads: Loads) -> None:
    made = loads.ingested()
    if made.lost or made.changed:
        fail("readings that were accepted are lost or changed", made)
    if made.registered < made.sensors:
        fail("sensors cannot be registered", made)
    if made.taken < sum(made.sent.values()):
        fail("readings are not accepted", made)
    if made.took_s > made.interval_s * SLOWER and not loads.scaled:
        if made.cpu_share > BUSY:
            raise NotTested(f"inconclusive: the generator used {made.cpu_share:.0%} of a core; {words(made)}")
        fail("the readings of an interval take longer than the interval", made)
    decide(twin, loads, made)


@verifies("DTC-PERF-005", negative=True, hazard="load")
def test_no_reading_is_there_twice_or_out_of_nothing(twin: Twin, loads: Loads) -> None:
    made = loads.ingested()
    if made.doubled or made.foreign:
        fail("readings are there twice, or nobody submitted them", made)
    if not made.taken:
        raise NotTested(f"no reading was accepted; {words(made)}")
    decide(twin, loads, made)


@verifies("DTC-PERF-007", hazard="load")
def test_a_hundred_thousand_sensors_are_registered(twin: Twin, loads: Loads) -> None:
    first, second = loads.ingested(), loads.fleet()
    there = first.registered + second.registered
    if there < first.sensors + second.sensors or second.lost or second.taken < second.registered:
        fail(f"of {FLEET} sensors each can register and publish", second)
    decide(twin, loads, second)


def decide(twin: Twin, loads: Loads, made: "Ingested") -> None:
    """Pass, unless the run was scaled down or could not read all.

    Raises:
        NotTested: when it was.
    """
    if made.unreadable or made.reading:
        raise NotTested(f"inconclusive: {made.unreadable} sensors could not be read; {words(made)}")
    if loads.scaled:
        raise NotTested(f"{loads.scaled}; {words(made)}")
    twin.remark = words(made)


def fail(what: str, made: "Ingested") -> None:
    """End the vector.

    Raises:
        Violation: always.
    """
    raise Violation(
        what,
        expected=f"a reading of each of {made.sensors} sensors in {made.interval_s:g} s, once and unchanged",
        actual=words(made),
        clause=CLAUSE,
        hint="dtc load ingestion repeats it",
    )


def words(made: "Ingested") -> str:
    """What came of it, in a line."""
    doors = ", ".join(
        f"{made.accepted.get(name, 0)} of {count} by {name}" for name, count in made.sent.items()
    )
    refused = "".join(
        f"; {count} x {why}" for why, count in {**made.refusals, **made.refused}.items()
    )  # fmt: skip
    p99 = made.latency.at("p99")
    return (
        f"{made.registered} of {made.sensors} sensors registered; "
        f"accepted {doors or 'nothing'} in {made.took_s:g} s, p99 {p99 or 0:.1f} ms; "
        f"{made.lost} lost, {made.doubled} doubled, {made.changed} changed, "
        f"{made.foreign} foreign{refused}{'; ' + made.examples[0] if made.examples else ''}; "
        f"generator {made.cpu_share:.0%} of a core; {made.host.cores} cores, {made.host.processor}"
    )
