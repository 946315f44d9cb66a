"""All faults by id."""

from collections.abc import Iterable, Mapping

from reference_server.faults import (
    performance,
    phase1,
    phase2,
    phase3_mqtt,
    phase3_stream,
    security,
    security_live,
)
from reference_server.faults.fault import Fault

PHASES = (phase1, phase2, phase3_mqtt, phase3_stream, performance, security, security_live)
FAULTS: Mapping[str, Fault] = {one.id: one for phase in PHASES for one in phase.faults()}


def install(ids: Iterable[str]) -> None:
    """Put faults in place.

    Raises:
        KeyError: an id that is not in FAULTS.
    """
    for name in ids:
        FAULTS[name].install()
