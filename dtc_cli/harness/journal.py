"""What the run creates in the target: written down before it is created, so that it can be taken back."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dtc_cli.core.runfolder import whole_lines

JOURNAL = "journal.jsonl"


class Journal:
    """Append-only list of things to undo, in `journal.jsonl` of the run folder.

    A line is `{"op": "planned", "key": ..., "undo": {"method", "path", "body"?, "as"?}}`, or the key with
    `undone`, or with `kept` when it stays in the target for good. A thing is planned before the request that
    creates it goes out; an id that the server assigns is planned as soon as the answer is read, and until
    then the run id inside the object tells whose it is.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / JOURNAL
        self._file = self._path.open("ab")
        self._planned: dict[str, dict[str, Any]] = {}

    def plan(self, key: str, method: str, path: str, body: Any = None, as_: str | None = None) -> None:
        """Note the request that takes the thing back, and the role that sends it if not the usual."""
        undo = {"method": method, "path": path, "body": body} | ({"as": as_} if as_ else {})
        if self._planned.get(key) != undo:
            self._planned[key] = undo
            self._write({"op": "planned", "key": key, "undo": undo})

    def done(self, key: str) -> None:
        """Note that nothing is left to undo for the key."""
        self._planned.pop(key, None)
        self._write({"op": "undone", "key": key})

    def kept(self, key: str) -> None:
        """Note that the thing stays in the target, and that no request takes it away."""
        self._planned.pop(key, None)
        self._write({"op": "kept", "key": key})

    def open_items(self) -> list[tuple[str, dict[str, Any]]]:
        """Keys and undo requests that are still open, latest first."""
        return open_items(self._path.parent)

    def kept_items(self) -> list[str]:
        """Keys of what stays in the target, latest first."""
        return kept_items(self._path.parent)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, entry: dict[str, Any]) -> None:
        self._file.write(json.dumps(entry, ensure_ascii=True).encode() + b"\n")
        self._file.flush()


def kept_items(folder: Path) -> list[str]:
    """The keys of what stays in the target, latest first; also what an earlier sitting of the run left."""
    last = {entry["key"]: entry["op"] for entry in _entries(folder / JOURNAL)}
    return [key for key, op in reversed(last.items()) if op == "kept"]


def open_items(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """What the run in this folder planned, has not undone and can still undo, latest first."""
    planned: dict[str, dict[str, Any]] = {}
    for entry in _entries(folder / JOURNAL):
        if entry["op"] == "planned":
            planned[entry["key"]] = entry["undo"]
        else:
            planned.pop(entry["key"], None)
    return list(reversed(planned.items()))


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    for line in whole_lines(path):
        yield json.loads(line)
