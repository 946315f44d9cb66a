"""Defects of phase 3: MQTT and TLS."""

from collections.abc import Iterator

from reference_server.faults import broker, transport
from reference_server.faults.fault import Fault


def faults() -> Iterator[Fault]:
    """Every defect of the MQTT endpoint and of TLS."""
    for part in (broker, transport):
        for key, why, install in part.TABLE:
            yield Fault(f"DTC-P3-{key}", f"DTC-P3-{key[:3]}", why, install)
