"""A series of readings that the live suites ask for in many ways."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from dtc_cli.harness.suite import Answer, Blocked, Twin
from suites.phase2.support_live import once, written
from suites.phase2.support_live_sensors import data, matches, measurements, reading, sensor, slot, stored

MINUTE = timedelta(minutes=1)


class Series(NamedTuple):
    """Five readings of one sensor, a minute apart, the second and fourth written in another zone."""

    sensor: str
    start: datetime
    sent: list[dict[str, Any]]

    def minute(self, number: int) -> datetime:
        """The instant of a reading; -1 and 5 lie outside the one."""
        return self.start + number * MINUTE


def series(twin: Twin) -> Series:
    """A sensor with five readings, and another one with readings at the same instants; made once.

    Raises:
        Blocked: by DTC-P2-044, -055 or -049 when sensors or readings cannot be had.
    """
    return once(twin, "series", lambda: _series(twin))


def _series(twin: Twin) -> Series:
    one = sensor(twin, name="series")  # nothing else is ever submitted to it
    start = slot(twin, 1)
    sent = [
        reading(start + number * MINUTE, 20.0 + number)
        | {"timestamp": written(start + number * MINUTE, hours=9 * (number % 2))}
        for number in range(5)
    ]
    stored(twin, one.id, sent)
    other = sensor(twin, "WeatherStation")
    stored(twin, other.id, [reading(start + number * MINUTE, -30.0) for number in range(5)])
    return Series(one.id, start, sent)


def asked(twin: Twin, one: Series, first: int, last: int, *, hours: int = 0) -> Answer:
    """The data from one minute of the series to another, both included."""
    edges = [written(one.minute(number), hours=hours) for number in (first, last)]
    answer = data(twin, one.sensor, *edges)
    if not answer.ok:
        raise Blocked("DTC-P2-049", f"the data of a range is not answered (status {answer.status})")
    return answer


def present(one: Series, answer: Answer) -> list[int]:
    """The numbers of the readings of the series that an answer holds."""
    found = measurements(answer)
    return [number for number, sent in enumerate(one.sent) if any(matches(entry, sent) for entry in found)]
