"""Latencies as an HdrHistogram of three significant digits: small, mergeable, and readable by other tools."""

from array import array
from collections import Counter
from collections.abc import Iterable

import msgspec
from hdrh.histogram import HdrHistogram

LOWEST_US, HIGHEST_US, DIGITS = 1, 3_600_000_000, 3
BUCKET_BITS = 11
"""Three significant digits are 2,048 buckets for each power of two."""
PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9, 99.99)


class Summary(msgspec.Struct, frozen=True):
    """Latencies of a route in milliseconds from the due instant; None where nothing was measured."""

    count: int
    mean_ms: float | None
    max_ms: float | None
    percentiles_ms: dict[str, float]
    """`p50` to `p99.99`."""
    hdr: str
    """The histogram in HdrHistogram's V2 compressed form, base64; values in microseconds."""

    def at(self, percentile: str) -> float | None:
        """A percentile in milliseconds by its name."""
        return self.percentiles_ms.get(percentile)


def buckets(values: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Microseconds at the upper end of the bucket of the histogram, and how often each comes."""
    found: Counter[int] = Counter()
    for value, times in Counter(values).items():
        inside = min(max(value, LOWEST_US), HIGHEST_US)
        shift = max(0, inside.bit_length() - BUCKET_BITS)
        found[(((inside >> shift) + 1) << shift) - 1] += times
    return tuple(sorted(found.items()))


class Histogram:
    """Collects microseconds."""

    def __init__(self) -> None:
        self._hdr = HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)

    def record(self, values: Iterable[int]) -> None:
        """Add raw values; those above an hour count as an hour."""
        for value, times in Counter(values).items():
            self._hdr.record_value(min(max(value, LOWEST_US), HIGHEST_US), times)

    def record_words(self, words: bytes) -> None:
        """Add raw values as a worker sends them."""
        values = array("I")
        values.frombytes(words)
        self.record(values)

    def merge(self, other: "Histogram") -> None:
        """Add all of another."""
        self._hdr.add(other._hdr)

    @classmethod
    def of(cls, summary: Summary) -> "Histogram":
        """Read back what a summary keeps."""
        histogram = cls()
        histogram._hdr = HdrHistogram.decode(summary.hdr)
        return histogram

    def percentile_ms(self, percentile: float) -> float | None:
        """A percentile, or None when nothing was recorded."""
        if not self._hdr.get_total_count():
            return None
        return float(self._hdr.get_value_at_percentile(percentile)) / 1000

    def summary(self) -> Summary:
        """What is kept of it."""
        count = int(self._hdr.get_total_count())
        points = {f"p{point:g}": self.percentile_ms(point) for point in PERCENTILES}
        return Summary(
            count,
            float(self._hdr.get_mean_value()) / 1000 if count else None,
            float(self._hdr.get_max_value()) / 1000 if count else None,
            {name: value for name, value in points.items() if value is not None},
            self._hdr.encode().decode("ascii"),
        )
