"""The generator's health: where it was the limit, a result says nothing of the target (DTC-PERF-002)."""

import math
import os
import platform
from collections.abc import Sequence

import msgspec

from dtc_cli.load.histogram import Histogram, Summary

BUSY = 0.9
"""Share of a core above which a worker is held to be the limit."""
BUSY_SECONDS = 0.2
"""Share of the seconds of a run that may be above it."""
LATE = "requests went out"
LATE_MS = 10.0
"""Lateness at the 99th percentile above which latencies are those of the generator."""
SENT_SHARE = 0.99
"""Share of the due requests that the generator must at least have looked at within the run."""


class Health(msgspec.Struct, frozen=True):
    """What the generator saw of itself."""

    workers: int
    cpu_share: float
    """Processor time over wall time, the busiest worker, whole run."""
    busy_seconds: float
    """Share of the seconds in which a worker used more than 90 % of a core."""
    late: Summary
    """How long after its due instant the generator looked at a request."""
    due: int
    looked_at: int
    reasons: tuple[str, ...]
    """Why the generator, not the target, was the limit; empty when it was not."""

    @property
    def only_late(self) -> bool:
        """Requests went out late, but there was a core and all of them went out."""
        return all(reason.startswith(LATE) for reason in self.reasons)

    @property
    def saturated(self) -> bool:
        """The run is inconclusive: neither passed nor failed."""
        return bool(self.reasons)


def judge(*, due: int, late: Histogram, seconds: Sequence[tuple[float, float]], workers: int) -> Health:
    """Judge the generator.

    Args:
        due: requests that the schedule held.
        late: lateness of the generator, microseconds, one value for each request it looked at.
        seconds: processor time and wall time of each worker in each interval, seconds.
        workers: number of worker processes.
    """
    summary = late.summary()
    shares = [cpu / wall for cpu, wall in seconds if wall > 0]
    busy = sum(share > BUSY for share in shares) / len(shares) if shares else 0.0
    total = sum(cpu for cpu, _ in seconds) / (sum(wall for _, wall in seconds) or math.inf)
    reasons = []
    if busy > BUSY_SECONDS or total > BUSY:
        reasons.append(
            f"a worker used more than {BUSY:.0%} of a core in {busy:.0%} of the seconds: use more workers, "
            "or another machine"
        )
    p99 = summary.at("p99")
    if p99 is not None and p99 > LATE_MS:
        reasons.append(
            f"{LATE} {p99:.2f} ms late at the 99th percentile (limit {LATE_MS:g} ms): the machine "
            "had no core free for the generator"
        )
    if summary.count < SENT_SHARE * due:
        reasons.append(f"the generator came to {summary.count} of {due} due requests")
    return Health(workers, total, busy, summary, due, summary.count, tuple(reasons))


class Host(msgspec.Struct, frozen=True):
    """The machine of the generator, without its name."""

    system: str
    processor: str
    cores: int
    memory_gib: float | None
    python: str

    @classmethod
    def here(cls) -> "Host":
        """The machine this runs on."""
        try:
            memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        except (ValueError, OSError):
            memory = None
        return cls(
            f"{platform.system()} {platform.release()}",
            _processor(),
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            round(memory, 1) if memory else None,
            platform.python_version(),
        )


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(
                (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), ""
            )
    except OSError:
        return platform.processor()
