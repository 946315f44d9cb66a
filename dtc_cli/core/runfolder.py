"""Reading a run folder: the files a run leaves, also when it was killed half-way."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from dtc_cli.core.model import MatrixLine, Requirement, Vector
from dtc_cli.errors import DtcError

RUN = "run.json"
EVENTS = "events.jsonl"
MATRIX = "matrix.jsonl"
VECTORS = "vectors.json"
REQUIREMENTS = "requirements.json"
BODIES = "bodies"
END = "end.json"
"""What the child process leaves when it ends in order: chain head, event count, things left behind."""


class RunFolder:
    """The content of one run folder.

    Raises:
        DtcError: `not-a-run` when the folder lacks run.json, or a file in it is not what a run writes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not (path / RUN).is_file():
            raise DtcError(
                "not-a-run",
                f"{path} is not a run folder",
                where=str(path),
                why=f"it holds no {RUN}",
                hint="give the folder that `dtc certify` printed, for example runs/20260101T120000Z-0190a1b2",
            )
        try:
            self.run: dict[str, Any] = json.loads((path / RUN).read_bytes())
            self.requirements = self._array(REQUIREMENTS, tuple[Requirement, ...])
            self.vectors = self._array(VECTORS, tuple[Vector, ...])
            self.lines = tuple(
                msgspec.json.decode(line, type=MatrixLine) for line in whole_lines(path / MATRIX)
            )
        except (ValueError, msgspec.MsgspecError) as problem:
            raise DtcError(
                "run-damaged",
                f"the run folder {path.name} cannot be read",
                where=str(path),
                why=str(problem),
                hint="a file in it was changed after the run; use the original folder or the signed package",
            ) from problem

    def _array(self, name: str, kind: Any) -> Any:
        file = self.path / name
        return msgspec.json.decode(file.read_bytes(), type=kind) if file.is_file() else ()

    @property
    def excluded(self) -> dict[str, str]:
        """Requirement id to reason, as the profile states it."""
        return dict(self.run.get("profile", {}).get("excluded", {}))

    def events(self) -> Iterator[dict[str, Any]]:
        """The recorded events in order; a half-written last line is left out."""
        for line in whole_lines(self.path / EVENTS):
            yield json.loads(line)

    def body(self, digest: str | None) -> bytes | None:
        """The redacted body of that SHA-256 (hex), or None when it was not kept."""
        if not digest or not digest.isalnum():
            return None
        file = self.path / BODIES / digest
        return file.read_bytes() if file.is_file() else None


def whole_lines(file: Path) -> Iterator[bytes]:
    """The complete lines of a JSON Lines file, without their newline.

    A run that is killed while it writes leaves a last line without a newline; that line is dropped.
    """
    if not file.is_file():
        return
    with file.open("rb") as stream:
        for line in stream:
            if line.endswith(b"\n") and line.strip():
                yield line[:-1]


def read(path: Path) -> RunFolder:
    """Open a run folder for reading."""
    return RunFolder(path)
