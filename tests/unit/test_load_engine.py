"""The open loop tells the truth about servers whose law of latency is known (D-25)."""

import itertools
from collections.abc import Callable

import pytest

from dtc_cli.load.dispatcher import Dispatcher, Tally
from dtc_cli.load.histogram import Histogram
from dtc_cli.load.schedule import Schedule, Step
from dtc_cli.load.traffic import Request, Route, Traffic, encode, mix
from tests.support.virtual_server import Law, World

TRAFFIC = mix([Route("only", 1.0, (Request(0, b"x"),))], seed=1)


def measured(law: Law, schedule: Schedule, *, lanes: int = 512, timeout_s: float = 30.0) -> Tally:
    dispatcher = Dispatcher(
        schedule.dues(), TRAFFIC, warm_until=schedule.warmup_s, until=schedule.duration_s, timeout_s=timeout_s
    )
    World(dispatcher, law, lanes=lanes).run(schedule.duration_s + timeout_s + 1)
    dispatcher.give_up(schedule.duration_s + timeout_s + 1)
    return dispatcher.take()


def percentile(tally: Tally, point: float) -> float:
    histogram = Histogram()
    histogram.record(tally.latencies[0])
    found = histogram.percentile_ms(point)
    assert found is not None
    return found


def frozen(number: int, now: float) -> float:
    """5 ms, but the server stands still during the first five seconds of each minute."""
    within = now % 60
    return (5 - within if within < 5 else 0.0) + 0.005


LAWS: dict[str, tuple[Callable[[int, float], float], dict[float, float]]] = {
    "constant 40 ms": (lambda _n, _t: 0.040, {50: 40, 99: 40}),
    "bimodal 20 and 200 ms": (lambda n, _t: 0.020 if n % 10 else 0.200, {50: 20, 95: 200, 99: 200}),
    "every 50th takes 2 s": (lambda n, _t: 2.0 if n % 50 == 0 else 0.030, {50: 30, 95: 30, 99: 2000}),
}


@pytest.mark.parametrize("name", LAWS)
def test_percentiles_of_a_known_law_come_out(name: str) -> None:
    law, expected = LAWS[name]
    tally = measured(law, Schedule.constant(500, 60))
    for point, milliseconds in expected.items():
        # One tick of the event loop is part of every latency, and the histogram has three digits.
        assert percentile(tally, point) == pytest.approx(milliseconds, rel=0.02, abs=1.1), point


def test_a_freeze_shows_and_a_closed_loop_would_have_missed_it() -> None:
    schedule = Schedule.constant(200, 120)
    tally = measured(frozen, schedule, lanes=2000)
    # Of each minute five seconds are frozen: the worst hundredth waited more than 4.4 of the 5 seconds.
    assert percentile(tally, 99) == pytest.approx(4405, rel=0.02)
    closed, now = Histogram(), 0.0
    for number in itertools.count():
        took = frozen(number, now)
        closed.record([int(took * 1e6)])
        now += took
        if now > schedule.duration_s:
            break
    missed = closed.percentile_ms(99)
    assert missed is not None
    assert missed < 10


def test_waiting_for_a_lane_counts_as_latency() -> None:
    tally = measured(lambda _n, _t: 0.1, Schedule.constant(100, 10), lanes=5)
    # Five lanes of 100 ms carry 50 requests a second: the queue grows by 50 each second, for ten seconds.
    assert percentile(tally, 50) == pytest.approx(5100, rel=0.02)
    # And the rate that comes out while the schedule runs is that of the lanes, not the offered one.
    assert tally.good == pytest.approx(500, rel=0.02)
    assert tally.done == 1000


def test_what_is_never_answered_in_time_is_an_error() -> None:
    tally = measured(lambda _n, _t: 1000.0, Schedule.constant(10, 2), lanes=5, timeout_s=3.0)
    assert tally.errors == {"timeout: never sent": 15}
    assert tally.good == 0


def test_a_wrong_status_is_an_error_with_its_latency() -> None:
    schedule = Schedule.constant(100, 1)
    dispatcher = Dispatcher(schedule.dues(), TRAFFIC, warm_until=0.5, until=1.0, timeout_s=5)
    World(dispatcher, lambda _n, _t: 0.01, lanes=10, status=503).run(10)
    tally = dispatcher.take()
    assert tally.errors == {"status 503": 50}
    assert (len(tally.latencies[0]), len(tally.warm), tally.good) == (50, 50, 0)


def test_a_lane_that_is_gone_is_not_used() -> None:
    schedule = Schedule.constant(10, 1)
    dispatcher = Dispatcher(schedule.dues(), TRAFFIC, warm_until=0, until=1.0, timeout_s=5)
    world = World(dispatcher, lambda _n, _t: 0.0, lanes=0)

    class Broken:
        def send(self, _ticket: object) -> None:
            raise AssertionError("sent on a lane that is gone")

    broken = Broken()
    dispatcher.free(broken, 0.0)
    dispatcher.lost(broken)
    dispatcher.lost(broken)
    world.run(0.45)
    assert dispatcher.waiting == 5


def test_workers_share_a_schedule_without_gap_or_overlap() -> None:
    schedule = Schedule((Step(100, 1.005), Step(33, 2), Step(7.5, 1)), warmup_s=0.5)
    alone = list(schedule.dues())
    assert [number for number, _ in alone] == list(range(schedule.count))
    assert [due for _, due in alone] == sorted(due for _, due in alone)
    shared = sorted(pair for worker in range(3) for pair in schedule.dues(worker, 3))
    assert shared == alone
    assert (schedule.offered(0), schedule.offered(2), schedule.offered(99)) == (100, 33, 0)


def test_weights_come_true_and_the_seed_decides() -> None:
    routes = [Route("a", 0.9, (Request(0, b"1"), Request(0, b"2"))), Route("b", 0.1, (Request(0, b"3"),))]
    one, two = mix(routes, 7), mix(routes, 7)
    assert one == two
    assert mix(routes, 8).order != one.order

    def share(traffic: Traffic) -> float:
        return sum(traffic.requests[place].route for place in traffic.order) / len(traffic.order)

    assert share(one) == pytest.approx(0.1, abs=0.01)


def test_a_request_is_the_bytes_of_http() -> None:
    assert encode("GET", "/a?b=1", "h:1", {"X": "y"}) == b"GET /a?b=1 HTTP/1.1\r\nHost: h:1\r\nX: y\r\n\r\n"
    assert encode("POST", "/a", "h", {}, b"{}").endswith(b"Content-Length: 2\r\n\r\n{}")


def test_histograms_merge_and_come_back() -> None:
    left, right = Histogram(), Histogram()
    left.record([1000, 2000, 0])
    right.record([3000, 10**12])
    left.merge(right)
    kept = left.summary()
    assert kept.count == 5
    assert kept.max_ms == pytest.approx(3_600_000, rel=0.01)
    assert Histogram.of(kept).summary() == kept
    assert Histogram().summary().at("p99") is None
