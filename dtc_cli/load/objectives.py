"""Named sets of figures, and whether a measurement meets them: passed, failed or inconclusive."""

from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import yaml

from dtc_cli.errors import DtcError
from dtc_cli.load.outcome import Outcome

PROFILES = Path(__file__).parent / "profiles"
TICK_MS = 1.0
"""By which a latency may read too long: the generator's event loop wakes each millisecond."""
DIGITS = 0.001
"""Relative width of a bucket of the histograms."""
LATE_SHARE = 0.1
"""Of a latency's bound, by which the generator may be late."""
SERVED = 0.999
"""Share of the offered requests that a target which keeps up has answered well when the window ends."""


class Objective(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One figure. Exactly one of the three bounds is given."""

    name: str
    metric: str
    """`achieved_per_s`, `error_share`, `wrong_answers`, or `p50_ms` ... `p99.9_ms` of a route or of all."""
    route: str = ""
    at_least: float | None = None
    at_most: float | None = None
    below: float | None = None
    requirement: str = ""
    clause: str = ""

    @property
    def bound(self) -> str:
        """The bound in words, with its unit."""
        latency = self.metric.endswith("_ms")
        unit = " ms" if latency else "/s" if self.metric.endswith("_per_s") else ""
        of = f"{self.metric.removesuffix('_ms')} " if latency else ""
        for word, value in (("at least", self.at_least), ("at most", self.at_most), ("below", self.below)):
            if value is not None:
                return f"{of}{word} {value:g}{unit}"
        return ""

    def met(self, value: float) -> bool:
        """Whether a measured value keeps the bound."""
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
        )


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A named load with its objectives."""

    title: str
    source: str
    rate: float
    duration_s: float
    warmup_s: float
    mix: str
    objectives: tuple[Objective, ...]


class Verdict(msgspec.Struct, frozen=True):
    """An objective and what came of it."""

    name: str
    metric: str
    route: str
    bound: str
    measured: float | None
    outcome: str
    """`passed`, `failed`, `inconclusive`, or `scaled` for a bound met by a run that was scaled down."""
    why: str
    requirement: str
    clause: str
    error: str = ""
    """By how much the value may be off, in words."""


def fewest(metric: str) -> float:
    """How many answers a percentile needs; 0 for a metric that is none."""
    if not metric.endswith("_ms"):
        return 0.0
    return 100 / (100 - float(metric.removeprefix("p").removesuffix("_ms")))


def error_ms(value: float) -> float:
    """Milliseconds by which a measured latency may be too long; too short it is by a bucket at most."""
    return TICK_MS + DIGITS * value


def shown(metric: str, value: float | None) -> str:
    """A measured value for people, with its unit and no exponent."""
    if value is None:
        return "-"
    if metric.endswith("_ms"):
        return f"{value:,.1f} ms"
    if metric == "achieved_per_s":
        return f"{value:,.2f}/s"
    return f"{value:.2%}" if metric == "error_share" else f"{value:g}"


def names() -> tuple[str, ...]:
    """The profiles that come with dtc."""
    return tuple(sorted(path.stem for path in PROFILES.glob("*.yaml")))


@cache
def load(name: str) -> Profile:
    """A profile by its name.

    Raises:
        DtcError: `usage` when there is none of that name.
    """
    if name not in names():
        raise DtcError(
            "usage",
            f"there is no load profile {name}",
            where=f"--profile {name}",
            hint="one of: " + ", ".join(names()),
        )
    return msgspec.convert(yaml.safe_load((PROFILES / f"{name}.yaml").read_bytes()), Profile)


def judge(
    objectives: tuple[Objective, ...], outcome: Outcome, *, wrong: int, checked: int, scaled: bool
) -> tuple[Verdict, ...]:
    """Hold a measurement against objectives.

    Args:
        objectives: the figures.
        outcome: the measurement.
        wrong: sampled answers that were not true.
        checked: sampled answers that were judged.
        scaled: less was offered than the profile says, or for a shorter time: no bound can be passed (C-92).
    """
    return tuple(_judge(objective, outcome, wrong, checked, scaled=scaled) for objective in objectives)


def _judge(objective: Objective, outcome: Outcome, wrong: int, checked: int, *, scaled: bool) -> Verdict:
    value = _measured(objective, outcome, wrong, checked)
    verdict, why = _decide(objective, outcome, value, scaled=scaled)
    return Verdict(
        objective.name,
        objective.metric,
        objective.route,
        objective.bound,
        value,
        verdict,
        why,
        objective.requirement,
        objective.clause,
        f"-{error_ms(value):.1f}/+{DIGITS * value:.1f} ms"
        if value is not None and objective.metric.endswith("_ms")
        else "",
    )


def _measured(objective: Objective, outcome: Outcome, wrong: int, checked: int) -> float | None:
    if objective.metric == "wrong_answers":
        return float(wrong) if checked else None
    if objective.metric == "achieved_per_s":
        return outcome.achieved_per_s if outcome.measured else None
    if objective.metric == "error_share":
        return outcome.error_share if outcome.measured else None
    summary: Any = outcome.routes.get(objective.route) if objective.route else outcome.total
    value: float | None = summary.at(objective.metric.removesuffix("_ms")) if summary else None
    return value


def _decide(objective: Objective, outcome: Outcome, value: float | None, *, scaled: bool) -> tuple[str, str]:
    if value is None:
        return "inconclusive", (
            "no answer came whose truth could be judged"
            if objective.metric == "wrong_answers"
            else "nothing was measured"
        )
    limits = _limits(objective, outcome, value)
    if limits:
        return "inconclusive", limits
    if not objective.met(value):
        # What was never offered cannot be answered: a trial below the bound says nothing about it.
        least = objective.at_least if objective.metric == "achieved_per_s" else None
        if least is not None and value >= SERVED * outcome.offered_per_s and outcome.offered_per_s < least:
            words = f"only {outcome.offered_per_s:g} requests/s were offered, and answered"
            return ("inconclusive", f"stopped: {outcome.stopped}") if outcome.stopped else ("scaled", words)
        why = f"{shown(objective.metric, value)}, and the bound is {objective.bound}"
        if least is not None and outcome.offered_per_s < least:
            why = (
                f"{value:.2f} of {outcome.offered_per_s:g} requests/s offered were answered well; "
                f"{SERVED:.1%} is keeping up"
            )
        return "failed", why
    if scaled:
        return "scaled", "the run was scaled down: it can show a failure, never a pass"
    return "passed", ""


def _exact_enough(objective: Objective, outcome: Outcome) -> bool:
    """Whether the generator was late and nothing else, by so little that it cannot matter for this bound."""
    bound = objective.below or objective.at_most or 0.0
    late = outcome.health.late.at("p99")
    return (
        objective.metric.endswith("_ms")
        and outcome.health.only_late
        and late is not None
        and late <= LATE_SHARE * bound
    )


def _limits(objective: Objective, outcome: Outcome, value: float) -> str:
    """Why a value decides nothing; empty when it does."""
    if objective.metric == "wrong_answers" and not objective.met(value):
        # An answer that is not true is that also when the generator was late.
        return ""
    if outcome.health.saturated and not _exact_enough(objective, outcome):
        return "; ".join(outcome.health.reasons)
    if outcome.stopped and objective.met(value):
        return f"stopped: {outcome.stopped}"
    if objective.metric.endswith("_ms"):
        summary = outcome.routes.get(objective.route) if objective.route else outcome.total
        percentile = float(objective.metric.removeprefix("p").removesuffix("_ms"))
        if summary is not None and summary.count * (100 - percentile) < 100:
            return f"{summary.count} answers are too few for a {percentile:g}th percentile"
        if not objective.met(value) and objective.met(value - error_ms(value)):
            return f"it is as near to the bound as the method is exact ({error_ms(value):.1f} ms)"
    return ""
