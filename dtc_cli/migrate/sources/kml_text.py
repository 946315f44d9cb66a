"""Descriptions in KML: a table of HTML becomes fields, the rest text; the original is kept beside it."""

import re
from collections.abc import Iterable
from html.parser import HTMLParser
from typing import Any

FIELD = ("description", "Description")
RAW = "description_html"
LONGEST = 1_000_000
MOST_FIELDS = 200
_HIDDEN = frozenset({"script", "style", "head", "title"})
_BREAKS = frozenset({"br", "p", "div", "tr", "li", "h1", "h2", "h3", "table"})


class _Reader(HTMLParser):
    """Rows of cells, and the text outside of tables."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.rows: list[list[str]] = []
        self.text: list[str] = []
        self._cell: list[str] | None = None
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag in _HIDDEN:
            self._hidden += 1
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self._end_cell()
            self._cell = []
        elif tag in _BREAKS:
            (self.text if self._cell is None else self._cell).append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in _HIDDEN:
            self._hidden = max(0, self._hidden - 1)
        elif tag in ("td", "th", "tr", "table"):
            self._end_cell()

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            (self.text if self._cell is None else self._cell).append(data)

    def _end_cell(self) -> None:
        if self._cell is not None:
            if not self.rows:
                self.rows.append([])
            self.rows[-1].append(_plain(self._cell))
            self._cell = None


def _plain(parts: Iterable[str]) -> str:
    return " ".join("".join(parts).split())


def parsed(text: str) -> tuple[dict[str, str], str]:
    """The fields of a description (rows of two cells), and its text without marks and scripts."""
    reader = _Reader()
    reader.feed(text[:LONGEST])
    reader.close()
    fields: dict[str, str] = {}
    rest = [_plain(reader.text)]
    for row in reader.rows:
        if len(row) == 2 and re.search(r"\w", row[0]) and len(row[0]) <= 80:
            if len(fields) < MOST_FIELDS:
                fields.setdefault(row[0].rstrip(":").strip(), row[1])
        else:
            rest.append(_plain(" ".join(row)))
    return fields, " ".join(part for part in rest if part)


def is_marked(text: Any) -> bool:
    """Whether a description is HTML."""
    return isinstance(text, str) and re.search(r"<\s*/?\s*[a-zA-Z][^>]*>", text) is not None


def spread(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Columns with descriptions of HTML taken apart; a field of that name that is there already stays."""
    name = next((one for one in FIELD if one in columns), None)
    if name is None or not any(map(is_marked, columns[name])):
        return columns
    given = columns[name]
    size = len(given)
    shown: list[Any] = [None] * size
    added: dict[str, list[Any]] = {}
    for place, text in enumerate(given):
        if not is_marked(text):
            shown[place] = text
            continue
        fields, plain = parsed(text)
        shown[place] = plain or None
        for field, value in fields.items():
            added.setdefault(field, [None] * size)[place] = value or None
    fresh = {field: values for field, values in added.items() if field not in columns}
    return {**columns, name: shown, **fresh, RAW: [one if is_marked(one) else None for one in given]}
