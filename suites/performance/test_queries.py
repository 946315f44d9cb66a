"""Lists, places and series on the loaded city (DTC-PERF-006)."""

import pytest

from dtc_cli.harness.suite import Twin, verifies
from suites.performance.support.loads import Loads

pytestmark = pytest.mark.late


@verifies("DTC-PERF-006", hazard="load")
def test_lists_and_places_are_answered_within_half_a_second(twin: Twin, loads: Loads) -> None:
    judge(twin, loads, "lists", "bounds", "nearby", "errors")


@verifies("DTC-PERF-006", negative=True, hazard="load")
def test_a_day_of_a_sensor_is_answered_within_half_a_second(twin: Twin, loads: Loads) -> None:
    judge(twin, loads, "series")


def judge(twin: Twin, loads: Loads, *names: str) -> None:
    """Judge, and say how large the city was; a city too small for a pass can still show a failure."""
    made = loads.queries()
    loads.judge(made, *names)
    # Raises when the city stayed too small: what was quick there need not be quick in a city of full size.
    twin.remark = f"{twin.remark}; the city holds {loads.fill()}"
