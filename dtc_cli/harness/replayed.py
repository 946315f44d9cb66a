"""The child's side of a replay: the twin over recorded exchanges, and the session that judges by it."""

import json
import subprocess
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import pytest

from dtc_cli.clients.documents import Documents
from dtc_cli.clients.replayer import (
    NotRecorded,
    ReplayedDocuments,
    ReplayedRest,
    ReplayedTrack,
    ReplayedValidator,
    Tape,
)
from dtc_cli.clients.rest import Rest
from dtc_cli.clients.track import Track
from dtc_cli.clients.validator import TargetValidator
from dtc_cli.core import runfolder
from dtc_cli.core.model import MatrixLine, Outcome, Vector
from dtc_cli.core.runfolder import RunFolder
from dtc_cli.core.target_shape import restore
from dtc_cli.harness.clock import RunClock
from dtc_cli.harness.plugin import INTERRUPTED, RunSession
from dtc_cli.harness.twin import Twin

CHANGED = "changed.json"
"""Vector id to the first thing that it asks otherwise than in the run."""
PART = "part.json"
"""The vectors of the run that are judged now."""


def judged(recorded: RunFolder) -> list[MatrixLine]:
    """The lines of the run; the vector at which it was interrupted was not judged."""
    return [line for line in recorded.lines if line.justification != INTERRUPTED]


class ReplayedTwin(Twin):
    """The twin of a recorded run; it opens no socket and starts no process."""

    def __init__(self, recorded: RunFolder, run: Mapping[str, Any], folder: Path) -> None:
        self._recorded = recorded
        noted = next(event for event in recorded.events() if event["kind"] == "note" and "target" in event)
        super().__init__(restore(noted["target"], run), run, folder)
        self.recorder.event("note", target=noted["target"])

    def drawn(self, strategy: Any, count: int) -> list[Any]:
        """The examples that the run drew."""
        event = self.tape.next("draw", f"{count} drawn examples", lambda event: "values" in event)
        self.tape.repeat(event)
        return list(event["values"])

    def _open_clock(self, skew_ms: int) -> RunClock:
        self.tape = Tape(self._recorded, self.recorder)
        return ReplayedClock(self.tape, self.recorder, skew_ms)

    def _track(self, kind: str) -> Track:
        return ReplayedTrack(self.tape, kind, self.recorder)

    def _open_rest(self) -> Rest | None:
        return self._rest_with(partial(ReplayedRest, self.tape))

    def _open_documents(self) -> Documents:
        return ReplayedDocuments(self.tape, self.target, self._rest, self.recorder)

    def _open_validator(self) -> TargetValidator:
        return ReplayedValidator(self.tape, self.target, self.recorder)

    def _clean(self) -> list[str]:
        return []


class ReplayedClock(RunClock):
    """The run's clock as it was read."""

    def __init__(self, tape: Tape, *args: Any) -> None:
        super().__init__(*args)
        self._tape = tape

    def now(self) -> datetime:
        """The recorded instant that comes next."""
        event = self._tape.next("clock", "the clock", lambda event: "value" in event)
        self._tape.repeat(event)
        return datetime.fromisoformat(event["value"])

    def wait(self, seconds: float) -> None:
        """Nothing, in no time: the recorded clock has gone on already."""
        event = self._tape.next("clock", f"a wait of {seconds:.2f} s", lambda event: "waitedMs" in event)
        self._tape.repeat(event)


class ReplaySession(RunSession):
    """Judges the vectors that the run judged, by what was recorded."""

    twin: ReplayedTwin

    def __init__(self, folder: Path, recorded: Path, *, progress: bool) -> None:
        super().__init__(folder, recorded, progress=progress)
        # A run folder may come from anyone: no process is started on its word.
        subprocess.Popen = self._refuse  # type: ignore[misc, assignment]

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise self.twin.tape.otherwise("a command of the target file, whose answer the run does not hold")

    def open_twin(self, source: Path, run: dict[str, Any]) -> Twin:
        """The twin that was recorded in the run folder `source`."""
        recorded = runfolder.read(source)
        self.expected = set(json.loads((self._folder / PART).read_bytes()))
        return ReplayedTwin(recorded, run, self._folder)

    def watch(self, items: Iterable[pytest.Item]) -> None:
        """Nothing: what was seen in the background is on the tape."""

    def judge(self, vector: Vector, raised: BaseException) -> Outcome:
        """As in a run; a vector that meets what another one could not ask again has changed too."""
        if isinstance(raised, NotRecorded):
            self.twin.tape.changed.setdefault(vector.id, str(raised))
        return super().judge(vector, raised)

    def end(self, vector: Vector) -> None:
        """Close the vector; what it left unasked is noted."""
        self.twin.tape.end(vector.id)
        super().end(vector)

    def close(self) -> None:
        """Leave what has changed beside the matrix."""
        super().close()
        (self._folder / CHANGED).write_text(json.dumps(self.twin.tape.changed), encoding="utf-8")
