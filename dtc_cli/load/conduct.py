"""A load from target file to result: prepare, send, judge, keep."""

import secrets
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from dtc_cli.clients.credentials import Credentials
from dtc_cli.clients.recorder import Recorder
from dtc_cli.clients.redaction import Redactor
from dtc_cli.core.target import Target
from dtc_cli.errors import DtcError
from dtc_cli.load import fleet, objectives, result, scenario, search, truth
from dtc_cli.load.outcome import Instant, Outcome
from dtc_cli.load.papers import Papers
from dtc_cli.load.result import Result, Terms
from dtc_cli.load.schedule import Schedule, Step
from dtc_cli.load.survey import answering, explored
from dtc_cli.load.traffic import Traffic, mix

STOP_ERROR_SHARE = 0.5
STOP_AFTER_SECONDS = 5
TRY_S = 5.0
TRY_WARMUP_S = 1.0
MOST_TRY_S = 120.0
"""A try at a low rate takes longer, until there are answers enough for its percentiles."""
FEWEST_SAMPLES = 200
MOST_PER_WORKER = 200_000.0
"""Requests per second that no core sends; a rate above says nothing of any target."""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked for; what is None comes from the profile."""

    profile: str = "standard"
    rate: float | None = None
    duration_s: float | None = None
    warmup_s: float | None = None
    mix: str | None = None
    scale: float = 1.0
    workers: int | None = None
    lanes: int = 128
    timeout_s: float = 10.0
    seed: int = 0
    stop_on_errors: bool = True


class Prepared(msgspec.Struct, frozen=True):
    """A target that is ready to be loaded."""

    target: Target
    address: fleet.Address
    traffic: Traffic
    data: dict[str, int]
    folder: Path
    run: str
    started: datetime
    redactor: Redactor
    terms: Terms


Tell = Callable[[Instant], str]


def terms(wish: Wish) -> Terms:
    """The terms of a run: the profile's, the wishes above them, and whether that scales it down."""
    profile = objectives.load(wish.profile)
    rate = (wish.rate or profile.rate) * wish.scale
    duration = wish.duration_s or profile.duration_s
    workers = wish.workers or fleet.default_workers()
    _sendable(rate, workers)
    less = []
    if rate < profile.rate:
        less.append(f"{rate:g} of {profile.rate:g} requests/s")
    if duration < profile.duration_s:
        less.append(f"{duration:g} of {profile.duration_s:g} s")
    chosen = wish.mix or profile.mix
    if chosen != profile.mix:
        less.append(f"mix {chosen} instead of {profile.mix}")
    if chosen not in scenario.MIXES:
        raise DtcError(
            "usage",
            f"there is no mix {chosen}",
            where=f"--mix {chosen}",
            hint="one of: " + ", ".join(scenario.MIXES),
        )
    return Terms(
        profile=wish.profile,
        mix=chosen,
        rate=rate,
        duration_s=duration,
        warmup_s=profile.warmup_s if wish.warmup_s is None else wish.warmup_s,
        workers=workers,
        lanes=wish.lanes,
        timeout_s=wish.timeout_s,
        seed=wish.seed,
        scaled=", ".join(less),
        objectives=profile.objectives,
    )


def _sendable(rate: float, workers: int) -> None:
    if not rate <= MOST_PER_WORKER * workers:
        raise DtcError(
            "usage",
            f"{rate:g} requests/s are more than {workers} generator process(es) can send",
            where="--rate",
            why=f"one sends some ten thousands a second, and never more than {MOST_PER_WORKER:,.0f}",
            hint="a lower rate, or --workers on a machine with more cores",
        )


@contextmanager
def prepared(target: Target, wish: Wish, out: Path) -> Iterator[Prepared]:
    """Explore the city and make the requests; the folder of the run is made below `out`.

    Raises:
        DtcError: `target-unreachable`, `load-data`, `credential`, or `usage`.
    """
    agreed = terms(wish)
    started = datetime.now(UTC)
    run = f"load-{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
    redactor = Redactor()
    credentials = Credentials(target, redactor)
    folder = out / run
    folder.mkdir(parents=True)
    recorder = Recorder(folder, "0" * 64, redactor)
    try:
        with answering(target):
            city = explored(target, credentials, recorder, mix=agreed.mix)
    finally:
        recorder.close()
    traffic, data = requests(target, city, agreed, credentials)
    yield Prepared(target, aim(target), traffic, data, folder, run, started, redactor, agreed)


def aim(target: Target) -> fleet.Address:
    """Where the requests go."""
    parts = urllib.parse.urlsplit(target.base_url or "")
    tls = parts.scheme == "https"
    port = parts.port or (443 if tls else 80)
    return fleet.Address(parts.hostname or "", port, tls, Papers.of(target.rest_tls))


def requests(
    target: Target, city: scenario.City, agreed: Terms, credentials: Credentials
) -> tuple[Traffic, dict[str, int]]:
    """The requests of a load with the usual key, and what they were made from."""
    key = credentials.role(credentials.usual).headers
    base_url = target.base_url or ""
    routes = scenario.routes(
        city, base_url=base_url, city_id=target.city, headers=key, mix=agreed.mix, seed=agreed.seed
    )
    data = {"objects": len(city.objects), "places": len(city.places), "sensors": len(city.sensors)}
    return mix(routes, agreed.seed), data


def run(ready: Prepared, tell: Tell, *, stop_on_errors: bool = True) -> Result:
    """Load the target as agreed, judge, and keep the result in the folder of the run."""
    agreed = ready.terms
    schedule = Schedule.constant(agreed.rate, agreed.duration_s, warmup_s=agreed.warmup_s)
    outcome = _send(ready, schedule, watch(tell, warmup_s=agreed.warmup_s, stop_on_errors=stop_on_errors))
    made = result.make(
        run=ready.run,
        started=ready.started,
        target=ready.target,
        data=ready.data,
        terms=agreed,
        outcome=outcome,
    )
    result.write(ready.folder, made, outcome.samples, ready.redactor)
    return made


def highest(ready: Prepared, *, ceiling: float, tried: Callable[[search.Try], None]) -> search.Found:
    """Search for the highest rate at which the objectives on latency, errors and truth hold."""

    def attempt(rate: float) -> search.Try:
        made = measure(ready, rate)
        tried(made)
        return made

    return search.highest(attempt, start=min(ready.terms.rate, ceiling), ceiling=ceiling)


def grow(
    ready: Prepared, factors: tuple[float, ...], tried: Callable[[search.Try], None]
) -> tuple[search.Try, ...]:
    """Load in steps of the agreed rate (DTC-PERF-009: 1x, 2x, 4x)."""
    steps = []
    for factor in factors:
        _sendable(ready.terms.rate * factor, ready.terms.workers)
    for factor in factors:
        made = measure(ready, ready.terms.rate * factor)
        tried(made)
        steps.append(made)
    return tuple(steps)


def measure(ready: Prepared, rate: float) -> search.Try:
    """A short load at a rate, held against the profile's objectives except its own rate."""
    kept = tuple(goal for goal in ready.terms.objectives if goal.metric != "achieved_per_s")
    length = TRY_WARMUP_S + try_s(kept, rate, len(ready.traffic.routes))
    outcome = _send(ready, Schedule((Step(rate, length),), TRY_WARMUP_S), lambda _instant: "")
    findings = truth.check(outcome.samples, tuple(outcome.routes))
    verdicts = objectives.judge(kept, outcome, wrong=findings.wrong, checked=findings.checked, scaled=False)
    worst = next(
        (one for word in ("failed", "inconclusive") for one in verdicts if one.outcome == word), None
    )
    why = "" if worst is None else worst.why or f"{worst.name}: {worst.measured:g}, not {worst.bound}"
    return search.Try(
        rate, outcome.achieved_per_s, outcome.total.at("p99"), worst.outcome if worst else "kept", why
    )


def try_s(goals: tuple[objectives.Objective, ...], rate: float, routes: int) -> float:
    """Seconds of a try at this rate: a 99th percentile needs a hundred answers, of each route it is of."""
    needed = max(
        (objectives.fewest(goal.metric) * (routes if goal.route else 1) for goal in goals), default=0.0
    )
    return min(MOST_TRY_S, max(TRY_S, 1.1 * needed / rate))


def _send(ready: Prepared, schedule: Schedule, tell: Tell) -> Outcome:
    return offer(ready.address, ready.traffic, ready.terms, schedule, tell)


def offer(address: fleet.Address, traffic: Traffic, agreed: Terms, schedule: Schedule, tell: Tell) -> Outcome:
    """Send a schedule of requests on these terms."""
    return fleet.run(
        address,
        schedule,
        traffic,
        workers=agreed.workers,
        lanes=agreed.lanes,
        timeout_s=agreed.timeout_s,
        sample_every=max(1, min(fleet.SAMPLE_EVERY, schedule.count // FEWEST_SAMPLES)),
        tell=tell,
    )


def watch(tell: Tell, *, warmup_s: float, stop_on_errors: bool = True) -> Tell:
    """Stop when more than half of the answers fail for some seconds: the target has had enough.

    Not within the warm-up: failures that nobody counted would decide nothing.
    """
    bad = left = 0

    def judge(instant: Instant) -> str:
        nonlocal bad, left
        wanted = tell(instant)
        left = (left or instant.second + 1) if instant.away else 0
        failing = instant.done and instant.errors > STOP_ERROR_SHARE * instant.done
        bad = bad + 1 if failing and instant.second >= warmup_s else 0
        if stop_on_errors and bad >= STOP_AFTER_SECONDS and left:
            return f"the target went away in second {left}: since then each connection was refused"
        if stop_on_errors and bad >= STOP_AFTER_SECONDS:
            return f"more than {STOP_ERROR_SHARE:.0%} of the requests failed for {bad} s"
        return wanted

    return judge
