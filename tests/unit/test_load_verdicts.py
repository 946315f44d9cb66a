"""Objectives, the generator's health, the search and the guard."""

from pathlib import Path

import msgspec
import pytest

from dtc_cli.core import target as target_file
from dtc_cli.errors import DtcError
from dtc_cli.load import conduct, guard, health, objectives, search
from dtc_cli.load.histogram import Histogram
from dtc_cli.load.objectives import Objective
from dtc_cli.load.outcome import Instant, Outcome
from dtc_cli.load.schedule import Schedule


def outcome(
    *, rate: float = 100, good_share: float = 1.0, late_us: int = 500, latency_us: int = 1000
) -> Outcome:
    schedule = Schedule.constant(rate, 10)
    late, total = Histogram(), Histogram()
    late.record([late_us] * schedule.count)
    total.record([latency_us] * schedule.count)
    judged = health.judge(due=schedule.count, late=late, seconds=[(0.2, 1.0)] * 10, workers=1)
    good = int(schedule.count * good_share)
    errors = {"status 500": schedule.count - good} if good < schedule.count else {}
    summary = total.summary()
    return Outcome(
        schedule, {"keyed": summary}, summary, 0, errors, (), judged, 10.0, schedule.count, good, "", (),
        schedule.count,
    )  # fmt: skip


def judge(
    goal: Objective, measured: Outcome, *, wrong: int = 0, checked: int = 10, scaled: bool = False
) -> str:
    (verdict,) = objectives.judge((goal,), measured, wrong=wrong, checked=checked, scaled=scaled)
    return verdict.outcome


LATENCY = Objective(name="latency", metric="p99_ms", below=100)
RATE = Objective(name="rate", metric="achieved_per_s", at_least=1000)
ERRORS = Objective(name="errors", metric="error_share", below=0.001)
TRUTH = Objective(name="truth", metric="wrong_answers", at_most=0)


def test_met_and_missed() -> None:
    assert judge(LATENCY, outcome()) == "passed"
    assert judge(LATENCY, outcome(latency_us=150_000)) == "failed"
    assert judge(RATE, outcome(rate=1000)) == "passed"
    assert judge(RATE, outcome(rate=1000, good_share=0.92)) == "failed"
    assert judge(ERRORS, outcome(good_share=0.99)) == "failed"
    assert judge(ERRORS, outcome()) == "passed"


def test_a_saturated_generator_decides_nothing() -> None:
    slow = outcome(rate=1000, late_us=50_000, latency_us=500_000, good_share=0.5)
    assert {judge(goal, slow) for goal in (LATENCY, RATE, ERRORS)} == {"inconclusive"}


def test_lateness_matters_by_the_bound() -> None:
    slow = Objective(name="series", metric="p95_ms", below=500)
    assert judge(slow, outcome(late_us=20_000, latency_us=700_000)) == "failed"
    assert judge(slow, outcome(late_us=60_000, latency_us=700_000)) == "inconclusive"


def test_a_value_as_near_as_the_method_is_exact_decides_nothing() -> None:
    assert judge(LATENCY, outcome(latency_us=100_500)) == "inconclusive"
    assert judge(LATENCY, outcome(latency_us=102_000)) == "failed"


def test_a_wrong_answer_is_wrong_also_when_the_generator_was_late() -> None:
    assert judge(TRUTH, outcome(late_us=50_000), wrong=1) == "failed"
    assert judge(TRUTH, outcome(late_us=50_000)) == "inconclusive"
    assert judge(TRUTH, outcome(), checked=0) == "inconclusive"


def test_a_scaled_run_fails_but_never_passes() -> None:
    assert judge(LATENCY, outcome(), scaled=True) == "scaled"
    assert judge(LATENCY, outcome(latency_us=150_000), scaled=True) == "failed"
    # 100/s offered and answered say nothing of 1,000/s; 100/s offered and 50 answered say enough.
    assert judge(RATE, outcome(rate=100), scaled=True) == "scaled"
    assert judge(RATE, outcome(rate=100, good_share=0.5), scaled=True) == "failed"


def test_a_stopped_run_does_not_pass() -> None:
    stopped = msgspec.structs.replace(outcome(), stopped="asked to")
    assert judge(LATENCY, stopped) == "inconclusive"


def test_a_stopped_run_holds_its_rate_against_the_time_it_had() -> None:
    stopped = msgspec.structs.replace(outcome(rate=100), stopped="asked to", due=998, cut=2, window_s=9.98)
    assert judge(RATE, stopped, scaled=True) == "inconclusive"


@pytest.mark.parametrize("gone", [True, False], ids=["gone", "there"])
def test_a_run_without_answers_is_stopped_for_its_reason(gone: bool) -> None:
    judged = conduct.watch(lambda _instant: "", warmup_s=0)
    told = [
        judged(
            Instant(second, 10, 10, 10, 10 if second > 2 else 0, 0, 1.0, 1.0, 0.1, away=gone and second > 2)
        )
        for second in range(8)
    ]
    assert told[:7] == [""] * 7
    assert told[7].startswith("the target went away in second 4:" if gone else "more than 50%")


def test_requests_that_pile_up_are_no_rate() -> None:
    made = outcome(rate=1000)
    steady = msgspec.structs.replace(made, good=9950, backlog=(50.0, 60.0))
    assert judge(RATE, steady) == "passed"
    # Half a per cent is missing each second: 25 more wait in the last quarter than in the second.
    piled = msgspec.structs.replace(made, good=9950, backlog=(12.0, 37.0))
    assert piled.achieved_per_s == 995
    assert judge(RATE, piled) == "failed"


def test_too_few_answers_for_a_percentile() -> None:
    assert judge(LATENCY, outcome(rate=5)) == "inconclusive"
    assert judge(Objective(name="x", metric="p99_ms", route="none", below=1), outcome()) == "inconclusive"


@pytest.mark.parametrize(
    ("seconds", "late_us", "due", "said"),
    [
        ([(0.95, 1.0)] * 5, 100, 100, "more workers"),
        ([(0.1, 1.0)] * 5, 20_000, 100, "late"),
        ([(0.1, 1.0)] * 5, 100, 200, "100 of 200"),
    ],
)
def test_each_way_to_be_the_limit(
    seconds: list[tuple[float, float]], late_us: int, due: int, said: str
) -> None:
    late = Histogram()
    late.record([late_us] * 100)
    judged = health.judge(due=due, late=late, seconds=seconds, workers=1)
    assert judged.saturated
    assert said in " ".join(judged.reasons)


def test_a_healthy_generator() -> None:
    late = Histogram()
    late.record([900] * 100)
    assert not health.judge(due=100, late=late, seconds=[(0.5, 1.0)], workers=1).saturated
    assert health.Host.here().cores >= 1


@pytest.mark.parametrize("name", objectives.names())
def test_profiles_are_whole(name: str) -> None:
    profile = objectives.load(name)
    assert profile.objectives
    for goal in profile.objectives:
        assert sum(bound is not None for bound in (goal.at_least, goal.at_most, goal.below)) == 1
        assert goal.bound


def test_an_unknown_profile_is_named() -> None:
    with pytest.raises(DtcError) as problem:
        objectives.load("nothing")
    assert "standard" in problem.value.hint


def tried(limit: float, beyond: str = "failed") -> "list[float]":
    rates: list[float] = []

    def attempt(rate: float) -> search.Try:
        rates.append(rate)
        return search.Try(rate, min(rate, limit), 1.0, "kept" if rate <= limit else beyond)

    found = search.highest(attempt, start=100, ceiling=1_000_000)
    assert found.highest is not None
    assert limit * 0.95 <= found.highest <= limit
    assert found.limit == ("target" if beyond == "failed" else "generator")
    return rates


def test_the_search_finds_the_limit() -> None:
    assert len(tried(12_345)) <= search.MOST_TRIES
    tried(55)
    tried(3000, "inconclusive")


def test_the_search_ends() -> None:
    def attempt(rate: float) -> search.Try:
        return search.Try(rate, 0.0, None, "failed")

    def easy(rate: float) -> search.Try:
        return search.Try(rate, rate, 1.0, "kept")

    assert search.highest(attempt, start=100, ceiling=1000).highest is None
    found = search.highest(easy, start=100, ceiling=1000)
    assert (found.highest, found.limit) == (1000, "ceiling")


def test_the_knee_is_the_last_step_that_grows() -> None:
    steps = tuple(
        search.Try(rate, done, 1.0, "kept") for rate, done in ((100, 100), (200, 199), (400, 230), (800, 230))
    )
    last = search.knee(steps)
    assert last is not None
    assert last.rate == 200
    assert search.knee(()) is None
    for word in ("failed", "inconclusive"):
        assert search.knee((msgspec.structs.replace(steps[0], outcome=word), *steps[1:])) is None
        assert search.knee((steps[0], msgspec.structs.replace(steps[1], outcome=word))) == steps[0]
    assert search.knee((search.Try(1e9, 100, 1.0, "kept"),)) is None


def test_a_search_that_could_not_measure_says_so() -> None:
    def late(rate: float) -> search.Try:
        return search.Try(rate, 0.0, None, "inconclusive", "too few answers")

    found = search.highest(late, start=10, ceiling=1000)
    assert (found.highest, found.limit) == (None, "generator")


def test_tries_at_low_rates_are_long_enough_for_their_percentiles() -> None:
    p99 = Objective(name="latency", metric="p99_ms", below=100)
    assert conduct.try_s((p99,), 1000, 1) == conduct.TRY_S
    assert 100 <= 2 * conduct.try_s((p99,), 2, 1) < 2 * conduct.MOST_TRY_S
    assert conduct.try_s((msgspec.structs.replace(p99, route="list"),), 10, 4) >= 40


def test_a_verdict_tells_its_bound_and_its_value() -> None:
    slow = outcome(latency_us=10_210_000)
    (verdict,) = objectives.judge((LATENCY,), slow, wrong=0, checked=1, scaled=False)
    assert verdict.bound == "p99 below 100 ms"
    assert verdict.outcome == "failed"
    assert "ms, and the bound is p99 below 100 ms" in verdict.why
    assert objectives.shown("p99_ms", 10_210.0) == "10,210.0 ms"
    least = Objective(name="throughput", metric="achieved_per_s", at_least=9990)
    (verdict,) = objectives.judge((least,), outcome(good_share=0.9), wrong=0, checked=1, scaled=True)
    assert verdict.why == "90.00 of 100 requests/s offered were answered well; 99.9% is keeping up"
    truth = Objective(name="truth", metric="wrong_answers", at_most=0)
    (verdict,) = objectives.judge((truth,), outcome(), wrong=0, checked=0, scaled=False)
    assert (verdict.outcome, bool(verdict.why)) == ("inconclusive", True)


def parsed(text: str) -> target_file.Target:
    head = 'dtc: 1\ntarget: {name: T, vendor: V, version: "1"}\ncity: KR-BUSAN-2025\n'
    return target_file.parse(head + text, source="target.yaml", folder=Path())


LOCAL = 'rest: {base_url: "http://127.0.0.1:9/x"}\nauth: {api_keys: {admin: "k-0123456789"}}\n'
FAR = LOCAL.replace("127.0.0.1", "twin.example")


def test_load_needs_the_hazard_and_the_host() -> None:
    guard.refuse(parsed(LOCAL + "hazards: [read, load]\n"), ())
    guard.refuse(parsed(FAR + "hazards: [read, load]\n"), ("twin.example",))
    for text, said in (
        (LOCAL, "does not allow load"),
        (FAR + "hazards: [read, load]\n", "not this machine"),
        ('documents: ["x.json"]\nhazards: [read, load]\n', "base_url"),
    ):
        with pytest.raises(DtcError, match=said):
            guard.refuse(parsed(text), ())


def test_every_address_that_a_load_uses_is_local_or_named(monkeypatch: pytest.MonkeyPatch) -> None:
    doors = 'mqtt: {url: "mqtt://broker.example:1883"}\nstream: {url: "ws://stream.example/s"}\n'
    target = parsed(LOCAL + doors + "hazards: [read, load]\n")
    guard.refuse(target, ())
    guard.refuse(target, (), "http2")
    for kind, named, said in (
        ("connections", (), "stream.example is not this machine"),
        ("connections", ("stream.example",), "broker.example is not this machine"),
        ("ingestion", ("stream.example",), "broker.example is not this machine"),
    ):
        with pytest.raises(DtcError, match=said) as refused:
            guard.refuse(target, named, kind)
        assert refused.value.code == "hazard"
    known = {"stream.example": "192.0.2.1"}
    monkeypatch.setattr(guard, "_addresses", lambda host: {known[host]} if host in known else {"127.0.0.1"})
    guard.refuse(target, ("Stream.Example.",), "connections")
    monkeypatch.setattr(
        guard, "_addresses", lambda host: set() if host == "broker.example" else {"127.0.0.1"}
    )
    with pytest.raises(DtcError, match=r"no address is known for broker\.example") as refused:
        guard.refuse(target, ("broker.example",), "ingestion")
    assert refused.value.exit_code == 7
