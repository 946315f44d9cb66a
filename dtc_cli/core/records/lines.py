"""From a JSON pointer to the line of a file: where a person has to look."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)
_OPEN, _CLOSE = b"{[", b"}]"
_BOM = b"\xef\xbb\xbf"

_Node = dict[str | None, Any]
"""A tree of pointer steps; under None stands the pointer that ends there."""


def line_numbers(text: bytes, pointers: Iterable[str]) -> dict[str, int]:
    """The 1-based line of each pointer in a JSON text, in one pass over it.

    A member's line is that of its name. A pointer that leads nowhere (a missing member) has the line of the
    deepest place on its way that exists. The text has to be JSON.
    """
    wanted = set(pointers)
    start = len(_BOM) if text.startswith(_BOM) else 0
    offsets = dict.fromkeys(wanted, start)
    tree: _Node = {}
    for pointer in wanted:
        node = tree
        for step in pointer.split("/")[1:]:
            node = node.setdefault(step.replace("~1", "/").replace("~0", "~"), {})
        node[None] = pointer
    _scan(text, start, tree, offsets)
    return _lines(text, offsets)


def _scan(text: bytes, position: int, tree: _Node, offsets: dict[str, int]) -> None:
    """Walk the tokens, into what holds a wanted place and over the rest, until all places are known."""
    open_ = set(offsets) - {""}
    frames: list[_Frame] = []
    while open_ and (match := _TOKEN.search(text, position)):
        token, position = match[0], match.end()
        frame = frames[-1] if frames else None
        if token in {b"}", b"]"}:
            open_.difference_update(_below(frames.pop().node))
        elif frame is not None and token in {b",", b":"}:
            if token == b",":
                frame.comma()
        elif frame is not None and frame.expects_name:
            frame.name(token)
            _mark(frame.child, match.start(), offsets, open_)
        else:
            node = tree if frame is None else frame.value()
            if frame is not None and frame.is_array:
                _mark(node, match.start(), offsets, open_)
            if token[0] in _OPEN and node:
                frames.append(_Frame(node, is_array=token == b"["))
            elif token[0] in _OPEN:
                position = _after(text, match.start())
        if not frames:
            return


class _Frame:
    """An array or object that holds something wanted, and how far the scan is in it."""

    def __init__(self, node: _Node, *, is_array: bool) -> None:
        self.is_array = is_array
        self.expects_name = not is_array
        self.child: _Node | None = None
        self.node = node
        self._index = 0

    def name(self, token: bytes) -> None:
        self.child = self.node.get(json.loads(token))
        self.expects_name = False

    def value(self) -> _Node | None:
        if self.is_array:
            self.child = self.node.get(str(self._index))
        return self.child

    def comma(self) -> None:
        self._index += 1
        self.expects_name = not self.is_array


def _mark(node: _Node | None, offset: int, offsets: dict[str, int], open_: set[str]) -> None:
    """Every pointer at or below a place is at least there; deeper places overwrite it when they are met."""
    if node is None:
        return
    offsets.update(dict.fromkeys(_below(node), offset))
    open_.discard(node.get(None, ""))


def _below(node: _Node) -> Iterator[str]:
    """The pointers that end at a node of the tree or below it."""
    waiting = [node]
    while waiting:
        for step, below in waiting.pop().items():
            if step is None:
                yield below
            else:
                waiting.append(below)


def _after(text: bytes, position: int) -> int:
    """The offset behind the bracket that closes the one at this offset."""
    depth = 0
    for match in _BRACKET.finditer(text, position):
        first = match[0][0]
        if first in _OPEN:
            depth += 1
        elif first in _CLOSE:
            depth -= 1
            if depth == 0:
                return match.end()
    return len(text)


def _lines(text: bytes, offsets: dict[str, int]) -> dict[str, int]:
    lines: dict[str, int] = {}
    line, reached = 1, 0
    for pointer, offset in sorted(offsets.items(), key=lambda entry: entry[1]):
        line += text.count(b"\n", reached, offset)
        reached = offset
        lines[pointer] = line
    return lines
