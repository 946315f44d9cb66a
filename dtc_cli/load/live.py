"""A load while it runs: a line for each second, or a picture of the last ones on a terminal."""

import shutil
from collections import deque

from dtc_cli.load.outcome import Instant

WIDTH = 40
"""Seconds in the picture."""
BARS = " ▁▂▃▄▅▆▇█"
LINES = 3
ROOM = 30
"""Columns beside the bars: what they are, and their greatest."""


def line(instant: Instant) -> str:
    """One second in words."""
    p99 = "-" if instant.p99_ms is None else f"{instant.p99_ms:.1f}"
    return (
        f"  {instant.second + 1:>4} s  {instant.offered:>7.0f} offered  {instant.done:>7} answered  "
        f"{instant.errors:>5} failed  p99 {p99:>8} ms  generator {instant.cpu_share:.0%}"
    )


class Picture:
    """Three lines, drawn over themselves: the second in words, answers and p99 of the last seconds."""

    def __init__(self, columns: int | None = None) -> None:
        self._columns = (columns or shutil.get_terminal_size().columns) - 1
        width = max(1, min(WIDTH, self._columns - ROOM))
        self._answers: deque[float] = deque(maxlen=width)
        self._tails: deque[float] = deque(maxlen=width)
        self._drawn = False

    def drawn(self, instant: Instant) -> str:
        """What to write to the terminal for this second."""
        self._answers.append(float(instant.done))
        self._tails.append(instant.p99_ms or 0.0)
        back = f"\x1b[{LINES}F" if self._drawn else ""
        self._drawn = True
        rows = (
            line(instant),
            f"  answers/s {bars(self._answers)} {max(self._answers):.0f} at most",
            f"  p99 ms    {bars(self._tails)} {max(self._tails):.1f} at most",
        )
        return back + "".join(f"\x1b[2K{self._fitted(row)}\n" for row in rows)

    def _fitted(self, row: str) -> str:
        """A row that does not wrap: what has no room goes, by whole words."""
        if len(row) <= self._columns:
            return row
        return row[: self._columns + 1].rpartition("  ")[0].rstrip() or row[: self._columns]


def bars(values: deque[float]) -> str:
    """Values as bars, relative to the greatest of them."""
    most = max(values, default=0.0)
    if most <= 0:
        return " " * len(values)
    return "".join(BARS[round(value / most * (len(BARS) - 1))] for value in values)
