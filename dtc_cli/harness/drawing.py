"""Examples for vectors that search a space: drawn by Hypothesis, as a function of a seed and of nothing else.

Hypothesis' own source of choices mixes in constants that it finds in the modules loaded at the time, so two
runs with one seed could send different requests. Here the choices come from a seeded generator alone, without
a database of examples and without a deadline.
"""

import json
import math
from random import Random
from typing import Any, ClassVar, TypeVar

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, PrimitiveProvider
from hypothesis.strategies import SearchStrategy

from dtc_cli.core.canonical import canonical_json

T = TypeVar("T")

_BACKEND = "dtc-seeded"
_SPARE = 6
"""Examples are drawn so many times over: equal ones count once."""


class SeededChoices(PrimitiveProvider):
    """The source of choices: uniform draws from the generator of the present vector."""

    random: ClassVar[Random] = Random(0)

    def draw_boolean(self, p: float = 0.5) -> bool:
        """True with that probability."""
        return self.random.random() < p

    def draw_integer(
        self,
        min_value: int | None = None,
        max_value: int | None = None,
        *,
        weights: dict[int, float] | None = None,
        shrink_towards: int = 0,
    ) -> int:
        """A whole number of the range, an edge of it in one of eight cases; open ends reach to 2^31."""
        del weights, shrink_towards
        low = -(2**31) if min_value is None else min_value
        high = max(low, 2**31) if max_value is None else max_value
        edge = self.random.randrange(16)
        return low if edge == 0 else high if edge == 1 else self.random.randint(min(low, high), high)

    def draw_float(
        self,
        *,
        min_value: float = -math.inf,
        max_value: float = math.inf,
        allow_nan: bool = True,
        smallest_nonzero_magnitude: float,
    ) -> float:
        """A finite number of the range; open ends reach to 1e9."""
        del allow_nan
        found = self.random.uniform(max(min_value, -1e9), min(max_value, 1e9))
        return found if abs(found) >= smallest_nonzero_magnitude else max(min_value, 0.0)

    def draw_string(self, intervals: Any, *, min_size: int = 0, max_size: int = 10**10) -> str:
        """A text of the given characters, at most 20 longer than it has to be."""
        size = self.random.randint(min_size, min(max_size, min_size + 20))
        return "".join(chr(intervals[self.random.randrange(len(intervals))]) for _ in range(size))

    def draw_bytes(self, min_size: int = 0, max_size: int = 10**10) -> bytes:
        """Bytes, at most 20 more than it has to be."""
        return self.random.randbytes(self.random.randint(min_size, min(max_size, min_size + 20)))


AVAILABLE_PROVIDERS[_BACKEND] = f"{__name__}.{SeededChoices.__name__}"


def examples(strategy: SearchStrategy[T], count: int, random: Random) -> list[T]:
    """At most `count` different JSON values of the strategy, as they read after having been written as JSON.

    The same generator in the same state gives the same values, whatever else is loaded or was drawn before.
    Fewer come back where the strategy has not so many.
    """
    found: dict[bytes, None] = {}

    # Nothing is judged in here: a target's answers must not steer what is drawn.
    @settings(
        backend=_BACKEND,
        max_examples=count * _SPARE,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    @given(strategy)
    def collect(value: T) -> None:
        if len(found) < count:
            found[canonical_json(value)] = None

    SeededChoices.random = random
    collect()
    return [json.loads(text) for text in found]
