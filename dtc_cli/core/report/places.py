"""Where in a document of the target a finding lies: file and line, for code scanning and annotations."""

import json
from collections.abc import Iterable, Mapping, Sequence
from json.decoder import scanstring  # type: ignore[attr-defined]  # documented for decoders, not in the stubs

from dtc_cli.core.report.runfile import Event
from dtc_cli.core.runfolder import RunFolder

TOP = "its top"
"""How a finding about a whole document names its place."""
_BLANK = " \t\r\n"
_VALUE = json.JSONDecoder()


class Places:
    """Finds the line of a finding that says `<document> at <JSON pointer>: ...`, in the recorded bytes."""

    def __init__(self, folder: RunFolder, events: Mapping[str, Sequence[Event]]) -> None:
        self._folder = folder
        self._digests = dict(_documents(each for of_vector in events.values() for each in of_vector))
        self._texts: dict[str, str] = {}

    def of(self, message: str) -> tuple[str, int] | None:
        """Name and line (from 1) of the document that the message is about; None when it names none."""
        for name, digest in self._digests.items():
            if message.startswith(f"{name} at "):
                pointer = message[len(name) + 4 :].partition(": ")[0]
                return name, line_of(self._text(digest), "" if pointer == TOP else pointer)
        return None

    def _text(self, digest: str) -> str:
        if digest not in self._texts:
            self._texts[digest] = (self._folder.body(digest) or b"").decode("utf-8", "replace")
        return self._texts[digest]


def line_of(text: str, pointer: str) -> int:
    """The line (from 1) on which the value of a JSON pointer begins, or of the last part that is there."""
    place = _blanks(text, 0)
    for part in pointer.split("/")[1:]:
        try:
            place = _inside(text, place, part.replace("~1", "/").replace("~0", "~"))
        except (ValueError, IndexError):
            break
    return text.count("\n", 0, place) + 1


def _inside(text: str, place: int, part: str) -> int:
    """The place of a member or item.

    Raises:
        ValueError, IndexError: there is none.
    """
    kind, number = text[place], 0
    if kind not in "{[":
        raise ValueError("neither object nor array")
    place = _blanks(text, place + 1)
    while text[place] not in "}]":
        name = str(number)
        if kind == "{":
            if text[place] != '"':
                raise ValueError("no name")
            name, place = scanstring(text, place + 1)
            place = _blanks(text, _blanks(text, place) + 1)
        if name == part:
            return place
        _, place = _VALUE.raw_decode(text, place)
        place = _blanks(text, place)
        if text[place] == ",":
            place = _blanks(text, place + 1)
        number += 1
    raise ValueError("not there")


def _blanks(text: str, place: int) -> int:
    while place < len(text) and text[place] in _BLANK:
        place += 1
    return place


def _documents(events: Iterable[Event]) -> Iterable[tuple[str, str]]:
    for event in events:
        if event.kind == "document" and event.url and event.resp_digest:
            yield event.url, event.resp_digest
