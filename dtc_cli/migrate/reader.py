"""The parent's side of reading: starts children, survives their crashes, and finds the record to blame."""

import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode
from dtc_cli.migrate import frames
from dtc_cli.migrate.child import Job
from dtc_cli.migrate.trouble import source_error

READ_SIZE = 8192
"""Records that a child reads at once."""
CAREFUL_SIZE = 64
GIVE_UP_AFTER = 200
"""Crashes of one layer; more of them mean that the library cannot read it at all."""


class LayerFacts(msgspec.Struct, kw_only=True):
    """What the children said about a layer."""

    count: int | None = None
    token: str = ""
    token_after: str = ""
    operation: dict[str, Any] | None = None
    crs: str | None = None
    read: int = 0
    bounds: list[float] | None = None
    notices: dict[str, int] = {}
    crashes: int = 0


class LayerReader:
    """Reads one layer through children. After iteration `facts` is complete."""

    def __init__(
        self,
        plan: Path,
        source: str,
        layer: str,
        *,
        migration: str,
        started: datetime,
        frame: int,
        stop: int | None = None,
        placed_only: bool = False,
        only: list[int] | None = None,
        command: tuple[str, ...] = (sys.executable, "-m", "dtc_cli.migrate.child"),
    ) -> None:
        self.facts = LayerFacts()
        self._command = command
        self._stop = stop
        self._child: _Child | None = None
        self._halted = False
        self._job = Job(
            plan=str(plan), source=source, layer=layer, start=0, size=READ_SIZE, careful=False, stop=stop,
            migration=migration, started=started.isoformat(), frame=frame, placed_only=placed_only,
            only=only,
        )  # fmt: skip

    def halt(self) -> None:
        """End the child that is at work: nobody wants further frames."""
        self._halted = True
        child = self._child
        if child is not None:
            child.kill()

    def frames(self, start: int = 0) -> Generator[frames.Frame, None, None]:  # noqa: PLR0912 - one state machine
        """DATA frames from ordinal `start` on, in order and without gaps.

        A record at which the library crashes twice comes as a quarantined record with the code
        `reader-crash`.

        Raises:
            DtcError: what the child said; `migration-source` when it cannot be read at all.
        """
        at, careful_until = start, -1
        while True:
            careful = at < careful_until
            size = 1 if careful and self.facts.crashes > 1 else CAREFUL_SIZE if careful else READ_SIZE
            stop = min(careful_until, self._stop or careful_until) if careful else self._stop
            job = msgspec.structs.replace(
                self._job, start=at, size=size, careful=careful, stop=stop, replay=not self.facts.crashes
            )
            ended, status = False, 0
            child = self._child = _Child(self._command, job)
            try:
                while (frame := frames.read(child.out)) is not None:
                    if frame.kind == frames.READY:
                        self._note_ready(frame.head)
                    elif frame.kind == frames.DATA:
                        at = frame.head[-1].n + 1
                        yield frame
                    elif frame.kind == frames.FAILED:
                        raise _as_error(frame.head)
                    else:
                        self._note_end(frame.head)
                        ended = True
            finally:
                self._child = None
                status = child.close()
            if self._halted:
                return
            if ended:
                if careful and at >= careful_until and at != self._stop and self._more(at, stop):
                    careful_until = -1
                    continue
                return
            self.facts.crashes += 1
            if status == 0 or self.facts.crashes > GIVE_UP_AFTER or not self.facts.token:
                raise _gone(self._job, status, child.said())
            if careful and size == 1:
                yield _blamed(at, status)
                at += 1
                if self._stop is not None and at >= self._stop:
                    return
                if self.facts.count is not None and at >= self.facts.count:
                    self.facts.read = at
                    return
            careful_until = max(careful_until, at + READ_SIZE)

    def _more(self, at: int, stop: int | None) -> bool:
        """Whether a careful child stopped because it was told to, not because the layer ended."""
        return stop is not None and at >= stop

    def _note_ready(self, head: dict[str, Any]) -> None:
        facts = self.facts
        facts.count, facts.operation, facts.crs = head["count"], head["operation"], head["crs"]
        facts.token = facts.token or head["token"]

    def _note_end(self, head: dict[str, Any]) -> None:
        facts = self.facts
        facts.read, facts.token_after = head["read"], head["token"]
        for text, times in head["notices"].items():
            facts.notices[text] = facts.notices.get(text, 0) + times
        if head["bounds"] is not None:
            facts.bounds = joined_bounds([facts.bounds, head["bounds"]])


def joined_bounds(boxes: Sequence[Sequence[float] | None]) -> list[float] | None:
    """The box around boxes (west, south, east, north), None where there are none."""
    known = [one for one in boxes if one]
    if not known:
        return None
    low = [min(one[place] for one in known) for place in (0, 1)]
    return low + [max(one[place] for one in known) for place in (2, 3)]


class _Child:
    """One child process; its words on stderr go to a file, so that it can never block on them."""

    def __init__(self, command: tuple[str, ...], job: Job) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
        )
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the child has no pipes")
        self.out = self._process.stdout
        try:
            self._process.stdin.write(msgspec.msgpack.encode(job))
            self._process.stdin.close()
        except BrokenPipeError:
            pass
        self._said = ""

    def kill(self) -> None:
        """End the child at once; what it still had to say is lost."""
        self._process.kill()

    def close(self) -> int:
        """End the child and return its exit status; negative is a signal."""
        self.out.close()
        status = self._process.poll()
        if status is None:
            try:
                status = self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                status = self._process.wait()
        self._errors.seek(0)
        self._said = self._errors.read()[-2000:].decode("utf-8", "replace").strip()
        self._errors.close()
        return status

    def said(self) -> str:
        """The last line that it wrote to stderr."""
        return self._said.splitlines()[-1] if self._said else ""


def _as_error(head: dict[str, Any]) -> DtcError:
    return DtcError(
        head["code"], head["what"], where=head["where"], why=head["why"], hint=head["try"],
        exit_code=ExitCode(head["exit"]),
    )  # fmt: skip


def _gone(job: Job, status: int, said: str) -> DtcError:
    return source_error(
        f"the reader of {job.source}/{job.layer} ended without an answer",
        where=job.plan,
        why=f"exit status {status}; {said}",
        hint="is the file damaged? open it with another program and save it anew",
    )


def _blamed(n: int, status: int) -> frames.Frame:
    from dtc_cli.migrate.transform import Record

    body = b'{"fields":{},"wkb":null}'
    record = Record(
        n, str(n), "", "", "quarantined", "reader-crash",
        f"the reading library crashed at this record (exit status {status})", "", len(body), "",
    )  # fmt: skip
    return frames.Frame(frames.DATA, [record], body + b"\n")
