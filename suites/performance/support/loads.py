"""The measurements of a run, each taken once, and what follows from them."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from dtc_cli.harness.suite import Blocked, LoadRefused, NotApplicable, NotTested, Twin, Violation, quote

if TYPE_CHECKING:
    from dtc_cli.harness.suite import Crowded, Ingested, LoadResult, LoadVerdict

T = TypeVar("T")

CLAUSE = "P4 8.3"
OBJECTS, SENSORS, FLEET = 10_000, 50_000, 100_000  # C-92; P3 1.1 for the fleet
CONNECTIONS = 100_000  # P4 8.3
INTERVAL_S = 60.0  # C-90
HOLD_S = 60.0
STEP_S = 10.0
STEPS = (0.25, 0.5, 1.0)
"""1x, 2x and 4x, of which the last is the standard's rate."""
FEWEST = 40
"""Sensors and connections of a run that is scaled down."""
STEP_ERRORS = 0.01  # DTC-PERF-009
GROWTH = 1.6
"""From step to step, where the requests double (DTC-PERF-009)."""


class Loads:
    """Takes each measurement at its first use; the vectors that share one are judged by the same."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        self.small = False
        """The city stayed smaller than C-92 wants it."""
        self._kept: dict[str, object] = {}

    @property
    def scaled(self) -> str:
        """Why this run can pass nothing; empty for one of the standard's size."""
        scale = self.twin.load.scale
        if scale >= 1:
            return ""
        return (
            f"scaled run: {scale:g} of the standard's figures, which can show a failure, never a pass (C-92)"
        )

    def size(self, full: int) -> int:
        """So many of something, in this run."""
        scale = self.twin.load.scale
        return full if scale >= 1 else max(FEWEST, math.ceil(full * scale))

    def standard(self, number: int = 0) -> "LoadResult":
        """The throughput run of the standard; the repeated ones have other numbers."""
        return self._once(f"standard-{number}", lambda: self._offer("standard"))

    def queries(self) -> "LoadResult":
        """Lists, places and series, on the loaded city."""

        def measure() -> "LoadResult":
            try:
                self.fill()
            except NotTested:
                # Too small for a pass, but slow and untrue answers show all the same.
                self.small = True
            return self._offer("queries")

        return self._once("queries", measure)

    def step(self, share: float) -> "LoadResult":
        """A share of the standard's rate, for a short time."""
        return self._once(f"step-{share}", lambda: self._offer("standard", share=share, seconds=STEP_S))

    def ingested(self) -> "Ingested":
        """The readings of 50,000 sensors."""
        return self._once("ingested", lambda: self._ingest(SENSORS))

    def fleet(self) -> "Ingested":
        """As many sensors again: 100,000 together."""

        def measure() -> "Ingested":
            self.ingested()
            return self._ingest(FLEET - SENSORS)

        return self._once("fleet", measure)

    def crowd(self) -> "Crowded":
        """100,000 connections."""
        return self._once("crowd", self._crowd)

    def fill(self) -> str:
        """Bring the city to the size of C-92; what it holds, in words.

        Raises:
            NotTested: when it stays smaller.
        """
        return self._once("city", self._fill)

    def close(self) -> None:
        """Take back what was created."""
        if self._kept:
            self.twin.load.clear()

    def judge(self, made: "LoadResult", *names: str) -> None:
        """Hold the named objectives of a measurement; the vector passes when all are kept.

        Raises:
            Violation: when one is broken.
            NotTested: when one is inconclusive, or the run was scaled down.
        """
        self.refused_by_limiter(made)
        chosen = [one for one in made.verdicts if one.name in names]
        words = "; ".join(self._words(one) for one in chosen)
        for one in chosen:
            if one.outcome == "failed":
                raise Violation(
                    f"{one.name}: {one.measured:.4g}, not {one.bound}",
                    expected=f"{one.name} {one.bound}",
                    actual=f"{words}; {describe(made)}",
                    clause=one.clause or CLAUSE,
                    hint="dtc load run repeats it, with a page of the percentiles over time",
                )
        for one in chosen:
            if one.outcome != "passed":
                why = one.why if one.outcome == "inconclusive" else self.scaled or one.why
                begins = "inconclusive: " if one.outcome == "inconclusive" else ""
                raise NotTested(f"{begins}{why}; {words}; {describe(made)}")
        self.twin.remark = f"{words}; {describe(made)}"

    def refused_by_limiter(self, made: "LoadResult") -> None:
        """A limiter that does its duty is no failure: without a key of raised allowance none is seen (C-86).

        Raises:
            NotTested: when requests were refused by 429 and the target file names no key for load.
        """
        refused = made.outcome.errors.get("status 429", 0)
        if refused and "load" not in self.twin.credentials.roles:
            raise NotTested(
                f"the target's rate limiter refused {refused} of {made.outcome.measured} requests: name a "
                "key of raised allowance as auth.api_keys.load (C-86)"
            )

    def limiter(self) -> str:
        """What is declared of the limiter (C-86)."""
        if "load" in self.twin.credentials.roles:
            return "with the key auth.api_keys.load, whose allowance is raised (C-86)"
        return "with the usual key, whose allowance was enough (C-86)"

    @staticmethod
    def _words(one: "LoadVerdict") -> str:
        shown = "-" if one.measured is None else f"{one.measured:.4g}"
        parts = [one.name, f"of {one.route}" if one.route else "", shown, one.error, f"({one.bound})"]
        return " ".join(part for part in parts if part)

    def _offer(self, profile: str, *, share: float = 1.0, seconds: float | None = None) -> "LoadResult":
        load, rest, now = self.twin.load, self.twin.rest, self.twin.clock.now()
        return self._loaded(lambda: load.offer(rest, profile, now=now, share=share, seconds=seconds))

    def _ingest(self, full: int) -> "Ingested":
        self.twin.need_hazard("write")
        body = self.twin.scratch.sensor_body()
        interval = INTERVAL_S if not self.scaled else max(2.0, INTERVAL_S * self.twin.load.scale)
        now = self.twin.clock.now()
        return self._loaded(
            lambda: self.twin.load.ingest(body, sensors=self.size(full), interval_s=interval, now=now)
        )

    def _crowd(self) -> "Crowded":
        self.twin.need_hazard("write")
        sensor, _ = self.twin.scratch.sensor()
        seconds = HOLD_S if not self.scaled else max(2.0, HOLD_S * self.twin.load.scale)
        measurement = {"parameter": "temperature", "unit": "celsius", "quality": "good"}
        return self._loaded(
            lambda: self.twin.load.hold(
                quote(sensor), measurement, connections=self.size(CONNECTIONS), seconds=seconds
            )
        )

    def _fill(self) -> str:
        objects, sensors = self._totals()
        wanted = self.size(OBJECTS)
        missing = max(0, wanted - objects)
        if missing:
            self.twin.need_hazard("write")
            bodies = [self.twin.scratch.body() for _ in range(missing)]
            objects += self._loaded(lambda: self.twin.load.fill(bodies))
        if sensors < self.size(SENSORS):
            sensors += self.ingested().registered
        words = f"{objects} objects and {sensors} sensors"
        if objects < wanted or sensors < self.size(SENSORS):
            raise NotTested(f"the city holds {words}; C-92 asks for {OBJECTS} and {SENSORS}")
        return words

    def _totals(self) -> tuple[int, int]:
        """Objects and sensors by the city's own statistics."""
        answer = self.twin.rest.get("/cities/{city}")
        told = answer.json() if answer.ok and answer.is_json else {}
        numbers = told.get("statistics") if isinstance(told, dict) else None
        if not isinstance(numbers, dict):
            return 0, 0
        sensors = numbers.get("sensors")
        total = sensors.get("total") if isinstance(sensors, dict) else sensors
        objects = numbers.get("totalObjects")
        return (objects if isinstance(objects, int) else 0), (total if isinstance(total, int) else 0)

    def _loaded(self, measure: Callable[[], T]) -> T:
        try:
            return measure()
        except LoadRefused as problem:
            raise NotTested(str(problem)) from problem

    def _once(self, name: str, make: Callable[[], T]) -> T:
        if name not in self._kept:
            try:
                self._kept[name] = make()
            except (Blocked, NotTested, NotApplicable) as outcome:
                self._kept[name] = outcome
        kept = self._kept[name]
        if isinstance(kept, Blocked | NotTested | NotApplicable):
            raise kept.with_traceback(None) from None
        return kept  # type: ignore[return-value]  # the name stands for one maker only


def describe(made: "LoadResult") -> str:
    """Offered and achieved rate, the generator, the host and the data set, in a line."""
    outcome, host, health = made.outcome, made.host, made.outcome.health
    data = ", ".join(f"{count} {what}" for what, count in made.data.items())
    return (
        f"offered {outcome.offered_per_s:g}/s and achieved {outcome.achieved_per_s:.0f}/s for "
        f"{outcome.window_s:g} s (mix {made.terms.mix}, seed {made.terms.seed}); "
        f"generator {health.cpu_share:.0%} of a core, {health.late.at('p99') or 0:.2f} ms late at p99; "
        f"{host.cores} cores, {host.processor}; data {data}"
    )
