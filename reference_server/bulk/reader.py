"""Rows of a large body, one after another: memory holds a row, never the file.

Three forms: a GeoJSON FeatureCollection, a record of phase 1, and NDJSON (one JSON object per line).
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import msgspec

from reference_server import jsonio
from reference_server.strictjson import MAX_DEPTH, BadJsonError

CHUNK = 1024 * 1024
MAX_ROW = 16 * 1024 * 1024
"""Characters that a row may take: more than any object, or a sensor with 100,000 readings."""
ARRAYS = {
    "/features": "feature",
    "/cityObjects": "object",
    "/sensorNetwork/nodes": "sensor",
    "/sensorNetwork/aggregations": "aggregation",
    "/simulations": "simulation",
    "/services": "service",
}
"""The arrays whose elements are rows, and what they are rows of."""
WRAPPED = frozenset({"sensor", "readings", "service", "aggregation", "simulation", "city"})
"""In NDJSON, a line with this one member carries such an entity; any other line is a city object."""
HEADER = frozenset(
    {"type", "version", "cityId", "timestamp", "bounds", "coordinateSystem", "metadata", "name"}
)
MAX_MEMBERS = 10_000
"""Members that an object above the rows may have."""
_CITY = re.compile(rb'\s*\{\s*"city"')
_BLANK = " \t\n\r"
_DECODER = json.JSONDecoder()
"""Finds where a value ends; the value itself is read strictly then."""


class Item(msgspec.Struct, frozen=True):
    """A row: what it is, where it stands, its value or what is wrong with its text.

    `line` is the line of NDJSON or the ordinal in a document, from 1; `at` the bytes read so far.
    """

    kind: str
    line: int
    pointer: str
    value: Any
    wrong: str | None
    at: int


class Document:
    """Reads a file; afterwards `header` holds the members that are no rows, and `form` what it was."""

    def __init__(self, path: Path, *, lines: bool) -> None:
        self.path = path
        self.lines = lines
        self.header: dict[str, Any] = {}
        self.seen: set[str] = set()

    def __iter__(self) -> Iterator[Item]:
        """The rows.

        Raises:
            BadJsonError: the text as a whole is not JSON, or holds no rows.
        """
        with self.path.open("rb") as file:
            yield from self._lines(file) if self.lines else self._document(Text(file))

    def heads(self) -> Iterator[Item]:
        """Of NDJSON the rows that begin as a header of the city does; no other is parsed."""
        with self.path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                if _CITY.match(raw):
                    yield self._line(raw, number, 0)

    def _lines(self, file: IO[bytes]) -> Iterator[Item]:
        number = at = 0
        while raw := file.readline(MAX_ROW + 1):
            number += 1
            at += len(raw)
            if len(raw) > MAX_ROW:
                while raw and not raw.endswith(b"\n"):
                    raw = file.readline(MAX_ROW)
                    at += len(raw)
                yield Item("object", number, "", None, f"a row may take {MAX_ROW} bytes", at)
            elif not raw.isspace():
                yield self._line(raw, number, at)

    def _line(self, raw: bytes, number: int, at: int) -> Item:
        try:
            value = jsonio.loads(raw)
        except (BadJsonError, RecursionError) as problem:
            return Item("object", number, "", None, str(problem), at)
        if isinstance(value, dict) and len(value) == 1:
            name = next(iter(value))
            if name in WRAPPED and isinstance(value[name], dict):
                if name == "city":
                    self.header = value[name]
                return Item(name, number, f"/{name}", value[name], None, at)
        kind = "feature" if isinstance(value, dict) and value.get("type") == "Feature" else "object"
        return Item(kind, number, "", value, None, at)

    def _document(self, text: "Text") -> Iterator[Item]:
        if text.peek() != "{":
            raise BadJsonError("the body must be a JSON object")
        for count, item in enumerate(self._members(text, ""), start=1):
            yield msgspec.structs.replace(item, line=count)
        if text.peek():
            raise BadJsonError("the text goes on after its end")
        if not self.seen:
            raise BadJsonError("the body is neither a FeatureCollection nor a record with rows")

    def _members(self, text: "Text", at: str) -> Iterator[Item]:
        text.take("{")
        names: set[str] = set()
        while text.peek() != "}":
            if names:
                text.take(",")
            name = text.name()
            if name in names:
                raise BadJsonError(f"the member {name[:60]!r} is given twice in one object")
            names.add(name)
            if len(names) > MAX_MEMBERS:
                raise BadJsonError(f"the document has more than {MAX_MEMBERS} members")
            text.take(":")
            pointer = f"{at}/{name}"
            if pointer in ARRAYS and text.peek() == "[":
                self.seen.add(pointer)
                yield from self._elements(text, pointer)
            elif pointer == "/sensorNetwork" and text.peek() == "{":
                yield from self._members(text, pointer)
            else:
                value = text.value()
                if not at and name in HEADER:
                    self.header[name] = value
        text.take("}")

    def _elements(self, text: "Text", pointer: str) -> Iterator[Item]:
        text.take("[")
        index = 0
        while text.peek() != "]":
            if index:
                text.take(",")
            value, wrong = text.row()
            yield Item(ARRAYS[pointer], 0, f"{pointer}/{index}", value, wrong, text.read)
            index += 1
        text.take("]")


class Text:
    """A window on UTF-8 text: what was taken is forgotten."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._left = b""
        self._text = ""
        self._at = 0
        self._ended = False
        self.read = 0

    def _more(self) -> bool:
        """Read on; False at the end of the file."""
        if self._ended:
            return False
        raw = self._file.read(CHUNK)
        self.read += len(raw)
        self._ended = not raw
        block = self._left + raw
        # the last character may be cut: up to three of its bytes wait for the rest
        cut = len(block) if self._ended else _whole(block)
        self._left = block[cut:]
        try:
            self._text = self._text[self._at :] + block[:cut].decode()
        except UnicodeDecodeError as problem:
            raise BadJsonError("the text is not UTF-8") from problem
        self._at = 0
        return not self._ended

    def peek(self) -> str:
        """The next character that is no blank, or nothing at the end."""
        while True:
            text, at, end = self._text, self._at, len(self._text)
            while at < end and text[at] in _BLANK:
                at += 1
            self._at = at
            if at < end:
                return text[at]
            if not self._more() and self._at >= len(self._text):
                return ""

    def take(self, wanted: str) -> None:
        """Go past a character.

        Raises:
            BadJsonError: something else stands there.
        """
        if self.peek() != wanted:
            raise BadJsonError(f"the text is not JSON: {wanted} is missing, or the text is cut off")
        self._at += 1

    def name(self) -> str:
        """The name of a member."""
        if self.peek() != '"':
            raise BadJsonError("the text is not JSON: the name of a member is missing")
        return str(self.value())

    def value(self) -> Any:
        """The next value.

        Raises:
            BadJsonError: it is not JSON, or longer than a row may be.
        """
        value, wrong = self.row()
        if wrong is not None:
            raise BadJsonError(wrong)
        return value

    def row(self) -> tuple[Any, str | None]:
        """The next value, or None and what is wrong with it when its end is known all the same."""
        self.peek()
        while True:
            try:
                _, end = _DECODER.raw_decode(self._text, self._at)
            except RecursionError as problem:
                raise BadJsonError(f"the text is nested deeper than {MAX_DEPTH} levels") from problem
            except ValueError as problem:
                if len(self._text) - self._at > MAX_ROW:
                    raise BadJsonError(
                        f"a row may take {MAX_ROW} characters; NDJSON can split the readings of a sensor"
                    ) from problem
                if self._more():
                    continue
                raise BadJsonError(f"the text is not JSON, or cut off: {problem}") from problem
            if end == len(self._text) and self._text[end - 1] not in '}]"' and self._more():
                continue  # a number may go on
            break
        start, self._at = self._at, end
        try:
            return jsonio.loads(self._text[start:end].encode()), None
        except (BadJsonError, RecursionError, UnicodeEncodeError) as problem:
            return None, str(problem)


def _whole(block: bytes) -> int:
    """How many bytes of a block are whole characters of UTF-8."""
    for back in range(1, min(4, len(block)) + 1):
        byte = block[-back]
        if byte & 0xC0 != 0x80:  # a first byte
            need = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(block) if need <= back else len(block) - back
    return len(block)
