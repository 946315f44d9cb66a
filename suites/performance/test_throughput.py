"""10,000 requests a second, their latencies and their truth (DTC-PERF-001, -002, -003, -008, -010)."""

import msgspec
import pytest

from dtc_cli.harness.suite import NotTested, Twin, Violation, expect, verifies
from suites.performance.support.loads import CLAUSE, Loads, describe

pytestmark = pytest.mark.late

DECIDED = {"passed", "failed"}
STANDSTILL_S = 5.0
APART = 0.1  # DTC-PERF-008
REPEATED = ("p50", "p95", "p99")
KEPT_UP = 0.99
"""Share of the offered rate below which requests pile up."""


@verifies("DTC-PERF-001", hazard="load")
def test_ten_thousand_requests_a_second_are_answered(twin: Twin, loads: Loads) -> None:
    loads.judge(loads.standard(), "throughput")
    twin.remark = f"{twin.remark}; {loads.limiter()}"


@verifies("DTC-PERF-001", negative=True, hazard="load")
def test_under_that_load_nothing_is_refused(loads: Loads) -> None:
    loads.judge(loads.standard(), "errors")


@verifies("DTC-PERF-002", hazard="load")
def test_the_result_tells_of_rates_host_and_generator(twin: Twin, loads: Loads) -> None:
    made = loads.standard()
    health = made.outcome.health
    expect.that(
        made.outcome.offered_per_s > 0 and health.due > 0 and not made.gaps,
        "the result does not tell how it was made",
        expected="offered and achieved rate, host, generator",
        actual=made.gaps,
        clause=CLAUSE,
    )
    limit = "; ".join(health.reasons) or "no"
    twin.remark = f"{describe(made)}; was the generator the limit: {limit}"


@verifies("DTC-PERF-002", negative=True, hazard="load")
def test_a_saturated_generator_decides_nothing(loads: Loads) -> None:
    spoilt = loads.standard().saturated()
    decided = [
        one.name for one in spoilt.verdicts if one.outcome in DECIDED and one.metric != "wrong_answers"
    ]
    expect.that(
        not decided,
        "a measurement by a generator that was the limit is taken for one of the target",
        expected="inconclusive",
        actual=decided,
        clause="P4 8.3, C-92",
    )


@verifies("DTC-PERF-003", hazard="load")
def test_99_of_100_answers_come_within_100_ms(loads: Loads) -> None:
    loads.judge(loads.standard(), "latency")


@verifies("DTC-PERF-003", negative=True, hazard="load")
def test_a_standstill_would_show_in_the_latency(loads: Loads) -> None:
    verdict = loads.standard().stalled(STANDSTILL_S).verdict("latency")
    expect.that(
        verdict.outcome == "failed",
        f"a standstill of {STANDSTILL_S:g} s does not show in this measurement",
        expected="latencies that count from the instant at which a request was due",
        actual=f"p99 {verdict.measured} ms, {verdict.outcome} {verdict.why}",
        clause="P4 8.3, C-91",
    )


@verifies("DTC-PERF-008", hazard="load")
def test_the_figures_come_again_within_ten_per_cent(twin: Twin, loads: Loads) -> None:
    first, second = loads.standard(), loads.standard(1)
    loads.refused_by_limiter(first)
    told, apart = [], []
    pairs = [
        ("throughput", first.outcome.achieved_per_s, second.outcome.achieved_per_s, 1.0),
        *(
            (point, first.outcome.total.at(point), second.outcome.total.at(point), 1.0)
            for point in REPEATED
        ),
    ]  # fmt: skip
    for name, one, other, exact in pairs:
        if one is None or other is None:
            raise NotTested(f"{name} could not be measured twice")
        told.append(f"{name} {one:.4g} and {other:.4g}")
        # Milliseconds, or requests a second: what the method itself may be off is no difference.
        if abs(one - other) > APART * max(one, other) + exact:
            apart.append(name)
    words = f"{', '.join(told)}; {describe(first)}"
    for made in (first, second):
        if made.outcome.health.saturated:
            raise NotTested(f"inconclusive: {'; '.join(made.outcome.health.reasons)}; {words}")
    if apart and all(
        made.outcome.achieved_per_s < KEPT_UP * made.outcome.offered_per_s for made in (first, second)
    ):
        raise NotTested(
            f"inconclusive: in neither run the target kept up with the rate: how fast requests pile up "
            f"({', '.join(apart)}) says nothing of how long answers take; {words}"
        )
    if {"throughput", "p50"} & set(apart):
        raise Violation(
            f"two runs differ by more than a tenth in {', '.join(apart)}",
            expected="figures within 10 % of each other",
            actual=words,
            clause="P4 8.3 phase 4",
        )
    if apart:
        raise NotTested(
            f"inconclusive: the tail ({', '.join(apart)}) was not repeatable within 10 %: the machine or the "
            f"target is uneven, and a benchmark is no more than one run; {words}"
        )
    if loads.scaled:
        raise NotTested(f"{loads.scaled}; {words}")
    twin.remark = words


@verifies("DTC-PERF-008", negative=True, hazard="load")
def test_a_run_without_host_or_data_is_no_benchmark(loads: Loads) -> None:
    made = loads.standard()
    nameless = msgspec.structs.replace(made, host=msgspec.structs.replace(made.host, system="", cores=0))
    without = msgspec.structs.replace(made, data={})
    noticed = (nameless.gaps, without.gaps)
    expect.that(
        noticed == (("host",), ("data set",)),
        "a benchmark without host or data set is not noticed",
        expected="each is missed",
        actual=noticed,
        clause="P4 8.3 phase 4",
    )


@verifies("DTC-PERF-010", hazard="load")
def test_objects_are_the_right_ones_under_load(loads: Loads) -> None:
    loads.judge(loads.standard(), "truth")


@verifies("DTC-PERF-010", negative=True, hazard="load")
def test_lists_and_searches_do_not_run_dry_under_load(loads: Loads) -> None:
    loads.judge(loads.queries(), "truth")
