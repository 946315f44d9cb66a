"""Defects of phase 2: the whole list, from the parts."""

from collections.abc import Iterator

from reference_server.faults import callers, city, listing, object_writes, placing, sensing, simulating
from reference_server.faults.fault import Fault

PARTS = (city, object_writes, listing, sensing, simulating, placing, callers)


def faults() -> Iterator[Fault]:
    """Every defect of phase 2."""
    for part in PARTS:
        for key, why, install in part.TABLE:
            yield Fault(f"DTC-P2-{key}", f"DTC-P2-{key[:3]}", why, install)
