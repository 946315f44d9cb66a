"""The profile of a field: what its values look like, in constant memory."""

import re
from collections import Counter
from typing import Any

import msgspec

from dtc_cli.migrate import values

DISTINCT_MAX = 2000
EXAMPLES = 5
LONGEST_DAY = 24
_DAY = re.compile(r"\s*(\d{1,2})[./-](\d{1,2})[./-]\d{2,4}\b")


class FieldProfile(msgspec.Struct, kw_only=True):
    """What the values of a field look like; lengths of text in characters."""

    name: str
    kind: str
    count: int = 0
    nulls: int = 0
    distinct: int = 0
    distinct_exact: bool = True
    least: float | None = None
    most: float | None = None
    examples: list[str] = []
    common: list[tuple[str, int]] = []
    dated: list[str] = []
    """Texts like days with the year last; where a number above 12 tells day from month, it is among them."""
    suspicious: int = 0
    """Texts with replacement characters or control characters: a wrong encoding."""

    @property
    def filled(self) -> float:
        """Share of values that are there."""
        return 1 - self.nulls / self.count if self.count else 0.0

    @property
    def unique(self) -> bool:
        """Whether every record has a value and no value occurs twice, as far as was counted."""
        return self.count > 0 and self.nulls == 0 and self.distinct >= min(self.count, DISTINCT_MAX)


class Profiler:
    """Builds the profile of one field."""

    def __init__(self, name: str, kind: str) -> None:
        self._profile = FieldProfile(name=name, kind=kind)
        self._seen: Counter[Any] = Counter()
        self._full = False

    def add(self, column: list[Any]) -> None:
        """Take the values of a batch into account."""
        profile = self._profile
        profile.count += len(column)
        for value in column:
            if value is None or value == "" or value != value:  # noqa: PLR0124 - NaN
                profile.nulls += 1
                continue
            if isinstance(value, int | float) and not isinstance(value, bool):
                if profile.least is None or value < profile.least:
                    profile.least = float(value)
                if profile.most is None or value > profile.most:
                    profile.most = float(value)
            elif isinstance(value, str):
                if not value.strip():
                    profile.nulls += 1
                    continue
                if len(value) <= LONGEST_DAY and value[0].isdigit():
                    self._note_day(value)
                if "\ufffd" in value or any("\x80" <= c <= "\x9f" for c in value):
                    profile.suspicious += 1
            if not self._full:
                try:
                    self._seen[value] += 1
                except TypeError:
                    self._seen[str(value)] += 1
                self._full = len(self._seen) >= DISTINCT_MAX
            elif isinstance(value, str | int | float) and value in self._seen:
                self._seen[value] += 1

    def _note_day(self, value: str) -> None:
        """Keep a few days, and the first that settles the order of day and month."""
        match = _DAY.match(value)
        if match is None:
            return
        kept = self._profile.dated
        told = int(match[1]) > 12 or int(match[2]) > 12
        if len(kept) < EXAMPLES or (told and len(kept) < 4 * EXAMPLES):
            kept.append(value)

    def done(self) -> FieldProfile:
        """The profile."""
        profile, seen = self._profile, self._seen
        profile.distinct, profile.distinct_exact = len(seen), not self._full
        profile.common = [(values.text(value) or "", times) for value, times in seen.most_common(12)]
        profile.examples = [shown[:60] for value in list(seen)[:EXAMPLES] if (shown := values.text(value))]
        return profile
