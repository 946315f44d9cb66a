"""Defects of the stream and of the form of its messages: the whole list, from the parts."""

from collections.abc import Iterator

from reference_server.faults import stream_messages, stream_wire
from reference_server.faults.fault import Fault


def faults() -> Iterator[Fault]:
    """Every defect of the stream."""
    for key, why, install in (*stream_wire.TABLE, *stream_messages.TABLE):
        yield Fault(f"DTC-P3-{key}", f"DTC-P3-{key[:3]}", why, install)
    for key, why, install in stream_messages.NAMES:
        yield Fault(f"DTC-P2-{key}", f"DTC-P2-{key[:3]}", why, install)
