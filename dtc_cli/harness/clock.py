"""The run's clock: the only time a suite may use. What it says is recorded, for a replay to repeat."""

from datetime import UTC, datetime, timedelta

from dtc_cli.clients.recorder import Recorder


class RunClock:
    """Wall time in UTC, set to the target's clock as its `Date` header showed it (C-09)."""

    def __init__(self, recorder: Recorder, target_skew_ms: int = 0) -> None:
        self._recorder = recorder
        self._skew = timedelta(milliseconds=target_skew_ms)

    def now(self) -> datetime:
        """The present instant on the target's clock, in whole milliseconds, zoned (UTC)."""
        instant = datetime.now(UTC) + self._skew
        # What is recorded is what is used: a replay must build the same requests from it.
        instant = instant.replace(microsecond=instant.microsecond // 1000 * 1000)
        self._recorder.event("clock", value=rfc3339(instant))
        return instant


def rfc3339(instant: datetime) -> str:
    """An instant as RFC 3339 text in UTC with milliseconds and `Z`."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
