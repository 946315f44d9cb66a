"""Two loads compared, and the picture of one while it runs."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtc_cli.errors import DtcError
from dtc_cli.load import difference, live
from dtc_cli.load.health import Host
from dtc_cli.load.histogram import Histogram, buckets
from dtc_cli.load.outcome import Instant
from dtc_cli.load.result import Result, Terms
from dtc_cli.load.truth import Findings
from tests.unit.test_load_verdicts import outcome


def load(
    p99: float, *, seconds: int = 30, wobble: float = 2.0, done: int = 100, rate: float = 100.0,
    frozen: int = 0,
) -> Result:  # fmt: skip
    """A load whose seconds go up and down around a p99; in the last of the frozen ones all answers come."""
    made, total = [], Histogram()
    for second in range(seconds):
        tail = p99 + wobble * (second % 3 - 1)
        values: list[int] = []
        if second >= frozen:
            values = [int(p99 * 500)] * (done - 3) + [int(tail * 1000)] * 3
        elif second == frozen - 1:
            values = [1000 * 1000 * age // done for age in range(1, done * frozen + 1)]
        total.record(values)
        made.append(Instant(second, rate, done, done, 0, 0, p99 / 2, tail, 0.2, buckets(values)))
    measured = msgspec.structs.replace(outcome(rate=rate), seconds=tuple(made), total=total.summary())
    schedule = msgspec.structs.replace(
        measured.schedule, steps=(msgspec.structs.replace(measured.schedule.steps[0], duration_s=seconds),)
    )
    terms = Terms(
        profile="standard", mix="keyed", rate=rate, duration_s=seconds, warmup_s=0, workers=1, lanes=8,
        timeout_s=10, seed=0, scaled="", objectives=(),
    )  # fmt: skip
    return Result(
        run="load-x", started="", target={}, data={"objects": 1}, host=Host.here(), terms=terms,
        outcome=msgspec.structs.replace(measured, schedule=schedule),
        findings=Findings(0, 0, {}, ()), verdicts=(),
    )  # fmt: skip


def said(before: Result, after: Result) -> dict[str, str]:
    return {one.name: one.words for one in difference.compare(before, after).differences}


def test_more_than_noise() -> None:
    found = said(load(40), load(80))
    assert found["p99 ms"] == found["p50 ms"] == "worse"
    assert found["answers/s"] == "no more than noise"
    assert said(load(80), load(40))["p99 ms"] == "better"
    assert difference.compare(load(40), load(80)).worse


def test_a_freeze_is_not_hidden() -> None:
    """What is compared are the percentiles of all answers, the run's own; not the means of the seconds'."""
    before, after = load(10, wobble=0), load(10, wobble=0, frozen=5)
    found = {one.name: one for one in difference.compare(before, after).differences}
    for point in ("p50", "p99"):
        one = found[f"{point} ms"]
        for shown, run in ((one.before, before), (one.after, after)):
            own = run.outcome.total.at(point)
            assert own is not None
            assert abs(shown - own) < 0.001
    assert found["p99 ms"].after > 4000
    assert (found["p50 ms"].after, found["p50 ms"].words) == (found["p50 ms"].before, "no more than noise")


def test_a_run_of_an_earlier_version_has_no_latencies_to_compare() -> None:
    old = load(40)
    seconds = tuple(msgspec.structs.replace(one, latencies=None) for one in old.outcome.seconds)
    old = msgspec.structs.replace(old, outcome=msgspec.structs.replace(old.outcome, seconds=seconds))
    beside = difference.compare(old, load(40))
    assert {one.name for one in beside.differences} == {"answers/s", "failed/s"}
    assert "before keeps no latencies" in beside.notes[0]


def test_noise() -> None:
    assert set(said(load(40, wobble=15), load(41, wobble=15)).values()) == {"no more than noise"}
    # Half a millisecond is less than the method can tell, however steady the runs are.
    assert said(load(10, wobble=0), load(10.5, wobble=0))["p99 ms"] == "no more than noise"


def test_fewer_answers_are_worse() -> None:
    assert said(load(40), load(40, done=80))["answers/s"] == "worse"


def test_notes_and_short_runs() -> None:
    assert difference.compare(load(40), load(40, rate=50.0)).notes == ("another rate: 100.0 and 50.0",)
    with pytest.raises(DtcError, match="measured seconds"):
        difference.compare(load(40), load(40, seconds=5))


def test_the_picture_is_drawn_over_itself() -> None:
    picture = live.Picture(columns=120)
    first, second = (picture.drawn(one) for one in load(40, seconds=2).outcome.seconds)
    assert "\x1b[3F" not in first
    assert second.startswith("\x1b[3F")
    assert second.count("\n") == 3
    assert "100 at most" in second


def test_the_picture_fits_into_a_narrow_terminal() -> None:
    (instant,) = load(40, seconds=1).outcome.seconds
    for columns in (60, 40):
        rows = live.Picture(columns=columns).drawn(instant).splitlines()
        assert all(len(row.removeprefix("\x1b[2K")) < columns for row in rows)
        assert rows[0].endswith(("answered", "failed", "ms", "offered"))


@given(st.lists(st.integers(1, 4_000_000_000), min_size=1, max_size=20))
@settings(max_examples=10)
def test_buckets_are_those_of_the_histogram(values: list[int]) -> None:
    histogram = Histogram()
    histogram.record(values)
    assert histogram.percentile_ms(100) == buckets(values)[-1][0] / 1000
    assert sum(times for _, times in buckets(values)) == len(values)
