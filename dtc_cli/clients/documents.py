"""The records a target produces: its files, or the snapshot it serves."""

import glob
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from dtc_cli.clients.answer import Answer
from dtc_cli.clients.recorder import Recorder
from dtc_cli.clients.rest import Rest, quote
from dtc_cli.core.target import Target


class Document(msgspec.Struct, frozen=True):
    """One produced record, as bytes."""

    name: str
    """File name relative to the target file, or the URL it was fetched from."""
    content: bytes
    event: int


class Documents:
    """Phase 1 documents of a target, each recorded when it is read.

    Without `documents:` in the target file the snapshot of the present is fetched (P2 4.8, C-51).
    """

    def __init__(self, target: Target, rest: Rest | None, recorder: Recorder) -> None:
        self._target = target
        self._rest = rest
        self._recorder = recorder
        self.refused: int | None = None
        """The status with which the snapshot was refused, once it was asked for."""

    @property
    def offered(self) -> bool:
        """Whether there is any way to get documents."""
        return bool(self._target.documents) or self._rest is not None

    def read(self, now: datetime) -> Iterator[Document]:
        """Each document in the order of its name; `now` (zoned) is the instant of the snapshot."""
        if self._target.documents:
            for file in files(self._target):
                content = file.read_bytes()
                name = os.path.relpath(file, self._target.folder)
                event = self._recorder.event(
                    "document",
                    method="READ",
                    url=name,
                    respDigest=self._recorder.body(content),
                    respSize=len(content),
                )
                yield Document(name, content, event)
        elif self._rest is not None:
            answer = self.snapshot(self._rest, now)
            if not answer.ok:
                self.refused = answer.status
            else:
                yield Document(answer.url, answer.body, answer.event)

    def snapshot(self, rest: Rest, now: datetime) -> Answer:
        """The answer to a request for the snapshot at `now`."""
        instant = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return rest.get(f"/cities/{{city}}/snapshots/{quote(instant)}")


def files(target: Target) -> list[Path]:
    """The files that the `documents:` patterns match, sorted, each once."""
    found: set[Path] = set()
    for pattern in target.documents:
        names = glob.glob(str(target.folder / pattern), recursive=True)
        found.update(Path(name) for name in names if Path(name).is_file())
    return sorted(found)
