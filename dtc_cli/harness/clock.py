"""The run's clock: the only time a suite may use. What it says is recorded, for a replay to repeat."""

import time
from datetime import UTC, datetime, timedelta

from dtc_cli.clients.recorder import Recorder


class RunClock:
    """Wall time in UTC, set to the target's clock as its `Date` header showed it (C-09)."""

    def __init__(self, recorder: Recorder, target_skew_ms: int = 0) -> None:
        self._recorder = recorder
        self.skew = timedelta(milliseconds=target_skew_ms)
        """Target clock minus ours."""

    def now(self) -> datetime:
        """The present instant on the target's clock, in whole milliseconds, zoned (UTC)."""
        instant = datetime.now(UTC) + self.skew
        # What is recorded is what is used: a replay must build the same requests from it.
        instant = instant.replace(microsecond=instant.microsecond // 1000 * 1000)
        self._recorder.event("clock", value=rfc3339(instant))
        return instant

    def wait(self, seconds: float) -> None:
        """Let so many seconds pass. That a vector waited is recorded; a replay does not wait again."""
        self._recorder.event("clock", waitedMs=round(seconds * 1000))
        self._pass(seconds)

    def _pass(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds))


def rfc3339(instant: datetime) -> str:
    """An instant as RFC 3339 text in UTC with milliseconds and `Z`."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
